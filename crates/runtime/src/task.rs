//! A subtask: rebuilds its operators from the graph's bytes and runs them in one tokio task.

mod build;
mod operator;
mod pace;
mod source;
mod worker;

use std::sync::Arc;

use flott_api::ids::{JobId, Subtask};
use flott_api::metrics::{OperatorMetrics, TaskMetrics};
use tokio::sync::{mpsc, watch};

use crate::Plugins;
use crate::channel::{Barrier, ChannelReceiver, ChannelSender};
use crate::coordinator::commit::WriterDone;
use crate::coordinator::enumerator::EnumeratorLine;
use crate::job::Control;

pub(crate) use worker::{Blame, run_subtask, run_worker};

/// All that a subtask gets, besides the graph's bytes.
pub(crate) struct Setup {
    pub(crate) job: JobId,
    pub(crate) graph: Arc<[u8]>,
    /// The position of its task.
    pub(crate) task: usize,
    pub(crate) subtask: Subtask,
    pub(crate) plugins: Plugins,
    /// Of each operator in the task, in order.
    pub(crate) operator_metrics: Vec<Arc<OperatorMetrics>>,
    pub(crate) task_metrics: Arc<TaskMetrics>,
    /// Channels into it, each with the input that it ends in.
    pub(crate) receivers: Vec<(usize, Box<dyn ChannelReceiver>)>,
    /// Channels out of it, by edge.
    pub(crate) senders: Vec<Vec<Box<dyn ChannelSender>>>,
    /// If it reads a source.
    pub(crate) source: Option<SourceLines>,
    /// If it writes a table.
    pub(crate) commit: Option<CommitLine>,
}

/// How a source is steered.
pub(crate) struct SourceLines {
    pub(crate) enumerator: EnumeratorLine,
    pub(crate) barriers: mpsc::Receiver<Barrier>,
    pub(crate) control: watch::Receiver<Control>,
}

/// Where a sink's committables go.
pub(crate) struct CommitLine {
    /// The position of the sink's specification among those of the table.
    pub(crate) part: usize,
    pub(crate) done: mpsc::Sender<WriterDone>,
}
