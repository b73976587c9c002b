from pyflink.common import Row
from pyflink.table import AggregateFunction, DataTypes, ListView, MapView
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
within = udaf(Longest(), result_type="STRING", accumulator_type=DataTypes.ARRAY(DataTypes.LIST_VIEW(DataTypes.STRING())))


class Counted(AggregateFunction):
    """The texts in their order, and the one that came most."""

    def create_accumulator(self):
        return Row(ListView(), MapView(), 0)

    def get_value(self, accumulator):
        counts = accumulator[1]
        most = max(counts.values()) if not counts.is_empty() else 0
        texts = sorted(text for text, count in counts.items() if count == most)
        return "%s of %s: %s" % (",".join(texts), accumulator[2], "".join(accumulator[0]))

    def accumulate(self, accumulator, text):
        accumulator[0].add(text)
        accumulator[1][text] = (accumulator[1].get(text) or 0) + 1
        accumulator[2] += 1

    def retract(self, accumulator, text):
        accumulator[0].clear()
        accumulator[1].remove(text)
        accumulator[2] -= 1

    def get_result_type(self):
        return "STRING"

    def get_accumulator_type(self):
        fields = [
            DataTypes.FIELD("texts", DataTypes.LIST_VIEW(DataTypes.STRING())),
            DataTypes.FIELD("counts", DataTypes.MAP_VIEW(DataTypes.STRING(), DataTypes.BIGINT())),
            DataTypes.FIELD("n", DataTypes.BIGINT()),
        ]
        return DataTypes.ROW(fields)


counted = udaf(Counted())


class Joined(Longest):
    def create_accumulator(self):
        return ListView()

    def accumulate(self, accumulator, text):
        accumulator.add_all([text, text])


joined = udaf(Joined(), result_type="STRING", accumulator_type=DataTypes.LIST_VIEW(DataTypes.STRING()))
plain = udaf(Longest(), result_type="STRING", accumulator_type=DataTypes.LIST_VIEW(DataTypes.STRING()))


@udaf(result_type="DOUBLE", func_type="pandas")
def mean(v):
    return v.mean()


@udaf(result_type="STRING", func_type="pandas")
def first(texts):
    if len(texts) and texts[0] == "bad":
        raise ValueError("no 'bad' please")
    return texts[0] if len(texts) else None


@udaf(result_type="BIGINT", func_type="pandas")
def wordy(texts):
    return "x7" if len(texts) else None


class Widest(AggregateFunction):
    """Of PyFlink's own example: what it remembers is a list of the one value."""

    def open(self, function_context):
        self._opened = 1

    def create_accumulator(self):
        return []

    def accumulate(self, accumulator, *columns):
        accumulator.append(sum(column.max() for column in columns) + self._opened)

    def get_value(self, accumulator):
        return accumulator[0]


widest = udaf(Widest(), result_type=DataTypes.BIGINT(), func_type="pandas")
