//! Frames against what they mean, row by row, in batches of any length.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use flott_api::expr::FunctionId;
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, Frame, FrameBound, FrameUnit, SortField};

use super::{Over, OverParts};
use crate::columns;
use crate::exec::Transform;

const UNBOUNDED: FrameBound = FrameBound::Unbounded;
const CURRENT: FrameBound = FrameBound::Current;

fn steps(steps: i64) -> FrameBound {
    FrameBound::Distance { steps, scale: 0 }
}

fn ty(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

/// Partition, order, value, value that rounds.
type Row = (Option<i64>, Option<i64>, Option<i64>, Option<f64>);

fn schema(order: TypeKind) -> Schema {
    let big = || ty(TypeKind::BigInt);
    let columns = [("p", big()), ("o", ty(order)), ("v", big()), ("f", ty(TypeKind::Double))];
    Schema::new(columns.into_iter().map(|(name, ty)| Field::new(name, ty)).collect())
}

fn call(function: &str, args: &[usize], kind: TypeKind) -> AggregateCall {
    let (function, args) = (FunctionId::new(function), args.to_vec());
    AggregateCall { function, args, filter: None, distinct: false, ty: ty(kind) }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let whole = |of: fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
    let floats: ArrayRef = Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>());
    let columns = vec![whole(|row| row.0), whole(|row| row.1), whole(|row| row.2), floats];
    columns::batch(&columns::loose(&schema(TypeKind::BigInt)), columns, rows.len()).unwrap()
}

/// The values of the calls, in batches of so many rows.
fn over(input: Schema, rows: &RecordBatch, piece: usize, frame: Frame, calls: &[AggregateCall]) -> Vec<ArrayRef> {
    let mut output = input.clone();
    output.fields.extend(calls.iter().map(|call| Field::new("x", call.ty.clone())));
    let width = input.fields.len();
    let parts = OverParts {
        input,
        partition: vec![0],
        order: vec![SortField { column: 1, descending: false, nulls_last: false }],
        frame,
        calls: calls.to_vec(),
        output: columns::loose(&output),
    };
    let mut over = Over::new(parts).unwrap();
    let mut out = Vec::new();
    for from in (0..rows.num_rows()).step_by(piece) {
        out.extend(over.push(rows.slice(from, piece.min(rows.num_rows() - from))).unwrap());
    }
    out.extend(over.finish().unwrap());
    let all = arrow_select::concat::concat_batches(&columns::loose(&output), &out).unwrap();
    assert_eq!(all.columns()[..width], rows.columns()[..width], "rows come as they are");
    all.columns()[width..].to_vec()
}

fn whole(column: &ArrayRef) -> Vec<Option<i64>> {
    column.as_primitive::<Int64Type>().iter().collect()
}

fn floats(column: &ArrayRef) -> Vec<Option<f64>> {
    column.as_primitive::<Float64Type>().iter().collect()
}

/// Ordered rows of several partitions, with equal rows and nulls.
fn rows(seed: u64) -> Vec<Row> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below) as i64
    };
    let mut rows: Vec<Row> = (0..40)
        .map(|_| {
            let value = |n: i64| (n > 0).then_some(n);
            let order = (next(6) > 0).then(|| next(12));
            (
                value(next(4)),
                order,
                value(next(9)),
                value(next(9)).map(|n| n as f64 / 3.0 + if n == 8 { 1e16 } else { 0.0 }),
            )
        })
        .collect();
    rows.sort_by_key(|row| (row.0, row.1));
    rows
}

/// Whether a row is in the frame of another one of its partition, which are the row and the other one by number.
fn is_in(rows: &[Row], frame: &Frame, row: usize, of: usize) -> bool {
    let apart = |bound: FrameBound, far: i64| match (bound, frame.unit) {
        (FrameBound::Unbounded, _) => far,
        (FrameBound::Current, _) => 0,
        (FrameBound::Distance { steps, .. }, _) => steps,
    };
    let (low, high) = (apart(frame.start, i64::MIN), apart(frame.end, i64::MAX));
    if frame.unit == FrameUnit::Rows {
        return (low..=high).contains(&(row as i64 - of as i64));
    }
    match (rows[row].1, rows[of].1) {
        (Some(row), Some(of)) => (low..=high).contains(&(row - of)),
        (None, None) => low <= 0 && high >= 0,
        // Nulls come first.
        (None, Some(_)) => low == i64::MIN,
        (Some(_), None) => high == i64::MAX,
    }
}

