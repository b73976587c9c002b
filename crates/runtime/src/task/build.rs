//! Builds a subtask's operators, reader and writer from bytes, with what a restored checkpoint has of them.

use std::sync::Arc;

use flott_api::key_group::range_of_subtask;
use flott_api::object::ObjectStore;
use flott_api::operator::OpenContext;
use flott_api::sink::WriterContext;
use flott_api::source::ReaderContext;
use flott_api::{Error, Result, Watermark};
use flott_graph::{Node, NodeId, Role, Task};
use flott_state::checkpoint::RetryingObjects;
use flott_state::checkpoint::manifest::OperatorSnapshot;

use super::acknowledge::{Acknowledge, AcknowledgeLines};
use super::operator::GateWorker;
use super::pace::Pace;
use super::source::{SourceParts, SourceWorker};
use super::{Setup, Wire};
use crate::chain::{Chain, Frame, Link, LinkPlace};
use crate::channel::ChannelSender;
use crate::checker::Checker;
use crate::exchange::route::Router;
use crate::exchange::{Exchange, OutputEdge};
use crate::gate::{Gate, Inlet};
use crate::in_flight::restore::RowsUnderWay;
use crate::in_flight::{Origin, can_be_overtaken, description};
use crate::plan::Plan;

/// Rows that are kept of an unaligned checkpoint leave memory when they are as many as fill so many channels.
const PIECE_CHANNELS: usize = 8;

/// What brings elements into a chain.
pub(super) enum Head {
    Source(SourceWorker),
    Gate(GateWorker),
    /// `VALUES`: nothing comes in.
    Nothing,
    /// All of the task had come to its end before the restored checkpoint; its channels bring nothing but
    /// their end.
    Ended(Option<GateWorker>),
}

/// A subtask that can run.
pub(super) struct BuiltTask {
    pub(super) head: Head,
    pub(super) chain: Chain,
    pub(super) ack: Acknowledge,
    pub(super) pace: Pace,
    pub(super) rows: Restoring,
}

/// Rows under way of the restored checkpoint, by the place in the task of the operator that they were on their
/// way to.
pub(super) struct Restoring {
    pub(super) places: Vec<(usize, RowsUnderWay)>,
    pub(super) objects: Arc<dyn ObjectStore>,
}

pub(super) fn build(setup: Setup, frame: Arc<Frame>) -> Result<BuiltTask> {
    let plan = Arc::clone(&setup.plan);
    let task = &plan.tasks[setup.task];
    let clock = Arc::clone(&setup.plugins.environment.clock);
    let mut setup = setup;
    let senders = std::mem::take(&mut setup.senders);
    let edges = output_edges(&plan, &setup, senders);
    let overdraft = Arc::clone(&frame.overdraft);
    let exchange = Exchange::new(edges, Arc::clone(&clock), Arc::clone(&setup.task_metrics), overdraft);
    let links = links(&plan, task, &setup, &frame)?;
    frame.enter(0);
    Ok(BuiltTask {
        ack: acknowledge(&plan, task, &setup),
        rows: restoring(&plan, task, &setup),
        pace: Pace::new(clock, Arc::clone(&setup.task_metrics)),
        head: head(&plan, task, setup)?,
        chain: Chain::new(links, exchange, frame),
    })
}

fn acknowledge(plan: &Plan, task: &Task, setup: &Setup) -> Acknowledge {
    let Setup { storage, subtask, report, plugins, .. } = setup;
    let environment = &plugins.environment;
    let lines = AcknowledgeLines {
        report: report.clone(),
        spawner: Arc::clone(&environment.spawner),
        rows: storage.rows(plan.graph.node(task.nodes[0]), *subtask, environment),
    };
    Acknowledge::new(setup.worker, storage.durable, lines)
}

fn restoring(plan: &Plan, task: &Task, setup: &Setup) -> Restoring {
    let of_node = |(position, id): (usize, &NodeId)| {
        let restored = restored(setup, plan.graph.node(*id))?;
        RowsUnderWay::of(&plan.graph, *id, setup.subtask, restored).map(|rows| (position, rows))
    };
    let clock = Arc::clone(&setup.plugins.environment.clock);
    Restoring {
        places: task.nodes.iter().enumerate().filter_map(of_node).collect(),
        objects: RetryingObjects::new(Arc::clone(&setup.storage.objects), clock),
    }
}

fn output_edges(plan: &Plan, setup: &Setup, senders: Vec<Vec<Box<dyn ChannelSender>>>) -> Vec<OutputEdge> {
    let edges = plan.edges.iter().filter(|e| e.from == setup.task);
    let edges = edges.zip(senders).map(|(edge, channels)| {
        let max_parallelism = plan.graph.node(edge.edge.to).max_parallelism;
        let start = setup.subtask.index as usize;
        let router = Router::new(&edge.edge.partitioning, start, channels.len(), max_parallelism);
        OutputEdge::new(router, channels)
    });
    edges.collect()
}

fn links(plan: &Plan, task: &Task, setup: &Setup, frame: &Frame) -> Result<Vec<Link>> {
    let mut links = Vec::with_capacity(task.nodes.len());
    for (position, id) in task.nodes.iter().enumerate() {
        frame.enter(position);
        links.extend(link(plan.graph.node(*id), *id, position, setup, frame)?);
    }
    Ok(links)
}

