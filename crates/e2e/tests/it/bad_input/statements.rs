//! Statements that are wrong, deep, wide or odd.

use super::world::World;
use super::{assert_refused, assert_refused_with};

const ORDERS: &str = "CREATE TABLE orders (id INT, amount INT, s STRING) WITH (
  'connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '2');
CREATE TABLE b (a INT, s STRING) WITH ('connector' = 'blackhole');
CREATE TABLE p (a BIGINT) WITH ('connector' = 'print');
";

fn refused_behind_orders(sql: &str, expected: &str) {
    assert_refused(&format!("{ORDERS}{sql}"), expected);
}

fn printed(sql: &str) -> Vec<String> {
    World::new().run(&format!("{ORDERS}{sql}")).unwrap()
}

fn nested(before: &str, inner: &str, after: &str, times: usize) -> String {
    format!("{}{inner}{}", before.repeat(times), after.repeat(times))
}

#[test]
fn the_nearest_name_is_suggested_with_the_place() {
    refused_behind_orders(
        "INSERT INTO b SELECT id, s\n  FROM ordres;",
        "6:8 table 'ordres' does not exist\nDid you mean 'orders'?",
    );
    refused_behind_orders(
        "INSERT INTO b SELECT id,\n  amuont FROM orders;",
        "6:3 column 'amuont' does not exist\nDid you mean 'amount'?",
    );
    refused_behind_orders(
        "INSERT INTO b\nSELECT CONCT('a', 'b');",
        "6:8 function 'conct' does not exist\nDid you mean CONCAT?",
    );
    assert_refused(
        "CREATE TABLE t (i INT) WITH ('connector' = 'filesystm'); EXPLAIN SELECT * FROM t;",
        "1:80 there is no connector 'filesystm'\nDid you mean 'filesystem'?",
    );
    assert_refused_with(
        "CREATE TABLE t (i INT) WITH ('connector' = 'datagen', 'numberofrows' = '1'); EXPLAIN SELECT * FROM t;",
        &["connector 'datagen' has no option 'numberofrows'\nDid you mean 'number-of-rows'?"],
    );
}

#[test]
fn a_type_that_does_not_fit_is_refused_with_its_column() {
    let refusal = World::new().refused(&format!("{ORDERS}INSERT INTO b SELECT 'x', 'y';"));
    assert!(refusal.starts_with("5:"), "{refusal}");
    assert!(refusal.contains("column 'a' has type INT, but its value has type CHAR(1)"), "{refusal}");
    assert_refused_with(&format!("{ORDERS}INSERT INTO b SELECT 1;"), &["5:", "takes 2 columns, but the query has 1"]);
    assert_refused_with("SELECT 1 + TRUE;", &["1:"]);
    assert_refused_with("SELECT DATE '2020-02-30';", &["1:", "2020-02-30"]);
}

#[test]
fn an_option_of_the_wrong_type_is_refused_with_its_value() {
    let explain = |options: &str| format!("CREATE TABLE t (i INT) WITH ({options}); EXPLAIN SELECT * FROM t;");
    for (options, expected) in [
        ("'connector' = 'datagen', 'number-of-rows' = 'ten'", "option 'number-of-rows' has the value 'ten'"),
        ("'connector' = 'datagen', 'rows-per-second' = '99999999999999999999'", "which is no whole number"),
        (
            "'connector' = 'filesystem', 'path' = '/x', 'format' = 'csv', 'csv.ignore-parse-errors' = 'maybe'",
            "option 'csv.ignore-parse-errors' has the value 'maybe'",
        ),
        (
            "'connector' = 'filesystem', 'path' = '/x', 'format' = 'cvs'",
            "format 'cvs' does not exist\nThe formats are: avro, avro-confluent, canal-json, csv, ",
        ),
        ("'connector' = 'filesystem', 'format' = 'csv'", "'path'"),
        (
            "'connector' = 'filesystem', 'path' = '/x', 'format' = 'protobuf', 'protobuf.message-class-name' = 'a.B'",
            "format 'protobuf' needs option 'protobuf.schema' or 'protobuf.descriptor-set'",
        ),
        (
            "'connector' = 'filesystem', 'path' = '/x', 'format' = 'protobuf', 'protobuf.message-class-name' = 'B', \
             'protobuf.schema' = 'syntax = \"proto3\"; message B { int32 i = 1; }'",
            "format 'protobuf' cannot be used for files",
        ),
    ] {
        assert_refused_with(&explain(options), &["1:", expected]);
    }
    assert_refused(
        "SET 'parallelism.default' = 'many';",
        "1:5 option 'parallelism.default' cannot be 'many'\nIt must be a whole number from 1 to 32768.",
    );
    assert_refused_with(
        "CREATE TABLE t (i INT); EXPLAIN SELECT * FROM t;",
        &["has no connector", "'connector' = '..'"],
    );
}

