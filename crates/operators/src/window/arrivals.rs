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
            SliceRows::Some(rows) => match (rows.first(), rows.last()) {
                // Rows come nearly in the order of their time: those of a slice mostly follow each other.
                (Some(first), Some(last)) if (last - first) as usize + 1 == rows.len() => {
                    Ok(batch.slice(*first as usize, rows.len()).without_marks())
                }
                _ => batch.take(&UInt32Array::from(rows)),
            },
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

/// Finds the slices of rows that come one after the other: rows of one slice mostly follow each other.
pub(crate) struct Slices<'a> {
    windows: &'a Windows,
    last: Option<Slice>,
}

/// A slice.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) end_ms: i64,
    /// The times of its rows lie between these two.
    times_ms: (i64, i64),
    /// When its first window is over.
    pub(crate) first_due_ms: i64,
}

impl<'a> Slices<'a> {
    pub(crate) fn new(windows: &'a Windows) -> Self {
        Slices { windows, last: None }
    }

    /// The slice of a row with this time; nothing if it lies in no window.
    #[inline]
    pub(crate) fn of(&mut self, time_ms: i64) -> Result<Option<Slice>> {
        match self.last {
            Some(slice) if slice.times_ms.0 <= time_ms && time_ms <= slice.times_ms.1 => Ok(Some(slice)),
            _ => self.found(time_ms),
        }
    }

    fn found(&mut self, time_ms: i64) -> Result<Option<Slice>> {
        let Some(end_ms) = self.windows.slice_end(time_ms) else { return Ok(None) };
        let first_due_ms = self.windows.due_ms(self.windows.first_window_end(end_ms))?;
        self.last = Some(Slice { end_ms, times_ms: self.windows.slice_times(end_ms), first_due_ms });
        Ok(self.last)
    }

    /// Whether all these rows lie in one slice of which no window is over at this watermark.
    pub(crate) fn all_are_one(&mut self, times: &[i64], watermark_ms: i64) -> Result<bool> {
        let (first, last) = times.iter().fold((i64::MAX, i64::MIN), |(a, b), time| (a.min(*time), b.max(*time)));
        let Some(slice) = self.of(first)? else { return Ok(false) };
        Ok(slice.first_due_ms > watermark_ms && self.windows.slice_end(last) == Some(slice.end_ms))
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
    let mut slices = Slices::new(windows);
    if let (true, Emitted::Until(emitted)) = (event_time, now.emitted) {
        let last = batch.last_watermark().map_or(now.watermark, |mark| mark.max(now.watermark));
        if slices.all_are_one(times.values(), last.0)?
            && let Some(slice) = slices.of(times.value(0))?.filter(|slice| slice.end_ms > emitted)
        {
            return Ok(Some(Arrivals { slices: vec![(slice.end_ms, SliceRows::All)], behind: Vec::new(), late: 0 }));
        }
    }
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
        let Some(Slice { end_ms: mut slice_end_ms, .. }) = slices.of(*time)? else {
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
