//! Every expression that was recorded from real Flink (`crates/e2e/oracle/types/*.out`), evaluated
//! here: type and value must be equal, alone and in a batch with a null row.
//!
//! Where Flink refuses or fails, this must refuse or fail too; where its result is null although the
//! type says otherwise (`EnforcerException`), ours is null. [`DIFFERENCES`] lists what differs on
//! purpose, with the reason.

mod bind;
mod json;
mod lex;
mod parse;

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use bind::{Binder, Stop};
use flott_api::LogicalType;

use crate::{CompileContext, EvalContext, TextStyle, compile, format_value};

/// Expressions whose answer differs, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE)", SAME),
    ("V(CAST('NaN' AS DOUBLE)) = V(CAST('NaN' AS DOUBLE))", SAME),
    ("V(CAST('NaN' AS DOUBLE)) >= V(CAST('NaN' AS DOUBLE))", SAME),
    ("V(ARRAY[1]) < V(ARRAY[1])", SAME),
    ("V(ROW(1, 'a')) < V(ROW(1, 'a'))", SAME),
    ("V(MAP['a', 1]) < V(MAP['a', 1])", SAME),
    ("1e0 / 0e0", FOLDED),
    ("-1e0 / 0e0", FOLDED),
    ("0e0 / 0e0", FOLDED),
    ("1e0 / 0", FOLDED),
    ("1 / 0e0", FOLDED),
    ("CAST(1 AS FLOAT) / CAST(0 AS FLOAT)", FOLDED),
    ("CAST(3e38 AS FLOAT) * CAST(10 AS FLOAT)", FOLDED),
    ("0e0 * -1e0", FOLDED),
    ("CAST(V(2147483647.9e0) AS FLOAT)", LONG_FLOAT),
    ("TRY_CAST(V(2147483647.9e0) AS FLOAT)", LONG_FLOAT),
    ("SIGN(V(CAST(-2 AS TINYINT)))", "Flink's generated code does not compile"),
    ("V('😀') > V('￿')", "Flink compares by UTF-16 or by bytes, as the string happens to lie; this compares by bytes"),
    ("SUBSTRING(V(CAST('abc' AS STRING)), CAST(2 AS BIGINT))", "Flink's generated code does not compile"),
    ("ROUND(V(1.2345), V(2))", "Flink gives 0.0123, which is wrong"),
    ("TRUNCATE(V(1.2345), V(2))", "Flink gives 0.0123, which is wrong"),
    ("V(ARRAY[1, 2])[3]", NO_ELEMENT),
    ("V(ARRAY[1, 2])[V(0)]", NO_ELEMENT),
    ("V(MAP['a', 1, 'b', 2])['x']", NO_ELEMENT),
    ("V('true') IN (TRUE, FALSE)", "Flink gives FALSE, but TRUE with the sides exchanged"),
    ("V(1) IN ('1', 'x')", "Flink casts the list item by item and stops at the first that is equal"),
    ("V(ARRAY['a', 'b'])[3]", NO_ELEMENT),
    ("V(DATE '2020-01-01') IN ('2020-01-01', 'bad')", "Flink stops at the first item that is equal"),
    ("EXTRACT(MILLISECOND FROM V(DATE '2020-02-29'))", "Flink gives 321, the days modulo 1000; this refuses"),
    ("FROM_UNIXTIME(V(1582979696), 'Q')", "SimpleDateFormat does not know the letter"),
    ("REGEXP(V('x'), '(')", BAD_PATTERN),
    ("REGEXP_EXTRACT(V('x'), '(')", BAD_PATTERN),
    ("REGEXP_REPLACE(V('x'), '(', 'y')", BAD_PATTERN),
    ("REGEXP_COUNT(V('abc'), '(')", BAD_PATTERN),
    ("REGEXP_INSTR(V('hello'), '(')", BAD_PATTERN),
    ("REGEXP_SUBSTR(V('hello'), '(')", BAD_PATTERN),
    ("REGEXP_EXTRACT_ALL(V('abc'), '(')", BAD_PATTERN),
    ("REGEXP_COUNT(V('äБ'), '\\p{InCyrillic}')", ONLY_JAVA),
    ("REGEXP_COUNT(V('ab'), '\\X')", ONLY_JAVA),
    ("REGEXP_COUNT(V('ab'), '\\N{LATIN SMALL LETTER A}')", ONLY_JAVA),
    ("PRINTF('%h', V('a'))", "the numbers are of Flink's memory layout"),
    ("PRINTF('%s', V(ARRAY[1, 2]))", "Flink shows where it lies in memory"),
    ("PRINTF('%s', V(x'61'))", "Flink shows where it lies in memory"),
    (
        "JSON_EXISTS('{\"a\": {\"b\": 1, \"n\": null, \"\": 5}, \"l\": [1, 2, {\"c\": \"x\"}], \"t\": true}', CAST(NULL AS STRING))",
        TEXT_PATH,
    ),
    (
        "JSON_EXISTS(V('{\"a\": {\"b\": 1, \"n\": null, \"\": 5}, \"l\": [1, 2, {\"c\": \"x\"}], \"t\": true}'), V(CAST(NULL AS STRING)))",
        TEXT_PATH,
    ),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING DOUBLE DEFAULT 7e0 ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING DOUBLE DEFAULT CAST(7.5 AS DECIMAL(5, 2)) ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING DOUBLE DEFAULT 7 ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING BOOLEAN DEFAULT 'true' ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING INTEGER DEFAULT '7' ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' RETURNING INTEGER DEFAULT CAST(7 AS BIGINT) ON EMPTY)", UNCAST),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' DEFAULT V('c') ON EMPTY DEFAULT V('v') ON ERROR)", DEFAULT_CALL),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.x' DEFAULT V(CAST(NULL AS STRING)) ON EMPTY)", DEFAULT_CALL),
    ("JSON_VALUE(V('{\"i\": 42}'), 'lax $.i' DEFAULT V(CAST(NULL AS STRING)) ON EMPTY)", DEFAULT_CALL),
    ("JSON_VALUE(V('{\"i\": 42}'), 'strict $.x' DEFAULT V('c') ON EMPTY DEFAULT V('v') ON ERROR)", DEFAULT_CALL),
    ("JSON_VALUE(V('{\"i\": 42}'), 'strict $.x' DEFAULT V(CAST(NULL AS STRING)) ON EMPTY)", DEFAULT_CALL),
    ("JSON_VALUE(V(X'31'), '$')", "Flink reads where the bytes lie in memory; this refuses"),
    (
        "JSON_QUERY(V('{\"n\": [1, 2, 3]}'), 'strict $.length($.n)' WITH WRAPPER EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR)",
        LENGTH_OF,
    ),
    (
        "JSON_QUERY(V('{\"n\": [1, 2, 3]}'), 'lax $.length($.n)' WITH WRAPPER EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR)",
        LENGTH_OF,
    ),
    ("TO_TIMESTAMP_LTZ(V(1582979696.789e0), 0)", "Flink loses a millisecond"),
    ("ARRAY_SORT(V(ARRAY[1.5e0, CAST('NaN' AS DOUBLE), -0.0e0, 0.0e0, CAST('NaN' AS DOUBLE)]))", NAN_ORDER),
    ("ARRAY_SORT(V(ARRAY[1.5e0, CAST('NaN' AS DOUBLE), -0.0e0, 0.0e0, CAST('NaN' AS DOUBLE)]), FALSE)", NAN_ORDER),
    ("MAP_KEYS(V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]))", HASH_ORDER),
    ("MAP_VALUES(V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]))", HASH_ORDER),
    ("MAP_ENTRIES(V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]))", HASH_ORDER),
    ("MAP_UNION(V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]))", HASH_ORDER),
    ("MAP_UNION(V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]), V(MAP[CAST('NaN' AS DOUBLE), 1, -0.0e0, 2]))", HASH_ORDER),
    ("MAP_FROM_ARRAYS(V(ARRAY['a', 'a']), V(ARRAY[1, 2]))['a']", NO_ITEM),
    ("MAP_FROM_ARRAYS(V(ARRAY['a', 'b']), V(ARRAY[1, 2]))['b']", NO_ITEM),
    ("MAP_UNION(V(MAP['a', 1]), V(MAP['b', 2])) ['a']", NO_ITEM),
    ("ELEMENT(ARRAY_REMOVE(V(ARRAY[1]), 1))", NO_ELEMENT),
    ("ELEMENT(ARRAY_REMOVE(V(ARRAY['a']), 'a'))", NO_ELEMENT),
    ("V(ARRAY[1, 2])[CAST(1 AS BIGINT)]", INDEX),
    ("V(ARRAY[1, 2])[CAST(1 AS TINYINT)]", INDEX),
    ("V(ARRAY['a', CAST(NULL AS STRING)])[CAST(1 AS BIGINT)]", INDEX),
    ("V(ARRAY['a', CAST(NULL AS STRING)])[CAST(1 AS TINYINT)]", INDEX),
    ("V(CAST(ARRAY[1, 2] AS ARRAY<INT>))[CAST(1 AS BIGINT)]", INDEX),
    ("V(CAST(ARRAY[1, 2] AS ARRAY<INT>))[CAST(1 AS TINYINT)]", INDEX),
    ("V(CAST(MAP[1, 'x'] AS MAP<INT, STRING>))[1.0]", "Flink's generated code does not compile"),
    ("SPLIT(V('a😀bü'), '')", "Flink breaks a character that Java has in two halves"),
    ("ELT(CAST(2 AS BIGINT), 'a', 'bb')", INDEX),
    ("ELT(CAST(2 AS BIGINT), V('a'), V('bb'))", INDEX),
    ("ELT(CAST(1 AS TINYINT), 'a', 'bb')", INDEX),
    ("ELT(CAST(1 AS TINYINT), V('a'), V('bb'))", INDEX),
    ("ELT(V(3), 'ü', '😀', '')", "Flink's type counts the halves that Java has of a character"),
    ("CONVERT_TZ(V('0001-01-01 00:00:00'), 'UTC', 'America/Los_Angeles')", ANCIENT),
    ("CONVERT_TZ(V('0001-01-01 00:00:00'), 'America/Los_Angeles', 'Asia/Shanghai')", ANCIENT),
    ("BITMAP_FROM_BYTES(V(X'3B300000010000050002000100020004000200'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3B300000010000050002000100030002000300'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3B300000010000050002006400020001000200'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3B30000001000005000100FFFF0500'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3B30000001000005000000'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3A300000020000000100000000000000180000001800000001000200'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3A300000020000000100000001000000180000001800000001000200'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3A300000010000000000020010000000030002000100'))", NO_BITMAP),
    ("BITMAP_FROM_BYTES(V(X'3A300000010000000000020010000000010001000100'))", NO_BITMAP),
    ("BITMAP_TO_BYTES(BITMAP_FROM_BYTES(V(X'3B300000010000050002000100020004000200')))", NO_BITMAP),
    ("BITMAP_TO_BYTES(BITMAP_FROM_BYTES(V(X'3B3000000100000200010001000200')))", ONE_FORM),
    ("BITMAP_TO_BYTES(BITMAP_FROM_BYTES(V(X'3B3000000100000100010001000100')))", ONE_FORM),
    ("CAST(V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])) AS BYTES)", BITMAP_BYTES),
    ("CAST(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5]) AS BYTES)", BITMAP_BYTES),
    ("CAST(V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])) AS BITMAP)", NO_BITMAPS),
    ("TRY_CAST(V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])) AS BITMAP)", NO_BITMAPS),
    ("NULLIF(V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])), V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5, 6])))", NO_BITMAPS),
    ("CASE WHEN V(TRUE) THEN V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])) ELSE NULL END", NO_BITMAPS),
    ("IF(V(FALSE), V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])), V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5, 6])))", NO_BITMAPS),
    ("ARRAY[BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5]), CAST(NULL AS BITMAP)]", NO_BITMAPS),
    ("V(BITMAP_BUILD(ARRAY[1, 2, 3, 4, 5])) = NULL", NO_BITMAPS),
    (
        "PARSE_JSON(V('{\"name\":\"x\",\"n\":null,\"arr\":[10,\"b\",[1,2]],\"o\":{\"in\":{\"deep\":1.50}},\"\":\"empty\",\"a.b\":1,\"q''\":2,\"é\":3,\"$\":4}'))[V('name')]",
        NAME,
    ),
    (
        "PARSE_JSON(V('{\"name\":\"x\",\"n\":null,\"arr\":[10,\"b\",[1,2]],\"o\":{\"in\":{\"deep\":1.50}},\"\":\"empty\",\"a.b\":1,\"q''\":2,\"é\":3,\"$\":4}'))[V(CAST(NULL AS STRING))]",
        NAME,
    ),
    ("PARSE_JSON(V(CAST(NULL AS STRING)))[V('k')]", NAME),
    ("V(CAST(NULL AS VARIANT))[V('k')]", NAME),
    ("TRY_PARSE_JSON('x') IS NOT NULL", NOT_NULL),
    ("PARSE_JSON(V('1'), CAST(NULL AS BOOLEAN))", NULL_FLAG),
    ("PARSE_JSON(V('{\"a\":1,\"a\":2}'), V(CAST(NULL AS BOOLEAN)))", NULL_FLAG),
    ("PARSE_JSON(V('1'), NULL)", NULL_FLAG),
    ("TRY_PARSE_JSON(V('1'), CAST(NULL AS BOOLEAN))", NULL_FLAG),
    ("TRY_PARSE_JSON(V('{\"a\":1,\"a\":2}'), V(CAST(NULL AS BOOLEAN)))", NULL_FLAG),
    ("PARSE_JSON(V(CAST(NULL AS STRING)), V(CAST(NULL AS BOOLEAN)))", NULL_FLAG),
    ("TRY_PARSE_JSON(V(CAST(NULL AS STRING)), V(CAST(NULL AS BOOLEAN)))", NULL_FLAG),
];
const NO_BITMAP: &str = "Flink takes bytes that break the format for a bitmap, which then is no set of values";
const ONE_FORM: &str = "a set has one form here; Flink writes a run that is no shorter where it has read one";
const BITMAP_BYTES: &str = "Flink's generated code casts a bitmap to BYTES only where it is nullable";
const NAME: &str = "Flink's generated code takes only a literal as the name of a variant's field";
const NOT_NULL: &str = "Flink takes TRY_PARSE_JSON of a constant for NOT NULL";
const NULL_FLAG: &str = "Flink fails where it is null whether a key may come twice";
const NO_BITMAPS: &str = "Calcite has no rule for values of this type here";
const ANCIENT: &str =
    "Java's Calendar is Julian before 1582, counts years from 1 on both sides, and knows no local mean time";
