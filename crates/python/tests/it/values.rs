//! What functions are given of each type, and what they may give: as PyFlink 2.3 does it.

use flott_api::{ErrorKind, Field, LogicalType, TypeKind};

use super::world::{World, told, ty, within};

const VALUES: &str = include_str!("modules/values.py");

fn world(test: &str) -> Option<World> {
    World::with(test, &[("values", VALUES)])
}

/// Name of the function, type, cells of two rows, and what Python shows of the first one.
const SCALARS: [(&str, &str, &str, &str); 17] = [
    ("boolean", "BOOLEAN", "true", "True"),
    ("tinyint", "TINYINT", "-7", "-7"),
    ("smallint", "SMALLINT", "7", "7"),
    ("int", "INT", "7", "7"),
    ("bigint", "BIGINT", "1234567890123", "1234567890123"),
    ("float", "FLOAT", "1.5", "1.5"),
    ("double", "DOUBLE", "0.1", "0.1"),
    ("string", "STRING", "é", "'é'"),
    ("bytes", "BYTES", "ab", "b'ab'"),
    ("decimal", "DECIMAL(10, 2)", "1.50", "Decimal('1.50')"),
    ("date", "DATE", "18262", "datetime.date(2020, 1, 1)"),
    ("time", "TIME(3)", "3723004", "datetime.time(1, 2, 3, 4000)"),
    ("ts3", "TIMESTAMP(3)", "-1", "datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)"),
    ("ts6", "TIMESTAMP(6)", "1000001", "datetime.datetime(1970, 1, 1, 0, 0, 1, 1)"),
    ("ts9", "TIMESTAMP(9)", "5.3000", "datetime.datetime(1970, 1, 1, 0, 0, 0, 5003)"),
    (
        "ltz3",
        "TIMESTAMP_LTZ(3)",
        "5000",
        "datetime.datetime(1970, 1, 1, 0, 0, 5, tzinfo=<DstTzInfo 'Asia/Shanghai' CST+8:00:00 STD>)",
    ),
    (
        "ltz9",
        "TIMESTAMP_LTZ(9)",
        "5.0",
        "datetime.datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=<DstTzInfo 'Asia/Shanghai' CST+8:00:00 STD>)",
    ),
];

#[tokio::test]
async fn functions_of_a_row_get_the_values_of_pyflink() {
    let Some(mut world) = world("functions_of_a_row_get_the_values_of_pyflink") else { return };
    world.zone = "Asia/Shanghai".to_owned();
    let types = SCALARS.map(|(_, ty, _, _)| ty);
    let calls: Vec<_> = (0..types.len()).map(|at| world.call("values.shown", &[at])).collect();
    let table = format!("{};{}", SCALARS.map(|(_, _, cell, _)| cell).join(" | "), SCALARS.map(|_| "NULL").join(" | "));
    let rows = world.rows(&calls, &types, &table).await.unwrap();
    assert_eq!(rows[0].split(" | ").collect::<Vec<_>>(), SCALARS.map(|(_, _, _, shown)| shown));
    assert_eq!(rows[1].split(" | ").collect::<Vec<_>>(), SCALARS.map(|_| "None"));
}

#[tokio::test]
async fn what_comes_in_goes_out_in_every_form() {
    let Some(mut world) = world("what_comes_in_goes_out_in_every_form") else { return };
    world.zone = "America/New_York".to_owned();
    let types = SCALARS.map(|(_, ty, _, _)| ty);
    let (cells, nulls) = (SCALARS.map(|(_, _, cell, _)| cell).join(" | "), SCALARS.map(|_| "NULL").join(" | "));
    for form in ["general", "pandas", "arrow"] {
        let call = |(at, (name, kind, ..)): (usize, &(&str, &str, &str, &str))| {
            world.known_call(&format!("values.{name}_{form}"), ty(kind), at)
        };
        let calls: Vec<_> = SCALARS.iter().enumerate().map(call).collect();
        let rows = world.rows(&calls, &types, &format!("{cells};{nulls};{cells}")).await.unwrap();
        assert_eq!(rows, [&cells, &nulls, &cells].map(String::clone), "{form}");
    }
}

