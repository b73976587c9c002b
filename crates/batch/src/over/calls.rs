//! What calls give for rows whose frames are known: numbers and places, neighbours, and aggregates.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, UInt64Array};
use arrow_select::take::take;
use arrow_select::zip::zip;
use flott_api::{Error, Result, Schema};
use flott_graph::spec::{AggregateCall, Frame};
use flott_state::canonical::Canonical;

use super::Held;
use super::aggregates::{Aggregates, Place};
use super::places::{Places, Window};

/// A call.
enum Call {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    /// The column of the number of parts.
    Ntile(usize),
    Neighbour(Neighbour),
    Aggregate(Place),
}

/// `LAG` and `LEAD`, by their columns.
struct Neighbour {
    ahead: bool,
    value: usize,
    offset: Option<usize>,
    default: Option<usize>,
}

impl Call {
    fn of(call: &AggregateCall, aggregates: &mut Aggregates, input: &Schema) -> Result<Self> {
        let (name, args) = (call.function.name.as_str(), call.args.as_slice());
        Ok(match (name, args) {
            ("row_number", _) => Call::RowNumber,
            ("rank", _) => Call::Rank,
            ("dense_rank", _) => Call::DenseRank,
            ("percent_rank", _) => Call::PercentRank,
            ("cume_dist", _) => Call::CumeDist,
            ("ntile", [parts]) => Call::Ntile(*parts),
            ("lag" | "lead", [value, rest @ ..]) => Call::Neighbour(Neighbour {
                ahead: name == "lead",
                value: *value,
                offset: rest.first().copied(),
                default: rest.get(1).copied(),
            }),
            _ => Call::Aggregate(aggregates.add(input, call)?),
        })
    }
}

/// The calls of an `OVER`.
pub(super) struct Calls {
    calls: Vec<Call>,
    aggregates: Aggregates,
}

/// The calls over rows that are held.
pub(super) struct CallsOver<'a> {
    held: &'a Held,
    /// For each neighbour how many rows ahead it is, a number for each row.
    ahead: Vec<Option<Int64Array>>,
}

impl Calls {
    pub(super) fn new(input: &Schema, frame: &Frame, calls: &[AggregateCall]) -> Result<Self> {
        let mut aggregates = Aggregates::new(frame);
        let calls = calls.iter().map(|call| Call::of(call, &mut aggregates, input)).collect::<Result<_>>()?;
        aggregates.plan(input)?;
        Ok(Calls { calls, aggregates })
    }

    /// Before the first row of a partition.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.aggregates.begin()
    }

    /// Whether one needs the size of the partition.
    pub(super) fn wait_for_end(&self) -> bool {
        self.calls.iter().any(|call| matches!(call, Call::PercentRank | Call::CumeDist | Call::Ntile(_)))
    }

    /// The first row that aggregates may still look at.
    pub(super) fn needs_from(&self, window: &Window) -> usize {
        self.aggregates.needs_from().min(window.needs_from())
    }

    /// The first row that frames may still begin with.
    pub(super) fn frames_from(&self) -> usize {
        self.aggregates.frames_from()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.aggregates.memory_bytes()
    }

    /// The calls over rows that are held.
    pub(super) fn over<'a>(&self, held: &'a Held) -> Result<CallsOver<'a>> {
        let ahead = self.calls.iter().map(|call| match call {
            Call::Neighbour(neighbour) => neighbour.ahead(held).map(Some),
            _ => Ok(None),
        });
        Ok(CallsOver { held, ahead: ahead.collect::<Result<_>>()? })
    }

    /// The values of rows from `first` on that have these frames.
    pub(super) fn values(
        &mut self,
        over: &CallsOver<'_>,
        first: usize,
        frames: &[Range<usize>],
        places: &Places,
    ) -> Result<Vec<ArrayRef>> {
        let rows = first..first + frames.len();
        let aggregates = self.aggregates.values(over.held, frames)?;
        let values = self.calls.iter().zip(&over.ahead).map(|(call, ahead)| match (call, ahead) {
            (Call::Neighbour(neighbour), Some(ahead)) => neighbour.values(over.held, ahead, rows.clone(), places),
            (Call::Aggregate(place), _) => aggregates.of(place),
            (Call::Ntile(parts), _) => ntile(over.held, *parts, rows.clone(), places.count()),
            _ => numbered(call, rows.clone(), places),
        });
        values.collect()
    }
}

