//! The state of a job, as a pure state machine.
//!
//! Workers are the subtasks, enumerators and committers of a job. A worker first ends (finished,
//! failed or cancelled), and is gone when it has cleaned up too. A job ends when all are gone, so
//! whoever waits for it finds nothing half done.

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Its workers are running.
    Running,
    /// Its sources have been stopped, and what they have read flows through.
    Stopping,
    /// A worker has failed; the others are being cancelled.
    Failing,
    /// Its workers are being cancelled on request.
    Cancelling,
    /// It has read all of its input, and all is committed.
    Finished,
    /// It was stopped, and all that was read is committed.
    Stopped,
    /// It has failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobStatus {
    /// Whether nothing happens any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, JobStatus::Finished | JobStatus::Stopped | JobStatus::Failed | JobStatus::Cancelled)
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A worker has done its work.
    WorkerFinished,
    /// A worker has failed; `consequence` if only because another one is gone.
    WorkerFailed { consequence: bool },
    /// A worker has cleaned up, whatever came before.
    WorkerGone,
    /// The user cancels.
    Cancel,
    /// The user stops.
    Stop { drain: bool },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Remember this failure as the job's.
    Keep,
    /// Cancel all workers.
    Cancel,
    /// Stop all sources.
    Stop { drain: bool },
    /// All work is done: let the workers go.
    Release,
    /// The job has ended.
    End(JobStatus),
}

/// A job's state.
#[derive(Debug)]
pub(crate) struct JobState {
    status: JobStatus,
    /// Workers that have not ended.
    working: usize,
    /// Workers that are not gone.
    present: usize,
    /// Whether the cause of a failure is known, and not only a consequence.
    cause_known: bool,
}

impl JobState {
    pub(crate) fn new(workers: usize) -> Self {
        JobState { status: JobStatus::Running, working: workers, present: workers, cause_known: false }
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.status
    }

    pub(crate) fn on(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::WorkerFinished => self.on_finished(),
            Event::WorkerFailed { consequence } => self.on_failed(consequence),
            Event::WorkerGone => self.on_gone(),
            Event::Cancel if self.is_working() => {
                self.status = JobStatus::Cancelling;
                vec![Command::Cancel]
            }
            // Once all work is done, a stop would hide the release from writers that have not seen it yet.
            Event::Stop { drain } if self.is_working() && self.status == JobStatus::Running => {
                self.status = JobStatus::Stopping;
                vec![Command::Stop { drain }]
            }
            Event::Cancel | Event::Stop { .. } => Vec::new(),
        }
    }

    fn is_working(&self) -> bool {
        self.working > 0 && matches!(self.status, JobStatus::Running | JobStatus::Stopping)
    }

    fn on_finished(&mut self) -> Vec<Command> {
        self.working = self.working.saturating_sub(1);
        let all = self.working == 0 && matches!(self.status, JobStatus::Running | JobStatus::Stopping);
        if all { vec![Command::Release] } else { Vec::new() }
    }

    fn on_failed(&mut self, consequence: bool) -> Vec<Command> {
        let mut commands = Vec::new();
        let first = self.is_working();
        let late_cause = self.status == JobStatus::Failing && !self.cause_known && !consequence;
        if first || late_cause {
            self.cause_known = !consequence;
            commands.push(Command::Keep);
        }
        if first {
            self.status = JobStatus::Failing;
            commands.push(Command::Cancel);
        }
        self.working = self.working.saturating_sub(1);
        commands
    }

    fn on_gone(&mut self) -> Vec<Command> {
        self.present = self.present.saturating_sub(1);
        if self.present > 0 {
            return Vec::new();
        }
        self.status = match self.status {
            JobStatus::Running => JobStatus::Finished,
            JobStatus::Stopping => JobStatus::Stopped,
            JobStatus::Failing => JobStatus::Failed,
            JobStatus::Cancelling => JobStatus::Cancelled,
            terminal => terminal,
        };
        vec![Command::End(self.status)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Event = Event::WorkerFailed { consequence: false };
    const CONSEQUENCE: Event = Event::WorkerFailed { consequence: true };

    fn run(workers: usize, events: &[Event]) -> Vec<Command> {
        let mut state = JobState::new(workers);
        events.iter().flat_map(|e| state.on(*e)).collect()
    }

    #[test]
    fn a_job_ends_when_all_workers_are_gone() {
        use Event::{WorkerFinished, WorkerGone};
        let commands = run(2, &[WorkerFinished, WorkerGone, WorkerFinished, WorkerGone]);
        assert_eq!(commands, [Command::Release, Command::End(JobStatus::Finished)]);
    }

    #[test]
    fn the_cause_is_kept_and_not_its_consequences() {
        let gone = Event::WorkerGone;
        let commands = run(3, &[CONSEQUENCE, FAILED, FAILED, gone, gone, gone]);
        let end = Command::End(JobStatus::Failed);
        assert_eq!(commands, [Command::Keep, Command::Cancel, Command::Keep, end]);
        assert_eq!(run(2, &[FAILED, CONSEQUENCE]), [Command::Keep, Command::Cancel]);
    }

    #[test]
    fn a_stop_ends_as_stopped_and_a_cancel_may_follow() {
        use Event::{Cancel, Stop, WorkerFinished, WorkerGone};
        let commands = run(1, &[Stop { drain: true }, Stop { drain: false }, WorkerFinished, WorkerGone]);
        let end = Command::End(JobStatus::Stopped);
        assert_eq!(commands, [Command::Stop { drain: true }, Command::Release, end]);
        let commands = run(1, &[Stop { drain: false }, Cancel, Cancel, CONSEQUENCE, WorkerGone]);
        let end = Command::End(JobStatus::Cancelled);
        assert_eq!(commands, [Command::Stop { drain: false }, Command::Cancel, end]);
    }

    #[test]
    fn nothing_changes_a_job_whose_work_is_done() {
        use Event::{Cancel, WorkerFinished, WorkerGone};
        let commands = run(1, &[WorkerFinished, Cancel, WorkerGone, Cancel, Event::Stop { drain: true }]);
        assert_eq!(commands, [Command::Release, Command::End(JobStatus::Finished)]);
        let commands = run(1, &[WorkerFinished, Event::Stop { drain: true }, WorkerGone]);
        assert_eq!(commands, [Command::Release, Command::End(JobStatus::Finished)]);
    }

    #[test]
    fn a_failure_while_cancelling_is_no_failure() {
        let commands = run(1, &[Event::Cancel, FAILED, Event::WorkerGone]);
        assert_eq!(commands, [Command::Cancel, Command::End(JobStatus::Cancelled)]);
    }
}
