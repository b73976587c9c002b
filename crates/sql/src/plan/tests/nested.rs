//! Which fields of rows a source is told that anyone reads.

use flott_graph::Role;

use super::World;

/// The fields that the one source of a job is told of, a text a column.
fn told(push: &str, sql: &str) -> Vec<String> {
    let mut world = World::new();
    world.and(&format!(
        "CREATE TABLE nested (k INT, r ROW<a INT, b STRING, c ROW<d INT, e INT>>, s ROW<f TIMESTAMP(3), g INT>,
           ts AS s.f, WATERMARK FOR ts AS ts) WITH ('connector' = 'fake', 'push' = '{push}');
         CREATE TABLE sink_a (x INT) WITH ('connector' = 'fake');
         CREATE TABLE sink_b (x STRING) WITH ('connector' = 'fake');"
    ));
    let job = world.job(sql).unwrap_or_else(|error| panic!("{}", super::shown(&error)));
    let sources = job.graph.nodes.iter().filter_map(|node| match &node.role {
        Role::Source(source) => Some(source),
        _ => None,
    });
    let sources: Vec<_> = sources.collect();
    let [source] = sources.as_slice() else { panic!("{} sources", sources.len()) };
    let fields = |fields: &Option<Vec<usize>>| fields.as_ref().map_or("all".to_owned(), |f| format!("{f:?}"));
    source.read_fields.iter().map(fields).collect()
}

const PUSH: &str = "projection,nested";

#[test]
fn fields_that_nobody_reads_are_left_out() {
    // k is no row, and the time of the watermark is read by it.
    assert_eq!(told(PUSH, "SELECT r.a FROM nested WHERE k > 1"), ["all", "[0]", "[0]"]);
    assert_eq!(told(PUSH, "SELECT r.c.d, r.b FROM nested"), ["[1, 2]", "[0]"]);
    assert_eq!(told(PUSH, "SELECT k FROM nested WHERE s.g = 1 AND r.b IS NULL"), ["all", "[1]", "[0, 1]"]);
}

#[test]
fn a_row_that_is_read_whole_keeps_all_its_fields() {
    assert_eq!(told(PUSH, "SELECT r, r.a FROM nested"), ["all", "[0]"]);
    assert_eq!(told(PUSH, "SELECT k FROM nested WHERE r IS NOT NULL"), ["all", "all", "[0]"]);
    assert_eq!(told(PUSH, "SELECT r.a, COUNT(*) FROM nested GROUP BY r.a"), ["[0]", "[0]"]);
    assert_eq!(told(PUSH, "SELECT DISTINCT r FROM nested"), ["all", "[0]"]);
}

#[test]
fn what_several_pipelines_read_of_a_table_comes_together() {
    let both = "BEGIN STATEMENT SET; INSERT INTO sink_a SELECT r.a FROM nested; INSERT INTO sink_b SELECT r.b FROM nested; END;";
    assert_eq!(told(PUSH, both), ["[0, 1]", "[0]"]);
    let joined = "INSERT INTO sink_a SELECT x.v FROM (SELECT k, r.a AS v FROM nested) x JOIN (SELECT k, s.g AS w FROM nested) y ON x.k = y.k WHERE y.w > 1";
    assert_eq!(told(PUSH, joined), ["all", "[0]", "[0, 1]"]);
}

#[test]
fn who_cannot_leave_fields_out_is_told_nothing() {
    assert!(told("projection", "SELECT r.a FROM nested").is_empty());
}
