//! Queries and expressions.

use super::*;

#[test]
fn clauses_of_a_query() {
    check_same(&[
        "SELECT DISTINCT a, b AS c, t.*, * FROM t WHERE a = 1 GROUP BY a, b HAVING COUNT(*) > 1",
        "SELECT a FROM t ORDER BY a DESC NULLS LAST, b LIMIT 5 OFFSET 2",
        "SELECT a FROM t OFFSET 1 ROW FETCH FIRST 2 ROWS ONLY",
        "SELECT a FROM t WINDOW w AS (PARTITION BY a ORDER BY b), v AS (w) QUALIFY ROW_NUMBER() OVER w = 1",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), (a), ()), CUBE (c), ROLLUP (d, (e, f)), ()",
        "(SELECT 1) UNION ALL (SELECT 2) INTERSECT SELECT 3 EXCEPT SELECT 4 ORDER BY 1",
        "WITH a (x) AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
        "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT * FROM (VALUES (1, 'a')) AS t (a, b)",
        "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
        "SELECT /*+ STATE_TTL('a' = '1d', 'b' = '12h'), BROADCAST(a, b) */ * FROM a JOIN b ON a.x = b.x",
    ]);
    check(&[
        ("SELECT * FROM t LIMIT ALL", "SELECT * FROM t"),
        ("select all a from t -- the end", "SELECT ALL a FROM t"),
        ("SELECT/* x */1//y", "SELECT 1"),
    ]);
}

#[test]
fn tables_and_joins() {
    check_same(&[
        "SELECT * FROM a, b AS c, d e",
        "SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING(x) FULL JOIN d ON true NATURAL JOIN e CROSS JOIN f",
        "SELECT * FROM (a JOIN b ON a.x = b.x) JOIN c ON true",
        "SELECT * FROM ((SELECT 1 AS x) a JOIN b ON a.x = b.x)",
        "SELECT * FROM t, LATERAL (SELECT * FROM s WHERE s.a = t.a) AS q",
        "SELECT * FROM t /*+ OPTIONS('a' = 'b') */ FOR SYSTEM_TIME AS OF x.ts AS q (a, b)",
        "SELECT * FROM c.d.t /*+ OPTIONS('a' = 'b') */ q",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00'",
        "SELECT * FROM t PIVOT(SUM(x) FOR y IN (1, 2))",
    ]);
}

#[test]
fn distinct_from_ends_before_and() {
    use sqlparser::ast::{BinaryOperator, Expr};
    for text in ["x IS NOT DISTINCT FROM y AND z", "x IS DISTINCT FROM y + 1 AND z"] {
        let expr = parse_expression(text).unwrap();
        let Expr::BinaryOp { left, op: BinaryOperator::And, .. } = &expr else { panic!("{expr:?}") };
        assert!(matches!(**left, Expr::IsNotDistinctFrom(..) | Expr::IsDistinctFrom(..)), "{left:?}");
        assert_eq!(expr.to_string(), text);
    }
}

#[test]
fn table_functions() {
    check_same(&[
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '5' MINUTES))",
        "SELECT * FROM TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' HOUR)",
        "SELECT * FROM f(input => TABLE c.d.t PARTITION BY (k, j) ORDER BY (ts DESC, x), on_time => DESCRIPTOR(ts))",
        "SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a), MAP ['async', 'true'])",
        "SELECT * FROM t, LATERAL TABLE(f(x)) AS q (a)",
        "SELECT * FROM t LEFT JOIN LATERAL TABLE(f(x)) AS q (a) ON true",
        "SELECT * FROM t CROSS JOIN UNNEST(a) WITH ORDINALITY AS x (b, o)",
    ]);
    check(&[(
        "SELECT * FROM SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' HOUR)",
        "SELECT * FROM SESSION(TABLE t PARTITION BY (a), DESCRIPTOR(ts), INTERVAL '1' HOUR)",
    )]);
}

