//! Functions in other languages: what is kept of them, and how their calls are planned. The hosts are fakes.

use std::collections::BTreeMap;

use expect_test::expect;
use flott_api::function::{Artifact, CallForm, Declaration, FunctionKind, Language, UserFunction};
use flott_api::testing::functions::{count_down, spread, total};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::{check, run, session};

/// The function that the fake hosts know: `m.f` and `m.chance` in Python give a `BIGINT`, all of WebAssembly are there.
pub(super) fn describe(declaration: &Declaration) -> Result<UserFunction> {
    let Declaration { language, entry, artifacts, parameters, returns, options } = declaration;
    let known = *language == Language::WebAssembly
        || matches!(entry.as_str(), "m.f" | "m.chance" | "m.down" | "m.total" | "m.spread");
    if !known {
        return Err(Error::invalid(format!("module 'm' has no function '{entry}'")));
    }
    let told = match entry.as_str() {
        "m.down" => Some(count_down()),
        "m.total" => Some(total()),
        "m.spread" => Some(spread()),
        _ => None,
    };
    if let Some(told) = told {
        return Ok(UserFunction { entry: entry.clone(), options: options.clone(), ..told });
    }
    let artifacts = artifacts.iter().map(|uri| Artifact { uri: uri.clone(), sha256: "0f".to_owned() });
    Ok(UserFunction {
        language: *language,
        kind: FunctionKind::Scalar,
        entry: entry.clone(),
        artifacts: artifacts.collect(),
        parameters: parameters.clone(),
        returns: returns.clone().unwrap_or(LogicalType::new(TypeKind::BigInt)),
        accumulator: None,
        form: CallForm::Row,
        null_call: *language == Language::Python,
        deterministic: entry != "m.chance",
        options: BTreeMap::clone(options),
    })
}

const FUNCTIONS: &str = "
CREATE FUNCTION f AS 'm.f' LANGUAGE PYTHON;
CREATE FUNCTION chance AS 'm.chance' LANGUAGE PYTHON;
CREATE FUNCTION w(x BIGINT, `by` DOUBLE NOT NULL) RETURNS BIGINT NOT NULL LANGUAGE WASM AS 'w' USING ARTIFACT '/w.wasm'
  WITH ('timeout' = '1 s');
CREATE TABLE t (a INT, b STRING, c BIGINT) WITH ('connector' = 'datagen');
";

/// The plan that runs, of a query.
fn planned(query: &str) -> String {
    let mut session = session();
    assert_eq!(run(&mut session, FUNCTIONS), "OK\n".repeat(4));
    let told = run(&mut session, &format!("EXPLAIN {query}"));
    match told.split_once("== Optimized Execution Plan ==\n") {
        Some((_, plan)) => format!("{query}\n{plan}\n"),
        None => format!("{query}\n{told}\n"),
    }
}

