//! All rows of all inputs.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};

use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Union;

impl StreamOp for Union {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    /// Rows of two inputs may have the same values.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        format!("Union(all=[true], union=[{}])", text.own.join(", "))
    }

    fn wire(&self, _: &Wiring<'_>) -> Result<Wired> {
        Err(Error::internal("a union is no operator"))
    }
}
