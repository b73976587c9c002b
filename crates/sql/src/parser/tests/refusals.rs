//! What is refused, where, and with which hint. The refusals are in `expected/`; `UPDATE_EXPECT=1` writes them anew.

use expect_test::{ExpectFile, expect_file};

use super::*;

fn check_refused(statements: &[&str], expected: ExpectFile) {
    expected.assert_eq(&refusals(statements));
}

const RESERVED_WORDS: &[&str] = &[
    "SELECT timestamp FROM t",
    "SELECT t.value FROM t",
    "SELECT a AS order FROM t",
    "SELECT a order FROM t",
    "SELECT a FROM user",
    "SELECT a FROM t AS date",
    "SELECT a FROM t AS x (year)",
    "WITH time AS (SELECT 1) SELECT 1",
    "CREATE TABLE t (timestamp INT)",
    "CREATE TABLE user (a INT)",
    "INSERT INTO t (a, order) SELECT 1, 2",
    "SELECT f(row => 1)",
];

#[test]
fn reserved_words_are_no_names() {
    check_refused(RESERVED_WORDS, expect_file!["expected/reserved_words.txt"]);
}

const COMMON_MISTAKES: &[&str] = &[
    "SELECT \"a\" FROM t",
    "SELECT a FROM t WHERE b = \"x\"",
    "SELECT a, FROM t",
    "SELECT a FROM t,",
    "CREATE TABLE t (a INT,)",
    "SELECT a != b",
    "SELECT a::INT",
    "SELECT a && b",
    "SELECT a AS 'x'",
    "SELECT a 'x'",
    "SELECT 'a' 'b'",
    "SELECT 'abc",
    "SELECT `abc",
    "SELECT /* abc",
    "SELECT a FROM t /*+ OPTIONS('a' = 'b')",
    "SELECT INTERVAL '1'",
    "SELECT INTERVAL a DAY",
    "SELECT MAP['a']",
    "SELECT CURRENT_TIMESTAMP()",
    "SELEC 1",
    "SET a = b",
    "CREATE TABLE t (a)",
    "CREATE TABLE t (a INT, b)",
    "CREATE TABLE t (a INTERVAL DAY)",
    "CREATE TABLE a.b.c.d (x INT)",
    "SELECT a FROM t MINUS SELECT b FROM s",
    "SELECT 1; SELECT 2",
    "",
];

#[test]
fn common_mistakes_get_a_hint() {
    check_refused(COMMON_MISTAKES, expect_file!["expected/common_mistakes.txt"]);
}

const OTHER_DIALECTS: &[&str] = &[
    "SELECT * EXCLUDE (a) FROM t",
    "SELECT * REPLACE (1 AS a) FROM t",
    "SELECT DISTINCT ON (a) a FROM t",
    "SELECT TOP 5 a FROM t",
    "SELECT a INTO b FROM t",
    "SELECT a FROM t GROUP BY ALL",
    "SELECT a FROM t ORDER BY ALL",
    "SELECT a FROM t GROUP BY a WITH ROLLUP",
    "SELECT a FROM t LIMIT 5, 6",
    "SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t FOR SYSTEM_VERSION AS OF 1",
    "SELECT a FROM t VERSION AS OF 1",
    "SELECT a FROM t WITH (NOLOCK)",
    "SELECT a FROM t SAMPLE (5)",
    "SELECT a FROM t LEFT SEMI JOIN s ON t.a = s.a",
    "SELECT a FROM t LEFT ANTI JOIN s ON t.a = s.a",
    "SELECT a FROM t ASOF JOIN s MATCH_CONDITION(t.a >= s.a) ON t.b = s.b",
    "SELECT a FROM t CROSS APPLY f(a)",
    "SELECT a FROM t, LATERAL f(a)",
    "SELECT a FROM t LATERAL VIEW explode(a) x AS y",
    "SELECT 1 UNION BY NAME SELECT 2",
    "TABLE t UNION ALL SELECT 1",
    "VALUE (1)",
    "FROM t SELECT a",
    "SELECT ROW(1 AS a)",
    "SELECT TIMESTAMP_LTZ '2024-01-01 00:00:00'",
    "SELECT INT '5'",
    "SELECT a[1:2]",
    "SELECT a:b",
    "SELECT a -> b",
    "SELECT a == b",
    "SELECT a | b",
    "SELECT a COLLATE x",
    "SELECT a AT TIME ZONE 'UTC'",
    "SELECT ARRAY_AGG(a LIMIT 5)",
    "SELECT f(a := 1)",
    "SELECT ?",
    "SELECT {d '2020-01-01'}",
    "SELECT N'x'",
    "SELECT 1 . a",
    "SELECT a FROM t QUALIFY b WINDOW w AS (ORDER BY a)",
    "SELECT * FROM ((SELECT 1) UNION (SELECT 2)) t, WITH x AS (SELECT 1) SELECT 2",
];

