//! Values as text, in each style.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray, StructArray};
use flott_api::expr::Value;

use super::*;
use crate::value::literal_array;

fn text(array: &dyn Array, kind: TypeKind, style: TextStyle) -> String {
    let mut out = String::new();
    format_value(array, 0, &LogicalType::new(kind), "Asia/Shanghai", style, &mut out).unwrap();
    out
}

fn of(value: Value, kind: TypeKind, style: TextStyle) -> String {
    text(&literal_array(&value, &LogicalType::new(kind.clone()), 1).unwrap(), kind, style)
}

#[test]
fn doubles_are_javas() {
    for (value, expected) in [
        (1.0, "1.0"),
        (123_456.789, "123456.789"),
        (1_000_000.0, "1000000.0"),
        (1e7, "1.0E7"),
        (-12_345_678.0, "-1.2345678E7"),
        (0.001, "0.001"),
        (0.012, "0.012"),
        (1e-4, "1.0E-4"),
        (4.9e-324, "4.9E-324"),
        (f64::MAX, "1.7976931348623157E308"),
        (-0.0, "-0.0"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(text(&Float64Array::from(vec![value]), TypeKind::Double, TextStyle::Cast), expected);
    }
}

#[test]
fn decimals_show_their_scale() {
    for (value, scale, cast, print) in [
        (150, 2, "1.50", "1.50"),
        (-5, 0, "-5", "-5"),
        (1, 10, "0.0000000001", "1E-10"),
        (123, 10, "0.0000000123", "1.23E-8"),
        (0, 7, "0.0000000", "0E-7"),
    ] {
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale as i8).unwrap();
        let kind = TypeKind::Decimal { precision: 38, scale };
        assert_eq!(text(&array, kind.clone(), TextStyle::Cast), cast);
        assert_eq!(text(&array, kind, TextStyle::Print), print);
    }
}

#[test]
fn moments_differ_by_style() {
    let value = Value::Timestamp { millis: 1_582_979_696_700, nanos: 0 };
    for (kind, cast, print) in [
        (TypeKind::Timestamp(3), "2020-02-29 12:34:56.700", "2020-02-29T12:34:56.700"),
        (TypeKind::Timestamp(0), "2020-02-29 12:34:56", "2020-02-29T12:34:56"),
        (TypeKind::Timestamp(9), "2020-02-29 12:34:56.700000000", "2020-02-29T12:34:56.700"),
        (TypeKind::TimestampLtz(3), "2020-02-29 20:34:56.700", "2020-02-29T12:34:56.700Z"),
    ] {
        assert_eq!(of(value.clone(), kind.clone(), TextStyle::Cast), cast);
        assert_eq!(of(value.clone(), kind, TextStyle::Print), print);
    }
    let midnight = Value::Timestamp { millis: 0, nanos: 0 };
    assert_eq!(of(midnight, TypeKind::Timestamp(3), TextStyle::Print), "1970-01-01T00:00");
    assert_eq!(of(Value::Int(45_296_000), TypeKind::Time(0), TextStyle::Cast), "12:34:56");
    assert_eq!(of(Value::Int(3_723_400), TypeKind::Time(3), TextStyle::Cast), "01:02:03.4");
    assert_eq!(of(Value::Int(3_723_000), TypeKind::Time(3), TextStyle::Cast), "01:02:03.0");
    assert_eq!(of(Value::Int(-86_400_000), TypeKind::IntervalDayTime, TextStyle::Cast), "-1 00:00:00.000");
    assert_eq!(of(Value::Int(14), TypeKind::IntervalYearMonth, TextStyle::Cast), "+1-02");
    assert_eq!(of(Value::Int(93_784_567), TypeKind::IntervalDayTime, TextStyle::Print), "PT26H3M4.567S");
}

#[test]
fn rows_and_bytes_differ_by_style() {
    let kind = TypeKind::Row(vec![
        Field::new("a", LogicalType::new(TypeKind::BigInt)),
        Field::new("b", LogicalType::string()),
    ]);
    let TypeKind::Row(fields) = &kind else { unreachable!() };
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec![None::<&str>]))];
    let row = StructArray::try_new(flott_api::types::arrow::arrow_fields(fields), columns, None).unwrap();
    assert_eq!(text(&row, kind.clone(), TextStyle::Cast), "(1, NULL)");
    assert_eq!(text(&row, kind, TextStyle::Print), "+I[1, null]");
    let bytes = Value::Bytes(vec![0x61, 0xff]);
    assert_eq!(of(bytes.clone(), TypeKind::Binary(2), TextStyle::Cell), "x'61ff'");
    assert_eq!(of(bytes.clone(), TypeKind::Binary(2), TextStyle::Cast), "a\u{fffd}");
    assert_eq!(of(bytes, TypeKind::Binary(2), TextStyle::Print), "[97, -1]");
    assert_eq!(of(Value::Boolean(true), TypeKind::Boolean, TextStyle::Cast), "TRUE");
    assert_eq!(of(Value::Boolean(true), TypeKind::Boolean, TextStyle::Print), "true");
}
