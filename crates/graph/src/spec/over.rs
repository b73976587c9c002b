//! Aggregation of each row with those before it: `OVER`.

use flott_api::Schema;
use flott_api::table::ChangelogMode;
use serde::{Deserialize, Serialize};

use super::sort::SortField;
use super::{AggregateCall, Spec};

/// By what rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverOrder {
    /// Processing time: the order in which rows come.
    Proctime,
    /// A rowtime column of the input, ascending.
    Rowtime(usize),
    /// Any columns, none for rows that are all equal. The frame begins with the first row, and the input may be updated.
    Columns(Vec<SortField>),
}

/// Which rows before the current one count. The frame ends with the current row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverFrame {
    /// `ROWS`: so many rows before it, or all.
    Rows {
        /// How many; nothing for `UNBOUNDED`.
        preceding: Option<u64>,
    },
    /// `RANGE`: rows whose time is at most so long before it, or all; and those of the same time, or the same place in the
    /// order.
    Range {
        /// Milliseconds; nothing for `UNBOUNDED`.
        preceding_ms: Option<i64>,
    },
}

impl OverFrame {
    /// Whether it begins with the first row.
    pub fn is_unbounded(self) -> bool {
        matches!(self, OverFrame::Rows { preceding: None } | OverFrame::Range { preceding_ms: None })
    }
}

/// Any frame: what batch mode takes. Rows lie in it from one bound up to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// In what it is measured.
    pub unit: FrameUnit,
    /// Where it begins.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
}

/// In what a frame is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameUnit {
    /// `ROWS`.
    Rows,
    /// `RANGE`: values of the order.
    Range,
}

/// A bound of a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameBound {
    /// That of the partition.
    Unbounded,
    /// The current row; of `RANGE` the first or the last one that is equal to it in the order.
    Current,
    /// So far from the current row, negative before it: rows, or `steps / 10^scale` of the order's values. Days of dates and
    /// milliseconds of other times are steps.
    Distance {
        /// How many.
        steps: i64,
        /// Digits behind the point.
        scale: u8,
    },
}

impl Frame {
    /// `UNBOUNDED PRECEDING` to `CURRENT ROW`.
    pub fn up_to_current(unit: FrameUnit) -> Self {
        Frame { unit, start: FrameBound::Unbounded, end: FrameBound::Current }
    }

    /// The frame as streams have it: nothing if it ends elsewhere than with the current row, or begins behind it.
    pub fn of_stream(&self) -> Option<OverFrame> {
        let preceding = match self.start {
            FrameBound::Unbounded => None,
            FrameBound::Distance { steps, scale: 0 } if steps <= 0 => Some(steps.checked_neg()?),
            FrameBound::Current | FrameBound::Distance { .. } => return None,
        };
        match (self.end, self.unit) {
            (FrameBound::Current, FrameUnit::Rows) => {
                Some(OverFrame::Rows { preceding: preceding.map(|rows| rows as u64) })
            }
            (FrameBound::Current, FrameUnit::Range) => Some(OverFrame::Range { preceding_ms: preceding }),
            _ => None,
        }
    }
}

/// `f(..) OVER (PARTITION BY .. ORDER BY .. ROWS | RANGE ..)`: each input row with the values of the aggregates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The partition columns; none for one partition of all rows.
    pub partition: Vec<usize>,
    /// The order.
    pub order: OverOrder,
    /// The frame.
    pub frame: OverFrame,
    /// The aggregates: those of a grouping, and `row_number`, `rank`, `dense_rank` (the arguments are the columns of the
    /// order) and `lag`.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: updates only if the order is by columns.
    pub input_changelog: ChangelogMode,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// Input columns, then results.
    pub output: Schema,
}

impl Spec for OverAggregateSpec {
    const KIND: &'static str = "over-aggregate-1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_frames_that_end_with_the_row() {
        let before = |steps, scale| FrameBound::Distance { steps, scale };
        let frame = |unit, start| Frame { unit, start, end: FrameBound::Current };
        let rows = frame(FrameUnit::Rows, before(-2, 0)).of_stream();
        assert_eq!(rows, Some(OverFrame::Rows { preceding: Some(2) }));
        let range = Frame::up_to_current(FrameUnit::Range).of_stream();
        assert_eq!(range, Some(OverFrame::Range { preceding_ms: None }));
        let others = [before(1, 0), before(-15, 1), before(i64::MIN, 0), FrameBound::Current];
        assert!(others.iter().all(|start| frame(FrameUnit::Range, *start).of_stream().is_none()));
        let ahead = Frame { end: FrameBound::Unbounded, ..Frame::up_to_current(FrameUnit::Rows) };
        assert_eq!(ahead.of_stream(), None);
    }
}
