"""Columns as Python values and back: what functions of a row are given, and what they give.

A type is a dict as the host writes it: `kind`, `nullable`, and what the kind has. How each lies in Arrow is the host's table
(`flott_api::types::arrow`)."""
import datetime
import decimal
import operator
import re

import flott_pyflink
import numpy as np
import pyarrow as pa

_INTEGERS = {"TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INT": pa.int32(), "BIGINT": pa.int64()}
_FLOATS = {"FLOAT": pa.float32(), "DOUBLE": pa.float64()}
_TEXT = ("CHAR", "VARCHAR")
_BYTES = ("BINARY", "VARBINARY")
_TIMESTAMPS = ("TIMESTAMP", "TIMESTAMP_LTZ")
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)


_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")


def zone_of(name):
    """A time zone by its name, as PyFlink makes them where it can, or by its offset."""
    offset = _OFFSET.fullmatch(name)
    if offset:
        hours, minutes, seconds = (int(part or 0) for part in offset.groups()[1:])
        ahead = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return datetime.timezone(-ahead if offset[1] == "-" else ahead)
    try:
        import pytz
    except ImportError:
        import zoneinfo

        return zoneinfo.ZoneInfo(name)
    return pytz.timezone(name)


def in_zone(moment, zone):
    return zone.localize(moment) if hasattr(zone, "localize") else moment.replace(tzinfo=zone)


def unit_of(precision):
    return "ms" if precision <= 3 else "us"


def arrow_type(t):
    """The Arrow type of a column."""
    kind = t["kind"]
    if kind in _INTEGERS or kind in _FLOATS:
        return _INTEGERS.get(kind) or _FLOATS[kind]
    if kind in _TEXT:
        return pa.string()
    if kind in _BYTES:
        return pa.binary()
    if kind == "BOOLEAN":
        return pa.bool_()
    if kind == "DECIMAL":
        return pa.decimal128(t["precision"], t["scale"])
    if kind == "DATE":
        return pa.date32()
    if kind == "TIME":
        return pa.time32("ms")
    if kind in _TIMESTAMPS:
        if t["precision"] > 6:
            return pa.struct([pa.field("millis", pa.int64(), False), pa.field("nanos", pa.int32(), False)])
        return pa.timestamp(unit_of(t["precision"]), tz="UTC" if kind == "TIMESTAMP_LTZ" else None)
    if kind == "ARRAY":
        return pa.list_(_field("element", t["element"]))
    if kind == "MAP":
        entry = pa.struct([_field("key", t["key"]), _field("value", t["value"])])
        return pa.list_(pa.field("entry", entry, False))
    if kind == "ROW":
        return pa.struct([_field(f["name"], f["type"]) for f in t["fields"]])
    if kind == "NULL":
        return pa.null()
    raise TypeError("no column of Python has the type %s" % kind)


def _field(name, t):
    return pa.field(name, arrow_type(t), t["nullable"])


# From columns.


def decoder(t, zone):
    """What makes a list of values of a column of this type."""
    kind = t["kind"]
    if kind in _TEXT or kind in _BYTES:
        return _objects
    if kind == "DECIMAL":
        return lambda column: column.to_pylist()
    if kind == "TIME":
        return lambda column: column.to_pylist()
    if kind == "DATE":
        return lambda column: _moments(column, datetime.date)
    if kind in _TIMESTAMPS:
        return _timestamp_decoder(t, zone)
    if kind == "ARRAY":
        return _list_decoder(decoder(t["element"], zone))
    if kind == "MAP":
        return _map_decoder(decoder(t["key"], zone), decoder(t["value"], zone))
    if kind == "ROW":
        return _row_decoder([f["name"] for f in t["fields"]], [decoder(f["type"], zone) for f in t["fields"]])
    if kind == "NULL":
        return lambda column: [None] * len(column)
    return _numbers


def _numbers(column):
    if not column.null_count:
        return column.to_numpy(zero_copy_only=False).tolist()
    values = column.fill_null(False if pa.types.is_boolean(column.type) else 0).to_numpy(zero_copy_only=False).tolist()
    for at in column.is_null().to_numpy(zero_copy_only=False).nonzero()[0].tolist():
        values[at] = None
    return values


