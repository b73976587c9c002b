//! Unbounded `GROUP BY` in two phases: where rows are, and where their groups are.
//!
//! What is sent between them has the keys and one column of bytes. Flink has a column for each thing that an aggregate
//! remembers; `EXPLAIN` names them as Flink does.

use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind, Schema};
use flott_graph::spec::{AggregateCall, GlobalGroupAggregateSpec, LocalGroupAggregateSpec, Spec};

use super::{Distribution, GroupAggregate, Part};
use crate::plan::print;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};
use crate::plan::stream::{Node, Op};

/// The first phase. Gives keys, then bytes.
#[derive(Clone, Debug)]
pub(in crate::plan) struct LocalGroupAggregate {
    /// What both phases compute.
    pub(in crate::plan) whole: GroupAggregate,
    /// What the rows may be.
    pub(in crate::plan) rows_changelog: ChangelogMode,
    /// How many rows it puts together.
    pub(in crate::plan) rows_max: u64,
}

/// The second phase. Gives keys, then results.
#[derive(Clone, Debug)]
pub(in crate::plan) struct GlobalGroupAggregate {
    /// The first one.
    pub(in crate::plan) local: LocalGroupAggregate,
    /// The columns of the rows there.
    pub(in crate::plan) rows: Schema,
}

impl LocalGroupAggregate {
    fn retracts(&self) -> bool {
        !self.rows_changelog.is_insert_only()
    }

    /// What the runtime is told.
    pub(super) fn spec(&self, input: Schema, output: Schema) -> LocalGroupAggregateSpec {
        LocalGroupAggregateSpec {
            input,
            keys: self.whole.keys.clone(),
            aggregates: self.whole.calls.clone(),
            input_changelog: self.rows_changelog,
            mini_batch_rows_max: self.rows_max,
            output,
        }
    }

    fn sent(&self, input: &[String]) -> Vec<(String, String)> {
        sent(&self.whole.calls, self.retracts(), input)
    }
}

/// What is sent of each aggregate: `COUNT(x)` and `count$0`.
pub(super) fn sent(calls: &[AggregateCall], retracts: bool, input: &[String]) -> Vec<(String, String)> {
    let suffix = if retracts { "_RETRACT" } else { "" };
    let mut distinct: Vec<&[usize]> = Vec::new();
    let mut fields = 0;
    let mut sent: Vec<(String, String)> = Vec::new();
    for call in calls {
        let names = remembered(call, retracts);
        let names: Vec<String> = names.iter().zip(fields..).map(|(name, i)| format!("{name}${i}")).collect();
        fields += names.len();
        let text = print::aggregate_text(call, input, suffix, "*");
        sent.push((shared_distinct(text, call, &mut distinct), one_or_tuple(&names)));
    }
    let counts_rows = calls.iter().any(|c| c.function.name == "count" && c.args.is_empty());
    if retracts && !counts_rows {
        sent.push(("COUNT_RETRACT(*)".to_owned(), format!("count1${fields}")));
    }
    let values = distinct.iter().zip(0..).map(|(columns, i)| {
        let columns = print::picked(columns, input).join(", ");
        (format!("DISTINCT({columns})"), format!("distinct${i}"))
    });
    sent.extend(values);
    sent
}

/// The calls over what the first phase sends of rows with these names, each with what that is called.
pub(super) fn put_together(calls: &[AggregateCall], retracts: bool, names: &[String]) -> Vec<(String, String)> {
    let suffix = if retracts { "_RETRACT" } else { "" };
    let text = |(call, sent): (&AggregateCall, (String, String))| {
        let read = AggregateCall { args: vec![0], filter: None, distinct: false, ..call.clone() };
        let distinct = sent.0.split_once("(distinct$").and_then(|(_, rest)| rest.split_once(' '));
        let distinct = distinct.map_or_else(String::new, |(place, _)| format!("distinct${place} "));
        (print::aggregate_text(&read, &[format!("{distinct}{}", sent.1)], suffix, "*"), sent.1)
    };
    calls.iter().zip(sent(calls, retracts, names)).map(text).collect()
}

/// `COUNT(DISTINCT x)` reads the values that all aggregates under the same `DISTINCT` share: `COUNT(distinct$0 x)`.
fn shared_distinct<'c>(text: String, call: &'c AggregateCall, distinct: &mut Vec<&'c [usize]>) -> String {
    if !call.distinct {
        return text;
    }
    let place = distinct.iter().position(|columns| *columns == call.args).unwrap_or_else(|| {
        distinct.push(&call.args);
        distinct.len() - 1
    });
    text.replacen("DISTINCT ", &format!("distinct${place} "), 1)
}

