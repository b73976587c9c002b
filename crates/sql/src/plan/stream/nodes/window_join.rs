//! A join of the rows of equal windows and keys, when the window is over.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{JoinKind, Spec, WindowJoinInput, WindowJoinSpec};

use super::Distribution;
use super::join::{Pairing, kind_text, where_text};
use crate::plan::TimeAttribute;
use crate::plan::print;
use crate::plan::rel::WindowBounds;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct WindowJoin {
    kind: JoinKind,
    /// The windows of the left and of the right.
    bounds: [WindowBounds; 2],
    pairing: Pairing,
    /// All that must hold besides equal windows.
    whole: Option<Expr>,
}

impl WindowJoin {
    /// The join of these windows; what else must hold is a conjunction of parts over so many columns on the left.
    ///
    /// # Errors
    /// If the windows are of processing time.
    pub(in crate::plan) fn new(
        kind: JoinKind,
        bounds: [WindowBounds; 2],
        (parts, left_width): (Vec<Expr>, usize),
    ) -> Result<Self> {
        if bounds.iter().any(|b| b.window.time == TimeAttribute::Proctime) {
            return Err(Error::unsupported("a join of windows of processing time"));
        }
        let whole = if parts.is_empty() { None } else { Some(crate::plan::binder::combine("and", parts.clone())?) };
        Ok(WindowJoin { kind, bounds, pairing: Pairing::of(parts, left_width)?, whole })
    }

    fn input(&self, side: usize, wiring: &Wiring<'_>) -> WindowJoinInput {
        let (keys, window_end) = (self.pairing.keys[side].clone(), self.bounds[side].end);
        WindowJoinInput { schema: wiring.input(side), window_end, keys }
    }

    /// What the state of a side means.
    fn meaning(&self, side: usize, wiring: &Wiring<'_>) -> String {
        let keys = wiring.keys_meaning(side, &self.pairing.keys[side]);
        format!("{keys} in {}", wiring.meanings(side)[self.bounds[side].end])
    }
}

impl StreamOp for WindowJoin {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        match united(inputs) {
            mode if mode.is_insert_only() => Ok(mode),
            _ => Err(Error::unsupported("a join of windows of a table with updates")),
        }
    }

    /// A row of the left comes once at most where no pair is made of it.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        match inputs {
            [left, _] if self.kind.is_left_only() => left.upsert_keys.clone(),
            _ => Vec::new(),
        }
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.pairing.keys.iter().map(|keys| Distribution::by(keys)).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let window = |side: usize| print::attached_text(&self.bounds[side], &text.inputs[side]);
        format!(
            "WindowJoin(leftWindow=[{}], rightWindow=[{}], joinType=[{}], where=[{}], select=[{}])",
            window(0),
            window(1),
            kind_text(self.kind),
            where_text(self.whole.as_ref(), text),
            text.own.join(", ")
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = WindowJoinSpec {
            left: self.input(0, wiring),
            right: self.input(1, wiring),
            filter_nulls: self.pairing.nulls_meet.iter().map(|meet| !meet).collect(),
            condition: self.pairing.condition.clone(),
            kind: self.kind,
            zone: wiring.zone_of(self.bounds[0].window.is_local),
            session_zone: wiring.session_zone(),
            output: wiring.output(),
        };
        let columns = wiring.meanings(0).iter().chain(wiring.meanings(1)).cloned();
        let columns = columns.take(wiring.node.columns.len()).collect();
        let meaning = format!("{} = {}", self.meaning(0, wiring), self.meaning(1, wiring));
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.pairing.condition.iter().collect()
    }
}
