//! First and last rows of windows.

use flott_api::testing::{Case, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

/// Columns `window_end, who STRING, ts, x INT`.
fn spec(keep_last: bool) -> WindowDeduplicateSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input = Schema::new(vec![
        field("window_end", TypeKind::Timestamp(3)),
        field("who", TypeKind::Varchar(9)),
        field("ts", TypeKind::Timestamp(3)),
        field("x", TypeKind::Int),
    ]);
    WindowDeduplicateSpec { input, window_end: 0, zone: "UTC".to_owned(), keys: vec![1], rowtime: 2, keep_last }
}

const SCRIPT: &str = "+I | 10000 | a | 500 | 1\n+I | 10000 | a | 400 | 2\n+I | 10000 | b | 1 | 3\n\
    +I | 20000 | a | 600 | 4\n+I | 10000 | a | 500 | 5\n+I | 10000 | a | 400 | 6\n+I | 10000 | NULL | 7 | NULL\n\
    wm 9999\n+I | 10000 | a | 1 | 7\n+I | 10000 | a | 999 | 8\n+I | 20000 | a | 600 | 9";

fn run(spec: &WindowDeduplicateSpec) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script: SCRIPT };
    check_restorable(&case, Some((&[1], &[1])), || WindowDeduplicate::from_spec(spec.clone()).unwrap())
}

#[test]
fn of_equal_times_the_first_is_first_and_the_last_last() {
    let first = "+I | 10000 | a | 400 | 2\n+I | 10000 | b | 1 | 3\n+I | 10000 | NULL | 7 | NULL\nwm 9999\n\
        +I | 20000 | a | 600 | 4";
    assert_eq!(run(&spec(false)), first);
    let last = "+I | 10000 | a | 500 | 5\n+I | 10000 | b | 1 | 3\n+I | 10000 | NULL | 7 | NULL\nwm 9999\n\
        +I | 20000 | a | 600 | 9";
    assert_eq!(run(&spec(true)), last);
}

#[test]
fn columns_that_are_not_there_are_refused() {
    let wrong = |change: fn(&mut WindowDeduplicateSpec)| {
        let mut wrong = spec(true);
        change(&mut wrong);
        WindowDeduplicate::from_spec(wrong).is_err()
    };
    assert!(wrong(|s| s.rowtime = 9) && wrong(|s| s.keys = vec![9]) && wrong(|s| s.window_end = 9));
}
