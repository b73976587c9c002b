//! A join of each row with what a table was at its time.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{JoinKind, Spec, TemporalJoinSpec, TimedJoinSide};

use super::Distribution;
use super::join::{Keyed, Pairing, keys_of_pairs, kind_text};
use crate::plan::print::{self, Style};
use crate::plan::rel;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct TemporalJoin {
    kind: JoinKind,
    times: [usize; 2],
    pairing: Pairing,
    /// The key of the right by which versions are known.
    primary_key: Vec<usize>,
    /// All that must hold, a part each.
    parts: Vec<Expr>,
}

impl TemporalJoin {
    /// The join of these inputs; its condition is a conjunction of parts.
    pub(in crate::plan) fn new(join: rel::TemporalJoin, parts: Vec<Expr>, inputs: &[Node]) -> Result<Self> {
        let [left, right] = inputs else { return Err(Error::internal("a temporal join has not two inputs")) };
        let pairing = Pairing::of(parts.clone(), left.columns.len())?;
        if pairing.keys[1].is_empty() {
            return Err(Error::invalid("FOR SYSTEM_TIME AS OF without equal columns")
                .with_detail("The join key in Temporal Table Join can not be empty."));
        }
        let Some(primary_key) = right.upsert_keys.iter().min_by_key(|key| key.len()) else {
            return Err(Error::invalid(
                "FOR SYSTEM_TIME AS OF over a table without a primary key in the join condition",
            )
            .with_detail(
                "Temporal Table Join requires primary key in versioned table, and its columns in the condition.",
            )
            .with_hint("Declare its PRIMARY KEY (..) NOT ENFORCED."));
        };
        if let Some(missing) = primary_key.iter().find(|column| !pairing.keys[1].contains(column)) {
            return Err(Error::invalid(format!(
                "FOR SYSTEM_TIME AS OF without the key column '{}'",
                right.columns[*missing].name
            ))
            .with_detail(
                "Temporal table's primary key must be included in the equivalence condition of temporal join.",
            ));
        }
        Ok(TemporalJoin { kind: join.kind, times: join.times, primary_key: primary_key.clone(), pairing, parts })
    }

    fn side(&self, side: usize, wiring: &Wiring<'_>) -> TimedJoinSide {
        TimedJoinSide { input: wiring.input(side), keys: self.pairing.keys[side].clone(), time: self.times[side] }
    }

    /// What the state of a side means.
    fn meaning(&self, side: usize, wiring: &Wiring<'_>) -> String {
        let time = &wiring.meanings(side)[self.times[side]];
        format!("{} at {time}", wiring.keys_meaning(side, &self.pairing.keys[side]))
    }

    /// What tells of the versions, as Flink has it in the condition.
    fn versions_text(&self, names: &[String], left_width: usize) -> String {
        let picked = |columns: &[usize], first: usize| {
            columns.iter().map(|c| names[first + c].as_str()).collect::<Vec<_>>().join(", ")
        };
        let [left_keys, right_keys] = &self.pairing.keys;
        format!(
            "__TEMPORAL_JOIN_CONDITION({}, {}, __TEMPORAL_JOIN_CONDITION_PRIMARY_KEY({}), \
             __TEMPORAL_JOIN_LEFT_KEY({}), __TEMPORAL_JOIN_RIGHT_KEY({}))",
            names[self.times[0]],
            names[left_width + self.times[1]],
            picked(&self.primary_key, left_width),
            picked(left_keys, 0),
            picked(right_keys, left_width)
        )
    }
}

impl StreamOp for TemporalJoin {
    /// Each row of the left comes with its kind.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(inputs.first().map_or(ChangelogMode::INSERT_ONLY, |left| left.changelog))
    }

    /// A version ends when the next one of its key begins, so that the right need not tell of it.
    fn alternatives(&self, _: &[Node], wanted: Updates) -> Vec<Alternative> {
        let with = |versions: Updates| Alternative { asks: vec![wanted, versions], becomes: None };
        vec![with(Updates::OnlyAfter), with(Updates::BeforeAndAfter)]
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        keys_of_pairs(self.kind, &self.pairing.keys, Keyed::both(inputs))
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.pairing.keys.iter().map(|keys| Distribution::by(keys)).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let names = print::unique(text.inputs.iter().flatten());
        let mut parts: Vec<String> = self.parts.iter().map(|part| print::expr(part, &names, text.style)).collect();
        parts.push(self.versions_text(&names, text.input().len()));
        let condition = match text.style {
            Style::Infix => format!("({})", parts.join(" AND ")),
            Style::Logical | Style::Prefix => format!("AND({})", parts.join(", ")),
        };
        let kind = kind_text(self.kind);
        format!("TemporalJoin(joinType=[{kind}], where=[{condition}], select=[{}])", text.own.join(", "))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = TemporalJoinSpec {
            kind: self.kind,
            left: self.side(0, wiring),
            right: self.side(1, wiring),
            nulls_meet: self.pairing.nulls_meet.clone(),
            condition: self.pairing.condition.clone(),
            output: wiring.output(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            session_zone: wiring.session_zone(),
        };
        let columns = wiring.meanings(0).iter().chain(wiring.meanings(1)).cloned().collect();
        let meaning = format!("{} = {}", self.meaning(0, wiring), self.meaning(1, wiring));
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.pairing.condition.iter().collect()
    }
}
