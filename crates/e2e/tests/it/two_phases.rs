//! Aggregation in two phases: the planner takes it for aggregates whose operator can put groups together, and for no other.

use flott_graph::Role;
use flott_graph::spec::{AggregateCall, GlobalGroupAggregateSpec, GroupAggregateSpec, Spec};
use flott_operators::aggregate::function;
use flott_sql::parser::parse_script;
use flott_sql::session::Outcome;

use crate::session::session;

/// Every aggregate, in the forms and over the types that have a state of their own.
const CALLS: [&str; 33] = [
    "COUNT(*)",
    "COUNT(x)",
    "COUNT(DISTINCT x)",
    "SUM(x)",
    "SUM(d)",
    "SUM(f)",
    "AVG(x)",
    "AVG(d)",
    "AVG(f)",
    "MIN(x)",
    "MAX(s)",
    "MIN(d)",
    "MAX(f)",
    "FIRST_VALUE(x)",
    "LAST_VALUE(s)",
    "SINGLE_VALUE(x)",
    "ARRAY_AGG(x)",
    "COLLECT(s)",
    "LISTAGG(s)",
    "LISTAGG(s, ';')",
    "JSON_ARRAYAGG(s)",
    "JSON_ARRAYAGG(s NULL ON NULL)",
    "JSON_OBJECTAGG(KEY s VALUE x)",
    "JSON_OBJECTAGG(KEY s VALUE x ABSENT ON NULL)",
    "PERCENTILE(x, 0.5)",
    "BITMAP_BUILD_AGG(x)",
    "BITMAP_AND_AGG(BITMAP_BUILD(ARRAY[x]))",
    "BITMAP_OR_CARDINALITY_AGG(BITMAP_BUILD(ARRAY[x]))",
    "BITMAP_XOR_AGG(BITMAP_BUILD(ARRAY[x]))",
    "STDDEV_POP(x)",
    "STDDEV_SAMP(d)",
    "VAR_POP(f)",
    "VAR_SAMP(x)",
];
const SETTINGS: &str = "SET 'table.exec.mini-batch.enabled' = 'true';
    SET 'table.exec.mini-batch.allow-latency' = '1 s';
    SET 'table.exec.mini-batch.size' = '10';
    SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE';";
const ROWS: &str = "(SELECT k, x, CAST(x AS DECIMAL(20, 2)) AS d, CAST(x AS DOUBLE) AS f, s \
    FROM (VALUES ('a', 1, 'p'), ('b', 2, 'q')) AS v(k, x, s))";
/// The same as changes: who groups them takes rows back.
const CHANGES: &str = "(SELECT k, CAST(x AS INT) AS x, CAST(x AS DECIMAL(20, 2)) AS d, CAST(x AS DOUBLE) AS f, s \
    FROM (SELECT k, s, COUNT(*) AS x FROM (VALUES ('a', 'p'), ('b', 'q')) AS v(k, s) GROUP BY k, s))";

/// Those that are not put together although they could be, as Flink does not.
fn stays_whole(call: &AggregateCall, retract: bool) -> bool {
    let name = call.function.name.as_str();
    name.starts_with("json_arrayagg") || (name == "$welford_m2$1" && retract)
}

/// Which of these calls can be put together.
fn merging(calls: &[AggregateCall], rows: &flott_api::Schema, retract: bool) -> Vec<bool> {
    let ty = |column: &usize| rows.fields[*column].ty.clone();
    let merges = |call: &AggregateCall| {
        let args: Vec<_> = call.args.iter().map(ty).collect();
        function(call, &args, retract).unwrap().merges()
    };
    calls.iter().map(merges).collect()
}

#[test]
fn what_is_planned_in_two_phases_is_what_operators_can_put_together() {
    let mut session = session();
    for setting in parse_script(SETTINGS) {
        session.execute(&setting.unwrap().statement).unwrap();
    }
    let (mut whole, mut in_phases) = (Vec::new(), Vec::new());
    for (call, rows) in CALLS.iter().flat_map(|call| [ROWS, CHANGES].map(|rows| (*call, rows))) {
        let query = format!("SELECT k, {call} AS c FROM {rows} AS r GROUP BY k;");
        let statement = parse_script(&query).next().unwrap().unwrap().statement;
        let Outcome::Job(job) = session.execute(&statement).unwrap_or_else(|e| panic!("{query}: {e}")) else {
            panic!("{query} is no job")
        };
        for node in &job.graph.nodes {
            let Role::Operator { kind, spec } = &node.role else { continue };
            let bytes = spec.to_string();
            if kind == GroupAggregateSpec::KIND {
                let spec = GroupAggregateSpec::from_bytes(bytes.as_bytes()).unwrap();
                let retract = !spec.input_changelog.is_insert_only();
                let merging = merging(&spec.aggregates, &spec.input, retract);
                let why = spec.aggregates.iter().zip(merging).any(|(c, merges)| !merges || stays_whole(c, retract));
                assert!(why, "{query} could be in two phases");
                whole.push(call);
            } else if kind == GlobalGroupAggregateSpec::KIND {
                let spec = GlobalGroupAggregateSpec::from_bytes(bytes.as_bytes()).unwrap();
                let retract = !spec.rows_changelog.is_insert_only();
                assert!(
                    !merging(&spec.aggregates, &spec.rows, retract).contains(&false),
                    "{query} cannot be put together"
                );
                in_phases.push(call);
            }
        }
    }
    whole.dedup();
    in_phases.dedup();
    let of_order = ["FIRST_VALUE(x)", "LAST_VALUE(s)", "JSON_ARRAYAGG(s)", "JSON_ARRAYAGG(s NULL ON NULL)"];
    let of_means = ["STDDEV_POP(x)", "STDDEV_SAMP(d)", "VAR_POP(f)", "VAR_SAMP(x)"];
    assert_eq!(whole, [&of_order[..], &of_means].concat());
    assert_eq!(in_phases, CALLS, "the count below the changes is always in two");
}
