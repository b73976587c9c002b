//! A table function that is called for each row.

use flott_api::Schema;
use flott_api::expr::Expr;
use serde::{Deserialize, Serialize};

use super::Spec;

/// What gives rows for a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TableFunction {
    /// The elements of a collection: of an `ARRAY`, entries of a `MAP`, each element of a `MULTISET` as often as it is
    /// in it. An element that is a row gives its fields, and none if it is null.
    Unnest {
        /// The collection, over the columns of the row.
        collection: Expr,
        /// Whether a column with the element's number, from 1, comes behind.
        with_ordinality: bool,
    },
    /// The rows that a table function of a user gives. The planner makes another node of it: the function runs beside the job.
    User {
        /// The call, over the columns of the row; its value is the array of the rows.
        call: Expr,
    },
    /// As many rows without columns; none of a number that is not positive, or null.
    Repeat {
        /// The number, over the columns of the row.
        times: Expr,
    },
}

impl TableFunction {
    /// What it is called with.
    pub fn argument(&self) -> &Expr {
        match self {
            TableFunction::Unnest { collection, .. } => collection,
            TableFunction::User { call } => call,
            TableFunction::Repeat { times } => times,
        }
    }

    /// The same with another argument.
    #[must_use]
    pub fn with_argument(self, argument: Expr) -> Self {
        match self {
            TableFunction::Unnest { with_ordinality, .. } => {
                TableFunction::Unnest { collection: argument, with_ordinality }
            }
            TableFunction::User { .. } => TableFunction::User { call: argument },
            TableFunction::Repeat { .. } => TableFunction::Repeat { times: argument },
        }
    }
}

/// Joins each row with the rows that a function gives for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelateSpec {
    /// What comes in.
    pub input: Schema,
    /// The function.
    pub function: TableFunction,
    /// Only rows of the function where this is true count; over the output.
    pub condition: Option<Expr>,
    /// Whether a row for which there is none comes with nulls.
    pub outer: bool,
    /// The input's columns, then the function's.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for CorrelateSpec {
    const KIND: &'static str = "correlate-1";
}
