//! The changes of a batch, built from each aggregate's values before and after each row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use flott_api::aggregate::Running;
use flott_api::{ChangeBatch, Error, Mark, Result, RowKind, RowKinds};
use flott_state::canonical::Canonical;

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

/// Where values are equal as Flink's equaliser has it: nulls are, a NaN never is, and zeros have no sign.
fn same(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanArray> {
    match before.data_type() {
        DataType::Float32 | DataType::Float64 | DataType::Struct(_) => {}
        _ => return Ok(not_distinct(before, after)?),
    }
    match (Canonical::of(before)?, Canonical::of(after)?) {
        (Canonical::Float(a), Canonical::Float(b)) => Ok(a.iter().zip(b.iter()).map(|(a, b)| Some(a == b)).collect()),
        (Canonical::Wide(a), Canonical::Wide(b)) => Ok(not_distinct(&a, &b)?),
        _ => Err(Error::internal("two columns of one aggregate have different forms")),
    }
}
