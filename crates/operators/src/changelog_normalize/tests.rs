//! Upserts to a full changelog, through batches, restarts and rescales.

use flott_api::testing::{Case, FakeStateStore, FakeWorld, check_restorable, open_context, open_context_with, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn spec(emit_update_before: bool) -> ChangelogNormalizeSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let fields =
        vec![field("v", TypeKind::Varchar(9)), field("k", TypeKind::BigInt), field("t", TypeKind::Timestamp(9))];
    ChangelogNormalizeSpec { input: Schema::new(fields), keys: vec![1], emit_update_before, state_ttl_ms: 0 }
}

fn run(spec: &ChangelogNormalizeSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    check_restorable(&case, Some((&[1], &[1])), || ChangelogNormalize::from_spec(spec.clone()).unwrap())
}

const ONE: flott_api::ids::Subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };

fn opened(spec: &ChangelogNormalizeSpec) -> ChangelogNormalize {
    let mut operator = ChangelogNormalize::from_spec(spec.clone()).unwrap();
    operator.open(&open_context(&FakeWorld::at(0), ONE, 128)).unwrap();
    operator
}

const SCRIPT: &str = "
    -D | NULL | 9 | NULL
    +I | a | 1 | 1.5
    +U | a | 1 | 1.5
    wm 1
    +U | b | 1 | 1.5
    +U | b | 1 | 1.6
    +I | x | 2 | NULL
    wm 2
    +I | x | 2 | NULL
    -D | NULL | 1 | NULL
    -D | NULL | 1 | NULL
    +U | c | 1 | NULL
    -U | x | 2 | NULL
    +U | y | 2 | NULL
    wm 3";

#[test]
fn each_key_gets_a_full_changelog() {
    let expected = "+I | a | 1 | 1.5\nwm 1\n-U | a | 1 | 1.5\n+U | b | 1 | 1.5\n-U | b | 1 | 1.5\n+U | b | 1 | 1.6\n\
        +I | x | 2 | NULL\nwm 2\n-D | b | 1 | 1.6\n+I | c | 1 | NULL\n-D | x | 2 | NULL\n+I | y | 2 | NULL\nwm 3";
    assert_eq!(run(&spec(true), SCRIPT), expected);
}

#[test]
fn without_update_before_only_new_rows_and_deletions_come() {
    let expected = "+I | a | 1 | 1.5\nwm 1\n+U | b | 1 | 1.5\n+U | b | 1 | 1.6\n+I | x | 2 | NULL\nwm 2\n\
        -D | b | 1 | 1.6\n+I | c | 1 | NULL\n-D | x | 2 | NULL\n+I | y | 2 | NULL\nwm 3";
    assert_eq!(run(&spec(false), SCRIPT), expected);
}

#[test]
fn nested_values_are_compared_too() {
    let int = LogicalType::new(TypeKind::Int);
    let list = TypeKind::Array(Box::new(int)).arrow();
    let values = |rows: &[Option<i32>]| -> ArrayRef {
        let rows = rows.iter().map(|r| Some(vec![*r]));
        std::sync::Arc::new(arrow_array::ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(rows))
    };
    assert!(list.is_nested());
    let same = same_values(&values(&[Some(1), None, Some(2)]), &values(&[Some(1), None, Some(3)])).unwrap();
    assert_eq!(same, BooleanArray::from(vec![true, true, false]));
}

#[test]
fn with_a_time_to_live_rows_expire_and_equal_rows_refresh_them() {
    let mut spec = spec(true);
    spec.state_ttl_ms = 1000;
    let script = "
        +I | a | 1 | NULL
        time 999
        +I | a | 1 | NULL
        time 1998
        +U | b | 1 | NULL
        time 2998
        -D | NULL | 1 | NULL
        +U | c | 1 | NULL";
    let expected = "+I | a | 1 | NULL\n-U | a | 1 | NULL\n+U | a | 1 | NULL\n-U | a | 1 | NULL\n+U | b | 1 | NULL\n\
        +I | c | 1 | NULL";
    assert_eq!(run(&spec, script), expected);
    let mut operator = opened(&spec);
    for step in 0..100 {
        let text = format!("+I | a | {step} | NULL");
        ready(operator.normalize(&flott_api::testing::batch(&spec.input, &text), step * 500)).unwrap();
    }
    let keys = operator.state.as_ref().unwrap().len();
    assert!(keys <= 3, "{keys} keys");
}

#[test]
fn a_deleted_key_gives_its_memory_back() {
    let spec = spec(true);
    let mut operator = opened(&spec);
    for step in 0..50 {
        let text = format!("+I | a | {step} | NULL\n-D | a | {step} | NULL\n-D | a | {} | NULL", step + 100);
        ready(operator.normalize(&flott_api::testing::batch(&spec.input, &text), 0)).unwrap();
    }
    let state = operator.state.as_ref().unwrap();
    assert!(state.is_empty());
    assert!(state.memory_bytes() < 10_000, "{} bytes", state.memory_bytes());
}

#[test]
fn rows_of_other_columns_are_refused() {
    let (old, mut new) = (opened_on(&spec(true), FakeStateStore::new()), spec(true));
    new.input.fields[0].ty = LogicalType::new(TypeKind::Int);
    let mut operator = ChangelogNormalize::from_spec(new).unwrap();
    let cx = open_context_with(&FakeWorld::at(0), ONE, 128, FakeStateStore::restored(old.snapshot()));
    let error = operator.open(&cx).unwrap_err();
    assert_eq!(error.message(), "state 'rows' of the checkpoint is not that of the operator");
    assert!(error.detail().unwrap().contains("ROW<v VARCHAR(9), k BIGINT, t TIMESTAMP(9)>"), "{:?}", error.detail());
}

fn opened_on(spec: &ChangelogNormalizeSpec, store: std::sync::Arc<FakeStateStore>) -> std::sync::Arc<FakeStateStore> {
    let mut operator = ChangelogNormalize::from_spec(spec.clone()).unwrap();
    operator.open(&open_context_with(&FakeWorld::at(0), ONE, 128, store.clone())).unwrap();
    store
}
