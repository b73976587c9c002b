//! Builds a subtask's operators, reader and writer from bytes.

use std::sync::Arc;

use flott_api::key_group::range_of_subtask;
use flott_api::operator::OpenContext;
use flott_api::sink::WriterContext;
use flott_api::source::ReaderContext;
use flott_api::state::StateMemory;
use flott_api::{Error, Result};
use flott_graph::{Node, Role, Task};

use super::operator::GateWorker;
use super::pace::Pace;
use super::source::SourceWorker;
use super::{CommitLine, Setup};
use crate::chain::{Chain, Frame, Link};
use crate::channel::ChannelSender;
use crate::checker::Checker;
use crate::exchange::route::Router;
use crate::exchange::{Exchange, OutputEdge};
use crate::gate::Gate;
use crate::plan::Plan;

/// What brings elements into a chain.
pub(super) enum Head {
    Source(SourceWorker),
    Gate(GateWorker),
    /// `VALUES`: nothing comes in.
    Nothing,
}

/// A subtask that can run.
pub(super) struct BuiltTask {
    pub(super) head: Head,
    pub(super) chain: Chain,
    pub(super) cx: OpenContext,
    pub(super) pace: Pace,
    pub(super) commit: Option<CommitLine>,
}

pub(super) fn build(setup: Setup, frame: Arc<Frame>) -> Result<BuiltTask> {
    let plan = Plan::from_bytes(&setup.graph)?;
    let task = &plan.tasks[setup.task];
    let clock = Arc::clone(&setup.plugins.environment.clock);
    let mut setup = setup;
    let senders = std::mem::take(&mut setup.senders);
    let edges = output_edges(&plan, &setup, senders);
    let exchange = Exchange::new(edges, Arc::clone(&clock), Arc::clone(&setup.task_metrics));
    let links = links(&plan, task, &setup, &frame)?;
    let head_node = plan.graph.node(task.nodes[0]);
    frame.enter(0);
    Ok(BuiltTask {
        cx: open_context(&setup, head_node),
        pace: Pace::new(clock, Arc::clone(&setup.task_metrics)),
        commit: setup.commit.take(),
        head: head(&plan, task, head_node, setup)?,
        chain: Chain { links, exchange, frame },
    })
}

fn open_context(setup: &Setup, node: &Node) -> OpenContext {
    OpenContext {
        subtask: setup.subtask,
        max_parallelism: node.max_parallelism,
        environment: setup.plugins.environment.clone(),
        metrics: Arc::clone(&setup.operator_metrics[0]),
        state: Arc::new(crate::state::NoState),
        key_groups: range_of_subtask(node.max_parallelism, setup.subtask.parallelism, setup.subtask.index),
        memory: StateMemory::new(usize::MAX, true),
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
        links.extend(link(plan.graph.node(*id), position, setup)?);
    }
    Ok(links)
}

/// The link of a node; a source has none, it is the head.
fn link(node: &Node, position: usize, setup: &Setup) -> Result<Option<Link>> {
    let metrics = Arc::clone(&setup.operator_metrics[position]);
    match &node.role {
        Role::Source(_) => Ok(None),
        Role::Operator { kind, spec } => {
            let bytes = serde_json::to_vec(spec)
                .map_err(|e| Error::internal(format!("a '{kind}' cannot be written")).with_source(e))?;
            let instance = setup.plugins.operators.create(kind, &bytes)?;
            let checker = Checker::new(&node.output);
            Ok(Some(Link::operator(instance, checker, metrics, position)))
        }
        Role::Sink(spec) => {
            let cx = WriterContext {
                job: setup.job,
                restored: Vec::new(),
                subtask: setup.subtask,
                environment: setup.plugins.environment.clone(),
                metrics: Arc::clone(&metrics),
            };
            let writer = setup.plugins.table(&spec.connector)?.sink(spec)?.writer(cx)?;
            Ok(Some(Link::sink(writer, metrics, position)))
        }
    }
}

fn head(plan: &Plan, task: &Task, node: &Node, setup: Setup) -> Result<Head> {
    let Role::Source(spec) = &node.role else {
        return Ok(if plan.has_input(task) {
            Head::Gate(GateWorker::new(Gate::new(setup.receivers)))
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
    Ok(Head::Source(SourceWorker::new(reader, lines, Checker::new(&node.output), metrics)))
}
