//! The two phases in the middle of an aggregation by parts of the values under `DISTINCT`, as one: the second one by key
//! and part, and the first one by key.
//!
//! Flink counterpart: `IncrementalGroupAggregate`, by `IncrementalAggregateRule`.

use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{IncrementalGroupAggregateSpec, Spec};

use super::{Distribution, GlobalGroupAggregate, LocalGroupAggregate};
use crate::plan::print;
use crate::plan::rel::{Column, schema};
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

/// See the module. Gives keys, then bytes.
#[derive(Clone, Debug)]
pub(in crate::plan) struct IncrementalGroupAggregate {
    /// The second phase by key and part.
    pub(in crate::plan) by_part: GlobalGroupAggregate,
    /// What it gives.
    pub(in crate::plan) between: (Vec<Column>, ChangelogMode),
    /// The first phase by key.
    pub(in crate::plan) by_key: LocalGroupAggregate,
}

impl StreamOp for IncrementalGroupAggregate {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    /// A key comes with every mini-batch.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.by_part.distribution()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let parts: Vec<usize> = (0..self.by_part.local.whole.keys.len()).collect();
        let keys = print::picked(&self.by_key.whole.keys, text.input()).join(", ");
        let calls = self.by_part.put_together().into_iter().map(|(call, name)| format!("{call} AS {name}"));
        let select: Vec<String> = text.own[..self.by_key.whole.keys.len()].iter().cloned().chain(calls).collect();
        format!(
            "IncrementalGroupAggregate(partialAggGrouping=[{}], finalAggGrouping=[{keys}], select=[{}]{})",
            text.picked(&parts),
            select.join(", "),
            self.by_part.local.whole.ttl_text(text.style)
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let (columns, changelog) = &self.between;
        let between = schema(columns);
        let spec = IncrementalGroupAggregateSpec {
            by_part: self.by_part.spec(wiring, between.clone(), changelog.contains(RowKind::UpdateBefore)),
            by_key: self.by_key.spec(between, wiring.output()),
        };
        let keys: Vec<usize> = (0..self.by_part.local.whole.keys.len()).collect();
        let meaning = wiring.keys_meaning(0, &keys);
        let columns = self.by_key.whole.meanings(wiring.meanings(0));
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }
}
