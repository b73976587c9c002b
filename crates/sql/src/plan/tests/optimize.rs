//! A test per rule of the optimiser's list.

use expect_test::expect;

use super::World;
use crate::plan::optimize::RULES;

#[test]
fn every_rule_has_a_reason() {
    for rule in RULES {
        assert!(rule.reason.len() > 20, "{}", rule.name);
    }
}

#[test]
fn constants_are_folded_and_times_are_not() {
    let world = World::new();
    expect![[r#"
        Calc(select=[(a + 9) AS x, 7 AS y, CURRENT_TIMESTAMP() AS now])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a + (1 + 2) * 3 AS x, CAST('7' AS INT) AS y, CURRENT_TIMESTAMP AS now FROM t"));
}

#[test]
fn json_stays_json_unless_rows_are_grouped_between() {
    let world = World::new();
    for (inner, flag) in [
        ("SELECT JSON_OBJECT('x' VALUE a) AS o FROM t", "1"),
        ("SELECT o FROM (SELECT JSON_ARRAY(a) AS o, b FROM t) WHERE b = 'x'", "1"),
        ("SELECT CAST(JSON_ARRAY(a) AS STRING) AS o FROM t", "1"),
        ("SELECT JSON_ARRAY(a) AS o FROM t UNION ALL SELECT JSON_ARRAY(b) AS o FROM t", "1"),
        ("SELECT JSON_ARRAY(a) AS o FROM t UNION ALL SELECT b AS o FROM t", "0"),
        ("SELECT DISTINCT JSON_OBJECT('x' VALUE a) AS o FROM t", "0"),
        ("SELECT UPPER(JSON_ARRAY(a)) AS o FROM t", "0"),
    ] {
        let plan = world.plan(&format!("SELECT JSON_OBJECT('k' VALUE o) AS j FROM ({inner})"));
        assert!(plan.contains(&format!("JSON_OBJECT('NULL', '{flag}', 'k'")), "{inner}\n{plan}");
    }
    let plan = world.plan("SELECT JSON_ARRAYAGG(o) AS j FROM (SELECT JSON_OBJECT('x' VALUE a) AS o FROM t)");
    assert!(!plan.contains("JSON_STRING"), "{plan}");
    let plan = world.plan("SELECT JSON_ARRAYAGG(o) AS j FROM (SELECT DISTINCT JSON_OBJECT('x' VALUE a) AS o FROM t)");
    assert!(plan.contains("JSON_STRING"), "{plan}");
}

#[test]
fn logic_is_simplified_as_calcite_does() {
    let world = World::new();
    expect![[r#"
        Calc(select=[a], where=[((b = 'x') AND (a > 1))])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM t WHERE b = 'x' AND TRUE AND (a > 1 AND a > 1)"));
    expect![[r#"
        Calc(select=[a], where=[b IS NOT NULL])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM t WHERE b = b AND a = a"));
    expect![[r#"
        Calc(select=[(c IS NOT NULL OR null:BOOLEAN) AS e, (c IS NULL AND null:BOOLEAN) AS n, true AS l, false AS d, true AS o])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]].assert_eq(
        &world.plan(
            "SELECT c = c AS e, c <> c AS n, a <= a AS l, c IS DISTINCT FROM c AS d, b = 'x' OR TRUE AS o FROM t",
        ),
    );
    expect![[r#"
        Calc(select=[a])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM t WHERE b = 'x' OR a = a"));
}

#[test]
fn what_is_empty_is_not_read() {
    let world = World::new();
    expect![[r#"
        Values(tuples=[[{ 0, null:INTEGER }]])
    "#]]
    .assert_eq(&world.plan("SELECT COUNT(*) AS n, MAX(a) AS m FROM t WHERE FALSE"));
    expect![[r#"
        Calc(select=[id])
        +- DropUpdateBefore
           +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w])
    "#]]
    .assert_eq(&world.plan("SELECT a + 1 AS x FROM t WHERE 1 > 2 UNION ALL SELECT id FROM cdc"));
    expect![[r#"
        Values(tuples=[[]])
    "#]]
    .assert_eq(&world.plan("SELECT b, COUNT(*) FROM (SELECT b FROM t LIMIT 0) GROUP BY b"));
    expect![[r#"
        Values(tuples=[[]])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM t WHERE CAST(NULL AS BOOLEAN)"));
}

#[test]
fn projections_and_filters_merge() {
    let world = World::new();
    expect![[r#"
        Calc(select=[((a * 2) + 1) AS y], where=[((a > 1) AND (b = 'q'))])
        +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT x + 1 AS y FROM (SELECT a * 2 AS x, b FROM t WHERE a > 1) WHERE b = 'q'"));
    // What is read twice is computed once.
    expect![[r#"
        Calc(select=[(x + 1) AS y, (x + 2) AS z])
        +- Calc(select=[(CAST(a AS BIGINT) * c) AS x])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT x + 1 AS y, x + 2 AS z FROM (SELECT a * c AS x FROM t)"));
    expect![[r#"
        TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT * FROM (SELECT a AS x, b AS y, c, d, r FROM t)"));
}

#[test]
fn filters_go_below_projections_and_unions_but_not_below_watermarks() {
    let world = World::new();
    expect![[r#"
        Union(all=[true], union=[x])
        :- Calc(select=[a AS x], where=[(a > 3)])
        :  +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
        +- Calc(select=[id], where=[(id > 3)])
           +- DropUpdateBefore
              +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w])
    "#]]
    .assert_eq(&world.plan("SELECT x FROM (SELECT a AS x FROM t UNION ALL SELECT id FROM cdc) WHERE x > 3"));
    expect![[r#"
        Calc(select=[who], where=[(x > 3)])
        +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
           +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]]
    .assert_eq(&world.plan("SELECT who FROM clicks WHERE x > 3"));
    expect![[r#"
        Calc(select=[a], where=[(a > 3)])
        +- Limit(offset=[0], fetch=[5])
           +- Exchange(distribution=[single])
              +- Calc(select=[a])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM (SELECT a FROM t LIMIT 5) WHERE a > 3"));
}

#[test]
fn filters_by_keys_go_below_groups() {
    let world = World::new();
    expect![[r#"
        Calc(select=[a, n], where=[(n > 1)])
        +- GroupAggregate(groupBy=[a, b], select=[a, b, COUNT(*) AS n])
           +- Exchange(distribution=[hash[a, b]])
              +- Calc(select=[a, b], where=[((a > 3) AND (b = 'x'))])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(
        &world.plan(
            "SELECT a, n FROM (SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b) WHERE a > 3 AND n > 1 AND b = 'x'",
        ),
    );
    expect![[r#"
        Calc(select=[n], where=[(n > 1)])
        +- GroupAggregate(select=[COUNT(*) AS n])
           +- Exchange(distribution=[single])
              +- Calc(select=[0 AS $f0])
                 +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT n FROM (SELECT COUNT(*) AS n FROM t) WHERE n > 1 AND CAST('1' AS INT) = 1"));
}

#[test]
fn volatile_calls_stay_where_they_are() {
    let world = World::new();
    expect![[r#"
        Calc(select=[n AS n1, n AS n2], where=[(n > 2020-01-01 00:00:00)])
        +- Calc(select=[CURRENT_TIMESTAMP() AS n])
           +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan(
        "SELECT n AS n1, n AS n2 FROM (SELECT CURRENT_TIMESTAMP AS n FROM t) WHERE n > TIMESTAMP '2020-01-01 00:00:00'",
    ));
}

#[test]
fn sources_are_told_of_filters_and_columns() {
    let world = World::new();
    expect![[r#"
        Calc(select=[b], where=[((a > 3) AND (o > 1) AND b IS NOT NULL)])
        +- TableSourceScan(table=[[cat, db, pushed, filter=[>(a, 3), IS NOT NULL(b)], project=[a, b], metadata=[offset]]], fields=[a, b, o])
    "#]].assert_eq(&world.plan("SELECT b FROM pushed WHERE a > 3 AND o > 1 AND b IS NOT NULL"));
    expect![[r#"
        TableSourceScan(table=[[cat, db, pushed, project=[c], metadata=[offset]]], fields=[c, o])
    "#]]
    .assert_eq(&world.plan("SELECT c, o FROM pushed"));
    expect![[r#"
        GroupAggregate(select=[COUNT(*) AS n])
        +- Exchange(distribution=[single])
           +- TableSourceScan(table=[[cat, db, pushed, project=[a], metadata=[]]], fields=[a])
    "#]]
    .assert_eq(&world.plan("SELECT COUNT(*) AS n FROM pushed"));
    expect![[r#"
        TableSourceScan(table=[[cat, db, pushed, project=[a], metadata=[]]], fields=[a])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM pushed"));
}

#[test]
fn what_nobody_reads_is_not_computed() {
    let world = World::new();
    expect![[r#"
        GroupAggregate(groupBy=[a], select=[a])
        +- Exchange(distribution=[hash[a]])
           +- Calc(select=[a])
              +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT a FROM (SELECT a, COUNT(*) AS n, SUM(c) AS s FROM t GROUP BY a)"));
    expect![[r#"
        GroupAggregate(select=[COUNT(*) AS n])
        +- Exchange(distribution=[single])
           +- Calc(select=[a])
              +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
    "#]]
    .assert_eq(&world.plan("SELECT COUNT(*) AS n FROM (SELECT a, UPPER(b) AS u FROM t)"));
    expect![[r#"
        Union(all=[true], union=[x])
        :- Calc(select=[(a + 1) AS x])
        :  +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])(reuse_id=[1])
        +- Calc(select=[a])
           +- Reused(reference_id=[1])
    "#]]
    .assert_eq(&world.plan("SELECT x FROM (SELECT a + 1 AS x, b FROM t UNION ALL SELECT a, b FROM t)"));
    // The watermark keeps its column, also a computed one.
    expect![[r#"
        Calc(select=[t])
        +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           +- Calc(select=[t, TO_TIMESTAMP_LTZ(t, 3) AS ts])
              +- TableSourceScan(table=[[cat, db, ltz]], fields=[t])
    "#]]
    .assert_eq(&world.plan("SELECT t FROM ltz"));
}

#[test]
fn semi_joins_go_below_inner_joins_to_the_left() {
    let world = World::new();
    let joins = |sql: &str| {
        let plan = world.plan(sql);
        let kinds = plan.lines().filter_map(|line| line.split("joinType=[").nth(1)).map(|rest| rest.split(']').next());
        kinds.flatten().map(str::to_owned).collect::<Vec<_>>().join(" over ")
    };
    let joined = "SELECT x.b FROM (SELECT l.a + 0 AS a, l.b, r.a AS z FROM t AS l, t AS r WHERE l.b = r.b) AS x";
    let chosen = |condition: &str| joins(&format!("{joined} WHERE {condition}"));
    expect!["InnerJoin over LeftSemiJoin"].assert_eq(&chosen("x.a IN (SELECT a FROM t)"));
    expect!["InnerJoin over LeftAntiJoin"].assert_eq(&chosen("NOT EXISTS (SELECT * FROM t WHERE t.a = x.a)"));
    // What compares with the right input, with both, by no equality, or a value that changes.
    expect!["LeftSemiJoin over InnerJoin"].assert_eq(&chosen("x.z IN (SELECT a FROM t)"));
    expect!["LeftSemiJoin over InnerJoin"].assert_eq(&chosen("x.a IN (SELECT a FROM t WHERE t.a > x.z)"));
    expect!["LeftSemiJoin over InnerJoin"].assert_eq(&chosen("EXISTS (SELECT * FROM t WHERE t.a > x.a)"));
    expect!["LeftSemiJoin over InnerJoin"].assert_eq(&chosen("EXISTS (SELECT * FROM t)"));
    expect!["LeftSemiJoin over InnerJoin"].assert_eq(&joins(
        "SELECT b FROM (SELECT RAND_INTEGER(9) AS a, l.b FROM t AS l, t AS r WHERE l.b = r.b) AS x
           WHERE x.a IN (SELECT a FROM t)",
    ));
    expect!["LeftSemiJoin over LeftOuterJoin"]
        .assert_eq(&joins("SELECT l.b FROM t AS l LEFT JOIN t AS r ON l.b = r.b WHERE l.a IN (SELECT a FROM t)"));
}
