//! INSERT: which value goes where, and which changes a sink takes.

use expect_test::expect;

use super::World;

#[test]
fn columns_go_by_position_or_by_name() {
    let mut world = World::new();
    world.and(
        "CREATE TABLE wide (a INT, k AS a + 1, b BIGINT, `offset` BIGINT METADATA, v BIGINT METADATA FROM 'offset' VIRTUAL, s STRING)
           WITH ('connector' = 'fake');
         CREATE TABLE parts (a INT, dt STRING, h INT) PARTITIONED BY (dt, h) WITH ('connector' = 'fake', 'overwrite' = 'x');",
    );
    expect![[r#"
        Sink(table=[cat.db.wide], fields=[a, b, s, offset])
        +- Calc(select=[a, CAST(a AS BIGINT) AS b, b AS s, c AS offset])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("INSERT INTO wide SELECT a, a, c, b FROM t"));
    expect![[r#"
        Sink(table=[cat.db.wide], fields=[a, b, s, offset])
        +- Calc(select=[a, null:BIGINT AS b, b AS s, null:BIGINT AS offset])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("INSERT INTO wide (s, a) SELECT b, a FROM t"));
    expect![[r#"
        Sink(table=[cat.db.parts], fields=[a, dt, h])
        +- Calc(select=[a, '2020-01-01' AS dt, a AS h])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("INSERT INTO parts PARTITION (dt = '2020-01-01') SELECT a, a FROM t"));
    expect![[r#"
        Sink(table=[cat.db.parts], fields=[a, dt, h])
        +- Calc(select=[a, 'x' AS dt, 3 AS h])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("INSERT OVERWRITE parts PARTITION (dt = 'x', h = 3) SELECT a FROM t"));
    expect![[r#"
        Sink(table=[cat.db.app], fields=[EXPR$0, EXPR$1])
        +- Values(tuples=[[{ 1, _UTF-16LE'x' }, { null:INTEGER, _UTF-16LE'yy' }]])
    "#]]
    .assert_eq(&world.plan("INSERT INTO app VALUES (1, 'x'), (CAST(NULL AS INT), 'yy')"));
    let job = world.job("INSERT OVERWRITE parts PARTITION (dt = 'x', h = 3) SELECT a FROM t").unwrap();
    let flott_graph::Role::Sink(sink) = &job.graph.nodes.last().unwrap().role else { panic!("no sink at the end") };
    assert!(sink.overwrite);
    assert_eq!(sink.static_partition, [("dt".into(), "x".into()), ("h".into(), "3".into())].into());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut world = World::new();
    world.and(
        "CREATE TABLE need (a INT NOT NULL, b STRING) WITH ('connector' = 'fake'); CREATE VIEW v AS SELECT a FROM t;",
    );
    expect![[r#"
        1:17: table 'cat.db.app' takes 2 columns, but the query has 1
          The query gives [a INT NOT NULL]; the table takes [a INT, b STRING]."#]]
    .assert_eq(&world.refusal("INSERT INTO app SELECT a FROM t"));
    expect![[r#"
        1:17: table 'cat.db.app': column 'a' has type INT, but its value has type STRING
          The query gives [b STRING, a INT NOT NULL]; the table takes [a INT, b STRING].
          Add a CAST."#]]
    .assert_eq(&world.refusal("INSERT INTO app SELECT b, a FROM t"));
    expect!["1:21: column 'b' is set twice"].assert_eq(&world.refusal("INSERT INTO app (b, b) SELECT b, b FROM t"));
    expect![[r#"
        1:18: column 'nope' of table 'cat.db.app' does not exist
          Its columns are: a, b."#]]
    .assert_eq(&world.refusal("INSERT INTO app (nope) SELECT b FROM t"));
    expect![[r#"
        1:22: column 'a' of table 'cat.db.need' has no value
          It is NOT NULL, and the INSERT does not name it."#]]
    .assert_eq(&world.refusal("INSERT INTO need (b) SELECT b FROM t"));
    expect!["1:13: view 'cat.db.v' cannot be written"].assert_eq(&world.refusal("INSERT INTO v SELECT a FROM t"));
    expect![[r#"
        1:13: table 'ap' does not exist
          Did you mean 'app'?"#]]
    .assert_eq(&world.refusal("INSERT INTO ap SELECT a FROM t"));
    expect!["1:18: table 'cat.db.app' cannot be overwritten"]
        .assert_eq(&world.refusal("INSERT OVERWRITE app SELECT a, b FROM t"));
    expect!["1:28: table 'cat.db.app' is not partitioned by 'a'"]
        .assert_eq(&world.refusal("INSERT INTO app PARTITION (a = 1) SELECT b FROM t"));
}

#[test]
fn a_sink_must_take_the_changes() {
    let world = World::new();
    expect![[r#"
        table 'cat.db.app' does not take the updates of this query
          They come from GroupAggregate(groupBy=[a], select=[a, MAX(b) AS EXPR$1]).
          Write to a connector that takes updates (print, upsert sinks), or aggregate in windows, which only insert."#]]
    .assert_eq(&world.refusal("INSERT INTO app SELECT a, MAX(b) FROM t GROUP BY a"));
    expect![[r#"
        the query updates table 'cat.db.ups' by another key than its primary key
          The query updates by (c), the table by (a): two rows of the query may be one of the table.
          Make the primary key of the table the key of the query, or add ON CONFLICT DO DEDUPLICATE (the newest row wins, and all rows are kept as state), ON CONFLICT DO NOTHING (the first one wins) or ON CONFLICT DO ERROR."#]]
    .assert_eq(&world.refusal("INSERT INTO ups SELECT MAX(a), c FROM t WHERE c IS NOT NULL GROUP BY c"));
    assert_eq!(
        world.refusal("INSERT INTO ups SELECT a, n FROM (SELECT a, COUNT(*) AS n FROM t GROUP BY a) WHERE a > 3"),
        "accepted"
    );
}

/// Nobody else would delete the row of a group that no longer passes.
#[test]
fn a_filter_of_updates_needs_update_before_unless_it_reads_the_key() {
    let world = World::new();
    let insert = |condition: &str| {
        let groups = "SELECT a, COUNT(*) AS n FROM t GROUP BY a";
        world.modes(&format!("INSERT INTO ups SELECT a, n FROM ({groups}) WHERE {condition}"))
    };
    expect![[r#"
        Sink(table=[cat.db.ups], fields=[a, n], changelogMode=[NONE])
        +- Calc(select=[a, n], where=[>(n, 3)], changelogMode=[I,UB,UA])
           +- GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n], changelogMode=[I,UB,UA])
              +- Exchange(distribution=[hash[a]], changelogMode=[I])
                 +- Calc(select=[a], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
    .assert_eq(&insert("n > 3"));
    assert!(insert("a + n > 3").contains("[I,UB,UA]"));
    assert!(!insert("a > 3").contains("UB"));
}

#[test]
fn update_before_is_made_only_where_it_is_needed() {
    let world = World::new();
    expect![[r#"
        Sink(table=[cat.db.ups], fields=[a, EXPR$1], changelogMode=[NONE])
        +- GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS EXPR$1], changelogMode=[I,UA])
           +- Exchange(distribution=[hash[a]], changelogMode=[I])
              +- Calc(select=[a], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("INSERT INTO ups SELECT a, COUNT(*) FROM t GROUP BY a"));
    expect![[r#"
        Sink(table=[cat.db.ret], fields=[a, EXPR$1], changelogMode=[NONE])
        +- GroupAggregate(groupBy=[a], select=[a, MAX(b) AS EXPR$1], changelogMode=[I,UB,UA])
           +- Exchange(distribution=[hash[a]], changelogMode=[I])
              +- Calc(select=[a, b], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a"));
    expect![[r#"
        Sink(table=[cat.db.ups], fields=[id, EXPR$1], changelogMode=[NONE])
        +- Calc(select=[id, CAST(w AS BIGINT) AS EXPR$1], changelogMode=[I,UA,D])
           +- DropUpdateBefore(changelogMode=[I,UA,D])
              +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]]
    .assert_eq(&world.modes("INSERT INTO ups SELECT id, CAST(w AS BIGINT) FROM cdc"));
    expect![[r#"
        Sink(table=[cat.db.ret], fields=[id, v], changelogMode=[NONE])
        +- Calc(select=[id, v], where=[>(w, 1)], changelogMode=[I,UB,UA,D])
           +- ChangelogNormalize(key=[id], changelogMode=[I,UB,UA,D])
              +- Exchange(distribution=[hash[id]], changelogMode=[I,UA,D])
                 +- TableSourceScan(table=[[cat, db, upserts]], fields=[id, v, w], changelogMode=[I,UA,D])
    "#]]
    .assert_eq(&world.modes("INSERT INTO ret SELECT id, v FROM upserts WHERE w > 1"));
    expect![[r#"
        Sink(table=[cat.db.ups], fields=[id, EXPR$1], changelogMode=[NONE])
        +- GroupAggregate(groupBy=[id], select=[id, COUNT_RETRACT(*) AS EXPR$1], changelogMode=[I,UA,D])
           +- Exchange(distribution=[hash[id]], changelogMode=[I,UB,UA,D])
              +- Union(all=[true], union=[id], changelogMode=[I,UB,UA,D])
                 :- Calc(select=[id], changelogMode=[I,UB,UA,D])
                 :  +- ChangelogNormalize(key=[id], changelogMode=[I,UB,UA,D])
                 :     +- Exchange(distribution=[hash[id]], changelogMode=[I,UA,D])
                 :        +- TableSourceScan(table=[[cat, db, upserts]], fields=[id, v, w], changelogMode=[I,UA,D])
                 +- Calc(select=[id], changelogMode=[I,UB,UA,D])
                    +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]]
    .assert_eq(&world.modes(
        "INSERT INTO ups SELECT id, COUNT(*) FROM (SELECT id FROM upserts UNION ALL SELECT id FROM cdc) GROUP BY id",
    ));
}

#[test]
fn conflicts_of_a_key_are_solved_by_watermark_where_there_is_one() {
    let mut world = World::new();
    world.and(
        "CREATE TABLE byn (who STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'fake', 'sink' = 'I,UA,D');
         CREATE TABLE log (who STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D', 'written-down' = 'x');",
    );
    expect![[r#"
        Sink(table=[cat.db.byn], fields=[who, EXPR$1], upsertMaterialize=[true], conflictStrategy=[NOTHING], changelogMode=[NONE])
        +- GroupAggregate(groupBy=[who], select=[who, COUNT(*) AS EXPR$1], changelogMode=[I,UB,UA])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[who], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes("INSERT INTO byn SELECT who, COUNT(*) FROM clicks GROUP BY who ON CONFLICT DO NOTHING"));
    let kinds = |sql: &str| {
        let job = world.job(sql).unwrap();
        let kind = |node: &flott_graph::Node| match &node.role {
            flott_graph::Role::Operator { kind, .. } => kind.clone(),
            _ => node.name.split('(').next().unwrap_or_default().to_owned(),
        };
        job.graph.nodes.iter().map(kind).collect::<Vec<_>>().join(" ")
    };
    let by_key = "INSERT INTO byn SELECT who, COUNT(*) FROM clicks GROUP BY who ON CONFLICT DO";
    expect!["TableSourceScan watermark-assigner-1 calc-1 group-aggregate-1 watermark-timestamp-assigner-1 watermark-compacting-sink-materializer-1 Sink"]
        .assert_eq(&kinds(&format!("{by_key} ERROR")));
    expect!["TableSourceScan watermark-assigner-1 calc-1 group-aggregate-1 sink-upsert-materializer-1 Sink"]
        .assert_eq(&kinds(&format!("{by_key} DEDUPLICATE")));
    expect!["TableSourceScan watermark-assigner-1 calc-1 group-aggregate-1 Sink"]
        .assert_eq(&kinds("INSERT INTO log SELECT who, COUNT(*) FROM clicks GROUP BY who"));
}

#[test]
fn on_conflict_is_refused_where_it_has_no_meaning() {
    let mut world = World::new();
    world.and(
        "CREATE TABLE byn (who STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'fake', 'sink' = 'I,UA,D');
         CREATE TABLE log (who STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D', 'written-down' = 'x');",
    );
    expect![[r#"
        ON CONFLICT DO ERROR needs the watermarks of all tables that the query reads
          These have none: cat.db.t, cat.db.t.
          Add a WATERMARK to them, or say ON CONFLICT DO DEDUPLICATE: then the newest row wins, at once."#]]
    .assert_eq(&world.refusal(
        "INSERT INTO byn SELECT s, COUNT(*) FROM (SELECT who FROM clicks UNION ALL SELECT b FROM t UNION ALL SELECT b FROM t) AS u(s) GROUP BY s ON CONFLICT DO ERROR",
    ));
    expect![[r#"
        ON CONFLICT has no meaning for table 'cat.db.byn'
          It is for tables that take updates by their key; this one only gets insertions from this query."#]]
    .assert_eq(&world.refusal("INSERT INTO byn SELECT who, x FROM clicks ON CONFLICT DO NOTHING"));
    expect![[r#"
        ON CONFLICT has no meaning for table 'cat.db.log'
          It is for tables that take updates by their key; this one takes the -U of updates."#]]
    .assert_eq(&world.refusal("INSERT INTO log SELECT b, COUNT(*) FROM t GROUP BY b ON CONFLICT DO NOTHING"));
    world.and("SET 'table.exec.sink.upsert-materialize' = 'NONE';");
    assert_eq!(
        world.refusal("INSERT INTO byn SELECT who, COUNT(*) FROM clicks GROUP BY who ON CONFLICT DO ERROR"),
        "accepted"
    );
}

#[test]
fn rows_of_one_key_go_to_one_writer_where_that_is_asked_for() {
    use flott_graph::Partitioning;
    let shuffled = |options: &str, sink_parallelism: u32| {
        let mut world = World::new();
        world.and(&format!(
            "CREATE TABLE par (a INT NOT NULL, b BIGINT, PRIMARY KEY (a) NOT ENFORCED)
               WITH ('connector' = 'fake', 'sink' = 'I,UA,D', 'sink-parallelism' = '{sink_parallelism}');
             {options}"
        ));
        let job = world.job("INSERT INTO par SELECT a, c FROM t").unwrap();
        job.graph.edges.last().unwrap().partitioning.clone()
    };
    let by_key = Partitioning::Hash { columns: vec![0] };
    assert_eq!(shuffled("", 3), by_key);
    assert_eq!(shuffled("", 1), Partitioning::Forward);
    let option =
        |value: &str| format!("SET 'table.exec.sink.keyed-shuffle' = '{value}'; SET 'parallelism.default' = '3';");
    assert_eq!(shuffled(&option("AUTO"), 3), Partitioning::Forward);
    assert_eq!(shuffled(&option("FORCE"), 3), by_key);
    assert_eq!(shuffled(&option("FORCE"), 1), Partitioning::Rebalance);
    assert_eq!(shuffled(&option("NONE"), 2), Partitioning::Rebalance);
}

#[test]
fn a_row_of_a_sink_has_one_rowtime_at_most() {
    let mut world = World::new();
    world.and("CREATE TABLE times (a TIMESTAMP(3), b TIMESTAMP(3)) WITH ('connector' = 'fake');");
    expect![[r#"
        the query gives table 'cat.db.times' more than one rowtime column
          They are ts, ts0; a row of a table has one time.
          CAST all but one to TIMESTAMP or TIMESTAMP_LTZ, or set 'table.exec.sink.rowtime-inserter' to 'DISABLED'."#]]
    .assert_eq(&world.refusal("INSERT INTO times SELECT ts, ts FROM clicks"));
    assert_eq!(world.refusal("INSERT INTO times SELECT ts, CAST(ts AS TIMESTAMP(3)) FROM clicks"), "accepted");
    world.and("SET 'table.exec.sink.rowtime-inserter' = 'DISABLED';");
    assert_eq!(world.refusal("INSERT INTO times SELECT ts, ts FROM clicks"), "accepted");
}
