//! Calls of functions that run in a process beside the job.

use flott_api::Schema;
use flott_api::expr::Expr;
use flott_api::function::{CallArgument, FunctionCall};
use serde::{Deserialize, Serialize};

use super::{AggregateCall, GroupAggregateSpec, OverAggregateSpec, Spec};

/// Appends what functions give for each row: Flink's `PythonCalc`. Row kinds stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PythonCalcSpec {
    /// What comes in.
    pub input: Schema,
    /// The input columns that go out, in this order, before the results.
    pub forwarded: Vec<usize>,
    /// The calls, all of one language; their columns are those of the input.
    pub calls: Vec<FunctionCall>,
    /// What goes out: the forwarded columns, then one for each call.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for PythonCalcSpec {
    const KIND: &'static str = "python-calc-1";
}

/// Joins each row with those that a table function gives for it in a process beside the job: Flink's `PythonCorrelate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PythonCorrelateSpec {
    /// What comes in.
    pub input: Schema,
    /// The call of the table function; its columns are those of the input.
    pub call: FunctionCall,
    /// The input columns that go out, in this order, before those of the function.
    pub forwarded: Vec<usize>,
    /// Only rows of the function where this is true count; over the output.
    pub condition: Option<Expr>,
    /// Whether a row for which there is none comes with nulls.
    pub outer: bool,
    /// What goes out: the forwarded columns, then the function's.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for PythonCorrelateSpec {
    const KIND: &'static str = "python-correlate-1";
}

/// Unbounded `GROUP BY` where functions of users are among the aggregates: Flink's `PythonGroupAggregate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PythonGroupAggregateSpec {
    /// The aggregation.
    pub groups: GroupAggregateSpec,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for PythonGroupAggregateSpec {
    const KIND: &'static str = "python-group-aggregate-1";
}

/// `OVER` where functions of pandas are among the calls: Flink's `PythonOverAggregate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PythonOverAggregateSpec {
    /// The aggregation, whose frame does not begin with the first row.
    pub over: OverAggregateSpec,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for PythonOverAggregateSpec {
    const KIND: &'static str = "python-over-aggregate-1";
}

/// The calls of functions of users among aggregates, each with its place.
pub fn aggregate_calls(aggregates: &[AggregateCall]) -> Vec<(usize, FunctionCall)> {
    let call = |(place, call): (usize, &AggregateCall)| {
        let function = call.function.user.as_deref()?.clone();
        let args = call.args.iter().map(|column| CallArgument::Column(*column)).collect();
        Some((place, FunctionCall { name: call.function.called().to_owned(), function, args }))
    };
    aggregates.iter().enumerate().filter_map(call).collect()
}
