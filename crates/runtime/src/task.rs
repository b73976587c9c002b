//! A subtask: rebuilds its operators from their specifications in the job graph and runs them as one task, on the threads of subtasks.

mod acknowledge;
mod alignment;
mod build;
mod operator;
mod pace;
mod source;
mod urgency;
mod worker;

use std::sync::Arc;

use flott_api::ids::{JobId, Subtask};
use flott_api::metrics::{OperatorMetrics, TaskMetrics};
use flott_state::checkpoint::manifest::Manifest;
use tokio::sync::watch;

use crate::Plugins;
use crate::channel::{ChannelReceiver, ChannelSender};
use crate::coordinator::alignment::AlignmentLine;
use crate::coordinator::enumerator::EnumeratorLine;
use crate::plan::Plan;
use crate::region::Control;
use crate::report::ReportLine;
use crate::state::StateStorage;

pub(crate) use worker::{Blame, caught, run_enumerator, run_subtask};

/// All that a subtask gets.
pub(crate) struct Setup {
    pub(crate) job: JobId,
    /// The job, of which all subtasks of a process read the same.
    pub(crate) plan: Arc<Plan>,
    /// The position of its task.
    pub(crate) task: usize,
    pub(crate) subtask: Subtask,
    /// Its number among all subtasks of the job.
    pub(crate) worker: usize,
    pub(crate) plugins: Plugins,
    /// Of each operator in the task, in order.
    pub(crate) operator_metrics: Vec<Arc<OperatorMetrics>>,
    pub(crate) task_metrics: Arc<TaskMetrics>,
    /// Channels into it.
    pub(crate) receivers: Vec<Wire>,
    /// Channels out of it, by edge.
    pub(crate) senders: Vec<Vec<Box<dyn ChannelSender>>>,
    /// If it reads a source.
    pub(crate) source: Option<SourceLines>,
    /// Where it tells what it has done.
    pub(crate) report: ReportLine,
    /// Where state lies.
    pub(crate) storage: StateStorage,
    /// What it goes on from.
    pub(crate) restored: Option<Arc<Manifest>>,
    /// Whether barriers may overtake rows.
    pub(crate) unaligned: bool,
}

/// The end of a channel into a subtask.
pub(crate) struct Wire {
    /// The position of the task edge.
    pub(crate) edge: usize,
    /// The producing subtask.
    pub(crate) from: u32,
    pub(crate) receiver: Box<dyn ChannelReceiver>,
}

/// How a source is steered.
pub(crate) struct SourceLines {
    pub(crate) enumerator: EnumeratorLine,
    /// If it waits for others.
    pub(crate) alignment: Option<AlignmentLine>,
    pub(crate) control: watch::Receiver<Control>,
}

/// How the work of a subtask has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its input was read to its end.
    Finished,
    /// It was stopped, and will be resumed one day.
    Stopped,
}