#[test]
fn row_patterns() {
    check_same(&[
        "SELECT * FROM (SELECT a, (b) FROM t) MATCH_RECOGNIZE(PATTERN (A) DEFINE A AS true)",
        "SELECT * FROM t, (WITH w AS (SELECT 1) SELECT * FROM w) AS q MATCH_RECOGNIZE(PATTERN (A) DEFINE A AS true) AS m",
        "SELECT * FROM t MATCH_RECOGNIZE(PARTITION BY a ORDER BY ts MEASURES LAST(B.x, 1) AS x ONE ROW PER MATCH \
         AFTER MATCH SKIP TO LAST B PATTERN (A B+? C{2,3} D*) WITHIN INTERVAL '1' HOUR DEFINE B AS B.x > 1) AS m",
        "SELECT * FROM t MATCH_RECOGNIZE(ORDER BY ts ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW \
         PATTERN (PERMUTE(A, B) ( C | D )? E{,3} F{2,} ( {- G -} )) SUBSET U = (A, B), V = (C) DEFINE A AS true)",
        "SELECT * FROM t MATCH_RECOGNIZE(PATTERN (A) WITHIN INTERVAL '1' HOUR SUBSET U = (A, B) DEFINE A AS U.x > 1)",
    ]);
    check(&[(
        "SELECT * FROM t MATCH_RECOGNIZE (MEASURES FINAL LAST(A.x) AS x AFTER MATCH SKIP TO A PATTERN (permute(A, B) {- C -}) \
         DEFINE A AS A.x > PREV(A.x))",
        "SELECT * FROM t MATCH_RECOGNIZE(MEASURES FINAL LAST(A.x) AS x AFTER MATCH SKIP TO LAST A \
         PATTERN (PERMUTE(A, B) ( {- C -} )) DEFINE A AS A.x > PREV(A.x))",
    )]);
}

#[test]
fn literals() {
    check_same(&[
        "SELECT 1, 1.5, .5, 1.5e10, 'it''s', X'ff', true, NULL, UNKNOWN",
        "SELECT DATE '2024-01-01', TIME '01:02:03', TIMESTAMP '2024-01-01 00:00:00'",
        "SELECT INTERVAL '1-2' YEAR TO MONTH, INTERVAL '5' SECOND (3, 2), INTERVAL -'1' DAY (3), INTERVAL 10 MINUTES",
        "SELECT ARRAY[1, 2], MAP ['a', 1], ROW(1, 2), (1, 2), ARRAY[], MAP []",
    ]);
    check(&[
        (r"SELECT e'a\tb\'\x41\u00e9\U0001F600\101\\'", "SELECT 'a\tb''Aé😀A\\'"),
        (r"SELECT U&'\00e9\+01F600\\'", "SELECT 'é😀\\'"),
        ("SELECT u&'d!0061!!' UESCAPE '!'", "SELECT 'da!'"),
        ("SELECT MAP['a', 1]", "SELECT MAP ['a', 1]"),
        ("SELECT - - 1, -(+1)", "SELECT -(-1), -(+1)"),
    ]);
}

#[test]
fn operators_and_predicates() {
    check_same(&[
        "SELECT a + b * c - d / e % f || 'x', -a, NOT a AND b OR c, a <> b",
        "SELECT a IS NULL, a IS NOT TRUE, a IS UNKNOWN, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b",
        "SELECT a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC 2 AND 1 OR b, a IN (1, 2), a NOT IN (SELECT 1)",
        "SELECT a LIKE 'x' ESCAPE '!', a NOT ILIKE 'y', a RLIKE 'z', a NOT SIMILAR TO 'w' ESCAPE '#'",
        "SELECT a = ANY(SELECT 1), a <> ALL(SELECT 1), EXISTS (SELECT 1), NOT EXISTS (SELECT 1)",
        "SELECT (a, b) OVERLAPS (c, INTERVAL '1' DAY), a IS JSON OBJECT, a IS NOT JSON VALUE AND b",
        "SELECT a.b['x'][1].c, CAST(a AS ROW<x INT>).x, f(a).b, `timestamp`, t.`order`",
    ]);
    check(&[("SELECT a BETWEEN ASYMMETRIC 1 AND 2, a IS JSON", "SELECT a BETWEEN 1 AND 2, a IS JSON VALUE")]);
}

