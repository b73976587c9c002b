//! What Flink emits for each row, and the state behind it through batches, restarts and rescales.
//! The changelogs of `agg/nested.sql` and `agg/having_filter_distinct.sql` are recorded from Flink.

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, Restorable, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::AggregateCall;

use super::*;

impl Restorable for GroupAggregate {
    fn snapshot(&self) -> Result<Vec<u8>> {
        self.snapshot()
    }

    fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
        self.restore(parts, key_groups)
    }
}

fn bigint() -> LogicalType {
    LogicalType::new(TypeKind::BigInt)
}

/// Columns `k STRING, x INT, f BOOLEAN`.
fn input() -> Schema {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    Schema::new(vec![field("k", TypeKind::Varchar(9)), field("x", TypeKind::Int), field("f", TypeKind::Boolean)])
}

/// `sum(x)`, `count(distinct x)`, `count(*)`, `min(x) filter (where f)`.
fn call(text: &str) -> AggregateCall {
    let (function, rest) = text.split_once('(').unwrap();
    let ty = if function == "count" { bigint() } else { LogicalType::new(TypeKind::Int) };
    AggregateCall {
        function: FunctionId::new(function),
        args: if rest.starts_with('*') { Vec::new() } else { vec![1] },
        filter: rest.contains("filter").then_some(2),
        distinct: rest.starts_with("distinct"),
        ty,
    }
}

fn spec(keys: &[usize], calls: &[&str], changelog: ChangelogMode) -> GroupAggregateSpec {
    let input = input();
    let aggregates: Vec<AggregateCall> = calls.iter().map(|c| call(c)).collect();
    let mut output = input.project(keys);
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    GroupAggregateSpec {
        input,
        keys: keys.to_vec(),
        aggregates,
        input_changelog: changelog,
        emit_update_before: true,
        state_ttl_ms: 0,
        output,
    }
}

fn run(spec: &GroupAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    let output_keys: Vec<usize> = (0..spec.keys.len()).collect();
    check_restorable(&case, Some((&spec.keys, &output_keys)), || GroupAggregate::from_spec(spec.clone()).unwrap())
}

const INSERTS: &str = "
    +I | a | 1 | false
    +I | a | 1 | true
    wm 1
    +I | b | 5 | true
    +I | a | NULL | NULL
    wm 2
    +I | NULL | 7 | true
    +I | b | -20 | false
    +I | a | 2 | true
    +I | b | 5 | true
    wm 3";

