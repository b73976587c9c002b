//! A batch of changes, with the watermarks that lie between its rows.

mod kept;
mod taken;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::DataType;
use arrow_select::filter::FilterBuilder;
use serde::{Deserialize, Serialize};

use self::kept::Kept;
pub use self::taken::taken_columns;
use crate::{Error, Result, RowKind, RowKinds};

/// All rows with an event time up to this one have come; milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Before any row.
    pub const MIN: Watermark = Watermark(i64::MIN);
    /// After the last row of a bounded input: fires everything.
    pub const MAX: Watermark = Watermark(i64::MAX);
}

/// A watermark with a place in a batch: it lies before row `row`, or behind the last row if `row`
/// is the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How many rows of the batch come before it.
    pub row: u32,
    /// The watermark.
    pub watermark: Watermark,
}

/// 1 to [`BATCH_ROWS_MAX`](crate::BATCH_ROWS_MAX) changes of one stream.
///
/// Marks are ordered by row, and their watermarks rise strictly.
///
/// Rows that a filter kept may not have been copied yet ([`filter_late`](ChangeBatch::filter_late)): whoever asks for
/// [`rows`](ChangeBatch::rows) sees no difference, and who takes some of them again copies them once and not twice.
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    /// All rows, or those of which a filter kept some.
    rows: RecordBatch,
    kept: Option<Arc<Kept>>,
    kinds: Option<RowKinds>,
    marks: Vec<Mark>,
}

impl ChangeBatch {
    /// Insertions only.
    pub fn inserts(rows: RecordBatch) -> Self {
        ChangeBatch { rows, kept: None, kinds: None, marks: Vec::new() }
    }

    /// Changes of these kinds. `kinds` that are all `+I` are dropped: `None` is the fast path.
    ///
    /// # Errors
    /// If there are not as many kinds as rows.
    pub fn new(rows: RecordBatch, kinds: Option<RowKinds>) -> Result<Self> {
        if kinds.as_ref().is_some_and(|k| k.len() != rows.num_rows()) {
            return Err(Error::internal("a batch has not as many row kinds as rows"));
        }
        Ok(ChangeBatch { kinds: kinds.filter(|k| !k.is_insert_only()), ..ChangeBatch::inserts(rows) })
    }

    /// The same batch with these marks.
    ///
    /// # Errors
    /// If they are out of order or point behind the last row.
    pub fn with_marks(mut self, marks: Vec<Mark>) -> Result<Self> {
        let ordered = marks.windows(2).all(|w| w[0].row <= w[1].row && w[0].watermark < w[1].watermark);
        if !ordered || marks.last().is_some_and(|m| m.row as usize > self.len()) {
            return Err(Error::internal("the marks of a batch are out of order"));
        }
        self.marks = marks;
        Ok(self)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or_else(|| self.rows.num_rows(), |kept| kept.count())
    }

