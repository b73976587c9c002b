//! Functions in Python in batch mode, and in conditions of joins in both modes.

use std::collections::BTreeSet;
use std::process::Command;

use expect_test::expect;

use crate::flott::{Ran, flott, results_of};
use crate::ledger::pause;
use crate::python::{functions, marks, python, written};

const BATCH: &str = "SET 'execution.runtime-mode' = 'batch';\n";
const VIEWS: &str = "
CREATE TEMPORARY VIEW v AS SELECT * FROM (VALUES (1, 'a b'), (2, 'c'), (3, CAST(NULL AS STRING)), (4, 'c')) AS t(x, s);
CREATE TEMPORARY VIEW u AS SELECT * FROM (VALUES (2, 1), (4, 5), (6, 3), (8, 9)) AS t(y, z);
";

#[test]
fn functions_of_all_kinds_are_called_in_batch_mode() {
    let Some(python) = python("functions_of_all_kinds_are_called_in_batch_mode") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = BATCH.to_owned()
        + &functions(&python, folder.path())
        + VIEWS
        + "SELECT twice(x) + 1 AS n, shout(s) AS s, pair(later(twice(x)), LOWER(shout(s))) AS p
           FROM v WHERE later(x) > 1 AND x <> 2 ORDER BY n DESC;
           SELECT x, n, w FROM v, LATERAL TABLE(words(s)) AS p(n, w) WHERE twice(x) < 8 ORDER BY x, n;
           SELECT x, shout(w) AS w FROM v LEFT JOIN LATERAL TABLE(words(s)) AS p(n, w) ON n < 1 ORDER BY x;
           SELECT s, weighted(twice(x), 1) AS a, weighted(DISTINCT x, 1) FILTER (WHERE x > 1) AS d, COUNT(*) AS n
           FROM v GROUP BY s ORDER BY s;
           SELECT weighted(x, 1) AS nothing, COUNT(*) AS n FROM v WHERE x > 9;";
    expect![[r#"
        +---+--------+-----------+
        | n |      s |         p |
        +---+--------+-----------+
        | 9 |     C! |   (9, c!) |
        | 7 | <NULL> | (7, NULL) |
        | 3 |   A B! | (3, a b!) |
        +---+--------+-----------+
        3 rows in set
        +---+---+---+
        | x | n | w |
        +---+---+---+
        | 1 | 0 | a |
        | 1 | 1 | b |
        | 2 | 0 | c |
        +---+---+---+
        3 rows in set
        +---+--------+
        | x |      w |
        +---+--------+
        | 1 |     A! |
        | 2 |     C! |
        | 3 | <NULL> |
        | 4 |     C! |
        +---+--------+
        4 rows in set
        +--------+-----+--------+---+
        |      s |   a |      d | n |
        +--------+-----+--------+---+
        | <NULL> | 6.0 |    3.0 | 1 |
        |    a b | 2.0 | <NULL> | 1 |
        |      c | 6.0 |    3.0 | 2 |
        +--------+-----+--------+---+
        3 rows in set
        +---------+---+
        | nothing | n |
        +---------+---+
        |  <NULL> | 0 |
        +---------+---+
        1 row in set
    "#]]
    .assert_eq(&results_of(&script));
}

#[test]
fn functions_of_pandas_aggregate_groups_and_frames() {
    let Some(python) = python("functions_of_pandas_aggregate_groups_and_frames") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = BATCH.to_owned()
        + &functions(&python, folder.path())
        + VIEWS
        + "SELECT s, middle(x) AS m, middle(DISTINCT twice(x)) AS t, SUM(x) AS n FROM v GROUP BY s ORDER BY s;
           SELECT middle(x) FILTER (WHERE x > 2) AS m FROM v;
           SELECT middle(x) AS m FROM v WHERE x > 9;
           SELECT x, middle(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS m,
             SUM(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS n,
             middle(x) OVER (PARTITION BY s) AS p FROM v ORDER BY x;
           SET 'execution.runtime-mode' = 'streaming';
           SELECT x, m FROM (SELECT x, middle(x) OVER (ORDER BY p ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m
             FROM (SELECT x, PROCTIME() AS p FROM v));";
    expect![[r#"
        +--------+-----+-----+---+
        |      s |   m |   t | n |
        +--------+-----+-----+---+
        | <NULL> | 3.0 | 6.0 | 3 |
        |    a b | 1.0 | 2.0 | 1 |
        |      c | 3.0 | 6.0 | 6 |
        +--------+-----+-----+---+
        3 rows in set
        +-----+
        |   m |
        +-----+
        | 3.5 |
        +-----+
        1 row in set
        +--------+
        |      m |
        +--------+
        | <NULL> |
        +--------+
        1 row in set
        +---+-----+---+-----+
        | x |   m | n |   p |
        +---+-----+---+-----+
        | 1 | 1.5 | 3 | 1.0 |
        | 2 | 2.0 | 6 | 3.0 |
        | 3 | 3.0 | 9 | 3.0 |
        | 4 | 3.5 | 7 | 3.0 |
        +---+-----+---+-----+
        4 rows in set
        +----+-------------+--------------------------------+
        | op |           x |                              m |
        +----+-------------+--------------------------------+
        | +I |           1 |                            1.0 |
        | +I |           2 |                            1.5 |
        | +I |           3 |                            2.5 |
        | +I |           4 |                            3.5 |
        +----+-------------+--------------------------------+
        4 rows in set
    "#]]
    .assert_eq(&results_of(&script));
}

#[test]
fn functions_stand_in_conditions_of_joins() {
    let Some(python) = python("functions_stand_in_conditions_of_joins") else { return };
    let folder = tempfile::tempdir().unwrap();
    let inner = "
           SELECT x, y, z FROM v JOIN u ON twice(x) = y AND later(z) + x > 4;
           SELECT x FROM v WHERE twice(x) IN (SELECT z + 1 FROM u);";
    let script = functions(&python, folder.path()) + VIEWS + inner;
    let streaming = results_of(&script);
    // In a stream either side may come first.
    let mut streaming: Vec<&str> = streaming.lines().filter(|line| line.starts_with("| +I")).collect();
    streaming.sort_unstable();
    expect![[r#"
        | +I |           1 |
        | +I |           2 |
        | +I |           2 |           4 |           5 |
        | +I |           3 |
        | +I |           3 |           6 |           3 |
        | +I |           4 |           8 |           9 |"#]]
    .assert_eq(&streaming.join("\n"));
    let outer = "SELECT x, y FROM v LEFT JOIN u ON later(x) > twice(z) ORDER BY x, y;";
    let script = BATCH.to_owned() + &functions(&python, folder.path()) + VIEWS + inner + outer;
    expect![[r#"
        +---+---+---+
        | x | y | z |
        +---+---+---+
        | 2 | 4 | 5 |
        | 3 | 6 | 3 |
        | 4 | 8 | 9 |
        +---+---+---+
        3 rows in set
        +---+
        | x |
        +---+
        | 1 |
        | 2 |
        | 3 |
        +---+
        3 rows in set
        +---+--------+
        | x |      y |
        +---+--------+
        | 1 | <NULL> |
        | 2 |      2 |
        | 3 |      2 |
        | 4 |      2 |
        +---+--------+
        4 rows in set
    "#]]
    .assert_eq(&results_of(&script));
}

#[test]
fn a_python_that_is_killed_in_batch_mode_begins_its_query_anew() {
    let Some(python) = python("a_python_that_is_killed_in_batch_mode_begins_its_query_anew") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    const ROWS: u64 = 30_000;
    let script = BATCH.to_owned()
        + "SET 'restart-strategy.type' = 'fixed-delay';
           SET 'restart-strategy.fixed-delay.attempts' = '5';
           SET 'restart-strategy.fixed-delay.delay' = '10 ms';"
        + &functions(&python, folder.path())
        + &format!(
            "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000',
               'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}');
             CREATE TABLE told (id BIGINT, n BIGINT)
               WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
             INSERT INTO told SELECT id, marked(id) FROM numbers;",
            path("told")
        );
    let marked = folder.path().join("marks");
    let child =
        flott(&["run", "-e", &script]).env("FLOTT_TEST_MARKS", &marked).env("FLOTT_LOG", "info").spawn().unwrap();
    let first = loop {
        match marks(&marked).pop() {
            Some(first) => break first,
            None => pause(20),
        }
    };
    pause(700);
    let status = Command::new("kill").args(["-9", &first]).status().unwrap();
    assert!(status.success(), "process {first} of Python was gone before it was killed");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(marks(&marked).len() >= 2 && ran.stderr.contains("a region has failed"), "no kill was noticed: {ran:?}");
    let lines = written(&folder.path().join("told"));
    let ids: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!((lines.len() as u64, ids.len() as u64), (ROWS, ROWS), "rows, and different ones");
    assert!(ids.contains(format!("{ROWS},{}", ROWS * 10).as_str()));
}
