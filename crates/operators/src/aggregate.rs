//! The aggregate functions, and the containers in which an operator keeps their state.
//!
//! Reading order: [`function`] finds the implementation of a call. Where a number or two per group is enough, `cell`
//! holds the loops and `count`, `sum`, `average`, `welford`, `extreme` what differs; `listed` and `list_text` keep the
//! list of a group's values, `counted` how often each came, `bitmap` sets of integers; `lag` and `ranking` know the order of rows; [`beside`] keeps what functions of
//! users remember that run beside the job; [`sliding`] is
//! what becomes of an aggregate in a window that slides. [`groups`] is what operators use.

mod average;
mod beside;
mod bitmap;
mod cell;
mod count;
mod counted;
mod double;
mod encoded;
mod extreme;
pub mod groups;
mod lag;
mod list_text;
mod listed;
mod ranking;
mod sliding;
mod sum;
mod welford;
mod written;

use arrow_schema::DataType;
use flott_api::aggregate::{Aggregate, End, SlotType};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::AggregateCall;
use flott_state::canonical::form;

use average::{AverageDecimal, AverageFloat, AverageInt};
use beside::Beside;
use bitmap::BitmapAggregate;
use cell::Cells;
use count::Count;
use counted::{Collect, Percentile};
use double::Doubles;
use encoded::Encoded;
use extreme::{BytesExtreme, FloatExtreme, IntExtreme, SortedExtreme, Which, WideExtreme};
use lag::Lag;
use list_text::{Appended, Form, Joined};
use listed::{Gives, Listed};
use ranking::Ranking;
use sum::{SumDecimal, SumFloat, SumInt};
use welford::Welford;

/// What the planner makes variances of.
const WELFORD: &str = "$welford_m2$1";

pub use sliding::sliding;

/// The implementation of a call over arguments of these types. `retract` says that rows may be taken
/// back.
///
/// # Errors
/// If there is no such aggregate, or not for these arguments.
pub fn function(call: &AggregateCall, args: &[LogicalType], retract: bool) -> Result<Box<dyn Aggregate>> {
    let name = call.function.name.as_str();
    match (name, args) {
        _ if call.function.version != 1 => Err(unsupported(call)),
        ("count", [] | [_]) => Ok(Box::new(Count { of_column: !args.is_empty() })),
        ("sum" | "$sum0", [arg]) => sum(&arg.arrow(), call, name == "$sum0"),
        ("avg", [arg]) => average(&arg.arrow(), call),
        ("min", [arg]) if retract => sorted(&arg.arrow(), End::First, call),
        ("max", [arg]) if retract => sorted(&arg.arrow(), End::Last, call),
        // What is taken back of values that only get better is followed by a better one.
        ("min" | "$min_of_falling", [arg]) => extreme(&arg.arrow(), Which::Smallest, call),
        ("max" | "$max_of_rising", [arg]) => extreme(&arg.arrow(), Which::Largest, call),
        ("first_value", [arg]) => by_order(arg, (Which::First, Gives::First), call, retract),
        ("last_value", [arg]) => by_order(arg, (Which::Last, Gives::Last), call, retract),
        ("single_value", [arg]) => Ok(listed(Gives::Single, true, arg, call)),
        ("array_agg", [arg]) => Ok(listed(Gives::Array, true, arg, call)),
        ("array_agg_ignore_nulls", [arg]) => Ok(listed(Gives::Array, false, arg, call)),
        ("listagg", [_] | [_, _]) if retract => Ok(Box::new(Joined { form: Form::Delimited, nulls: false })),
        ("listagg", [_] | [_, _]) => Ok(Box::new(Appended)),
        ("json_arrayagg_null_on_null", [_]) => Ok(Box::new(Joined { form: Form::JsonArray, nulls: true })),
        ("json_arrayagg_absent_on_null", [_]) => Ok(Box::new(Joined { form: Form::JsonArray, nulls: false })),
        ("json_objectagg_null_on_null", [_, _]) => Ok(Box::new(Joined { form: Form::JsonObject, nulls: true })),
        ("json_objectagg_absent_on_null", [_, _]) => Ok(Box::new(Joined { form: Form::JsonObject, nulls: false })),
        ("collect", [arg]) => Ok(Box::new(Collect { element: arg.clone(), ty: call.ty.arrow() })),
        ("percentile", [arg, places] | [arg, places, _]) => {
            let several = matches!(places.kind, TypeKind::Array(_));
            Ok(Box::new(Percentile { doubles: doubles(&arg.arrow(), call)?, several }))
        }
        (WELFORD, [arg]) => Ok(Box::new(Cells::new(Welford(doubles(&arg.arrow(), call)?), call.ty.arrow()))),
        ("row_number", []) => Ok(Box::new(Count { of_column: false })),
        ("rank" | "dense_rank" | "lag", _) if retract => {
            Err(Error::unsupported(format!("{} over a frame that moves", name.to_uppercase())))
        }
        ("rank" | "dense_rank", [_, ..]) => Ok(Box::new(Ranking { dense: name == "dense_rank" })),
        ("lag", [_] | [_, _] | [_, _, _]) => Ok(Box::new(Lag::new(&call.ty.arrow())?)),
        (_, [_]) => match BitmapAggregate::of(name, retract) {
            Some(aggregate) => Ok(Box::new(aggregate)),
            None => Err(unsupported(call)),
        },
        _ => Err(unsupported(call)),
    }
}

