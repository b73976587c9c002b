"""The calls of one operator: opened once, then made batch by batch."""
import asyncio
import sys

import flott_aggregates
import flott_calls
import flott_udf
import flott_values as values
import pyarrow as pa
from flott_failure import Failure


class Context:
    """What calls share."""

    def __init__(self, opening):
        self.zone = values.zone_of(opening["zone"])
        self.pandas = None
        self._place = opening["place"]
        self._loop = None

    def need_pandas(self):
        if self.pandas is None:
            try:
                import flott_pandas
            except ImportError as e:
                raise Failure("package", e.name or "pandas")
            self.pandas = flott_pandas.Pandas(self.zone)

    def loop(self):
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop

    def of_function(self):
        """What a function learns when it is opened."""
        theirs = sys.modules.get("pyflink.table.udf", flott_udf)
        return theirs.FunctionContext(None, {}, **self._place)


class Worker:
    """See the module."""

    def __init__(self, opening):
        context = Context(opening)
        self._types = list(opening["arguments"])
        form = self._windowed if opening["windowed"] else self._aggregates if opening["aggregate"] else self._functions
        self._calls = form(opening, context)
        # The modules are loaded now, and with them the class of rows is known.
        self._decoders = [values.decoder(t, context.zone) for t in self._types]
        self._results = pa.schema([pa.field("", values.arrow_type(t)) for t in self._given])
        self._arguments = None
        self._several = opening["aggregate"] and not opening["windowed"]
        self.pandas = context.pandas is not None

    def _functions(self, opening, context):
        calls = [flott_calls.Call(call, context) for call in opening["calls"]]
        self._given = [call.type for call in calls]
        return calls

    def _aggregates(self, opening, context):
        arguments = len(self._types)
        self._types.append({"kind": "INT", "nullable": False})
        self._given = []
        for call in opening["calls"]:
            self._types += [{"kind": "TINYINT", "nullable": False}, {**call["accumulator"], "nullable": True}]
            self._given += [call["accumulator"], call["returns"], call["returns"]]
        calls = enumerate(opening["calls"])
        return [flott_aggregates.Aggregate(call, context, at, arguments) for at, call in calls]

    def _windowed(self, opening, context):
        arguments = len(self._types)
        self._types += [{"kind": "INT", "nullable": True}] * 2
        self._types += [{"kind": "TINYINT", "nullable": False} for _ in opening["calls"]]
        self._given = [call["returns"] for call in opening["calls"]]
        calls = enumerate(opening["calls"])
        return [flott_aggregates.Windowed(call, context, at, arguments) for at, call in calls]

    def results(self):
        return self._results.serialize()

    @staticmethod
    def allocate(length):
        """Memory as Arrow aligns it, so that columns lie in the frame."""
        return pa.allocate_buffer(length)

    def schema(self, payload):
        self._arguments = pa.ipc.read_schema(payload)

    def batch(self, payload):
        batch = pa.ipc.read_record_batch(payload, self._arguments)
        given = flott_calls.Batch(batch.columns, batch.num_rows, self._decoders, self._types)
        results = [call.evaluate(given) for call in self._calls]
        if self._several:
            results = [column for columns in results for column in columns]
        return pa.RecordBatch.from_arrays(results, schema=self._results).serialize()

    def close(self):
        for call in [each for call in self._calls for each in call.calls()]:
            try:
                call.close()
            except BaseException as e:
                raise Failure("open", "its method close() failed", cause=e, function=call.name)
