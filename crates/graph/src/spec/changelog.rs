//! Row kinds as a column, and a column as row kinds.

use flott_api::{RowKind, Schema};
use serde::{Deserialize, Serialize};

use super::Spec;

/// `TO_CHANGELOG`: every change becomes an inserted row with its kind in front. Changes of other kinds are dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToChangelogSpec {
    /// What comes in.
    pub input: Schema,
    /// What each kind is called.
    pub names: Vec<(RowKind, String)>,
    /// The kind's column, then the input's.
    pub output: Schema,
}

impl Spec for ToChangelogSpec {
    const KIND: &'static str = "to-changelog-1";
}

/// `FROM_CHANGELOG`: every inserted row becomes a change of the kind that a column names, which goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FromChangelogSpec {
    /// What comes in.
    pub input: Schema,
    /// The column that names the kind.
    pub op: usize,
    /// Which kind each name stands for; others are an error.
    pub kinds: Vec<(String, RowKind)>,
    /// The other columns.
    pub output: Schema,
}

impl Spec for FromChangelogSpec {
    const KIND: &'static str = "from-changelog-1";
}
