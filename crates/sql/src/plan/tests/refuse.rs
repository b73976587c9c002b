//! What is not built is refused by name and place.

use expect_test::expect;

use super::World;

/// Clauses of queries.
const CLAUSES: &[&str] = &[
    "SELECT a, COUNT(*) FROM t GROUP BY GROUPING SETS (ROLLUP (a), ())",
    "SELECT a + 1, COUNT(*) FROM t GROUP BY ROLLUP (COALESCE(a, 1))",
    "SELECT GROUPING(b), COUNT(*) FROM t GROUP BY ROLLUP (a)",
    "SELECT GROUPING(), COUNT(*) FROM t GROUP BY ROLLUP (a)",
    "SELECT GROUP_ID(a), COUNT(*) FROM t GROUP BY ROLLUP (a)",
    "SELECT GROUPING(a) FROM t",
    "SELECT COUNT(*) FROM t WHERE GROUPING(a) = 1 GROUP BY ROLLUP (a)",
    "SELECT b, COUNT(*) FROM t GROUP BY CUBE (a)",
    "SELECT COUNT(*) FROM t GROUP BY CUBE (a, b, c, d, r, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 8)",
    "SELECT COUNT(*) FROM t GROUP BY ROLLUP (a, b, c), CUBE (a, b, c, d, r, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7)",
    "SELECT a FROM t TABLESAMPLE BERNOULLI (10)",
    "SELECT a FROM t OFFSET 2",
    "SELECT LISTAGG(b) WITHIN GROUP (ORDER BY b) FROM t",
    "SELECT ARRAY_AGG(b ORDER BY b) FROM t",
    "SELECT MAX(b) IGNORE NULLS FROM t",
    "SELECT LISTAGG(b, a) FROM t",
    "SELECT PERCENTILE(a, 2) FROM t",
    "SELECT JSON_ARRAYAGG(DISTINCT b) FROM t",
];

/// Functions, hints and statements.
const OTHERS: &[&str] = &[
    "SELECT APPROX_COUNT_DISTINCT(b) FROM t",
    "SELECT SUM(SUM(a)) FROM t",
    "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00'",
    "SELECT * FROM t, LATERAL TABLE(f(a)) AS x(y)",
    "SELECT a FROM t /*+ LOOKUP('table' = 't') */",
    "SELECT mycat.mydb.f(a) FROM t",
    "SELECT TUMBLE_START(ts, INTERVAL '1' SECOND) FROM clicks",
    "SELECT COUNT(*) FROM clicks GROUP BY HOP(ts, INTERVAL '1' SECOND), who",
    "SELECT * FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND))",
    "SELECT * FROM TABLE(SESSION(TABLE clicks PARTITION BY nobody, DESCRIPTOR(ts), INTERVAL '5' SECOND))",
    "SELECT UPPER(DISTINCT b) FROM t",
    "SELECT COUNT(DISTINCT a, b) FROM t",
    "INSERT INTO app VALUES (DEFAULT, 'x')",
    "WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r",
];

