//! The changes of a batch, built from each aggregate's values before and after each row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, StructArray, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use flott_api::aggregate::{Running, SlotType};
use flott_api::{ChangeBatch, Error, Mark, Result, RowKind, RowKinds};
use flott_state::canonical::{Canonical, form};
use flott_state::hot::Encoding;

use super::steps::Effect;
use crate::emit::{record_batch, replace_marks};

/// What the output is made of.
pub(super) struct Changes {
    /// The key columns of the input.
    pub(super) keys: Vec<ArrayRef>,
    /// The values around each row.
    pub(super) running: Vec<Running>,
    /// Whether somebody needs `-U`.
    pub(super) emit_update_before: bool,
    /// Whether an update without a change is emitted too.
    pub(super) emit_unchanged: bool,
}

/// The rows that come out, by where they come from.
struct Picked {
    rows: Vec<u32>,
    /// 0 for the value before the row, 1 for the one after it.
    sides: Vec<(usize, usize)>,
    kinds: Vec<u8>,
    /// How many rows come out for the input rows before each one; empty if nobody asks.
    before: Vec<usize>,
}

impl Picked {
    fn push(&mut self, row: usize, side: usize, kind: RowKind) {
        self.rows.push(row as u32);
        self.sides.push((side, row));
        self.kinds.push(kind as u8);
    }
}

