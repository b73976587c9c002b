//! Conditions, projections, kinds and marks of a calc.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, StringArray, StructArray};
use arrow_schema::DataType;
use flott_api::expr::Value;
use flott_api::testing::{Case, FakeWorld, batch, check, open_context};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn int() -> LogicalType {
    LogicalType::new(TypeKind::Int)
}

fn column(index: usize) -> Expr {
    Expr::column(index, int())
}

fn spec(condition: Option<Expr>, projection: Vec<Expr>) -> CalcSpec {
    let field = |name: &str, ty: LogicalType| Field::new(name, ty);
    let input = Schema::new(vec![field("a", int()), field("b", int()), field("c", LogicalType::string())]);
    let output = Schema::new(projection.iter().map(|e| field("o", e.ty().clone())).collect());
    CalcSpec { input, condition, projection, output, session_zone: "UTC".to_owned() }
}

fn greater(left: Expr, right: i64) -> Expr {
    let right = Expr::literal(Value::Int(right), int());
    Expr::call(">", vec![left, right], LogicalType::new(TypeKind::Boolean))
}

fn run(spec: &CalcSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    check(&case, || Box::new(Calc::from_spec(spec.clone()).unwrap()))
}

const SCRIPT: &str = "
    +I | 1 | 10 | x
    wm 5
    -U | 2 | 20 | y
    +U | NULL | 30 | z
    wm 6
    +I | 3 | NULL | NULL
    wm 7";

#[test]
fn rows_are_filtered_and_projected_with_their_kinds_and_marks() {
    let spec = spec(Some(greater(column(0), 1)), vec![Expr::column(2, LogicalType::string()), column(0)]);
    assert_eq!(run(&spec, SCRIPT), "wm 5\n-U | y | 2\nwm 6\n+I | NULL | 3\nwm 7");
}

#[test]
fn without_a_condition_every_row_passes() {
    let sum = Expr::call("+", vec![column(0), column(1)], int());
    assert_eq!(run(&spec(None, vec![sum]), SCRIPT), "+I | 11\nwm 5\n-U | 22\n+U | NULL\nwm 6\n+I | NULL\nwm 7");
}

#[test]
fn no_column_at_all_keeps_the_rows() {
    assert_eq!(run(&spec(Some(greater(column(0), 2)), Vec::new()), SCRIPT), "wm 6\n+I\nwm 7");
}

#[test]
fn a_projection_does_not_fail_on_a_row_that_the_condition_drops() {
    let quotient = Expr::call("/", vec![column(1), column(0)], int());
    let spec = spec(Some(greater(column(0), 0)), vec![quotient]);
    assert_eq!(run(&spec, "+I | 0 | 1 | a\n+I | 2 | 8 | b"), "+I | 4");
}

#[test]
fn a_column_without_nulls_may_have_some_in_rows_that_the_condition_drops() {
    let never_null = Expr::column(0, LogicalType::not_null(TypeKind::Int));
    let spec = spec(Some(greater(column(1), 0)), vec![never_null]);
    assert_eq!(run(&spec, "+I | NULL | -1 | a\n+I | 2 | 8 | b\n+I | 3 | 9 | c"), "+I | 2\n+I | 3");
}