const NAN_ORDER: &str = "Flink's sort takes NaN for equal to every number; this for the largest";
const HASH_ORDER: &str = "Flink's map has the order of a hash table; this that of the entries";
const NO_ITEM: &str = "Flink cannot look up in the map that this function makes";
const INDEX: &str = "Flink's generated code takes an INT only; this any integer";
const BAD_PATTERN: &str = "a constant pattern that is wrong is refused when the query is planned";
const ONLY_JAVA: &str = "neither engine has it, so it is refused by name";
/// A null without a type, which Flink refuses when it makes code.
const UNTYPED: &str = "Type is not supported: ANY";
const TEXT_PATH: &str = "Flink has no code for a path of JSON_EXISTS that is a STRING";
const UNCAST: &str = "Flink casts the type of a default and not its value, and fails where it is wanted";
const DEFAULT_CALL: &str = "Flink's planner fails on a user's function as a default";
const LENGTH_OF: &str = "Flink's library changes the path in its cache with each row, and counts the wrong value";
const NO_ELEMENT: &str = "where an element cannot be null, Flink shows -1 for one that is not there; this shows NULL";
const SAME: &str = "Flink's planner decides a comparison of an expression with itself, as fold_constants does";
const FOLDED: &str = "Flink computes constant floats with decimals, and columns with floats; this always with floats";
const LONG_FLOAT: &str = "Java 17 writes more digits than are needed; Java 19 and this do not";

