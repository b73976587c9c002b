//! Process table functions.

use flott_api::expr::FunctionId;
use flott_api::process::ProcessArgument;
use flott_api::{LogicalType, Schema};
use serde::{Deserialize, Serialize};

use super::Spec;

/// Hosts a process table function: Flink's `ProcessTableFunction`. The function comes from the registry of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessTableFunctionSpec {
    /// The function.
    pub function: FunctionId,
    /// Its arguments, without `on_time` and `uid`. Tables are the inputs, in order.
    pub arguments: Vec<ProcessArgument>,
    /// The type of the column `rowtime`, which is the last one; nothing without `on_time`.
    pub rowtime: Option<LogicalType>,
    /// `table.exec.state.ttl`, in milliseconds; 0 for never.
    pub state_ttl_ms: i64,
    /// Partition columns of each table, or all columns where they are passed through; then the function's; then `rowtime`.
    pub output: Schema,
}

impl Spec for ProcessTableFunctionSpec {
    const KIND: &'static str = "process-table-function-1";
}