    /// Whether there is no row. Such a batch is never emitted, but may appear inside an operator.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        self.kept.as_ref().map_or(&self.rows, |kept| kept.copied(&self.rows))
    }

    /// One column, without what a late filter has left in the others.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn column(&self, column: usize) -> Result<ArrayRef> {
        let rows = if self.late().is_some() { &self.rows } else { self.rows() };
        let values = rows.columns().get(column);
        let values = values.ok_or_else(|| Error::internal(format!("a batch has no column {column}")))?;
        Ok(self.late().map_or_else(|| values.clone(), |kept| kept.copied_column(values)))
    }

    /// The types of the columns.
    pub fn types(&self) -> impl ExactSizeIterator<Item = &DataType> {
        self.rows.columns().iter().map(|values| values.data_type())
    }

    /// Which rows were kept, if nobody has asked for them yet.
    fn late(&self) -> Option<&Kept> {
        self.kept.as_deref().filter(|kept| !kept.is_copied())
    }

    /// The row kinds; `None` means all `+I`.
    pub fn kinds(&self) -> Option<&RowKinds> {
        self.kinds.as_ref()
    }

    /// The kind of one row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |k| k.get(row))
    }

    /// The watermarks inside.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The last watermark inside.
    pub fn last_watermark(&self) -> Option<Watermark> {
        self.marks.last().map(|m| m.watermark)
    }

    /// Takes it apart.
    pub fn into_parts(self) -> (RecordBatch, Option<RowKinds>, Vec<Mark>) {
        (self.rows().clone(), self.kinds, self.marks)
    }

    /// The same changes with other columns; kinds and marks stay.
    ///
    /// # Errors
    /// If the number of rows differs.
    pub fn with_rows(self, rows: RecordBatch) -> Result<Self> {
        if rows.num_rows() != self.len() {
            return Err(Error::internal("a projection changed the number of rows"));
        }
        Ok(ChangeBatch { rows, kept: None, ..self })
    }

    /// Rows `offset .. offset + length` without a copy. Keeps the marks that lie before one of these
    /// rows, and those behind the last one if the slice ends the batch.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let end = offset + length;
        let inside = |m: &&Mark| {
            let row = m.row as usize;
            row >= offset && (row < end || (row == end && end == self.len()))
        };
        let marks = self.marks.iter().filter(inside);
        ChangeBatch {
            rows: self.rows().slice(offset, length),
            kept: None,
            kinds: self.kinds.as_ref().map(|k| k.slice(offset, length)),
            marks: marks.map(|m| Mark { row: m.row - offset as u32, ..*m }).collect(),
        }
    }

    /// The rows where `keep` is true (null counts as false). Marks keep their place among the rows.
    ///
    /// # Errors
    /// If `keep` has another length.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self> {
        let rows = FilterBuilder::new(keep).optimize().build().filter_record_batch(self.rows())?;
        Ok(ChangeBatch { rows, kept: None, ..self.of_kept(keep) })
    }

    /// The same; the rows are copied only when somebody asks for them, and lie in memory with the others until then.
    ///
    /// # Errors
    /// If `keep` has another length.
    pub fn filter_late(&self, keep: &BooleanArray) -> Result<Self> {
        if keep.len() != self.len() {
            return Err(Error::internal("a filter has not as many values as a batch has rows"));
        }
        Ok(ChangeBatch { rows: self.rows().clone(), kept: Some(Arc::new(Kept::new(keep))), ..self.of_kept(keep) })
    }

    /// Kinds and marks of the rows that are kept.
    fn of_kept(&self, keep: &BooleanArray) -> Self {
        let is_kept = |row: usize| keep.is_valid(row) && keep.value(row);
        let kinds = self.kinds.as_ref().map(|k| k.take((0..self.len()).filter(|r| is_kept(*r))));
        let mut marks = self.marks.clone();
        let (mut row, mut before) = (0, 0);
        for mark in &mut marks {
            while row < mark.row as usize {
                before += u32::from(is_kept(row));
                row += 1;
            }
            mark.row = before;
        }
        let kinds = kinds.filter(|k| !k.is_insert_only());
        ChangeBatch { rows: self.rows.clone(), kept: None, kinds, marks }
    }

    /// These rows in this order, without marks.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let taken = match self.late() {
            Some(kept) => taken_columns(self.rows.columns(), &kept.places_of(rows)?)?,
            None => taken_columns(self.rows().columns(), rows.values())?,
        };
        // Arrow forgets how many rows there are if no column says it.
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let taken = RecordBatch::try_new_with_options(self.rows.schema(), taken, &options)?;
        let kinds = self.kinds.as_ref().map(|k| k.take(rows.values().iter().map(|r| *r as usize)));
        ChangeBatch::new(taken, kinds)
    }

    /// The same batch without its marks.
    #[must_use]
    pub fn without_marks(mut self) -> Self {
        self.marks.clear();
        self
    }

    /// Bytes of the rows as they count in Flink's `numBytesIn`/`numBytesOut`: what the columns'
    /// values take, without what a slice shares with others. Of rows that were not copied yet, their share of all.
    pub fn byte_size(&self) -> usize {
        let rows = if self.late().is_some() { &self.rows } else { self.rows() };
        let columns: usize = rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        let columns = if self.late().is_some() { columns * self.len() / rows.num_rows().max(1) } else { columns };
        columns + self.kinds.as_ref().map_or(0, RowKinds::len)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int32Array;

    use super::*;

    fn batch(n: i32, marks: &[(u32, i64)]) -> ChangeBatch {
        let column = Arc::new(Int32Array::from_iter_values(0..n)) as _;
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let marks = marks.iter().map(|(row, w)| Mark { row: *row, watermark: Watermark(*w) }).collect();
        ChangeBatch::inserts(rows).with_marks(marks).unwrap()
    }

    fn marks(b: &ChangeBatch) -> Vec<(u32, i64)> {
        b.marks().iter().map(|m| (m.row, m.watermark.0)).collect()
    }

    #[test]
    fn slices_part_the_marks_without_losing_or_doubling_one() {
        let b = batch(4, &[(0, 1), (2, 2), (4, 3)]);
        assert_eq!(marks(&b.slice(0, 2)), [(0, 1)]);
        assert_eq!(marks(&b.slice(2, 2)), [(0, 2), (2, 3)]);
    }

    #[test]
    fn a_filter_keeps_marks_in_their_place() {
        let b = batch(4, &[(1, 1), (3, 2), (4, 3)]);
        let kept = b.filter(&BooleanArray::from(vec![Some(false), Some(true), None, Some(true)])).unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!(marks(&kept), [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn a_late_filter_keeps_the_same_rows() {
        let kinds = (0..6).map(|row| if row % 3 == 0 { RowKind::Delete } else { RowKind::Insert });
        let whole = ChangeBatch::new(batch(6, &[]).into_parts().0, Some(RowKinds::new(kinds.collect()))).unwrap();
        let whole = whole.with_marks(vec![Mark { row: 2, watermark: Watermark(1) }]).unwrap();
        let keep = BooleanArray::from(vec![Some(false), Some(true), None, Some(true), Some(true), Some(false)]);
        let (early, late) = (whole.filter(&keep).unwrap(), whole.filter_late(&keep).unwrap());
        let all = |b: &ChangeBatch| {
            let kinds = (0..b.len()).map(|row| b.kind(row)).collect::<Vec<_>>();
            (b.rows().column(0).clone(), kinds, marks(b))
        };
        assert_eq!((late.len(), late.byte_size()), (3, 3 * 4 + 3));
        assert_eq!(&late.column(0).unwrap(), early.rows().column(0));
        assert!(late.column(1).is_err());
        let two = UInt32Array::from(vec![2, 0]);
        assert_eq!(all(&late.take(&two).unwrap()), all(&early.take(&two).unwrap()));
        assert!(late.take(&UInt32Array::from(vec![3])).is_err());
        assert_eq!(all(&late.slice(1, 2)), all(&early.slice(1, 2)));
        let twice = BooleanArray::from(vec![true, false, true]);
        assert_eq!(all(&late.clone().filter_late(&twice).unwrap()), all(&early.filter(&twice).unwrap()));
        assert_eq!(all(&late), all(&early));
        assert_eq!((late.byte_size(), &late.column(0).unwrap()), (3 * 4 + 3, early.rows().column(0)));
        assert_eq!(all(&late.take(&two).unwrap()), all(&early.take(&two).unwrap()));
        assert!(whole.filter_late(&twice).is_err());
    }

    #[test]
    fn rows_without_columns_are_counted_through_every_cut() {
        let options = RecordBatchOptions::new().with_row_count(Some(4));
        let rows = batch(0, &[]).into_parts().0.project(&[]).unwrap().schema();
        let rows = RecordBatch::try_new_with_options(rows, Vec::new(), &options).unwrap();
        let b = ChangeBatch::inserts(rows).with_marks(vec![Mark { row: 3, watermark: Watermark(1) }]).unwrap();
        assert_eq!(b.slice(1, 3).len(), 3);
        assert_eq!(b.take(&UInt32Array::from(vec![0, 3])).unwrap().len(), 2);
        let kept = b.filter(&BooleanArray::from(vec![true, false, true, true])).unwrap();
        assert_eq!((kept.len(), marks(&kept)), (3, vec![(2, 1)]));
        let late = b.filter_late(&BooleanArray::from(vec![true, false, true, false])).unwrap();
        assert_eq!(late.take(&UInt32Array::from(vec![1])).unwrap().len(), 1);
        assert_eq!((late.byte_size(), late.rows().num_rows()), (0, 2));
        assert_eq!(b.byte_size(), 0);
    }

    #[test]
    fn marks_out_of_order_are_refused() {
        let b = batch(2, &[]);
        assert!(b.clone().with_marks(vec![Mark { row: 3, watermark: Watermark(0) }]).is_err());
        let falling = vec![Mark { row: 0, watermark: Watermark(1) }, Mark { row: 1, watermark: Watermark(1) }];
        assert!(b.with_marks(falling).is_err());
    }

    #[test]
    fn kinds_that_are_all_inserts_take_the_fast_path() {
        let rows = batch(2, &[]).into_parts().0;
        let b = ChangeBatch::new(rows.clone(), Some(RowKinds::new(vec![RowKind::Insert; 2]))).unwrap();
        assert!(b.kinds().is_none());
        assert!(ChangeBatch::new(rows, Some(RowKinds::new(vec![RowKind::Delete]))).is_err());
    }
}
