//! What Flink emits for each row, and the state behind it through batches, restarts and rescales.
//! The changelogs of `agg/nested.sql` and `agg/having_filter_distinct.sql` are recorded from Flink.

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{
    Case, FakeSnapshot, FakeStateStore, FakeWorld, batch, check_restorable, open_context_with, ready,
};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::AggregateCall;

use super::*;

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
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    let ty = match function {
        "count" => bigint(),
        "array_agg" => LogicalType::new(TypeKind::Array(int())),
        "bitmap_build_cardinality_agg" => bigint(),
        name if name.starts_with("bitmap_") => LogicalType::new(TypeKind::Bitmap),
        "collect" => LogicalType::new(TypeKind::Multiset(int())),
        "$welford_m2$1" => LogicalType::new(TypeKind::Double),
        _ => LogicalType::new(TypeKind::Int),
    };
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
        mini_batch_rows_max: None,
        output,
    }
}

const ONE: flott_api::ids::Subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };

fn open(spec: &GroupAggregateSpec, store: std::sync::Arc<FakeStateStore>) -> Result<GroupAggregate> {
    let mut operator = GroupAggregate::from_spec(spec.clone()).unwrap();
    operator.open(&open_context_with(&FakeWorld::at(0), ONE, 128, store))?;
    Ok(operator)
}

fn opened(spec: &GroupAggregateSpec) -> GroupAggregate {
    open(spec, FakeStateStore::new()).unwrap()
}

fn state(operator: &GroupAggregate) -> &KeyedState<Groups> {
    operator.state.as_ref().unwrap()
}

