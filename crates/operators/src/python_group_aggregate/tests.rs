//! The aggregate of the tests beside built-in ones: what a group gives, through batches, restarts and rescales.

use flott_api::expr::FunctionId;
use flott_api::function::UserFunction;
use flott_api::ids::Subtask;
use flott_api::table::ChangelogMode;
use flott_api::testing::functions::{total, user_function};
use flott_api::testing::{Case, FakeStateStore, FakeWorld, batch, check, check_restorable, open_context_with, ready};
use flott_api::{Field, LogicalType, TypeKind};
use flott_graph::spec::{AggregateCall, GroupAggregateSpec};

use super::*;

fn bigint() -> LogicalType {
    LogicalType::not_null(TypeKind::BigInt)
}

/// Columns `k STRING, x BIGINT, f BOOLEAN`.
fn input() -> flott_api::Schema {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    flott_api::Schema::new(vec![
        field("k", TypeKind::Varchar(9)),
        field("x", TypeKind::BigInt),
        field("f", TypeKind::Boolean),
    ])
}

/// `total(x)`, `total(distinct x)`, `total(x) filter`, `count(*)`.
fn call(text: &str) -> AggregateCall {
    let function = match text.split_once('(') {
        Some(("total", _)) => FunctionId::of_user("total", total()),
        _ => FunctionId::new("count"),
    };
    AggregateCall {
        args: if text.contains('*') { Vec::new() } else { vec![1] },
        filter: text.contains("filter").then_some(2),
        distinct: text.contains("distinct"),
        ty: bigint(),
        function,
    }
}

fn spec(calls: &[&str], changelog: ChangelogMode, rows_max: Option<u64>) -> PythonGroupAggregateSpec {
    let (input, keys) = (input(), vec![0]);
    let aggregates: Vec<AggregateCall> = calls.iter().map(|c| call(c)).collect();
    let mut output = input.project(&keys);
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    let groups = GroupAggregateSpec {
        input,
        keys,
        aggregates,
        input_changelog: changelog,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch_rows_max: rows_max,
        output,
    };
    PythonGroupAggregateSpec { groups, session_zone: "UTC".to_owned() }
}

/// Where rows are put together depends on mini-batches alone, so that all ways to cut them give the same. A checkpoint ends one.
fn run(spec: &PythonGroupAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.groups.input, event_time: EventTime::Sliced, script };
    if spec.groups.mini_batch_rows_max != Some(1) {
        return check(&case, || Box::new(PythonGroupAggregate::from_spec(spec.clone()).unwrap()));
    }
    check_restorable(&case, Some((&[0], &[0])), || PythonGroupAggregate::from_spec(spec.clone()).unwrap())
}

const INSERTS: &str = "
    +I | a | 1 | false
    +I | a | 2 | true
    wm 1
    +I | b | 5 | true
    +I | a | NULL | NULL
    wm 2
    +I | a | 2 | true
    +I | b | -20 | false
    wm 3";

