//! Dead letters: the second pipeline, the one scan, and what is refused.

use expect_test::expect;
use flott_graph::Role;

use super::World;
use super::graph::job;

const TABLES: &str = "
CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING) WITH ('connector' = 'fake');
CREATE TABLE o (id INT NOT NULL, v STRING, w BIGINT, n AS id + 1, f BIGINT METADATA FROM 'offset' VIRTUAL)
  WITH ('connector' = 'fake', 'push' = 'projection,filter', 'x.dead-letter.table' = 'bad');
CREATE TABLE timed (ts TIMESTAMP(3), v STRING, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'fake', 'push' = 'projection', 'x.dead-letter.table' = '`bad`');
CREATE TABLE changes (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'fake', 'push' = 'projection', 'source' = 'I,UB,UA,D', 'x.dead-letter.table' = 'db.bad');
CREATE TABLE ids (id INT) WITH ('connector' = 'fake');
CREATE TABLE all_ids (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'fake', 'sink' = 'I,UA,D');
";

fn world() -> World {
    World::of(TABLES)
}

/// How often each table is read.
fn reads(sql: &str) -> Vec<String> {
    let graph = world().job(sql).unwrap().graph;
    let sources = graph.nodes.iter().filter_map(|node| match &node.role {
        Role::Source(spec) => Some(spec.table.clone()),
        _ => None,
    });
    sources.collect()
}

#[test]
fn a_second_pipeline_reads_the_same_scan() {
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalSink(table=[cat.db.ids], fields=[n])
        +- LogicalProject(n=[$3])
           +- LogicalFilter(condition=[AND(=($1, _UTF-16LE'x'), >($0, 3))])
              +- LogicalProject(id=[$0], v=[$1], w=[$2], n=[+($0, 1)], f=[$3])
                 +- LogicalProject(id=[$0], v=[$1], w=[$2], f=[$3])
                    +- LogicalFilter(condition=[IS NULL($5)])
                       +- LogicalTableScan(table=[[cat, db, o]])

        LogicalSink(table=[cat.db.bad], fields=[raw, cause, origin])
        +- LogicalProject(raw=[$3], cause=[$2], origin=[$4])
           +- LogicalFilter(condition=[IS NOT NULL($2)])
              +- LogicalTableScan(table=[[cat, db, o]])

        == Optimized Physical Plan ==
        Sink(table=[cat.db.ids], fields=[n])
        +- Calc(select=[+(id, 1) AS n], where=[AND(IS NULL(dead-letter.cause), =(v, _UTF-16LE'x'), >(id, 3))])
           +- TableSourceScan(table=[[cat, db, o, project=[id, v], metadata=[dead-letter.cause, dead-letter.raw, dead-letter.origin]]], fields=[id, v, dead-letter.cause, dead-letter.raw, dead-letter.origin])

        Sink(table=[cat.db.bad], fields=[raw, cause, origin])
        +- Calc(select=[dead-letter.raw AS raw, dead-letter.cause AS cause, dead-letter.origin AS origin], where=[IS NOT NULL(dead-letter.cause)])
           +- TableSourceScan(table=[[cat, db, o, project=[id, v], metadata=[dead-letter.cause, dead-letter.raw, dead-letter.origin]]], fields=[id, v, dead-letter.cause, dead-letter.raw, dead-letter.origin])

        == Optimized Execution Plan ==
        Sink(table=[cat.db.ids], fields=[n])
        +- Calc(select=[(id + 1) AS n], where=[(dead-letter.cause IS NULL AND (v = 'x') AND (id > 3))])
           +- TableSourceScan(table=[[cat, db, o, project=[id, v], metadata=[dead-letter.cause, dead-letter.raw, dead-letter.origin]]], fields=[id, v, dead-letter.cause, dead-letter.raw, dead-letter.origin])(reuse_id=[1])

        Sink(table=[cat.db.bad], fields=[raw, cause, origin])
        +- Calc(select=[dead-letter.raw AS raw, dead-letter.cause AS cause, dead-letter.origin AS origin], where=[dead-letter.cause IS NOT NULL])
           +- Reused(reference_id=[1])
    "#]].assert_eq(&world().explain("INSERT INTO ids SELECT n FROM o WHERE v = 'x' AND id > 3", &[]).unwrap());
}