/// What Flink's implementation of an aggregate remembers.
fn remembered(call: &AggregateCall, retract: bool) -> Vec<&str> {
    match (call.function.name.as_str(), call.args.len()) {
        ("count", 0) => vec!["count1"],
        ("sum", _) if retract => vec!["sum", "count"],
        ("sum" | "$sum0", _) => vec!["sum"],
        ("avg", _) => vec!["sum", "count"],
        ("listagg", _) if !retract => vec!["accDelimiter", "concatAcc"],
        ("single_value", _) => vec!["value", "count"],
        ("$max_of_rising", _) => vec!["max"],
        ("$min_of_falling", _) => vec!["min"],
        (name, _) => vec![name.trim_end_matches("_ignore_nulls")],
    }
}

fn one_or_tuple(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

impl GlobalGroupAggregate {
    /// Whether another aggregation does the rest.
    pub(in crate::plan) fn is_partial(&self) -> bool {
        self.local.whole.part == Part::Partial
    }

    /// The calls over what the first phase sends, each with what that is called.
    pub(super) fn put_together(&self) -> Vec<(String, String)> {
        let names: Vec<String> = self.rows.fields.iter().map(|f| f.name.clone()).collect();
        put_together(&self.local.whole.calls, self.local.retracts(), &names)
    }

    /// The same where the phases before are one node: Flink calls what comes as that is called which comes there.
    fn after_parts(&self, text: &Text<'_>) -> Option<Vec<(String, String)>> {
        let below = text.node.inputs.first()?.inputs.first()?;
        let Op::IncrementalGroupAggregate(parts) = &below.op else { return None };
        let sent = parts.by_part.put_together().into_iter().map(|(_, name)| name);
        let call = |(call, name): (&AggregateCall, String)| {
            let read = AggregateCall { args: vec![0], filter: None, distinct: false, ..call.clone() };
            (print::aggregate_text(&read, std::slice::from_ref(&name), "", "*"), name)
        };
        Some(self.local.whole.calls.iter().zip(sent).map(call).collect())
    }

    /// What the runtime is told; its columns are `output`.
    pub(super) fn spec(
        &self,
        wiring: &Wiring<'_>,
        output: Schema,
        emit_update_before: bool,
    ) -> GlobalGroupAggregateSpec {
        let whole = &self.local.whole;
        GlobalGroupAggregateSpec {
            rows: self.rows.clone(),
            keys: whole.keys.clone(),
            aggregates: whole.calls.clone(),
            rows_changelog: self.local.rows_changelog,
            mini_batch_rows_max: self.local.rows_max,
            emit_update_before,
            state_ttl_ms: whole.state_ttl_ms(wiring),
            output,
        }
    }
}

impl StreamOp for LocalGroupAggregate {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    /// A key comes with every mini-batch.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let keys = &self.whole.keys;
        let keys_shown = print::picked(keys, text.input()).into_iter().map(str::to_owned);
        let sent = self.sent(text.input()).into_iter().map(|(call, name)| format!("{call} AS {name}"));
        let select = keys_shown.chain(sent).collect::<Vec<_>>().join(", ");
        format!("LocalGroupAggregate({}{}select=[{select}])", text.group_by(keys), self.whole.part())
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = self.spec(wiring.input(0), wiring.output());
        // The bytes are what all aggregates are made of, in order.
        let columns = self.whole.meanings(wiring.meanings(0));
        Ok(Wired { role: spec.role()?, stateful: false, meaning: String::new(), columns })
    }
}

impl StreamOp for GlobalGroupAggregate {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        let deletes = self.local.retracts();
        Ok(if deletes { ChangelogMode::ALL } else { ChangelogMode::ALL.without(RowKind::Delete) })
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        vec![(0..self.local.whole.keys.len()).collect()]
    }

    fn distribution(&self) -> Vec<Distribution> {
        let keys: Vec<usize> = (0..self.local.whole.keys.len()).collect();
        vec![Distribution::by(&keys)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let whole = &self.local.whole;
        let (keys, results) = text.own.split_at(whole.keys.len());
        let calls = self.after_parts(text).unwrap_or_else(|| self.put_together());
        let results = calls.into_iter().zip(results).map(|((text, _), name)| format!("{text} AS {name}"));
        let select = keys.iter().cloned().chain(results).collect::<Vec<_>>().join(", ");
        let positions: Vec<usize> = (0..keys.len()).collect();
        let ttl = whole.ttl_text(text.style);
        format!("GlobalGroupAggregate({}{}select=[{select}]{ttl})", text.group_by(&positions), whole.part())
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let whole = &self.local.whole;
        let spec = self.spec(wiring, wiring.output(), wiring.emit_update_before());
        let keys: Vec<usize> = (0..whole.keys.len()).collect();
        let meaning = wiring.keys_meaning(0, &keys);
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns: wiring.meanings(0).to_vec() })
    }
}