impl CallsOver<'_> {
    /// Whether the neighbours of a row have come.
    pub(super) fn is_met(&self, row: usize, places: &Places) -> bool {
        let mut all = self.ahead.iter().flatten();
        all.all(|ahead| places.is_known((row as i64).saturating_add(ahead.value(row - self.held.first))))
    }

    /// How many rows before the next one its neighbours may be.
    pub(super) fn looks_back(&self) -> usize {
        let least = self.ahead.iter().flatten().flat_map(|ahead| ahead.values().iter().copied());
        least.min().map_or(0, |ahead| usize::try_from(ahead.saturating_neg()).unwrap_or(0))
    }
}

impl Neighbour {
    /// How many rows ahead the neighbour of each row is; negative behind.
    fn ahead(&self, held: &Held) -> Result<Int64Array> {
        let rows = held.rows.num_rows();
        let away = match self.offset {
            None => Int64Array::from(vec![1; rows]),
            Some(column) => numbers(held, column)?,
        };
        Ok(if self.ahead { away } else { away.unary(i64::saturating_neg) })
    }

    fn values(&self, held: &Held, ahead: &Int64Array, rows: Range<usize>, places: &Places) -> Result<ArrayRef> {
        let local = rows.start - held.first..rows.end - held.first;
        let neighbour = |row: usize| {
            let at = ((row + held.first) as i64).saturating_add(ahead.value(row));
            let within = usize::try_from(at).ok().filter(|at| *at < places.count());
            within.map(|at| (at - held.first) as u64)
        };
        let at: UInt64Array = local.clone().map(neighbour).collect();
        let values = take(held.rows.column(self.value), &at, None)?;
        let Some(default) = self.default else { return Ok(values) };
        let is_there: BooleanArray = at.iter().map(|at| Some(at.is_some())).collect();
        let default = held.rows.column(default).slice(local.start, local.len());
        Ok(zip(&is_there, &values, &default)?)
    }
}

/// A column of whole numbers that are no nulls.
fn numbers(held: &Held, column: usize) -> Result<Int64Array> {
    match Canonical::of(held.rows.column(column))? {
        Canonical::Int(numbers) if numbers.null_count() == 0 => Ok(numbers),
        _ => Err(Error::internal("the offset of a neighbour is no whole number")),
    }
}

/// The first parts have one row more than the others, if they are not all of one size.
fn ntile(held: &Held, parts: usize, rows: Range<usize>, count: usize) -> Result<ArrayRef> {
    let parts = numbers(held, parts)?;
    let part = |row: usize| {
        let parts = usize::try_from(parts.value(row - held.first)).ok().filter(|parts| *parts > 0);
        let parts = parts.ok_or_else(|| Error::internal("NTILE of no parts"))?;
        let (size, longer) = (count / parts, count % parts);
        let in_longer = longer * (size + 1);
        Ok(match row.checked_sub(in_longer) {
            None => row / (size + 1) + 1,
            Some(behind) => longer + behind / size.max(1) + 1,
        } as i64)
    };
    Ok(Arc::new(Int64Array::from(rows.map(part).collect::<Result<Vec<i64>>>()?)))
}

fn numbered(call: &Call, rows: Range<usize>, places: &Places) -> Result<ArrayRef> {
    let whole = |number: &dyn Fn(usize) -> u64| -> ArrayRef {
        Arc::new(rows.clone().map(|row| Some(number(row) as i64)).collect::<Int64Array>())
    };
    let part = |number: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(rows.clone().map(|row| Some(number(row))).collect::<Float64Array>())
    };
    let count = places.count();
    Ok(match call {
        Call::RowNumber => whole(&|row| row as u64 + 1),
        Call::Rank => whole(&|row| places.peers(row).start as u64 + 1),
        Call::DenseRank => whole(&|row| places.peers(row).number + 1),
        Call::PercentRank if count == 1 => part(&|_| 0.0),
        Call::PercentRank => part(&|row| places.peers(row).start as f64 / (count - 1) as f64),
        Call::CumeDist => part(&|row| places.peers_end(row) as f64 / count as f64),
        _ => return Err(Error::internal("a call of OVER that is no number")),
    })
}
