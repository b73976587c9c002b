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
    expect![""].assert_eq(&world.plan("SELECT a, COUNT(*) AS n, SUM(DISTINCT b) AS s FROM t GROUP BY a"));
}

#[test]
fn one_phase_where_it_is_asked_for_or_there_is_no_other_way() {
    let world = with(&format!("{ON} SET 'table.optimizer.agg-phase-strategy' = 'ONE_PHASE';"));
    expect![""].assert_eq(&world.plan("SELECT a, COUNT(*) AS n FROM t GROUP BY a"));
    expect![""].assert_eq(&with(ON).plan("SELECT a, LAST_VALUE(b) AS l FROM t GROUP BY a"));
}

#[test]
fn every_scan_and_watermark_ends_mini_batches_once() {
    let world = with(ON);
    expect![""].assert_eq(&world.plan(
        "SELECT x, COUNT(*) AS n FROM (SELECT x FROM clicks UNION ALL SELECT a FROM t UNION ALL SELECT 1) GROUP BY x",
    ));
    expect![""].assert_eq(&world.plan("SELECT x FROM clicks UNION ALL SELECT a FROM t"));
}

#[test]
fn a_window_ends_mini_batches_by_the_watermark() {
    let world = with(ON);
    expect![""].assert_eq(&world.plan(
        "SELECT who, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY who, window_start, window_end",
    ));
}

#[test]
fn the_graph_has_both_phases_and_a_network_between_them() {
    let world = with(&format!("{ON} SET 'parallelism.default' = '2';"));
    expect![""].assert_eq(&super::graph::job(&world, "SELECT a, COUNT(*) AS n FROM t GROUP BY a"));
}

#[test]
fn distinct_values_are_cut_into_parts() {
    let split = "SET 'table.optimizer.distinct-agg.split.enabled' = 'true';
        SET 'table.optimizer.distinct-agg.split.bucket-num' = '16';";
    let world = with(split);
    expect![""].assert_eq(&world.plan("SELECT a, COUNT(DISTINCT b) AS n, AVG(c) AS v FROM t GROUP BY a"));
    expect![""]
        .assert_eq(&world.plan("SELECT COUNT(DISTINCT b) AS n, MAX(a) AS m, SUM(c) FILTER (WHERE a > 1) AS s FROM t"));
    expect![""].assert_eq(&world.plan("SELECT a, COUNT(b) AS n FROM t GROUP BY a"));
    expect![""].assert_eq(&with(&format!("{ON} {split}")).plan("SELECT a, COUNT(DISTINCT b) AS n FROM t GROUP BY a"));
}

#[test]
fn an_average_of_a_decimal_by_parts_has_its_type() {
    let world = with("SET 'table.optimizer.distinct-agg.split.enabled' = 'true';");
    let columns = world.job("SELECT AVG(DISTINCT CAST(a AS DECIMAL(10, 2))) AS v FROM t").unwrap().schema;
    assert_eq!(columns.fields[0].ty.to_string(), "DECIMAL(38, 6)");
}

#[test]
fn what_mini_batches_need_is_asked_for_where_it_is_needed() {
    let grouped = "SELECT a, COUNT(*) FROM t GROUP BY a";
    let enabled = "SET 'table.exec.mini-batch.enabled' = 'true';";
    expect![""].assert_eq(&error(enabled, grouped));
    let latency = format!("{enabled} SET 'table.exec.mini-batch.allow-latency' = '1 s';");
    expect![""].assert_eq(&error(&latency, grouped));
    assert!(with(&latency).job("SELECT a FROM t").is_ok());
    let buckets = "SET 'table.optimizer.distinct-agg.split.enabled' = 'true';
        SET 'table.optimizer.distinct-agg.split.bucket-num' = '0';";
    expect![""].assert_eq(&error(buckets, grouped));
}
