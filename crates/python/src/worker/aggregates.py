"""Calls of aggregate functions: each is given rows with their groups, and gives what it remembers of each group and its value."""
import flott_values as values
from flott_calls import Argument, Bound
from flott_failure import Failure

# Behind the arguments: the groups of rows, then for each call what rows do and what it remembers.
_BEFORE_CALLS, _PER_CALL = 1, 2


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
                    before.append(None if accumulator is None else self._get(accumulator))
                    known.append(self._create() if accumulator is None else accumulator)
                if changes[row] > 0:
                    self._accumulate(known[group], *[column[row] for column in columns])
                elif changes[row] < 0:
                    self._retract(known[group], *[column[row] for column in columns])
            except BaseException as e:
                raise self.failed(e, columns, row)
        after = [self._valued(accumulator) for accumulator in known]
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