#[test]
fn a_watermark_on_no_column_is_refused() {
    let table = |columns: &str| format!("CREATE TABLE t ({columns}) WITH ('connector' = 'datagen');");
    assert_refused_with(
        &table("i INT, WATERMARK FOR ts AS ts"),
        &["1:38 ", "column 'ts' of the watermark does not exist"],
    );
    assert_refused_with(&table("tss TIMESTAMP(3), WATERMARK FOR tss AS ts"), &["1:56 ", "Did you mean 'tss'?"]);
    assert_refused_with(&table("ts INT, WATERMARK FOR ts AS ts"), &["1:", "type INT and cannot have a watermark"]);
}

#[test]
fn nesting_beyond_the_limit_names_its_key() {
    for sql in [
        format!("SELECT {};", nested("(", "1", ")", 10_000)),
        format!("SELECT {};", "(".repeat(1_000_000)),
        format!("SELECT * FROM {};", nested("(SELECT * FROM ", "t", ")", 10_000)),
        format!("SELECT {};", nested("ABS(", "1", ")", 10_000)),
        format!("SELECT {};", nested("CASE WHEN TRUE THEN ", "1", " END", 10_000)),
    ] {
        assert_refused_with(&sql, &["1:", "nested too deeply", "sql.parser.max-depth"]);
    }
    for sql in [
        (0..5000).map(|i| format!("SELECT {i}")).collect::<Vec<_>>().join(" UNION ALL "),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT {} TRUE", "NOT ".repeat(100_000)),
        format!("CREATE TABLE t (a {})", nested("ROW<x ", "INT", ">", 5000)),
    ] {
        assert_refused_with(&sql, &["1:", "in a row", "sql.parser.max-chain"]);
    }
    assert_refused_with(
        &format!("CREATE TABLE t (a {})", nested("ARRAY<", "INT", ">", 200)),
        &["1:", "deeper than 100"],
    );
}

#[test]
fn what_is_deep_within_the_limit_runs() {
    for expression in [
        nested("(1 + ", "id", ")", 110),
        nested("ABS(", "id", ")", 110),
        nested("CASE WHEN id > 5 THEN 1 ELSE ", "id", " END", 110),
        format!("id{}", " + id".repeat(200)),
        format!("CHAR_LENGTH(s{})", " || s".repeat(200)),
    ] {
        let rows = printed(&format!("INSERT INTO p SELECT CAST({expression} AS BIGINT) FROM orders;"));
        assert_eq!(rows.len(), 2, "{expression}");
    }
    let mut world = World::new();
    world.put("a.json", "{}\n");
    for ty in [nested("ARRAY<", "INT", ">", 90), nested("ROW<x ", "INT", ">", 90)] {
        let options = "'connector' = 'filesystem', 'path' = '${DIR}/a.json', 'format' = 'json'";
        let sql =
            format!("CREATE TABLE t (a {ty}) WITH ({options}); INSERT INTO b SELECT a IS NULL FROM t; DROP TABLE t;");
        world.run("CREATE TABLE IF NOT EXISTS b (n BOOLEAN) WITH ('connector' = 'print');").unwrap();
        assert_eq!(world.run(&sql).unwrap(), ["+I[true]"]);
    }
}

#[test]
fn a_chain_of_views_runs_or_is_refused_with_the_limit() {
    let views = |n: usize, query: &dyn Fn(usize) -> String| -> String {
        (1..=n).map(|i| format!("CREATE VIEW v{i} AS {};\n", query(i - 1))).collect()
    };
    let chain = |below: usize| format!("SELECT a + 1 AS a FROM v{below}");
    let first = "CREATE VIEW v0 AS SELECT id AS a FROM orders;";
    let sql = format!("{first}{}INSERT INTO p SELECT a FROM v50;", views(50, &chain));
    assert_eq!(printed(&sql), ["+I[51]", "+I[52]"]);
    assert_refused_with(&format!("{ORDERS}{first}{}", views(300, &chain)), &["stands on more than 64 views"]);
    let doubling = (1..=30).map(|i| format!("q{i} AS (SELECT x FROM q{0} UNION ALL SELECT x FROM q{0})", i - 1));
    let doubling = doubling.collect::<Vec<_>>().join(", ");
    let sql = format!("WITH q0 AS (SELECT 1 AS x), {doubling} SELECT * FROM q30;");
    assert_refused_with(&sql, &["too large", "100000 nodes"]);
}

#[test]
fn a_view_on_a_dropped_table_or_on_itself_is_refused() {
    let dropped = format!("{ORDERS}CREATE VIEW v AS SELECT * FROM orders; DROP TABLE orders; SELECT * FROM v;");
    assert_refused_with(&dropped, &["view 'default_catalog.default_database.v'", "orders' does not exist"]);
    let recursive = format!(
        "{ORDERS}CREATE VIEW v AS SELECT * FROM orders; CREATE VIEW w AS SELECT * FROM v; DROP VIEW v;
         CREATE VIEW v AS SELECT * FROM w; SELECT * FROM v;"
    );
    assert_refused_with(&recursive, &["view 'default_catalog.default_database.w'", "v' does not exist"]);
    assert_refused_with("WITH a AS (SELECT * FROM a) SELECT * FROM a;", &["1:26 table 'a' does not exist"]);
}