const FILES: &[&str] = &[
    "arith_edges",
    "arith_pairs",
    "arrays",
    "bitmap",
    "cast_from_string",
    "cast_matrix",
    "cast_numeric",
    "cast_to_string",
    "compare_pairs",
    "decimal_mixed",
    "decimal_pairs",
    "digests",
    "functions",
    "functions_edges",
    "functions_more",
    "hash_code",
    "json_exists",
    "json_is",
    "json_make",
    "json_path",
    "json_query",
    "json_string",
    "json_value",
    "lists_and_addresses",
    "logic",
    "maps",
    "regexps",
    "urls",
    "variant_access",
    "variant_parse",
];

/// What became of an expression.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Refused(String),
    Failed(String, String),
    Value(String, String),
}

fn answer(text: &str) -> Result<Answer, Stop> {
    let mut binder = Binder::default();
    let expr = match parse::expression(text, &mut binder) {
        Ok(expr) => expr,
        Err(Stop::Refused(e)) => return Ok(Answer::Refused(e)),
        Err(stop) => return Err(stop),
    };
    let ty = bind::shown_type(expr.ty());
    let compiled = match compile(&expr, &context()) {
        Ok(compiled) => compiled,
        Err(e) => return Ok(Answer::Failed(ty, e.to_string())),
    };
    let (one, three) = (batch(&binder, 1), batch(&binder, 3));
    if let Ok(none) = compiled.evaluate(&one.slice(0, 0), &EvalContext::default()) {
        assert_eq!(none.len(), 0, "no row of {text}");
    }
    match compiled.evaluate(&one, &EvalContext::default()) {
        Err(e) => {
            assert!(compiled.evaluate(&three, &EvalContext::default()).is_err(), "three rows of {text}");
            Ok(Answer::Failed(ty, e.to_string()))
        }
        Ok(array) => {
            assert_eq!(array.data_type(), &expr.ty().arrow(), "the layout of {text}");
            let cell = cell(&array, 0, expr.ty());
            let again = compiled.evaluate(&three, &EvalContext::default()).unwrap();
            assert_eq!((again.len(), again.data_type()), (3, array.data_type()), "three rows of {text}");
            for row in [0, 2] {
                assert_eq!(self::cell(&again, row, expr.ty()), cell, "row {row} of {text}");
            }
            Ok(Answer::Value(ty, cell))
        }
    }
}

