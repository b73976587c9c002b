//! The stream plan: relational nodes with Flink's traits (changelog mode, upsert keys, distribution).
//!
//! [`plan`] optimises the relational tree and makes stream nodes of it bottom-up: `convert` puts an exchange before what
//! needs its rows together and computes the row kinds that each node may give. `changelog` then asks top-down which
//! updates are needed. What a kind of node is and does stands in one file of `nodes`; `op` says what it must tell.

mod changelog;
mod convert;
mod interval;
mod mini_batch;
mod nested;
mod nodes;
mod op;
mod share;
mod sign;
mod sink;
mod split_distinct;
mod trend;
mod window_phases;

use flott_api::Result;
use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_graph::spec::JoinKind;

pub(super) use mini_batch::{may_have_two_phases, with_mini_batches};
pub(super) use nested::narrow;
pub(super) use nodes::{Calc, Distribution, Pairing, kind_name};
pub(super) use op::{Op, StreamOp, Text, Wired, Wiring};
pub(super) use share::{identity, share};
pub(super) use sink::Sink;
pub(super) use window_phases::with_window_phases;

use super::rel::{Column, Multi, Rel, check_orders};
use super::{Settings, beside, optimize};

/// One way from sources to a sink.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// The relational tree as it was bound.
    pub(super) logical: Rel,
    /// What feeds the sink.
    pub(super) root: Node,
    /// The sink.
    pub(super) sink: Sink,
    /// The table whose dead letters go this way.
    pub(super) dead_letters_of: Option<String>,
}

/// A node of the stream plan.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it does.
    pub(super) op: Op,
    /// What it reads.
    pub(super) inputs: Vec<Node>,
    /// What it gives.
    pub(super) columns: Vec<Column>,
    /// The row kinds that it gives.
    pub(super) changelog: ChangelogMode,
    /// Sets of columns whose values name a row: an update replaces the row with the same values.
    pub(super) upsert_keys: Vec<Vec<usize>>,
}

impl Node {
    /// A node over inputs that have their exchanges, with all that follows from them.
    ///
    /// # Errors
    /// If it cannot work on an input's changes.
    pub(super) fn new(op: Op, inputs: Vec<Node>, columns: Vec<Column>) -> Result<Self> {
        let changelog = op.provides(&inputs)?;
        let upsert_keys = op.upsert_keys(&inputs);
        Ok(Node { op, inputs, columns, changelog, upsert_keys })
    }

    /// The node behind one that changes neither columns nor row kinds.
    pub(super) fn behind(self, op: Op) -> Self {
        let (columns, changelog) = (self.columns.clone(), self.changelog);
        let inputs = vec![self];
        Node { upsert_keys: op.upsert_keys(&inputs), op, inputs, columns, changelog }
    }
}

/// Whether a join's condition, a conjunction of parts, bounds the times of both sides against each other.
pub(super) fn is_interval_join(kind: JoinKind, parts: &[Expr], sides: [&[Column]; 2]) -> Result<bool> {
    Ok(interval::of_join(kind, parts, sides)?.is_some())
}

/// Plans the way of a relation's rows to a sink.
pub(super) fn plan(settings: &Settings, rel: Rel, mut sink: Sink) -> Result<Pipeline> {
    check_orders(&rel)?;
    let logical = rel.clone();
    let rel = if settings.multi_joins { optimize::marked(rel, Multi::Yes) } else { rel };
    let rel = optimize::optimize(rel, &settings.session_zone)?;
    let root = convert::convert(beside::cut(rel, false)?)?;
    let root = match settings.distinct_buckets {
        Some(buckets) => split_distinct::split(root, buckets)?,
        None => root,
    };
    sink.settle_conflicts(&root, settings)?;
    let root = trend::take_nothing_back(changelog::satisfy(&root, &sink)?);
    Ok(Pipeline { logical, root, sink, dead_letters_of: None })
}

/// Plans the way of dead letters to their sink. Each is an insertion, whatever their table gives.
pub(super) fn plan_dead_letters(rel: Rel, sink: Sink, of: String) -> Result<Pipeline> {
    let root = convert::convert(rel.clone())?;
    let root = Node { changelog: ChangelogMode::INSERT_ONLY, upsert_keys: Vec::new(), ..root };
    Ok(Pipeline { logical: rel, root, sink, dead_letters_of: Some(of) })
}
