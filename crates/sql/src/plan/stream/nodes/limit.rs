//! `LIMIT` and `OFFSET` without an order.

use flott_api::Result;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{LimitSpec, RankSpec, RankStrategy, Spec};

use super::Distribution;
use super::rank::range_of;
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

impl Limit {
    /// What is updated keeps its place among all rows, so these are remembered.
    fn of_updates(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = RankSpec {
            input: wiring.input(0),
            partition: Vec::new(),
            order: Vec::new(),
            strategy: RankStrategy::Retract,
            range: range_of(self.offset, self.limit)?,
            emit_rank: false,
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            output: wiring.output(),
        };
        Ok(Wired { stateful: true, ..wiring.passing_on(spec.role()?) })
    }
}

impl StreamOp for Limit {
    /// Of updates all kinds: a row that goes makes room for the next one.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let input = united(inputs);
        Ok(if input.is_insert_only() { input } else { ChangelogMode::ALL })
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
        if !wiring.input_changelog(0).is_insert_only() {
            return self.of_updates(wiring);
        }
        let spec = LimitSpec { offset: self.offset, limit: self.limit, input: wiring.input(0) };
        Ok(Wired { stateful: true, ..wiring.passing_on(spec.role()?) })
    }
}
