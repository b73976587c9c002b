//! Unbounded `GROUP BY`.

use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{AggregateCall, GroupAggregateSpec, PythonGroupAggregateSpec, Spec};

use super::Distribution;
use crate::plan::lower::meaning;
use crate::plan::print::Style;
use crate::plan::rel::StateTtl;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module. Gives keys, then results.
#[derive(Clone, Debug)]
pub(in crate::plan) struct GroupAggregate {
    /// The key columns.
    pub(in crate::plan) keys: Vec<usize>,
    /// The aggregates.
    pub(in crate::plan) calls: Vec<AggregateCall>,
    /// Whether another aggregation does the rest.
    pub(in crate::plan) part: Part,
    /// How many rows change groups together; nothing if each does so alone.
    pub(in crate::plan) mini_batch_rows_max: Option<u64>,
    /// How long groups are kept, if a hint says so.
    pub(in crate::plan) ttl: Option<StateTtl>,
}

/// Which part of an aggregation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Part {
    /// All.
    Whole,
    /// Groups by the values under `DISTINCT`, too.
    Partial,
    /// Puts those groups together.
    Final,
}

impl GroupAggregate {
    /// One that does all, row by row.
    pub(in crate::plan) fn whole(keys: Vec<usize>, calls: Vec<AggregateCall>) -> Self {
        GroupAggregate { keys, calls, part: Part::Whole, mini_batch_rows_max: None, ttl: None }
    }

    /// Whether a function of a user is among the calls.
    fn calls_beside(&self) -> bool {
        self.calls.iter().any(|call| call.function.user.is_some())
    }

    /// `partialFinalType=[PARTIAL], `, or nothing if it does all.
    pub(in crate::plan) fn part(&self) -> &'static str {
        match self.part {
            Part::Whole => "",
            Part::Partial => "partialFinalType=[PARTIAL], ",
            Part::Final => "partialFinalType=[FINAL], ",
        }
    }

    /// How long groups are kept.
    pub(in crate::plan) fn state_ttl_ms(&self, wiring: &Wiring<'_>) -> i64 {
        self.ttl.as_ref().map_or(wiring.settings.state_ttl_ms, |ttl| ttl.ms)
    }

    /// `, stateTtlHints=[..]`, where a hint says how long groups are kept; the plan as it runs does not show it.
    pub(in crate::plan) fn ttl_text(&self, style: Style) -> String {
        match &self.ttl {
            Some(ttl) if style == Style::Prefix => format!(", stateTtlHints=[[[STATE_TTL options:[{}]]]]", ttl.text),
            _ => String::new(),
        }
    }

    /// What its columns mean: keys, then results.
    pub(in crate::plan) fn meanings(&self, read: &[String]) -> Vec<String> {
        let keys = self.keys.iter().map(|k| read[*k].clone());
        keys.chain(self.calls.iter().map(|c| meaning::call(c, read))).collect()
    }
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
        let python = if self.calls_beside() { "Python" } else { "" };
        format!(
            "{python}GroupAggregate({}{}select=[{results}]{})",
            text.group_by(&self.keys),
            self.part(),
            self.ttl_text(text.style)
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = GroupAggregateSpec {
            input: wiring.input(0),
            keys: self.keys.clone(),
            aggregates: self.calls.clone(),
            input_changelog: wiring.input_changelog(0),
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: self.state_ttl_ms(wiring),
            mini_batch_rows_max: self.mini_batch_rows_max,
            output: wiring.output(),
        };
        let columns = self.meanings(wiring.meanings(0));
        let meaning = wiring.keys_meaning(0, &self.keys);
        let role = match self.calls_beside() {
            true => PythonGroupAggregateSpec { groups: spec, session_zone: wiring.session_zone() }.role()?,
            false => spec.role()?,
        };
        Ok(Wired { role, stateful: true, meaning, columns })
    }
}
