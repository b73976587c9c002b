//! What an aggregate becomes in a window that slides: it takes up the state of a slice when the slice enters
//! the window, and takes it back when it leaves.
//!
//! Counts and sums of integers do so as they are. A decimal sum is kept with more digits, so that it comes back
//! from where it did not fit; a floating-point one is kept without any rounding ([`exact`]); `MIN` and `MAX` keep
//! the extreme of each slice in order, aggregates of bitmaps count the values of slices. A slice has the plain aggregate's state: rows cost what they cost in a
//! tumbling window.

mod exact;
mod wide;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use flott_api::aggregate::{Aggregate, AggregateInput, AggregateState, Change, End, MergeInput, Running, StateShape};
use flott_api::{Error, LogicalType, Result};
use flott_graph::spec::AggregateCall;

use super::bitmap::BitmapAggregate;
use super::extreme::SortedExtreme;
use super::{form_of, function};
use exact::ExactSum;
use wide::WideSum;

/// The aggregate of a sliding window over slices that have the state of [`function`] of the same call; nothing
/// if what a slice has added cannot be taken back.
///
/// # Errors
/// If there is no such aggregate, or not for these arguments.
pub fn sliding(call: &AggregateCall, args: &[LogicalType], retract: bool) -> Result<Option<Box<dyn Aggregate>>> {
    let name = call.function.name.as_str();
    let (average, of_none_is_zero) = (name == "avg", name == "$sum0");
    Ok(match (name, args) {
        ("count", _) => Some(function(call, args, retract)?),
        ("sum" | "$sum0" | "avg", [arg]) => Some(match (arg.arrow(), call.ty.arrow()) {
            (DataType::Decimal128(_, from), ty @ DataType::Decimal128(_, to)) => {
                let digits = average.then(|| (to - from).max(0) as u32);
                Box::new(WideSum { digits, of_none_is_zero, ty })
            }
            (DataType::Float32 | DataType::Float64, ty) => Box::new(ExactSum { average, of_none_is_zero, ty }),
            _ => function(call, args, retract)?,
        }),
        ("min", [arg]) => Some(extreme(End::First, call, args, (arg, retract))?),
        ("max", [arg]) => Some(extreme(End::Last, call, args, (arg, retract))?),
        (_, [_]) => BitmapAggregate::of(name, true).map(|aggregate| Box::new(aggregate) as Box<dyn Aggregate>),
        _ => None,
    })
}

fn extreme(
    end: End,
    call: &AggregateCall,
    args: &[LogicalType],
    (arg, retract): (&LogicalType, bool),
) -> Result<Box<dyn Aggregate>> {
    if retract {
        return function(call, args, retract);
    }
    form_of(&arg.arrow(), call)?;
    let ordered = SortedExtreme { end, ty: call.ty.clone() };
    Ok(Box::new(ExtremeOfSlices { slice: function(call, args, retract)?, ordered }))
}

/// The extremes of slices, ordered.
struct ExtremeOfSlices {
    /// What a slice has.
    slice: Box<dyn Aggregate>,
    ordered: SortedExtreme,
}

impl Aggregate for ExtremeOfSlices {
    fn shape(&self) -> StateShape {
        self.ordered.shape()
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        self.ordered.fold(input, state)
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        self.ordered.running(input, state)
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        self.ordered.value(groups, state)
    }

    fn merges(&self) -> bool {
        true
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        let args = [self.slice.value(input.from, partial)?];
        let changes = input.retract.then(|| vec![Change::Retract; input.from.len()]);
        SortedExtreme::view(state)?.fold(&AggregateInput {
            args: &args,
            groups: input.groups,
            changes: changes.as_deref(),
        })
    }
}

/// Nobody asks a window for its value around each row.
fn no_running() -> Result<Running> {
    Err(Error::internal("the aggregate of a sliding window was asked for each row"))
}

#[cfg(test)]
mod tests;
