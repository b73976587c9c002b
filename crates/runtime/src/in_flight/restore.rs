//! Which rows under way of a restored checkpoint a subtask gets.
//!
//! With as many subtasks as before and rows spread as before, each gets what was on its way to it. Else every
//! subtask looks through what was on its way to all of them, and takes what its edges would send it today: of a
//! hash edge the rows of its key groups, of a broadcast one all, of others whole batches in turn. Watermarks go
//! to everybody, in their places.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use flott_api::ids::Subtask;
use flott_api::object::ObjectStore;
use flott_api::{Error, Result};
use flott_graph::{Edge, JobGraph, NodeId, Partitioning};
use flott_state::checkpoint::in_flight;
use flott_state::checkpoint::manifest::{InFlightEdge, InFlightSnapshot, OperatorSnapshot};

use super::codec::{DecodedChannel, take_channels};
use super::{KeptChannel, Origin, description};
use crate::channel::{Element, SizedBatch};
use crate::exchange::route::HashRouter;

/// What messages call rows that lie in the manifest.
const IN_MANIFEST: &str = "_metadata";

/// The rows under way to an operator that one of its subtasks looks through.
pub(crate) struct RowsUnderWay {
    subtask: Subtask,
    lists: Vec<List>,
}

/// A piece of what was on its way to one of the subtasks that there were.
struct List {
    index: u32,
    snapshot: InFlightSnapshot,
    /// Nothing for an edge of which this subtask gets nothing.
    edges: Vec<Option<Way>>,
}

/// How the rows of an edge come to this subtask.
struct Way {
    /// The edge as it is today.
    edge: Arc<InFlightEdge>,
    schema: SchemaRef,
    spread: Spread,
    /// For messages.
    to_name: String,
}

#[derive(Clone)]
enum Spread {
    /// All are its own.
    All,
    /// Those of its key groups.
    Hash { columns: Vec<usize>, max_parallelism: u32 },
    /// Those of the sender with its number.
    BySender,
    /// Each batch to the next subtask.
    InTurn,
}

/// The edge of a graph that rows of a checkpoint were on; nothing if there is none, or its rows are others now.
pub(crate) fn edge_of<'a>(graph: &'a JobGraph, to: NodeId, known: &InFlightEdge) -> Option<&'a Edge> {
    let of_sender = |e: &&Edge| e.to == to && e.input == known.input && graph.node(e.from).uid == known.from;
    let edge = graph.edges.iter().find(of_sender)?;
    (description(graph, edge).types == known.types).then_some(edge)
}

impl RowsUnderWay {
    /// What a subtask of `to` has to look through; nothing if there is nothing.
    pub(crate) fn of(graph: &JobGraph, to: NodeId, subtask: Subtask, restored: &OperatorSnapshot) -> Option<Self> {
        let parallelism = restored.subtasks.len() as u32;
        let mut lists = Vec::new();
        let pieces = (0..).zip(&restored.subtasks).flat_map(|(index, s)| s.in_flight.iter().map(move |p| (index, p)));
        for (index, snapshot) in pieces {
            let way = |known: &InFlightEdge| Way::of(graph, to, known, (index, parallelism), subtask);
            let edges: Vec<Option<Way>> = snapshot.edges.iter().map(way).collect();
            if edges.iter().any(Option::is_some) {
                lists.push(List { index, snapshot: snapshot.clone(), edges });
            }
        }
        (!lists.is_empty()).then_some(RowsUnderWay { subtask, lists })
    }

    /// Reads them, and keeps what is the subtask's.
    pub(crate) async fn read(self, objects: &dyn ObjectStore) -> Result<Vec<KeptChannel>> {
        let mut channels = Vec::new();
        for list in self.lists {
            let path = list.snapshot.file().unwrap_or(IN_MANIFEST);
            let bytes = in_flight::read(objects, path, &list.snapshot).await?;
            let schemas: Vec<Option<SchemaRef>> =
                list.edges.iter().map(|way| way.as_ref().map(|w| Arc::clone(&w.schema))).collect();
            let context = |e: Error| e.context(format_args!("rows under way in '{path}'"));
            let decoded = take_channels(in_flight::decode(path, &bytes)?, &schemas).map_err(context)?;
            for channel in decoded {
                let Some(way) = &list.edges[channel.edge] else { continue };
                channels.extend(way.take(channel, list.index, self.subtask)?);
            }
        }
        Ok(channels)
    }
}

