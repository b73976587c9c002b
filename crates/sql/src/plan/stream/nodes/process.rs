//! Calls a process table function.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{ProcessTableFunctionSpec, Spec};

use super::Distribution;
use super::changelog::described;
use crate::plan::print;
use crate::plan::rel::{Invocation, Process};
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

impl StreamOp for Process {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        for ((traits, _), input) in self.tables().zip(inputs) {
            if !traits.support_updates && !input.changelog.is_insert_only() {
                let name = &self.call.name;
                return Err(Error::invalid(format!("{name} does not take the updates of its table"))
                    .with_detail(format!("They come from {}.", print::node(input)))
                    .with_hint("Give it what is only appended to: a log, or an aggregation in windows."));
            }
        }
        check_time(&self.call, self.rowtime.is_some(), united(inputs).union(self.changelog))?;
        Ok(self.changelog)
    }

    /// The function gives the updates that it gives. What it asks for it says of each table: without the old row only where the
    /// new one replaces it by the columns that it is partitioned by.
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let both = self.changelog.contains(flott_api::RowKind::UpdateBefore);
        if wanted == Updates::BeforeAndAfter && self.upserts() || wanted == Updates::OnlyAfter && both {
            return Vec::new();
        }
        let mut tables = self.tables();
        let asked = |input: &Node| match tables.next() {
            Some((traits, keys)) if traits.is_set() && !traits.require_update_before && is_key(input, keys) => {
                Updates::OnlyAfter
            }
            _ => Updates::BeforeAndAfter,
        };
        let asks: Vec<Updates> = inputs.iter().map(asked).collect();
        let whole = asks.contains(&Updates::OnlyAfter).then(|| Alternative::asking(inputs, Updates::BeforeAndAfter));
        std::iter::once(Alternative { asks, becomes: None }).chain(whole).collect()
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        let keys = self.tables().next().map_or(0, |(_, partition_by)| partition_by.len());
        if self.upserts() && keys > 0 { vec![(0..keys).collect()] } else { Vec::new() }
    }

    fn distribution(&self) -> Vec<Distribution> {
        let of = |(traits, keys): (&flott_api::process::TableTraits, &[usize])| match traits.is_set() {
            true => Distribution::by(keys),
            false => Distribution::Any,
        };
        self.tables().map(of).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        described(&self.call, text)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = ProcessTableFunctionSpec {
            function: self.function.clone(),
            arguments: self.arguments.clone(),
            rowtime: self.rowtime.clone(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            output: wiring.output(),
        };
        let keys = self.tables().next().map_or(&[] as &[usize], |(_, partition_by)| partition_by);
        let uid = self.call.uid.as_deref().unwrap_or_default();
        let meaning = format!("{uid} {}: {}", self.function.name, wiring.keys_meaning(0, keys));
        let mut columns = Vec::with_capacity(wiring.node.columns.len());
        for (input, (traits, partition_by)) in self.tables().enumerate() {
            let read = wiring.meanings(input);
            match traits.pass_columns_through {
                true => columns.extend(read.iter().cloned()),
                false => columns.extend(partition_by.iter().map(|c| read[*c].clone())),
            }
        }
        let own = wiring.node.columns[columns.len()..].iter().map(|c| format!("{} of {meaning}", c.name));
        columns.extend(own.collect::<Vec<_>>());
        let stateful = self.tables().any(|(traits, _)| traits.is_set());
        Ok(Wired { role: spec.role()?, stateful, meaning, columns })
    }
}

/// Whether an update of the input replaces the row with the same values in these columns.
fn is_key(input: &Node, keys: &[usize]) -> bool {
    let same = |key: &Vec<usize>| key.len() == keys.len() && key.iter().all(|column| keys.contains(column));
    input.upsert_keys.iter().any(same)
}

/// Rows of one time have no order among updates: Flink refuses `on_time` with them.
pub(super) fn check_time(call: &Invocation, has_time: bool, changes: ChangelogMode) -> Result<()> {
    if has_time && !changes.is_insert_only() {
        return Err(Error::unsupported(format!("on_time in a call of {} that takes or gives updates", call.name)));
    }
    Ok(())
}
