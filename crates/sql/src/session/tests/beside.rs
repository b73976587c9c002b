//! Where functions that run beside the job may stand besides SELECT and WHERE: in joins, with OVER, in batch mode.

use expect_test::expect;

use super::{run, session};

const FUNCTIONS: &str = "
CREATE FUNCTION f AS 'm.f' LANGUAGE PYTHON;
CREATE FUNCTION down AS 'm.down' LANGUAGE PYTHON;
CREATE FUNCTION total AS 'm.total' LANGUAGE PYTHON;
CREATE FUNCTION spread AS 'm.spread' LANGUAGE PYTHON;
CREATE TABLE l (a INT, b STRING, c BIGINT, s ARRAY<INT>, ts TIMESTAMP(3), p AS PROCTIME(), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'datagen', 'number-of-rows' = '9');
CREATE TABLE r (x INT, y STRING, z BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '9');
";

/// The plans that run, of queries in a mode, or why there are none.
fn planned(mode: &str, queries: &[&str]) -> String {
    let mut session = session();
    assert_eq!(run(&mut session, FUNCTIONS), "OK\n".repeat(6));
    run(&mut session, &format!("SET 'execution.runtime-mode' = '{mode}';"));
    let mut plans = String::new();
    for query in queries {
        let told = run(&mut session, &format!("EXPLAIN {query}"));
        let plan = told.split_once("== Optimized Execution Plan ==\n").map_or(told.as_str(), |(_, plan)| plan);
        plans += &format!("{query}\n{plan}\n");
    }
    plans
}