#[test]
fn calls_in_a_process_are_cut_out_of_what_is_around_them() {
    let queries = [
        "SELECT a, f(b) AS n FROM t",
        "SELECT f(b), a FROM t WHERE a > 1 AND f(b) > 2",
        "SELECT f(UPPER(b)) + f(f(b)) AS n, f(UPPER(b)) AS m FROM t",
        "SELECT f(CAST(f(b) + 1 AS STRING)) FROM t",
        "SELECT chance(), chance() FROM t",
        "SELECT f(b) AS n, COUNT(*) FROM t GROUP BY f(b)",
        "SELECT SUM(f(b, 1)) FROM t",
    ];
    let plans: String = queries.into_iter().map(planned).collect();
    expect![[r#"
        SELECT a, f(b) AS n FROM t
        PythonCalc(select=[a, f(b) AS n])
        +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT f(b), a FROM t WHERE a > 1 AND f(b) > 2
        Calc(select=[f0 AS EXPR$0, a], where=[(f0 > 2)])
        +- PythonCalc(select=[a, f(b) AS f0])
           +- Calc(select=[a, b], where=[(a > 1)])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT f(UPPER(b)) + f(f(b)) AS n, f(UPPER(b)) AS m FROM t
        Calc(select=[(f0 + f1) AS n, f0 AS m])
        +- PythonCalc(select=[f(f0) AS f0, f(f(b)) AS f1])
           +- Calc(select=[UPPER(b) AS f0, b])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT f(CAST(f(b) + 1 AS STRING)) FROM t
        PythonCalc(select=[f(f0) AS EXPR$0])
        +- Calc(select=[CAST((f0 + 1) AS VARCHAR(2147483647)) AS f0])
           +- PythonCalc(select=[f(b) AS f0])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT chance(), chance() FROM t
        PythonCalc(select=[chance() AS EXPR$0, chance() AS EXPR$1])
        +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT f(b) AS n, COUNT(*) FROM t GROUP BY f(b)
        GroupAggregate(groupBy=[n], select=[n, COUNT(*) AS EXPR$1])
        +- Exchange(distribution=[hash[n]])
           +- PythonCalc(select=[f(b) AS n])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT SUM(f(b, 1)) FROM t
        GroupAggregate(select=[SUM($f0) AS EXPR$0])
        +- Exchange(distribution=[single])
           +- PythonCalc(select=[f(b, f1) AS $f0])
              +- Calc(select=[b, 1 AS f1])
                 +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

    "#]]
    .assert_eq(&plans);
}

#[test]
fn calls_within_expressions_stay_where_they_are() {
    let queries =
        ["SELECT w(a, 1) + 1 FROM t WHERE w(c, 2) > 3", "SELECT 1 FROM t JOIN t AS u ON w(t.c, COALESCE(u.a, 0)) > 1"];
    let plans: String = queries.into_iter().map(planned).collect();
    expect![[r#"
        SELECT w(a, 1) + 1 FROM t WHERE w(c, 2) > 3
        Calc(select=[(w(CAST(a AS BIGINT), 1E0) + 1) AS EXPR$0], where=[(w(c, 2E0) > 3)])
        +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])

        SELECT 1 FROM t JOIN t AS u ON w(t.c, COALESCE(u.a, 0)) > 1
        Calc(select=[1 AS EXPR$0])
        +- Join(joinType=[InnerJoin], where=[(w(c, CAST(COALESCE(a, 0) AS DOUBLE)) > 1)], select=[c, a], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
           :- Exchange(distribution=[single])
           :  +- Calc(select=[c])
           :     +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c])(reuse_id=[1])
           +- Exchange(distribution=[single])
              +- Calc(select=[a])
                 +- Reused(reference_id=[1])

    "#]]
    .assert_eq(&plans);
}

#[test]
fn what_cannot_be_called_is_refused() {
    let script = format!(
        "{FUNCTIONS}
SELECT * FROM t LEFT JOIN t AS u ON f(t.b, u.b) > 1;
SELECT f(NULL) FROM t;
SELECT f(x => b) FROM t;
SELECT w(a) FROM t;
SELECT w(b, 1) FROM t;
SELECT w(c, CAST(NULL AS DOUBLE)) FROM t;
SELECT w(`by` => 1, x => a) FROM t;
CREATE FUNCTION g AS 'm.g' LANGUAGE PYTHON;
CREATE FUNCTION g AS 'm.f' LANGUAGE PYTHON WITH ('python.fn-execution.timeot' = '1 s');
CREATE FUNCTION g(x INT) RETURNS INT LANGUAGE WASM AS 'g' USING JAR '/g.jar';
CREATE FUNCTION g AS 'g' LANGUAGE WASM USING ARTIFACT '/g.wasm' WITH ('a' = '1', 'a' = '2');"
    );
    check(
        &script,
        &expect![[r#"
            OK
            OK
            OK
            OK
            function 'default_catalog.default_database.f' in Python in this condition of a join is not supported yet
              An inner join calls it for its pairs; others for rows of one side, and not of one that is looked up in.
              Give the function columns of one side, or join by something else and filter above.
            9:10: illegal use of NULL
              Write CAST(NULL AS type) to say which type is meant.
            10:8: function 'default_catalog.default_database.f' has no parameter 'x'
              It does not say how its parameters are called.
            11:8: function 'default_catalog.default_database.w' takes 2 arguments, not 1
              It is default_catalog.default_database.w(x BIGINT, by DOUBLE NOT NULL).
            12:10: parameter 'x' of function 'default_catalog.default_database.w' is BIGINT, not STRING
              Use CAST(.. AS BIGINT).
            13:18: parameter 'by' of function 'default_catalog.default_database.w' is DOUBLE NOT NULL, not DOUBLE
              Say what is to stand for null: COALESCE(x, ..).
            query 7: EXPR$0 BIGINT
            15:22: module 'm' has no function 'm.g'
            16:50: a function in Python has no option 'python.fn-execution.timeot'
              Its options are those of the configuration, python.* and table.exec.async-scalar.*.
            17:69: JAR '/g.jar' for a function in WebAssembly is not supported yet
              Write USING ARTIFACT 'file'.
            18:82: option 'a' is given twice
        "#]],
    );
}

#[test]
fn what_is_known_of_them_is_told() {
    let script = "DESCRIBE FUNCTION EXTENDED w;
DESCRIBE FUNCTION EXTENDED f;
ALTER FUNCTION f AS 'm.chance' LANGUAGE PYTHON;
DESCRIBE FUNCTION EXTENDED f;";
    let mut session = session();
    assert_eq!(run(&mut session, FUNCTIONS), "OK\n".repeat(4));
    expect![[r#"
        [info name | info value]
        is system function | false
        is temporary | false
        function language | WASM
        kind | SCALAR
        signature | default_catalog.default_database.w(x BIGINT, by DOUBLE NOT NULL)
        returns | BIGINT NOT NULL
        is deterministic | true
        name there | w
        artifact | /w.wasm (sha256 0f)
        option | 'timeout' = '1 s'
        [info name | info value]
        is system function | false
        is temporary | false
        function language | PYTHON
        kind | SCALAR
        signature | default_catalog.default_database.f(..)
        returns | BIGINT
        is deterministic | true
        name there | m.f
        OK
        [info name | info value]
        is system function | false
        is temporary | false
        function language | PYTHON
        kind | SCALAR
        signature | default_catalog.default_database.f(..)
        returns | BIGINT
        is deterministic | false
        name there | m.chance
    "#]]
    .assert_eq(&run(&mut session, script));
}

const GIVES_ROWS: &str = "
CREATE FUNCTION f AS 'm.f' LANGUAGE PYTHON;
CREATE FUNCTION down AS 'm.down' LANGUAGE PYTHON;
CREATE FUNCTION total AS 'm.total' LANGUAGE PYTHON;
CREATE FUNCTION spread AS 'm.spread' LANGUAGE PYTHON;
CREATE TABLE t (a INT, b STRING, c BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
";

/// The plans that run, of queries, or why there are none.
fn all_planned(queries: &[&str]) -> String {
    let mut session = session();
    assert_eq!(run(&mut session, GIVES_ROWS), "OK\n".repeat(5));
    let mut plans = String::new();
    for query in queries {
        let told = run(&mut session, &format!("EXPLAIN {query}"));
        let plan = told.split_once("== Optimized Execution Plan ==\n").map_or(told.as_str(), |(_, plan)| plan);
        plans += &format!("{query}\n{plan}\n");
    }
    plans
}

#[test]
fn table_functions_are_joined_with_and_what_they_take_is_computed_below_them() {
    let plans = all_planned(&[
        "SELECT a, n FROM t, LATERAL TABLE(down(c)) AS d(n, sq) WHERE sq > 3",
        "SELECT * FROM t LEFT JOIN LATERAL TABLE(down(a + 1)) ON TRUE",
        "SELECT a, square FROM t JOIN LATERAL TABLE(down(f(f(b) + 1))) AS d ON n > a",
        "SELECT n FROM LATERAL TABLE(down(3))",
        "SELECT n FROM TABLE(down(3)) AS d(n, s)",
    ]);
    expect![[r#"
        SELECT a, n FROM t, LATERAL TABLE(down(c)) AS d(n, sq) WHERE sq > 3
        Calc(select=[a, n])
        +- PythonCorrelate(invocation=[down(c)], correlate=[table(down(c))], select=[a,b,c,ts,n,sq], rowType=[RecordType(INTEGER a, VARCHAR(2147483647) b, BIGINT c, TIMESTAMP(3) *ROWTIME* ts, BIGINT n, BIGINT sq)], joinType=[INNER], condition=[(sq > 3)])
           +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT * FROM t LEFT JOIN LATERAL TABLE(down(a + 1)) ON TRUE
        PythonCorrelate(invocation=[down(f0)], correlate=[table(down(f0))], select=[a,b,c,ts,n,square], rowType=[RecordType(INTEGER a, VARCHAR(2147483647) b, BIGINT c, TIMESTAMP(3) *ROWTIME* ts, BIGINT n, BIGINT square)], joinType=[LEFT])
        +- Calc(select=[a, b, c, ts, (a + 1) AS f0])
           +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
              +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT a, square FROM t JOIN LATERAL TABLE(down(f(f(b) + 1))) AS d ON n > a
        Calc(select=[a, square])
        +- PythonCorrelate(invocation=[down(f(f0))], correlate=[table(down(f(f0)))], select=[a,b,c,ts,n,square], rowType=[RecordType(INTEGER a, VARCHAR(2147483647) b, BIGINT c, TIMESTAMP(3) *ROWTIME* ts, BIGINT n, BIGINT square)], joinType=[INNER], condition=[(n > CAST(a AS BIGINT))])
           +- Calc(select=[a, b, c, ts, (f0 + 1) AS f0])
              +- PythonCalc(select=[a, b, c, ts, f(b) AS f0])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT n FROM LATERAL TABLE(down(3))
        Calc(select=[n])
        +- PythonCorrelate(invocation=[down(f0)], correlate=[table(down(f0))], select=[ZERO,n,square], rowType=[RecordType(INTEGER ZERO, BIGINT n, BIGINT square)], joinType=[INNER])
           +- Calc(select=[ZERO, 3 AS f0])
              +- Values(tuples=[[{ 0 }]])

        SELECT n FROM TABLE(down(3)) AS d(n, s)
        Calc(select=[n])
        +- PythonCorrelate(invocation=[down(f0)], correlate=[table(down(f0))], select=[ZERO,n,s], rowType=[RecordType(INTEGER ZERO, BIGINT n, BIGINT s)], joinType=[INNER])
           +- Calc(select=[ZERO, 3 AS f0])
              +- Values(tuples=[[{ 0 }]])

    "#]].assert_eq(&plans);
}

#[test]
fn what_is_no_call_of_a_table_function_is_refused() {
    let plans = all_planned(&[
        "SELECT down(c) FROM t",
        "SELECT * FROM t, LATERAL TABLE(f(b))",
        "SELECT * FROM t, LATERAL TABLE(nowhere(b))",
        "SELECT * FROM t FULL JOIN LATERAL TABLE(down(c)) ON TRUE",
        "SELECT * FROM t, LATERAL TABLE(down(c)) AS d(x)",
        "SELECT * FROM t LEFT JOIN LATERAL TABLE(down(c)) AS d ON f(b, d.n) > 1",
        "SELECT * FROM t, LATERAL TABLE(down(SUM(c)))",
    ]);
    expect![[r#"
        SELECT down(c) FROM t
        1:16: function 'default_catalog.default_database.down' gives rows and no value
          Join with it: FROM t, LATERAL TABLE(default_catalog.default_database.down(..)).

        SELECT * FROM t, LATERAL TABLE(f(b))
        1:34: function 'default_catalog.default_database.f' gives a value and no rows
          Call it where a value may stand, as in SELECT.

        SELECT * FROM t, LATERAL TABLE(nowhere(b))
        1:34: there is no table function 'nowhere' that LATERAL TABLE could call
          CREATE FUNCTION f AS 'module.f' LANGUAGE PYTHON makes one of Python's @udtf.

        SELECT * FROM t FULL JOIN LATERAL TABLE(down(c)) ON TRUE
        1:43: a table function in a FULL join
          It is called for each row of the left, so only INNER and LEFT joins have a meaning.

        SELECT * FROM t, LATERAL TABLE(down(c)) AS d(x)
        1:52: alias 'd' has 1 columns, but the query has 2

        SELECT * FROM t LEFT JOIN LATERAL TABLE(down(c)) AS d ON f(b, d.n) > 1
        function 'default_catalog.default_database.f' in Python in this condition of a join is not supported yet
          An inner join calls it for its pairs; others for rows of one side, and not of one that is looked up in.
          Give the function columns of one side, or join by something else and filter above.

        SELECT * FROM t, LATERAL TABLE(down(SUM(c)))
        1:45: aggregate function 'SUM' in LATERAL TABLE
          Aggregates belong in SELECT and HAVING.

    "#]]
    .assert_eq(&plans);
}

#[test]
fn aggregate_functions_stand_beside_built_in_ones() {
    let plans = all_planned(&[
        "SELECT b, total(c) AS s, COUNT(*) AS n FROM t GROUP BY b HAVING total(c) > 3",
        "SELECT total(DISTINCT c), total(a) FILTER (WHERE a > 1) FROM t",
        "SELECT total(n) FROM (SELECT b, total(f(b)) AS n FROM t GROUP BY b)",
        "SELECT a FROM t WHERE total(c) > 1",
        "SELECT total(c) OVER (ORDER BY ts) FROM t",
        "SELECT total(c) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
        "SELECT total(total(c)) FROM t",
        "SELECT total(*) FROM t",
        "SELECT * FROM t, LATERAL TABLE(total(c))",
    ]);
    expect![[r#"
        SELECT b, total(c) AS s, COUNT(*) AS n FROM t GROUP BY b HAVING total(c) > 3
        Calc(select=[b, s, n], where=[(s > 3)])
        +- PythonGroupAggregate(groupBy=[b], select=[b, total(c) AS s, COUNT(*) AS n])
           +- Exchange(distribution=[hash[b]])
              +- Calc(select=[b, c])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT total(DISTINCT c), total(a) FILTER (WHERE a > 1) FROM t
        PythonGroupAggregate(select=[total(DISTINCT c) AS EXPR$0, total(a) FILTER $f2 AS EXPR$1])
        +- Exchange(distribution=[single])
           +- Calc(select=[c, a, (a > 1) AS $f2])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                 +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT total(n) FROM (SELECT b, total(f(b)) AS n FROM t GROUP BY b)
        PythonGroupAggregate(select=[total(n) AS EXPR$0])
        +- Exchange(distribution=[single])
           +- Calc(select=[n])
              +- PythonGroupAggregate(groupBy=[b], select=[b, total($f1) AS n])
                 +- Exchange(distribution=[hash[b]])
                    +- PythonCalc(select=[b, f(b) AS $f1])
                       +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                          +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a, b, c, ts])

        SELECT a FROM t WHERE total(c) > 1
        1:31: aggregate function 'default_catalog.default_database.total' in WHERE
          Aggregates belong in SELECT and HAVING.

        SELECT total(c) OVER (ORDER BY ts) FROM t
        1:16: function 'default_catalog.default_database.total' in Python with OVER is not supported yet
          It takes a row at a time, and each row has a frame of its own.
          Declare it with func_type='pandas', or call it with GROUP BY.

        SELECT total(c) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end
        aggregate function 'default_catalog.default_database.total' over windows in a stream is not supported yet
          There, functions of users aggregate groups without windows.
          Group by the window as a value: in a subquery, CAST(window_start AS TIMESTAMP(3)). Batch mode can do it.

        SELECT total(total(c)) FROM t
        1:22: aggregate function 'default_catalog.default_database.total' in an aggregate
          Aggregates belong in SELECT and HAVING.

        SELECT total(*) FROM t
        1:16: function 'default_catalog.default_database.total' takes values and nothing else

        SELECT * FROM t, LATERAL TABLE(total(c))
        1:34: function 'default_catalog.default_database.total' gives a value and no rows
          Call it where a value may stand, as in SELECT.

    "#]]
    .assert_eq(&plans);
}