#[tokio::test]
async fn values_within_values_are_lists_dicts_and_rows() {
    let Some(world) = world("values_within_values_are_lists_dicts_and_rows") else { return };
    let made = ["list", "map", "row"].map(|name| (name, world.call(&format!("values.make_{name}"), &[0])));
    let shown = made.clone().map(|(_, call)| world.call_of("values.shown", vec![within(call)]));
    let rows = world.rows(&shown, &["INT"], "1;NULL").await.unwrap();
    assert_eq!(rows, ["[1, None] | {'k': 1, None: None} | Row(a=1, b=Row(c='c1'))", "None | None | None"]);
    for form in ["general", "pandas", "arrow"] {
        let again =
            made.clone().map(|(name, call)| world.call_of(&format!("values.{name}_{form}"), vec![within(call)]));
        let rows = world.rows(&again, &["INT"], "1;2").await.unwrap();
        let expected = |n: i32| format!("[{n}, NULL] | [(k, {n}), (NULL, NULL)] | ({n}, (c{n}))");
        assert_eq!(rows, [expected(1), expected(2)], "{form}");
    }
    let named = world.call_of("values.by_name", vec![within(world.call("values.make_row", &[0]))]);
    assert_eq!(world.rows(&[named], &["INT"], "1;NULL").await.unwrap(), ["1 c1 {'c': 'c1'}", "NULL"]);
    assert_eq!(world.rows(&[world.call("values.as_dict", &[0])], &["INT"], "3").await.unwrap(), ["(3, (3))"]);
}

/// What a function of `modules/values.py` says that it gives.
fn result_of(function: &str) -> LogicalType {
    let nullable = |kind| LogicalType::new(kind);
    let int = LogicalType::new(TypeKind::Int);
    match function {
        "to_boolean" => ty("BOOLEAN"),
        "to_tinyint" => ty("TINYINT"),
        "to_bigint" => ty("BIGINT"),
        "to_double" => ty("DOUBLE"),
        "to_decimal" => ty("DECIMAL(10, 2)"),
        "to_date" => ty("DATE"),
        "to_time" => ty("TIME(3)"),
        "to_ts3" => ty("TIMESTAMP(3)"),
        "to_ltz3" => ty("TIMESTAMP_LTZ(3)"),
        "to_bytes" => ty("BYTES"),
        "to_string" => ty("STRING"),
        "to_list" => nullable(TypeKind::Array(Box::new(int))),
        "to_map" => nullable(TypeKind::Map(Box::new(ty("STRING")), Box::new(int.with_nullable(false)))),
        "to_row" => nullable(TypeKind::Row(vec![Field::new("a", int), Field::new("b", ty("STRING"))])),
        "to_not_null" => int.with_nullable(false),
        other => panic!("no test knows the function {other}"),
    }
}

