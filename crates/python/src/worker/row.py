"""Rows, as PyFlink gives them to functions."""
import enum


class RowKind(enum.Enum):
    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3

    def __str__(self):
        return ("+I", "-U", "+U", "-D")[self.value]


class Row:
    """Values, by position and, where they have names, by name."""

    __slots__ = ("_values", "_fields", "_row_kind")

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            raise ValueError("a row has values with names or without, not both")
        self._values = list(kwargs.values()) if kwargs else list(args)
        self._fields = list(kwargs) if kwargs else None
        self._row_kind = RowKind.INSERT

    @staticmethod
    def of_kind(row_kind, *args, **kwargs):
        row = Row(*args, **kwargs)
        row.set_row_kind(row_kind)
        return row

    def get_row_kind(self):
        return self._row_kind

    def set_row_kind(self, row_kind):
        self._row_kind = row_kind

    def set_field_names(self, field_names):
        self._fields = list(field_names)

    def get_fields_by_names(self, names):
        if self._fields is None or names == self._fields:
            return self._values
        return [self[name] for name in names]

    def as_dict(self, recursive=False):
        if self._fields is None:
            raise TypeError("a row without names is no dict")
        values = (_plain(value) for value in self._values) if recursive else self._values
        return dict(zip(self._fields, values))

    def _at(self, key):
        if isinstance(key, (int, slice)):
            return key
        if self._fields is None or key not in self._fields:
            raise KeyError(key)
        return self._fields.index(key)

    def __getitem__(self, key):
        return self._values[self._at(key)]

    def __setitem__(self, key, value):
        self._values[self._at(key)] = value

    def __getattr__(self, name):
        if name.startswith("_") or self._fields is None or name not in self._fields:
            raise AttributeError(name)
        return self._values[self._fields.index(name)]

    def __contains__(self, item):
        return item in (self._values if self._fields is None else self._fields)

    def __call__(self, *args):
        if len(args) > len(self._values):
            raise ValueError("this row has %d fields, not %d" % (len(self._values), len(args)))
        row = Row(*args)
        row.set_field_names(self._values)
        return row

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def __eq__(self, other):
        if not isinstance(other, Row) or self._row_kind != other._row_kind:
            return False
        if self._fields is None or other._fields is None:
            return self._fields is other._fields and self._values == other._values
        return sorted(self._fields) == sorted(other._fields) and self.as_dict() == other.as_dict()

    def __hash__(self):
        return hash(tuple(self._values))

    def __reduce__(self):
        return _restored, (self._fields, self._values, self._row_kind)

    def __repr__(self):
        if self._fields is None:
            return "<Row(%s)>" % ", ".join(map(repr, self._values))
        return "Row(%s)" % ", ".join("%s=%r" % pair for pair in zip(self._fields, self._values))


def _restored(fields, values, row_kind):
    row = Row(*values)
    row._fields = fields
    row._row_kind = row_kind
    return row


def _plain(value):
    if isinstance(value, Row):
        return value.as_dict(True)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
