//! Launches one attempt of a region: lays the channels between its subtasks, and starts them and the
//! enumerators of its sources.

use std::sync::Arc;

use flott_api::ids::{Attempt, JobId, Subtask};
use flott_api::source::Split;
use flott_api::{Error, Result};
use flott_graph::{Node, NodeId, Role};
use flott_state::checkpoint::manifest::{Manifest, OperatorSnapshot};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::Plugins;
use crate::channel::{ChannelId, ChannelSender, LocalTransport, Transport};
use crate::coordinator::alignment::{self, AlignedReader, Aligner, Groups};
use crate::coordinator::enumerator::{self, EnumeratorWorker, ORDERS_MAX, Order, ReaderLine, RestoredSplits};
use crate::exchange::route::connections;
use crate::metrics::JobMetrics;
use crate::plan::Plan;
use crate::region::Region;
use crate::report::{Report, ReportLine};
use crate::state::StateStorage;
use crate::task::{Blame, Setup, SourceLines, Wire, run_enumerator, run_subtask};

/// What all attempts of a job are launched from.
pub(crate) struct Launcher {
    pub(crate) job: JobId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) plugins: Plugins,
    pub(crate) metrics: Arc<JobMetrics>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) storage: StateStorage,
    /// Whether barriers may overtake rows.
    pub(crate) unaligned: bool,
    /// Sources that wait for each other.
    pub(crate) groups: Groups,
}

/// A region at work.
pub(crate) struct RunningRegion {
    pub(crate) region: Arc<Region>,
    /// The lines to its enumerators.
    pub(crate) orders: Vec<mpsc::Sender<Order>>,
}

/// The channel ends of one subtask.
#[derive(Default)]
struct Wires {
    receivers: Vec<Wire>,
    senders: Vec<Vec<Box<dyn ChannelSender>>>,
}

/// An attempt on its way.
struct Launch<'a> {
    launcher: &'a Launcher,
    region: Arc<Region>,
    report: ReportLine,
    restored: Option<Arc<Manifest>>,
    orders: Vec<mpsc::Sender<Order>>,
}

impl Launcher {
    /// Starts the tasks of a region.
    ///
    /// # Errors
    /// If a channel cannot be laid. What only a subtask can find fails the region.
    pub(crate) fn launch(
        &self,
        tasks: &[usize],
        attempt: Attempt,
        restored: Option<Arc<Manifest>>,
    ) -> Result<RunningRegion> {
        let wires = self.lay_channels(tasks, attempt)?;
        let (subtasks, sources) = self.workers(tasks);
        let region = Arc::new(Region::new(attempt, subtasks, subtasks + sources));
        let report = ReportLine { attempt, reports: self.reports.clone() };
        let mut launch = Launch { launcher: self, region, report, restored, orders: Vec::new() };
        for (task, wires) in tasks.iter().zip(wires) {
            let sources = launch.start_enumerator(*task);
            launch.start_task(*task, wires, sources);
        }
        Ok(RunningRegion { region: launch.region, orders: launch.orders })
    }

    /// Subtasks and enumerators.
    fn workers(&self, tasks: &[usize]) -> (usize, usize) {
        let subtasks = tasks.iter().map(|t| self.plan.tasks[*t].parallelism as usize).sum();
        let is_source = |t: &&usize| matches!(self.plan.head(**t).role, Role::Source(_));
        (subtasks, tasks.iter().filter(is_source).count())
    }

    /// The ends of all channels, by task and subtask.
    fn lay_channels(&self, tasks: &[usize], attempt: Attempt) -> Result<Vec<Vec<Wires>>> {
        let transport = LocalTransport { buffer_bytes_max: self.plan.configuration.buffer_bytes_max };
        let place = |task: usize| tasks.iter().position(|t| *t == task);
        let mut wires: Vec<Vec<Wires>> = Vec::new();
        for task in tasks {
            wires.push((0..self.plan.tasks[*task].parallelism).map(|_| Wires::default()).collect());
        }
        for (number, edge) in self.plan.edges.iter().enumerate() {
            let (Some(source), Some(target)) = (place(edge.from), place(edge.to)) else { continue };
            for subtask in &mut wires[source] {
                subtask.senders.push(Vec::new());
            }
            let (producers, consumers) = (self.plan.tasks[edge.from].parallelism, self.plan.tasks[edge.to].parallelism);
            for (from, to) in connections(&edge.edge.partitioning, producers, consumers) {
                let id = ChannelId { job: self.job, attempt, edge: number as u32, from, to };
                let (sender, receiver) = transport.connect(id)?;
                let channels = wires[source][from as usize].senders.last_mut();
                channels.ok_or_else(|| Error::internal("an edge has no producer"))?.push(sender);
                wires[target][to as usize].receivers.push(Wire { edge: number, from, receiver });
            }
        }
        Ok(wires)
    }

    /// A task that writes a table.
    fn writes(&self, task: usize) -> bool {
        let last = self.plan.tasks[task].nodes.last();
        last.is_some_and(|n| matches!(self.plan.graph.node(*n).role, Role::Sink(_)))
    }

    /// The work goes on until the region's control ends it; a handle would end it before it has cleaned up.
    fn spawn(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        self.plugins.environment.spawner.spawn(name, Box::pin(work)).detach();
    }
}

