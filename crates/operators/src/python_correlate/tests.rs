//! The table function of the tests, for rows of all kinds.

use flott_api::expr::Expr;
use flott_api::function::{CallArgument, FunctionCall, FunctionKind, UserFunction};
use flott_api::testing::functions::{calls_of, count_down, user_function};
use flott_api::testing::{Case, check, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn bigint() -> LogicalType {
    LogicalType::new(TypeKind::BigInt)
}

fn spec(forwarded: &[usize], condition: Option<Expr>, outer: bool) -> PythonCorrelateSpec {
    let input =
        Schema::new(vec![Field::new("a", bigint()), Field::new("s", LogicalType::string()), Field::new("b", bigint())]);
    let mut output = input.project(forwarded);
    output.fields.extend([Field::new("n", bigint()), Field::new("square", bigint())]);
    let call = FunctionCall { name: "down".to_owned(), function: count_down(), args: vec![CallArgument::Column(2)] };
    PythonCorrelateSpec {
        input,
        call,
        forwarded: forwarded.to_vec(),
        condition,
        outer,
        output,
        session_zone: "UTC".to_owned(),
    }
}

const SCRIPT: &str = "
    +I | 1 | x | 3
    wm 5
    -U | 2 | y | NULL
    +U | 3 | y | 2
    wm 6
    -D | 4 | NULL | 0
    +I | 5 | z | 1";

fn run(spec: &PythonCorrelateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    let answer = check(&case, || Box::new(PythonCorrelate::from_spec(spec.clone()).unwrap()));
    assert_eq!(check_restorable(&case, None, || PythonCorrelate::from_spec(spec.clone()).unwrap()), answer);
    answer
}

#[test]
fn each_row_stands_beside_the_rows_that_it_became() {
    let expected = "+I | x | 2 | 4\n+I | x | 1 | 1\n+I | x | 0 | 0\nwm 5\n+U | y | 1 | 1\n+U | y | 0 | 0\nwm 6\n\
        +I | z | 0 | 0";
    assert_eq!(run(&spec(&[1], None, false), SCRIPT), expected);
}

#[test]
fn a_row_without_any_that_counts_comes_with_nulls_where_such_rows_come() {
    let greater = |least: i64| {
        let args = vec![Expr::column(1, bigint()), Expr::literal(flott_api::expr::Value::Int(least), bigint())];
        Some(Expr::call(">=", args, LogicalType::new(TypeKind::Boolean)))
    };
    let expected = "+I | 1 | 2 | 4\n+I | 1 | 1 | 1\nwm 5\n-U | 2 | NULL | NULL\n+U | 3 | 1 | 1\nwm 6\n\
        -D | 4 | NULL | NULL\n+I | 5 | NULL | NULL";
    assert_eq!(run(&spec(&[0], greater(1), true), SCRIPT), expected);
    assert_eq!(run(&spec(&[0], greater(2), false), SCRIPT), "+I | 1 | 2 | 4\nwm 6");
}

#[test]
fn many_rows_are_sent_in_pieces_and_marks_stay_where_they_are() {
    let before = calls_of("count_down");
    let lines = |row: i64, rows: &str| match row % 700 {
        0 => format!("{rows}\nwm {row}\n"),
        _ => format!("{rows}\n"),
    };
    let rows: String = (0..2000).map(|row| lines(row, &format!("+I | {row} | x | 1"))).collect();
    let spec = spec(&[0], None, false);
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: &rows };
    let answer = check(&case, || Box::new(PythonCorrelate::from_spec(spec.clone()).unwrap()));
    let expected: String = (0..2000).map(|row| lines(row, &format!("+I | {row} | 0 | 0"))).collect();
    assert_eq!(answer, expected.trim_end());
    assert!(calls_of("count_down").rows - before.rows >= 3 * 2000);
}

#[test]
fn specifications_that_cannot_be_are_refused() {
    let mut beyond = spec(&[0], None, false);
    beyond.forwarded = vec![3];
    assert!(PythonCorrelate::from_spec(beyond).is_err());
    let mut narrow = spec(&[0], None, false);
    narrow.output.fields.pop();
    assert!(PythonCorrelate::from_spec(narrow).is_err());
    let mut scalar = spec(&[0], None, false);
    scalar.call.function = UserFunction { kind: FunctionKind::Scalar, ..user_function("sum", bigint()) };
    assert!(PythonCorrelate::from_spec(scalar).is_err());
}
