"""Columns as series of pandas and back, as PyFlink gives and takes them."""
import flott_values as values
import pandas as pd
import pyarrow as pa


# What Arrow does not take as pandas has it.
_ONE_BY_ONE = ("ROW", "MAP", "ARRAY", "DECIMAL", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ")


class Pandas:
    """What makes series in a time zone."""

    def __init__(self, zone):
        self._zone = zone

    def series(self, column, t):
        kind = t["kind"]
        if kind == "ROW":
            parts = [self._field(part, f["type"]).rename(f["name"]) for part, f in zip(column.flatten(), t["fields"])]
            return pd.concat(parts, axis=1)
        if kind == "MAP":
            decode = values.decoder(t, self._zone)
            pairs = [None if entries is None else list(entries.items()) for entries in decode(column)]
            return pd.Series(pairs, dtype="object")
        if kind in ("TIMESTAMP", "TIMESTAMP_LTZ"):
            return self._moments(column, t)
        return column.to_pandas(date_as_object=True)

    def _field(self, column, t):
        """A row within a row is an object: a frame has one level of columns."""
        if t["kind"] == "ROW":
            return pd.Series(values.decoder(t, self._zone)(column), dtype="object")
        return self.series(column, t)

    def _moments(self, column, t):
        if t["precision"] > 6:
            column = _nanos(column)
        elif column.type.tz is not None:
            column = column.view(pa.timestamp(column.type.unit))
        series = column.to_pandas()
        return series.dt.tz_localize(self._zone) if t["kind"] == "TIMESTAMP_LTZ" else series

    @staticmethod
    def is_column(result):
        return isinstance(result, (pd.Series, pd.DataFrame))

    def column(self, result, t, encode):
        """The column of a series."""
        kind = t["kind"]
        if isinstance(result, pd.DataFrame):
            return self._frame(result, t)
        if kind in ("TIMESTAMP", "TIMESTAMP_LTZ"):
            return self._of_moments(result, t)
        if kind in _ONE_BY_ONE and not (kind == "ARRAY" and t["element"]["kind"] not in _ONE_BY_ONE):
            nulls = result.isnull()
            return encode([None if null else value for null, value in zip(nulls, result)])
        array = pa.Array.from_pandas(result, mask=result.isnull(), type=values.arrow_type(t))
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if array.null_count and not t["nullable"]:
            raise values.Unfit("a result is null, and its type is NOT NULL")
        return array

    def scalars(self, results, t, encode):
        """The column of values that functions gave one by one."""
        return self.column(pd.Series(results, dtype="object"), t, encode)

    def _frame(self, frame, t):
        if t["kind"] != "ROW" or len(frame.columns) != len(t["fields"]):
            raise TypeError("a frame is a row of its columns")
        parts = []
        for at, field in enumerate(t["fields"]):
            parts.append(self.column(frame.iloc[:, at], field["type"], values.encoder(field["type"])))
        return pa.StructArray.from_arrays(parts, fields=list(values.arrow_type(t)))

    def _of_moments(self, series, t):
        if getattr(series.dtype, "tz", None) is not None:
            # That of a zone is the session's, whose clock is then said to be that of UTC.
            series = series.dt.tz_convert(self._zone).dt.tz_localize(None)
        elif not pd.api.types.is_datetime64_dtype(series.dtype):
            series = pd.to_datetime(series) if series.isnull().all() else _all_moments(series)
        array = pa.Array.from_pandas(series, mask=series.isnull())
        if array.null_count and not t["nullable"]:
            raise values.Unfit("a result is null, and its type is NOT NULL")
        return _in_unit(array, t)


def _all_moments(series):
    import datetime

    if not all(isinstance(value, datetime.datetime) for value in series.dropna()):
        raise TypeError("no timestamps")
    return pd.to_datetime(series)


def _nanos(column):
    millis, nanos = (part.fill_null(0).to_numpy(zero_copy_only=False).astype("int64") for part in column.flatten())
    mask = column.is_null().to_numpy(zero_copy_only=False)
    return pa.array(millis * 1_000_000 + nanos, mask=mask).view(pa.timestamp("ns"))


_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}


def _in_unit(array, t):
    """A column of timestamps, in the unit of its type; what is finer is cut off."""
    to, mask = values.arrow_type(t), array.is_null().to_numpy(zero_copy_only=False)
    count = array.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    has = _PER_SECOND[array.type.unit]
    if t["precision"] <= 6:
        return pa.array(_scaled(count, has, _PER_SECOND[to.unit]), mask=mask).view(to)
    nanos = _scaled(count % has, has, _PER_SECOND["ns"])
    millis = count // has * 1000 + nanos // 1_000_000
    parts = [pa.array(millis), pa.array((nanos % 1_000_000).astype("int32"))]
    return pa.StructArray.from_arrays(parts, fields=list(to), mask=pa.array(mask))


def _scaled(count, has, wants):
    return count * (wants // has) if wants >= has else count // (has // wants)
