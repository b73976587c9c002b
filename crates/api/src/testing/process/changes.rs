//! Functions over two tables, over updates, and with updates.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, StringArray};

use super::{batch, output, text, text_of};
use crate::process::{ProcessContext, ProcessOutput, ProcessRows, ProcessTableFunction};
use crate::{Result, RowKind, RowKinds, TypeKind};

const LEFTS: usize = 0;
const RIGHTS: usize = 1;

/// Every value of the left with every one of the right of the same key.
pub(super) struct Pairs;

impl ProcessTableFunction for Pairs {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let (own, other) = if rows.argument == 0 { (LEFTS, RIGHTS) } else { (RIGHTS, LEFTS) };
        let column = rows.batch.rows().column(0);
        let values = (0..rows.batch.len()).map(|row| text_of(column, row)).collect::<Result<Vec<_>>>()?;
        let stored: ArrayRef = Arc::new(StringArray::from(values.clone()));
        cx.state.put(own, rows.keys, &batch(&[("value", text())], vec![stored])?)?;
        let met = cx.state.read(other, rows.keys)?;
        let others = met.rows.column(0).as_string::<i32>();
        let pairs = met.of.iter().enumerate().map(|(at, row)| (values[*row as usize].as_str(), others.value(at)));
        let (mut lefts, mut rights): (Vec<&str>, Vec<&str>) = pairs.unzip();
        if own == RIGHTS {
            std::mem::swap(&mut lefts, &mut rights);
        }
        let arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(lefts)), Arc::new(StringArray::from(rights))];
        output(&[("l", text()), ("r", text())], arrays, (met.of.clone(), None))
    }
}

/// What kinds of changes come.
pub(super) struct Kinds;

impl ProcessTableFunction for Kinds {
    fn eval(&mut self, rows: &ProcessRows<'_>, _: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let name = |row| match rows.batch.kind(row) {
            RowKind::Insert => "INSERT",
            RowKind::UpdateBefore => "UPDATE_BEFORE",
            RowKind::UpdateAfter => "UPDATE_AFTER",
            RowKind::Delete => "DELETE",
        };
        let [first, second] = [0, 1].map(|column| rows.batch.rows().column(column));
        let shown = |row| Ok(format!("{}/{}", text_of(first, row)?, text_of(second, row)?));
        let values = (0..rows.batch.len()).map(shown).collect::<Result<Vec<_>>>()?;
        let kinds: Vec<&str> = (0..rows.batch.len()).map(name).collect();
        let origins = (0..values.len() as u32).collect();
        let arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(kinds)), Arc::new(StringArray::from(values))];
        output(&[("kind", text()), ("v", text())], arrays, (origins, None))
    }
}

/// The last value of the third column of the key, and how many there were; a null takes it away.
pub(super) struct Latest {
    pub(super) retracts: bool,
}

/// A value and its number.
type Row = (Option<i32>, i64);

impl Latest {
    /// What a value changes of a key.
    fn changes(&self, last: &mut Option<Row>, value: Option<i32>) -> Vec<(RowKind, Row)> {
        let before = *last;
        *last = value.map(|value| (Some(value), before.map_or(0, |(_, n)| n) + 1));
        match (before, *last) {
            (None, None) => Vec::new(),
            (Some(gone), None) => vec![(RowKind::Delete, gone)],
            (None, Some(new)) => vec![(RowKind::Insert, new)],
            (Some(old), Some(new)) if self.retracts => vec![(RowKind::UpdateBefore, old), (RowKind::UpdateAfter, new)],
            (Some(_), Some(new)) => vec![(RowKind::UpdateAfter, new)],
        }
    }
}

impl ProcessTableFunction for Latest {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let keys: Vec<u32> = (0..cx.keys as u32).collect();
        let found = cx.state.read(0, &keys)?;
        let (values, numbers) =
            (found.rows.column(0).as_primitive::<Int32Type>(), found.rows.column(1).as_primitive::<Int64Type>());
        let mut last: Vec<Option<Row>> = vec![None; cx.keys];
        for (row, key) in found.of.iter().enumerate() {
            last[*key as usize] = Some((values.is_valid(row).then(|| values.value(row)), numbers.value(row)));
        }
        let input = rows.batch.rows().column(2).as_primitive::<Int32Type>();
        let (mut origins, mut kinds, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for (row, key) in (0..).zip(rows.keys) {
            let value = input.is_valid(row as usize).then(|| input.value(row as usize));
            for (kind, change) in self.changes(&mut last[*key as usize], value) {
                origins.push(row);
                kinds.push(kind);
                given.push(change);
            }
        }
        let (kept, gone): (Vec<u32>, Vec<u32>) = keys.iter().partition(|key| last[**key as usize].is_some());
        cx.state.clear(0, &gone)?;
        cx.state.put(0, &kept, &of_rows(&last.into_iter().flatten().collect::<Vec<_>>())?)?;
        Ok(ProcessOutput { rows: of_rows(&given)?, origins, kinds: Some(RowKinds::new(kinds)) })
    }
}

fn of_rows(rows: &[Row]) -> Result<arrow_array::RecordBatch> {
    let values: Int32Array = rows.iter().map(|(value, _)| *value).collect();
    let numbers: Int64Array = rows.iter().map(|(_, n)| Some(*n)).collect();
    batch(&[("v", TypeKind::Int), ("n", TypeKind::BigInt)], vec![Arc::new(values), Arc::new(numbers)])
}
