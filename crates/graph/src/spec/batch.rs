//! The plan of a bounded job: a tree that gives each row of the result once.
//!
//! It is shipped as an option of the source [`BATCH`](BatchPlan::CONNECTOR), so a job in batch mode is an ordinary graph
//! of a source and a sink: what runs, stops, fails and commits it is what does so for any job.

use flott_api::expr::{Expr, Value};
use flott_api::model::ModelSpec;
use flott_api::table::SourceSpec;
use flott_api::{Error, Result, Schema};
use serde::{Deserialize, Serialize};

use super::{
    AggregateCall, CorrelateSpec, ExpandSpec, Frame, JoinKind, MlPredictTableFunctionSpec, PythonCalcSpec,
    PythonCorrelateSpec, PythonGroupAggregateSpec, SortField, WindowTableFunctionSpec,
};
use crate::json;

/// A bounded query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchPlan {
    /// What gives the result.
    pub root: BatchNode,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
    /// `taskmanager.memory.managed.size`: what sorts, groups and joins may take; the process decides if there is none.
    pub memory_bytes: Option<u64>,
    /// The first of `io.tmp.dirs`: the folder for what does not fit into memory; else the system's.
    pub spill_directory: Option<String>,
}

/// A node: what it does, what it reads, what it gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNode {
    /// What it does.
    pub op: BatchOp,
    /// What it reads.
    pub inputs: Vec<BatchNode>,
    /// What it gives.
    pub output: Schema,
}

/// What a node does. Expressions and positions mean the columns of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BatchOp {
    /// Reads a bounded table.
    Scan(Box<SourceSpec>),
    /// Constant rows.
    Values {
        /// The rows, a value a column.
        rows: Vec<Vec<Value>>,
    },
    /// Keeps the rows where the condition is true.
    Filter {
        /// The condition.
        condition: Expr,
    },
    /// Computes columns.
    Project {
        /// One expression a column.
        exprs: Vec<Expr>,
    },
    /// Groups. Gives keys, then results.
    Aggregate {
        /// The key columns; none for one group of all rows.
        keys: Vec<usize>,
        /// The aggregates.
        calls: Vec<AggregateCall>,
    },
    /// Each row once for each grouping set.
    Expand(Box<ExpandSpec>),
    /// Appends the columns of a window.
    Window(Box<WindowTableFunctionSpec>),
    /// Rows with those of a function.
    Correlate(Box<CorrelateSpec>),
    /// Rows with what a model answers.
    Predict(Box<MlPredictTableFunctionSpec>),
    /// Rows with what functions give that run in a process beside the job.
    PythonCalc(Box<PythonCalcSpec>),
    /// Rows with those of such a function.
    PythonCorrelate(Box<PythonCorrelateSpec>),
    /// Groups, where such functions are among the aggregates.
    PythonAggregate(Box<PythonGroupAggregateSpec>),
    /// Pairs of rows of two inputs: columns of the left, then of the right unless only the left's come.
    Join {
        /// Which rows come.
        kind: JoinKind,
        /// The columns that are equal, of the left and of the right.
        keys: [Vec<usize>; 2],
        /// Whether nulls are equal to each other.
        nulls_meet: bool,
        /// What must hold besides, over the columns of the left, then of the right.
        condition: Option<Expr>,
    },
    /// Rows in an order.
    Sort {
        /// The order.
        order: Vec<SortField>,
        /// How many are skipped, and how many come then; nothing for all.
        limit: Option<(u64, u64)>,
    },
    /// Rows with calls over those of their partition: columns of the input, then the values.
    Over {
        /// The partition columns.
        partition: Vec<usize>,
        /// The order within a partition.
        order: Vec<SortField>,
        /// Which rows count for aggregates; other calls have their own.
        frame: Frame,
        /// Aggregates, `row_number`, `rank`, `dense_rank`, `percent_rank`, `cume_dist` (by the order, whatever their
        /// arguments), `ntile` (parts), `lag` and `lead` (value, rows, default). Those of users run in a process beside the job.
        calls: Vec<AggregateCall>,
    },
    /// `ROW_NUMBER` between two numbers, from 1; the number is a column behind the others if it comes.
    Rank {
        /// The partition columns.
        partition: Vec<usize>,
        /// The order within a partition.
        order: Vec<SortField>,
        /// The first number that comes, and the last one.
        range: (u64, u64),
        /// Whether the number comes.
        emit_rank: bool,
    },
    /// All rows of all inputs.
    Union,
    /// Some rows.
    Limit {
        /// Rows to skip.
        offset: u64,
        /// Rows to take then.
        limit: u64,
    },
}

impl BatchPlan {
    /// The connector that runs it; no table can be made with it.
    pub const CONNECTOR: &'static str = "$batch";
    /// The option of that connector that has the plan.
    pub const OPTION: &'static str = "plan";

    /// The plan as the value of an option.
    ///
    /// # Errors
    /// If it cannot be written; a bug.
    pub fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a batch plan cannot be written").with_source(e))
    }

    /// The plan of such a value.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn from_text(text: &str) -> Result<Self> {
        json::read(text.as_bytes()).map_err(|e| Error::corrupt("a batch plan cannot be read").with_source(e))
    }
}

impl BatchNode {
    /// The tables that are read.
    pub fn scans(&self) -> Vec<&SourceSpec> {
        let own = match &self.op {
            BatchOp::Scan(spec) => vec![spec.as_ref()],
            _ => Vec::new(),
        };
        own.into_iter().chain(self.inputs.iter().flat_map(BatchNode::scans)).collect()
    }

    /// The models that are asked.
    pub fn models(&self) -> Vec<&ModelSpec> {
        let own = match &self.op {
            BatchOp::Predict(spec) => vec![&spec.model],
            _ => Vec::new(),
        };
        own.into_iter().chain(self.inputs.iter().flat_map(BatchNode::models)).collect()
    }
}

#[cfg(test)]
mod tests {
    use flott_api::{Field, LogicalType, TypeKind};

    use super::*;

    #[test]
    fn a_plan_survives_its_text() {
        let output = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let values = BatchNode {
            op: BatchOp::Values { rows: vec![vec![Value::Int(1)], vec![Value::Null]] },
            inputs: Vec::new(),
            output: output.clone(),
        };
        let order = vec![SortField { column: 0, descending: true, nulls_last: false }];
        let root = BatchNode { op: BatchOp::Sort { order, limit: Some((1, 2)) }, inputs: vec![values], output };
        let plan = BatchPlan { root, session_zone: "UTC".into(), memory_bytes: Some(1), spill_directory: None };
        assert_eq!(BatchPlan::from_text(&plan.to_text().unwrap()).unwrap(), plan);
        assert!(BatchPlan::from_text("{").is_err());
    }
}
