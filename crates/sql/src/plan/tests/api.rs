//! What the session calls besides planning: columns of tables, typed expressions, names in full, settings.

use expect_test::expect;
use flott_api::options::Options;
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::{World, shown};
use crate::catalog::{CatalogTable, Relation, Watermark};
use crate::parser::ast::view::query_sql;
use crate::parser::parse_query;
use crate::plan::{PlanContext, Settings, bind_scalar_text, expand_query, table_columns};

fn table(world: &World, name: &str) -> CatalogTable {
    match world.relation(&[name.to_owned()]).unwrap().unwrap().1 {
        Relation::Table(table) => table,
        Relation::View(_) => panic!("{name} is a view"),
    }
}

#[test]
fn a_tables_columns_have_time_attributes() {
    let world = World::new();
    let columns = table_columns(&world, &table(&world, "ltz")).unwrap();
    let text: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.type_text())).collect();
    assert_eq!(text, ["t BIGINT", "ts TIMESTAMP_LTZ(3) *ROWTIME*", "p TIMESTAMP_LTZ(3) NOT NULL *PROCTIME*"]);
}

#[test]
fn a_wrong_watermark_is_refused() {
    let world = World::new();
    let with = |column: &str, expression: &str| {
        let watermark = Some(Watermark { column: column.into(), expression: expression.into() });
        shown(&table_columns(&world, &CatalogTable { watermark, ..table(&world, "clicks") }).unwrap_err())
    };
    expect!["column 'nope' of the watermark does not exist"].assert_eq(&with("nope", "`ts`"));
    expect![[r#"
        column 'who' has type STRING and cannot have a watermark
          A watermark needs a TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3."#]]
    .assert_eq(&with("who", "`who`"));
    expect![[r#"
        watermark of column 'ts': cannot apply '-' to arguments of type TIMESTAMP(3), INT
          Cast the arguments to types that fit."#]]
    .assert_eq(&with("ts", "`ts` - 5"));
    expect![[r#"
        the watermark of column 'ts' has type INT
          It must be of type TIMESTAMP(3)."#]]
    .assert_eq(&with("ts", "`x`"));
    expect![[r#"
        watermark of column 'ts': column 'nope' does not exist
          The columns are: ts, who, x."#]]
    .assert_eq(&with("ts", "`nope`"));
}

#[test]
fn an_expression_is_typed_over_columns() {
    let world = World::new();
    let schema = Schema::new(vec![Field::new("a", LogicalType::not_null(TypeKind::Int))]);
    assert_eq!(bind_scalar_text(&world, "a * 2.5", &schema).unwrap().ty().to_string(), "DECIMAL(13, 1) NOT NULL");
    expect![[r#"
        1:1: column 'b' does not exist
          The columns are: a."#]]
    .assert_eq(&shown(&bind_scalar_text(&world, "b + 1", &schema).unwrap_err()));
    expect![[r#"
        1:1: aggregate function 'SUM' in an expression of a table
          Aggregates belong in SELECT and HAVING."#]]
    .assert_eq(&shown(&bind_scalar_text(&world, "SUM(a)", &schema).unwrap_err()));
}

#[test]
fn names_are_written_in_full() {
    let world = World::new();
    let full = |sql: &str| query_sql(&expand_query(&world, &parse_query(sql).unwrap()).unwrap());
    expect!["SELECT t.a FROM `cat`.`db`.`t` AS `t` WHERE a > 1"].assert_eq(&full("SELECT t.a FROM t WHERE a > 1"));
    expect!["SELECT x.a FROM `cat`.`db`.`t` AS x"].assert_eq(&full("SELECT x.a FROM db.t AS x"));
    expect!["WITH t AS (SELECT id AS a FROM `cat`.`db`.`cdc` AS `cdc`) SELECT a FROM t UNION ALL SELECT a FROM `cat`.`db`.`app` AS `app`"].assert_eq(&full("WITH t AS (SELECT id AS a FROM cdc) SELECT a FROM t UNION ALL SELECT a FROM app"));
    // Inside its own query the name is still the table's.
    expect![
        "WITH t AS (SELECT a FROM `cat`.`db`.`t` AS `t` WHERE a IN (1, 2)), u AS (SELECT a FROM t) SELECT a FROM u"
    ]
    .assert_eq(&full("WITH t AS (SELECT a FROM t WHERE a IN (1, 2)), u AS (SELECT a FROM t) SELECT a FROM u"));
    expect!["SELECT * FROM TABLE(TUMBLE(TABLE `cat`.`db`.`clicks`, DESCRIPTOR(ts), INTERVAL '1' DAY))"]
        .assert_eq(&full("SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' DAY))"));
}

#[test]
fn settings_are_read_strictly() {
    let read = |key: &str, value: &str| {
        let options = Options([(key.to_owned(), value.to_owned())].into());
        Settings::read(&options).map(|s| (s.parallelism, s.max_parallelism)).map_err(|e| shown(&e))
    };
    assert_eq!(read("parallelism.default", "4"), Ok((4, 128)));
    assert_eq!(read("parallelism.default", "200"), Ok((200, 512)));
    expect![[r#"
        option 'parallelism.default' has the value 0
          A parallelism is at least 1."#]]
    .assert_eq(&read("parallelism.default", "0").unwrap_err());
    expect![[r#"
        option 'pipeline.max-parallelism' has the value 99999
          It must be between the parallelism (1) and 32768."#]]
    .assert_eq(&read("pipeline.max-parallelism", "99999").unwrap_err());
    expect![
        "option 'table.exec.state.ttl' has the value 'soon', which is no duration such as '10 s', '5 min' or '1 h'"
    ]
    .assert_eq(&read("table.exec.state.ttl", "soon").unwrap_err());
    expect![[r#"
        option 'table.exec.sink.not-null-enforcer' has the value 'maybe'
          It may be 'ERROR', 'DROP'."#]]
    .assert_eq(&read("table.exec.sink.not-null-enforcer", "maybe").unwrap_err());
    expect!["the value 'ENABLED' of option 'table.exec.legacy-cast-behaviour' is not supported yet"]
        .assert_eq(&read("table.exec.legacy-cast-behaviour", "ENABLED").unwrap_err());
}

#[test]
fn intervals_and_times_are_read_by_their_fields() {
    let world = World::new();
    expect![[r#"
        Calc(select=[93784500:INTERVAL SECOND AS a, 14:INTERVAL MONTH AS b, 630000:INTERVAL SECOND AS c, -1250:INTERVAL SECOND AS d, 1209600000:INTERVAL SECOND AS e, -9:INTERVAL MONTH AS f, 2020-02-09 AS g, 12:34:56.700 AS h, 2020-02-29 01:02:03.123456789 AS i])
        +- Values(tuples=[[{ 0 }]])
    "#]].assert_eq(&world.plan(
        "SELECT INTERVAL '1 02:03:04.5' DAY TO SECOND AS a, INTERVAL '1-2' YEAR TO MONTH AS b, INTERVAL '10:30' MINUTE TO SECOND AS c, \
         INTERVAL -'1.25' SECOND AS d, INTERVAL '2' WEEK AS e, INTERVAL '-3' QUARTER AS f, DATE '2020-2-9' AS g, TIME '12:34:56.7' AS h, \
         TIMESTAMP '2020-02-29 1:2:3.123456789' AS i",
    ));
    for wrong in [
        "INTERVAL '1 25:00:00' DAY TO SECOND",
        "INTERVAL '1-13' YEAR TO MONTH",
        "INTERVAL 'x' DAY",
        "TIME '24:00:00'",
        "TIMESTAMP '2020-02-29T00:00:00'",
        "X'abc'",
    ] {
        assert!(world.bound(&format!("SELECT {wrong}")).is_err(), "{wrong}");
    }
}
