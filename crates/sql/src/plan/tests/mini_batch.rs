//! Mini-batches, aggregation in two phases, and `DISTINCT` by parts: what the recorded plans do not show.

use expect_test::expect;

use super::{World, shown};

const ON: &str = "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.allow-latency' = '2 s';
    SET 'table.exec.mini-batch.size' = '100';";

fn with(settings: &str) -> World {
    let mut world = World::new();
    world.and(settings);
    world
}

fn error(settings: &str, query: &str) -> String {
    shown(&with(settings).job(query).unwrap_err())
}

#[test]
fn sums_are_sent_instead_of_rows() {
    let world = with(ON);
    expect![[r#"
        GlobalGroupAggregate(groupBy=[a], select=[a, COUNT(count1$0) AS n, SUM(distinct$0 sum$1) AS s])
        +- Exchange(distribution=[hash[a]])
           +- LocalGroupAggregate(groupBy=[a], select=[a, COUNT(*) AS count1$0, SUM(distinct$0 c) AS sum$1, DISTINCT(c) AS distinct$0])
              +- Calc(select=[a, c])
                 +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                    +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]].assert_eq(&world.plan("SELECT a, COUNT(*) AS n, SUM(DISTINCT c) AS s FROM t GROUP BY a"));
}

#[test]
fn one_phase_where_it_is_asked_for_or_there_is_no_other_way() {
    let world = with(&format!("{ON} SET 'table.optimizer.agg-phase-strategy' = 'ONE_PHASE';"));
    expect![[r#"
        GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n])
        +- Exchange(distribution=[hash[a]])
           +- Calc(select=[a])
              +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a, COUNT(*) AS n FROM t GROUP BY a"));
    expect![[r#"
        GroupAggregate(groupBy=[a], select=[a, LAST_VALUE(b) AS l])
        +- Exchange(distribution=[hash[a]])
           +- Calc(select=[a, b])
              +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&with(ON).plan("SELECT a, LAST_VALUE(b) AS l FROM t GROUP BY a"));
}

#[test]
fn every_scan_and_watermark_ends_mini_batches_once() {
    let world = with(ON);
    expect![[r#"
        GlobalGroupAggregate(groupBy=[x], select=[x, COUNT(count1$0) AS n])
        +- Exchange(distribution=[hash[x]])
           +- LocalGroupAggregate(groupBy=[x], select=[x, COUNT(*) AS count1$0])
              +- Union(all=[true], union=[x])
                 :- Calc(select=[x])
                 :  +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                 :     +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                 :        +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
                 :- Calc(select=[a])
                 :  +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                 :     +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
                 +- Calc(select=[1 AS EXPR$0])
                    +- Values(tuples=[[{ 0 }]])
    "#]]
    .assert_eq(&world.plan(
        "SELECT x, COUNT(*) AS n FROM (SELECT x FROM clicks UNION ALL SELECT a FROM t UNION ALL SELECT 1) GROUP BY x",
    ));
    expect![[r#"
        Union(all=[true], union=[x])
        :- Calc(select=[x])
        :  +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
        :     +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
        +- Calc(select=[a])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT x FROM clicks UNION ALL SELECT a FROM t"));
}

#[test]
fn a_window_ends_mini_batches_by_the_watermark() {
    let world = with(ON);
    expect![[r#"
        GlobalWindowAggregate(groupBy=[who], window=[TUMBLE(slice_end=[$slice_end], size=[1 min])], select=[who, COUNT(count1$0) AS n])
        +- Exchange(distribution=[hash[who]])
           +- LocalWindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[1 min])], select=[who, COUNT(*) AS count1$0, slice_end('w$) AS $slice_end])
              +- Calc(select=[who, ts])
                 +- MiniBatchAssigner(interval=[2000ms], mode=[RowTime])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]]
    .assert_eq(&world.plan(
        "SELECT who, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY who, window_start, window_end",
    ));
}

#[test]
fn the_graph_has_both_phases_and_a_network_between_them() {
    let world = with(&format!("{ON} SET 'parallelism.default' = '2';"));
    expect![[r#"
        collect ["$collect", "fake"]
        0 source cat.db.t x2/128
        1 mini-batch-assigner-1 x2/128 <- 0 Forward
        2 calc-1 x2/128 <- 1 Forward
        3 local-group-aggregate-1 x2/128 <- 2 Forward
        4 global-group-aggregate-1 x2/128 stateful <- 3 Hash { columns: [0] }
        5 sink *anonymous_collect* x2/128 <- 4 Forward
    "#]]
    .assert_eq(&super::graph::job(&world, "SELECT a, COUNT(*) AS n FROM t GROUP BY a"));
}

#[test]
fn distinct_values_are_cut_into_parts() {
    let split = "SET 'table.optimizer.distinct-agg.split.enabled' = 'true';
        SET 'table.optimizer.distinct-agg.split.min-parallelism' = '1';
        SET 'table.optimizer.distinct-agg.split.bucket-num' = '16';";
    let world = with(split);
    expect![[r#"
        Calc(select=[a, $f1 AS n, CASE(($f3 = 0), null:BIGINT, ($f2 / $f3)) AS v])
        +- GroupAggregate(groupBy=[a], partialFinalType=[FINAL], select=[a, $SUM0_RETRACT($f2) AS $f1, $SUM0_RETRACT($f3) AS $f2, $SUM0_RETRACT($f4) AS $f3])
           +- Exchange(distribution=[hash[a]])
              +- GroupAggregate(groupBy=[a, $f3], partialFinalType=[PARTIAL], select=[a, $f3, COUNT(DISTINCT b) AS $f2, $SUM0(c) AS $f3, COUNT(c) AS $f4])
                 +- Exchange(distribution=[hash[a, $f3]])
                    +- Calc(select=[a, b, c, MOD(HASH_CODE(b), 16) AS $f3])
                       +- Calc(select=[a, b, c])
                          +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]].assert_eq(&world.plan("SELECT a, COUNT(DISTINCT b) AS n, AVG(c) AS v FROM t GROUP BY a"));
    expect![[r#"
        GroupAggregate(partialFinalType=[FINAL], select=[$SUM0_RETRACT($f2) AS n, MAX($f3) AS m, SUM_RETRACT($f4) AS s])
        +- Exchange(distribution=[single])
           +- GroupAggregate(groupBy=[$f4, $f5], partialFinalType=[PARTIAL], select=[$f4, $f5, COUNT(DISTINCT b) FILTER $g_1 AS $f2, MAX(a) FILTER $g_2 AS $f3, SUM(c) FILTER $g_3 AS $f4])
              +- Exchange(distribution=[hash[$f4, $f5]])
                 +- Calc(select=[b, a, c, $f3, $f4, $f5, ($e = 1) AS $g_1, ($e = 2) AS $g_2, (($e = 3) AND $f3) AS $g_3])
                    +- Expand(projects=[{b, a, c, $f3, $f4, null AS $f5, 1 AS $e}, {b, a, c, $f3, null AS $f4, $f5, 2 AS $e}, {b, a, c, $f3, null AS $f4, null AS $f5, 3 AS $e}])
                       +- Calc(select=[b, a, c, $f3, MOD(HASH_CODE(b), 16) AS $f4, MOD(HASH_CODE(a), 16) AS $f5])
                          +- Calc(select=[b, a, c, (a > 1) AS $f3])
                             +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
        .assert_eq(&world.plan("SELECT COUNT(DISTINCT b) AS n, MAX(a) AS m, SUM(c) FILTER (WHERE a > 1) AS s FROM t"));
    expect![[r#"
        GroupAggregate(groupBy=[a], select=[a, COUNT(b) AS n])
        +- Exchange(distribution=[hash[a]])
           +- Calc(select=[a, b])
              +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a, COUNT(b) AS n FROM t GROUP BY a"));
    expect![[r#"
        GlobalGroupAggregate(groupBy=[a], partialFinalType=[FINAL], select=[a, $SUM0(count$0) AS n])
        +- Exchange(distribution=[hash[a]])
           +- IncrementalGroupAggregate(partialAggGrouping=[a, $f2], finalAggGrouping=[a], select=[a, COUNT(distinct$0 count$0) AS count$0])
              +- Exchange(distribution=[hash[a, $f2]])
                 +- LocalGroupAggregate(groupBy=[a, $f2], partialFinalType=[PARTIAL], select=[a, $f2, COUNT(distinct$0 b) AS count$0, DISTINCT(b) AS distinct$0])
                    +- Calc(select=[a, b, MOD(HASH_CODE(b), 16) AS $f2])
                       +- Calc(select=[a, b])
                          +- MiniBatchAssigner(interval=[2000ms], mode=[ProcTime])
                             +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]].assert_eq(&with(&format!("{ON} {split}")).plan("SELECT a, COUNT(DISTINCT b) AS n FROM t GROUP BY a"));
}

#[test]
fn distinct_values_stay_together_where_few_subtasks_would_share_them() {
    let plan = |settings: &str| {
        let enabled = "SET 'table.optimizer.distinct-agg.split.enabled' = 'true';";
        with(&format!("{enabled} {settings}")).plan("SELECT a, COUNT(DISTINCT b) AS n FROM t GROUP BY a")
    };
    let whole = with("").plan("SELECT a, COUNT(DISTINCT b) AS n FROM t GROUP BY a");
    assert_eq!(plan("SET 'parallelism.default' = '7';"), whole);
    assert!(plan("SET 'parallelism.default' = '8';").contains("partialFinalType=[PARTIAL]"));
    let from = "SET 'table.optimizer.distinct-agg.split.min-parallelism' = '3';";
    assert_eq!(plan(&format!("{from} SET 'parallelism.default' = '2';")), whole);
    assert!(plan(&format!("{from} SET 'parallelism.default' = '3';")).contains("partialFinalType=[PARTIAL]"));
}

#[test]
fn an_average_of_a_decimal_by_parts_has_its_type() {
    let world = with("SET 'table.optimizer.distinct-agg.split.enabled' = 'true'; SET 'parallelism.default' = '8';");
    let columns = world.job("SELECT AVG(DISTINCT CAST(a AS DECIMAL(10, 2))) AS v FROM t").unwrap().schema;
    assert_eq!(columns.fields[0].ty.to_string(), "DECIMAL(38, 6)");
}

#[test]
fn what_mini_batches_need_is_asked_for_where_it_is_needed() {
    let grouped = "SELECT a, COUNT(*) FROM t GROUP BY a";
    let enabled = "SET 'table.exec.mini-batch.enabled' = 'true';";
    expect![[r#"
        option 'table.exec.mini-batch.allow-latency' must be above zero
          It is the time after which a mini-batch ends, and 'table.exec.mini-batch.enabled' is true."#]]
    .assert_eq(&error(enabled, grouped));
    let latency = format!("{enabled} SET 'table.exec.mini-batch.allow-latency' = '1 s';");
    expect![[r#"
        option 'table.exec.mini-batch.size' must be above zero
          It is the number of rows after which a mini-batch ends, and 'table.exec.mini-batch.enabled' is true."#]]
    .assert_eq(&error(&latency, grouped));
    assert!(with(&latency).job("SELECT a FROM t").is_ok());
    let buckets = "SET 'table.optimizer.distinct-agg.split.enabled' = 'true';
        SET 'table.optimizer.distinct-agg.split.bucket-num' = '0';";
    expect!["option 'table.optimizer.distinct-agg.split.bucket-num' must not be zero"]
        .assert_eq(&error(buckets, grouped));
}
