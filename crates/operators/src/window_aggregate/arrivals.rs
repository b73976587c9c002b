//! Which rows of a batch are in time, and for which window.

use std::collections::BTreeMap;

use arrow_array::{Array, UInt32Array};
use flott_api::{ChangeBatch, Result, Watermark};

use crate::window::Windows;

/// The rows of a batch by window.
pub(super) struct Arrivals {
    /// By the window's end; rows in their order.
    pub(super) windows: Vec<(i64, WindowRows)>,
    /// How many rows were late.
    pub(super) late: u64,
}

/// The rows of one window.
pub(super) enum WindowRows {
    /// The whole batch.
    All,
    /// These.
    Some(Vec<u32>),
}

impl WindowRows {
    /// These rows of the batch.
    pub(super) fn of(self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        match self {
            WindowRows::All => Ok(batch.clone()),
            WindowRows::Some(rows) => batch.take(&UInt32Array::from(rows)),
        }
    }
}

/// A window that the batch has met.
struct Met {
    end_ms: i64,
    due_ms: i64,
    rows: Vec<u32>,
}

/// Sorts the rows of a batch by window, with the watermark and the clock at its beginning; nothing if a
/// row has no time.
pub(super) fn arrivals(batch: &ChangeBatch, windows: &Windows, now: (Watermark, i64)) -> Result<Option<Arrivals>> {
    let (mut watermark, processing_time_ms) = now;
    let times = windows.times(batch.rows(), processing_time_ms)?;
    if times.null_count() > 0 {
        return Ok(None);
    }
    let event_time = windows.is_event_time();
    let mut marks = batch.marks().iter().peekable();
    let mut met: Vec<Met> = Vec::new();
    let mut places: BTreeMap<i64, usize> = BTreeMap::new();
    let (mut last, mut late) = (usize::MAX, 0);
    for (row, time) in times.values().iter().enumerate() {
        while let Some(mark) = marks.next_if(|m| m.row as usize <= row) {
            // Behind a restore the watermark in force may be ahead of those that come again.
            watermark = watermark.max(mark.watermark);
        }
        let end_ms = windows.end_ms(*time);
        // Rows of one window mostly follow each other.
        if met.get(last).is_none_or(|m| m.end_ms != end_ms) {
            last = match places.get(&end_ms) {
                Some(place) => *place,
                None => {
                    places.insert(end_ms, met.len());
                    met.push(Met { end_ms, due_ms: windows.due_ms(end_ms)?, rows: Vec::new() });
                    met.len() - 1
                }
            };
        }
        if event_time && met[last].due_ms <= watermark.0 {
            late += 1;
        } else {
            met[last].rows.push(row as u32);
        }
    }
    let rows = |m: Met| match m.rows.len() == batch.len() {
        true => (m.end_ms, WindowRows::All),
        false => (m.end_ms, WindowRows::Some(m.rows)),
    };
    let windows = met.into_iter().filter(|m| !m.rows.is_empty()).map(rows).collect();
    Ok(Some(Arrivals { windows, late }))
}