fn cell(array: &arrow_array::ArrayRef, row: usize, ty: &LogicalType) -> String {
    let mut out = String::new();
    match array.is_null(row) {
        true => out.push_str("<NULL>"),
        false => format_value(array, row, ty, "UTC", TextStyle::Cell, &mut out).unwrap(),
    }
    out
}

fn context() -> CompileContext {
    let world = flott_api::testing::FakeWorld::at(0);
    CompileContext { session_zone: "UTC".into(), environment: Some(world.environment()) }
}

/// One row with the values, or three of which the middle one is null.
fn batch(binder: &Binder, rows: usize) -> RecordBatch {
    let column = |c: &arrow_array::ArrayRef| match rows {
        1 => c.clone(),
        _ => {
            let null = arrow_array::new_null_array(c.data_type(), 1);
            arrow_select::concat::concat(&[c.as_ref(), null.as_ref(), c.as_ref()]).unwrap()
        }
    };
    let columns: Vec<_> = binder.columns.iter().map(column).collect();
    let field = |(i, c): (usize, &arrow_array::ArrayRef)| {
        arrow_schema::Field::new(format!("c{i}"), c.data_type().clone(), true)
    };
    let schema = arrow_schema::Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(std::sync::Arc::new(schema), columns, &options).unwrap()
}