/// What the operator would leave behind in a checkpoint after these rows.
fn checkpoint(spec: &GroupAggregateSpec, rows: &str, restored: FakeSnapshot) -> FakeSnapshot {
    let store = FakeStateStore::restored(restored);
    let mut operator = open(spec, store.clone()).unwrap();
    ready(operator.aggregate(&batch(&spec.input, rows), 1)).unwrap();
    let state = operator.state.as_mut().unwrap();
    state.close_epoch();
    while !ready(state.drain(1)).unwrap() {}
    store.snapshot()
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

/// Rows that come, go and come again, with nulls and equal values.
const CHANGES: &str = "
    +I | a | 5 | true
    +I | a | NULL | true
    wm 1
    +I | b | 7 | true
    +I | a | 3 | false
    +I | a | 5 | true
    -D | b | 7 | true
    -U | a | 5 | true
    +U | a | 9 | true
    wm 2
    +I | b | NULL | true
    -D | a | NULL | true
    -D | a | 3 | false
    -D | a | 5 | true
    -D | a | 9 | true
    +I | a | 1 | false";

#[test]
fn first_and_last_values_and_lists_survive_retractions() {
    let spec = spec(&[0], &["first_value(x)", "last_value(x)", "array_agg(x)"], ChangelogMode::ALL);
    let expected = "+I | a | 5 | 5 | [5]\n-U | a | 5 | 5 | [5]\n+U | a | 5 | 5 | [5, NULL]\nwm 1\n\
        +I | b | 7 | 7 | [7]\n-U | a | 5 | 5 | [5, NULL]\n+U | a | 5 | 3 | [5, NULL, 3]\n\
        -U | a | 5 | 3 | [5, NULL, 3]\n+U | a | 5 | 5 | [5, NULL, 3, 5]\n-D | b | 7 | 7 | [7]\n\
        -U | a | 5 | 5 | [5, NULL, 3, 5]\n+U | a | 3 | 5 | [NULL, 3, 5]\n-U | a | 3 | 5 | [NULL, 3, 5]\n\
        +U | a | 3 | 9 | [NULL, 3, 5, 9]\nwm 2\n+I | b | NULL | NULL | [NULL]\n\
        -U | a | 3 | 9 | [NULL, 3, 5, 9]\n+U | a | 3 | 9 | [3, 5, 9]\n-U | a | 3 | 9 | [3, 5, 9]\n\
        +U | a | 5 | 9 | [5, 9]\n-U | a | 5 | 9 | [5, 9]\n+U | a | 9 | 9 | [9]\n-D | a | 9 | 9 | [9]\n\
        +I | a | 1 | 1 | [1]";
    assert_eq!(run(&spec, CHANGES), expected);
}

#[test]
fn multisets_and_squares_survive_retractions() {
    let spec = spec(&[0], &["collect(x)", "$welford_m2$1(x)", "array_agg(distinct x)"], ChangelogMode::ALL);
    let answer = run(&spec, CHANGES);
    let lines: Vec<&str> = answer.lines().filter(|l| l.starts_with("+")).collect();
    let expected = [
        "+I | a | [(5, 1)] | 0 | [5]",
        "+U | a | [(5, 1)] | 0 | [5, NULL]",
        "+I | b | [(7, 1)] | 0 | [7]",
        "+U | a | [(3, 1), (5, 1)] | 2 | [5, NULL, 3]",
        "+U | a | [(3, 1), (5, 2)] | 2.666666666666667 | [5, NULL, 3]",
        "+U | a | [(3, 1), (5, 1)] | 1.9999999999999996 | [5, NULL, 3]",
        "+U | a | [(3, 1), (5, 1), (9, 1)] | 18.66666666666667 | [5, NULL, 3, 9]",
        "+I | b | [] | NULL | [NULL]",
        "+U | a | [(3, 1), (5, 1), (9, 1)] | 18.66666666666667 | [5, 3, 9]",
        "+U | a | [(5, 1), (9, 1)] | 8.000000000000009 | [5, 9]",
        "+U | a | [(9, 1)] | 0.000000000000015987211554602254 | [9]",
        "+I | a | [(1, 1)] | 0 | [1]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn lists_that_are_too_long_for_a_batch_come_in_several() {
    let mut spec = spec(&[], &["array_agg(x)"], ChangelogMode::INSERT_ONLY);
    spec.emit_update_before = false;
    let mut operator = opened(&spec);
    let rows: Vec<String> = (0..3000).map(|i| format!("+I | a | {i} | true")).collect();
    ready(operator.aggregate(&batch(&spec.input, &rows.join("\n")), 0)).unwrap();
    let at_once = operator.state.as_mut().unwrap().entries_mut().rows_at_once(&operator.plan);
    assert!((1..1000).contains(&at_once), "{at_once} rows at once");
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
    let mut operator = opened(&spec);
    for step in 0..200 {
        let text = format!("+I | a | {step} | true");
        ready(operator.aggregate(&batch(&spec.input, &text), step * 5)).unwrap();
    }
    assert!(state(&operator).len() <= 3, "{} groups", state(&operator).len());
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
fn values_that_are_kept_in_order_live_as_long_as_their_group() {
    let mut spec = spec(&[0], &["min(x)"], ChangelogMode::ALL);
    spec.state_ttl_ms = 1000;
    spec.emit_update_before = false;
    let script = "
        +I | a | 1 | true
        +I | a | 2 | true
        time 900
        +I | a | 7 | true
        time 1800
        -D | a | 1 | true
        time 2700
        -D | a | 7 | true
        time 3700
        -D | a | 2 | true
        +I | a | 9 | true";
    // What is in the group is not forgotten before all of it is.
    assert_eq!(run(&spec, script), "+I | a | 1\n+U | a | 1\n+U | a | 1\n+U | a | 2\n+U | a | 2\n+I | a | 9");
}

#[test]
fn a_retraction_in_an_insert_only_stream_is_an_error() {
    let spec = spec(&[0], &["max(x)"], ChangelogMode::INSERT_ONLY);
    let mut operator = opened(&spec);
    let rows = batch(&spec.input, "-D | a | 1 | true");
    assert_eq!(ready(operator.aggregate(&rows, 0)).unwrap_err().kind(), flott_api::ErrorKind::Internal);
}

#[test]
fn state_of_other_aggregates_is_refused_with_a_diff() {
    let old = checkpoint(&spec(&[0], &["sum(x)"], ChangelogMode::ALL), "+I | a | 1 | true", FakeSnapshot::default());
    for (keys, call, detail) in [
        (
            &[0],
            "max(x)",
            "It had [rows as count, sum-1(x INT) as sum Int64, count Int64]; of what is new, [max-1(x INT)",
        ),
        (&[1], "sum(x)", "Its keys were (VARCHAR(9)) and are (INT)."),
    ] {
        let error =
            open(&spec(keys, &[call], ChangelogMode::ALL), FakeStateStore::restored(old.clone())).err().unwrap();
        assert_eq!(error.message(), "state 'groups' of the checkpoint is not that of the operator");
        assert!(error.detail().unwrap().starts_with(detail), "{:?}", error.detail());
    }
}

#[test]
fn aggregates_may_be_dropped_and_reordered() {
    let rows = "+I | a | 1 | true\n+I | a | 2 | true\n+I | b | 7 | true";
    let three = spec(&[0], &["sum(x)", "count(distinct x)", "max(x)"], ChangelogMode::INSERT_ONLY);
    let old = checkpoint(&three, rows, FakeSnapshot::default());
    // Of two keys one is rewritten, so that both layouts lie in the store.
    let two = spec(&[0], &["max(x)", "sum(x)"], ChangelogMode::INSERT_ONLY);
    let old = checkpoint(&two, "+I | a | 9 | true", old);
    let one = spec(&[0], &["sum(x)"], ChangelogMode::INSERT_ONLY);
    let mut operator = open(&one, FakeStateStore::restored(old)).unwrap();
    let rows = batch(&one.input, "+I | a | 1 | true\n+I | b | 1 | true");
    let output = ready(operator.aggregate(&rows, 2)).unwrap();
    let expected = ["-U | a | 12", "+U | a | 13", "-U | b | 7", "+U | b | 8"];
    assert_eq!(flott_api::testing::lines(&output), expected);
}

#[test]
fn equal_aggregates_have_parts_of_their_own() {
    let twice = spec(&[0], &["sum(x)", "sum(x)", "count(*)"], ChangelogMode::INSERT_ONLY);
    let old = checkpoint(&twice, "+I | a | 1 | true", FakeSnapshot::default());
    let names: Vec<&str> = old.states[0].parts.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["rows", "sum-1(x INT)", "sum-1(x INT) #2", "count-1()"]);
}

#[test]
fn a_time_to_live_may_come_change_and_go_with_a_restore() {
    let with = |ttl_ms| GroupAggregateSpec {
        state_ttl_ms: ttl_ms,
        ..spec(&[0], &["count(distinct x)"], ChangelogMode::INSERT_ONLY)
    };
    let after = |old: &FakeSnapshot, ttl_ms: i64, now_ms: i64| {
        let mut operator = open(&with(ttl_ms), FakeStateStore::restored(old.clone())).unwrap();
        let rows = batch(&with(ttl_ms).input, "+I | a | 2 | true");
        let output = ready(operator.aggregate(&rows, now_ms)).unwrap();
        flott_api::testing::lines(&output).pop().unwrap()
    };
    let (fresh, kept) = ("+I | a | 1".to_owned(), "+U | a | 2".to_owned());
    let without = checkpoint(&with(0), "+I | a | 1 | true", FakeSnapshot::default());
    assert_eq!(after(&without, 10, 9000), kept, "what was written without a time was changed now");
    let timed = checkpoint(&with(1000), "+I | a | 1 | true", FakeSnapshot::default());
    assert_eq!([after(&timed, 1000, 1000), after(&timed, 1000, 1001)], [kept.clone(), fresh.clone()]);
    assert_eq!([after(&timed, 10, 1000), after(&timed, 0, 9000)], [fresh, kept]);
}

#[test]
fn an_ended_group_gives_its_memory_back() {
    let spec = spec(&[1], &["sum(x)", "min(x)", "count(distinct x)"], ChangelogMode::ALL);
    let mut operator = opened(&spec);
    let mut sizes = Vec::new();
    for step in 0..1000 {
        let text = format!("+I | a | {step} | true\n-D | a | {step} | true\n-D | b | {} | true", step + 1000);
        ready(operator.aggregate(&batch(&spec.input, &text), 0)).unwrap();
        sizes.push(state(&operator).memory_bytes());
    }
    assert!(state(&operator).is_empty());
    assert_eq!(sizes[999], sizes[200]);
}

#[test]
fn a_mini_batch_of_one_row_gives_what_the_row_gives() {
    let calls = ["count(*)", "sum(x)", "count(distinct x)"];
    let plain = spec(&[0], &calls, ChangelogMode::ALL);
    let mini_batches = GroupAggregateSpec { mini_batch_rows_max: Some(1), ..plain.clone() };
    let case = Case { input: &plain.input, event_time: EventTime::Sliced, script: CHANGES };
    let make = || GroupAggregate::from_spec(mini_batches.clone()).unwrap();
    assert_eq!(check_restorable(&case, Some((&[0], &[0])), make), run(&plain, CHANGES));
}

const SETS: &str = "
    +I | a | {1,2,3}
    +I | b | NULL
    +I | a | {2,3,4}
    wm 1
    -U | a | {1,2,3}
    +U | a | {3,4294967295}
    +I | b | {7}
    +I | c | {}
    wm 2
    -D | b | {7}
    -D | c | {}
    +I | a | {3}
    -D | a | {2,3,4}
    wm 3";

#[test]
fn bitmaps_come_and_go() {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input = Schema::new(vec![field("k", TypeKind::Varchar(9)), field("m", TypeKind::Bitmap)]);
    let calls = ["bitmap_and_agg(m)", "bitmap_or_agg(m)", "bitmap_xor_agg(m)", "bitmap_or_agg(distinct m)"];
    let spec = GroupAggregateSpec { input, ..spec(&[0], &calls, ChangelogMode::ALL) };
    let expected = "+I | a | {1,2,3} | {1,2,3} | {1,2,3} | {1,2,3}\n+I | b | NULL | NULL | NULL | NULL\n\
        -U | a | {1,2,3} | {1,2,3} | {1,2,3} | {1,2,3}\n+U | a | {2,3} | {1,2,3,4} | {1,4} | {1,2,3,4}\nwm 1\n\
        -U | a | {2,3} | {1,2,3,4} | {1,4} | {1,2,3,4}\n+U | a | {2,3,4} | {2,3,4} | {2,3,4} | {2,3,4}\n\
        -U | a | {2,3,4} | {2,3,4} | {2,3,4} | {2,3,4}\n\
        +U | a | {3} | {2,3,4,4294967295} | {2,4,4294967295} | {2,3,4,4294967295}\n\
        -U | b | NULL | NULL | NULL | NULL\n+U | b | {7} | {7} | {7} | {7}\n+I | c | {} | {} | {} | {}\nwm 2\n\
        -U | b | {7} | {7} | {7} | {7}\n+U | b | NULL | NULL | NULL | NULL\n-D | c | {} | {} | {} | {}\n\
        -U | a | {3} | {2,3,4,4294967295} | {2,4,4294967295} | {2,3,4,4294967295}\n\
        +U | a | {3} | {2,3,4,4294967295} | {2,3,4,4294967295} | {2,3,4,4294967295}\n\
        -U | a | {3} | {2,3,4,4294967295} | {2,3,4,4294967295} | {2,3,4,4294967295}\n\
        +U | a | {3} | {3,4294967295} | {4294967295} | {3,4294967295}\nwm 3";
    assert_eq!(run(&spec, SETS), expected);
}

#[test]
fn bitmaps_are_built() {
    let calls = ["bitmap_build_agg(x)", "bitmap_build_cardinality_agg(x)", "bitmap_build_agg(x) filter"];
    let expected = "+I | a | {1} | 1 | NULL\n-U | a | {1} | 1 | NULL\n+U | a | {1} | 1 | {1}\nwm 1\n\
        +I | b | {5} | 1 | {5}\nwm 2\n+I | NULL | {7} | 1 | {7}\n-U | b | {5} | 1 | {5}\n\
        +U | b | {5,4294967276} | 2 | {5}\n-U | a | {1} | 1 | {1}\n+U | a | {1,2} | 2 | {1,2}\nwm 3";
    assert_eq!(run(&spec(&[0], &calls, ChangelogMode::INSERT_ONLY), INSERTS), expected);
}

#[test]
fn large_bitmaps_are_put_together_by_few_rows_at_once() {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input = Schema::new(vec![field("k", TypeKind::Varchar(9)), field("m", TypeKind::Bitmap)]);
    let spec = GroupAggregateSpec { input, ..spec(&[0], &["bitmap_or_agg(m)"], ChangelogMode::INSERT_ONLY) };
    let operator = opened(&spec);
    let rows = |row: usize, values: usize| {
        let values: Vec<String> = (0..values).map(|v| (row * values * 70_000 + v * 70_000).to_string()).collect();
        format!("+I | a | {{{}}}", values.join(","))
    };
    let large: Vec<String> = (0..20).map(|row| rows(row, 2000)).collect();
    let small: Vec<String> = (0..20).map(|row| rows(row, 1)).collect();
    let at_once = |rows: &[String]| operator.plan.rows_by_arguments(batch(&spec.input, &rows.join("\n")).rows());
    assert!((40..80).contains(&at_once(&large)), "{}", at_once(&large));
    assert!(at_once(&small) > 1000 && at_once(&[]) == usize::MAX, "{}", at_once(&small));
}