#[test]
fn what_is_repeated_means_the_same_wherever_it_stands() {
    let sum = || Expr::call("+", vec![column(0), column(1)], int());
    let quotient = || Expr::call("/", vec![Expr::literal(Value::Int(44), int()), column(0)], int());
    let case = Expr::Case {
        branches: vec![(greater(sum(), 20), column(0)), (greater(quotient(), 43), sum())],
        otherwise: Box::new(quotient()),
        ty: int(),
    };
    let spec = spec(Some(greater(sum(), 10)), vec![sum(), case, Expr::column(2, LogicalType::string())]);
    // Two rows have no quotient: one is dropped, the other takes the first branch.
    let script =
        "+I | 0 | 30 | v\n+I | 1 | 10 | x\n-U | 2 | 20 | y\n+U | NULL | 30 | z\n+I | 9 | 9 | w\n+I | 0 | 1 | u";
    let expected = "+I | 30 | 0 | v\n+I | 11 | 11 | x\n-U | 22 | 2 | y\n+I | 18 | 4 | w";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn a_projected_column_is_not_copied() {
    let spec = spec(None, vec![column(1)]);
    let mut calc = Calc::from_spec(spec.clone()).unwrap();
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    calc.open(&open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
    let input = batch(&spec.input, "+I | 1 | 10 | x");
    let before = input.rows().column(1).to_data().buffers()[0].as_ptr();
    let compiled = calc.compiled.as_ref().unwrap();
    let output = compiled.evaluate(input, &calc.output, &EvalContext::default()).unwrap();
    assert_eq!(output.rows().column(0).to_data().buffers()[0].as_ptr(), before);
}

/// `r.f`, `r` and `r.g` of a column `r ROW<f INT, g ROW<h STRING>>`.
#[test]
fn fields_are_read_with_and_without_their_row() {
    let inner = LogicalType::new(TypeKind::Row(vec![Field::new("h", LogicalType::string())]));
    let outer = vec![Field::new("f", int()), Field::new("g", inner.clone())];
    let outer = LogicalType::new(TypeKind::Row(outer));
    let field = |of: Expr, index: usize, ty: &LogicalType| Expr::Field { input: Box::new(of), index, ty: ty.clone() };
    let row = || Expr::column(1, outer.clone());
    let h = field(field(row(), 1, &inner), 0, &LogicalType::string());
    let case = Expr::Case {
        branches: vec![(greater(column(0), 1), field(row(), 0, &int()))],
        otherwise: Box::new(column(0)),
        ty: int(),
    };
    let quotient = Expr::call("/", vec![Expr::literal(Value::Int(300), int()), field(row(), 0, &int())], int());
    // Null for the row that is null, and division by zero for the one that the left side drops.
    let quotient = Expr::call(">", vec![quotient, column(0)], LogicalType::new(TypeKind::Boolean));
    let divides = Expr::call("is not false", vec![quotient], LogicalType::not_null(TypeKind::Boolean));
    let projection = vec![h, field(row(), 0, &int()), row(), case];
    let short = Expr::call("and", vec![greater(column(0), 0), divides], LogicalType::new(TypeKind::Boolean));
    for condition in [None, Some(greater(column(0), 0)), Some(short)] {
        let mut spec = spec(condition, projection.clone());
        spec.input = Schema::new(vec![Field::new("a", int()), Field::new("r", outer.clone())]);
        let mut calc = Calc::from_spec(spec.clone()).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        calc.open(&open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
        let compiled = calc.compiled.as_ref().unwrap();
        let output = compiled.evaluate(rows(&spec.input), &calc.output, &EvalContext::default()).unwrap();
        let kept = usize::from(spec.condition.is_none());
        let texts: Vec<Option<&str>> = output.rows().column(0).as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("dropped"), Some("x"), None, None][1 - kept..]);
        let numbers: Vec<Option<i32>> = output.rows().column(1).as_primitive::<Int32Type>().iter().collect();
        assert_eq!(numbers, [Some(0), Some(10), None, Some(30)][1 - kept..]);
        let chosen: Vec<Option<i32>> = output.rows().column(3).as_primitive::<Int32Type>().iter().collect();
        assert_eq!(chosen, [Some(-1), Some(1), None, Some(30)][1 - kept..]);
        assert_eq!(output.rows().column(2).null_count(), 1);
    }
}

/// Four rows: whole, whole, without a row though its fields lie there, and without an inner one.
fn rows(schema: &Schema) -> ChangeBatch {
    let schema = schema.arrow();
    let DataType::Struct(outer) = schema.field(1).data_type().clone() else { panic!("no row") };
    let DataType::Struct(inner) = outer[1].data_type().clone() else { panic!("no row") };
    let text: ArrayRef = Arc::new(StringArray::from(vec!["dropped", "x", "hidden", "hidden"]));
    let g = StructArray::new(inner, vec![text], Some(vec![true, true, true, false].into()));
    let f: ArrayRef = Arc::new(Int32Array::from(vec![0, 10, 20, 30]));
    let r = StructArray::new(outer, vec![f, Arc::new(g)], Some(vec![true, true, false, true].into()));
    let a: ArrayRef = Arc::new(Int32Array::from(vec![-1, 1, 2, 3]));
    ChangeBatch::inserts(RecordBatch::try_new(schema, vec![a, Arc::new(r)]).unwrap())
}

#[test]
fn current_watermark_asks_for_slices() {
    let timestamp = LogicalType::new(TypeKind::Timestamp(3));
    let call = Expr::call(CURRENT_WATERMARK, vec![Expr::column(0, timestamp.clone())], timestamp);
    assert_eq!(Calc::from_spec(spec(None, vec![call])).unwrap().event_time(), EventTime::Sliced);
    assert_eq!(Calc::from_spec(spec(None, vec![column(0)])).unwrap().event_time(), EventTime::Indifferent);
}
