import asyncio
import os

import pyarrow as pa
import pyarrow.compute as pc
from pyflink.table import AsyncScalarFunction, DataTypes, Row, ScalarFunction, TableFunction
from pyflink.table.udf import udf, udtf

add = udf(lambda a, b: None if a is None or b is None else a + b, result_type="BIGINT")
constant = udf(lambda: 7, result_type="INT")
upper = udf(str.upper, result_type="STRING")


class Counter(ScalarFunction):
    def open(self, function_context):
        self.seen = 0
        self.place = "%d of %d" % (
            function_context.get_index_of_this_subtask(),
            function_context.get_number_of_parallel_subtasks(),
        )
        self.parameter = function_context.get_job_parameter("k", "none")

    def eval(self, a):
        self.seen += 1
        return "%d, %s, %s" % (self.seen, self.place, self.parameter)

    def close(self):
        with open(os.path.join(os.path.dirname(__file__), "closed"), "a") as file:
            file.write("closed after %d\n" % self.seen)


counter = udf(Counter(), result_type="STRING")


@udf(result_type="BIGINT", func_type="pandas")
def series(a, b):
    return a + b


@udf(result_type="INT", func_type="pandas")
def length(a):
    return a.map(lambda _: len(a))


@udf(result_type="ROW<x BIGINT, y STRING>", func_type="pandas")
def frame(a):
    import pandas as pd

    return pd.DataFrame({"p": a * 2, "q": a.map(str)})


@udf(result_type="BIGINT", func_type="pandas")
def of_frame(r):
    return r["x"] + r["y"].map(int)


@udf(result_type="BIGINT", func_type="arrow")
def arrays(a, b):
    assert isinstance(a, pa.Array)
    return pc.add(a, b)


@udf(result_type="STRING", func_type="arrow")
def itself(s):
    # A copy would have an address of its own.
    itself.address = s.buffers()[2].address
    return s


@udf(result_type="INT", func_type="arrow")
def narrowed(a):
    return a


at_once = most = 0


@udf(result_type="INT")
async def together(a):
    global at_once, most
    at_once += 1
    most = max(most, at_once)
    # The last ones are the first ones to be done.
    await asyncio.sleep(0.05 / (a + 1))
    at_once -= 1
    return a * 100 + most


class Retried(AsyncScalarFunction):
    def open(self, function_context):
        self.tried = {}

    async def eval(self, a):
        self.tried[a] = self.tried.get(a, 0) + 1
        if self.tried[a] <= a:
            raise ConnectionError("not yet")
        return self.tried[a]


retried = udf(Retried(), result_type="INT")


@udf(result_type="INT")
async def slow(a):
    await asyncio.sleep(a)
    return a


class Split(TableFunction):
    def open(self, function_context):
        self.separator = ","

    def eval(self, s):
        for at, part in enumerate((s or "").split(self.separator) if s else []):
            yield at, part


split = udtf(Split(), input_types=[DataTypes.STRING()], result_types=[DataTypes.INT(), DataTypes.STRING()])
listed = udtf(lambda n: list(range(n)), result_types="BIGINT")
ranged = udtf(lambda n: range(n), result_types=DataTypes.BIGINT())
nothing = udtf(lambda n: None, result_types=["BIGINT"])
single = udtf(lambda n: n, result_types=["BIGINT"])
pair = udtf(lambda n: (n, str(n)), result_types=["BIGINT", "STRING"])
named = udtf(lambda n: [Row(x=n, y="r")], result_types="ROW<a BIGINT, b STRING>")
wide = udtf(lambda n: [(1, 2, 3)], result_types=["BIGINT", "BIGINT"])
texts = udtf(lambda n: [1, "secret"], result_types=["BIGINT"])


@udtf(result_types=["BIGINT"])
def late(n):
    yield n
    if n == 3:
        raise ValueError("no %d" % n)
