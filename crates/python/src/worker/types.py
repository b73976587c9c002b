"""Flink's types under PyFlink's names, and how SQL writes them."""
import copy


class DataType:
    """A type, with its nullability."""

    def __init__(self, nullable=True):
        self._nullable = nullable

    def not_null(self):
        return self._with(False)

    def nullable(self):
        return self._with(True)

    def _with(self, nullable):
        other = copy.copy(self)
        other._nullable = nullable
        return other

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self):
        return hash(str(self))

    def __repr__(self):
        return sql_type(self)


class AtomicType(DataType):
    pass


class NullType(AtomicType):
    pass


class _Sized(AtomicType):
    def __init__(self, length=1, nullable=True):
        super().__init__(nullable)
        self.length = length


class CharType(_Sized):
    pass


class VarCharType(_Sized):
    pass


class BinaryType(_Sized):
    pass


class VarBinaryType(_Sized):
    pass


class BooleanType(AtomicType):
    pass


class TinyIntType(AtomicType):
    pass


class SmallIntType(AtomicType):
    pass


class IntType(AtomicType):
    pass


class BigIntType(AtomicType):
    pass


class FloatType(AtomicType):
    pass


class DoubleType(AtomicType):
    pass


class DecimalType(AtomicType):
    def __init__(self, precision=10, scale=0, nullable=True):
        super().__init__(nullable)
        self.precision = precision
        self.scale = scale


class DateType(AtomicType):
    pass


class TimeType(AtomicType):
    def __init__(self, precision=0, nullable=True):
        super().__init__(nullable)
        self.precision = precision


class TimestampType(AtomicType):
    def __init__(self, precision=6, nullable=True):
        super().__init__(nullable)
        self.precision = precision


class LocalZonedTimestampType(AtomicType):
    def __init__(self, precision=6, nullable=True):
        super().__init__(nullable)
        self.precision = precision


class ArrayType(DataType):
    def __init__(self, element_type, nullable=True):
        super().__init__(nullable)
        self.element_type = element_type


class MultisetType(DataType):
    def __init__(self, element_type, nullable=True):
        super().__init__(nullable)
        self.element_type = element_type


class MapType(DataType):
    def __init__(self, key_type, value_type, nullable=True):
        super().__init__(nullable)
        self.key_type = key_type
        self.value_type = value_type


class ListViewType(DataType):
    def __init__(self, element_type):
        super().__init__(True)
        self._element_type = element_type


class MapViewType(DataType):
    def __init__(self, key_type, value_type):
        super().__init__(True)
        self._key_type = key_type
        self._value_type = value_type


class RowField:
    """A named field of a row."""

    def __init__(self, name, data_type, description=None):
        self.name = name
        self.data_type = data_type
        self.description = description

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__


class RowType(DataType):
    def __init__(self, fields=None, nullable=True):
        super().__init__(nullable)
        self.fields = list(fields or [])
        self.names = [field.name for field in self.fields]

    def add(self, field, data_type=None):
        self.fields.append(field if isinstance(field, RowField) else RowField(field, data_type))
        self.names.append(self.fields[-1].name)
        return self

    def field_names(self):
        return list(self.names)

    def field_types(self):
        return [field.data_type for field in self.fields]

    def __iter__(self):
        return iter(self.fields)

    def __len__(self):
        return len(self.fields)

    def __getitem__(self, key):
        return self.fields[self.names.index(key) if isinstance(key, str) else key]


LENGTH_MAX = 0x7FFFFFFF


class DataTypes:
    """Makes types."""

    FIELD = RowField
    NULL = NullType
    BOOLEAN = BooleanType
    TINYINT = TinyIntType
    SMALLINT = SmallIntType
    INT = IntType
    BIGINT = BigIntType
    FLOAT = FloatType
    DOUBLE = DoubleType
    DECIMAL = DecimalType
    DATE = DateType
    TIME = TimeType
    TIMESTAMP = TimestampType
    TIMESTAMP_LTZ = LocalZonedTimestampType
    TIMESTAMP_WITH_LOCAL_TIME_ZONE = LocalZonedTimestampType
    CHAR = CharType
    VARCHAR = VarCharType
    BINARY = BinaryType
    VARBINARY = VarBinaryType
    ARRAY = ArrayType
    MAP = MapType
    MULTISET = MultisetType
    ROW = RowType
    LIST_VIEW = ListViewType
    MAP_VIEW = MapViewType

    @staticmethod
    def STRING(nullable=True):
        return VarCharType(LENGTH_MAX, nullable)

    @staticmethod
    def BYTES(nullable=True):
        return VarBinaryType(LENGTH_MAX, nullable)


_PLAIN = {
    "NullType": "NULL",
    "BooleanType": "BOOLEAN",
    "TinyIntType": "TINYINT",
    "SmallIntType": "SMALLINT",
    "IntType": "INT",
    "BigIntType": "BIGINT",
    "FloatType": "FLOAT",
    "DoubleType": "DOUBLE",
    "DateType": "DATE",
}
_WITH_LENGTH = {"CharType": "CHAR", "VarCharType": "VARCHAR", "BinaryType": "BINARY", "VarBinaryType": "VARBINARY"}
_WITH_PRECISION = {"TimeType": "TIME", "TimestampType": "TIMESTAMP", "LocalZonedTimestampType": "TIMESTAMP_LTZ"}


def sql_type(data_type):
    """How SQL writes a type: of ours, or of PyFlink, whose classes have the same names and attributes."""
    if isinstance(data_type, str):
        return data_type
    text = _sql_kind(data_type)
    return text if data_type._nullable or text == "NULL" else text + " NOT NULL"


def accumulator_type(data_type):
    """The same of what an aggregate function remembers: views are lists and maps there."""
    name = type(data_type).__name__
    if name == "ListViewType":
        return "ARRAY<%s>" % sql_type(data_type._element_type)
    if name == "MapViewType":
        return "MAP<%s, %s>" % (sql_type(data_type._key_type), sql_type(data_type._value_type))
    if name == "RowType":
        return _row(data_type, _field_type)
    return sql_type(data_type)


def _field_type(data_type):
    name = type(data_type).__name__
    return accumulator_type(data_type) if name in ("ListViewType", "MapViewType") else sql_type(data_type)


def _row(data_type, of_field):
    fields = ("`%s` %s" % (f.name.replace("`", "``"), of_field(f.data_type)) for f in data_type.fields)
    return "ROW<%s>" % ", ".join(fields)


def _sql_kind(data_type):
    name = type(data_type).__name__
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _WITH_LENGTH:
        return "%s(%d)" % (_WITH_LENGTH[name], data_type.length)
    if name in _WITH_PRECISION:
        return "%s(%d)" % (_WITH_PRECISION[name], data_type.precision)
    if name == "DecimalType":
        return "DECIMAL(%d, %d)" % (data_type.precision, data_type.scale)
    if name in ("ArrayType", "MultisetType"):
        return "%s<%s>" % (name[:-4].upper(), sql_type(data_type.element_type))
    if name == "MapType":
        return "MAP<%s, %s>" % (sql_type(data_type.key_type), sql_type(data_type.value_type))
    if name == "RowType":
        return _row(data_type, sql_type)
    if name in ("ListViewType", "MapViewType"):
        raise TypeError("a list view or map view is no type of values: it is an accumulator, or a field of its row")
    raise TypeError("functions in Python do not know the type %s" % name)