impl Way {
    fn of(
        graph: &JobGraph,
        to: NodeId,
        known: &InFlightEdge,
        (index, parallelism): (u32, u32),
        subtask: Subtask,
    ) -> Option<Self> {
        let edge = edge_of(graph, to, known)?;
        let today = description(graph, edge);
        let unchanged = today.spread == known.spread && parallelism == subtask.parallelism;
        if unchanged && index != subtask.index {
            return None;
        }
        let senders_unchanged = today.parallelism == known.parallelism;
        let max_parallelism = graph.node(to).max_parallelism;
        let spread = match &edge.partitioning {
            _ if unchanged || subtask.parallelism == 1 => Spread::All,
            Partitioning::Broadcast => Spread::All,
            Partitioning::Hash { columns } => Spread::Hash { columns: columns.clone(), max_parallelism },
            Partitioning::Forward if senders_unchanged => Spread::BySender,
            Partitioning::Forward | Partitioning::Rescale | Partitioning::Pinned | Partitioning::Rebalance => {
                Spread::InTurn
            }
        };
        Some(Way {
            // Who sent which row is still told by the numbers that the senders had.
            edge: Arc::new(InFlightEdge { parallelism: known.parallelism, ..today }),
            schema: graph.node(edge.from).output.arrow(),
            spread,
            to_name: graph.node(to).name.clone(),
        })
    }

    /// What of a channel to subtask `index` comes to this one.
    fn take(&self, channel: DecodedChannel, index: u32, subtask: Subtask) -> Result<Option<KeptChannel>> {
        let DecodedChannel { subtask: sender, watermark, idle, elements, .. } = channel;
        let elements = match &self.spread {
            Spread::All => elements,
            Spread::BySender if sender == subtask.index => elements,
            Spread::BySender => return Ok(None),
            Spread::Hash { columns, max_parallelism } => {
                let mut router = HashRouter::new(columns.clone(), subtask.parallelism, *max_parallelism);
                let own = |batch: SizedBatch| router.own(&batch, subtask.index as usize);
                spread(elements, own)?
            }
            Spread::InTurn => {
                let mut turn = index + sender;
                let own = |batch: SizedBatch| {
                    self.check_in_turn(&batch)?;
                    let is_own = turn % subtask.parallelism == subtask.index;
                    turn += 1;
                    Ok(if is_own { Some(Element::Batch(batch)) } else { only_time(&batch) })
                };
                spread(elements, own)?
            }
        };
        let origin = Origin { edge: Arc::clone(&self.edge), subtask: sender };
        Ok(Some(KeptChannel { origin, watermark, idle, elements }))
    }

    /// Changes of one row must stay in order, and here nobody knows where those go that come behind.
    fn check_in_turn(&self, batch: &SizedBatch) -> Result<()> {
        if batch.batch.kinds().is_none() {
            return Ok(());
        }
        let (from, to) = (&self.edge.from_name, &self.to_name);
        Err(Error::invalid(format!("rows under way from operator '{from}' to '{to}' cannot be spread anew"))
            .with_detail("They update and delete rows, and the edge does not say by which key.")
            .with_hint("Restore with the parallelism that the job had, or from a savepoint: it has no rows under way."))
    }
}

fn spread(
    elements: impl IntoIterator<Item = Element>,
    mut own: impl FnMut(SizedBatch) -> Result<Option<Element>>,
) -> Result<VecDeque<Element>> {
    let mut kept = VecDeque::new();
    for element in elements {
        match element {
            Element::Batch(batch) => kept.extend(own(batch)?),
            other => kept.push_back(other),
        }
    }
    Ok(kept)
}

/// What a batch of others says of time.
fn only_time(batch: &SizedBatch) -> Option<Element> {
    batch.batch.last_watermark().map(Element::Watermark)
}