const JOINS: &[&str] = &[
    "SELECT x.a FROM t AS x, t AS x",
    "SELECT * FROM t RIGHT JOIN UNNEST(ARRAY[t.a]) AS x(y) ON TRUE",
    "SELECT * FROM t CROSS JOIN UNNEST(t.a) AS x(y)",
    "SELECT * FROM t NATURAL JOIN UNNEST(ARRAY[t.a]) AS x(y)",
    "SELECT a FROM t WHERE a IN (SELECT a, b FROM app)",
    "SELECT a FROM t WHERE a IN (SELECT a FROM app) OR a > 1",
    "SELECT (SELECT a FROM app) FROM t",
    "SELECT (SELECT MAX(a), MIN(a) FROM app) FROM t",
    "SELECT (SELECT MAX(app.a) FROM app WHERE app.a < t.a) FROM t",
    "SELECT (SELECT COUNT(*) + 1 FROM app WHERE app.a = t.a) FROM t",
    "SELECT a FROM t WHERE EXISTS (SELECT MAX(app.a) FROM app WHERE app.a = t.a LIMIT 3)",
    "SELECT a FROM t WHERE EXISTS (SELECT ROW_NUMBER() OVER (ORDER BY app.a) FROM app WHERE app.a = t.a)",
    "SELECT (SELECT app.a, app.a + 1 FROM app WHERE app.a < t.a ORDER BY app.a LIMIT 1) FROM t",
    "SELECT * FROM t RIGHT JOIN LATERAL (SELECT app.a FROM app WHERE app.a = t.a) AS x ON TRUE",
    "SELECT * FROM t NATURAL JOIN LATERAL (SELECT app.a AS z FROM app WHERE app.a = t.a) AS x",
    "SELECT * FROM t LEFT JOIN LATERAL (SELECT app.a + 1 FROM app WHERE app.a = t.a) AS x ON TRUE",
    "SELECT * FROM t LEFT JOIN LATERAL (SELECT COUNT(*) + 1 FROM app WHERE app.a = t.a) AS x ON TRUE",
    "SELECT * FROM t LEFT JOIN LATERAL (SELECT app.a AS z FROM app WHERE app.a = t.a) AS x ON z > 1",
    "SELECT * FROM t, LATERAL (SELECT nothing FROM app WHERE app.a = t.a) AS x",
    "SELECT a, * FROM t GROUP BY a HAVING COUNT(*) > (SELECT MAX(a) FROM app)",
    "SELECT a, b FROM t EXCEPT SELECT a FROM app",
    "SELECT * FROM TABLE(TUMBLE(TABLE joined, DESCRIPTOR(ts), INTERVAL '1' SECOND))",
];

