//! Collections as rows, in batches of every size.

use flott_api::expr::{Expr, Value};
use flott_api::testing::{Case, check};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn int() -> LogicalType {
    LogicalType::new(TypeKind::Int)
}

fn field(name: &str, ty: LogicalType) -> Field {
    Field::new(name, ty)
}

/// `ARRAY[a, b]` of the columns `a` and `b`.
fn both() -> Expr {
    let ty = LogicalType::new(TypeKind::Array(Box::new(int())));
    Expr::call("array", vec![Expr::column(0, int()), Expr::column(1, int())], ty)
}

fn spec(function: TableFunction, condition: Option<Expr>, outer: bool) -> CorrelateSpec {
    let input = Schema::new(vec![field("a", int()), field("b", int())]);
    let mut output = input.clone();
    if let TableFunction::Unnest { with_ordinality, .. } = &function {
        output.fields.push(field("x", int()));
        if *with_ordinality {
            output.fields.push(field("n", int()));
        }
    }
    CorrelateSpec { input, function, condition, outer, output, session_zone: "UTC".to_owned() }
}

fn unnest(with_ordinality: bool) -> TableFunction {
    TableFunction::Unnest { collection: both(), with_ordinality }
}

fn run(spec: &CorrelateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    check(&case, || Box::new(Correlate::from_spec(spec.clone()).unwrap()))
}

const SCRIPT: &str = "
    +I | 1 | 10
    wm 5
    -U | 2 | NULL
    +U | NULL | 30
    wm 6
    -D | 3 | 4
    wm 7";

#[test]
fn each_element_is_a_row_of_its_rows_kind() {
    let expected = "+I | 1 | 10 | 1\n+I | 1 | 10 | 10\nwm 5\n-U | 2 | NULL | 2\n-U | 2 | NULL | NULL\n\
        +U | NULL | 30 | NULL\n+U | NULL | 30 | 30\nwm 6\n-D | 3 | 4 | 3\n-D | 3 | 4 | 4\nwm 7";
    assert_eq!(run(&spec(unnest(false), None, false), SCRIPT), expected);
    assert_eq!(run(&spec(unnest(false), None, true), SCRIPT), expected);
}

#[test]
fn a_row_without_a_passing_element_comes_with_nulls_if_such_rows_come() {
    let large = Expr::literal(Value::Int(4), int());
    let condition = Expr::call(">", vec![Expr::column(2, int()), large], LogicalType::new(TypeKind::Boolean));
    let inner = "+I | 1 | 10 | 10 | 2\nwm 5\n+U | NULL | 30 | 30 | 2\nwm 7";
    assert_eq!(run(&spec(unnest(true), Some(condition.clone()), false), SCRIPT), inner);
    let outer = "+I | 1 | 10 | 10 | 2\nwm 5\n-U | 2 | NULL | NULL | NULL\n+U | NULL | 30 | 30 | 2\nwm 6\n\
        -D | 3 | 4 | NULL | NULL\nwm 7";
    assert_eq!(run(&spec(unnest(true), Some(condition), true), SCRIPT), outer);
}

#[test]
fn rows_are_repeated_and_huge_batches_are_made_in_parts() {
    let bigint = LogicalType::new(TypeKind::BigInt);
    let times = Expr::Cast { input: Box::new(Expr::column(0, int())), ty: bigint, try_cast: false };
    let repeat = spec(TableFunction::Repeat { times }, None, false);
    let script = "+I | 2 | 7\n+I | 0 | 8\n-D | -1 | 9\n+I | NULL | 9\nwm 1\n-D | 1 | 5\nwm 2";
    assert_eq!(run(&repeat, script), "+I | 2 | 7\n+I | 2 | 7\nwm 1\n-D | 1 | 5\nwm 2");
    let huge = format!("+I | {PAIRS_MAX} | 1\n+I | 2 | 2\n-D | {PAIRS_MAX} | 3\nwm 3");
    let rows = run(&repeat, &huge);
    assert_eq!(rows.lines().count(), 2 * PAIRS_MAX + 2 + 1);
    assert!(rows.ends_with("wm 3"));
}
