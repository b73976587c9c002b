//! The readers of what sqlparser's tree holds in our own form.

use sqlparser::ast::{Expr, Select, SelectItem, SetExpr, TableFactor};

use super::*;
use ast::view::{
    HintArgs, IsJson, JsonBehaviour, JsonCall, JsonWrapper, PatternClauses, TableArg, TableCall, map_items, model_arg,
    select_hints, symmetric_low, table_hints,
};
use ast::{Insert, SqlType, SqlTypeKind};

fn select(sql: &str) -> Select {
    match *parse_query(sql).unwrap().body {
        SetExpr::Select(select) => *select,
        other => panic!("{other}"),
    }
}

fn factor(sql: &str) -> TableFactor {
    select(&format!("SELECT * FROM {sql}")).from.remove(0).relation
}

fn call_args(sql: &str) -> Vec<Expr> {
    let factor = factor(sql);
    let call = TableCall::of(&factor).unwrap();
    let expr = |arg: &sqlparser::ast::FunctionArg| match arg {
        sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(e))
        | sqlparser::ast::FunctionArg::Named { arg: sqlparser::ast::FunctionArgExpr::Expr(e), .. } => e.clone(),
        other => panic!("{other}"),
    };
    call.args.iter().map(expr).collect()
}

#[test]
fn hints_are_read_behind_tables_sinks_and_select() {
    let hints = table_hints(&factor("t /*+ OPTIONS('a'='b', c = 'd'), X, Y(a, 'b', 1) */ AS q")).unwrap();
    assert_eq!(
        hints.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["OPTIONS('a' = 'b', 'c' = 'd')", "X", "Y(a, 'b', 1)"]
    );
    let HintArgs::Options(options) = &hints[0].args else { panic!("{hints:?}") };
    assert_eq!((options[0].key.value.as_str(), options[0].value.value.as_str()), ("a", "b"));
    assert_eq!(options[0].key.at, flott_api::Location { line: 1, column: 29 });

    let select = select("SELECT /*+ LOOKUP('table'='t') , BROADCAST(t) */ 1 FROM t");
    let names: Vec<String> = select_hints(&select).unwrap().iter().map(|h| h.name.value.clone()).collect();
    assert_eq!(names, ["LOOKUP", "BROADCAST"]);

    let Ok(Statement::Insert(insert)) = parse_statement("INSERT INTO a.b /*+ OPTIONS('a'='b') */ SELECT 1") else {
        panic!()
    };
    let Insert { table, hints, .. } = *insert;
    assert_eq!((table.to_string(), hints.len()), ("a.b".to_string(), 1));
}

#[test]
fn table_calls_are_one_however_written() {
    for sql in ["TABLE(f(a)) AS q", "f(a) AS q", "LATERAL TABLE(f(a)) AS q"] {
        let factor = factor(sql);
        let call = TableCall::of(&factor).unwrap();
        assert_eq!(call.lateral, sql.starts_with("LATERAL"));
        assert_eq!((call.name.to_string(), call.args.len()), ("f".to_string(), 1));
        assert_eq!(call.alias.unwrap().name.value, "q");
    }
    assert!(TableCall::of(&factor("t")).is_none());
    assert!(matches!(factor("UNNEST(a) WITH ORDINALITY AS q (b)"), TableFactor::UNNEST { with_ordinality: true, .. }));
}

#[test]
fn table_and_model_arguments() {
    let args =
        call_args("f(TABLE a.b PARTITION BY (k, j) ORDER BY (ts DESC, x), MODEL c.m, MAP['a', 1], i => TABLE t)");
    let table = TableArg::of(&args[0]).unwrap();
    assert_eq!(table.table.to_string(), "a.b");
    assert_eq!(table.partition_by.iter().map(|i| i.value.as_str()).collect::<Vec<_>>(), ["k", "j"]);
    assert_eq!(
        table.order_by.iter().map(|(i, asc)| (i.value.as_str(), *asc)).collect::<Vec<_>>(),
        [("ts", Some(false)), ("x", None)]
    );
    assert_eq!(model_arg(&args[1]).unwrap().to_string(), "c.m");
    assert_eq!(map_items(&args[2]).unwrap().len(), 2);
    assert!(TableArg::of(&args[3]).unwrap().partition_by.is_empty());
    assert!(TableArg::of(&args[1]).is_none() && model_arg(&args[0]).is_none() && map_items(&args[0]).is_none());
}

