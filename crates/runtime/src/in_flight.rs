//! Rows under way: what an unaligned checkpoint holds of the channels between subtasks.
//!
//! They belong to the subtask that they were on their way to, channel by channel, with the watermarks and
//! idleness between them. A restored subtask gets them before anything new ([`restore`]), spread as its
//! edges say today. They lie in bytes of our own ([`codec`]) and are written piece by piece ([`store`]).

pub(crate) mod codec;
pub(crate) mod restore;
pub(crate) mod store;

use std::collections::VecDeque;
use std::sync::Arc;

use flott_api::Watermark;
use flott_api::ids::CheckpointId;
use flott_graph::{Edge, JobGraph, Partitioning};
use flott_state::checkpoint::manifest::InFlightEdge;

use crate::channel::Element;

/// What was under way to a subtask when it took its snapshot, or a piece of it.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) checkpoint: CheckpointId,
    /// Whether it is the last piece.
    pub(crate) last: bool,
    /// In the order in which they are read again.
    pub(crate) channels: Vec<KeptChannel>,
}

/// What was under way on a channel.
#[derive(Clone, Debug)]
pub(crate) struct KeptChannel {
    pub(crate) origin: Origin,
    /// How far it had come before.
    pub(crate) watermark: Watermark,
    /// Whether it was idle.
    pub(crate) idle: bool,
    /// Rows, watermarks and idleness.
    pub(crate) elements: VecDeque<Element>,
}

impl KeptChannel {
    /// Whether there are rows, and not only watermarks and idleness.
    pub(crate) fn has_rows(&self) -> bool {
        self.elements.iter().any(|e| matches!(e, Element::Batch(_)))
    }
}

/// Who sends on a channel.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) edge: Arc<InFlightEdge>,
    pub(crate) subtask: u32,
}

impl Origin {
    /// The input that the channel ends in.
    pub(crate) fn input(&self) -> usize {
        self.edge.input as usize
    }

    /// Whether both lead from one operator to one input.
    pub(crate) fn is_of_same_edge(&self, other: &Origin) -> bool {
        (&self.edge.from, self.edge.input) == (&other.edge.from, other.edge.input)
    }
}

/// Whether rows that lie on such an edge can be overtaken.
///
/// As in Flink, not where they could not be spread again: nobody knows which subtask gets the rows of a forward
/// or rescale edge when there are more or fewer, and of a broadcast one some subtasks may have read what others
/// have not.
pub(crate) fn can_be_overtaken(partitioning: &Partitioning) -> bool {
    match partitioning {
        Partitioning::Hash { .. } | Partitioning::Rebalance => true,
        Partitioning::Forward | Partitioning::Rescale | Partitioning::Pinned | Partitioning::Broadcast => false,
    }
}

/// What a checkpoint knows of an edge.
pub(crate) fn description(graph: &JobGraph, edge: &Edge) -> InFlightEdge {
    let from = graph.node(edge.from);
    let types: Vec<String> = from.output.fields.iter().map(|f| f.ty.to_string()).collect();
    InFlightEdge {
        from: from.uid.clone(),
        from_name: from.name.clone(),
        parallelism: from.parallelism,
        input: edge.input,
        spread: spread(&edge.partitioning, graph.node(edge.to).max_parallelism),
        types: types.join(", "),
    }
}

/// How rows are spread: where it is the same, and as many subtasks read them, each row is where it belongs.
fn spread(partitioning: &Partitioning, max_parallelism: u32) -> String {
    match partitioning {
        Partitioning::Forward => "forward".to_owned(),
        Partitioning::Hash { columns } => format!("hash of columns {columns:?}, {max_parallelism} key groups"),
        Partitioning::Rebalance => "rebalance".to_owned(),
        Partitioning::Rescale => "rescale".to_owned(),
        Partitioning::Pinned => "pinned".to_owned(),
        Partitioning::Broadcast => "broadcast".to_owned(),
    }
}
