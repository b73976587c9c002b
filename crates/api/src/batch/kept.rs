//! Rows that a filter has kept and nobody has copied yet.

use std::sync::OnceLock;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_select::filter::{FilterBuilder, filter, prep_null_mask_filter};

use crate::{Error, Result};

/// Which rows of a batch are kept. All clones of the result share it, so that rows are copied once.
#[derive(Debug)]
pub(super) struct Kept {
    /// Without nulls; as long as the batch.
    keep: BooleanArray,
    count: usize,
    /// The rows by themselves, once somebody has asked for them.
    copied: OnceLock<RecordBatch>,
    /// Where they lie among all, once somebody has taken some of them.
    places: OnceLock<Vec<u32>>,
}

impl Kept {
    pub(super) fn new(keep: &BooleanArray) -> Self {
        let keep = if keep.null_count() > 0 { prep_null_mask_filter(keep) } else { keep.clone() };
        Kept { count: keep.true_count(), keep, copied: OnceLock::new(), places: OnceLock::new() }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn is_copied(&self) -> bool {
        self.copied.get().is_some()
    }

    /// The kept ones of these rows.
    pub(super) fn copied(&self, all: &RecordBatch) -> &RecordBatch {
        let copy = || FilterBuilder::new(&self.keep).optimize().build().filter_record_batch(all);
        self.copied.get_or_init(|| copy().expect("a filter is as long as its batch"))
    }

    /// The kept ones of these values.
    pub(super) fn copied_column(&self, all: &ArrayRef) -> ArrayRef {
        filter(all, &self.keep).expect("a filter is as long as its batch")
    }

    /// Where these of the kept rows lie among all.
    pub(super) fn places_of(&self, rows: &UInt32Array) -> Result<Vec<u32>> {
        let places = self.places.get_or_init(|| self.keep.values().set_indices_u32().collect());
        let place = |row: &u32| places.get(*row as usize).copied();
        let of = rows.values().iter().map(place).collect::<Option<Vec<_>>>();
        of.ok_or_else(|| Error::internal("a row is taken that is not there"))
    }
}