#[test]
fn no_dead_letter_comes_to_a_watermark() {
    expect![[r#"
        WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
        +- Calc(select=[ts, v], where=[dead-letter.cause IS NULL])
           +- TableSourceScan(table=[[cat, db, timed]], fields=[ts, v, dead-letter.cause, dead-letter.raw, dead-letter.origin])(reuse_id=[1])

        Sink(table=[cat.db.bad], fields=[raw, cause, origin])
        +- Calc(select=[dead-letter.raw AS raw, dead-letter.cause AS cause, dead-letter.origin AS origin], where=[dead-letter.cause IS NOT NULL])
           +- Reused(reference_id=[1])
    "#]].assert_eq(&world().plan("SELECT * FROM timed"));
}

#[test]
fn a_dead_letter_of_changes_is_an_insertion() {
    expect![[r#"
        Sink(table=[cat.db.all_ids], fields=[id, v], changelogMode=[NONE])
        +- Calc(select=[id, v], where=[IS NULL(dead-letter.cause)], changelogMode=[I,UA,D])
           +- DropUpdateBefore(changelogMode=[I,UA,D])
              +- Calc(select=[id, v, dead-letter.cause], changelogMode=[I,UB,UA,D])
                 +- TableSourceScan(table=[[cat, db, changes]], fields=[id, v, dead-letter.cause, dead-letter.raw, dead-letter.origin], changelogMode=[I,UB,UA,D])

        Sink(table=[cat.db.bad], fields=[raw, cause, origin], changelogMode=[NONE])
        +- Calc(select=[dead-letter.raw AS raw, dead-letter.cause AS cause, dead-letter.origin AS origin], where=[IS NOT NULL(dead-letter.cause)], changelogMode=[I])
           +- TableSourceScan(table=[[cat, db, changes]], fields=[id, v, dead-letter.cause, dead-letter.raw, dead-letter.origin], changelogMode=[I,UB,UA,D])
    "#]].assert_eq(&world().modes("INSERT INTO all_ids SELECT * FROM changes"));
}

#[test]
fn whoever_reads_a_table_reads_one_scan() {
    let world = world();
    expect![[r#"
        insert-into_cat.db.ids,cat.db.ids ["fake"]
        0 source cat.db.o x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 sink cat.db.ids x1/128 <- 1 Forward
        3 calc-1 x1/128 <- 0 Forward
        4 sink cat.db.ids x1/128 <- 3 Forward
        5 calc-1 x1/128 <- 0 Forward
        6 sink cat.db.bad x1/128 <- 5 Forward
    "#]]
    .assert_eq(&job(
        &world,
        "EXECUTE STATEMENT SET BEGIN
           INSERT INTO ids SELECT id FROM o; INSERT INTO ids SELECT CAST(w AS INT) FROM o WHERE v = 'x';
         END",
    ));
    for sql in [
        "SELECT * FROM o",
        "SELECT a.id, b.v FROM o AS a JOIN o AS b ON a.id = b.id",
        "SELECT * FROM o AS a JOIN o AS b ON a.id = b.id",
        "SELECT id FROM o UNION ALL SELECT id FROM o",
        "SELECT id FROM o WHERE v = 'x' UNION ALL SELECT CAST(w AS INT) FROM o",
        "SELECT id FROM o WHERE w IN (SELECT w FROM o)",
        "SELECT id + RAND_INTEGER(9) FROM o UNION ALL SELECT id + RAND_INTEGER(9) FROM o",
        "SELECT v, COUNT(*) FROM o GROUP BY v",
        "SELECT * FROM o LIMIT 3",
        "WITH q AS (SELECT id FROM o) SELECT * FROM q AS a, q AS b WHERE a.id = b.id",
    ] {
        assert_eq!(reads(sql), ["cat.db.o"], "{sql}");
    }
    let hinted = "SELECT id FROM o UNION ALL SELECT id FROM o /*+ OPTIONS('y' = '2') */";
    assert_eq!(reads(hinted), ["cat.db.o", "cat.db.o"], "other options are another way to read");
    assert_eq!(reads("SELECT id FROM o WHERE 1 = 2"), Vec::<String>::new());
}

#[test]
fn a_query_keeps_its_name_and_columns() {
    let job = world().job("SELECT v, id FROM o").unwrap();
    assert_eq!(job.graph.name, "collect");
    assert_eq!(job.schema.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["v", "id"]);
    assert!(!job.schema.fields[1].ty.nullable, "what is NOT NULL stays so");
}

#[test]
fn the_option_changes_no_name_of_state() {
    let uids = |script: &str| {
        let graph = World::of(script).job("INSERT INTO agg SELECT v, COUNT(*) FROM o GROUP BY v").unwrap().graph;
        let kept = graph.nodes.iter().filter(|n| n.stateful || !matches!(n.role, Role::Operator { .. }));
        kept.map(|n| n.uid.0.clone()).collect::<Vec<_>>()
    };
    let script =
        format!("{TABLES} CREATE TABLE agg (v STRING, n BIGINT) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D');");
    let with = uids(&script);
    let without = uids(&script.replace("'x.dead-letter.table' = 'bad'", "'x.other' = 'bad'"));
    assert_eq!(without.len() + 1, with.len());
    assert_eq!(without, with[..without.len()]);
}

#[test]
fn what_cannot_take_dead_letters_is_refused_by_name() {
    let refused = |table: &str, name: &str| {
        let mut world = World::of(table);
        world.and(&format!("CREATE TABLE s (id INT) WITH ('connector' = 'fake', 'csv.dead-letter.table' = '{name}');"));
        world.refusal("SELECT * FROM s")
    };
    let fake = "WITH ('connector' = 'fake')";
    expect![[r#"
        table 'cat.db.bad' does not exist
          Table 'cat.db.s' names it as '<format>.dead-letter.table'.
          CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING) WITH (..)."#]]
    .assert_eq(&refused("", "bad"));
    expect![[r#"
        'a.b.c.d' is no name of a table
          Table 'cat.db.s' names it as '<format>.dead-letter.table'."#]]
    .assert_eq(&refused("", "a.b.c.d"));
    expect![[r#"
        '1 + 1' is no name of a table
          Table 'cat.db.s' names it as '<format>.dead-letter.table'."#]]
    .assert_eq(&refused("", "1 + 1"));
    expect![[r#"
        table 'cat.db.bad' of dead letters has no column 'origin'
          Table 'cat.db.s' names it as '<format>.dead-letter.table'.
          It must have: `raw` BYTES, cause STRING, origin STRING."#]]
    .assert_eq(&refused(&format!("CREATE TABLE bad (`raw` BYTES, cause STRING) {fake};"), "bad"));
    expect![[r#"
        column 'raw' of table 'cat.db.bad' of dead letters has type STRING
          Table 'cat.db.s' names it as '<format>.dead-letter.table'.
          It must have: `raw` BYTES, cause STRING, origin STRING."#]]
    .assert_eq(&refused(&format!("CREATE TABLE bad (`raw` STRING, cause STRING, origin STRING) {fake};"), "bad"));
    expect![[r#"
        table 'cat.db.bad' of dead letters has a column 'x'
          Table 'cat.db.s' names it as '<format>.dead-letter.table'.
          It must have: `raw` BYTES, cause STRING, origin STRING."#]]
    .assert_eq(&refused(&format!("CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING, x INT) {fake};"), "bad"));
    let nested = "CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING)
                    WITH ('connector' = 'fake', 'json.dead-letter.table' = 'worse');";
    expect![[r#"
        table 'cat.db.bad' of dead letters has dead letters itself
          Table 'cat.db.s' names it as '<format>.dead-letter.table'."#]]
    .assert_eq(&refused(nested, "bad"));
    let view = format!("CREATE TABLE x (a INT) {fake}; CREATE VIEW bad AS SELECT a FROM x;");
    expect![[r#"
        view 'cat.db.bad' cannot be written
          Table 'cat.db.s' names it as '<format>.dead-letter.table'."#]]
    .assert_eq(&refused(&view, "bad"));
}

#[test]
fn where_dead_letters_cannot_be_they_are_refused() {
    let refused = |more: &str, sql: &str| {
        let mut world = world();
        world.and(more);
        world.refusal(sql)
    };
    expect![[r#"
        1:15: option '<format>.dead-letter.table' in batch mode is not supported yet
          Table 'cat.db.e' has it.
          Remove the option."#]]
    .assert_eq(&refused(
        "SET 'execution.runtime-mode' = 'batch';
         CREATE TABLE e (id INT) WITH ('connector' = 'fake', 'ends' = 'x', 'csv.dead-letter.table' = 'bad');",
        "SELECT * FROM e",
    ));
    let upserts = "CREATE TABLE u (id INT NOT NULL, PRIMARY KEY (id) NOT ENFORCED)
                     WITH ('connector' = 'fake', 'source' = 'I,UA,D', 'csv.dead-letter.table' = 'bad');";
    expect![[r#"
        1:15: option '<format>.dead-letter.table' of a table that gives updates without the rows before is not supported yet
          Table 'cat.db.u' has it.
          Remove the option."#]]
    .assert_eq(&refused(upserts, "SELECT * FROM u"));
}
