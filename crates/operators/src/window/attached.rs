//! Rows that come with their window, kept until it is over: what `WindowRank`, `WindowDeduplicate` and `WindowJoin`
//! share. The time is event time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::operator::OperatorContext;
use flott_api::state::{Redistribution, StateStore};
use flott_api::{ChangeBatch, Error, Result, RowKind, Schema, Watermark};
use flott_graph::spec::{WindowKind, WindowTime};
use flott_state::codec::take_i64;

use super::Windows;
use super::arrivals::{Emitted, Now, SliceRows, arrivals};
use super::windows::due_ms;
use crate::watermark_assigner::null_rowtime;

/// The list of open windows.
const WINDOWS: &str = "windows";

/// One input's windows.
pub(crate) struct Attached {
    windows: Windows,
    column: String,
}

impl Attached {
    /// Windows whose end is in a column.
    ///
    /// # Errors
    /// If there is no such column or zone.
    pub(crate) fn new(input: &Schema, window_end: usize, zone: &str) -> Result<Self> {
        // Only the end of a window counts, not where it begins.
        let kind = WindowKind::Tumble { size_ms: 1, offset_ms: 0 };
        let windows = Windows::new(input, WindowTime::Attached(window_end), &kind, zone)?;
        Ok(Attached { windows, column: input.fields[window_end].name.clone() })
    }

    /// The rows of a batch that are in time, by window; late ones are counted.
    ///
    /// # Errors
    /// If a row is taken back, or has no window.
    pub(crate) fn arrivals(&self, batch: &ChangeBatch, cx: &OperatorContext<'_>) -> Result<Vec<(i64, SliceRows)>> {
        if batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an operator over the rows of windows got a retraction"));
        }
        let now = Now { watermark: cx.watermark, processing_time_ms: 0, emitted: Emitted::Until(i64::MIN) };
        let arrivals = arrivals(batch, &self.windows, &now)?.ok_or_else(|| null_rowtime(&self.column))?;
        cx.metrics.num_late_records_dropped.add(arrivals.late);
        Ok(arrivals.slices)
    }

    /// The rows of a batch by window, late or not.
    ///
    /// # Errors
    /// If the batch does not fit.
    pub(crate) fn all(&self, batch: &ChangeBatch) -> Result<Vec<(i64, SliceRows)>> {
        let now = Now { watermark: Watermark::MIN, processing_time_ms: 0, emitted: Emitted::Until(i64::MIN) };
        Ok(arrivals(&batch.clone().without_marks(), &self.windows, &now)?.map_or(Vec::new(), |a| a.slices))
    }

    /// The watermark that ends a window.
    pub(crate) fn due_ms(&self, end_ms: i64) -> Result<i64> {
        due_ms(self.windows.clock(), end_ms)
    }
}

/// The windows that have rows, by their end, each with the watermark that ends it.
#[derive(Default)]
pub(crate) struct OpenWindows(BTreeMap<i64, i64>);

impl OpenWindows {
    /// Notes a window.
    pub(crate) fn expect(&mut self, end_ms: i64, attached: &Attached) -> Result<()> {
        if let Entry::Vacant(vacant) = self.0.entry(end_ms) {
            vacant.insert(attached.due_ms(end_ms)?);
        }
        Ok(())
    }

    /// Takes out the next window that a watermark ends.
    pub(crate) fn take_due(&mut self, watermark: Watermark) -> Option<i64> {
        let end_ms = self.0.first_key_value().filter(|(_, due)| **due <= watermark.0).map(|(end, _)| *end)?;
        self.0.remove(&end_ms);
        Some(end_ms)
    }

    /// The windows of the checkpoint, those of all subtasks.
    pub(crate) fn restored(store: &Arc<dyn StateStore>) -> Result<Vec<i64>> {
        let items = store.list(WINDOWS).unwrap_or_default();
        items.iter().map(|item| take_i64(&mut &item[..])).collect()
    }

    /// Sets the list of a checkpoint.
    pub(crate) fn save(&self, store: &Arc<dyn StateStore>) {
        let items = self.0.keys().map(|end_ms| Bytes::copy_from_slice(&end_ms.to_le_bytes()));
        store.set_list(WINDOWS, Redistribution::Union, items.collect());
    }
}