fn expected<T>(rows: &[Row], frame: &Frame, value: impl Fn(&[&Row]) -> T) -> Vec<T> {
    let of = |of: usize| {
        let all = (0..rows.len()).filter(|row| rows[*row].0 == rows[of].0 && is_in(rows, frame, *row, of));
        value(&all.map(|row| &rows[row]).collect::<Vec<_>>())
    };
    (0..rows.len()).map(of).collect()
}

fn frames() -> Vec<Frame> {
    let bounds = [UNBOUNDED, steps(-3), steps(-1), CURRENT, steps(1), steps(2), UNBOUNDED];
    let mut frames = Vec::new();
    for unit in [FrameUnit::Rows, FrameUnit::Range] {
        for (at, start) in bounds[..6].iter().enumerate() {
            frames.extend(bounds[at.max(1)..].iter().map(|end| Frame { unit, start: *start, end: *end }));
        }
    }
    frames
}

/// What Flink gives where nulls come first and a frame leaves its row out, before it or up to the end: nothing.
fn is_stuck(frame: &Frame, rows: &[Row], of: usize) -> bool {
    let ends_before = matches!(frame.end, FrameBound::Distance { steps, .. } if steps < 0);
    let begins_behind = matches!(frame.start, FrameBound::Distance { steps, .. } if steps > 0);
    let null_first = rows.iter().find(|row| row.0 == rows[of].0).is_some_and(|row| row.1.is_none());
    let leaves_out = ends_before || (begins_behind && frame.end == UNBOUNDED);
    frame.unit == FrameUnit::Range && leaves_out && null_first
}

#[test]
fn every_frame_has_the_rows_that_it_means() {
    let calls = [
        call("count", &[2], TypeKind::BigInt),
        call("sum", &[2], TypeKind::BigInt),
        call("max", &[2], TypeKind::BigInt),
        call("sum", &[3], TypeKind::Double),
        call("first_value", &[2], TypeKind::BigInt),
    ];
    for seed in 0..6 {
        let rows = rows(seed);
        for frame in frames() {
            for piece in [1, 7, 64] {
                let told = format!("{frame:?}, seed {seed}, batches of {piece}");
                let values = over(schema(TypeKind::BigInt), &batch(&rows), piece, frame, &calls);
                let valid = |in_frame: &[&Row]| in_frame.iter().filter_map(|row| row.2).collect::<Vec<i64>>();
                let counts = expected(&rows, &frame, |f| Some(valid(f).len() as i64));
                let stuck: Vec<bool> = (0..rows.len()).map(|row| is_stuck(&frame, &rows, row)).collect();
                let none = |values: Vec<Option<i64>>, of_none: Option<i64>| -> Vec<Option<i64>> {
                    values.into_iter().zip(&stuck).map(|(value, stuck)| if *stuck { of_none } else { value }).collect()
                };
                assert_eq!(whole(&values[0]), none(counts, Some(0)), "{told}");
                let sums = expected(&rows, &frame, |f| valid(f).into_iter().reduce(|a, b| a + b));
                assert_eq!(whole(&values[1]), none(sums, None), "{told}");
                let most = expected(&rows, &frame, |f| valid(f).into_iter().max());
                assert_eq!(whole(&values[2]), none(most, None), "{told}");
                let doubles = expected(&rows, &frame, |f| f.iter().filter_map(|r| r.3).reduce(|a, b| a + b));
                let doubles: Vec<_> = doubles.iter().zip(&stuck).map(|(v, stuck)| v.filter(|_| !stuck)).collect();
                assert_eq!(floats(&values[3]), doubles, "{told}: summed up in their order");
                let first = expected(&rows, &frame, |f| valid(f).first().copied());
                assert_eq!(whole(&values[4]), none(first, None), "{told}");
            }
        }
    }
}