def _objects(column):
    return column.to_numpy(zero_copy_only=False).tolist()


def _moments(column, kind):
    values = column.to_numpy(zero_copy_only=False).tolist()
    # Numpy gives a number where Python has no such date.
    if not set(map(type, values)) <= {kind, type(None)}:
        raise OverflowError("a date or time is outside of the years 1 to 9999, which are those of Python")
    return values


def _timestamp_decoder(t, zone):
    unit = unit_of(t["precision"])

    def decode(column):
        if t["precision"] > 6:
            column = _micros(column)
        elif column.type.tz is not None:
            column = column.view(pa.timestamp(unit))
        values = _moments(column, datetime.datetime)
        if t["kind"] == "TIMESTAMP_LTZ":
            # As PyFlink gives it: the clock of UTC, said to be that of the session's zone.
            values = [None if value is None else in_zone(value, zone) for value in values]
        return values

    return decode


def _micros(column):
    """A timestamp of nanoseconds with what Python has no place for cut off."""
    millis, nanos = column.flatten()
    zero = lambda part: part.fill_null(0).to_numpy(zero_copy_only=False).astype("int64")
    micros = zero(millis) * 1000 + zero(nanos) // 1000
    return pa.array(micros, mask=_nulls(column)).view(pa.timestamp("us"))


def _nulls(column):
    return column.is_null().to_numpy(zero_copy_only=False)


def _list_decoder(element):
    def decode(column):
        values = element(column.flatten())
        lists, end = [], 0
        for length in _numbers(column.value_lengths()):
            begin, end = end, end + (length or 0)
            lists.append(None if length is None else values[begin:end])
        return lists

    return decode


def _map_decoder(key, value):
    def entries(column):
        keys, values = column.flatten()
        return list(zip(key(keys), value(values)))

    pairs = _list_decoder(entries)
    return lambda column: [None if entry is None else dict(entry) for entry in pairs(column)]


def _row_decoder(names, decoders):
    row_class = flott_pyflink.row_class()

    def row(values):
        row = row_class(*values)
        row.set_field_names(names)
        return row

    def decode(column):
        fields = [decoder(field) for decoder, field in zip(decoders, column.flatten())]
        rows = map(row, zip(*fields)) if fields else (row(()) for _ in range(len(column)))
        if not column.null_count:
            return list(rows)
        return [None if null else row for null, row in zip(_nulls(column).tolist(), rows)]

    return decode


# To columns.


class Unfit(Exception):
    """A value that its type does not have. Its text has no part of the value."""


def why(value, error):
    """Why a value does not fit, without the value."""
    if isinstance(error, Unfit):
        return str(error)
    name = type(value).__name__
    if isinstance(error, (TypeError, AttributeError, KeyError)):
        return "it is of type %s" % name
    return "this %s is out of range" % name


def encoder(t):
    """What makes a column of a list of values; it raises whatever a value that does not fit makes Python or Arrow raise."""
    encode = _encoder(t)
    if t["nullable"]:
        return encode

    def without_nulls(values):
        if any(value is None for value in values):
            raise Unfit("it is None, and its type is NOT NULL")
        return encode(values)

    return without_nulls


def _encoder(t):
    kind, to = t["kind"], arrow_type(t)
    if kind in _INTEGERS:
        return _plain_encoder(to, {int}, operator.index)
    if kind in _FLOATS:
        return _plain_encoder(to, {float}, _float)
    if kind == "BOOLEAN":
        return _plain_encoder(to, {bool}, lambda value: operator.index(value) != 0 if not _is_bool(value) else bool(value))
    if kind in _TEXT:
        return _plain_encoder(to, {str}, _text)
    if kind in _BYTES:
        return _plain_encoder(to, {bytes}, lambda value: bytes(memoryview(value)))
    if kind == "DECIMAL":
        return _decimal_encoder(t, to)
    if kind == "DATE":
        return _plain_encoder(to, {datetime.date}, lambda value: datetime.date.fromordinal(value.toordinal()))
    if kind == "TIME":
        return lambda values: pa.array([_each(_millis_of_day, v) for v in values], pa.int32()).view(to)
    if kind in _TIMESTAMPS:
        return _timestamp_encoder(t, to)
    if kind == "ARRAY":
        return _list_encoder(encoder(t["element"]), to)
    if kind == "MAP":
        return _map_encoder(encoder(t["key"]), encoder(t["value"]), to)
    if kind == "ROW":
        return _row_encoder([f["name"] for f in t["fields"]], [encoder(f["type"]) for f in t["fields"]], to)
    return lambda values: pa.array(values, to)