impl Launch<'_> {
    fn start_task(&self, task: usize, wires: Vec<Wires>, sources: Vec<SourceLines>) {
        let mut sources = sources.into_iter();
        let parallelism = wires.len() as u32;
        for (index, wires) in (0..).zip(wires) {
            self.start_subtask(task, Subtask { index, parallelism }, wires, sources.next());
        }
    }

    fn start_subtask(&self, task: usize, subtask: Subtask, wires: Wires, source: Option<SourceLines>) {
        let Launcher { plan, metrics, .. } = self.launcher;
        let setup = Setup {
            job: self.launcher.job,
            plan: Arc::clone(plan),
            task,
            subtask,
            worker: plan.worker(task, subtask.index),
            plugins: self.launcher.plugins.clone(),
            operator_metrics: metrics.of_operators(&plan.tasks[task].nodes, subtask),
            task_metrics: metrics.of_task(plan.worker(task, subtask.index)),
            receivers: wires.receivers,
            senders: wires.senders,
            source,
            report: self.report.clone(),
            storage: StateStorage { attempt: self.region.attempt, ..self.launcher.storage.clone() },
            restored: self.restored.clone(),
            unaligned: self.launcher.unaligned,
        };
        let name = plan.task_name(&plan.tasks[task]);
        let operators = plan.tasks[task].nodes.iter().map(|n| plan.graph.node(*n).name.clone()).collect();
        let blame = Blame::subtask(operators, subtask);
        let span = tracing::info_span!("subtask", job = %self.launcher.job, operator = name, %subtask);
        let work = run_subtask(Arc::clone(&self.region), setup, blame, self.launcher.writes(task)).instrument(span);
        // Of a job with few subtasks others have the other cores.
        let home = (self.launcher.job.0 as u64).wrapping_add(u64::from(subtask.index));
        let spawner = &self.launcher.plugins.environment.spawner;
        spawner.spawn_subtask(&format!("{name} {subtask}"), home, Box::pin(work));
    }

    /// The enumerator of the source that heads a task, and the lines of its readers.
    fn start_enumerator(&mut self, task: usize) -> Vec<SourceLines> {
        let node = self.launcher.plan.head(task);
        let Role::Source(spec) = &node.role else { return Vec::new() };
        let id = self.launcher.plan.tasks[task].nodes[0];
        let (readers, mut lines) = self.source_lines(node.parallelism);
        let aligner = self.aligner(node, &mut lines);
        let (order, orders) = mpsc::channel(ORDERS_MAX);
        self.orders.push(order);
        let restored = self.restored.as_ref().and_then(|m| m.operator(&node.uid)).cloned();
        let (spec, plugins) = (spec.clone(), self.launcher.plugins.clone());
        let (control, report) = (self.region.control(), self.report.clone());
        let work = async move {
            let source = plugins.table(&spec.connector)?.source(&spec)?;
            let state = restored.as_ref().and_then(|o| o.enumerator.as_ref()).map(|e| e.state.clone());
            let enumerator = source.enumerator(&plugins.environment, state)?;
            let restored = restored_splits(restored.as_ref());
            EnumeratorWorker { node: id, enumerator, readers, orders, control, report, restored, aligner }.run().await
        };
        self.spawn_enumerator(id, work);
        lines
    }

    fn source_lines(&self, parallelism: u32) -> (Vec<ReaderLine>, Vec<SourceLines>) {
        let (readers, enumerators) = enumerator::lines(parallelism);
        let of_line = |enumerator| SourceLines { enumerator, alignment: None, control: self.region.control() };
        (readers, enumerators.into_iter().map(of_line).collect())
    }

    /// Who tells the readers of a source how far they may read, if it waits for others.
    fn aligner(&self, node: &Node, lines: &mut [SourceLines]) -> Option<Aligner> {
        let aligned = node.alignment.as_ref()?;
        let of_line = |line: &mut SourceLines| {
            let (reader, of_reader) = alignment::line();
            line.alignment = Some(of_reader);
            reader
        };
        let readers: Vec<AlignedReader> = lines.iter_mut().map(of_line).collect();
        let clock = Arc::clone(&self.launcher.plugins.environment.clock);
        Some(Aligner::new(aligned, &self.launcher.groups, readers, clock))
    }

    fn spawn_enumerator(&self, node: NodeId, work: impl Future<Output = Result<()>> + Send + 'static) {
        let operator = self.launcher.plan.graph.node(node).name.clone();
        let span = tracing::info_span!("coordinator", job = %self.launcher.job, operator, worker = "enumerator");
        let name = format!("enumerator of {operator}");
        let blame = Blame { operators: vec![operator], worker: "enumerator".to_owned() };
        self.launcher.spawn(&name, run_enumerator(Arc::clone(&self.region), blame, work).instrument(span));
    }
}

/// All splits that the readers of a checkpoint held.
fn restored_splits(restored: Option<&OperatorSnapshot>) -> RestoredSplits {
    let splits = restored.into_iter().flat_map(|o| &o.subtasks).flat_map(|s| &s.splits);
    RestoredSplits {
        splits: splits.map(|s| Split { id: s.id.clone(), state: s.state.clone() }).collect(),
        finished: restored.and_then(|o| o.enumerator.as_ref()).is_some_and(|e| e.finished),
    }
}
