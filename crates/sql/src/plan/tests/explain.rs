//! EXPLAIN: sections, trees and what it refuses.

use expect_test::expect;

use super::World;
use crate::parser::ast::ExplainDetail;

#[test]
fn three_sections_and_a_tree() {
    let world = World::new();
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalUnion(all=[true])
        :- LogicalProject(x=[$0], b=[$1])
        :  +- LogicalFilter(condition=[>($0, 1)])
        :     +- LogicalTableScan(table=[[cat, db, t]])
        +- LogicalProject(x=[$2], who=[$1])
           +- LogicalWatermarkAssigner(rowtime=[ts], watermark=[-($0, 5000:INTERVAL SECOND)])
              +- LogicalTableScan(table=[[cat, db, clicks]])

        == Optimized Physical Plan ==
        Union(all=[true], union=[x, b])
        :- Calc(select=[a AS x, b], where=[>(a, 1)])
        :  +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
        +- Calc(select=[x, who])
           +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)])
              +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])

        == Optimized Execution Plan ==
        Union(all=[true], union=[x, b])
        :- Calc(select=[a AS x, b], where=[(a > 1)])
        :  +- TableSourceScan(table=[[cat, db, t]], fields=[a, b, c, d, r])
        +- Calc(select=[x, who])
           +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
              +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]]
    .assert_eq(&world.explain("SELECT a AS x, b FROM t WHERE a > 1 UNION ALL SELECT x, who FROM clicks", &[]).unwrap());
}

#[test]
fn a_table_that_two_inserts_read_is_shown_once() {
    let world = World::new();
    expect![[r#"
        Sink(table=[cat.db.app], fields=[a, b])
        +- Calc(select=[a, b])
           +- TableSourceScan(table=[[cat, db, pushed]], fields=[a, b, c])(reuse_id=[1])

        Sink(table=[cat.db.app], fields=[EXPR$0, b])
        +- Calc(select=[CAST(c AS INTEGER) AS EXPR$0, b])
           +- Reused(reference_id=[1])
    "#]].assert_eq(&world.plan(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT a, b FROM pushed; INSERT INTO app SELECT CAST(c AS INT), b FROM pushed; END",
    ));
}

#[test]
fn details_that_are_not_built_are_refused() {
    let world = World::new();
    let refused = |detail| super::shown(&world.explain("SELECT 1", &[detail]).unwrap_err());
    expect!["ESTIMATED_COST in EXPLAIN is not supported yet"].assert_eq(&refused(ExplainDetail::EstimatedCost));
    expect!["JSON_EXECUTION_PLAN in EXPLAIN is not supported yet"]
        .assert_eq(&refused(ExplainDetail::JsonExecutionPlan));
    expect![[r#"
        EXPLAIN of this statement is not supported yet
          EXPLAIN takes a query, an INSERT or a STATEMENT SET."#]]
    .assert_eq(&super::shown(&world.explain("SHOW TABLES", &[]).unwrap_err()));
}
