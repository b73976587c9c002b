//! Drops `-U` behind a source that gives them to nobody who needs them.

use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{DropUpdateBeforeSpec, Spec};

use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct DropUpdateBefore;

impl StreamOp for DropUpdateBefore {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs).without(RowKind::UpdateBefore))
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn describe(&self, _: &Text<'_>) -> String {
        "DropUpdateBefore".to_owned()
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        Ok(wiring.passing_on(DropUpdateBeforeSpec {}.role()?))
    }
}
