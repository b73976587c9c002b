//! Submits a job: cuts its graph into tasks, lays the channels between them, and starts them.

use std::sync::Arc;

use flott_api::ids::{Attempt, JobId, Subtask};
use flott_api::{Error, Result};
use flott_graph::{NodeId, Role};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::channel::{Barrier, ChannelId, ChannelReceiver, ChannelSender, LocalTransport, Transport};
use crate::coordinator::commit::{self, TableSinks, WriterDone};
use crate::coordinator::enumerator::{self, ReaderLine};
use crate::exchange::route::connections;
use crate::job::Job;
use crate::metrics::{JobMetrics, OperatorEntry, TaskEntry};
use crate::plan::Plan;
use crate::task::{Blame, CommitLine, Setup, SourceLines, run_subtask, run_worker};
use crate::{JobHandle, Plugins};

/// There is no restart yet.
const FIRST_ATTEMPT: Attempt = Attempt(1);
/// How many barriers may wait for a source.
const BARRIERS_MAX: usize = 16;

/// Starts a job. Must be called within the tokio runtime that the environment's spawner uses.
///
/// # Errors
/// If the graph is damaged or not runnable. What only a subtask can find fails the job.
pub fn submit(graph_bytes: &[u8], plugins: &Plugins) -> Result<JobHandle> {
    let plan = Plan::from_bytes(graph_bytes)?;
    let id = new_id(plugins);
    let transport = LocalTransport { buffer_bytes_max: plan.configuration.buffer_bytes_max };
    let mut submission = Submission {
        graph: graph_bytes.into(),
        tables: commit::tables(&plan.graph),
        wires: lay_channels(&plan, id, &transport)?,
        metrics: JobMetrics::default(),
        job: Arc::new(Job::new(id, 0)),
        plan,
        plugins: plugins.clone(),
        barriers: Vec::new(),
    };
    submission.job = Arc::new(Job::new(id, submission.workers()));
    submission.start()
}

fn new_id(plugins: &Plugins) -> JobId {
    let rng = &plugins.environment.rng;
    JobId(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))
}

/// The channel ends of one subtask.
#[derive(Default)]
struct Wires {
    receivers: Vec<(usize, Box<dyn ChannelReceiver>)>,
    senders: Vec<Vec<Box<dyn ChannelSender>>>,
}

/// The ends of all channels, by task and subtask.
fn lay_channels(plan: &Plan, job: JobId, transport: &dyn Transport) -> Result<Vec<Vec<Wires>>> {
    let mut wires: Vec<Vec<Wires>> = Vec::new();
    for task in &plan.tasks {
        wires.push((0..task.parallelism).map(|_| Wires::default()).collect());
    }
    for (number, edge) in plan.edges.iter().enumerate() {
        for subtask in &mut wires[edge.from] {
            subtask.senders.push(Vec::new());
        }
        let (producers, consumers) = (plan.tasks[edge.from].parallelism, plan.tasks[edge.to].parallelism);
        for (from, to) in connections(&edge.edge.partitioning, producers, consumers) {
            let (sender, receiver) =
                transport.connect(ChannelId { job, attempt: FIRST_ATTEMPT, edge: number as u32, from, to })?;
            let channels = wires[edge.from][from as usize].senders.last_mut();
            channels.ok_or_else(|| Error::internal("an edge has no producer"))?.push(sender);
            wires[edge.to][to as usize].receivers.push((edge.edge.input as usize, receiver));
        }
    }
    Ok(wires)
}

/// A job on its way.
struct Submission {
    graph: Arc<[u8]>,
    plan: Plan,
    plugins: Plugins,
    job: Arc<Job>,
    wires: Vec<Vec<Wires>>,
    tables: Vec<TableSinks>,
    metrics: JobMetrics,
    barriers: Vec<mpsc::Sender<Barrier>>,
}

impl Submission {
    /// Subtasks, enumerators and committers.
    fn workers(&self) -> usize {
        let subtasks: usize = self.plan.tasks.iter().map(|t| t.parallelism as usize).sum();
        let sources = self.plan.graph.nodes.iter().filter(|n| matches!(n.role, Role::Source(_))).count();
        subtasks + sources + self.tables.len()
    }

    fn start(mut self) -> Result<JobHandle> {
        let commit_lines = self.start_committers();
        let wires = std::mem::take(&mut self.wires);
        for (task, wires) in wires.into_iter().enumerate() {
            let sources = self.start_enumerator(task);
            self.start_task(task, wires, sources, &commit_lines);
        }
        let Submission { job, plan, metrics, barriers, .. } = self;
        tracing::info!(job = %job.id, name = plan.graph.name, "the job has started");
        Ok(JobHandle::new(job, plan.graph.name, metrics, barriers))
    }

    fn start_task(
        &mut self,
        task: usize,
        wires: Vec<Wires>,
        sources: Vec<SourceLines>,
        commit_lines: &[mpsc::Sender<WriterDone>],
    ) {
        let mut sources = sources.into_iter();
        let parallelism = wires.len() as u32;
        for (index, wires) in (0..).zip(wires) {
            let subtask = Subtask { index, parallelism };
            let commit = self.commit_line(task, commit_lines);
            let setup = self.setup(task, subtask, wires, sources.next(), commit);
            self.spawn_subtask(setup);
        }
    }

