//! Columns that do not begin at 0, texts that are made to hurt, and rows that fail.

use arrow_array::BooleanArray;
use flott_api::expr::Expr;

use super::*;
use crate::compile::EvalContext;
use crate::{CompileContext, compile, resolve};

fn column(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn call(name: &str, columns: &[(ArrayRef, LogicalType)]) -> Result<ArrayRef> {
    let types: Vec<_> = columns.iter().map(|(_, ty)| ty.clone()).collect();
    let resolved = resolve(name, &types)?;
    let args = types.iter().enumerate().map(|(i, ty)| Expr::column(i, ty.clone())).collect();
    let expr = Expr::Call { function: resolved.id, args, ty: resolved.ty };
    let field = |(i, (array, _)): (usize, &(ArrayRef, LogicalType))| {
        arrow_schema::Field::new(format!("c{i}"), array.data_type().clone(), true)
    };
    let schema = arrow_schema::Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    let arrays = columns.iter().map(|(array, _)| array.clone()).collect();
    let batch = arrow_array::RecordBatch::try_new(Arc::new(schema), arrays)?;
    compile(&expr, &CompileContext::default())?.evaluate(&batch, &EvalContext::default())
}

fn parsed(values: &[Option<&str>]) -> ArrayRef {
    call("try_parse_json", &[(column(values), LogicalType::string())]).unwrap()
}

fn shown(array: &ArrayRef) -> Vec<Option<String>> {
    texts(array).unwrap().iter().map(|text| text.map(str::to_owned)).collect()
}

fn some(texts: &[Option<&str>]) -> Vec<Option<String>> {
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

fn variant() -> LogicalType {
    LogicalType::new(TypeKind::Variant)
}

#[test]
fn slices_and_nulls_are_read_where_they_are() {
    let all = column(&[Some("x"), Some(r#"{"b":1.50,"a":[]}"#), None, Some("x"), Some("7")]);
    let found = call("try_parse_json", &[(all.slice(1, 4), LogicalType::string())]).unwrap();
    assert_eq!(shown(&found), some(&[Some(r#"{"a":[],"b":1.5}"#), None, None, Some("7")]));
    let none = call("parse_json", &[(all.slice(0, 0), LogicalType::string())]).unwrap();
    assert_eq!(none.len(), 0);
    let keys = column(&[Some("b"), Some("b"), None, Some("c")]);
    let objects = parsed(&[Some("1"), Some(r#"{"b":[1]}"#), None, Some(r#"{"b":2}"#), Some(r#"{"b":3}"#)]).slice(1, 4);
    let found = call("item", &[(objects, variant()), (keys, LogicalType::string())]).unwrap();
    assert_eq!(shown(&found), some(&[Some("[1]"), None, None, None]));
}

#[test]
fn places_are_counted_from_1() {
    let arrays = parsed(&[Some("[7,8]"); 6]);
    let places: ArrayRef = Arc::new(arrow_array::Int32Array::from(vec![1, 2, 3, 0, -1, i32::MIN]));
    let found = call("item", &[(arrays, variant()), (places, LogicalType::new(TypeKind::Int))]).unwrap();
    assert_eq!(shown(&found), some(&[Some("7"), Some("8"), None, None, None, None]));
}

#[test]
fn errors_say_what_was_found() {
    let bad = column(&[Some("[1,]")]);
    let error = call("parse_json", &[(bad, LogicalType::string())]).unwrap_err();
    assert_eq!(error.message(), "cannot parse a text as JSON");
    assert_eq!(error.detail(), Some("no value begins with this character (byte 3). The text is '[1,]'."));
    let key = column(&[Some("k")]);
    let error = call("item", &[(parsed(&[Some("[1]")]), variant()), (key, LogicalType::string())]).unwrap_err();
    assert_eq!(error.message(), "a field was asked of a variant that is not an object but an array");
    let flag: ArrayRef = Arc::new(BooleanArray::from(vec![None::<bool>]));
    let flag = (flag, LogicalType::new(TypeKind::Boolean));
    let none = call("parse_json", &[(column(&[Some("1")]), LogicalType::string()), flag]).unwrap();
    assert_eq!(shown(&none), [None]);
}

#[test]
fn deep_and_long_texts_are_read_and_written() {
    let deep = |depth: usize| format!("{}{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
    let found = parsed(&[Some(&deep(1000)), Some(&deep(1002)), Some(&"[".repeat(1_000_000))]);
    assert_eq!(shown(&found), some(&[Some(&deep(1000)), None, None]));
    let wide = format!("{{{}}}", (0..20_000).map(|i| format!(r#""k{i:05}":{i}"#)).collect::<Vec<_>>().join(","));
    assert_eq!(shown(&parsed(&[Some(&wide)])), some(&[Some(&wide)]));
    // Larger than a variant may be.
    let huge = format!("\"{}\"", "x".repeat(1 << 24));
    assert_eq!(shown(&parsed(&[Some(&huge)])), some(&[None]));
}

#[test]
fn a_text_that_is_read_again_is_the_same_variant() {
    let texts =
        [r#"{"a":1,"b":[true,null,1.0E-7,"é\u0001"],"c":{"":-0.5}}"#, "12345678901234567890.5", "[]", "{}", "\"\""];
    let once = parsed(&texts.map(Some));
    let again = shown(&once);
    let again = parsed(&again.iter().map(|text| text.as_deref()).collect::<Vec<_>>());
    assert_eq!(&once, &again);
    assert_eq!(shown(&once), some(&texts.map(Some)));
}
