//! The types of the matrix and their values.

use Family::*;

/// Types that are cast by the same rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Text,
    Bytes,
    Boolean,
    Number,
    Date,
    Time,
    Timestamp,
    /// `TIMESTAMP_LTZ`
    Local,
    Months,
    Seconds,
    Array,
    Multiset,
    Map,
    Row,
    Bitmap,
    Raw,
    /// `NULL`
    Untyped,
}

/// A type to cast to.
pub(crate) struct Target {
    pub(crate) ty: &'static str,
    pub(crate) family: Family,
}

/// A type to cast from, with values as expressions; the first is a plain one. Texts are chosen by the target.
pub(crate) struct Source {
    pub(crate) ty: &'static str,
    pub(crate) family: Family,
    pub(crate) values: &'static [&'static str],
}

const fn to(ty: &'static str, family: Family) -> Target {
    Target { ty, family }
}

const fn from(ty: &'static str, family: Family, values: &'static [&'static str]) -> Source {
    Source { ty, family, values }
}

/// The snapshot of Flink's serializer of integers, as `RAW` wants it.
macro_rules! raw_integer {
    () => {
        "RAW('java.lang.Integer', 'AE5vcmcuYXBhY2hlLmZsaW5rLmFwaS5jb21tb24udHlwZXV0aWxzLmJhc2UuSW50U2VyaWFsaXplciRJbnRTZXJpYWxpemVyU25hcHNob3QAAAAD')"
    };
}

/// Which sources lie in which file.
pub(crate) const FILES: &[(&str, &[Family])] = &[
    ("text", &[Text]),
    ("number", &[Boolean, Number]),
    ("time", &[Date, Time, Timestamp, Local, Months, Seconds]),
    ("nested", &[Array, Multiset, Map, Row]),
    ("bytes", &[Bytes, Bitmap, Raw, Untyped]),
];

pub(crate) const TARGETS: &[Target] = &[
    to("CHAR(3)", Text),
    to("VARCHAR(3)", Text),
    to("STRING", Text),
    to("BOOLEAN", Boolean),
    to("BINARY(3)", Bytes),
    to("VARBINARY(3)", Bytes),
    to("BYTES", Bytes),
    to("DECIMAL(5, 2)", Number),
    to("DECIMAL(38, 10)", Number),
    to("TINYINT", Number),
    to("SMALLINT", Number),
    to("INT", Number),
    to("BIGINT", Number),
    to("FLOAT", Number),
    to("DOUBLE", Number),
    to("DATE", Date),
    to("TIME", Time),
    to("TIME(3)", Time),
    to("TIMESTAMP(0)", Timestamp),
    to("TIMESTAMP(3)", Timestamp),
    to("TIMESTAMP(9)", Timestamp),
    to("TIMESTAMP_LTZ(3)", Local),
    to("TIMESTAMP_LTZ(9)", Local),
    to("INTERVAL YEAR TO MONTH", Months),
    to("INTERVAL MONTH", Months),
    to("INTERVAL DAY TO SECOND(3)", Seconds),
    to("INTERVAL DAY", Seconds),
    to("ARRAY<TINYINT>", Array),
    to("ARRAY<STRING>", Array),
    to("ARRAY<ROW<a BIGINT, b CHAR(3)>>", Array),
    to("MULTISET<STRING>", Multiset),
    to("MULTISET<TINYINT>", Multiset),
    to("MAP<STRING, STRING>", Map),
    to("MAP<INT, TINYINT>", Map),
    to("MAP<STRING, ARRAY<INT>>", Map),
    to("ROW<a STRING, b STRING>", Row),
    to("ROW<a TINYINT, b INT>", Row),
    to("ROW<a ROW<x STRING>, b ARRAY<BIGINT>>", Row),
    to("BITMAP", Bitmap),
    to(raw_integer!(), Raw),
];

pub(crate) const SOURCES: &[Source] = &[
    from("CHAR(10)", Text, &[]),
    from("VARCHAR(30)", Text, &[]),
    from("STRING", Text, &[]),
    from("BOOLEAN", Boolean, &["TRUE", "FALSE"]),
    from(
        "DECIMAL(5, 2)",
        Number,
        &["CAST(12.75 AS DECIMAL(5, 2))", "CAST(0 AS DECIMAL(5, 2))", "CAST(-999.99 AS DECIMAL(5, 2))"],
    ),
    from(
        "DECIMAL(38, 10)",
        Number,
        &[
            "CAST('1.5' AS DECIMAL(38, 10))",
            "CAST('-0.005' AS DECIMAL(38, 10))",
            "CAST('9999999999999999999999999999.9999999999' AS DECIMAL(38, 10))",
            "CAST('-9223372036854775809' AS DECIMAL(38, 10))",
        ],
    ),
    from("TINYINT", Number, &["CAST(12 AS TINYINT)", "CAST(0 AS TINYINT)", "CAST(-128 AS TINYINT)"]),
    from("SMALLINT", Number, &["CAST(12 AS SMALLINT)", "CAST(300 AS SMALLINT)", "CAST(-32768 AS SMALLINT)"]),
    from("INT", Number, &["12", "0", "-129", "2147483647"]),
    from("BIGINT", Number, &["CAST(12 AS BIGINT)", "9223372036854775807", "-9223372036854775808", "16777217000001"]),
    from(
        "FLOAT",
        Number,
        &[
            "CAST(1.75 AS FLOAT)",
            "CAST(-0.0 AS FLOAT)",
            "CAST(V('3.4028235E38') AS FLOAT)",
            "CAST(V('1E-45') AS FLOAT)",
            "CAST(V('NaN') AS FLOAT)",
            "CAST(V('-Infinity') AS FLOAT)",
        ],
    ),
    from(
        "DOUBLE",
        Number,
        &[
            "1.75e0",
            "-129.9e0",
            "2.675e0",
            "1e10",
            "1e300",
            "4.9e-324",
            "CAST(V('NaN') AS DOUBLE)",
            "CAST(V('Infinity') AS DOUBLE)",
        ],
    ),
    from("DATE", Date, &["DATE '2020-02-29'", "DATE '1969-12-31'", "DATE '0001-01-01'", "DATE '9999-12-31'"]),
    from("TIME", Time, &["TIME '12:34:56'", "TIME '00:00:00'"]),
    from("TIME(3)", Time, &["TIME '12:34:56.789'", "TIME '23:59:59.999'", "TIME '00:00:00.100'"]),
    from("TIMESTAMP(0)", Timestamp, &["TIMESTAMP '2020-02-29 12:34:56'", "TIMESTAMP '9999-12-31 23:59:59'"]),
    from(
        "TIMESTAMP(3)",
        Timestamp,
        &[
            "TIMESTAMP '2020-02-29 12:34:56.789'",
            "TIMESTAMP '1969-12-31 23:59:59.999'",
            "TIMESTAMP '1969-12-31 12:00:00.500'",
        ],
    ),
    from(
        "TIMESTAMP(9)",
        Timestamp,
        &[
            "TIMESTAMP '2020-02-29 12:34:56.123456789'",
            "TIMESTAMP '1969-12-31 23:59:59.999999999'",
            "TIMESTAMP '0001-01-01 00:00:00.000000001'",
        ],
    ),
    from(
        "TIMESTAMP_LTZ(3)",
        Local,
        &[
            "CAST(TIMESTAMP '2020-02-29 12:34:56.789' AS TIMESTAMP_LTZ(3))",
            "TO_TIMESTAMP_LTZ(-1, 3)",
            "TO_TIMESTAMP_LTZ(253402300799999, 3)",
        ],
    ),
    from(
        "TIMESTAMP_LTZ(9)",
        Local,
        &[
            "CAST(TIMESTAMP '2020-02-29 12:34:56.123456789' AS TIMESTAMP_LTZ(9))",
            "CAST(TIMESTAMP '1969-12-31 23:59:59.999999999' AS TIMESTAMP_LTZ(9))",
        ],
    ),
    from(
        "INTERVAL YEAR TO MONTH",
        Months,
        &["INTERVAL '1-2' YEAR TO MONTH", "INTERVAL -'1-2' YEAR TO MONTH", "INTERVAL '9999-11' YEAR(4) TO MONTH"],
    ),
    from("INTERVAL MONTH", Months, &["INTERVAL '14' MONTH", "INTERVAL -'1' MONTH"]),
    from(
        "INTERVAL DAY TO SECOND(3)",
        Seconds,
        &[
            "INTERVAL '1 02:03:04.567' DAY TO SECOND(3)",
            "INTERVAL -'1 02:03:04.567' DAY TO SECOND(3)",
            "INTERVAL '99 23:59:59.999' DAY TO SECOND(3)",
        ],
    ),
    from("INTERVAL DAY", Seconds, &["INTERVAL '3' DAY", "INTERVAL -'3' DAY"]),
    from(
        "ARRAY<INT>",
        Array,
        &["ARRAY[1, 2]", "ARRAY[1, 300]", "ARRAY[1, CAST(NULL AS INT)]", "CAST(ARRAY[1] AS ARRAY<INT>)"],
    ),
    from(
        "ARRAY<STRING>",
        Array,
        &["ARRAY[CAST('1' AS STRING), CAST('22' AS STRING)]", "ARRAY[CAST('1' AS STRING), CAST('x' AS STRING)]"],
    ),
    from(
        "ARRAY<ROW<x INT, y STRING>>",
        Array,
        &[
            "ARRAY[ROW(1, 'abcd'), ROW(2, CAST(NULL AS STRING))]",
            "ARRAY[ROW(1, 'a'), CAST(NULL AS ROW<x INT, y STRING>)]",
        ],
    ),
    from("ARRAY<ARRAY<INT>>", Array, &["ARRAY[ARRAY[1, 2], ARRAY[3]]"]),
    from("MULTISET<STRING>", Multiset, &["CAST(NULL AS MULTISET<STRING>)"]),
    from("MULTISET<INT>", Multiset, &["CAST(NULL AS MULTISET<INT>)"]),
    from("MAP<STRING, INT>", Map, &["MAP['a', 1, 'b', CAST(NULL AS INT)]", "MAP['1', 300]", "MAP['1', 1, '1.0', 2]"]),
    from("MAP<INT, STRING>", Map, &["MAP[1, 'x']", "MAP[1, '2', 257, '3']"]),
    from("MAP<STRING, ARRAY<STRING>>", Map, &["MAP['a', ARRAY['1', '2']]", "MAP['a', ARRAY['x', '2']]"]),
    from(
        "ROW<a INT, b STRING>",
        Row,
        &["ROW(1, 'x')", "ROW(300, '4')", "ROW(CAST(NULL AS INT), CAST(NULL AS STRING))"],
    ),
    from("ROW<a STRING, b INT, c BOOLEAN>", Row, &["ROW('x', 1, TRUE)"]),
    from(
        "ROW<a ROW<x INT>, b ARRAY<INT>>",
        Row,
        &["ROW(ROW(1), ARRAY[2, 3])", "ROW(CAST(NULL AS ROW<x INT>), CAST(NULL AS ARRAY<INT>))"],
    ),
    from("ROW<a INT>", Row, &["ROW(1)"]),
    from("BINARY(3)", Bytes, &["X'313233'", "X'6162FF'"]),
    from("VARBINARY(3)", Bytes, &["CAST(X'3132' AS VARBINARY(3))", "CAST(X'' AS VARBINARY(3))"]),
    from(
        "BYTES",
        Bytes,
        &[
            "CAST(X'31323334' AS BYTES)",
            "CAST(X'FFC3' AS BYTES)",
            "CAST(X'C3A4E282AC' AS BYTES)",
            "CAST(X'31' AS BYTES)",
        ],
    ),
    from("BITMAP", Bitmap, &["BITMAP_BUILD(ARRAY[1, 2, -1])", "BITMAP_BUILD(ARRAY[7])"]),
    from(raw_integer!(), Raw, &[concat!("CAST(NULL AS ", raw_integer!(), ")")]),
    from("NULL", Untyped, &["NULL"]),
];
