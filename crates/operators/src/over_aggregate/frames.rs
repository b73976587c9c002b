//! Which rows are in the frames of rows that come out, where somebody is given all of them.
//!
//! Rows come into a frame at its end and leave it at its beginning: all frames of a partition lie in one sequence of rows.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take;
use flott_api::Result;
use flott_api::aggregate::Change;
use flott_state::hot::RowRef;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::entries::OverEntries;
use crate::python_over::PythonOver;

/// See the module.
#[derive(Default)]
pub(super) struct Frames {
    /// The place of each partition's sequence.
    places: HashMap<u32, usize, FixedState>,
    sequences: Vec<Sequence>,
    /// The sequence and the frame of each row that comes out.
    emitted: Vec<(usize, Range<usize>)>,
    /// The sequence that has changed last.
    last: usize,
}

/// The rows of a partition's frames, one behind the other.
#[derive(Default)]
struct Sequence {
    rows: Vec<RowRef>,
    /// The first row that is in the frame now.
    first: usize,
}

impl Frames {
    /// Whether the rows in a partition's frame are known.
    pub(super) fn knows(&self, group: u32) -> bool {
        self.places.contains_key(&group)
    }

    /// These rows are in the frame of a partition.
    pub(super) fn begin(&mut self, group: u32, rows: Vec<RowRef>) {
        self.places.insert(group, self.sequences.len());
        self.sequences.push(Sequence { rows, first: 0 });
    }

    /// A row comes into the frame of a partition, or the oldest one leaves it.
    pub(super) fn step(&mut self, group: u32, row: RowRef, change: Change) {
        let next = self.sequences.len();
        self.last = *self.places.entry(group).or_insert(next);
        if self.last == next {
            self.sequences.push(Sequence::default());
        }
        let sequence = &mut self.sequences[self.last];
        match change {
            Change::Add => sequence.rows.push(row),
            Change::Retract => sequence.first += 1,
            Change::Skip => {}
        }
    }

    /// A row comes out with the frame as it is.
    pub(super) fn emit(&mut self) {
        if let Some(sequence) = self.sequences.get(self.last) {
            self.emitted.push((self.last, sequence.first..sequence.rows.len()));
        }
    }

    /// All rows of the frames, the frames over them, and which of them each row has that comes out.
    pub(super) fn laid_out(self, entries: &OverEntries) -> Result<Framed> {
        let (mut rows, mut starts) = (Vec::new(), Vec::with_capacity(self.sequences.len()));
        for sequence in &self.sequences {
            starts.push(rows.len());
            rows.extend(&sequence.rows);
        }
        let (mut windows, mut at): (Vec<Range<usize>>, Vec<u32>) = (Vec::new(), Vec::with_capacity(self.emitted.len()));
        for (sequence, frame) in &self.emitted {
            let window = frame.start + starts[*sequence]..frame.end + starts[*sequence];
            // Rows that come out together have one frame.
            if windows.last() != Some(&window) {
                windows.push(window);
            }
            at.push(windows.len() as u32 - 1);
        }
        Ok(Framed { rows: entries.timed.rows.rows(&rows)?, windows, at: UInt32Array::from(at) })
    }
}

/// Frames over rows.
pub(super) struct Framed {
    rows: RecordBatch,
    windows: Vec<Range<usize>>,
    /// Which frame each row has that comes out.
    at: UInt32Array,
}

impl Framed {
    /// What functions make of the frames: a column for each, with a row for each row that comes out.
    pub(super) async fn values(self, beside: &mut PythonOver) -> Result<Vec<ArrayRef>> {
        let values = beside.values(&self.rows, &self.windows).await?;
        values.iter().map(|values| Ok(take(values, &self.at, None)?)).collect()
    }
}