#[tokio::test]
async fn results_are_made_to_fit_as_pyflink_makes_them() {
    let Some(world) = world("results_are_made_to_fit_as_pyflink_makes_them") else { return };
    let cases = [
        ("to_bigint", "True", "1"),
        ("to_bigint", "np.int16(5)", "5"),
        ("to_double", "3", "3"),
        ("to_double", "Decimal('2.5')", "2.5"),
        ("to_boolean", "2", "true"),
        ("to_boolean", "np.bool_(False)", "false"),
        ("to_decimal", "Decimal('1.005')", "1.00"),
        ("to_decimal", "Decimal('1.015')", "1.02"),
        ("to_decimal", "12", "12.00"),
        ("to_date", "datetime.datetime(1970, 1, 3, 5)", "2"),
        ("to_time", "datetime.time(0, 0, 1, 1999)", "1001"),
        ("to_ts3", "datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)", "-1"),
        ("to_ltz3", "datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.timezone.max)", "3600000"),
        ("to_bytes", "bytearray(b'xy')", "xy"),
        ("to_list", "(1, None)", "[1, NULL]"),
        ("to_list", "np.array([1, 2])", "[1, 2]"),
        ("to_map", "{'a': 1}", "[(a, 1)]"),
        ("to_row", "(1, 'x')", "(1, x)"),
        ("to_row", "[None, None]", "(NULL, NULL)"),
    ];
    let call = |(at, (function, ..)): (usize, &(&str, &str, &str))| {
        world.known_call(&format!("values.{function}"), result_of(function), at)
    };
    let calls: Vec<_> = cases.iter().enumerate().map(call).collect();
    let given = cases.map(|(_, given, _)| given).join(" | ");
    let got = world.rows(&calls, &["STRING"; 19], &given).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(got[0].split(" | ").collect::<Vec<_>>(), cases.map(|(_, _, expected)| expected));
}

#[tokio::test]
async fn results_that_do_not_fit_are_told_without_their_value() {
    let Some(world) = world("results_that_do_not_fit_are_told_without_their_value") else { return };
    let cases = [
        ("to_bigint", "1.5", "BIGINT: it is of type float"),
        ("to_bigint", "1.0", "BIGINT: it is of type float"),
        ("to_bigint", "2**63", "BIGINT: this int is out of range"),
        ("to_tinyint", "128", "TINYINT: this int is out of range"),
        ("to_double", "'4711'", "DOUBLE: it is of type str"),
        ("to_string", "4711", "STRING: it is of type int"),
        ("to_decimal", "Decimal('123456789.00')", "DECIMAL(10, 2): this Decimal is out of range"),
        ("to_decimal", "Decimal('NaN')", "DECIMAL(10, 2): it is no number"),
        ("to_decimal", "1.5", "DECIMAL(10, 2): it is of type float"),
        ("to_date", "'2020-01-01'", "DATE: it is of type str"),
        ("to_ts3", "datetime.date(2020, 1, 1)", "TIMESTAMP(3): it is of type date"),
        ("to_list", "'4711'", "ARRAY<INT>: it is of type str"),
        ("to_list", "['4711']", "ARRAY<INT>: it is of type list"),
        ("to_map", "{'a': None}", "MAP<STRING, INT NOT NULL>: it is None, and its type is NOT NULL"),
        ("to_row", "(1,)", "ROW<`a` INT, `b` STRING>: it has 1 fields instead of 2"),
        ("to_not_null", "None", "INT NOT NULL: it is None, and its type is NOT NULL"),
    ];
    for (function, given, expected) in cases {
        let call = world.known_call(&format!("values.{function}"), result_of(function), 0);
        let table = format!("None or 1 if 0 else {given};{given}");
        let error = world.error(&[call], &["STRING"], &table).await;
        assert_eq!(error.kind(), ErrorKind::Data, "{function} {given}");
        let expected =
            format!("function '{function}': its result does not fit its type {expected} (row 1 of its batch)");
        assert_eq!(error.message(), expected, "{function} {given}");
        assert!(!told(&error).contains("4711"), "{}", told(&error));
    }
}

#[tokio::test]
async fn arguments_of_types_without_a_place_in_python_are_refused() {
    let Some(world) = world("arguments_of_types_without_a_place_in_python_are_refused") else { return };
    let mut call = world.call("values.shown", &[0]);
    call.function.returns = LogicalType::new(TypeKind::Bitmap);
    let error = world.error(&[call], &["INT"], "1").await;
    assert_eq!(error.message(), "function 'shown': type BITMAP in functions in Python is not supported yet");
    let years = world.error(&[world.call("values.shown", &[0])], &["DATE"], "5000000").await;
    assert_eq!(years.kind(), ErrorKind::Data);
    assert!(years.message().contains("outside of the years 1 to 9999"), "{years}");
}
