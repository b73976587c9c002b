//! Which rows of a batch are in time, and for which slice.

use std::collections::BTreeMap;

use arrow_array::{Array, UInt32Array};
use flott_api::{ChangeBatch, Result, Watermark};

use crate::window::Windows;

/// The rows of a batch by slice.
pub(crate) struct Arrivals {
    /// By the slice's end; rows in their order. No window of these slices has been emitted at their place.
    pub(crate) slices: Vec<(i64, SliceRows)>,
    /// Rows of slices of which some windows have been emitted, but not all.
    pub(crate) behind: Vec<Behind>,
    /// How many rows were late.
    pub(crate) late: u64,
}

/// The rows of one slice.
pub(crate) enum SliceRows {
    /// The whole batch.
    All,
    /// These.
    Some(Vec<u32>),
}

impl SliceRows {
    /// These rows of the batch.
    pub(crate) fn of(self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        match self {
            SliceRows::All => Ok(batch.clone()),
            SliceRows::Some(rows) => batch.take(&UInt32Array::from(rows)),
        }
    }
}

/// Rows of one slice between two marks.
pub(crate) struct Behind {
    /// How many marks of the batch come before them.
    pub(crate) marks: usize,
    /// The watermark in force there.
    pub(crate) watermark: Watermark,
    /// The slice's end.
    pub(crate) slice_end_ms: i64,
    /// The rows.
    pub(crate) rows: Vec<u32>,
}

/// The moment at which a batch comes.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) watermark: Watermark,
    pub(crate) processing_time_ms: i64,
    pub(crate) emitted: Emitted<'a>,
}

/// Up to which end windows have been emitted.
#[derive(Clone, Copy)]
pub(crate) enum Emitted<'a> {
    /// The same for all rows; also where only the watermark decides.
    Until(i64),
    /// For each row's key its own.
    ByRow(&'a [i64]),
}

impl Emitted<'_> {
    #[inline]
    fn until(&self, row: usize) -> i64 {
        match self {
            Emitted::Until(end_ms) => *end_ms,
            Emitted::ByRow(ends) => ends[row],
        }
    }
}

/// A slice that the batch has met.
struct Met {
    slice_end_ms: i64,
    /// When its first and its last window are over.
    due_ms: (i64, i64),
    last_end_ms: i64,
    rows: Vec<u32>,
}

impl Met {
    fn new(slice_end_ms: i64, windows: &Windows) -> Result<Self> {
        let last_end_ms = windows.last_window_end(slice_end_ms);
        let due_ms = (windows.due_ms(windows.first_window_end(slice_end_ms))?, windows.due_ms(last_end_ms)?);
        Ok(Met { slice_end_ms, due_ms, last_end_ms, rows: Vec::new() })
    }
}

/// Sorts the rows of a batch by slice; nothing if a row has no time.
pub(crate) fn arrivals(batch: &ChangeBatch, windows: &Windows, now: &Now<'_>) -> Result<Option<Arrivals>> {
    let times = windows.times(batch.rows(), now.processing_time_ms)?;
    if times.null_count() > 0 {
        return Ok(None);
    }
    let event_time = windows.is_event_time();
    let mut watermark = now.watermark;
    let mut passed = 0;
    let mut met: Vec<Met> = Vec::new();
    let mut places: BTreeMap<i64, usize> = BTreeMap::new();
    let (mut last, mut late, mut behind) = (usize::MAX, 0, Vec::new());
    for (row, time) in times.values().iter().enumerate() {
        while let Some(mark) = batch.marks().get(passed).filter(|m| m.row as usize <= row) {
            // Behind a restore the watermark in force may be ahead of those that come again.
            watermark = watermark.max(mark.watermark);
            passed += 1;
        }
        let emitted = now.emitted.until(row);
        let Some(mut slice_end_ms) = windows.slice_end(*time) else {
            late += 1;
            continue;
        };
        if !event_time && slice_end_ms <= emitted {
            slice_end_ms = windows.slice_behind(emitted);
        }
        // Rows of one slice mostly follow each other.
        if met.get(last).is_none_or(|m| m.slice_end_ms != slice_end_ms) {
            last = match places.get(&slice_end_ms) {
                Some(place) => *place,
                None => {
                    places.insert(slice_end_ms, met.len());
                    met.push(Met::new(slice_end_ms, windows)?);
                    met.len() - 1
                }
            };
        }
        let slice = &mut met[last];
        if event_time && (slice.due_ms.1 <= watermark.0 || slice.last_end_ms <= emitted) {
            late += 1;
        } else if event_time && (slice.due_ms.0 <= watermark.0 || slice_end_ms <= emitted) {
            behind.push((passed, slice_end_ms, row as u32, watermark));
        } else {
            slice.rows.push(row as u32);
        }
    }
    let rows = |m: Met| match m.rows.len() == batch.len() {
        true => (m.slice_end_ms, SliceRows::All),
        false => (m.slice_end_ms, SliceRows::Some(m.rows)),
    };
    let slices = met.into_iter().filter(|m| !m.rows.is_empty()).map(rows).collect();
    Ok(Some(Arrivals { slices, behind: grouped(behind), late }))
}

/// Rows of one slice that follow each other.
fn grouped(rows: Vec<(usize, i64, u32, Watermark)>) -> Vec<Behind> {
    let same = |a: &(usize, i64, u32, Watermark), b: &(usize, i64, u32, Watermark)| (a.0, a.1) == (b.0, b.1);
    let group = |rows: &[(usize, i64, u32, Watermark)]| {
        let (marks, slice_end_ms, _, watermark) = rows[0];
        Behind { marks, watermark, slice_end_ms, rows: rows.iter().map(|r| r.2).collect() }
    };
    rows.chunk_by(same).map(group).collect()
}
