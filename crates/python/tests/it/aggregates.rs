//! Aggregate functions: what they remember comes and goes with each batch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use flott_api::function::{FunctionCall, FunctionKind, FunctionProcess};
use flott_api::{ErrorKind, Field, LogicalType, Result, TypeKind};

use super::world::{World, told, ty};

const SUMS: &str = include_str!("modules/sums.py");

fn world(test: &str) -> Option<World> {
    World::with(test, &[("sums", SUMS)])
}

#[tokio::test]
async fn an_aggregate_says_what_it_remembers() {
    let Some(world) = world("an_aggregate_says_what_it_remembers") else { return };
    let weighted = world.describe("sums.weighted").unwrap();
    assert_eq!((weighted.kind, &weighted.returns), (FunctionKind::Aggregate, &ty("DOUBLE")));
    let pair = vec![Field::new("f0", ty("BIGINT")), Field::new("f1", ty("BIGINT"))];
    assert_eq!(weighted.remembered().unwrap(), &LogicalType::not_null(TypeKind::Row(pair)));
    let listed = world.describe("sums.listed").unwrap();
    let texts = TypeKind::Array(Box::new(LogicalType::string()));
    assert_eq!(listed.remembered().unwrap(), &LogicalType::not_null(texts));
    let counted = world.describe("sums.counted").unwrap();
    let counts = TypeKind::Map(Box::new(LogicalType::string()), Box::new(ty("BIGINT")));
    let texts = TypeKind::Array(Box::new(LogicalType::string()));
    let fields = [("texts", LogicalType::new(texts)), ("counts", LogicalType::new(counts)), ("n", ty("BIGINT"))];
    let fields = fields.map(|(name, ty)| Field::new(name, ty)).to_vec();
    assert_eq!(counted.remembered().unwrap(), &LogicalType::not_null(TypeKind::Row(fields)));
    let within = told(&world.describe("sums.within").unwrap_err());
    assert!(within.contains("a list view or map view is no type of values"), "{within}");
}

/// What a call gives for rows: the groups, what each row does, what is remembered in the first row of each group.
async fn given(
    process: &mut dyn FunctionProcess,
    arguments: Vec<ArrayRef>,
    (groups, changes): (&[i32], &[i8]),
    remembered: ArrayRef,
) -> Result<Vec<ArrayRef>> {
    let mut columns = arguments;
    columns.push(Arc::new(Int32Array::from(groups.to_vec())));
    columns.push(Arc::new(Int8Array::from(changes.to_vec())));
    columns.push(remembered);
    let named = columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column));
    process.call(RecordBatch::try_from_iter(named).unwrap()).await
}

