//! A join of each row with the rows that a table outside has for its key at that moment.

use flott_api::Schema;
use flott_api::expr::Expr;
use flott_api::lookup::LookupSpec;
use serde::{Deserialize, Serialize};

use super::{JoinKind, Spec};

/// How often a key without rows is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRetry {
    /// How long to wait before each time.
    pub delay_ms: u64,
    /// How often, besides the first time.
    pub attempts_max: u32,
}

/// Joins each row with the rows that a table has for its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookupJoinSpec {
    /// Inner or left.
    pub kind: JoinKind,
    /// What comes in.
    pub input: Schema,
    /// The table, and the columns of its key.
    pub table: LookupSpec,
    /// The value of each of them, over the input, in the type of the column. A null has no rows.
    pub keys: Vec<Expr>,
    /// Only rows of the table where this is true count, over its wanted columns.
    pub filter: Option<Expr>,
    /// What is joined of a row of the table, over its wanted columns.
    pub projection: Vec<Expr>,
    /// Only pairs where this is true count, over the columns of the input and then of the projection.
    pub condition: Option<Expr>,
    /// Asks again for keys without rows.
    pub retry: Option<LookupRetry>,
    /// A batch whose answers take longer fails the job, if keys are asked for at once.
    pub timeout_ms: Option<u64>,
    /// The input's columns, then the projection's.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for LookupJoinSpec {
    const KIND: &'static str = "lookup-join-1";
}