#[test]
fn a_first_row_inserts_and_each_further_one_updates() {
    let spec = spec(&[0], &["count(*)", "sum(x)"], ChangelogMode::INSERT_ONLY);
    let expected = "+I | a | 1 | 1\n-U | a | 1 | 1\n+U | a | 2 | 2\nwm 1\n+I | b | 1 | 5\n-U | a | 2 | 2\n\
        +U | a | 3 | 2\nwm 2\n+I | NULL | 1 | 7\n-U | b | 1 | 5\n+U | b | 2 | -15\n-U | a | 3 | 2\n\
        +U | a | 4 | 4\n-U | b | 2 | -15\n+U | b | 3 | -10\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

#[test]
fn without_update_before_only_the_new_rows_come() {
    let mut spec = spec(&[0], &["count(*)"], ChangelogMode::INSERT_ONLY);
    spec.emit_update_before = false;
    let expected = "+I | a | 1\n+U | a | 2\nwm 1\n+I | b | 1\n+U | a | 3\nwm 2\n+I | NULL | 1\n+U | b | 2\n\
        +U | a | 4\n+U | b | 3\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

#[test]
fn a_result_that_does_not_change_is_not_emitted() {
    let spec = spec(&[0], &["max(x)", "min(x)"], ChangelogMode::INSERT_ONLY);
    let expected = "+I | a | 1 | 1\nwm 1\n+I | b | 5 | 5\nwm 2\n+I | NULL | 7 | 7\n-U | b | 5 | 5\n\
        +U | b | 5 | -20\n-U | a | 1 | 1\n+U | a | 2 | 1\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

#[test]
fn distinct_and_filter_decide_per_call() {
    let calls = ["count(distinct x)", "count(x) filter", "sum(distinct x) filter", "avg(distinct x)"];
    let spec = spec(&[0], &calls, ChangelogMode::INSERT_ONLY);
    let expected = "+I | a | 1 | 0 | NULL | 1\n-U | a | 1 | 0 | NULL | 1\n+U | a | 1 | 1 | 1 | 1\nwm 1\n\
        +I | b | 1 | 1 | 5 | 5\nwm 2\n+I | NULL | 1 | 1 | 7 | 7\n-U | b | 1 | 1 | 5 | 5\n+U | b | 2 | 1 | 5 | -7\n\
        -U | a | 1 | 1 | 1 | 1\n+U | a | 2 | 2 | 3 | 1\n-U | b | 2 | 1 | 5 | -7\n+U | b | 2 | 2 | 5 | -7\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

#[test]
fn select_distinct_has_no_aggregates() {
    let spec = spec(&[0], &[], ChangelogMode::INSERT_ONLY);
    assert_eq!(run(&spec, INSERTS), "+I | a\nwm 1\n+I | b\nwm 2\n+I | NULL\nwm 3");
}

#[test]
fn a_global_aggregate_says_nothing_of_no_row() {
    let spec = spec(&[], &["count(*)", "sum(x)"], ChangelogMode::INSERT_ONLY);
    assert_eq!(run(&spec, "wm 5"), "wm 5");
    assert_eq!(run(&spec, "+I | a | 1 | NULL\n+I | b | NULL | NULL"), "+I | 1 | 1\n-U | 1 | 1\n+U | 2 | 1");
}

/// Flink's changelog of `SELECT k, COUNT(*) AS n, SUM(x) AS s FROM t GROUP BY k`, with `n` as key.
const NESTED: &str = "
    +I | 1 | 1 | true
    +I | 1 | 1 | true
    -U | 1 | 1 | true
    +U | 2 | 3 | true
    +I | 1 | 5 | true
    -U | 1 | 1 | true
    +U | 2 | 5 | true
    -U | 1 | 5 | true
    +U | 2 | 6 | true
    -U | 2 | 3 | true
    +U | 3 | 6 | true";

#[test]
fn counts_of_counts_are_those_recorded_from_flink() {
    let spec = spec(&[0], &["count(*)"], ChangelogMode::ALL);
    let expected = "+I | 1 | 1\n-U | 1 | 1\n+U | 1 | 2\n-U | 1 | 2\n+U | 1 | 1\n+I | 2 | 1\n-U | 1 | 1\n+U | 1 | 2\n\
        -U | 1 | 2\n+U | 1 | 1\n-U | 2 | 1\n+U | 2 | 2\n-D | 1 | 1\n-U | 2 | 2\n+U | 2 | 3\n-U | 2 | 3\n+U | 2 | 2\n\
        +I | 3 | 1";
    assert_eq!(run(&spec, NESTED), expected);
}

#[test]
fn minima_and_distinct_counts_over_updates_are_those_recorded_from_flink() {
    let spec = spec(&[0], &["min(x)", "max(x)", "count(distinct x)"], ChangelogMode::ALL);
    let expected = "+I | 1 | 1 | 1 | 1\n+I | 2 | 3 | 3 | 1\n-U | 1 | 1 | 1 | 1\n+U | 1 | 1 | 5 | 2\n\
        -U | 1 | 1 | 5 | 2\n+U | 1 | 5 | 5 | 1\n-U | 2 | 3 | 3 | 1\n+U | 2 | 3 | 5 | 2\n-D | 1 | 5 | 5 | 1\n\
        -U | 2 | 3 | 5 | 2\n+U | 2 | 3 | 6 | 3\n-U | 2 | 3 | 6 | 3\n+U | 2 | 5 | 6 | 2\n+I | 3 | 6 | 6 | 1";
    assert_eq!(run(&spec, NESTED), expected);
}

#[test]
fn a_group_that_ends_begins_anew() {
    let spec = spec(&[0], &["sum(x)", "min(x)", "count(distinct x)"], ChangelogMode::ALL);
    let script = "
        -D | a | 9 | true
        +I | a | 1 | true
        -D | a | 1 | true
        -D | a | 5 | true
        +I | b | 3 | true
        +I | a | 2 | true
        +I | a | 4 | true
        -D | a | 2 | true
        -D | a | 4 | true
        +I | a | 4 | true
        -D | b | 3 | true";
    let expected = "+I | a | 1 | 1 | 1\n-D | a | 1 | 1 | 1\n+I | b | 3 | 3 | 1\n+I | a | 2 | 2 | 1\n\
        -U | a | 2 | 2 | 1\n+U | a | 6 | 2 | 2\n-U | a | 6 | 2 | 2\n+U | a | 4 | 4 | 1\n-D | a | 4 | 4 | 1\n\
        +I | a | 4 | 4 | 1\n-D | b | 3 | 3 | 1";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn a_global_aggregate_is_deleted_with_its_last_row() {
    let spec = spec(&[], &["count(*)"], ChangelogMode::ALL);
    let script = "+I | a | 1 | true\n-D | a | 1 | true\n+I | a | 3 | true";
    assert_eq!(run(&spec, script), "+I | 1\n-D | 1\n+I | 1");
}

#[test]
fn state_that_was_not_changed_for_its_time_to_live_is_forgotten() {
    let mut spec = spec(&[0], &["max(x)"], ChangelogMode::ALL);
    spec.aggregates[0] = call("sum(x)");
    spec.state_ttl_ms = 1000;
    let script = "
        +I | a | 1 | true
        time 999
        +I | a | 0 | true
        time 1998
        -D | b | 9 | true
        +I | a | 0 | true
        time 2998
        -D | a | 1 | true
        +I | a | 5 | true";
    let expected = "+I | a | 1\n-U | a | 1\n+U | a | 1\n-U | a | 1\n+U | a | 1\n+I | a | 5";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn expired_groups_give_their_memory_back() {
    let mut spec = spec(&[1], &["count(*)"], ChangelogMode::INSERT_ONLY);
    spec.state_ttl_ms = 10;
    let mut operator = GroupAggregate::from_spec(spec.clone()).unwrap();
    for step in 0..200 {
        let text = format!("+I | a | {step} | true");
        operator.aggregate(&flott_api::testing::batch(&spec.input, &text), step * 5).unwrap();
    }
    assert!(operator.groups.table.len() <= 3, "{} groups", operator.groups.table.len());
}

#[test]
fn values_under_distinct_expire_by_themselves() {
    let mut spec = spec(&[0], &["count(distinct x)"], ChangelogMode::INSERT_ONLY);
    spec.state_ttl_ms = 1000;
    spec.emit_update_before = false;
    let script = "+I | a | 1 | true\ntime 600\n+I | a | 1 | true\ntime 1200\n+I | a | 1 | true";
    assert_eq!(run(&spec, script), "+I | a | 1\n+U | a | 1\n+U | a | 2");
}

#[test]
fn time_to_live_is_refused_where_single_values_would_expire() {
    let mut spec = spec(&[0], &["min(x)"], ChangelogMode::ALL);
    spec.state_ttl_ms = 1;
    assert!(GroupAggregate::from_spec(spec).err().unwrap().message().contains("'table.exec.state.ttl'"));
}

#[test]
fn a_retraction_in_an_insert_only_stream_is_an_error() {
    let spec = spec(&[0], &["max(x)"], ChangelogMode::INSERT_ONLY);
    let mut operator = GroupAggregate::from_spec(spec.clone()).unwrap();
    let rows = flott_api::testing::batch(&spec.input, "-D | a | 1 | true");
    assert_eq!(operator.aggregate(&rows, 0).unwrap_err().kind(), flott_api::ErrorKind::Internal);
}

#[test]
fn state_of_other_aggregates_is_refused() {
    let one = GroupAggregate::from_spec(spec(&[0], &["sum(x)"], ChangelogMode::ALL)).unwrap();
    let mut other = GroupAggregate::from_spec(spec(&[0], &["max(x)"], ChangelogMode::ALL)).unwrap();
    let error = other.restore(&[one.snapshot().unwrap()], 0..128).unwrap_err();
    assert!(error.message().starts_with("the state is 'aggregates sum-1(INT)"), "{error}");
}

#[test]
fn an_ended_group_gives_its_memory_back() {
    let spec = spec(&[1], &["sum(x)", "min(x)", "count(distinct x)"], ChangelogMode::ALL);
    let mut operator = GroupAggregate::from_spec(spec.clone()).unwrap();
    let mut sizes = Vec::new();
    for step in 0..100 {
        let text = format!("+I | a | {step} | true\n-D | a | {step} | true\n-D | b | {} | true", step + 1000);
        operator.aggregate(&flott_api::testing::batch(&spec.input, &text), 0).unwrap();
        sizes.push(operator.memory_bytes());
    }
    assert!(operator.groups.table.is_empty());
    assert_eq!(sizes[99], sizes[10]);
}
