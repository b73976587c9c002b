//! Calls of the functions of the tests: alone, within each other, without arguments, failing.

use flott_api::function::{CallArgument, FunctionCall, UserFunction};
use flott_api::testing::functions::{calls_of, user_function};
use flott_api::testing::{Case, check, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn bigint() -> LogicalType {
    LogicalType::new(TypeKind::BigInt)
}

fn call(entry: &str, args: Vec<CallArgument>) -> FunctionCall {
    FunctionCall { name: entry.to_owned(), function: user_function(entry, bigint()), args }
}

fn spec(forwarded: &[usize], calls: Vec<FunctionCall>) -> PythonCalcSpec {
    let input =
        Schema::new(vec![Field::new("a", bigint()), Field::new("s", LogicalType::string()), Field::new("b", bigint())]);
    let mut output = input.project(forwarded);
    output.fields.extend(calls.iter().map(|call| Field::new(&call.name, call.function.returns.clone())));
    PythonCalcSpec { input, forwarded: forwarded.to_vec(), calls, output, session_zone: "UTC".to_owned() }
}

const SCRIPT: &str = "
    +I | 1 | x | 10
    wm 5
    -U | 2 | y | NULL
    +U | 3 | y | 30
    wm 6
    -D | 4 | NULL | 40
    +I | 5 | z | 50";

fn run(spec: &PythonCalcSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    let answer = check(&case, || Box::new(PythonCalc::from_spec(spec.clone()).unwrap()));
    assert_eq!(check_restorable(&case, None, || PythonCalc::from_spec(spec.clone()).unwrap()), answer);
    answer
}

#[test]
fn results_stand_behind_the_forwarded_columns_of_their_rows() {
    let sum = call("sum", vec![CallArgument::Column(2), CallArgument::Column(0)]);
    let within = call("sum", vec![CallArgument::Column(2), CallArgument::Call(Box::new(sum.clone()))]);
    let expected = "+I | x | 1 | 11 | 21\nwm 5\n-U | y | 2 | NULL | NULL\n+U | y | 3 | 33 | 63\nwm 6\n\
        -D | NULL | 4 | 44 | 84\n+I | z | 5 | 55 | 105";
    assert_eq!(run(&spec(&[1, 0], vec![sum, within]), SCRIPT), expected);
}

#[test]
fn a_function_without_arguments_has_a_result_for_each_row() {
    let expected = "+I | 0\nwm 5\n-U | 0\n+U | 0\nwm 6\n-D | 0\n+I | 0";
    assert_eq!(run(&spec(&[], vec![call("sum", Vec::new())]), SCRIPT), expected);
    assert_eq!(run(&spec(&[0], vec![call("sum", Vec::new())]), "wm 3"), "wm 3");
}

#[test]
fn only_arguments_are_sent_and_a_process_is_closed_at_the_end() {
    let before = calls_of("counted");
    let spec = spec(&[1], vec![call("counted", vec![CallArgument::Column(2)])]);
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: SCRIPT };
    check(&case, || Box::new(PythonCalc::from_spec(spec.clone()).unwrap()));
    let after = calls_of("counted");
    assert_eq!(after.closed - before.closed, 3, "batches of 1, of 7 and of all");
    assert_eq!(after.rows - before.rows, 15);
    assert_eq!(after.columns_max, 1);
}

#[test]
#[should_panic(expected = "function 'broken' failed")]
fn a_function_that_fails_fails_the_operator() {
    run(&spec(&[0], vec![call("broken", vec![CallArgument::Column(0)])]), SCRIPT);
}

#[test]
fn specifications_that_cannot_be_are_refused() {
    assert!(PythonCalc::from_spec(spec(&[0], Vec::new())).is_err());
    let beyond = spec(&[0], vec![call("sum", vec![CallArgument::Column(3)])]);
    assert!(PythonCalc::from_spec(beyond).is_err());
    let mut mixed = spec(&[0], vec![call("sum", Vec::new()), call("sum", Vec::new())]);
    let function = &mut mixed.calls[1].function;
    *function = UserFunction { language: flott_api::function::Language::WebAssembly, ..function.clone() };
    assert!(PythonCalc::from_spec(mixed).is_err());
}