#[test]
fn what_is_wide_runs() {
    let columns = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>().join(", ");
    let table = columns(10_000, &|i| format!("c{i} INT"));
    let rows = printed(&format!(
        "CREATE TABLE wide ({table}) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
         INSERT INTO p SELECT CAST(c9999 IS NULL AS INT) FROM wide;"
    ));
    assert_eq!(rows, ["+I[0]"; 3]);
    let sum = columns(1000, &|i| format!("WHEN id = {i} THEN {i}"));
    let sum = sum.replace(',', "");
    assert_eq!(printed(&format!("INSERT INTO p SELECT CASE {sum} END FROM orders;")), ["+I[1]", "+I[2]"]);
    let list = columns(20_000, &|i| (i + 2).to_string());
    assert_eq!(printed(&format!("INSERT INTO p SELECT id FROM orders WHERE id IN ({list});")), ["+I[2]"]);
}

#[test]
fn an_insert_of_megabytes_runs() {
    let rows = (0..20_000).map(|i| format!("({i}, '{}')", "y".repeat(100))).collect::<Vec<_>>().join(",\n");
    assert!(printed(&format!("INSERT INTO b VALUES {rows};")).is_empty());
    let long = "y".repeat(10_000_000);
    assert_eq!(printed(&format!("INSERT INTO p SELECT CHAR_LENGTH('{long}');")), ["+I[10000000]"]);
}

#[test]
fn names_of_odd_characters_work() {
    let name = "`we``ird \t'\"é😀.x;--`";
    let answers = World::new()
        .run(&format!(
            "CREATE TABLE {name} (`a b` INT, `;` INT, `SELECT` INT) WITH (
               'connector' = 'datagen', 'fields.a b.kind' = 'sequence', 'fields.a b.start' = '7', 'fields.a b.end' = '7');
             CREATE TABLE p (`--` INT) WITH ('connector' = 'print');
             INSERT INTO p SELECT `a b` FROM {name} AS `*/` WHERE `*/`.`SELECT` IS NOT NULL;
             SHOW CREATE TABLE {name};"
        ))
        .unwrap();
    assert_eq!(answers[0], "+I[7]");
    assert!(answers[1].contains(&format!(".{name} (")), "{}", answers[1]);
    assert_refused_with("CREATE TABLE t (`` INT);", &["1:17 ", "identifier is empty"]);
}

#[test]
fn a_script_of_nothing_does_nothing() {
    for sql in ["", " \n\t", ";;;", "-- a\n/* b\n */ -- c", "-- a", "\u{feff}"] {
        assert_eq!(World::new().run(sql).unwrap(), Vec::<String>::new(), "{sql:?}");
    }
    assert_refused("/* a", "1:1 comment is not closed\nAdd `*/`.");
    assert_refused("SELECT\n 'abc", "2:2 string is not closed\nClose it with a ' quote.");
    assert_refused("SELECT `abc", "1:8 identifier is not closed\nClose it with a ` quote.");
    assert_refused_with("SELECT 1\0;", &["1:9 unexpected character"]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_refused_with(&format!("SELECT {};", "9".repeat(1000)), &["1:8 ", "out of range"]);
    assert_refused_with("SELECT 1E400;", &["1:8 ", "out of range"]);
    assert_refused_with(&format!("{ORDERS}INSERT INTO p SELECT id FROM orders LIMIT -1;"), &["not negative"]);
    assert_refused_with("SELECT INTERVAL '99999999999' DAY;", &["1:17 "]);
    let window = "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
                  EXPLAIN SELECT window_start, COUNT(*) FROM TABLE(
                    TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' SECOND)) GROUP BY window_start, window_end;";
    assert_refused_with(window, &["3:", "the size of a window must be positive"]);
}

#[test]
fn secrets_are_never_shown() {
    const SECRET: &str = "hunter2";
    let options = "'connector' = 'filesystem', 'path' = '/x', 'format' = 'csv', 'my.password' = 'hunter2',
                   'sasl.jaas.config' = 'user hunter2', 'api-key' = 'hunter2'";
    let table = format!("CREATE TABLE t (i INT) WITH ({options});");
    let mut world = World::new();
    let shown = world.run(&format!("{table} SHOW CREATE TABLE t;")).unwrap();
    assert!(shown[0].contains("'my.password' = '****'"), "{}", shown[0]);
    assert!(shown.iter().all(|text| !text.contains(SECRET)), "{shown:?}");
    for sql in [
        "EXPLAIN SELECT * FROM t;",
        "INSERT INTO t VALUES (1);",
        "CREATE TABLE u (LIKE t);",
        "CREATE TABLE v (i INT) WITH ('connector' = 'datagen', 'number-of-rows' = 'x', 'token' = 'hunter2'); SELECT * FROM v;",
        "CREATE TABLE w (i INT) WITH ('password' = 'hunter2' 'x');",
        "CREATE TABLE w (i INT) WITH ('password' = 'hunter2', 'password' = 'hunter2');",
        "CREATE CATALOG c WITH ('type' = 'generic_in_memory', 'password' = 'hunter2');",
    ] {
        let refusal = world.refused(sql);
        assert!(!refusal.contains(SECRET), "{refusal}");
    }
}
