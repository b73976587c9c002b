//! Makes a full changelog of upserts.

use flott_api::Result;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{ChangelogNormalizeSpec, Spec};

use super::Distribution;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct ChangelogNormalize {
    /// The primary key.
    pub(in crate::plan) keys: Vec<usize>,
}

impl StreamOp for ChangelogNormalize {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::ALL)
    }

    /// An upsert source gives no `-U`, and none is needed.
    fn alternatives(&self, inputs: &[Node], _: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, Updates::OnlyAfter)]
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        vec![self.keys.clone()]
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.keys)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        format!("ChangelogNormalize(key=[{}])", text.picked(&self.keys))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = ChangelogNormalizeSpec {
            input: wiring.input(0),
            keys: self.keys.clone(),
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
        };
        let meaning = wiring.keys_meaning(0, &self.keys);
        Ok(Wired { stateful: true, meaning, ..wiring.passing_on(spec.role()?) })
    }
}
