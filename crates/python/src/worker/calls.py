"""Calls of functions: each is given columns and gives a column."""
import asyncio
import inspect
import operator
import types

import flott_values as values
import pyarrow as pa
from flott_failure import Failure
from flott_load import is_async, kind_of, load


class Batch:
    """The columns of a batch, each made into what functions want once."""

    def __init__(self, columns, rows, decoders, types):
        self.columns = columns
        self.rows = rows
        self._decoders = decoders
        self._types = types
        self._made = {}

    def column(self, at):
        return self.columns[at]

    def values(self, at):
        key = ("values", at)
        if key not in self._made:
            self._made[key] = self._decoders[at](self.columns[at])
        return self._made[key]

    def series(self, at, pandas):
        key = ("series", at)
        if key not in self._made:
            self._made[key] = pandas.series(self.columns[at], self._types[at])
        return self._made[key]


class Argument:
    """A column of the batch, or what another call gives."""

    def __init__(self, spec, context):
        self._at = spec.get("column")
        self._call = None if self._at is not None else Call(spec["call"], context)
        if self._call is not None:
            self._decode = values.decoder(self._call.type, context.zone)

    def calls(self):
        return [] if self._call is None else self._call.calls()

    def column(self, batch):
        return batch.column(self._at) if self._call is None else self._call.evaluate(batch)

    def values(self, batch):
        return batch.values(self._at) if self._call is None else self._decode(self._call.evaluate(batch))

    def series(self, batch, pandas):
        if self._call is None:
            return batch.series(self._at, pandas)
        return pandas.series(self._call.evaluate(batch), self._call.type)


class Bound:
    """A function, found and opened."""

    def __init__(self, spec):
        self.name = spec["name"]
        self.type = spec["returns"]

    def open(self, spec, context):
        try:
            self.declared, file = load(spec["entry"])
            expected = spec.get("sha256")
            if expected and (file is None or file["sha256"] != expected):
                where = "its module" if file is None else "file '%s'" % file["path"]
                raise Failure("changed", "%s is not what it was when the function was created" % where)
            self.function = self.declared._func
            self.bind()
            if hasattr(self.function, "open"):
                try:
                    self.function.open(context.of_function())
                except BaseException as e:
                    raise Failure("open", "its method open() failed", cause=e)
        except Failure as failure:
            failure.function = failure.function or self.name
            raise

    def calls(self):
        inner = [call for argument in self.arguments for call in argument.calls()]
        return [*inner, self]

    def close(self):
        if hasattr(self.function, "close"):
            self.function.close()

    @staticmethod
    def failed(cause, columns, row):
        if isinstance(cause, MemoryError):
            return Failure("memory", "it ran out of memory", row, cause)
        failure = Failure("row", "it raised", row, cause)
        failure.arguments = [column[row] for column in columns]
        return failure