fn nothing(call: &FunctionCall, rows: usize) -> ArrayRef {
    new_null_array(&call.function.remembered().unwrap().arrow(), rows)
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn doubles(column: &ArrayRef) -> Vec<Option<f64>> {
    column.as_primitive::<Float64Type>().iter().collect()
}

#[tokio::test]
async fn rows_are_folded_into_groups_and_taken_back() {
    let Some(world) = world("rows_are_folded_into_groups_and_taken_back") else { return };
    let call = world.call("sums.weighted", &[0, 1]);
    let mut process = world.start(std::slice::from_ref(&call), &["BIGINT", "BIGINT"]).await.unwrap();
    // Two groups, and a row that counts nowhere.
    let arguments = vec![numbers(&[10, 5, 7, 9]), numbers(&[2, 3, 1, 9])];
    let rows = (&[0, 1, 0, 1][..], &[1, 1, 1, 0][..]);
    let first = given(process.as_mut(), arguments, rows, nothing(&call, 4)).await.unwrap();
    assert_eq!(doubles(&first[1]), [None, None], "there was nothing before");
    assert_eq!(doubles(&first[2]), [Some(9.0), Some(5.0)]);
    // The second group comes first now, and loses its only row; the first one loses one of two.
    let remembered = first[0].slice(1, 1);
    let arguments = vec![numbers(&[5]), numbers(&[3])];
    let second = given(process.as_mut(), arguments, (&[0], &[-1]), remembered).await.unwrap();
    assert_eq!((doubles(&second[1]), doubles(&second[2])), (vec![Some(5.0)], vec![None]));
    let arguments = vec![numbers(&[7]), numbers(&[1])];
    let third = given(process.as_mut(), arguments, (&[0], &[-1]), first[0].slice(0, 1)).await.unwrap();
    assert_eq!((doubles(&third[1]), doubles(&third[2])), (vec![Some(9.0)], vec![Some(10.0)]));
    process.close().await.unwrap();
}

#[tokio::test]
async fn lists_and_maps_are_views_in_accumulators() {
    let Some(world) = world("lists_and_maps_are_views_in_accumulators") else { return };
    let texts = |texts: &[&str]| -> Vec<ArrayRef> { vec![Arc::new(StringArray::from(texts.to_vec()))] };
    let values = |given: &[ArrayRef]| -> Vec<Vec<Option<String>>> {
        let column = |column: &ArrayRef| column.as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect();
        given[1..].iter().map(column).collect()
    };
    let some = |text: &str| vec![Some(text.to_owned())];
    let call = world.call("sums.counted", &[0]);
    let mut process = world.start(std::slice::from_ref(&call), &["STRING"]).await.unwrap();
    let rows = (&[0, 0, 0][..], &[1, 1, 1][..]);
    let first = given(process.as_mut(), texts(&["a", "b", "b"]), rows, nothing(&call, 3)).await.unwrap();
    assert_eq!(values(&first), [vec![None], some("b of 3: abb")]);
    let second = given(process.as_mut(), texts(&["a"]), (&[0], &[1]), Arc::clone(&first[0])).await.unwrap();
    assert_eq!(values(&second), [some("b of 3: abb"), some("a,b of 4: abba")]);
    let third = given(process.as_mut(), texts(&["a"]), (&[0], &[-1]), Arc::clone(&second[0])).await.unwrap();
    assert_eq!(values(&third)[1], some("b of 3: "));
    let call = world.call("sums.joined", &[0]);
    let mut process = world.start(std::slice::from_ref(&call), &["STRING"]).await.unwrap();
    let first = given(process.as_mut(), texts(&["a"]), (&[0], &[1]), nothing(&call, 1)).await.unwrap();
    let second = given(process.as_mut(), texts(&["b"]), (&[0], &[1]), Arc::clone(&first[0])).await.unwrap();
    assert_eq!(values(&second), [some("a,a"), some("a,a,b,b")]);
}

#[tokio::test]
async fn what_goes_wrong_in_an_aggregate_is_told_without_values() {
    let Some(world) = world("what_goes_wrong_in_an_aggregate_is_told_without_values") else { return };
    let error = async |function: &str, texts: &[&str], change: i8| {
        let call = world.call(&format!("sums.{function}"), &[0]);
        let mut process = world.start(std::slice::from_ref(&call), &["STRING"]).await.unwrap();
        let rows = texts.len();
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let changes = vec![change; rows];
        let remembered = nothing(&call, rows);
        let answer = given(process.as_mut(), vec![texts], (&vec![0; rows], &changes), remembered).await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        told(&error)
    };
    let raised = error("listed", &["a", "bad"], 1).await;
    assert!(
        raised.contains("'listed'") && raised.contains("row 2") && raised.contains("ValueError: no '?' please"),
        "{raised}"
    );
    let gone = error("listed", &["a"], -1).await;
    assert!(gone.contains("rows are taken back, and it has no method retract()"), "{gone}");
    let narrow = error("narrow", &["abc"], 1).await;
    assert!(narrow.contains("its value does not fit its type BIGINT: it is of type str"), "{narrow}");
    let plain = error("plain", &["abc"], 1).await;
    assert!(plain.contains("it has a list where its type has a ListView"), "{plain}");
    let forgetful = error("forgetful", &["abc"], 1).await;
    let expected = "what it remembers of a group does not fit its type MAP<STRING, BIGINT> NOT NULL";
    assert!(forgetful.contains(expected) && !forgetful.contains("abc"), "{forgetful}");
}

/// What calls give for windows over rows; `counts` says of each call which rows count.
async fn over_windows(
    process: &mut dyn FunctionProcess,
    arguments: Vec<ArrayRef>,
    windows: &[(i32, i32)],
    counts: &[&[i8]],
) -> Result<Vec<ArrayRef>> {
    let rows = arguments[0].len();
    let bound = |of: &dyn Fn(&(i32, i32)) -> i32| -> ArrayRef {
        Arc::new((0..rows).map(|row| windows.get(row).map(of)).collect::<Int32Array>())
    };
    let mut columns = arguments;
    columns.extend([bound(&|window| window.0), bound(&|window| window.1)]);
    columns.extend(counts.iter().map(|counts| Arc::new(Int8Array::from(counts.to_vec())) as ArrayRef));
    let named = columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column));
    process.call(RecordBatch::try_from_iter(named).unwrap()).await
}

#[tokio::test]
async fn functions_of_pandas_are_given_windows_of_rows_that_count() {
    let Some(mut world) = world("functions_of_pandas_are_given_windows_of_rows_that_count") else { return };
    // It bounds batches of rows, and never what one value is made of.
    world.set("python.fn-execution.arrow.batch.size", "2");
    let calls = [world.call("sums.mean", &[0]), world.call("sums.first", &[1]), world.call("sums.widest", &[0, 0])];
    let mut process = world.start(&calls, &["BIGINT", "STRING"]).await.unwrap();
    let arguments: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)])),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("c"), None])),
    ];
    let counts: [&[i8]; 3] = [&[1, 1, 1, 1], &[0, 1, 1, 1], &[1, 0, 1, 1]];
    // Two groups, an empty frame, and all rows.
    let given = over_windows(process.as_mut(), arguments, &[(0, 2), (2, 4), (1, 1), (0, 4)], &counts).await.unwrap();
    assert_eq!(doubles(&given[0]), [Some(1.5), Some(4.0), None, Some(7.0 / 3.0)]);
    let texts: Vec<Option<&str>> = given[1].as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("b"), Some("c"), None, Some("b")]);
    let widest: Vec<Option<i64>> = given[2].as_primitive::<arrow_array::types::Int64Type>().iter().collect();
    assert_eq!(widest, [Some(3), Some(9), None, Some(9)]);
    process.close().await.unwrap();
}

#[tokio::test]
async fn what_goes_wrong_in_a_function_of_pandas_is_told_without_values() {
    let Some(world) = world("what_goes_wrong_in_a_function_of_pandas_is_told_without_values") else { return };
    for (function, expected) in [
        ("first", "ValueError: no '?' please"),
        ("wordy", "function 'wordy': its value of type str does not fit its type BIGINT"),
    ] {
        let call = world.call(&format!("sums.{function}"), &[0]);
        let mut process = world.start(std::slice::from_ref(&call), &["STRING"]).await.unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["bad", "x"]));
        let error = over_windows(process.as_mut(), vec![texts], &[(0, 2)], &[&[1, 1]]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(told(&error).contains(expected), "{}", told(&error));
    }
}