#[test]
fn other_dialects_are_refused() {
    check_refused(OTHER_DIALECTS, expect_file!["expected/other_dialects.txt"]);
}

const ERRORS_INSIDE: &[&str] = &[
    "SELECT a FROM (SELECT b,, c FROM t)",
    "SELECT a FROM (SELECT b FROM (SELECT c FROM t WHERE) x) y",
    "SELECT a FROM t JOIN (SELECT 1 FROM s GROUP) ON TRUE",
    "SELECT f(a => b +) FROM t",
    "SELECT *\nFROM t\nWHERE ä = 'ü' AND >",
    "CREATE VIEW v AS\n  SELECT a\n  FROM t WHERE timestamp > 1",
    "SELECT a /*+ OPTIONS('a' = 'b') */ FROM t",
    "SELECT /*+ X('a' = b) */ a FROM t",
    "SELECT /*+ X( */ a FROM t",
    "INSERT INTO t /*+ 5 */ SELECT 1",
    "SELECT CAST(a AS FOO BAR)",
    "SELECT x'f'",
    "SELECT x'zz'",
    r"SELECT e'\u12'",
    r"SELECT U&'\00'",
    "SELECT __FLOTT_WITHIN FROM t",
    "SELECT a FROM t WHERE (a = 1",
    "SELECT a FROM t WHERE",
    "SELECT a b c FROM t",
    "SELECT #",
];

#[test]
fn errors_inside_stand_where_they_are() {
    check_refused(ERRORS_INSIDE, expect_file!["expected/errors_inside.txt"]);
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE t (a INT NOT NULL DEFAULT 1)",
    "CREATE TABLE t (a INT, INDEX (a))",
    "CREATE TABLE t (a INT, WATERMARK FOR a AS a, WATERMARK FOR a AS a)",
    "CREATE TABLE t (a INT) USING CONNECTION c",
    "CREATE TABLE t (a INT) WITH (a = 'b')",
    "CREATE TABLE t (a INT) LIKE s (OVERWRITING ALL)",
    "CREATE OR REPLACE TABLE t (a INT)",
    "CREATE TEMPORARY SYSTEM TABLE t (a INT)",
    "CREATE VIEW v (a COMMENT 'x') AS SELECT 1",
    "CREATE VIEW v AS INSERT INTO t SELECT 1",
    "CREATE FUNCTION f AS 'x' LANGUAGE PYTHON USING JAR 'y'",
    "CREATE MODEL m INPUT (a AS b) WITH ('a' = 'b')",
    "CREATE PROCEDURE p",
    "CREATE MATERIALIZED TABLE t FRESHNESS = INTERVAL '1' DAY START_MODE = FROM_NOW AS SELECT 1",
    "CREATE MATERIALIZED TABLE t REFRESH_MODE = AUTO AS SELECT 1",
    "ALTER MATERIALIZED TABLE t RENAME TO u",
    "ALTER MATERIALIZED TABLE t SET START_MODE = FROM_NOW",
    "ALTER TABLE t COMPACT",
    "ALTER VIEW v SET ('a' = 'b')",
    "ALTER DATABASE d RESET ('a')",
    "DROP TABLES t",
    "INSERT INTO t PARTITION (p) SELECT 1",
    "INSERT INTO t PARTITION (p = a) SELECT 1",
    "INSERT INTO t SELECT 1 ON CONFLICT DO UPDATE",
    "UPDATE t SET a.b = 1",
    "EXECUTE STATEMENT SET BEGIN END",
    "EXECUTE STATEMENT SET BEGIN CREATE TABLE x AS SELECT 1; END",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1 END",
    "BEGIN STATEMENT SET; END",
    "EXPLAIN AST SELECT 1",
    "EXPLAIN CREATE TABLE t (a INT)",
    "STOP JOB 'a' WITH DRAIN",
    "SHOW TABLES ILIKE 'x'",
    "SHOW CREATE FUNCTION f",
    "SHOW PROCESSES",
    "DESCRIBE t PARTITION (a = 1)",
    "HELP ME",
];

#[test]
fn statements_refuse_what_flink_refuses() {
    check_refused(STATEMENTS, expect_file!["expected/statements.txt"]);
}
