//! Calls of functions that run in a process beside the job.

use flott_api::Schema;
use flott_api::function::FunctionCall;
use serde::{Deserialize, Serialize};

use super::Spec;

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
