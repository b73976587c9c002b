from pyflink.common import Row
from pyflink.table.udf import udf

shown = udf(repr, result_type="STRING")


def itself(result_type, func_type="general"):
    return udf(lambda value: value, result_type=result_type, func_type=func_type)


TYPES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INT",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "STRING",
    "bytes": "BYTES",
    "decimal": "DECIMAL(10, 2)",
    "date": "DATE",
    "time": "TIME(3)",
    "ts3": "TIMESTAMP(3)",
    "ts6": "TIMESTAMP(6)",
    "ts9": "TIMESTAMP(9)",
    "ltz3": "TIMESTAMP_LTZ(3)",
    "ltz9": "TIMESTAMP_LTZ(9)",
    "list": "ARRAY<INT>",
    "map": "MAP<STRING, INT>",
    "row": "ROW<a INT, b ROW<c STRING>>",
}
for name, text in TYPES.items():
    for form in ("general", "pandas", "arrow"):
        globals()["%s_%s" % (name, form)] = itself(text, form)

make_list = udf(lambda a: None if a is None else [a, None], result_type="ARRAY<INT>")
make_map = udf(lambda a: None if a is None else {"k": a, None: None}, result_type="MAP<STRING, INT>")
make_row = udf(lambda a: None if a is None else Row(a, Row(c="c%d" % a)), result_type="ROW<a INT, b ROW<c STRING>>")
by_name = udf(lambda r: None if r is None else "%s %s %s" % (r.a, r["b"][0], r.b.as_dict()), result_type="STRING")
as_dict = udf(lambda a: {"b": (str(a),), "a": a}, result_type="ROW<a INT, b ROW<c STRING>>")

given = udf(lambda what: eval(what), result_type="STRING")


def result(result_type):
    def value(what):
        import datetime  # noqa: F401
        from decimal import Decimal  # noqa: F401

        import numpy as np  # noqa: F401

        return eval(what)

    return udf(value, result_type=result_type)


to_bigint, to_tinyint, to_double = result("BIGINT"), result("TINYINT"), result("DOUBLE")
to_boolean, to_decimal, to_date = result("BOOLEAN"), result("DECIMAL(10, 2)"), result("DATE")
to_time, to_ts3, to_ltz3, to_bytes = result("TIME(3)"), result("TIMESTAMP(3)"), result("TIMESTAMP_LTZ(3)"), result("BYTES")
to_string, to_list, to_map = result("STRING"), result("ARRAY<INT>"), result("MAP<STRING, INT NOT NULL>")
to_row, to_not_null = result("ROW<a INT, b STRING>"), result("INT NOT NULL")
