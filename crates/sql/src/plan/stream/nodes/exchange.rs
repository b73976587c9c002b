//! Sends each row to the subtask where it meets others.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};

use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// Which rows must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Distribution {
    /// None.
    Any,
    /// Those with the same values in these columns.
    Hash(Vec<usize>),
    /// All.
    Single,
}

impl Distribution {
    /// By these columns; all rows meet where there are none.
    pub(in crate::plan) fn by(keys: &[usize]) -> Self {
        if keys.is_empty() { Distribution::Single } else { Distribution::Hash(keys.to_vec()) }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Exchange {
    /// Which rows meet.
    pub(in crate::plan) distribution: Distribution,
}

impl StreamOp for Exchange {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    /// An old row and the new one of its key meet, and stay in order, only if the key has all the columns that rows are
    /// sent by.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let sent_by = match &self.distribution {
            Distribution::Hash(columns) => columns.as_slice(),
            Distribution::Any | Distribution::Single => &[],
        };
        let keys = inputs.iter().flat_map(|input| &input.upsert_keys);
        keys.filter(|key| sent_by.iter().all(|column| key.contains(column))).cloned().collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        match &self.distribution {
            Distribution::Any => "Exchange(distribution=[any])".to_owned(),
            Distribution::Hash(keys) => format!("Exchange(distribution=[hash[{}]])", text.picked(keys)),
            Distribution::Single => "Exchange(distribution=[single])".to_owned(),
        }
    }

    fn wire(&self, _: &Wiring<'_>) -> Result<Wired> {
        Err(Error::internal("an exchange is no operator"))
    }
}
