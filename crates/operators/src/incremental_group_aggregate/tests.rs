//! Against the two operators that it is made of, one behind the other.

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, batch, check, check_restorable, lines};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, GlobalGroupAggregateSpec, LocalGroupAggregateSpec};

use super::*;

fn field(name: &str, kind: TypeKind) -> Field {
    Field::new(name, LogicalType::new(kind))
}

fn rows() -> Schema {
    Schema::new(vec![field("k", TypeKind::Varchar(9)), field("part", TypeKind::Int), field("x", TypeKind::Int)])
}

fn call(name: &str, column: usize, distinct: bool) -> AggregateCall {
    let ty = LogicalType::new(TypeKind::BigInt);
    AggregateCall { function: FunctionId::new(name), args: vec![column], filter: None, distinct, ty }
}

fn bytes() -> Field {
    Field::new("$partial", LogicalType::bytes())
}

/// `COUNT(DISTINCT x)` by key, where the values are cut into parts.
fn spec(rows_changelog: ChangelogMode, rows_max: u64) -> IncrementalGroupAggregateSpec {
    let between =
        Schema::new(vec![field("k", TypeKind::Varchar(9)), field("part", TypeKind::Int), field("n", TypeKind::BigInt)]);
    let by_part = GlobalGroupAggregateSpec {
        rows: rows(),
        keys: vec![0, 1],
        aggregates: vec![call("count", 2, true)],
        rows_changelog,
        mini_batch_rows_max: rows_max,
        emit_update_before: true,
        state_ttl_ms: 0,
        output: between.clone(),
    };
    let by_key = LocalGroupAggregateSpec {
        input: between,
        keys: vec![0],
        aggregates: vec![call("$sum0", 2, false)],
        input_changelog: ChangelogMode::ALL,
        mini_batch_rows_max: rows_max,
        output: Schema::new(vec![field("k", TypeKind::Varchar(9)), bytes()]),
    };
    IncrementalGroupAggregateSpec { by_part, by_key }
}

/// What the first phase makes of rows: one row for each key and part, as text for a script.
fn first_phase(script: &str, rows_changelog: ChangelogMode) -> String {
    let spec = LocalGroupAggregateSpec {
        input: rows(),
        keys: vec![0, 1],
        aggregates: vec![call("count", 2, true)],
        input_changelog: rows_changelog,
        mini_batch_rows_max: 100,
        output: Schema::new(vec![field("k", TypeKind::Varchar(9)), field("part", TypeKind::Int), bytes()]),
    };
    let local = LocalGroupAggregate::from_spec(spec).unwrap();
    lines(&local.aggregate(&[batch(&rows(), script)]).unwrap()).join("\n")
}

fn input() -> Schema {
    Schema::new(vec![field("k", TypeKind::Varchar(9)), field("part", TypeKind::Int), bytes()])
}

fn answer(script: &str, rows_changelog: ChangelogMode, rows_max: u64) -> String {
    let spec = spec(rows_changelog, rows_max);
    let input = input();
    let case = Case { input: &input, event_time: EventTime::Sliced, script };
    check(&case, || Box::new(IncrementalGroupAggregate::from_spec(spec.clone()).unwrap()))
}

#[test]
fn a_key_comes_once_a_mini_batch_for_all_of_its_parts() {
    let inserts = ChangelogMode::INSERT_ONLY;
    let first = first_phase("+I | a | 0 | 2\n+I | a | 1 | 3\n+I | b | 0 | 2\n+I | NULL | 0 | NULL", inserts);
    let second = first_phase("+I | a | 1 | 3\n+I | a | 1 | 5\n+I | b | 0 | 4", inserts);
    let answer = answer(&format!("{first}\nwm 1\n{second}\nwm 2"), inserts, 100);
    let keys: Vec<&str> = answer.lines().map(|l| l.rsplit_once(" | ").map_or(l, |(keys, _)| keys)).collect();
    assert_eq!(keys, ["+I | a", "+I | b", "+I | NULL", "wm 1", "+I | a", "+I | b", "wm 2"]);
}

#[test]
fn state_is_kept_and_rescaled() {
    let first = first_phase("+I | a | 0 | 2\n+I | a | 1 | 3\n-D | a | 0 | 2\n+I | b | 0 | 2", ChangelogMode::ALL);
    let script = format!("{first}\nwm 1\n{}\nwm 2", first_phase("-D | b | 0 | 2\n+I | a | 0 | 6", ChangelogMode::ALL));
    let spec = spec(ChangelogMode::ALL, 1);
    let input = input();
    let case = Case { input: &input, event_time: EventTime::Sliced, script: &script };
    check_restorable(&case, || Box::new(IncrementalGroupAggregate::from_spec(spec.clone()).unwrap()));
}
