//! Names and types of what queries give.

use expect_test::expect;

use super::World;

#[test]
fn literals_and_expressions_have_flinks_types() {
    let world = World::new();
    expect!["EXPR$0 INT NOT NULL, EXPR$1 DECIMAL(3, 2) NOT NULL, EXPR$2 CHAR(2) NOT NULL, EXPR$3 DOUBLE NOT NULL, EXPR$4 BIGINT NOT NULL, EXPR$5 BOOLEAN NOT NULL, EXPR$6 BINARY(2) NOT NULL, EXPR$7 INT NOT NULL, EXPR$8 INTERVAL SECOND(3) NOT NULL, EXPR$9 DATE NOT NULL, EXPR$10 TIMESTAMP(3) NOT NULL"].assert_eq(&world.columns("SELECT 1, 1.50, 'ab', 1e0, 3000000000, TRUE, X'0aff', -2147483648, INTERVAL '1' DAY, DATE '2020-02-29', TIMESTAMP '2020-02-29 12:34:56.789'"));
    expect![
        "EXPR$0 BIGINT, EXPR$1 DECIMAL(17, 6) NOT NULL, EXPR$2 STRING, EXPR$3 BOOLEAN NOT NULL, EXPR$4 INT, s STRING"
    ]
    .assert_eq(&world.columns(
        "SELECT a + c, a / 2.0, b || 'x', a > 1 AND b IS NULL, CAST(b AS INT), TRY_CAST(a AS STRING) AS s FROM t",
    ));
    expect!["EXPR$0 VARCHAR(7) NOT NULL, EXPR$1 DECIMAL(11, 1)"].assert_eq(&world.columns("SELECT CASE WHEN a > 1 THEN 'late' WHEN a < 0 THEN 'early' ELSE 'on time' END, CASE a WHEN 1 THEN 1 WHEN 2 THEN 2.5 END FROM t"));
    expect!["a INT NOT NULL, x INT, y STRING, b STRING"]
        .assert_eq(&world.columns("SELECT t.a, t.r.x, r.y, db.t.b FROM t"));
    expect!["EXPR$0 BOOLEAN NOT NULL, EXPR$1 BOOLEAN NOT NULL, EXPR$2 BOOLEAN, EXPR$3 BIGINT NOT NULL, EXPR$4 STRING, EXPR$5 STRING NOT NULL"].assert_eq(&world.columns("SELECT a IN (1, 2, 3), a NOT BETWEEN 1 AND 5, b LIKE 'x%', EXTRACT(YEAR FROM DATE '2020-01-01'), UPPER(b), COALESCE(b, 'x') FROM t"));
}

#[test]
fn columns_are_named_as_flink_names_them() {
    let world = World::new();
    expect!["a INT NOT NULL, a0 INT NOT NULL, EXPR$2 INT NOT NULL, b STRING, OVER_ BIGINT NOT NULL"]
        .assert_eq(&world.columns("SELECT a, a, a + 1, t.b, COUNT(*) OVER_ FROM t GROUP BY a, b"));
    expect!["a INT NOT NULL, b STRING, c BIGINT, d DECIMAL(10, 2), r ROW<`x` INT, `y` STRING>"]
        .assert_eq(&world.columns("SELECT * FROM t"));
    expect!["k INT NOT NULL, b STRING, uno INT NOT NULL"]
        .assert_eq(&world.columns("SELECT x.*, 1 AS uno FROM (SELECT a AS k, b FROM t) AS x"));
    expect!["n INT NOT NULL, s VARCHAR(3) NOT NULL"]
        .assert_eq(&world.columns("SELECT v.* FROM (VALUES (1, 'a'), (2, 'bcd')) AS v(n, s)"));
    expect!["EXPR$0 BIGINT NOT NULL, EXPR$1 STRING"]
        .assert_eq(&world.columns("VALUES (1, 'a'), (3000000000, CAST(NULL AS STRING))"));
    expect!["q INT NOT NULL"]
        .assert_eq(&world.columns("WITH w AS (SELECT a FROM t), z (q) AS (SELECT a FROM w) SELECT q FROM z"));
}

#[test]
fn aggregates_have_flinks_types() {
    let world = World::new();
    expect![
        "EXPR$0 BIGINT NOT NULL, EXPR$1 BIGINT NOT NULL, EXPR$2 INT, EXPR$3 DECIMAL(38, 6), EXPR$4 STRING, EXPR$5 INT"
    ]
    .assert_eq(&world.columns("SELECT COUNT(*), COUNT(b), SUM(a), AVG(d), MIN(b), MAX(a) FROM t"));
    expect!["b STRING, s INT NOT NULL, f INT, n BIGINT NOT NULL"].assert_eq(&world.columns("SELECT b, SUM(a) AS s, SUM(a) FILTER (WHERE a > 1) AS f, COUNT(DISTINCT c) AS n FROM t GROUP BY b HAVING SUM(a) > 3"));
    expect!["b STRING"].assert_eq(&world.columns("SELECT DISTINCT b FROM t"));
}

#[test]
fn time_attributes_live_in_plain_columns() {
    let world = World::new();
    expect!["ts TIMESTAMP(3) *ROWTIME*, who STRING, x INT"].assert_eq(&world.columns("SELECT * FROM clicks"));
    expect!["t TIMESTAMP(3) *ROWTIME*, c TIMESTAMP(3), later TIMESTAMP(3)"].assert_eq(
        &world.columns("SELECT ts AS t, CAST(ts AS TIMESTAMP(3)) AS c, ts + INTERVAL '1' SECOND AS later FROM clicks"),
    );
    expect!["t BIGINT, ts TIMESTAMP_LTZ(3) *ROWTIME*, p TIMESTAMP_LTZ(3) NOT NULL *PROCTIME*"]
        .assert_eq(&world.columns("SELECT * FROM ltz"));
    expect!["ts TIMESTAMP(3) *ROWTIME*"]
        .assert_eq(&world.columns("SELECT ts FROM clicks UNION ALL SELECT ts FROM clicks"));
    expect!["ts TIMESTAMP(3)"]
        .assert_eq(&world.columns("SELECT ts FROM clicks UNION ALL SELECT TIMESTAMP '2020-01-01 00:00:00.000'"));
    expect!["ts TIMESTAMP(3) *ROWTIME*, n BIGINT NOT NULL"]
        .assert_eq(&world.columns("SELECT ts, COUNT(*) AS n FROM clicks GROUP BY ts"));
}

#[test]
fn unions_find_a_common_type() {
    let world = World::new();
    expect!["a BIGINT, b STRING"].assert_eq(&world.columns("SELECT a, b FROM t UNION ALL SELECT c, 'x' FROM t"));
    expect!["a INT NOT NULL"].assert_eq(&world.columns("SELECT a FROM t UNION SELECT a FROM t"));
}