/// Each statement with what is wrong with it.
fn refusals(statements: &[&str]) -> String {
    let mut world = World::new();
    world.and("CREATE VIEW joined AS SELECT c.* FROM clicks AS c JOIN t ON c.who = t.b;");
    let one = |sql: &&str| match crate::parser::parse_statement(sql) {
        Ok(_) => format!("{sql}\n    {}", world.refusal(sql).replace('\n', "\n    ")),
        Err(error) => format!("{sql}\n    parser: {}", super::shown(&error).replace('\n', "\n    ")),
    };
    statements.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn clauses_are_refused_by_name() {
    expect![[r#"
        SELECT a, COUNT(*) FROM t GROUP BY GROUPING SETS (ROLLUP (a), ())
            parser: 1:51: 'ROLLUP' is a reserved word
              Put it in backticks to use it as a name: `ROLLUP`.
        SELECT a + 1, COUNT(*) FROM t GROUP BY ROLLUP (COALESCE(a, 1))
            1:1: a key that is never null and not in all sets, number 1 is not supported yet
              Compute it in a query in FROM, and group by its column.
        SELECT GROUPING(b), COUNT(*) FROM t GROUP BY ROLLUP (a)
            1:17: an argument of GROUPING is no key
              Put it into GROUP BY.
        SELECT GROUPING(), COUNT(*) FROM t GROUP BY ROLLUP (a)
            1:8: function 'GROUPING' takes the keys that it is about
        SELECT GROUP_ID(a), COUNT(*) FROM t GROUP BY ROLLUP (a)
            1:8: function 'GROUP_ID' takes no arguments
        SELECT GROUPING(a) FROM t
            1:1: GROUPING or GROUP_ID in a query without groups
              Add GROUP BY.
        SELECT COUNT(*) FROM t WHERE GROUPING(a) = 1 GROUP BY ROLLUP (a)
            1:30: function 'GROUPING' in WHERE
              It belongs in SELECT, HAVING and ORDER BY of a query with GROUP BY.
        SELECT b, COUNT(*) FROM t GROUP BY CUBE (a)
            1:8: column 'b' is not grouped
              Put it into GROUP BY, or into an aggregate such as MAX.
        SELECT COUNT(*) FROM t GROUP BY CUBE (a, b, c, d, r, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 8)
            1:39: GROUP BY has more than 4096 grouping sets
        SELECT COUNT(*) FROM t GROUP BY ROLLUP (a, b, c), CUBE (a, b, c, d, r, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7)
            1:57: GROUP BY has more than 4096 grouping sets
        SELECT a FROM t TABLESAMPLE BERNOULLI (10)
            1:15: TABLESAMPLE is not supported yet
        SELECT a FROM t OFFSET 2
            1:24: OFFSET without LIMIT is not supported yet
              Add a LIMIT.
        SELECT LISTAGG(b) WITHIN GROUP (ORDER BY b) FROM t
            1:8: WITHIN GROUP is not supported yet
        SELECT ARRAY_AGG(b ORDER BY b) FROM t
            1:8: ORDER BY in a call is not supported yet
        SELECT MAX(b) IGNORE NULLS FROM t
            1:8: IGNORE NULLS or RESPECT NULLS with 'MAX'
              Only ARRAY_AGG says what becomes of nulls.
        SELECT LISTAGG(b, a) FROM t
            1:8: the second argument of LISTAGG is no text literal
              Values are separated by the same text everywhere: LISTAGG(x, ', ').
        SELECT PERCENTILE(a, 2) FROM t
            1:8: the second argument of PERCENTILE is no literal between 0 and 1
              Write PERCENTILE(x, 0.5), or PERCENTILE(x, ARRAY[0.25, 0.75]).
        SELECT JSON_ARRAYAGG(DISTINCT b) FROM t
            1:8: DISTINCT or FILTER with 'JSON_ARRAYAGG'
              Take the rows apart in a subquery."#]]
    .assert_eq(&refusals(CLAUSES));
}

#[test]
fn joins_and_subqueries_that_have_no_meaning_here_are_refused() {
    expect![[r#"
        SELECT x.a FROM t AS x, t AS x
            1:25: FROM has two tables 'x'
              Give one an alias: t AS u.
        SELECT * FROM t RIGHT JOIN UNNEST(ARRAY[t.a]) AS x(y) ON TRUE
            1:41: a table function in a RIGHT join
              It is called for each row of the left, so only INNER and LEFT joins have a meaning.
        SELECT * FROM t CROSS JOIN UNNEST(t.a) AS x(y)
            1:35: UNNEST of a value of type INT
              It takes an ARRAY, a MAP or a MULTISET.
        SELECT * FROM t NATURAL JOIN UNNEST(ARRAY[t.a]) AS x(y)
            1:43: USING and NATURAL with a table function is not supported yet
              Write ON.
        SELECT a FROM t WHERE a IN (SELECT a, b FROM app)
            1:29: IN compares 1 values with the 2 columns of a query
        SELECT a FROM t WHERE a IN (SELECT a FROM app) OR a > 1
            accepted
        SELECT (SELECT a FROM app) FROM t
            accepted
        SELECT (SELECT MAX(a), MIN(a) FROM app) FROM t
            1:9: a query that stands for a value has 2 columns
        SELECT (SELECT MAX(app.a) FROM app WHERE app.a < t.a) FROM t
            accepted
        SELECT (SELECT COUNT(*) + 1 FROM app WHERE app.a = t.a) FROM t
            accepted
        SELECT a FROM t WHERE EXISTS (SELECT MAX(app.a) FROM app WHERE app.a = t.a LIMIT 3)
            1:82: LIMIT without ORDER BY in a correlated subquery is not supported yet
              Say which rows: add ORDER BY.
        SELECT a FROM t WHERE EXISTS (SELECT ROW_NUMBER() OVER (ORDER BY app.a) FROM app WHERE app.a = t.a)
            1:31: OVER in a correlated subquery is not supported yet
        SELECT (SELECT app.a, app.a + 1 FROM app WHERE app.a < t.a ORDER BY app.a LIMIT 1) FROM t
            1:9: a query that stands for a value has 2 columns
        SELECT * FROM t RIGHT JOIN LATERAL (SELECT app.a FROM app WHERE app.a = t.a) AS x ON TRUE
            1:37: LATERAL in a RIGHT or FULL join
              Its query is answered for each row of the left, so only INNER and LEFT joins have a meaning.
        SELECT * FROM t NATURAL JOIN LATERAL (SELECT app.a AS z FROM app WHERE app.a = t.a) AS x
            1:39: USING and NATURAL with LATERAL is not supported yet
              Write ON.
        SELECT * FROM t LEFT JOIN LATERAL (SELECT app.a + 1 FROM app WHERE app.a = t.a) AS x ON TRUE
            1:36: a computed column in a LEFT JOIN LATERAL is not supported yet
        SELECT * FROM t LEFT JOIN LATERAL (SELECT COUNT(*) + 1 FROM app WHERE app.a = t.a) AS x ON TRUE
            1:36: an expression of aggregates in a LEFT JOIN LATERAL is not supported yet
        SELECT * FROM t LEFT JOIN LATERAL (SELECT app.a AS z FROM app WHERE app.a = t.a) AS x ON z > 1
            1:36: a condition of a LEFT JOIN LATERAL, but TRUE, is not supported yet
        SELECT * FROM t, LATERAL (SELECT nothing FROM app WHERE app.a = t.a) AS x
            1:34: column 'nothing' does not exist
              The columns are: a, b, c, d, r, a, b.
        SELECT a, * FROM t GROUP BY a HAVING COUNT(*) > (SELECT MAX(a) FROM app)
            1:11: '*' in a query with groups, and with a query that stands for a value is not supported yet
              Name the columns.
        SELECT a, b FROM t EXCEPT SELECT a FROM app
            1:27: the queries of EXCEPT have 2 and 1 columns
        SELECT * FROM TABLE(TUMBLE(TABLE joined, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            column 'ts' is no time attribute here
              A regular join keeps rows for any time, so what comes out of it is in no order of time."#]]
    .assert_eq(&refusals(JOINS));
}

#[test]
fn functions_and_statements_are_refused_by_name() {
    expect![[r#"
        SELECT APPROX_COUNT_DISTINCT(b) FROM t
            1:8: function 'APPROX_COUNT_DISTINCT' is not supported yet
        SELECT SUM(SUM(a)) FROM t
            1:12: aggregate function 'SUM' in an aggregate
              Aggregates belong in SELECT and HAVING.
        SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00'
            1:15: FOR SYSTEM_TIME AS OF is not supported yet
        SELECT * FROM t, LATERAL TABLE(f(a)) AS x(y)
            1:26: there is no table function 'f' that LATERAL TABLE could call
              CREATE FUNCTION f AS 'module.f' LANGUAGE PYTHON makes one of Python's @udtf.
        SELECT a FROM t /*+ LOOKUP('table' = 't') */
            1:21: the hint 'LOOKUP' behind a table is not supported yet
        SELECT mycat.mydb.f(a) FROM t
            1:8: function 'mycat.mydb.f' does not exist
        SELECT TUMBLE_START(ts, INTERVAL '1' SECOND) FROM clicks
            1:8: the window's property has no window
              GROUP BY TUMBLE(..) with the same arguments.
        SELECT COUNT(*) FROM clicks GROUP BY HOP(ts, INTERVAL '1' SECOND), who
            1:38: HOP takes 3 arguments, not 2
              Write HOP(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE).
        SELECT * FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND))
            1:21: the size of a window that grows must be a multiple of its step
              The size is 10000 ms, and the step 4000 ms.
        SELECT * FROM TABLE(SESSION(TABLE clicks PARTITION BY nobody, DESCRIPTOR(ts), INTERVAL '5' SECOND))
            1:55: column 'nobody' does not exist
              The columns are: ts, who, x.
        SELECT UPPER(DISTINCT b) FROM t
            1:8: function 'UPPER' is no aggregate
              Only aggregates take DISTINCT and FILTER.
        SELECT COUNT(DISTINCT a, b) FROM t
            1:8: COUNT of several columns is not supported yet
        INSERT INTO app VALUES (DEFAULT, 'x')
            1:25: DEFAULT in VALUES is not supported yet
        WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r
            WITH RECURSIVE is not supported yet"#]]
    .assert_eq(&refusals(OTHERS));
}

#[test]
fn options_are_set_by_hints_and_can_be_forbidden() {
    let mut world = World::new();
    expect![[r#"
        TableSourceScan(table=[[cat, db, app, project=[a], metadata=[]]], fields=[a])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM app /*+ OPTIONS('push' = 'projection') */"));
    world.and("SET 'table.dynamic-table-options.enabled' = 'false';");
    expect![[r#"
        1:23: the hint OPTIONS is not allowed
          Set 'table.dynamic-table-options.enabled' to 'true'."#]]
    .assert_eq(&world.refusal("SELECT a FROM app /*+ OPTIONS('push' = 'projection') */"));
}

#[test]
fn depth_and_length_do_not_hurt() {
    let world = World::new();
    let many = (0..400).map(|i| format!("a = {i}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(world.refusal(&format!("SELECT a FROM t WHERE {many}")), "accepted");
    let list = (0..5000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(world.refusal(&format!("SELECT a FROM t WHERE a IN ({list})")), "accepted");
    let sum = vec!["a"; 600].join(" + ");
    assert!(world.refusal(&format!("SELECT {sum} FROM t")).contains("nested deeper than 256 levels"));
}

#[test]
fn long_chains_and_many_copies_do_not_hurt() {
    let world = World::new();
    let unions = vec!["SELECT a FROM t"; 90].join(" UNION ALL ");
    assert_eq!(world.refusal(&unions), "accepted");
    let doubling = (1..40).map(|i| format!("q{i} AS (SELECT * FROM q{0} UNION ALL SELECT * FROM q{0})", i - 1));
    let doubling = doubling.collect::<Vec<_>>().join(", ");
    expect![[r#"
        the query is too large with its views and the queries of WITH put in
          It may have 100000 nodes, 256 of them above each other."#]]
    .assert_eq(&world.refusal(&format!("WITH q0 AS (SELECT a FROM t), {doubling} SELECT * FROM q39")));
    let chain = (1..600).map(|i| format!("q{i} AS (SELECT a + 1 AS a FROM q{})", i - 1)).collect::<Vec<_>>().join(", ");
    expect![[r#"
        the query is too large with its views and the queries of WITH put in
          It may have 100000 nodes, 256 of them above each other."#]]
    .assert_eq(&world.refusal(&format!("WITH q0 AS (SELECT a FROM t), {chain} SELECT * FROM q599")));
}

#[test]
fn views_are_expanded_and_do_not_loop() {
    let mut world = World::new();
    world.and("CREATE VIEW v AS SELECT a AS x, b FROM t WHERE a > 1; CREATE VIEW w (p) AS SELECT x FROM v;");
    expect!["x INT NOT NULL, b STRING"].assert_eq(&world.columns("SELECT v.x, v.b FROM v"));
    expect![[r#"
        Calc(select=[a AS x], where=[(a > 1)])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT * FROM w"));
    // A view that was replaced by one over itself.
    world.and("CREATE VIEW v AS SELECT x, b FROM v;");
    expect!["1:15: view 'cat.db.v': view 'cat.db.v' reads itself"].assert_eq(&world.columns("SELECT * FROM v"));
}
