import datetime

from pyflink.common import Row
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import AggregateFunction, AsyncScalarFunction, DataTypes, ScalarFunction, TableEnvironment
from pyflink.table.udf import udaf, udf, udtaf, udtf


@udf(input_types=[DataTypes.BIGINT(), DataTypes.BIGINT()], result_type=DataTypes.BIGINT())
def add(i, j):
    return i + j


@udf(result_type="ROW<a INT NOT NULL, b ARRAY<STRING>>")
def text(i):
    return Row(i, [])


upper = udf(lambda s: s.upper(), result_type=DataTypes.STRING(), deterministic=False, name="UP")


class Hash(ScalarFunction):
    def eval(self, s):
        return hash(s)

    def is_deterministic(self):
        return False


hashed = udf(Hash(), input_types="STRING", result_type=DataTypes.ROW([DataTypes.FIELD("h", DataTypes.INT().not_null())]))


@udf(result_type=DataTypes.MAP(DataTypes.STRING(), DataTypes.DECIMAL(10, 2)), func_type="pandas")
def columns(s):
    return s


@udf(result_type=DataTypes.TIMESTAMP_LTZ(3), func_type="arrow")
def arrays(s):
    return s


@udf(result_type="STRING")
async def later(s):
    return s


class Later(AsyncScalarFunction):
    async def eval(self, s):
        return s


later_too = udf(Later(), result_type="STRING")


@udtf(result_types=["INT", "STRING"])
def split(s):
    yield 1, s


@udaf(result_type="BIGINT", func_type="pandas")
def mean(v):
    return v.mean()


mapped = udaf(lambda v: {}, result_type="MAP<STRING, INT>", func_type="pandas")


@udtaf(result_type="BIGINT", accumulator_type="BIGINT")
def top(v):
    return v


@udf(result_type=DataTypes.MULTISET(DataTypes.INT()))
def counted(s):
    return s


@udf(result_type="NUMBER")
def unknown(s):
    return s


def plain(s):
    return s


def main():
    TableEnvironment.create(StreamExecutionEnvironment.get_execution_environment())