/// What keeps the accumulator of a function that runs beside the job; nothing if the call is of another one.
fn beside(call: &AggregateCall) -> Option<Box<dyn Aggregate>> {
    call.function.user.is_some().then(|| Box::new(Beside { ty: call.ty.arrow() }) as Box<dyn Aggregate>)
}

/// Whether nulls are values of their own to it, also under `DISTINCT`.
fn takes_nulls(call: &AggregateCall) -> bool {
    matches!(call.function.name.as_str(), "array_agg" | "single_value" | "json_arrayagg_null_on_null")
}

fn unsupported(call: &AggregateCall) -> Error {
    let (function, args) = (&call.function, call.args.len());
    Error::unsupported(format!("aggregate function '{}' of {args} arguments", function.called().to_uppercase()))
}

fn wrong_type(arg: &DataType, call: &AggregateCall) -> Error {
    Error::internal(format!("aggregate function '{}' got values of type {arg}", call.function.name))
}

fn sum(arg: &DataType, call: &AggregateCall, of_none_is_zero: bool) -> Result<Box<dyn Aggregate>> {
    let ty = call.ty.arrow();
    Ok(match arg {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            Box::new(Cells::new(SumInt { of_none_is_zero }, ty))
        }
        DataType::Decimal128(_, _) => Box::new(Cells::new(SumDecimal { of_none_is_zero }, ty)),
        DataType::Float32 => Box::new(Cells::new(SumFloat { single: true, of_none_is_zero }, ty)),
        DataType::Float64 => Box::new(Cells::new(SumFloat { single: false, of_none_is_zero }, ty)),
        other => return Err(wrong_type(other, call)),
    })
}

fn average(arg: &DataType, call: &AggregateCall) -> Result<Box<dyn Aggregate>> {
    let ty = call.ty.arrow();
    Ok(match (arg, &ty) {
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, _) => {
            Box::new(Cells::new(AverageInt, ty))
        }
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) if to >= from => {
            let digits = (to - from) as u32;
            Box::new(Cells::new(AverageDecimal { digits }, ty))
        }
        (DataType::Float32 | DataType::Float64, _) => Box::new(Cells::new(AverageFloat, ty)),
        (other, _) => return Err(wrong_type(other, call)),
    })
}

fn doubles(arg: &DataType, call: &AggregateCall) -> Result<Doubles> {
    Doubles::of(arg).ok_or_else(|| wrong_type(arg, call))
}

fn listed(gives: Gives, nulls: bool, arg: &LogicalType, call: &AggregateCall) -> Box<dyn Aggregate> {
    Box::new(Listed { gives, nulls, element: arg.clone(), ty: call.ty.arrow() })
}

fn by_order(
    arg: &LogicalType,
    (which, gives): (Which, Gives),
    call: &AggregateCall,
    retract: bool,
) -> Result<Box<dyn Aggregate>> {
    match form(&arg.arrow()) {
        _ if retract => Ok(listed(gives, false, arg, call)),
        Some(_) => extreme(&arg.arrow(), which, call),
        None => Ok(Box::new(Encoded::new(which, &arg.arrow())?)),
    }
}

fn form_of(arg: &DataType, call: &AggregateCall) -> Result<SlotType> {
    let name = call.function.name.to_uppercase();
    form(arg).ok_or_else(|| Error::unsupported(format!("aggregate function '{name}' over values of type {arg}")))
}

fn sorted(arg: &DataType, end: End, call: &AggregateCall) -> Result<Box<dyn Aggregate>> {
    form_of(arg, call)?;
    Ok(Box::new(SortedExtreme { end, ty: call.ty.clone() }))
}

fn extreme(arg: &DataType, which: Which, call: &AggregateCall) -> Result<Box<dyn Aggregate>> {
    let form = form_of(arg, call)?;
    let (ty, merges) = (call.ty.arrow(), !which.is_by_order());
    Ok(match form {
        SlotType::Int64 => Box::new(Cells::new(IntExtreme(which), ty).merging(merges)),
        SlotType::Int128 => Box::new(Cells::new(WideExtreme(which), ty).merging(merges)),
        SlotType::Float64 => Box::new(Cells::new(FloatExtreme(which), ty).merging(merges)),
        SlotType::Bytes => Box::new(BytesExtreme { which, ty }),
    })
}

#[cfg(test)]
mod tests;