    fn commit_line(&self, task: usize, lines: &[mpsc::Sender<WriterDone>]) -> Option<CommitLine> {
        let last = *self.plan.tasks[task].nodes.last()?;
        self.tables
            .iter()
            .zip(lines)
            .find_map(|(table, done)| table.part_of(last).map(|part| CommitLine { part, done: done.clone() }))
    }

    fn setup(
        &mut self,
        task: usize,
        subtask: Subtask,
        wires: Wires,
        source: Option<SourceLines>,
        commit: Option<CommitLine>,
    ) -> Setup {
        let nodes = &self.plan.tasks[task].nodes;
        let entries: Vec<OperatorEntry> = nodes.iter().map(|n| self.operator_entry(*n, subtask)).collect();
        let entry = TaskEntry { name: self.plan.task_name(&self.plan.tasks[task]), subtask, metrics: Arc::default() };
        let setup = Setup {
            job: self.job.id,
            graph: Arc::clone(&self.graph),
            task,
            subtask,
            plugins: self.plugins.clone(),
            operator_metrics: entries.iter().map(|e| Arc::clone(&e.metrics)).collect(),
            task_metrics: Arc::clone(&entry.metrics),
            receivers: wires.receivers,
            senders: wires.senders,
            source,
            commit,
        };
        self.metrics.operators.extend(entries);
        self.metrics.tasks.push(entry);
        setup
    }

    fn operator_entry(&self, id: NodeId, subtask: Subtask) -> OperatorEntry {
        let node = self.plan.graph.node(id);
        OperatorEntry { node: id, name: node.name.clone(), uid: node.uid.clone(), subtask, metrics: Arc::default() }
    }

    fn spawn_subtask(&self, setup: Setup) {
        let task = &self.plan.tasks[setup.task];
        let (name, subtask) = (self.plan.task_name(task), setup.subtask);
        let operators = task.nodes.iter().map(|n| self.plan.graph.node(*n).name.clone()).collect();
        let blame = Blame::subtask(operators, subtask);
        let span = tracing::info_span!("subtask", job = %self.job.id, operator = name, %subtask);
        let work = run_subtask(Arc::clone(&self.job), setup, blame).instrument(span);
        self.spawn(&format!("{name} {subtask}"), work);
    }

    /// The enumerator of the source that heads a task, and the lines of its readers.
    fn start_enumerator(&mut self, task: usize) -> Vec<SourceLines> {
        let head = self.plan.tasks[task].nodes[0];
        let node = self.plan.graph.node(head);
        let Role::Source(spec) = &node.role else { return Vec::new() };
        let (spec, plugins, name) = (spec.clone(), self.plugins.clone(), node.name.clone());
        let (readers, lines) = self.source_lines(node.parallelism);
        let control = self.job.control();
        let work = async move {
            let source = plugins.table(&spec.connector)?.source(&spec)?;
            let enumerator = source.enumerator(&plugins.environment, None)?;
            enumerator::run(enumerator, &readers, control).await
        };
        self.spawn_worker("enumerator", name, work);
        lines
    }

    fn source_lines(&mut self, parallelism: u32) -> (Vec<ReaderLine>, Vec<SourceLines>) {
        let mut readers = Vec::new();
        let mut lines = Vec::new();
        for _ in 0..parallelism {
            let (reader, enumerator) = enumerator::line();
            let (barrier, barriers) = mpsc::channel(BARRIERS_MAX);
            self.barriers.push(barrier);
            readers.push(reader);
            lines.push(SourceLines { enumerator, barriers, control: self.job.control() });
        }
        (readers, lines)
    }

    /// One committer a table; answers the lines to them.
    fn start_committers(&mut self) -> Vec<mpsc::Sender<WriterDone>> {
        let mut lines = Vec::new();
        for sinks in std::mem::take(&mut self.tables) {
            let (sender, receiver) = mpsc::channel(sinks.writers.max(1));
            lines.push(sender);
            let name = sinks.first_node().map_or(String::new(), |n| self.plan.graph.node(n).name.clone());
            let plugins = self.plugins.clone();
            let run = sinks.clone();
            self.spawn_worker("committer", name, async move { commit::run(run, receiver, &plugins).await });
            self.tables.push(sinks);
        }
        lines
    }

    fn spawn_worker(&self, worker: &str, operator: String, work: impl Future<Output = Result<()>> + Send + 'static) {
        let span = tracing::info_span!("coordinator", job = %self.job.id, operator, worker);
        let name = format!("{worker} of {operator}");
        let blame = Blame { operators: vec![operator], worker: worker.to_owned() };
        self.spawn(&name, run_worker(Arc::clone(&self.job), blame, work).instrument(span));
    }

    /// The job's control ends it, after it has cleaned up; a handle would end it at once.
    fn spawn(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        self.plugins.environment.spawner.spawn(name, Box::pin(work)).detach();
    }
}
