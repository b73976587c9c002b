//! Gives each row several times: once for each set of keys that it is grouped by.

use flott_api::Result;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{ExpandColumn, ExpandSpec, Spec};

use crate::plan::print;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module. The number of the set is the last column.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Expand {
    /// The columns for each set.
    pub(in crate::plan) projections: Vec<Vec<ExpandColumn>>,
}

impl StreamOp for Expand {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    /// The copies of a row are told apart by the number. A key of which a set has only a part names no row.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let number = self.projections.first().map_or(0, |columns| columns.len() - 1);
        let kept = |column: &usize| {
            self.projections.iter().all(|columns| columns.get(*column) == Some(&ExpandColumn::Input(*column)))
        };
        let keys = inputs.iter().flat_map(|input| &input.upsert_keys).filter(|key| key.iter().all(kept));
        keys.map(|key| key.iter().copied().chain([number]).collect()).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        format!("Expand(projects=[{}])", print::copies(&self.projections, text.input(), &text.own))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec =
            ExpandSpec { input: wiring.input(0), projections: self.projections.clone(), output: wiring.output() };
        let read = wiring.meanings(0);
        let meaning = |place: usize| {
            let of_set = |columns: &Vec<ExpandColumn>| match columns.get(place) {
                Some(ExpandColumn::Input(index)) => Some(read[*index].clone()),
                _ => None,
            };
            self.projections.iter().find_map(of_set).unwrap_or_else(|| "grouping set".to_owned())
        };
        let columns = (0..wiring.node.columns.len()).map(meaning).collect();
        Ok(Wired { role: spec.role()?, stateful: false, meaning: String::new(), columns })
    }
}
