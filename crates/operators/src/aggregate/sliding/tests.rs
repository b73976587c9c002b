//! Slices that enter a window and leave it, against aggregates over all their rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, Decimal128Array, Float64Array, Int32Array, StringArray};
use flott_api::aggregate::{PerGroup, SlotColumn, View, ViewKind};
use flott_api::expr::FunctionId;
use flott_api::testing::batch;
use flott_api::{Field, Schema, TypeKind};
use flott_state::hot::sorted_view;

use super::*;

struct State {
    slots: Vec<SlotColumn>,
    views: Vec<View>,
}

impl State {
    fn new(aggregate: &dyn Aggregate) -> Self {
        let shape = aggregate.shape();
        let mut slots: Vec<_> = shape.slots.iter().map(|s| SlotColumn::new(s.ty)).collect();
        slots.iter_mut().for_each(|s| s.grow(16));
        let view = |v: &flott_api::aggregate::ViewShape| match v.kind {
            ViewKind::Sorted => View::Sorted(sorted_view(&v.ty.arrow()).unwrap()),
            ViewKind::Bitmap => View::Bitmap(PerGroup::default()),
            ViewKind::BitmapCounts => View::BitmapCounts(PerGroup::default()),
            other => panic!("a sliding aggregate with a view {other:?}"),
        };
        State { slots, views: shape.views.iter().map(view).collect() }
    }

    fn lend(&mut self) -> AggregateState<'_> {
        AggregateState { slots: &mut self.slots, views: &mut self.views }
    }
}

fn call(name: &str, ty: TypeKind) -> AggregateCall {
    let (function, ty) = (FunctionId::new(name), LogicalType::new(ty));
    AggregateCall { function, args: vec![0], filter: None, distinct: false, ty }
}

/// Windows of three slices over eight slices; what the sliding aggregate gives, and the plain one over all rows.
fn check(call: &AggregateCall, arg: TypeKind, column: &ArrayRef, retract: bool) -> Vec<(ArrayRef, ArrayRef)> {
    let args = [LogicalType::new(arg)];
    let (plain, slides) = (function(call, &args, retract).unwrap(), sliding(call, &args, retract).unwrap().unwrap());
    assert!(plain.merges() && slides.merges());
    // Row i is of slice i % 8; each slice is a group.
    let groups: Vec<u32> = (0..column.len() as u32).map(|row| row % 8).collect();
    let mut slices = State::new(plain.as_ref());
    let columns = [column.clone()];
    plain.fold(&AggregateInput { args: &columns, groups: &groups, changes: None }, &mut slices.lend()).unwrap();
    let mut window = State::new(slides.as_ref());
    let mut merge = |slice: u32, retract: bool| {
        let input = MergeInput { from: &[slice], groups: &[5], retract };
        slides.merge(&input, &mut slices.lend(), &mut window.lend()).unwrap();
        slides.value(&[5], &mut window.lend()).unwrap()
    };
    let mut compared = Vec::new();
    for last in 0..8 {
        if last >= 3 {
            merge(last - 3, true);
        }
        let slid = merge(last, false);
        let rows: Vec<u32> = groups.iter().map(|g| u32::from(!(*g <= last && *g + 3 > last))).collect();
        let mut anew = State::new(plain.as_ref());
        plain.fold(&AggregateInput { args: &columns, groups: &rows, changes: None }, &mut anew.lend()).unwrap();
        compared.push((slid, plain.value(&[0], &mut anew.lend()).unwrap()));
    }
    (6..8).for_each(|slice| _ = merge(slice, true));
    let gone = merge(5, true);
    let mut fresh = State::new(plain.as_ref());
    compared.push((gone, plain.value(&[0], &mut fresh.lend()).unwrap()));
    compared
}

fn numbers() -> Vec<Option<i32>> {
    (0..40).map(|i| (i % 5 != 0 && i % 8 != 3).then_some((i * 37) % 23 - 11)).collect()
}

