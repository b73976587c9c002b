//! Rows of sessions, in their order and with their kinds.

use flott_api::testing::{Case, check_restorable};
use flott_graph::spec::{WindowKind, WindowTime};

use super::*;

fn spec(keys: &[usize]) -> WindowTableFunctionSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let time = TypeKind::Timestamp(3);
    let input =
        Schema::new(vec![field("ts", time.clone()), field("who", TypeKind::Varchar(9)), field("x", TypeKind::Int)]);
    let mut output = input.clone();
    output.fields.extend([time.clone(), time.clone(), time].map(|k| field("w", k)));
    let window = WindowKind::Session { gap_ms: 10_000, keys: keys.to_vec() };
    WindowTableFunctionSpec { input, time: WindowTime::Rowtime(0), window, zone: "UTC".to_owned(), output }
}

fn run(spec: &WindowTableFunctionSpec, keys: &[usize], script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    check_restorable(&case, Some((keys, keys)), || SessionTableFunction::from_spec(spec.clone()).unwrap())
}

#[test]
fn rows_wait_for_the_end_of_their_session() {
    let script = "+I | 5000 | a | 1\n+I | 3000 | a | NULL\n+I | 30000 | a | 3\n+I | 4000 | NULL | 4\nwm 14999\n\
        +I | 3500 | a | 5\n+I | NULL | a | 6\n+I | 29000 | a | 7";
    let expected = "+I | 4000 | NULL | 4 | 4000 | 14000 | 13999\n+I | 5000 | a | 1 | 3000 | 15000 | 14999\n\
        +I | 3000 | a | NULL | 3000 | 15000 | 14999\nwm 14999\n\
        +I | 30000 | a | 3 | 29000 | 40000 | 39999\n+I | 29000 | a | 7 | 29000 | 40000 | 39999";
    assert_eq!(run(&spec(&[1]), &[1], script), expected);
}

#[test]
fn rows_of_two_sessions_that_become_one_come_in_the_order_of_their_coming() {
    let script = "+I | 30000 | a | 1\n+I | 10000 | a | 2\n-U | 30000 | a | 1\n+U | 11000 | a | 3\n+I | 20500 | a | 4";
    let row = |kind: &str, ts: i64, x: i64| format!("{kind} | {ts} | a | {x} | 10000 | 40000 | 39999");
    let expected =
        [row("+I", 30_000, 1), row("+I", 10_000, 2), row("-U", 30_000, 1), row("+U", 11_000, 3), row("+I", 20_500, 4)];
    assert_eq!(run(&spec(&[1]), &[1], script), expected.join("\n"));
}

#[test]
fn impossible_functions_are_refused() {
    let mut other = spec(&[1]);
    other.output.fields.pop();
    assert!(SessionTableFunction::from_spec(other).is_err());
    let mut other = spec(&[9]);
    assert!(SessionTableFunction::from_spec(other.clone()).is_err());
    other.window = WindowKind::Tumble { size_ms: 1, offset_ms: 0 };
    assert!(SessionTableFunction::from_spec(other).is_err());
}