def _each(convert, value):
    return None if value is None else convert(value)


def _plain_encoder(to, exact, convert):
    """Values of exactly these types go as they are; others are converted one by one."""
    exact = exact | {type(None)}

    def encode(values):
        if not set(map(type, values)) <= exact:
            values = [_each(convert, value) for value in values]
        return pa.array(values, to)

    return encode


def _is_bool(value):
    return isinstance(value, (bool, np.bool_))


def _float(value):
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError
    return float(value)


def _text(value):
    if not isinstance(value, str):
        raise TypeError
    return str(value)


def _decimal_encoder(t, to):
    context = decimal.Context(prec=t["precision"], traps=[decimal.InvalidOperation])
    step = decimal.Decimal(1).scaleb(-t["scale"])

    def fitted(value):
        if not isinstance(value, decimal.Decimal):
            value = decimal.Decimal(operator.index(value))
        if not value.is_finite():
            raise Unfit("it is no number")
        return value.quantize(step, context=context)

    return lambda values: pa.array([_each(fitted, value) for value in values], to)


def _millis_of_day(value):
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000


def _timestamp_encoder(t, to):
    def micros(value):
        if not isinstance(value, datetime.datetime):
            raise TypeError
        # The clock counts and not the zone, as with PyFlink.
        return (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND

    def encode(values):
        array = pa.array([_each(micros, value) for value in values], pa.int64())
        if t["precision"] in range(4, 7):
            return array.view(to)
        nulls, count = _nulls(array), array.fill_null(0).to_numpy(zero_copy_only=False)
        if t["precision"] <= 3:
            return pa.array(count // 1000, mask=nulls).view(to)
        parts = [pa.array(count // 1000), pa.array((count % 1000 * 1000).astype("int32"))]
        return pa.StructArray.from_arrays(parts, fields=list(to), mask=pa.array(nulls))

    return encode


def _offsets(values):
    """Where the items of each value begin among all of them; no beginning means no value."""
    offsets, end = [], 0
    for value in values:
        offsets.append(None if value is None else end)
        end += 0 if value is None else len(value)
    return pa.array([*offsets, end], pa.int32())


def _list_encoder(element, to):
    def encode(values):
        values = [_each(_items, value) for value in values]
        items = element([item for value in values if value is not None for item in value])
        return pa.ListArray.from_arrays(_offsets(values), items, type=to)

    return encode


def _items(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return value


def _map_encoder(key, value, to):
    def encode(maps):
        if not all(entries is None or isinstance(entries, dict) for entries in maps):
            maps = [_each(dict, entries) for entries in maps]
        entries = [pair for one in maps if one is not None for pair in one.items()]
        parts = [key([k for k, _ in entries]), value([v for _, v in entries])]
        items = pa.StructArray.from_arrays(parts, fields=list(to.value_type))
        return pa.ListArray.from_arrays(_offsets(maps), items, type=to)

    return encode


def _row_encoder(names, encoders, to):
    def fields(value):
        if hasattr(value, "get_fields_by_names"):
            value = value.get_fields_by_names(names)
        elif isinstance(value, dict):
            value = [value[name] for name in names]
        elif not isinstance(value, (tuple, list)):
            raise TypeError
        if len(value) != len(names):
            raise Unfit("it has %d fields instead of %d" % (len(value), len(names)))
        return value

    def encode(rows):
        present = [fields(row) for row in rows if row is not None]
        columns = [encoder([row[at] for row in present]) for at, encoder in enumerate(encoders)]
        if not columns:
            return pa.array([_each(lambda _: {}, row) for row in rows], to)
        array = pa.StructArray.from_arrays(columns, fields=list(to))
        if len(present) == len(rows):
            return array
        places, next_place = [], 0
        for row in rows:
            places.append(None if row is None else next_place)
            next_place += row is not None
        return array.take(pa.array(places, pa.int32()))

    return encode
