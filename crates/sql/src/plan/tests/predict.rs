//! Calls of models: plans as Flink shows them, what is told to the operator, and what is refused.

use std::path::Path;

use flott_graph::Role;
use flott_graph::spec::{AsyncPredict, MlPredictTableFunctionSpec, Spec};

use super::*;

/// A script of Flink's recordings: statements with answers.
fn recorded() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/oracle/model");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let script: String = read("plans.sql").lines().filter(|l| !l.starts_with("--")).map(|l| format!("{l}\n")).collect();
    let answers = oracle::answers(&read("plans.out"));
    let statements = script.split(";\n").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
    statements.zip(answers).collect()
}

/// The tables and models of the recording. Those of providers that these tests have not are left to the provider of the tests.
fn world(statements: &[(String, String)]) -> World {
    let mut world = World::new();
    for (statement, _) in statements.iter().filter(|(s, _)| s.starts_with("CREATE")) {
        let source = if statement.contains("debezium-json") { "I,UB,UA,D" } else { "I" };
        let fake = format!("'connector' = 'fake', 'push' = 'projection', 'source' = '{source}'");
        let statement = statement.replace("'connector' = 'filesystem'", &fake);
        let statement = match statement.find("'provider' = 'openai'") {
            Some(at) => format!("{}'provider' = 'model-test', 'async' = 'true')", &statement[..at]),
            None => statement,
        };
        world.and(&format!("{statement};"));
    }
    world
}

/// A plan without what our texts never show: the type of a text.
fn plain(plan: &str) -> String {
    let mut out = String::new();
    let mut rest = plan;
    while let Some(at) = rest.find(":VARCHAR(") {
        let end = rest[at..].find("\"UTF-16LE\"").map_or(rest.len(), |end| at + end + "\"UTF-16LE\"".len());
        out.push_str(&rest[..at]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.replace("default_catalog", "cat").replace("default_database", "db")
}

/// Plans that are others here: a part of the statement, and why.
const DIFFERENT: [(&str, &str); 6] = [
    ("MODEL embed", "an array is shown as ARRAY<FLOAT>, not as FLOAT ARRAY"),
    ("LATERAL TABLE(ML_PREDICT", "refused"),
    ("'no-such'", "an option that CONFIG has not is refused"),
    ("'max-concurrent-operations', '0'", "refused"),
    ("'max-concurrent-operations', '-1'", "refused"),
    ("'2s'", "an option that stands twice is refused"),
];

#[test]
fn plans_are_shown_as_flink_shows_them() {
    let statements = recorded();
    let world = world(&statements);
    let mut compared = 0;
    for (statement, answer) in statements.iter().filter(|(s, _)| s.starts_with("EXPLAIN")) {
        let known = DIFFERENT.iter().any(|(part, _)| statement.contains(part));
        let (details, sql) = match statement.strip_prefix("EXPLAIN CHANGELOG_MODE ") {
            Some(sql) => (vec![ast::ExplainDetail::ChangelogMode], sql),
            None => (Vec::new(), &statement["EXPLAIN ".len()..]),
        };
        let explained = parse_statement(sql).and_then(|parsed| crate::plan::explain(&world, &parsed, &details));
        if answer.starts_with("error") {
            assert!(explained.is_err(), "Flink refuses {sql}");
            continue;
        }
        if known {
            assert_ne!(explained.map(|plan| plan.trim().to_owned()).unwrap_or_default(), plain(answer).trim(), "{sql}");
            continue;
        }
        let shown = explained.unwrap_or_else(|error| panic!("{sql}: {}", shown(&error)));
        assert_eq!(shown.trim(), plain(answer).trim(), "{sql}");
        compared += 1;
    }
    assert!(compared > 14, "{compared}");
}

const MODELS: &str = "
CREATE TABLE texts (id INT, body STRING, n INT) WITH ('connector' = 'fake');
CREATE MODEL sync INPUT (a STRING) OUTPUT (label STRING) WITH ('provider' = 'model-test');
CREATE MODEL async INPUT (a STRING, n BIGINT) OUTPUT (label STRING, n INT) WITH ('provider' = 'model-test', 'async' = 'both', 'answers' = '3');
";

/// What the operator of a query is told.
fn told(world: &World, sql: &str) -> MlPredictTableFunctionSpec {
    let graph = world.job(sql).unwrap().graph;
    let found = graph.node_ids().find_map(|id| match &graph.node(id).role {
        Role::Operator { kind, spec } if kind == MlPredictTableFunctionSpec::KIND => {
            Some(MlPredictTableFunctionSpec::from_bytes(spec.to_string().as_bytes()).unwrap())
        }
        _ => None,
    });
    assert!(graph.factories.contains(&"model-test".to_owned()), "{:?}", graph.factories);
    found.unwrap()
}

#[test]
fn the_operator_is_told_the_model_its_arguments_and_how_to_ask() {
    let mut world = World::new();
    world.and(MODELS);
    let of_sync = told(&world, "SELECT id, label FROM ML_PREDICT(TABLE texts, MODEL sync, DESCRIPTOR(body))");
    assert_eq!((of_sync.asynchronous, of_sync.model.model.as_str()), (None, "cat.db.sync"));
    let call = "SELECT * FROM ML_PREDICT(TABLE texts, MODEL async, DESCRIPTOR(body, n)";
    let of_async = told(&world, &format!("{call})"));
    let way = |ordered, timeout_ms, in_flight_max| Some(AsyncPredict { ordered, timeout_ms, in_flight_max });
    assert_eq!(of_async.asynchronous, way(true, 180_000, 10));
    assert_eq!(of_async.model.options.0.get("answers").map(String::as_str), Some("3"));
    assert!(!of_async.model.options.0.contains_key("provider"));
    let names: Vec<&str> = of_async.output.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["id", "body", "n", "label", "n0"]);
    assert_eq!(of_async.arguments[1].ty().kind, TypeKind::BigInt);
    assert_eq!(told(&world, &format!("{call}, MAP['async', 'false'])")).asynchronous, None);
    world.and("SET 'table.exec.async-ml-predict.timeout' = '9 s'; SET 'table.exec.async-ml-predict.output-mode' = 'ALLOW_UNORDERED';");
    assert_eq!(told(&world, &format!("{call})")).asynchronous, way(false, 9_000, 10));
    let own = told(&world, &format!("{call}, MAP['max-concurrent-operations', '3', 'output-mode', 'ordered'])"));
    assert_eq!(own.asynchronous, way(true, 9_000, 3));
}

#[test]
fn a_model_is_asked_once_for_what_is_read_twice() {
    let mut world = World::new();
    world.and(MODELS);
    let call = "ML_PREDICT(TABLE texts, MODEL sync, DESCRIPTOR(body))";
    let graph = world.job(&format!("SELECT a.label FROM {call} a JOIN {call} b ON a.id = b.id")).unwrap().graph;
    let is_call = |role: &Role| matches!(role, Role::Operator { kind, .. } if kind.starts_with("ml-predict"));
    assert_eq!(graph.node_ids().filter(|id| is_call(&graph.node(*id).role)).count(), 1);
}
