//! Expressions on batches: values, nulls, branches that are evaluated only for the rows that take them.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, StringArray};
use arrow_schema::{Field, Schema};

use super::*;

fn int(index: usize) -> Expr {
    Expr::column(index, LogicalType::new(TypeKind::Int))
}

fn one() -> Expr {
    Expr::literal(Value::Int(1), LogicalType::not_null(TypeKind::Int))
}

fn zero() -> Expr {
    Expr::literal(Value::Int(0), LogicalType::not_null(TypeKind::Int))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let types: Vec<_> = args.iter().map(|a| a.ty().clone()).collect();
    let resolved = resolve(name, &types).unwrap();
    Expr::Call { function: resolved.id, args, ty: resolved.ty }
}

fn rows(values: Vec<Option<i32>>) -> RecordBatch {
    let words: Vec<_> = (0..values.len()).map(|i| Some(format!("w{i}"))).collect();
    let schema = Schema::new(vec![
        Field::new("x", arrow_schema::DataType::Int32, true),
        Field::new("s", arrow_schema::DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(values)), Arc::new(StringArray::from(words))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn evaluate(expr: &Expr, rows: &RecordBatch) -> Result<ArrayRef> {
    compile(expr, &CompileContext::default()).unwrap().evaluate(rows, &EvalContext::default())
}

fn ints(array: &ArrayRef) -> Vec<Option<i32>> {
    array.as_primitive::<Int32Type>().iter().collect()
}

#[test]
fn a_column_is_not_copied() {
    let rows = rows(vec![Some(1), None]);
    assert!(Arc::ptr_eq(&evaluate(&int(0), &rows).unwrap(), rows.column(0)));
}

#[test]
fn the_right_side_of_and_runs_only_where_it_decides() {
    let rows = rows(vec![Some(0), Some(1), None, Some(2)]);
    let not_zero = call("<>", vec![int(0), zero()]);
    let quotient = call("=", vec![call("/", vec![one(), int(0)]), one()]);
    let guarded = call("and", vec![not_zero, quotient.clone()]);
    let truths = evaluate(&guarded, &rows).unwrap();
    let expected = [Some(false), Some(true), None, Some(false)];
    assert_eq!(truths.as_boolean().iter().collect::<Vec<_>>(), expected);
    let is_zero = call("=", vec![int(0), zero()]);
    let guarded = call("or", vec![is_zero, quotient.clone()]);
    let truths = evaluate(&guarded, &rows).unwrap();
    assert_eq!(truths.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(true), None, Some(false)]);
    assert_eq!(evaluate(&quotient, &rows).unwrap_err().message(), "division by zero");
}

#[test]
fn a_branch_of_case_runs_only_for_its_rows() {
    let ty = LogicalType::new(TypeKind::Int);
    let case = Expr::Case {
        branches: vec![(call("=", vec![int(0), zero()]), zero()), (call("=", vec![int(0), one()]), int(0))],
        otherwise: Box::new(call("/", vec![one(), int(0)])),
        ty,
    };
    let values = vec![Some(0), Some(1), None, Some(-1), Some(0)];
    assert_eq!(ints(&evaluate(&case, &rows(values)).unwrap()), [Some(0), Some(1), None, Some(-1), Some(0)]);
    // One branch takes all rows, and there may be none.
    assert_eq!(ints(&evaluate(&case, &rows(vec![Some(0); 3])).unwrap()), [Some(0); 3]);
    assert_eq!(evaluate(&case, &rows(vec![])).unwrap().len(), 0);
}

#[test]
fn coalesce_stops_at_the_first_value() {
    let failing = call("/", vec![one(), zero()]);
    let some = call("coalesce", vec![int(0), failing]);
    assert_eq!(ints(&evaluate(&some, &rows(vec![Some(5), Some(6)])).unwrap()), [Some(5), Some(6)]);
    assert!(evaluate(&some, &rows(vec![Some(5), None])).is_err());
    let filled = call("coalesce", vec![int(0), one()]);
    assert_eq!(ints(&evaluate(&filled, &rows(vec![Some(5), None])).unwrap()), [Some(5), Some(1)]);
}

#[test]
fn constants_are_computed_once_and_failures_wait_for_a_row() {
    let sum = compile(&call("+", vec![one(), one()]), &CompileContext::default()).unwrap();
    assert_eq!(sum.constant().map(ints), Some(vec![Some(2)]));
    assert_eq!(ints(&sum.evaluate(&rows(vec![None; 3]), &EvalContext::default()).unwrap()), [Some(2); 3]);
    let failing = compile(&call("/", vec![one(), zero()]), &CompileContext::default()).unwrap();
    assert!(failing.constant().is_none());
    assert!(failing.evaluate(&rows(vec![None]), &EvalContext::default()).is_err());
}

#[test]
fn a_misspelt_function_is_guessed() {
    let e = resolve("uper", &[LogicalType::string()]).unwrap_err();
    assert_eq!((e.message(), e.hint()), ("function 'uper' does not exist", Some("Did you mean UPPER?")));
}
