//! Changes of one key as those of another, through batches, restarts and rescales.

use flott_api::testing::{Case, check_restorable};
use flott_api::{Field, LogicalType, TypeKind};

use super::*;

fn spec(upsert_key: Option<Vec<usize>>) -> SinkUpsertMaterializerSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let fields = vec![field("name", TypeKind::Varchar(9)), field("n", TypeKind::BigInt), field("v", TypeKind::Int)];
    SinkUpsertMaterializerSpec { input: Schema::new(fields), primary_key: vec![0], upsert_key, state_ttl_ms: 0 }
}

fn run(spec: &SinkUpsertMaterializerSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    check_restorable(&case, Some((&[0], &[0])), || SinkUpsertMaterializer::from_spec(spec.clone()).unwrap())
}

#[test]
fn the_newest_row_of_a_key_is_what_the_sink_has() {
    let script = "
        +I | a | 1 | 7
        -U | a | 1 | 7
        +U | b | 1 | 7
        +I | b | 2 | 7
        wm 1
        +I | b | 3 | 7
        -U | b | 2 | 7
        +U | c | 2 | 8
        -D | b | 3 | 7
        wm 2
        -D | b | 1 | 7
        +I | NULL | 1 | NULL
        -D | NULL | 1 | NULL
        -D | c | 9 | 9
        wm 3";
    let expected = "+I | a | 1 | 7\n-D | a | 1 | 7\n+I | b | 1 | 7\n+U | b | 2 | 7\nwm 1\n+U | b | 3 | 7\n\
        +I | c | 2 | 8\n+U | b | 1 | 7\nwm 2\n-D | b | 1 | 7\n+I | NULL | 1 | NULL\n-D | NULL | 1 | NULL\nwm 3";
    assert_eq!(run(&spec(Some(vec![1])), script), expected);
    assert_eq!(run(&spec(None), script), expected);
}

#[test]
fn a_row_takes_the_place_of_the_one_with_its_upsert_key() {
    let script = "
        +I | a | 1 | 1
        +I | a | 2 | 1
        +U | a | 1 | 2
        -D | a | 2 | 99
        -D | a | 1 | 99";
    let with_key = "+I | a | 1 | 1\n+U | a | 2 | 1\n+U | a | 1 | 2\n+U | a | 1 | 2\n-D | a | 1 | 99";
    assert_eq!(run(&spec(Some(vec![1])), script), with_key);
    let by_all = "+I | a | 1 | 1\n+U | a | 2 | 1\n+U | a | 1 | 2";
    assert_eq!(run(&spec(None), script), by_all);
}

#[test]
fn of_equal_rows_one_is_taken_back_at_a_time() {
    let script = "
        +I | a | 1 | 1
        +I | a | 2 | 2
        +I | a | 1 | 1
        -D | a | 1 | 1
        -D | a | 1 | 1
        -D | a | 2 | 2";
    let expected = "+I | a | 1 | 1\n+U | a | 2 | 2\n+U | a | 1 | 1\n+U | a | 2 | 2\n-D | a | 2 | 2";
    assert_eq!(run(&spec(None), script), expected);
}

#[test]
fn a_key_that_is_no_column_is_a_bug_that_is_told() {
    let wrong = SinkUpsertMaterializerSpec { primary_key: vec![3], ..spec(None) };
    assert!(SinkUpsertMaterializer::from_spec(wrong).is_err());
    assert!(SinkUpsertMaterializer::from_spec(spec(Some(vec![9]))).is_err());
}
