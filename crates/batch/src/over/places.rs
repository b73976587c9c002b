//! Which rows count for a row: where its frame begins and ends, and which rows are equal to it in the order.
//!
//! Both bounds only move forward from row to row. What a null is in a `RANGE` with a distance is Flink's: nulls see each
//! other unless the frame leaves the row itself out, and a row that is no null ends where a null comes. So behind nulls that
//! come first a frame stays empty that ends before its row, or that begins behind it and goes on to the end.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_ord::partition::partition;
use arrow_schema::DataType;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};
use flott_graph::spec::{Frame, FrameBound, FrameUnit, SortField};
use flott_state::canonical::Canonical;

use super::Held;
use crate::ordered::picked;

/// Where a row stands in the order: equal rows stand at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peers {
    /// The first row of those that are equal.
    pub(super) start: usize,
    /// The number of the place, from 0.
    pub(super) number: u64,
}

/// What is known of the rows that are held.
pub(super) struct Places {
    first: usize,
    end: usize,
    /// Whether no more rows come.
    ended: bool,
    peers: Vec<Peers>,
    values: Values,
}

/// The values of the order, where distances between them count.
enum Values {
    None,
    /// In the unit of the column.
    Exact(Vec<Option<i128>>),
    Approximate {
        values: Vec<Option<f64>>,
        /// Whether differences are rounded to `FLOAT`.
        single: bool,
    },
}

impl Places {
    pub(super) fn new(held: &Held, ended: bool, window: &Window, first: Peers) -> Result<Self> {
        let by = picked(&held.rows, &window.order);
        let mut peers = Vec::with_capacity(held.rows.num_rows());
        let runs = match by.as_slice() {
            [] => std::iter::once(0..held.rows.num_rows()).collect(),
            by => partition(by)?.ranges(),
        };
        for (number, run) in (first.number..).zip(runs) {
            let start = if number == first.number { first.start } else { held.first + run.start };
            peers.extend(run.map(|_| Peers { start, number }));
        }
        let values = if window.distances.is_some() { Values::of(&by[0])? } else { Values::None };
        Ok(Places { first: held.first, end: held.end(), ended, peers, values })
    }

    pub(super) fn peers(&self, row: usize) -> Peers {
        self.peers[row - self.first]
    }

    /// How many rows there are, once the partition has ended.
    pub(super) fn count(&self) -> usize {
        self.end
    }

    /// The row behind the last one that is equal to a row, once the partition has ended.
    pub(super) fn peers_end(&self, row: usize) -> usize {
        let number = self.peers(row).number;
        self.first + self.peers.partition_point(|peers| peers.number <= number)
    }

    /// Whether a row has come, or never will.
    pub(super) fn is_known(&self, row: i64) -> bool {
        self.ended || row < self.end as i64
    }

    /// Whether a row lies before, within or behind a distance from another one.
    fn is_below(&self, row: usize, of: usize, distance: &Distance) -> bool {
        match self.apart(row, of, distance) {
            Apart::Known(order) => order.is_none_or(Ordering::is_lt),
            Apart::BothNull => distance.steps > 0,
            Apart::OneNull => true,
        }
    }

    fn is_above(&self, row: usize, of: usize, distance: &Distance) -> bool {
        match self.apart(row, of, distance) {
            Apart::Known(order) => order.is_some_and(Ordering::is_gt),
            Apart::BothNull => distance.steps < 0,
            Apart::OneNull => true,
        }
    }

    /// The difference of two rows in the order, compared with a distance.
    fn apart(&self, row: usize, of: usize, distance: &Distance) -> Apart {
        let (row, of) = (row - self.first, of - self.first);
        let (row, of) = if distance.descending { (of, row) } else { (row, of) };
        match &self.values {
            Values::None => Apart::Known(Some(Ordering::Equal)),
            Values::Exact(values) => match (values[row], values[of]) {
                (Some(row), Some(of)) => {
                    let difference = row.saturating_sub(of).saturating_mul(distance.value_scale);
                    let wanted = i128::from(distance.steps).saturating_mul(distance.steps_scale);
                    Apart::Known(Some(difference.cmp(&wanted)))
                }
                (None, None) => Apart::BothNull,
                _ => Apart::OneNull,
            },
            Values::Approximate { values, single } => match (values[row], values[of]) {
                (Some(row), Some(of)) => {
                    let difference = if *single { f64::from(row as f32 - of as f32) } else { row - of };
                    Apart::Known(difference.partial_cmp(&distance.approximate))
                }
                (None, None) => Apart::BothNull,
                _ => Apart::OneNull,
            },
        }
    }
}

enum Apart {
    /// Nothing where a difference is no number.
    Known(Option<Ordering>),
    BothNull,
    OneNull,
}

impl Values {
    fn of(column: &ArrayRef) -> Result<Self> {
        let single = *column.data_type() == DataType::Float32;
        Ok(match Canonical::of(column)? {
            Canonical::Int(values) => Values::Exact(values.iter().map(|v| v.map(i128::from)).collect()),
            Canonical::Wide(values) => Values::Exact(values.iter().collect()),
            Canonical::Float(values) => Values::Approximate { values: values.iter().collect(), single },
            Canonical::Bytes(_) => return Err(Error::internal("a distance between texts")),
        })
    }
}