class Call(Bound):
    """A call with its function, opened."""

    def __init__(self, spec, context):
        super().__init__(spec)
        self.arguments = [Argument(argument, context) for argument in spec["arguments"]]
        self._encode = values.encoder(self.type)
        self._arrow = values.arrow_type(self.type)
        self._context = context
        self._async = spec["async"]
        self.open(spec, context)

    def bind(self):
        self._eval = getattr(self.function, "eval", self.function)
        self._gives_rows = kind_of(self.declared) == "table"
        if self._gives_rows:
            self._eval = _listed(self._eval)
        self._form = "async" if is_async(self.declared) else self.declared._func_type
        if self._form in ("pandas", "arrow") and not self.arguments:
            raise Failure("declaration", "a function that takes whole columns needs an argument")
        if self._form == "pandas":
            self._context.need_pandas()

    def evaluate(self, batch):
        """The column of its results."""
        try:
            if self._form == "pandas":
                return self._pandas(batch)
            if self._form == "arrow":
                return self._columns(batch)
            return self._rows(batch)
        except Failure as failure:
            failure.function = failure.function or self.name
            raise

    def _rows(self, batch):
        try:
            columns = [argument.values(batch) for argument in self.arguments]
        except OverflowError as e:
            raise Failure("result", str(e))
        run = self._all_at_once if self._form == "async" else self._one_by_one
        results = run(columns, batch.rows)
        try:
            return self._encode(results)
        except Exception as e:
            raise self._unfit(results, e)

    def _one_by_one(self, columns, rows):
        if not columns:
            return self._without_arguments(rows)
        # The loop is that of map: its iterator tells afterwards how far it has come.
        first = iter(columns[0])
        try:
            results = list(map(self._eval, first, *columns[1:]))
        except BaseException as e:
            raise self.failed(e, columns, rows - operator.length_hint(first) - 1)
        if len(results) != rows:
            # That is how map takes this exception.
            raise self.failed(StopIteration(), columns, len(results))
        return results

    def _without_arguments(self, rows):
        results = []
        try:
            for _ in range(rows):
                results.append(self._eval())
        except BaseException as e:
            raise self.failed(e, [], len(results))
        return results

    def _all_at_once(self, columns, rows):
        results, todo = [None] * rows, iter(range(rows))

        async def work():
            for row in todo:
                try:
                    results[row] = await self._with_retries([column[row] for column in columns])
                except Failure as failure:
                    failure.row = row
                    raise
                except BaseException as e:
                    raise self.failed(e, columns, row)

        async def workers():
            tasks = [asyncio.ensure_future(work()) for _ in range(min(self._async["capacity"], rows))]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        self._context.loop().run_until_complete(workers())
        return results

    async def _with_retries(self, arguments):
        options = self._async

        async def attempts():
            failed = 0
            while True:
                try:
                    result = self._eval(*arguments)
                    return await result if inspect.isawaitable(result) else result
                except Exception:
                    failed += 1
                    if failed > options["retries"]:
                        raise
                    await asyncio.sleep(options["delay_ms"] / 1000)

        task = asyncio.ensure_future(attempts())
        try:
            done, _ = await asyncio.wait([task], timeout=options["timeout_ms"] / 1000)
        finally:
            task.cancel()
        if not done:
            limit = "table.exec.async-scalar.timeout"
            raise Failure("timeout", "it took longer than %d ms, which is '%s'" % (options["timeout_ms"], limit))
        return task.result()

    def _unfit(self, results, error):
        """The first result that is not of its type."""
        for row, result in enumerate(results):
            try:
                self._encode([result])
            except Exception as e:
                why = self._why_not(result) if self._gives_rows else values.why(result, e)
                return Failure("result", "its result does not fit its type %s: %s" % (self.type["text"], why), row)
        return Failure("result", "its results do not fit their type %s" % self.type["text"], cause=error)

    def _why_not(self, rows):
        """Why a row of a table function does not fit."""
        for row in rows:
            try:
                self._encode([[row]])
            except values.Unfit as e:
                return "a row of it: %s" % e
            except Exception:
                return "a row of it is of types (%s)" % ", ".join(type(value).__name__ for value in row)
        return "its rows are too many"

    def _pandas(self, batch):
        pandas = self._context.pandas
        arguments = [argument.series(batch, pandas) for argument in self.arguments]
        result = self._called(arguments)
        if not pandas.is_column(result):
            raise Failure("result", "it gave %s instead of a pandas.Series" % type(result).__name__)
        self._same_length(result, batch)
        try:
            return pandas.column(result, self.type, self._encode)
        except Exception as e:
            kind = getattr(result, "dtype", type(result).__name__)
            raise Failure("result", "its series of %s does not fit its type %s" % (kind, self.type["text"]), cause=e)

    def _columns(self, batch):
        result = self._called([argument.column(batch) for argument in self.arguments])
        if isinstance(result, pa.ChunkedArray):
            result = result.combine_chunks()
        if not isinstance(result, pa.Array):
            raise Failure("result", "it gave %s instead of a pyarrow.Array" % type(result).__name__)
        self._same_length(result, batch)
        return self._of_type(result)

    def _of_type(self, result):
        if result.type != self._arrow:
            try:
                if not _akin(result.type, self._arrow):
                    raise TypeError
                result = result.cast(self._arrow)
            except Exception as e:
                message = "its array of %s does not fit its type %s" % (result.type, self.type["text"])
                raise Failure("result", message, cause=e)
        if result.null_count and not self.type["nullable"]:
            raise Failure("result", "a result is null, and its type is NOT NULL")
        return result

    def _called(self, arguments):
        try:
            return self._eval(*arguments)
        except MemoryError as e:
            raise Failure("memory", "it ran out of memory", cause=e)
        except BaseException as e:
            raise Failure("row", "it raised", cause=e)

    def _same_length(self, result, batch):
        if len(result) != batch.rows:
            raise Failure("result", "it gave %d results for %d rows" % (len(result), batch.rows))


def _listed(function):
    """A table function as one that gives the list of its rows: of a list, a range or a generator the items, of nothing none,
    and of anything else that itself, as in PyFlink. What is no row is the only column of one."""

    def rows(*args):
        result = function(*args)
        if result is None:
            return []
        if not isinstance(result, (list, range, types.GeneratorType)):
            result = (result,)
        return [row if isinstance(row, tuple) else _row(row) for row in result]

    return rows


def _row(result):
    """Its fields by their places: its own names mean nothing."""
    return tuple(result) if hasattr(result, "get_fields_by_names") else (result,)


def _akin(one, other):
    """Whether values of one type may become those of the other, if they fit."""
    of = pa.types
    numbers = lambda t: of.is_integer(t) or of.is_floating(t) or of.is_decimal(t)
    texts = lambda t: of.is_string(t) or of.is_large_string(t) or of.is_dictionary(t) or t == pa.string_view()
    bytes_ = lambda t: of.is_binary(t) or of.is_large_binary(t) or of.is_fixed_size_binary(t)
    kinds = [numbers, texts, bytes_, of.is_date, of.is_time, of.is_timestamp]
    kinds += [lambda t: of.is_list(t) or of.is_large_list(t), of.is_struct]
    return of.is_null(one) or any(kind(one) and kind(other) for kind in kinds)