#[test]
fn calls() {
    check_same(&[
        "SELECT COUNT(*), COUNT(DISTINCT a) FILTER (WHERE b), LISTAGG(DISTINCT c, ',') WITHIN GROUP (ORDER BY c)",
        "SELECT FIRST_VALUE(a) IGNORE NULLS OVER w, ARRAY_AGG(a ORDER BY b DESC), NTH_VALUE(a, 2) OVER (ORDER BY b)",
        "SELECT SUM(a) OVER (PARTITION BY b ORDER BY c RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
        "SELECT SUM(a) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING)",
        "SELECT c.d.f(a, name => 'x', other => DEFAULT), YEAR(ts), LEFT(a, 2), IF(a, b, c)",
        "SELECT CASE WHEN a THEN 1 ELSE 2 END, CASE a WHEN 1 THEN 'x' END",
        "SELECT EXTRACT(EPOCH FROM ts), FLOOR(ts TO WEEK), CEIL(ts TO MONTH), FLOOR(x)",
        "SELECT TIMESTAMPADD(DAY, 1, ts), TIMESTAMPDIFF(SECOND, a, b), CURRENT_DATE, LOCALTIMESTAMP, USER",
        "SELECT TRIM(a), TRIM(BOTH 'x' FROM a), TRIM('x' FROM a), OVERLAY(a PLACING b FROM 1 FOR 2), POSITION('a' IN b)",
        "SELECT SUBSTRING(a FROM 1 FOR 2), SUBSTRING(a, 1), SUBSTR(a, 1, 2)",
    ]);
    check(&[
        ("SELECT TRIM(LEADING FROM a)", "SELECT TRIM(LEADING ' ' FROM a)"),
        ("SELECT CEILING(a)", "SELECT CEIL(a)"),
        ("SELECT CASE a WHEN 1, 2 THEN 'few' END", "SELECT CASE a WHEN 1 THEN 'few' WHEN 2 THEN 'few' END"),
    ]);
}

#[test]
fn json_functions() {
    check_same(&[
        "SELECT JSON_VALUE(a, 'lax $.x' RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR)",
        "SELECT JSON_VALUE(a, '$' NULL ON EMPTY DEFAULT 'x' || 'y' ON ERROR)",
        "SELECT JSON_QUERY(a, '$' RETURNING ARRAY<STRING> WITH CONDITIONAL WRAPPER EMPTY ARRAY ON ERROR)",
        "SELECT JSON_QUERY(a, '$' WITHOUT WRAPPER NULL ON EMPTY EMPTY OBJECT ON ERROR)",
        "SELECT JSON_EXISTS(a, '$' UNKNOWN ON ERROR), JSON_EXISTS(a, '$')",
        "SELECT JSON_OBJECT('a' VALUE 1, 'b' VALUE c FORMAT JSON ABSENT ON NULL), JSON_OBJECT()",
        "SELECT JSON_ARRAY(1, 2 ABSENT ON NULL), JSON_ARRAY(NULL ON NULL), JSON_ARRAYAGG(a ABSENT ON NULL)",
        "SELECT JSON_OBJECTAGG(k VALUE v NULL ON NULL) FILTER (WHERE v > 1) OVER (ORDER BY k)",
    ]);
    check(&[
        ("SELECT JSON_OBJECT(KEY 'a' VALUE 1, key: 2)", "SELECT JSON_OBJECT('a' VALUE 1, key VALUE 2)"),
        ("SELECT JSON_QUERY(a, '$' WITH ARRAY WRAPPER)", "SELECT JSON_QUERY(a, '$' WITH UNCONDITIONAL WRAPPER)"),
    ]);
}

#[test]
fn casts_keep_flinks_types() {
    check_same(&[
        "SELECT CAST(a AS ROW<x INT NOT NULL, y ARRAY<MAP<STRING, DECIMAL(10, 2)>>>), TRY_CAST(b AS TIMESTAMP_LTZ(3))",
        "SELECT CAST(a AS INTERVAL DAY TO SECOND(3)), CAST(b AS VARCHAR(5)), CAST(c AS BYTES), CAST(d AS my.`type`)",
    ]);
    check(&[(
        "SELECT CAST(a AS INT ARRAY), CAST(b AS ROW(x INT))",
        "SELECT CAST(a AS ARRAY<INT>), CAST(b AS ROW<x INT>)",
    )]);
}

#[test]
fn queries_and_expressions_parse_alone() {
    assert_eq!(parse_query("SELECT 1 FROM t").map(|q| q.to_string()).unwrap(), "SELECT 1 FROM t");
    assert_eq!(parse_expression("a + PROCTIME()").map(|e| e.to_string()).unwrap(), "a + PROCTIME()");
    assert!(parse_query("SELECT 1; SELECT 2").is_err());
    assert!(parse_query("INSERT INTO t SELECT 1").is_err());
    assert!(parse_expression("a + b c").is_err());
    assert!(parse_expression("a + 'b").is_err());
}