/// A distance in the order, and what brings it and the values to one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Distance {
    steps: i64,
    steps_scale: i128,
    value_scale: i128,
    approximate: f64,
    descending: bool,
}

impl Distance {
    fn new((steps, scale): (i64, u8), ty: &LogicalType, descending: bool) -> Self {
        let ten = |power: u8| 10i128.pow(u32::from(power));
        let (of_steps, of_values) = match ty.kind {
            TypeKind::Timestamp(4..=6) | TypeKind::TimestampLtz(4..=6) => (1_000, 1),
            TypeKind::Timestamp(7..) | TypeKind::TimestampLtz(7..) => (1_000_000, 1),
            TypeKind::Decimal { scale: of_value, .. } => {
                (ten(of_value.saturating_sub(scale)), ten(scale.saturating_sub(of_value)))
            }
            _ => (1, ten(scale)),
        };
        let approximate = steps as f64 / 10f64.powi(i32::from(scale));
        Distance { steps, steps_scale: of_steps, value_scale: of_values, approximate, descending }
    }
}

/// A frame on its way through a partition.
pub(super) struct Window {
    order: Vec<usize>,
    frame: Frame,
    /// Those of the start and the end, if one has any.
    distances: Option<[Option<Distance>; 2]>,
    /// The first row of the last frame, and the one behind its last.
    at: Range<usize>,
}

impl Window {
    pub(super) fn new(input: &Schema, order: &[SortField], frame: Frame) -> Result<Self> {
        let bounds = [frame.start, frame.end].map(|bound| match bound {
            FrameBound::Distance { steps, scale } if frame.unit == FrameUnit::Range => Some((steps, scale)),
            _ => None,
        });
        let distances = match (bounds, order) {
            ([None, None], _) => None,
            (bounds, [field]) => {
                let ty = input.fields.get(field.column).map(|field| &field.ty);
                let ty = ty.ok_or_else(|| Error::internal("an OVER by a column that is not there"))?;
                Some(bounds.map(|bound| bound.map(|bound| Distance::new(bound, ty, field.descending))))
            }
            _ => return Err(Error::internal("a distance in an order that is not by one column")),
        };
        Ok(Window { order: order.iter().map(|field| field.column).collect(), frame, distances, at: 0..0 })
    }

    /// Before the first row of a partition.
    pub(super) fn begin(&mut self) {
        self.at = 0..0;
    }

    /// Whether all rows of the partition count for the first one, or may.
    pub(super) fn waits_for_end(&self) -> bool {
        let all_equal = self.order.is_empty() && self.frame.unit == FrameUnit::Range;
        self.frame.end == FrameBound::Unbounded || all_equal
    }

    /// The frame of a row, which is the one behind that of the last call or that one again. Nothing if it is not known.
    pub(super) fn frame(&mut self, row: usize, places: &Places) -> Option<Range<usize>> {
        match self.frame.unit {
            FrameUnit::Rows => self.of_rows(row, places),
            FrameUnit::Range => self.of_range(row, places),
        }
    }

    fn of_rows(&mut self, row: usize, places: &Places) -> Option<Range<usize>> {
        let moved = |steps: i64| (row as i64).saturating_add(steps);
        let start = match self.frame.start {
            FrameBound::Unbounded => 0,
            FrameBound::Current => row as i64,
            FrameBound::Distance { steps, .. } => moved(steps),
        };
        let last = match self.frame.end {
            FrameBound::Unbounded => i64::MAX - 1,
            FrameBound::Current => row as i64,
            FrameBound::Distance { steps, .. } => moved(steps).min(i64::MAX - 1),
        };
        if !places.is_known(last) {
            return None;
        }
        let within = |row: i64| usize::try_from(row.max(0)).unwrap_or(usize::MAX).min(places.end);
        let end = within(last + 1);
        self.at = within(start).min(end)..end;
        Some(self.at.clone())
    }

    fn of_range(&mut self, row: usize, places: &Places) -> Option<Range<usize>> {
        let Range { mut start, mut end } = self.at.clone();
        while start < end && self.is_before(start, row, places) {
            start += 1;
        }
        while end < places.end && !self.is_behind(end, row, places) {
            start += usize::from(start == end && self.is_before(end, row, places));
            end += 1;
        }
        self.at = start..end;
        (places.ended || end < places.end).then(|| self.at.clone())
    }

    fn is_before(&self, row: usize, of: usize, places: &Places) -> bool {
        match (self.frame.start, &self.distances) {
            (FrameBound::Unbounded, _) => false,
            (FrameBound::Distance { .. }, Some([Some(distance), _])) => places.is_below(row, of, distance),
            _ => places.peers(row).number < places.peers(of).number,
        }
    }

    fn is_behind(&self, row: usize, of: usize, places: &Places) -> bool {
        match (self.frame.end, &self.distances) {
            (FrameBound::Unbounded, _) => false,
            (FrameBound::Distance { .. }, Some([_, Some(distance)])) => places.is_above(row, of, distance),
            _ => places.peers(row).number > places.peers(of).number,
        }
    }

    /// The first row that the frame of the next row may look at.
    pub(super) fn needs_from(&self) -> usize {
        match self.frame.start {
            FrameBound::Unbounded => self.at.end,
            _ => self.at.start,
        }
    }
}
