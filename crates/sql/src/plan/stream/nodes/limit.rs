//! `LIMIT` and `OFFSET` without an order.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{LimitSpec, Spec};

use super::Distribution;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Limit {
    /// Rows to skip.
    pub(in crate::plan) offset: u64,
    /// Rows to take then.
    pub(in crate::plan) limit: u64,
}

impl StreamOp for Limit {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let input = united(inputs);
        if input.is_insert_only() { Ok(input) } else { Err(Error::unsupported("LIMIT over a table with updates")) }
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::Single]
    }

    fn describe(&self, _: &Text<'_>) -> String {
        format!("Limit(offset=[{}], fetch=[{}])", self.offset, self.limit)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = LimitSpec { offset: self.offset, limit: self.limit, input: wiring.input(0) };
        Ok(Wired { stateful: true, ..wiring.passing_on(spec.role()?) })
    }
}
