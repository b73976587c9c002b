from pyflink.common import Row
from pyflink.table import AggregateFunction, DataTypes
from pyflink.table.udf import udaf


class WeightedAverage(AggregateFunction):
    def create_accumulator(self):
        return Row(0, 0)

    def get_value(self, accumulator):
        return None if accumulator[1] == 0 else accumulator[0] / accumulator[1]

    def accumulate(self, accumulator, value, weight):
        if value is not None:
            accumulator[0] += value * weight
            accumulator[1] += weight

    def retract(self, accumulator, value, weight):
        if value is not None:
            accumulator[0] -= value * weight
            accumulator[1] -= weight

    def get_result_type(self):
        return DataTypes.DOUBLE()

    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("f0", DataTypes.BIGINT()), DataTypes.FIELD("f1", DataTypes.BIGINT())])


weighted = udaf(WeightedAverage())


class Longest(AggregateFunction):
    def create_accumulator(self):
        return []

    def get_value(self, accumulator):
        return ",".join(accumulator)

    def accumulate(self, accumulator, text):
        if text == "bad":
            raise ValueError("no 'bad' please")
        accumulator.append(text)


listed = udaf(Longest(), input_types=["STRING"], result_type="STRING NOT NULL", accumulator_type="ARRAY<STRING>")
narrow = udaf(Longest(), result_type="BIGINT", accumulator_type=DataTypes.ARRAY(DataTypes.STRING()))
forgetful = udaf(Longest(), result_type="STRING", accumulator_type="MAP<STRING, BIGINT>")
viewed = udaf(Longest(), result_type="STRING", accumulator_type=DataTypes.LIST_VIEW(DataTypes.STRING()))
