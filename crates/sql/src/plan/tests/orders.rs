//! Orders: what becomes a Top-N, a deduplication, a sort or an OVER, with which strategy and changes.

use expect_test::expect;

use super::World;

/// The first rows of a table by an order, with a limit.
fn numbered(select: &str, window: &str, table: &str, limit: &str) -> String {
    format!("SELECT {select} FROM (SELECT *, ROW_NUMBER() OVER ({window}) AS rn FROM {table}) WHERE {limit}")
}

pub(super) fn world() -> World {
    let mut world = World::new();
    world.and(
        "CREATE VIEW counts AS SELECT b, a, COUNT(*) AS n, MIN(c) AS lo, SUM(c) AS s FROM t GROUP BY a, b;
         CREATE TABLE ticks (k STRING, x INT, p AS PROCTIME()) WITH ('connector' = 'fake');",
    );
    world
}

#[test]
fn a_limited_row_number_is_a_top_n() {
    let world = world();
    expect![[r#"
        Calc(select=[a, c, w0$o0 AS rn], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=3], partitionBy=[b], orderBy=[c DESC, a ASC], select=[a, b, c, w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("a, c, rn", "PARTITION BY b ORDER BY c DESC, a", "t", "rn <= 3")));
    // One number is a constant, and a number that nobody reads is none.
    expect![[r#"
        Calc(select=[a, 2 AS w0$o0], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=2, rankEnd=2], partitionBy=[], orderBy=[c ASC NULLS LAST], select=[a, c], changelogMode=[I,UA,D])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[a, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("a, rn", "ORDER BY c NULLS LAST", "t", "rn = 2")));
    expect![[r#"
        Calc(select=[a], where=[>(a, 5)], changelogMode=[I,UB,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=2, rankEnd=3], partitionBy=[b], orderBy=[c ASC], select=[a, b, c], changelogMode=[I,UB,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered(
        "a",
        "PARTITION BY b ORDER BY c",
        "t",
        "rn > 1 AND 3 >= rn AND a > 5",
    )));
    // What chooses partitions goes below.
    expect![[r#"
        Calc(select=[a], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=3], partitionBy=[b], orderBy=[c ASC], select=[a, b, c], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], where=[=(b, _UTF-16LE'x')], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("a", "PARTITION BY b ORDER BY c", "t", "rn <= 3 AND b = 'x'")));
    expect![[r#"
        Calc(select=[b, w0$o0 AS rn], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankEnd=a], partitionBy=[b], orderBy=[c ASC], select=[a, b, c, w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("b, rn", "PARTITION BY b ORDER BY c", "t", "rn <= a")));
    expect![[r#"
        Calc(select=[a, b], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[b], orderBy=[c ASC], select=[a, b, c], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(
        &world.modes("SELECT a, b FROM t WINDOW w AS (PARTITION BY b ORDER BY c) QUALIFY ROW_NUMBER() OVER w < 3"),
    );
    expect![[r#"
        Calc(select=[a, w0$o0 AS n], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[b], orderBy=[c ASC], select=[a, b, c, w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I])
              +- Calc(select=[a, b, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
        .assert_eq(&world.modes("SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS n FROM t QUALIFY n < 3"));
}

#[test]
fn the_strategy_follows_from_keys_and_what_only_gets_better() {
    let world = world();
    expect![[r#"
        Calc(select=[n], changelogMode=[I,UA,D])
        +- Rank(strategy=[UpdateFastStrategy[1,0]], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[b], orderBy=[n DESC], select=[b, a, n], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I,UA])
              +- Calc(select=[b, a, n], changelogMode=[I,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n], changelogMode=[I,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("n", "PARTITION BY b ORDER BY n DESC", "counts", "rn <= 2")));
    expect![[r#"
        Calc(select=[lo, w0$o0 AS rn], changelogMode=[I,UA,D])
        +- Rank(strategy=[UpdateFastStrategy[1,0]], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[a], orderBy=[lo ASC, b ASC], select=[b, a, lo, w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[a]], changelogMode=[I,UA])
              +- Calc(select=[b, a, lo], changelogMode=[I,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, MIN(c) AS lo], changelogMode=[I,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b, c], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("lo, rn", "PARTITION BY a ORDER BY lo, b", "counts", "rn <= 2")));
    expect![[r#"
        Calc(select=[n], changelogMode=[I,UA,D])
        +- Rank(strategy=[RetractStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[b], orderBy=[n ASC], select=[b, a, n], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I,UB,UA])
              +- Calc(select=[b, a, n], changelogMode=[I,UB,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n], changelogMode=[I,UB,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("n", "PARTITION BY b ORDER BY n", "counts", "rn <= 2")));
    expect![[r#"
        Calc(select=[n], changelogMode=[I,UA,D])
        +- Rank(strategy=[RetractStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[n], orderBy=[n DESC], select=[b, a, n], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[n]], changelogMode=[I,UB,UA])
              +- Calc(select=[b, a, n], changelogMode=[I,UB,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n], changelogMode=[I,UB,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered("n", "PARTITION BY n ORDER BY n DESC", "counts", "rn <= 2")));
    expect![[r#"
        Calc(select=[v], changelogMode=[I,UA,D])
        +- Rank(strategy=[RetractStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[w], orderBy=[id ASC], select=[id, v, w], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[w]], changelogMode=[I,UB,UA,D])
              +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]].assert_eq(&world.modes(&numbered("v", "PARTITION BY w ORDER BY id", "cdc", "rn <= 2")));
    // A filter hides updates, so the ranking gives -U; it needs none itself.
    expect![[r#"
        Calc(select=[b, n], where=[>(n, 7)], changelogMode=[I,UB,UA,D])
        +- Rank(strategy=[UpdateFastStrategy[1,0]], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[b], orderBy=[n DESC], select=[b, a, n], changelogMode=[I,UB,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I,UA])
              +- Calc(select=[b, a, n], changelogMode=[I,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n], changelogMode=[I,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes(&numbered(
        "b, n",
        "PARTITION BY b ORDER BY n DESC",
        "counts",
        "rn <= 2 AND n > 7",
    )));
}

#[test]
fn one_row_by_time_is_a_deduplication() {
    let world = world();
    let firsts = |order: &str| numbered("who, x", &format!("PARTITION BY who ORDER BY {order}"), "clicks", "rn = 1");
    expect![[r#"
        Calc(select=[who, x], changelogMode=[I])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=1], partitionBy=[who], orderBy=[ROWTIME ts ASC], select=[ts, who, x], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&firsts("ts")));
    expect![[r#"
        Calc(select=[who, x], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=1], partitionBy=[who], orderBy=[ROWTIME ts DESC], select=[ts, who, x], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&firsts("ts DESC")));
    expect![[r#"
        Calc(select=[who, x], changelogMode=[I,UA,D])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=1], partitionBy=[who], orderBy=[ROWTIME ts ASC, x ASC], select=[ts, who, x], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&firsts("ts, x")));
    let kinds = |sql: &str| {
        let job = world.job(sql).unwrap();
        let names = job.graph.nodes.iter().filter_map(|n| match &n.role {
            flott_graph::Role::Operator { kind, .. } if n.stateful => Some(kind.clone()),
            _ => None,
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let of_ticks =
        |order: &str, limit: &str| numbered("k, x", &format!("PARTITION BY k ORDER BY {order}"), "ticks", limit);
    assert_eq!(kinds(&firsts("ts")), "deduplicate-1");
    assert_eq!(kinds(&firsts("ts DESC")), "deduplicate-1");
    assert_eq!(kinds(&firsts("ts, x")), "rank-1");
    assert_eq!(kinds(&of_ticks("p", "rn = 1")), "deduplicate-1");
    assert_eq!(kinds(&of_ticks("p DESC", "rn <= 1")), "deduplicate-1");
    assert_eq!(kinds(&of_ticks("p", "rn <= 2")), "rank-1");
    assert_eq!(kinds("SELECT a FROM t ORDER BY c LIMIT 1"), "rank-1");
    // The key of what is kept is that of the sink.
    expect![[r#"
        Sink(table=[cat.db.ups], fields=[a, c], changelogMode=[NONE])
        +- Rank(strategy=[AppendFastStrategy], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=1], partitionBy=[a], orderBy=[c ASC], select=[a, c], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[a]], changelogMode=[I])
              +- Calc(select=[a, c], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(
        &world.modes(&format!("INSERT INTO ups {}", numbered("a, c", "PARTITION BY a ORDER BY c", "t", "rn = 1"))),
    );
}

/// The specification of the only operator of a kind.
fn spec(world: &World, kind: &str, sql: &str) -> serde_json::Value {
    let job = world.job(sql).unwrap();
    let spec = job.graph.nodes.into_iter().find_map(|n| match n.role {
        flott_graph::Role::Operator { kind: own, spec } if own == kind => Some(spec),
        _ => None,
    });
    spec.unwrap_or_else(|| panic!("{sql} has no {kind}"))
}

#[test]
fn specifications_say_what_the_plan_says() {
    let mut world = world();
    let last = numbered("k, x", "PARTITION BY k ORDER BY p DESC", "ticks", "rn = 1");
    let found = spec(&world, "deduplicate-1", &last);
    assert_eq!((&found["emit_insert"], &found["keep"]), (&true.into(), &"Last".into()));
    assert_eq!(found["proctime_columns"], serde_json::json!([2]));
    world.and("SET 'table.exec.deduplicate.insert-update-after-sensitive-enabled' = 'false';");
    assert_eq!(spec(&world, "deduplicate-1", &last)["emit_insert"], false);
    // The order by processing time is that in which rows come.
    let first = spec(&world, "rank-1", &numbered("k, x", "PARTITION BY k ORDER BY p", "ticks", "rn <= 2"));
    assert_eq!((&first["strategy"], &first["order"]), (&"AppendFirst".into(), &serde_json::json!([])));
    let fast = spec(&world, "rank-1", &numbered("n", "PARTITION BY b ORDER BY n DESC", "counts", "rn <= 2"));
    assert_eq!(fast["strategy"], serde_json::json!({ "UpdateFast": { "keys": [1, 0] } }));
    let limit = spec(&world, "rank-1", "SELECT id FROM cdc LIMIT 3 OFFSET 2");
    assert_eq!(limit["range"], serde_json::json!({ "Constant": { "start": 3, "end": 5 } }));
    assert_eq!(limit["emit_update_before"], true);
    let sort = spec(&world, "temporal-sort-1", "SELECT who FROM clicks ORDER BY ts, x DESC");
    assert_eq!(sort["order"], serde_json::json!([{ "column": 2, "descending": true, "nulls_last": true }]));
    let over = "SELECT SUM(x) OVER (ORDER BY ts RANGE INTERVAL '1' MINUTE PRECEDING) FROM clicks";
    let over = spec(&world, "over-aggregate-1", over);
    assert_eq!(over["frame"], serde_json::json!({ "Range": { "preceding_ms": 60_000 } }));
    assert_eq!(over["order"], serde_json::json!({ "Rowtime": 0 }));
}

#[test]
fn an_order_with_a_limit_keeps_the_first_rows_and_one_by_time_all() {
    let world = world();
    expect![[r#"
        Calc(select=[a, z], changelogMode=[I,UA,D])
        +- SortLimit(orderBy=[z DESC, b ASC], offset=[1], fetch=[2], strategy=[AppendFastStrategy], changelogMode=[I,UA,D])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[a, c AS z, b], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes("SELECT a, c AS z FROM t ORDER BY z DESC, b LIMIT 2 OFFSET 1"));
    expect![[r#"
        SortLimit(orderBy=[n DESC], offset=[0], fetch=[1], strategy=[RetractStrategy], changelogMode=[I,UA,D])
        +- Exchange(distribution=[single], changelogMode=[I,UB,UA])
           +- Calc(select=[b, n], changelogMode=[I,UB,UA])
              +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n], changelogMode=[I,UB,UA])
                 +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                    +- Calc(select=[a, b], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT b, n FROM counts ORDER BY 2 DESC FETCH FIRST ROW ONLY"));
    expect![[r#"
        Calc(select=[b], changelogMode=[I,UA,D])
        +- SortLimit(orderBy=[EXPR$1 ASC, EXPR$2 DESC], offset=[0], fetch=[3], strategy=[RetractStrategy], changelogMode=[I,UA,D])
           +- Exchange(distribution=[single], changelogMode=[I,UB,UA])
              +- Calc(select=[b, +($f0, 1) AS EXPR$1, EXPR$2], changelogMode=[I,UB,UA])
                 +- GroupAggregate(groupBy=[b], select=[b, SUM(a) AS $f0, COUNT(*) AS EXPR$2], changelogMode=[I,UB,UA])
                    +- Exchange(distribution=[hash[b]], changelogMode=[I])
                       +- Calc(select=[b, a], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes("SELECT b FROM t GROUP BY b ORDER BY SUM(a) + 1, COUNT(*) DESC LIMIT 3"));
    expect![[r#"
        Calc(select=[a], changelogMode=[I,UA,D])
        +- SortLimit(orderBy=[$f1 ASC], offset=[0], fetch=[3], strategy=[RetractStrategy], changelogMode=[I,UA,D])
           +- Exchange(distribution=[single], changelogMode=[I,UB,UA,D])
              +- Calc(select=[a, +(a, 1) AS $f1], changelogMode=[I,UB,UA,D])
                 +- Union(all=[true], union=[a], changelogMode=[I,UB,UA,D])
                    :- Calc(select=[a], changelogMode=[I])
                    :  +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
                    +- Calc(select=[id], changelogMode=[I,UB,UA,D])
                       +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]]
    .assert_eq(&world.modes("SELECT a FROM t UNION ALL SELECT id FROM cdc ORDER BY a + 1 LIMIT 3"));
    expect![[r#"
        Limit(offset=[0], fetch=[3], changelogMode=[I,UA,D])
        +- Exchange(distribution=[single], changelogMode=[I,UB,UA,D])
           +- Calc(select=[id], changelogMode=[I,UB,UA,D])
              +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]]
    .assert_eq(&world.modes("SELECT id FROM cdc LIMIT 3"));
    expect![[r#"
        Calc(select=[who], changelogMode=[I])
        +- TemporalSort(orderBy=[ts ASC, x DESC], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[who, ts, x], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT who FROM clicks ORDER BY ts, x DESC"));
    expect![[r#"
        Calc(select=[k], changelogMode=[I])
        +- TemporalSort(orderBy=[p ASC], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[k, PROCTIME() AS p], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, ticks]], fields=[k, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT k FROM ticks ORDER BY p"));
}

#[test]
fn an_order_without_a_limit_says_nothing_in_a_subquery() {
    let world = world();
    expect![[r#"
        Calc(select=[b], changelogMode=[I])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT b FROM (SELECT b FROM t ORDER BY a)"));
    expect![[r#"
        Calc(select=[who], changelogMode=[I])
        +- TemporalSort(orderBy=[ts ASC], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[who, ts], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("(SELECT who FROM clicks ORDER BY ts)"));
    expect![[r#"
        Values(type=[RecordType(INTEGER a)], tuples=[[]], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT a FROM t ORDER BY c LIMIT 0"));
}

#[test]
fn over_is_by_time_or_by_one_column() {
    let world = world();
    expect![[r#"
        Calc(select=[who, w0$o0 AS EXPR$1, w0$o1 AS EXPR$2, w0$o2 AS EXPR$3], changelogMode=[I])
        +- OverAggregate(partitionBy=[who], orderBy=[ts ASC], window=[ RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW], select=[ts, who, x, $3, $4, $5, SUM(x) AS w0$o0, COUNT($3) AS w0$o1, LAG(x, $4, $5) AS w0$o2], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[ts, who, x, *(x, 2) AS $3, 2 AS $4, 0 AS $5], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT who, SUM(x) OVER w, COUNT(x * 2) OVER w, LAG(x, 2, 0) OVER w FROM clicks WINDOW w AS (PARTITION BY who ORDER BY ts)",
    ));
    expect![[r#"
        Calc(select=[w0$o0 AS EXPR$0], changelogMode=[I])
        +- OverAggregate(partitionBy=[who], orderBy=[ts ASC], window=[ RANGE BETWEEN 60000 PRECEDING AND CURRENT ROW], select=[ts, who, x, SUM(x) AS w0$o0], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[ts, who, x], where=[>(x, 3)], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT SUM(x) OVER (PARTITION BY who ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) FROM clicks WHERE x > 3",
    ));
    expect![[r#"
        Calc(select=[k, w0$o0 AS hi], changelogMode=[I])
        +- OverAggregate(partitionBy=[k], orderBy=[p ASC], window=[ ROWS BETWEEN 3 PRECEDING AND CURRENT ROW], select=[k, x, p, MAX(x) AS w0$o0], changelogMode=[I])
           +- Exchange(distribution=[hash[k]], changelogMode=[I])
              +- Calc(select=[k, x, PROCTIME() AS p], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, ticks]], fields=[k, x], changelogMode=[I])
    "#]].assert_eq(
        &world.modes(
            "SELECT k, MAX(x) OVER (w ORDER BY p ROWS 3 PRECEDING) AS hi FROM ticks WINDOW w AS (PARTITION BY k)",
        ),
    );
    expect![[r#"
        Calc(select=[b, w0$o0 AS total], changelogMode=[I,UA,D])
        +- OverAggregate(partitionBy=[b], orderBy=[s ASC], window=[ RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW], select=[b, n, s, SUM(n) AS w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[b]], changelogMode=[I,UB,UA])
              +- Calc(select=[b, n, s], changelogMode=[I,UB,UA])
                 +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n, SUM(c) AS s], changelogMode=[I,UB,UA])
                    +- Exchange(distribution=[hash[a, b]], changelogMode=[I])
                       +- Calc(select=[a, b, c], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes("SELECT b, SUM(n) OVER (PARTITION BY b ORDER BY s) AS total FROM counts"));
    expect![[r#"
        Calc(select=[b, w0$o0 AS total], changelogMode=[I,UA,D])
        +- OverAggregate(orderBy=[b ASC], window=[ RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW], select=[b, $f0, SUM($f0) AS w0$o0], changelogMode=[I,UA,D])
           +- Exchange(distribution=[single], changelogMode=[I,UB,UA])
              +- GroupAggregate(groupBy=[b], select=[b, SUM(a) AS $f0], changelogMode=[I,UB,UA])
                 +- Exchange(distribution=[hash[b]], changelogMode=[I])
                    +- Calc(select=[b, a], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]].assert_eq(&world.modes("SELECT b, SUM(SUM(a)) OVER (ORDER BY b) AS total FROM t GROUP BY b"));
    // Values that nobody reads are not computed, and a filter of partitions goes below.
    expect![[r#"
        Calc(select=[who, w0$o0 AS s], where=[>(w0$o0, 3)], changelogMode=[I])
        +- OverAggregate(partitionBy=[who], orderBy=[ts ASC], window=[ RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW], select=[ts, who, x, SUM(x) AS w0$o0], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[ts, who, x], where=[=(who, _UTF-16LE'me')], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT who, s FROM (SELECT who, SUM(x) OVER w AS s, AVG(x) OVER w AS a FROM clicks WINDOW w AS (PARTITION BY who ORDER BY ts)) WHERE who = 'me' AND s > 3",
    ));
    expect![[r#"
        Calc(select=[who], changelogMode=[I])
        +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
           +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("SELECT who FROM (SELECT who, SUM(x) OVER (ORDER BY ts) AS s FROM clicks)"));
}

#[test]
fn orders_are_bound_as_in_flink() {
    let world = world();
    expect!["who STRING, ts TIMESTAMP(3) *ROWTIME*, s INT, n BIGINT NOT NULL, a INT, l INT, d INT, r BIGINT NOT NULL"].assert_eq(&world.columns(
        "SELECT who, ts, SUM(x) OVER w AS s, COUNT(*) OVER w AS n, AVG(x) OVER w AS a, LAG(x) OVER w AS l, LAG(x, 1, 0) OVER w AS d, RANK() OVER w AS r FROM clicks WINDOW w AS (ORDER BY ts)",
    ));
    expect!["EXPR$0 BIGINT NOT NULL"]
        .assert_eq(&world.columns("SELECT ROW_NUMBER() OVER (ORDER BY ts) FROM clicks ORDER BY who"));
    let text =
        world.explain("SELECT a, SUM(c) OVER (PARTITION BY b ORDER BY a) AS s FROM t ORDER BY a DESC, s LIMIT 3", &[]);
    let logical = text.unwrap().split("\n\n").next().unwrap_or_default().to_owned();
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalSort(sort0=[$0], sort1=[$1], dir0=[DESC-nulls-last], dir1=[ASC-nulls-first], fetch=[3])
        +- LogicalProject(a=[$0], s=[$5])
           +- LogicalWindow(window#0=[window(partition {$1} order by [$0 ASC] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW aggs [SUM($2)])])
              +- LogicalTableScan(table=[[cat, db, t]])"#]].assert_eq(&logical);
}