/// Whether ours is what Flink recorded.
fn agrees(ours: &Answer, ty: &str, value: &str) -> bool {
    let flink_fails = value.starts_with("error: ");
    match ours {
        Answer::Refused(_) => {
            ty == "refused"
                || value.contains("ValidationException")
                || value.contains("CodeGenException")
                || value.contains("CompileException")
                || value.contains(UNTYPED)
        }
        Answer::Failed(our_ty, _) => ty == "refused" || (our_ty == ty && flink_fails && !value.contains("Enforcer")),
        Answer::Value(our_ty, ours) if value.contains("EnforcerException") => our_ty == ty && ours == "<NULL>",
        Answer::Value(our_ty, ours) => our_ty == ty && ours.replace('\n', "\\n") == value,
    }
}

#[test]
fn expressions_have_flinks_types_and_values() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/oracle/types");
    let (mut checked, mut skipped, mut wrong) = (0, Vec::new(), Vec::new());
    for file in FILES {
        let recorded = std::fs::read_to_string(format!("{folder}/{file}.out")).unwrap();
        for line in recorded.lines().filter(|l| !l.is_empty() && !l.starts_with("--")) {
            let mut parts = line.splitn(3, '\t');
            let (Some(text), Some(ty)) = (parts.next(), parts.next()) else { continue };
            if DIFFERENCES.iter().any(|(start, _)| text == *start) {
                continue;
            }
            let value = parts.next().unwrap_or_default();
            match answer(text) {
                Ok(ours) if agrees(&ours, ty, value) => checked += 1,
                Ok(ours) => wrong.push(format!("{file}: {text}\n   flink: {ty} | {value}\n   ours:  {ours:?}")),
                Err(Stop::Skipped(why)) => skipped.push(format!("{file}: {text}: {why}")),
                Err(Stop::Refused(e)) => unreachable!("{e}"),
            }
        }
    }
    println!("{checked} checked, {} wrong, {} skipped\n{}", wrong.len(), skipped.len(), skipped.join("\n"));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(skipped.len() < 60 && checked > 4000, "{} skipped", skipped.len());
}