#[test]
fn slices_leave_without_a_trace() {
    let ints: ArrayRef = Arc::new(Int32Array::from(numbers()));
    let decimals = numbers().into_iter().map(|v| v.map(i128::from)).collect::<Decimal128Array>();
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(10, 2).unwrap());
    let texts: ArrayRef = Arc::new(numbers().into_iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>());
    let sets: Vec<String> = numbers()
        .into_iter()
        .enumerate()
        .map(|(i, v)| v.map_or("+I | NULL".to_owned(), |v| format!("+I | {{{},{},7,{}}}", v + 20, v * v, i % 3)))
        .collect();
    let schema = Schema::new(vec![Field::new("m", LogicalType::new(TypeKind::Bitmap))]);
    let sets = batch(&schema, &sets.join("\n")).rows().column(0).clone();
    let (int, big) = (TypeKind::Int, TypeKind::BigInt);
    let decimal = || TypeKind::Decimal { precision: 10, scale: 2 };
    let wide = |scale| TypeKind::Decimal { precision: 38, scale };
    let cases = [
        (call("count", big.clone()), int.clone(), &ints),
        (call("sum", int.clone()), int.clone(), &ints),
        (call("$sum0", big), int.clone(), &ints),
        (call("avg", int.clone()), int.clone(), &ints),
        (call("min", int.clone()), int.clone(), &ints),
        (call("bitmap_build_agg", TypeKind::Bitmap), int.clone(), &ints),
        (call("bitmap_build_cardinality_agg", TypeKind::BigInt), int.clone(), &ints),
        (call("bitmap_and_agg", TypeKind::Bitmap), TypeKind::Bitmap, &sets),
        (call("bitmap_or_agg", TypeKind::Bitmap), TypeKind::Bitmap, &sets),
        (call("bitmap_xor_agg", TypeKind::Bitmap), TypeKind::Bitmap, &sets),
        (call("bitmap_and_cardinality_agg", TypeKind::BigInt), TypeKind::Bitmap, &sets),
        (call("max", int.clone()), int, &ints),
        (call("sum", wide(2)), decimal(), &decimals),
        (call("avg", wide(6)), decimal(), &decimals),
        (call("max", decimal()), decimal(), &decimals),
        (call("min", TypeKind::Varchar(9)), TypeKind::Varchar(9), &texts),
    ];
    for (call, arg, column) in cases {
        for retract in [false, true] {
            for (place, (slid, anew)) in check(&call, arg.clone(), column, retract).iter().enumerate() {
                assert_eq!(slid, anew, "{} at {place}, retract {retract}", call.function.name);
            }
        }
    }
}

#[test]
fn floating_point_sums_come_back_from_anywhere() {
    let values = [0.1, f64::NAN, 1e300, f64::INFINITY, f64::NEG_INFINITY, 0.2, 1e-300, 0.7];
    let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    for name in ["sum", "avg", "$sum0"] {
        for (place, (slid, anew)) in
            check(&call(name, TypeKind::Double), TypeKind::Double, &column, false).iter().enumerate()
        {
            let (slid, anew) = (slid.as_primitive::<Float64Type>(), anew.as_primitive::<Float64Type>());
            // The plain sum is rounded at every step, so its last digit may be another one.
            let (a, b) = (slid.value(0), anew.value(0));
            let equal = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= b.abs() * f64::EPSILON;
            let same = slid.is_null(0) == anew.is_null(0) && equal;
            assert!(same, "{name} at {place}: {slid:?} and {anew:?}");
        }
    }
}

#[test]
fn a_decimal_sum_comes_back_when_it_fits_again() {
    let large = 10_i128.pow(38) - 1;
    let column: Decimal128Array = [large, large, large, 5, 6, 7, -large, -large].into_iter().map(Some).collect();
    let column: ArrayRef = Arc::new(column.with_precision_and_scale(38, 0).unwrap());
    let ty = TypeKind::Decimal { precision: 38, scale: 0 };
    let slid: Vec<Option<i128>> = check(&call("sum", ty.clone()), ty, &column, false)
        .iter()
        .map(|(slid, _)| slid.as_primitive::<Decimal128Type>().iter().next().flatten())
        .collect();
    let expected = [Some(large), None, None, None, Some(large + 11), Some(18), Some(13 - large), None, None];
    // The fifth has one too many to fit.
    let expected = expected.map(|v| v.filter(|v| v.abs() <= large));
    assert_eq!(slid, expected);
}

#[test]
fn what_depends_on_the_order_of_rows_does_not_slide() {
    for name in ["first_value", "last_value"] {
        let call = call(name, TypeKind::Int);
        let args = [LogicalType::new(TypeKind::Int)];
        assert!(sliding(&call, &args, false).unwrap().is_none());
        assert!(!function(&call, &args, false).unwrap().merges());
    }
}
