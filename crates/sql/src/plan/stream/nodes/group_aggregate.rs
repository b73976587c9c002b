//! Unbounded `GROUP BY`.

use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{AggregateCall, GroupAggregateSpec, Spec};

use super::Distribution;
use crate::plan::lower::meaning;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module. Gives keys, then results.
#[derive(Clone, Debug)]
pub(in crate::plan) struct GroupAggregate {
    /// The key columns.
    pub(in crate::plan) keys: Vec<usize>,
    /// The aggregates.
    pub(in crate::plan) calls: Vec<AggregateCall>,
}

impl StreamOp for GroupAggregate {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let grows_only = united(inputs).is_insert_only();
        Ok(if grows_only { ChangelogMode::ALL.without(RowKind::Delete) } else { ChangelogMode::ALL })
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        vec![(0..self.keys.len()).collect()]
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.keys)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let retract = text.node.inputs.first().is_some_and(|i| !i.changelog.is_insert_only());
        let results = text.results(&self.keys, &self.calls, retract).join(", ");
        format!("GroupAggregate({}select=[{results}])", text.group_by(&self.keys))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = GroupAggregateSpec {
            input: wiring.input(0),
            keys: self.keys.clone(),
            aggregates: self.calls.clone(),
            input_changelog: wiring.input_changelog(0),
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            output: wiring.output(),
        };
        let read = wiring.meanings(0);
        let keys = self.keys.iter().map(|k| read[*k].clone());
        let columns = keys.chain(self.calls.iter().map(|c| meaning::call(c, read))).collect();
        let meaning = wiring.keys_meaning(0, &self.keys);
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }
}