fn expression(sql: &str) -> Expr {
    parse_expression(sql).unwrap()
}

#[test]
fn json_clauses() {
    let Expr::Function(function) = expression("JSON_VALUE(a, '$' RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR)")
    else {
        panic!()
    };
    let call = JsonCall::of(&function).unwrap().unwrap();
    assert_eq!((call.input.to_string(), call.path.to_string()), ("a".to_string(), "'$'".to_string()));
    assert_eq!(call.returning, Some(SqlType::from(SqlTypeKind::Int)));
    assert_eq!(call.on_error, Some(JsonBehaviour::Error));
    assert!(matches!(call.on_empty, Some(JsonBehaviour::Default(e)) if e.to_string() == "1"));

    let Expr::Function(function) = expression("JSON_QUERY(a, '$' WITH WRAPPER EMPTY ARRAY ON ERROR)") else { panic!() };
    let call = JsonCall::of(&function).unwrap().unwrap();
    assert_eq!((call.wrapper, call.on_error), (Some(JsonWrapper::Unconditional), Some(JsonBehaviour::EmptyArray)));

    let Expr::Function(function) = expression("UPPER(a)") else { panic!() };
    assert!(JsonCall::of(&function).unwrap().is_none());
}

#[test]
fn predicates() {
    let expr = expression("a IS NOT JSON SCALAR");
    let is_json = IsJson::of(&expr).unwrap();
    assert!(is_json.negated && is_json.kind == "SCALAR");
    let Expr::Between { low, .. } = expression("a BETWEEN SYMMETRIC 1 AND 2") else { panic!() };
    assert_eq!(symmetric_low(&low).unwrap().to_string(), "1");
    let Expr::Between { low, .. } = expression("a BETWEEN 1 AND 2") else { panic!() };
    assert!(symmetric_low(&low).is_none());
}

#[test]
fn pattern_clauses() {
    let sql = "t MATCH_RECOGNIZE (PATTERN (A B) WITHIN INTERVAL '1' HOUR SUBSET U = (A, B), V = (B) DEFINE A AS TRUE, B AS FALSE)";
    let TableFactor::MatchRecognize { symbols, .. } = factor(sql) else { panic!() };
    let clauses = PatternClauses::of(&symbols);
    assert_eq!(clauses.within.unwrap().to_string(), "INTERVAL '1' HOUR");
    let names: Vec<(&str, usize)> = clauses.subsets.iter().map(|(n, m)| (n.value.as_str(), m.len())).collect();
    assert_eq!(names, [("U", 2), ("V", 1)]);
    assert_eq!(clauses.define.len(), 2);
}

#[test]
fn casts_give_their_type_back() {
    let Expr::Cast { data_type, .. } = expression("CAST(a AS ROW<x INT NOT NULL, y STRING>)") else { panic!() };
    assert_eq!(SqlType::from_sqlparser(&data_type).unwrap().to_string(), "ROW<x INT NOT NULL, y STRING>");
    let Expr::TypedString(literal) = expression("TIMESTAMP '2024-01-01 00:00:00'") else { panic!() };
    assert_eq!(SqlType::from_sqlparser(&literal.data_type).unwrap().to_string(), "TIMESTAMP");
}

#[test]
fn names_keep_their_place() {
    let select = select("SELECT a,\n  b AS c FROM t");
    let SelectItem::ExprWithAlias { alias, .. } = &select.projection[1] else { panic!() };
    assert_eq!(ast::ident_location(alias), flott_api::Location { line: 2, column: 8 });
}
