//! Predictions of a model for each row.

use flott_api::Schema;
use flott_api::expr::Expr;
use flott_api::model::ModelSpec;
use serde::{Deserialize, Serialize};

use super::Spec;

/// How a model is asked for several rows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncPredict {
    /// Whether rows go on in the order in which they came; otherwise as they are answered, but not past a watermark.
    pub ordered: bool,
    /// An answer that takes longer fails the job.
    pub timeout_ms: u64,
    /// How many rows may be under way.
    pub in_flight_max: u32,
}

/// Appends what a model answers for each row: Flink's `MLPredictTableFunction`. The input only inserts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlPredictTableFunctionSpec {
    /// What comes in.
    pub input: Schema,
    /// The model.
    pub model: ModelSpec,
    /// What it is asked, over the input: a value for each column of its input, in that column's type.
    pub arguments: Vec<Expr>,
    /// How it is asked for several rows at once; nothing if it is asked for a batch after the other.
    pub asynchronous: Option<AsyncPredict>,
    /// The input's columns, then the model's.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for MlPredictTableFunctionSpec {
    const KIND: &'static str = "ml-predict-table-function-1";
}