impl Changes {
    /// The batch of changes.
    pub(super) fn batch(&self, effects: &[Effect], marks: &[Mark], schema: &SchemaRef) -> Result<ChangeBatch> {
        let unchanged = self.unchanged(effects.len())?;
        if !self.emit_update_before && unchanged.is_none() && effects.iter().all(|e| is_upsert(*e)) {
            return self.upserts(effects, marks, schema);
        }
        let picked = self.pick(effects, unchanged.as_ref(), !marks.is_empty());
        let rows = UInt32Array::from(picked.rows);
        let mut columns = self.keys.iter().map(|k| take(k, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        for running in &self.running {
            let sides: [&dyn Array; 2] = [running.before.as_ref(), running.after.as_ref()];
            columns.push(interleave(&sides, &picked.sides)?);
        }
        let output = record_batch(schema, columns, rows.len())?;
        let marks = replace_marks(marks, |row| picked.before[row]);
        ChangeBatch::new(output, RowKinds::from_bytes(picked.kinds))?.with_marks(marks)
    }

    /// The fast path: exactly one row for each input row, with the value after it.
    fn upserts(&self, effects: &[Effect], marks: &[Mark], schema: &SchemaRef) -> Result<ChangeBatch> {
        let kind = |e: &Effect| if *e == Effect::Begins { RowKind::Insert } else { RowKind::UpdateAfter };
        let after = self.running.iter().map(|r| Arc::clone(&r.after));
        let columns = self.keys.iter().cloned().chain(after).collect();
        let rows = record_batch(schema, columns, effects.len())?;
        let kinds = RowKinds::new(effects.iter().map(kind).collect());
        ChangeBatch::new(rows, Some(kinds))?.with_marks(replace_marks(marks, |row| row))
    }

    /// Where no aggregate changed; nothing if that does not matter or never happened.
    fn unchanged(&self, rows: usize) -> Result<Option<BooleanArray>> {
        if self.emit_unchanged {
            return Ok(None);
        }
        let mut all: Option<BooleanArray> = None;
        for running in &self.running {
            let same = same(&running.before, &running.after)?;
            all = Some(match all {
                Some(all) => BooleanArray::new(all.values() & same.values(), None),
                None => same,
            });
            if all.as_ref().is_some_and(|a| !a.has_true()) {
                return Ok(None);
            }
        }
        Ok(Some(all.unwrap_or_else(|| BooleanArray::from(vec![true; rows]))))
    }

    fn pick(&self, effects: &[Effect], unchanged: Option<&BooleanArray>, count: bool) -> Picked {
        let most = effects.len() * (1 + usize::from(self.emit_update_before));
        let mut picked = Picked {
            rows: Vec::with_capacity(most),
            sides: Vec::with_capacity(most),
            kinds: Vec::with_capacity(most),
            before: Vec::new(),
        };
        for (row, effect) in effects.iter().enumerate() {
            if count {
                picked.before.push(picked.rows.len());
            }
            match effect {
                Effect::Ignored => {}
                Effect::Begins => picked.push(row, 1, RowKind::Insert),
                Effect::Ends => picked.push(row, 0, RowKind::Delete),
                Effect::Changes if unchanged.is_some_and(|u| u.value(row)) => {}
                Effect::Changes => {
                    if self.emit_update_before {
                        picked.push(row, 0, RowKind::UpdateBefore);
                    }
                    picked.push(row, 1, RowKind::UpdateAfter);
                }
            }
        }
        if count {
            picked.before.push(picked.rows.len());
        }
        picked
    }
}

fn is_upsert(effect: Effect) -> bool {
    matches!(effect, Effect::Begins | Effect::Changes)
}

/// Where values are equal as Flink's equaliser has it: nulls are, a NaN never is, and zeros have no sign. Rows are equal
/// field by field; arrays and maps by their bits, and never with a null in them.
fn same(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanArray> {
    match (before.data_type(), form(before.data_type())) {
        (DataType::Struct(_), None) => return same_rows(before.as_struct(), after.as_struct()),
        (_, None) => return same_bits(before, after),
        (_, Some(SlotType::Int64 | SlotType::Bytes)) => return Ok(not_distinct(before, after)?),
        (_, Some(SlotType::Int128 | SlotType::Float64)) => {}
    }
    match (Canonical::of(before)?, Canonical::of(after)?) {
        (Canonical::Float(a), Canonical::Float(b)) => Ok(a.iter().zip(b.iter()).map(|(a, b)| Some(a == b)).collect()),
        (Canonical::Wide(a), Canonical::Wide(b)) => Ok(not_distinct(&a, &b)?),
        _ => Err(Error::internal("two columns of one aggregate have different forms")),
    }
}

fn same_rows(before: &StructArray, after: &StructArray) -> Result<BooleanArray> {
    let fields = before.columns().iter().zip(after.columns()).map(|(before, after)| same(before, after));
    let fields = fields.collect::<Result<Vec<_>>>()?;
    let equal = |row: usize| match (before.is_null(row), after.is_null(row)) {
        (false, false) => fields.iter().all(|field| field.value(row)),
        (before, after) => before == after,
    };
    Ok((0..before.len()).map(|row| Some(equal(row))).collect())
}

fn same_bits(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanArray> {
    let encoding = Encoding::of(before.data_type())?;
    let encoders = (encoding.encoder(before)?, encoding.encoder(after)?);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut equal = |row: usize| {
        one.clear();
        other.clear();
        encoders.0.encode(row, &mut one);
        encoders.1.encode(row, &mut other);
        one == other && (before.is_null(row) || !holds_null(before.as_ref(), row..row + 1))
    };
    Ok((0..before.len()).map(|row| Some(equal(row))).collect())
}

/// Whether there is a null in the lists and rows of these rows.
fn holds_null(array: &dyn Array, rows: Range<usize>) -> bool {
    let nulls_in = |array: &dyn Array, rows: Range<usize>| {
        let has_null = array.nulls().is_some_and(|n| rows.clone().any(|row| n.is_null(row)));
        has_null || holds_null(array, rows)
    };
    match array.data_type() {
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let offsets = lists.value_offsets();
            nulls_in(lists.values().as_ref(), offsets[rows.start] as usize..offsets[rows.end] as usize)
        }
        DataType::Struct(_) => array.as_struct().columns().iter().any(|c| nulls_in(c.as_ref(), rows.clone())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Int32Array, ListArray};

    use super::*;

    #[test]
    fn an_array_with_a_null_in_it_is_never_the_same_and_a_row_is() {
        let lists = [Some(vec![Some(1)]), Some(vec![Some(1), None]), None, Some(vec![])];
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        assert_eq!(same(&lists, &lists).unwrap(), BooleanArray::from(vec![true, false, true, true]));
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let rows: ArrayRef = Arc::new(StructArray::try_from(vec![("a", ints)]).unwrap());
        assert_eq!(same(&rows, &rows).unwrap(), BooleanArray::from(vec![true, true]));
        let other: ArrayRef = Arc::new(StructArray::try_from(vec![("a", rows.slice(0, 1))]).unwrap());
        assert_eq!(same(&other, &other).unwrap(), BooleanArray::from(vec![true]));
        assert_eq!(same(&rows.slice(0, 1), &rows.slice(1, 1)).unwrap(), BooleanArray::from(vec![false]));
    }
}