fn restored<'a>(setup: &'a Setup, node: &Node) -> Option<&'a OperatorSnapshot> {
    setup.restored.as_ref().and_then(|m| m.operator(&node.uid))
}

/// The lowest watermark that any instance had: what holds for all of their rows.
fn restored_watermark(restored: Option<&OperatorSnapshot>) -> Watermark {
    let subtasks = restored.into_iter().flat_map(|o| &o.subtasks).filter(|s| !s.finished);
    subtasks.map(|s| s.watermark.map_or(Watermark::MIN, Watermark)).min().unwrap_or(Watermark::MIN)
}

/// The link of a node; a source has none, it is the head.
fn link(node: &Node, id: NodeId, position: usize, setup: &Setup, frame: &Frame) -> Result<Option<Link>> {
    let restored = restored(setup, node);
    let metrics = Arc::clone(&setup.operator_metrics[position]);
    let place = LinkPlace { node: id, position, metrics, watermark: restored_watermark(restored) };
    match &node.role {
        Role::Source(_) => Ok(None),
        Role::Operator { kind, spec } => {
            let bytes = serde_json::to_vec(spec)
                .map_err(|e| Error::internal(format!("a '{kind}' cannot be written")).with_source(e))?;
            let instance = setup.plugins.operators.create(kind, &bytes)?;
            let store = setup.storage.open(node, setup.subtask, &setup.plugins.environment, restored)?;
            let cx = OpenContext {
                subtask: setup.subtask,
                max_parallelism: node.max_parallelism,
                environment: setup.plugins.environment.clone(),
                metrics: Arc::clone(&place.metrics),
                state: Arc::clone(&store) as _,
                key_groups: range_of_subtask(node.max_parallelism, setup.subtask.parallelism, setup.subtask.index),
                memory: Arc::clone(&setup.storage.memory),
                connectors: setup.plugins.connectors(),
                splits: Arc::clone(&frame.splits),
            };
            Ok(Some(Link::operator(instance, Checker::new(&node.output), cx, Some(store), place)))
        }
        Role::Sink(spec) => {
            let cx = WriterContext {
                job: setup.job,
                restored: restored_writers(restored, setup.subtask.index, setup.subtask.parallelism),
                subtask: setup.subtask,
                environment: setup.plugins.environment.clone(),
                metrics: Arc::clone(&place.metrics),
            };
            let writer = setup.plugins.table(&spec.connector)?.sink(spec)?.writer(cx)?;
            Ok(Some(Link::sink(writer, place)))
        }
    }
}

/// Each of the writers' states to one writer.
fn restored_writers(restored: Option<&OperatorSnapshot>, index: u32, parallelism: u32) -> Vec<bytes::Bytes> {
    let writers = restored.into_iter().flat_map(|o| &o.subtasks).filter_map(|s| s.writer.as_ref());
    let mine = (0..).zip(writers).filter(|(n, _): &(u32, _)| n % parallelism == index);
    mine.map(|(_, w)| w.state.clone()).collect()
}

fn head(plan: &Plan, task: &Task, setup: Setup) -> Result<Head> {
    let nodes = || task.nodes.iter().map(|n| plan.graph.node(*n));
    let ended = |node: &Node| restored(&setup, node).is_some_and(|o| o.subtasks.iter().all(|s| s.finished));
    let node = plan.graph.node(task.nodes[0]);
    if nodes().all(ended) {
        let watermark = restored_watermark(restored(&setup, node));
        let gate = plan.has_input(task).then(|| GateWorker::new(Gate::new(inlets(plan, setup.receivers), watermark)));
        return Ok(Head::Ended(gate));
    }
    let Role::Source(spec) = &node.role else {
        let watermark = restored_watermark(restored(&setup, node));
        return Ok(if plan.has_input(task) {
            let mut gate = Gate::new(inlets(plan, setup.receivers), watermark);
            if setup.unaligned {
                let clock = Arc::clone(&setup.plugins.environment.clock);
                gate.let_overtake(clock, PIECE_CHANNELS.saturating_mul(plan.configuration.buffer_bytes_max));
            }
            Head::Gate(GateWorker::new(gate))
        } else {
            Head::Nothing
        });
    };
    let lines = setup.source.ok_or_else(|| Error::internal("a source has no enumerator"))?;
    let metrics = Arc::clone(&setup.operator_metrics[0]);
    let cx = ReaderContext {
        subtask: setup.subtask,
        environment: setup.plugins.environment.clone(),
        metrics: Arc::clone(&metrics),
    };
    let reader = setup.plugins.table(&spec.connector)?.source(spec)?.reader(cx)?;
    let parts = SourceParts { lines, checker: Checker::new(&node.output), metrics, unaligned: setup.unaligned };
    Ok(Head::Source(SourceWorker::new(task.nodes[0], reader, parts)))
}

fn inlets(plan: &Plan, wires: Vec<Wire>) -> Vec<Inlet> {
    let edges: Vec<_> = plan.edges.iter().map(|e| Arc::new(description(&plan.graph, &e.edge))).collect();
    let inlet = |wire: Wire| Inlet {
        yields: can_be_overtaken(&plan.edges[wire.edge].edge.partitioning),
        origin: Origin { edge: Arc::clone(&edges[wire.edge]), subtask: wire.from },
        receiver: wire.receiver,
    };
    wires.into_iter().map(inlet).collect()
}
