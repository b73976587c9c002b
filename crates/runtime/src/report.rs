//! What the workers tell the master of their job.

use flott_api::Error;
use flott_api::ids::{Attempt, CheckpointId};
use flott_api::sink::Committable;
use flott_graph::NodeId;
use flott_state::checkpoint::manifest::{EnumeratorSnapshot, SubtaskSnapshot};
use tokio::sync::mpsc;

/// How many reports may wait.
pub(crate) const REPORTS_MAX: usize = 1024;

/// A report, with the attempt that it belongs to: one of an older attempt says nothing any more.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) attempt: Attempt,
    pub(crate) what: News,
}

/// What there is to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// An enumerator's state at a checkpoint; comes before any reader's acknowledgement of it.
    Enumerator { node: NodeId, checkpoint: CheckpointId, snapshot: EnumeratorSnapshot },
    /// A subtask's state at a checkpoint is stored.
    Ack { worker: usize, checkpoint: CheckpointId, state: TaskState },
    /// A subtask takes no part in a checkpoint, or no longer; what its sink has handed over and its stores have
    /// discarded at its barrier counts all the same.
    Left { checkpoint: CheckpointId, state: TaskState },
    /// A subtask cannot take part in a checkpoint.
    Decline { worker: usize, checkpoint: CheckpointId, error: Error },
    /// A subtask has done its work; this is what is left of it.
    Finished { worker: usize, state: TaskState },
}

/// The state of a subtask.
#[derive(Debug, Default)]
pub(crate) struct TaskState {
    /// Its operators, in order.
    pub(crate) operators: Vec<OperatorPart>,
    /// Files that its stores no longer use.
    pub(crate) discarded: Vec<String>,
    /// For how long it stood still for the checkpoint, at most at a time.
    pub(crate) stopped_ns: u64,
}

/// The state of one operator in it.
#[derive(Debug)]
pub(crate) struct OperatorPart {
    pub(crate) node: NodeId,
    pub(crate) snapshot: SubtaskSnapshot,
    pub(crate) committables: Vec<Committable>,
}

/// A worker's line to the master.
#[derive(Clone, Debug)]
pub(crate) struct ReportLine {
    pub(crate) attempt: Attempt,
    pub(crate) reports: mpsc::Sender<Report>,
}

impl ReportLine {
    /// Tells it; waits while too much is not read yet. Whoever has no master any more is told so by its control.
    pub(crate) async fn tell(&self, what: News) {
        self.reports.send(Report { attempt: self.attempt, what }).await.unwrap_or_default();
    }
}
