//! What results look like, and where they go.

use expect_test::expect;

use crate::flott::{flott, results_of, run};

#[test]
fn a_query_prints_flinks_tableau() {
    let ran = run(&["run", "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(0));
    expect![[r#"
        +----+-------------+
        | op |      EXPR$0 |
        +----+-------------+
        | +I |           1 |
        +----+-------------+
        1 row in set
    "#]]
    .assert_eq(&ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_changelog_says_what_happened_to_each_row() {
    let sql = "SELECT x, COUNT(*) FROM (VALUES (1), (1), (2)) AS t(x) GROUP BY x";
    expect![[r#"
        +----+-------------+----------------------+
        | op |           x |               EXPR$1 |
        +----+-------------+----------------------+
        | +I |           1 |                    1 |
        | -U |           1 |                    1 |
        | +U |           1 |                    2 |
        | +I |           2 |                    1 |
        +----+-------------+----------------------+
        4 rows in set
    "#]]
    .assert_eq(&results_of(sql));
    let lines = results_of(&format!("SET 'sql-client.execution.result-mode' = 'CHANGELOG'; {sql}"));
    assert_eq!(lines, "+I[1, 1]\n-U[1, 1]\n+U[1, 2]\n+I[2, 1]\n");
}

#[test]
fn final_rows_have_no_op_and_columns_as_wide_as_they() {
    let batch = "SET 'execution.runtime-mode' = 'batch';";
    let sql =
        "SELECT x, COUNT(*) AS n, MAX(t) AS t FROM (VALUES (1, 'a'), (1, 'bb'), (22, CAST(NULL AS STRING))) AS v(x, t)
        GROUP BY x ORDER BY x";
    expect![[r#"
        +----+---+--------+
        |  x | n |      t |
        +----+---+--------+
        |  1 | 2 |     bb |
        | 22 | 1 | <NULL> |
        +----+---+--------+
        2 rows in set
    "#]]
    .assert_eq(&results_of(&format!("{batch}{sql}")));
    let none = results_of(&format!("{batch}SELECT 1 AS x FROM (VALUES (1)) AS v(y) WHERE y > 1"));
    assert_eq!(none, "Empty set\n");
    let many = "CREATE TABLE s (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '30000',
        'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '30000');";
    let rows = results_of(&format!("{batch}{many}SELECT n FROM s ORDER BY n DESC"));
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!((lines[3], lines[30_002], lines.len()), ("| 30000 |", "|     1 |", 30_005));
    assert_eq!(lines[30_004], "30000 rows in set");
}

#[test]
fn csv_and_json_are_for_programs() {
    let sql = "SELECT 1 AS a, 'x,y' AS b, CAST(NULL AS INT) AS c, TRUE AS d, 1.50 AS e";
    let csv = run(&["run", "--output", "csv", "-e", sql]);
    assert_eq!(csv.stdout, "op,a,b,c,d,e\n+I,1,\"x,y\",,TRUE,1.50\n");
    let json = run(&["run", "--output", "json", "-e", sql]);
    assert_eq!(json.stdout, "{\"op\":\"+I\",\"a\":1,\"b\":\"x,y\",\"c\":null,\"d\":true,\"e\":1.50}\n");
}

#[test]
fn answers_without_changes_have_no_op() {
    expect![[r#"
        +----------------------+
        | current catalog name |
        +----------------------+
        |      default_catalog |
        +----------------------+
        1 row in set
    "#]]
    .assert_eq(&results_of("SHOW CURRENT CATALOG"));
    let json = run(&["run", "--output", "json", "-e", "SHOW CURRENT CATALOG; SHOW VIEWS"]);
    assert_eq!(json.stdout, "{\"current catalog name\":\"default_catalog\"}\n");
}

#[test]
fn empty_results_say_so() {
    assert_eq!(results_of("SELECT * FROM (VALUES (1)) AS t(x) WHERE x > 1"), "Empty set\n");
    assert_eq!(results_of("SHOW VIEWS"), "Empty set\n");
}

#[test]
fn the_widest_column_is_an_option() {
    let wide = results_of("SET 'table.display.max-column-width' = '8'; SELECT 'a long text' AS a");
    assert!(wide.contains("| +I | a lon... |"), "{wide}");
}

#[test]
fn local_times_are_shown_in_the_sessions_zone() {
    let sql = "SELECT CAST(TIMESTAMP '2020-01-01 00:00:00' AS TIMESTAMP_LTZ(3)) AS t";
    let shown = results_of(&format!("SET 'table.local-time-zone' = 'Asia/Tokyo'; {sql}"));
    assert!(shown.contains("2020-01-01 00:00:00.000"), "{shown}");
}

#[test]
fn plans_and_definitions_are_text() {
    let plan = results_of("EXPLAIN SELECT 1");
    assert!(plan.starts_with("== Abstract Syntax Tree ==\n"), "{plan}");
    let json = run(&["run", "--output", "json", "-e", "EXPLAIN SELECT 1"]);
    assert!(json.stdout.starts_with("{\"result\":\"== Abstract"), "{json:?}");
}

#[test]
fn there_is_no_colour_off_a_terminal() {
    for colour in [None, Some("1")] {
        let mut command = flott(&["run", "-e", "SELECT nope"]);
        if let Some(value) = colour {
            command.env("NO_COLOR", value);
        }
        let output = command.output().unwrap();
        assert!(!output.stderr.contains(&0x1b));
        assert!(!output.stderr.is_empty());
    }
}
