//! A join by equal keys of rows whose times are near each other.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{IntervalJoinSpec, JoinKind, Spec, TimedJoinSide};

use super::Distribution;
use super::join::{Keyed, Pairing, keys_of_pairs, kind_text, where_text};
use crate::plan::rel;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// The time of the left is within these bounds around that of the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Interval {
    /// Whether it is event time.
    pub(in crate::plan) is_rowtime: bool,
    /// How much later than that of the right it is at least. Milliseconds.
    pub(in crate::plan) lower_ms: i64,
    /// How much later it is at most. Milliseconds.
    pub(in crate::plan) upper_ms: i64,
    /// The columns with the times.
    pub(in crate::plan) times: [usize; 2],
}

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct IntervalJoin {
    kind: JoinKind,
    interval: Interval,
    pairing: Pairing,
    /// All that must hold.
    whole: Option<Expr>,
}

impl IntervalJoin {
    /// The join within an interval; what else must hold is a conjunction of parts over so many columns on the left.
    pub(in crate::plan) fn new(
        join: rel::Join,
        interval: Interval,
        (parts, left_width): (Vec<Expr>, usize),
    ) -> Result<Self> {
        let pairing = Pairing::of(parts, left_width)?;
        Ok(IntervalJoin { kind: join.kind, interval, pairing, whole: join.condition })
    }

    fn side(&self, side: usize, wiring: &Wiring<'_>) -> TimedJoinSide {
        let (keys, time) = (self.pairing.keys[side].clone(), self.interval.times[side]);
        TimedJoinSide { input: wiring.input(side), keys, time }
    }

    /// What the state of a side means.
    fn meaning(&self, side: usize, wiring: &Wiring<'_>) -> String {
        let time = self.interval.times[side];
        let time = if self.interval.is_rowtime { wiring.meanings(side)[time].as_str() } else { "proctime" };
        format!("{} at {time}", wiring.keys_meaning(side, &self.pairing.keys[side]))
    }
}

impl StreamOp for IntervalJoin {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        match united(inputs) {
            mode if mode.is_insert_only() => Ok(mode),
            _ => Err(Error::unsupported("an interval join of a table with updates")),
        }
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        keys_of_pairs(self.kind, &self.pairing.keys, Keyed::both(inputs))
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.pairing.keys.iter().map(|keys| Distribution::by(keys)).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let Interval { is_rowtime, lower_ms, upper_ms, times: [left, right] } = &self.interval;
        format!(
            "IntervalJoin(joinType=[{}], windowBounds=[isRowTime={is_rowtime}, leftLowerBound={lower_ms}, \
             leftUpperBound={upper_ms}, leftTimeIndex={left}, rightTimeIndex={right}], where=[{}], select=[{}])",
            kind_text(self.kind),
            where_text(self.whole.as_ref(), text),
            text.own.join(", ")
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = IntervalJoinSpec {
            kind: self.kind,
            left: self.side(0, wiring),
            right: self.side(1, wiring),
            is_rowtime: self.interval.is_rowtime,
            lower_ms: self.interval.lower_ms,
            upper_ms: self.interval.upper_ms,
            nulls_meet: self.pairing.nulls_meet.clone(),
            condition: self.pairing.condition.clone(),
            output: wiring.output(),
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
