//! Says where mini-batches end.

use flott_api::Result;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{MiniBatchAssignerSpec, MiniBatchMode, Spec};

use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct MiniBatchAssigner {
    /// How long one is, in milliseconds.
    pub(in crate::plan) interval_ms: i64,
    /// What ends one.
    pub(in crate::plan) mode: MiniBatchMode,
}

impl StreamOp for MiniBatchAssigner {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn describe(&self, _: &Text<'_>) -> String {
        let mode = match self.mode {
            MiniBatchMode::Proctime => "ProcTime",
            MiniBatchMode::Rowtime => "RowTime",
        };
        format!("MiniBatchAssigner(interval=[{}ms], mode=[{mode}])", self.interval_ms)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = MiniBatchAssignerSpec { interval_ms: self.interval_ms, mode: self.mode };
        Ok(wiring.passing_on(spec.role()?))
    }
}