#[test]
fn a_group_changes_with_each_row_of_a_mini_batch_of_one() {
    let spec = spec(&["total(x)", "count(*)"], ChangelogMode::INSERT_ONLY, Some(1));
    let expected = "+I | a | 1 | 1\n-U | a | 1 | 1\n+U | a | 3 | 2\nwm 1\n+I | b | 5 | 1\n-U | a | 3 | 2\n\
        +U | a | 3 | 3\nwm 2\n-U | a | 3 | 3\n+U | a | 5 | 4\n-U | b | 5 | 1\n+U | b | -15 | 2\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

#[test]
fn a_group_changes_once_for_all_rows_of_a_mini_batch() {
    let calls = ["total(x)", "total(distinct x)", "total(x) filter", "count(*)"];
    let spec = spec(&calls, ChangelogMode::INSERT_ONLY, Some(100));
    let expected = "+I | a | 3 | 3 | 2 | 2\nwm 1\n+I | b | 5 | 5 | 5 | 1\n-U | a | 3 | 3 | 2 | 2\n\
        +U | a | 3 | 3 | 2 | 3\nwm 2\n-U | a | 3 | 3 | 2 | 3\n+U | a | 5 | 3 | 4 | 4\n\
        -U | b | 5 | 5 | 5 | 1\n+U | b | -15 | -15 | 5 | 2\nwm 3";
    assert_eq!(run(&spec, INSERTS), expected);
}

const CHANGES: &str = "
    -D | c | 3 | true
    +I | a | 1 | true
    +I | b | 5 | true
    wm 1
    -U | a | 1 | true
    +U | a | 4 | true
    -D | b | 5 | true
    wm 2
    +I | b | 6 | false
    -D | a | 4 | true
    +I | a | 8 | true
    wm 3";

#[test]
fn rows_are_taken_back_and_groups_end() {
    let spec = spec(&["total(x)", "total(distinct x) filter", "count(*)"], ChangelogMode::ALL, Some(100));
    let expected = "+I | a | 1 | 1 | 1\n+I | b | 5 | 5 | 1\nwm 1\n-U | a | 1 | 1 | 1\n+U | a | 4 | 4 | 1\n\
        -D | b | 5 | 5 | 1\nwm 2\n+I | b | 6 | 0 | 1\n-U | a | 4 | 4 | 1\n+U | a | 8 | 8 | 1\nwm 3";
    assert_eq!(run(&spec, CHANGES), expected);
    let spec = self::spec(&["total(x)", "total(distinct x) filter", "count(*)"], ChangelogMode::ALL, Some(1));
    let expected = "+I | a | 1 | 1 | 1\n+I | b | 5 | 5 | 1\nwm 1\n-D | a | 1 | 1 | 1\n+I | a | 4 | 4 | 1\n\
        -D | b | 5 | 5 | 1\nwm 2\n+I | b | 6 | 0 | 1\n-D | a | 4 | 4 | 1\n+I | a | 8 | 8 | 1\nwm 3";
    assert_eq!(run(&spec, CHANGES), expected);
}

#[test]
fn without_mini_batches_a_batch_is_one() {
    let spec = spec(&["total(x)"], ChangelogMode::INSERT_ONLY, None);
    let mut operator = PythonGroupAggregate::from_spec(spec.clone()).unwrap();
    let one = Subtask { index: 0, parallelism: 1 };
    operator.open(&open_context_with(&FakeWorld::at(0), one, 128, FakeStateStore::new())).unwrap();
    ready(operator.beside.start()).unwrap();
    let mut changes = |rows: &str| {
        let rows = batch(&spec.groups.input, rows);
        flott_api::testing::lines(&ready(operator.aggregate(&[rows], 1)).unwrap())
    };
    assert_eq!(changes("+I | a | 1 | true\n+I | a | 2 | true"), ["+I | a | 3"]);
    assert_eq!(changes("+I | a | 1 | true\n+I | a | -1 | true"), Vec::<String>::new(), "nothing has changed");
    assert_eq!(changes("+I | a | 4 | true"), ["-U | a | 3", "+U | a | 7"]);
}

#[test]
fn specifications_that_cannot_be_are_refused() {
    let refused = |change: &dyn Fn(&mut PythonGroupAggregateSpec)| {
        let mut spec = spec(&["total(x)"], ChangelogMode::ALL, None);
        change(&mut spec);
        assert!(PythonGroupAggregate::from_spec(spec).is_err());
    };
    refused(&|spec| spec.groups.aggregates[0].args = vec![9]);
    refused(&|spec| spec.groups.aggregates.clear());
    refused(&|spec| spec.groups.aggregates[0] = call("count(*)"));
    refused(&|spec| {
        let scalar = UserFunction { accumulator: None, ..user_function("sum", bigint()) };
        spec.groups.aggregates[0].function = FunctionId::of_user("sum", scalar);
    });
}
