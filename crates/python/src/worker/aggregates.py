"""Calls of aggregate functions: each is given rows with their groups, and gives what it remembers of each group and its value."""
import flott_values as values
from flott_calls import Argument, Bound
from flott_failure import Failure
from flott_views import Views

# Behind the arguments: the groups of rows, then for each call what rows do and what it remembers.
_BEFORE_CALLS, _PER_CALL = 1, 2
# Behind the arguments of functions of pandas: the bounds of values, then for each call which rows count.
_BOUNDS = 2


class Aggregate(Bound):
    """A call with its function, opened."""

    def __init__(self, spec, context, at, arguments):
        super().__init__(spec)
        self._place = arguments + _BEFORE_CALLS + _PER_CALL * at
        self._groups = arguments
        self.arguments = [Argument(argument, context) for argument in spec["arguments"]]
        self._value = values.encoder({**self.type, "nullable": True})
        self._after = values.encoder(self.type)
        self._remembered = spec["accumulator"]
        self._accumulator = values.encoder(self._remembered)
        self.open(spec, context)

    def bind(self):
        function = self.function
        self._create, self._accumulate = function.create_accumulator, function.accumulate
        self._retract, self._get = function.retract, function.get_value
        self._views = Views(self.declared._accumulator_type)

    def evaluate(self, batch):
        """The columns of what it remembers, of values before, and of values."""
        try:
            return self._columns(batch)
        except Failure as failure:
            failure.function = failure.function or self.name
            raise

    def _columns(self, batch):
        try:
            columns = [argument.values(batch) for argument in self.arguments]
        except OverflowError as e:
            raise Failure("result", str(e))
        groups, changes, remembered = (batch.values(at) for at in (self._groups, self._place, self._place + 1))
        known, before = [], []
        for row, group in enumerate(groups):
            try:
                if group == len(known):
                    accumulator = remembered[row]
                    if self._views and accumulator is not None:
                        accumulator = self._views.made(accumulator)
                    before.append(None if accumulator is None else self._get(accumulator))
                    known.append(self._create() if accumulator is None else accumulator)
                if changes[row] > 0:
                    self._accumulate(known[group], *[column[row] for column in columns])
                elif changes[row] < 0:
                    self._retract(known[group], *[column[row] for column in columns])
            except BaseException as e:
                raise self.failed(e, columns, row)
        after = [self._valued(accumulator) for accumulator in known]
        if self._views:
            known = [self._plain(accumulator) for accumulator in known]
        return [
            self._encoded(self._accumulator, known, "what it remembers of a group", self._remembered),
            self._encoded(self._value, before, "its value", self.type),
            self._encoded(self._after, after, "its value", self.type),
        ]

    def _valued(self, accumulator):
        try:
            return self._get(accumulator)
        except BaseException as e:
            raise self.failed(e, [], None)

    def _plain(self, accumulator):
        try:
            return self._views.plain(accumulator)
        except TypeError as e:
            raise Failure("result", "what it remembers of a group does not fit its type: %s" % e)

    @staticmethod
    def _encoded(encode, given, what, t):
        try:
            return encode(given)
        except Exception:
            pass
        for value in given:
            try:
                encode([value])
            except Exception as e:
                message = "%s does not fit its type %s: %s" % (what, t["text"], values.why(value, e))
                raise Failure("result", message)
        raise Failure("result", "%s does not fit its type %s" % (what, t["text"]))


class Windowed(Bound):
    """A call of a function of pandas, which is given all rows of a value at once."""

    def __init__(self, spec, context, at, arguments):
        super().__init__(spec)
        self._bounds, self._counts = arguments, arguments + _BOUNDS + at
        self.arguments = [Argument(argument, context) for argument in spec["arguments"]]
        self._encode = values.encoder(self.type)
        self._context = context
        self.open(spec, context)

    def bind(self):
        if not self.arguments:
            raise Failure("declaration", "a function that takes whole columns needs an argument")
        self._context.need_pandas()
        self._is_class = hasattr(self.function, "accumulate")

    def evaluate(self, batch):
        """The column of its values."""
        try:
            return self._column(batch)
        except Failure as failure:
            failure.function = failure.function or self.name
            raise

    def _column(self, batch):
        pandas = self._context.pandas
        columns = [argument.series(batch, pandas) for argument in self.arguments]
        counts = batch.column(self._counts).to_numpy(zero_copy_only=False).astype(bool)
        counts = None if counts.all() else counts
        results = []
        for first, end in zip(batch.values(self._bounds), batch.values(self._bounds + 1)):
            if first is None:
                break
            results.append(self._valued([_part(column, first, end, counts) for column in columns]))
        try:
            return pandas.scalars(results, self.type, self._encode)
        except Exception as e:
            raise self._unfit(results, e)

    def _valued(self, columns):
        try:
            if not self._is_class:
                return self.function(*columns)
            accumulator = self.function.create_accumulator()
            self.function.accumulate(accumulator, *columns)
            return self.function.get_value(accumulator)
        except MemoryError as e:
            raise Failure("memory", "it ran out of memory", cause=e)
        except BaseException as e:
            raise Failure("row", "it raised", cause=e)

    def _unfit(self, results, error):
        pandas = self._context.pandas
        for value in results:
            try:
                pandas.scalars([value], self.type, self._encode)
            except values.Unfit as e:
                return Failure("result", "its value does not fit its type %s: %s" % (self.type["text"], e))
            except Exception:
                name = type(value).__name__
                return Failure("result", "its value of type %s does not fit its type %s" % (name, self.type["text"]))
        return Failure("result", "its values do not fit their type %s" % self.type["text"], cause=error)


def _part(column, first, end, counts):
    """The rows of a value that count, numbered from 0 as those of a batch are."""
    part = column.iloc[first:end]
    if counts is not None:
        part = part[counts[first:end]]
    return part.reset_index(drop=True)