#[test]
fn numbers_and_neighbours_are_those_of_the_partition() {
    let calls = [
        call("row_number", &[], TypeKind::BigInt),
        call("rank", &[1], TypeKind::BigInt),
        call("dense_rank", &[1], TypeKind::BigInt),
        call("lag", &[2], TypeKind::BigInt),
        call("lead", &[2], TypeKind::BigInt),
    ];
    let sized = [call("percent_rank", &[], TypeKind::Double), call("cume_dist", &[], TypeKind::Double)];
    let frame = Frame::up_to_current(FrameUnit::Range);
    for seed in 10..14 {
        let rows = rows(seed);
        for piece in [1, 7, 64] {
            let values = over(schema(TypeKind::BigInt), &batch(&rows), piece, frame, &calls);
            let parts = over(schema(TypeKind::BigInt), &batch(&rows), piece, frame, &sized);
            for (at, row) in rows.iter().enumerate() {
                let own: Vec<usize> = (0..rows.len()).filter(|other| rows[*other].0 == row.0).collect();
                let number = own.iter().filter(|other| **other <= at).count() as i64;
                let before: Vec<_> = own.iter().filter(|o| rows[**o].1 < row.1).map(|o| rows[*o].1).collect();
                let mut apart = before.clone();
                apart.dedup();
                let neighbour = |at: Option<usize>| {
                    at.and_then(|at| rows.get(at)).filter(|other| other.0 == row.0).and_then(|other| other.2)
                };
                let wanted = [
                    Some(number),
                    Some(before.len() as i64 + 1),
                    Some(apart.len() as i64 + 1),
                    neighbour(at.checked_sub(1)),
                    neighbour(Some(at + 1)),
                ];
                let given: Vec<_> = values.iter().map(|values| whole(values)[at]).collect();
                assert_eq!(given, wanted, "seed {seed}, row {at}, batches of {piece}");
                let up_to = own.iter().filter(|o| rows[**o].1 <= row.1).count() as f64;
                let less = (own.len() as f64 - 1.0).max(1.0);
                let wanted = [Some(before.len() as f64 / less), Some(up_to / own.len() as f64)];
                let given: Vec<_> = parts.iter().map(|values| floats(values)[at]).collect();
                assert_eq!(given, wanted, "seed {seed}, row {at}, batches of {piece}");
            }
        }
    }
}

#[test]
fn a_range_of_times_is_one_of_milliseconds() {
    let micros = [Some(0), Some(1_000), Some(1_999), Some(2_001), Some(10_000), None];
    let order: ArrayRef = Arc::new(TimestampMicrosecondArray::from(micros[..5].to_vec()));
    let one = |n: usize| Arc::new(Int64Array::from(vec![1; n])) as ArrayRef;
    let nothing: ArrayRef = Arc::new(Float64Array::from(vec![None; 5]));
    let schema = schema(TypeKind::Timestamp(6));
    let rows = columns::batch(&columns::loose(&schema), vec![one(5), order, one(5), nothing], 5).unwrap();
    let frame = Frame { unit: FrameUnit::Range, start: steps(-1), end: steps(1) };
    let counts = over(schema, &rows, 2, frame, &[call("count", &[], TypeKind::BigInt)]);
    assert_eq!(whole(&counts[0]), [Some(2), Some(3), Some(3), Some(2), Some(1)]);
}

#[test]
fn what_nothing_looks_back_to_is_let_go() {
    let rows: Vec<Row> = (0..10_000).map(|n| (Some(1), Some(n), Some(n), None)).collect();
    let parts = |frame, calls: Vec<AggregateCall>| {
        let input = schema(TypeKind::BigInt);
        let mut output = input.clone();
        output.fields.extend(calls.iter().map(|call| Field::new("x", call.ty.clone())));
        let order = vec![SortField { column: 1, descending: false, nulls_last: false }];
        OverParts { output: columns::loose(&output), input, partition: vec![0], order, frame, calls }
    };
    let held_after = |frame, calls| {
        let mut over = Over::new(parts(frame, calls)).unwrap();
        (0..100).for_each(|n| drop(over.push(batch(&rows[n * 100..][..100])).unwrap()));
        over.memory_bytes()
    };
    let sum = || vec![call("sum", &[2], TypeKind::BigInt), call("lead", &[2], TypeKind::BigInt)];
    let near = Frame { unit: FrameUnit::Range, start: steps(-2), end: steps(2) };
    let to_the_end = Frame { end: UNBOUNDED, ..near };
    let (few, all) = (held_after(near, sum()), held_after(to_the_end, sum()));
    assert!(few < 20_000 && all > 300_000, "{few} bytes, {all} bytes");
}