#[test]
fn an_inner_join_calls_for_its_pairs_and_computes_its_keys_below() {
    let plans = planned(
        "streaming",
        &[
            "SELECT a, z FROM l JOIN r ON l.b = r.y AND f(l.c) > r.z",
            "SELECT a, z FROM l JOIN r ON f(l.b) = r.z",
            "SELECT a, z FROM l, r WHERE l.b = r.y AND f(l.c, r.z) > 1 AND f(l.b) < 3",
        ],
    );
    expect![[r#"
        SELECT a, z FROM l JOIN r ON l.b = r.y AND f(l.c) > r.z
        Calc(select=[a, z], where=[(f0 > z)])
        +- PythonCalc(select=[a, z, f(c) AS f0])
           +- Join(joinType=[InnerJoin], where=[(b = y)], select=[a, b, c, y, z], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
              :- Exchange(distribution=[hash[b]])
              :  +- Calc(select=[a, b, c])
              :     +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
              :        +- Calc(select=[a, b, c, ts])
              :           +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
              +- Exchange(distribution=[hash[y]])
                 +- Calc(select=[y, z])
                    +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

        SELECT a, z FROM l JOIN r ON f(l.b) = r.z
        Calc(select=[a, z])
        +- Join(joinType=[InnerJoin], where=[($f6 = z)], select=[a, $f6, z], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
           :- Exchange(distribution=[hash[$f6]])
           :  +- PythonCalc(select=[a, f(b) AS $f6])
           :     +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           :        +- Calc(select=[a, b, ts])
           :           +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
           +- Exchange(distribution=[hash[z]])
              +- Calc(select=[z])
                 +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

        SELECT a, z FROM l, r WHERE l.b = r.y AND f(l.c, r.z) > 1 AND f(l.b) < 3
        Calc(select=[a, z], where=[(f0 > 1)])
        +- PythonCalc(select=[a, z, f(c, z) AS f0])
           +- Join(joinType=[InnerJoin], where=[(b = y)], select=[a, b, c, y, z], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
              :- Exchange(distribution=[hash[b]])
              :  +- Calc(select=[a, b, c], where=[(f0 < 3)])
              :     +- PythonCalc(select=[a, b, c, f(b) AS f0])
              :        +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
              :           +- Calc(select=[a, b, c, ts])
              :              +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
              +- Exchange(distribution=[hash[y]])
                 +- Calc(select=[y, z])
                    +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

    "#]].assert_eq(&plans);
}

#[test]
fn other_joins_call_below_for_the_rows_of_one_side() {
    let plans = planned(
        "streaming",
        &[
            "SELECT a, z FROM l LEFT JOIN r ON l.b = r.y AND f(l.c) > r.z + f(r.y)",
            "SELECT a FROM l WHERE EXISTS (SELECT 1 FROM r WHERE f(r.y) > l.a AND l.c = r.z)",
            "SELECT a, z FROM l LEFT JOIN r ON f(l.b, r.y) > 1",
            "SELECT a, z FROM l FULL JOIN r ON l.c = r.z AND f(l.c) > f(r.z)",
        ],
    );
    expect![[r#"
        SELECT a, z FROM l LEFT JOIN r ON l.b = r.y AND f(l.c) > r.z + f(r.y)
        Calc(select=[a, z])
        +- Join(joinType=[LeftOuterJoin], where=[((b = y) AND ($f6 > (z + $f3)))], select=[a, b, $f6, y, z, $f3], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
           :- Exchange(distribution=[hash[b]])
           :  +- PythonCalc(select=[a, b, f(c) AS $f6])
           :     +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           :        +- Calc(select=[a, b, c, ts])
           :           +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
           +- Exchange(distribution=[hash[y]])
              +- PythonCalc(select=[y, z, f(y) AS $f3])
                 +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

        SELECT a FROM l WHERE EXISTS (SELECT 1 FROM r WHERE f(r.y) > l.a AND l.c = r.z)
        Calc(select=[a])
        +- Join(joinType=[LeftSemiJoin], where=[(($f3 > CAST(a AS BIGINT)) AND (c = z))], select=[a, c], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
           :- Exchange(distribution=[hash[c]])
           :  +- Calc(select=[a, c])
           :     +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           :        +- Calc(select=[a, c, ts])
           :           +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
           +- Exchange(distribution=[hash[z]])
              +- PythonCalc(select=[z, f(y) AS $f3])
                 +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

        SELECT a, z FROM l LEFT JOIN r ON f(l.b, r.y) > 1
        function 'default_catalog.default_database.f' in Python in this condition of a join is not supported yet
          An inner join calls it for its pairs; others for rows of one side, and not of one that is looked up in.
          Give the function columns of one side, or join by something else and filter above.

        SELECT a, z FROM l FULL JOIN r ON l.c = r.z AND f(l.c) > f(r.z)
        Calc(select=[a, z])
        +- Join(joinType=[FullOuterJoin], where=[((c = z) AND ($f6 > $f3))], select=[a, c, $f6, z, $f3], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])
           :- Exchange(distribution=[hash[c]])
           :  +- PythonCalc(select=[a, c, f(c) AS $f6])
           :     +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           :        +- Calc(select=[a, c, ts])
           :           +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])
           +- Exchange(distribution=[hash[z]])
              +- PythonCalc(select=[z, f(z) AS $f3])
                 +- TableSourceScan(table=[[default_catalog, default_database, r]], fields=[x, y, z])

    "#]]
    .assert_eq(&plans);
}

#[test]
fn rows_of_functions_are_joined_as_others_are() {
    let plans = planned(
        "streaming",
        &[
            "SELECT a, n FROM l LEFT JOIN LATERAL TABLE(down(c)) ON f(b) > n",
            "SELECT a, n FROM l, LATERAL TABLE(down(c)) WHERE f(b) > n AND n > 1",
            "SELECT a, e FROM l CROSS JOIN UNNEST(ARRAY[f(b), c]) AS t(e)",
        ],
    );
    expect![[r#"
        SELECT a, n FROM l LEFT JOIN LATERAL TABLE(down(c)) ON f(b) > n
        Calc(select=[a, n])
        +- PythonCorrelate(invocation=[down(c)], correlate=[table(down(c))], select=[a,c,$f6,n,square], rowType=[RecordType(INTEGER a, BIGINT c, BIGINT $f6, BIGINT n, BIGINT square)], joinType=[LEFT], condition=[($f6 > n)])
           +- PythonCalc(select=[a, c, f(b) AS $f6])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                 +- Calc(select=[a, b, c, ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])

        SELECT a, n FROM l, LATERAL TABLE(down(c)) WHERE f(b) > n AND n > 1
        Calc(select=[a, n], where=[(f0 > n)])
        +- PythonCalc(select=[a, n, f(b) AS f0])
           +- PythonCorrelate(invocation=[down(c)], correlate=[table(down(c))], select=[a,b,c,ts,n,square], rowType=[RecordType(INTEGER a, VARCHAR(2147483647) b, BIGINT c, TIMESTAMP(3) *ROWTIME* ts, BIGINT n, BIGINT square)], joinType=[INNER], condition=[(n > 1)])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                 +- Calc(select=[a, b, c, ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])

        SELECT a, e FROM l CROSS JOIN UNNEST(ARRAY[f(b), c]) AS t(e)
        Calc(select=[a, e])
        +- Correlate(invocation=[$UNNEST_ROWS$1(ARRAY($f6, c))], correlate=[table($UNNEST_ROWS$1(ARRAY($f6, c)))], select=[a,c,$f6,e], rowType=[RecordType(INTEGER a, BIGINT c, BIGINT $f6, BIGINT e)], joinType=[INNER])
           +- PythonCalc(select=[a, c, f(b) AS $f6])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                 +- Calc(select=[a, b, c, ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])

    "#]]
    .assert_eq(&plans);
}

#[test]
fn functions_of_pandas_have_frames_with_an_end_and_no_groups_in_a_stream() {
    let plans = planned(
        "streaming",
        &[
            "SELECT a, spread(c) OVER (PARTITION BY b ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM l",
            "SELECT a, MAX(c) OVER w, spread(c) OVER w FROM l
             WINDOW w AS (PARTITION BY b ORDER BY p RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW)",
            "SELECT a, spread(c) OVER (PARTITION BY b ORDER BY ts) FROM l",
            "SELECT a, spread(DISTINCT c) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l",
            "SELECT a, spread(c) FILTER (WHERE a > 1) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l",
            "SELECT a, total(c) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l",
            "SELECT b, spread(c) FROM l GROUP BY b",
            "SELECT spread(c) FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
        ],
    );
    expect![[r#"
        SELECT a, spread(c) OVER (PARTITION BY b ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM l
        Calc(select=[a, w0$o0 AS EXPR$1])
        +- PythonOverAggregate(partitionBy=[b], orderBy=[ts ASC], window=[ ROWS BETWEEN 2 PRECEDING AND CURRENT ROW], select=[a, b, c, ts, spread(c) AS w0$o0])
           +- Exchange(distribution=[hash[b]])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                 +- Calc(select=[a, b, c, ts])
                    +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])

        SELECT a, MAX(c) OVER w, spread(c) OVER w FROM l
                     WINDOW w AS (PARTITION BY b ORDER BY p RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW)
        Calc(select=[a, w0$o0 AS EXPR$1, w0$o1 AS EXPR$2])
        +- PythonOverAggregate(partitionBy=[b], orderBy=[p ASC], window=[ RANGE BETWEEN 1000 PRECEDING AND CURRENT ROW], select=[a, b, c, p, MAX(c) AS w0$o0, spread(c) AS w0$o1])
           +- Exchange(distribution=[hash[b]])
              +- Calc(select=[a, b, c, p])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
                    +- Calc(select=[a, b, c, ts, PROCTIME() AS p])
                       +- TableSourceScan(table=[[default_catalog, default_database, l]], fields=[a, b, c, s, ts])

        SELECT a, spread(c) OVER (PARTITION BY b ORDER BY ts) FROM l
        1:19: function 'default_catalog.default_database.spread' of all rows before a row in a stream is not supported yet
          A function of pandas is given all rows of a frame each time, as in Flink.
          Write how far back it looks: ROWS BETWEEN 100 PRECEDING AND CURRENT ROW.

        SELECT a, spread(DISTINCT c) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l
        1:19: DISTINCT in this call with OVER is not supported yet

        SELECT a, spread(c) FILTER (WHERE a > 1) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l
        1:19: FILTER with OVER is not supported yet

        SELECT a, total(c) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM l
        1:19: function 'default_catalog.default_database.total' in Python with OVER is not supported yet
          It takes a row at a time, and each row has a frame of its own.
          Declare it with func_type='pandas', or call it with GROUP BY.

        SELECT b, spread(c) FROM l GROUP BY b
        aggregate function 'default_catalog.default_database.spread' of pandas with GROUP BY in a stream is not supported yet
          It is given all rows of a group at once, and in a stream a group has no end.
          SET 'execution.runtime-mode' = 'batch', or declare it without func_type='pandas'.

        SELECT spread(c) FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end
        aggregate function 'default_catalog.default_database.spread' over windows in a stream is not supported yet
          There, functions of users aggregate groups without windows.
          Group by the window as a value: in a subquery, CAST(window_start AS TIMESTAMP(3)). Batch mode can do it.

    "#]].assert_eq(&plans);
}

#[test]
fn batch_mode_calls_as_streams_do_and_more() {
    let plans = planned(
        "batch",
        &[
            "SELECT f(UPPER(b)) + f(f(b)) AS n FROM l WHERE a > 1 AND f(b) > 2 ORDER BY n",
            "SELECT a, n FROM l LEFT JOIN LATERAL TABLE(down(f(c))) ON f(b) > n",
            "SELECT b, total(DISTINCT c) AS t, COUNT(*) AS n FROM l GROUP BY b HAVING total(c) > 3",
            "SELECT b, spread(c) FILTER (WHERE a > 1) AS t FROM l GROUP BY b",
            "SELECT window_start, total(c) FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' HOUR))
             GROUP BY window_start, window_end",
            "SELECT a, spread(c) OVER (PARTITION BY b) AS t, SUM(c) OVER (PARTITION BY b) AS n FROM l",
            "SELECT a, z FROM l JOIN r ON f(l.b) = r.z AND f(l.c, r.z) > 1",
        ],
    );
    expect![[r#"
        SELECT f(UPPER(b)) + f(f(b)) AS n FROM l WHERE a > 1 AND f(b) > 2 ORDER BY n
        Sort(orderBy=[n ASC])
        +- Project(select=[(f1 + f2) AS n])
           +- Filter(where=[(f0 > 2)])
              +- PythonCalc(select=[f(b) AS f0, f(f1) AS f1, f(f(b)) AS f2])
                 +- Project(select=[b, UPPER(b) AS f1])
                    +- Filter(where=[(a > 1)])
                       +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT a, n FROM l LEFT JOIN LATERAL TABLE(down(f(c))) ON f(b) > n
        Project(select=[a, n])
        +- PythonCorrelate(invocation=[down(f(c))], joinType=[left])
           +- PythonCalc(select=[a, c, f(b) AS $f6])
              +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT b, total(DISTINCT c) AS t, COUNT(*) AS n FROM l GROUP BY b HAVING total(c) > 3
        Project(select=[b, t, n])
        +- Filter(where=[($f2 > 3)])
           +- PythonAggregate(groupBy=[b], select=[b, total(DISTINCT c) AS t, COUNT(*) AS n, total(c) AS $f2])
              +- Project(select=[b, c])
                 +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT b, spread(c) FILTER (WHERE a > 1) AS t FROM l GROUP BY b
        PythonAggregate(groupBy=[b], select=[b, spread(c) FILTER $f2 AS t])
        +- Project(select=[b, c, (a > 1) AS $f2])
           +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT window_start, total(c) FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' HOUR))
                     GROUP BY window_start, window_end
        Project(select=[window_start, EXPR$1])
        +- PythonAggregate(groupBy=[window_start, window_end], select=[window_start, window_end, total(c) AS EXPR$1])
           +- Project(select=[window_start, window_end, c])
              +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[1 h])])
                 +- Project(select=[c, ts])
                    +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT a, spread(c) OVER (PARTITION BY b) AS t, SUM(c) OVER (PARTITION BY b) AS n FROM l
        Project(select=[a, w0$o0 AS t, w0$o1 AS n])
        +- PythonOverAggregate(partitionBy=[b], orderBy=[], window=[RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW], select=[spread(c) AS w0$o0, SUM(c) AS w0$o1])
           +- Project(select=[a, b, c])
              +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])

        SELECT a, z FROM l JOIN r ON f(l.b) = r.z AND f(l.c, r.z) > 1
        Project(select=[a, z])
        +- Filter(where=[(f0 > 1)])
           +- PythonCalc(select=[a, z, f(c, z) AS f0])
              +- Join(joinType=[inner], on=[$f6 = z])
                 :- PythonCalc(select=[a, c, f(b) AS $f6])
                 :  +- TableSourceScan(table=[default_catalog.default_database.l], fields=[a, b, c, s, ts])
                 +- Project(select=[z])
                    +- TableSourceScan(table=[default_catalog.default_database.r], fields=[x, y, z])

    "#]]
    .assert_eq(&plans);
}

#[test]
fn batch_mode_refuses_what_a_process_cannot_be_given() {
    let plans = planned(
        "batch",
        &[
            "SELECT a, total(c) OVER (PARTITION BY b) FROM l",
            "SELECT b, spread(c), total(c) FROM l GROUP BY b",
            "SELECT a, z FROM l LEFT JOIN r ON f(l.b, r.y) > 1",
        ],
    );
    expect![[r#"
        SELECT a, total(c) OVER (PARTITION BY b) FROM l
        1:19: function 'default_catalog.default_database.total' in Python with OVER is not supported yet
          It takes a row at a time, and each row has a frame of its own.
          Declare it with func_type='pandas', or call it with GROUP BY.

        SELECT b, spread(c), total(c) FROM l GROUP BY b
        aggregate function 'default_catalog.default_database.spread' of pandas beside 'default_catalog.default_database.total' of rows in one GROUP BY is not supported yet
          Aggregate in two subqueries, and join them by the keys.

        SELECT a, z FROM l LEFT JOIN r ON f(l.b, r.y) > 1
        function 'default_catalog.default_database.f' in Python in this condition of a join is not supported yet
          An inner join calls it for its pairs; others for rows of one side, and not of one that is looked up in.
          Give the function columns of one side, or join by something else and filter above.

    "#]]
    .assert_eq(&plans);
}
