//! The state of one attempt of a region, as a pure state machine.
//!
//! Workers are the subtasks and the enumerators. A worker first ends (finished, failed or cancelled),
//! and is gone when it has cleaned up too. An attempt ends when all are gone, so whoever waits for it
//! finds nothing half done. Enumerators have no work of their own to finish: they go when they are
//! released.

/// How an attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All work was done and committed.
    Finished,
    /// A worker has failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A subtask has done its work.
    SubtaskFinished,
    /// A worker has failed; `consequence` if only because another one is gone.
    WorkerFailed { consequence: bool },
    /// A worker has cleaned up, whatever came before.
    WorkerGone,
    /// Everybody shall leave.
    Cancel,
    /// Sources shall read no more.
    Stop { drain: bool },
    /// All that was written is committed.
    Release,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Remember this failure as the attempt's.
    Keep,
    /// Cancel all workers.
    Cancel,
    /// Stop all sources.
    Stop { drain: bool },
    /// Let the workers go.
    Release,
    /// All subtasks have done their work.
    Done,
    /// The attempt has ended.
    End(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Running,
    Failing,
    Cancelling,
    Released,
}

/// An attempt's state.
#[derive(Debug)]
pub(crate) struct RegionState {
    status: Status,
    /// Subtasks that have not finished.
    working: usize,
    /// Workers that are not gone.
    present: usize,
    /// Whether the cause of a failure is known, and not only a consequence.
    cause_known: bool,
}

impl RegionState {
    pub(crate) fn new(subtasks: usize, workers: usize) -> Self {
        RegionState { status: Status::Running, working: subtasks, present: workers, cause_known: false }
    }

    pub(crate) fn on(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::SubtaskFinished => self.on_finished(),
            Event::WorkerFailed { consequence } => self.on_failed(consequence),
            Event::WorkerGone => self.on_gone(),
            Event::Cancel if self.status == Status::Running => {
                self.status = Status::Cancelling;
                vec![Command::Cancel]
            }
            // Once all work is done, a stop would hide the release from writers that have not seen it yet.
            Event::Stop { drain } if self.status == Status::Running && self.working > 0 => {
                vec![Command::Stop { drain }]
            }
            Event::Release if self.status == Status::Running && self.working == 0 => {
                self.status = Status::Released;
                vec![Command::Release]
            }
            Event::Cancel | Event::Stop { .. } | Event::Release => Vec::new(),
        }
    }

    fn on_finished(&mut self) -> Vec<Command> {
        self.working = self.working.saturating_sub(1);
        let all = self.working == 0 && self.status == Status::Running;
        if all { vec![Command::Done] } else { Vec::new() }
    }

    fn on_failed(&mut self, consequence: bool) -> Vec<Command> {
        let mut commands = Vec::new();
        let first = self.status == Status::Running;
        let late_cause = self.status == Status::Failing && !self.cause_known && !consequence;
        if first || late_cause {
            self.cause_known = !consequence;
            commands.push(Command::Keep);
        }
        if first {
            self.status = Status::Failing;
            commands.push(Command::Cancel);
        }
        commands
    }

    fn on_gone(&mut self) -> Vec<Command> {
        self.present = self.present.saturating_sub(1);
        if self.present > 0 {
            return Vec::new();
        }
        vec![Command::End(match self.status {
            Status::Running | Status::Released => Ending::Finished,
            Status::Failing => Ending::Failed,
            Status::Cancelling => Ending::Cancelled,
        })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Event = Event::WorkerFailed { consequence: false };
    const CONSEQUENCE: Event = Event::WorkerFailed { consequence: true };

    fn run(workers: usize, events: &[Event]) -> Vec<Command> {
        let mut state = RegionState::new(workers, workers);
        events.iter().flat_map(|e| state.on(*e)).collect()
    }

    #[test]
    fn an_attempt_is_done_when_all_subtasks_are_and_ends_when_all_workers_are_gone() {
        use Event::{Release, SubtaskFinished, WorkerGone};
        let mut state = RegionState::new(1, 2);
        let events = [Release, SubtaskFinished, Release, WorkerGone, WorkerGone];
        let commands: Vec<_> = events.iter().flat_map(|e| state.on(*e)).collect();
        assert_eq!(commands, [Command::Done, Command::Release, Command::End(Ending::Finished)]);
    }

    #[test]
    fn the_cause_is_kept_and_not_its_consequences() {
        let gone = Event::WorkerGone;
        let commands = run(3, &[CONSEQUENCE, FAILED, FAILED, gone, gone, gone]);
        let end = Command::End(Ending::Failed);
        assert_eq!(commands, [Command::Keep, Command::Cancel, Command::Keep, end]);
        assert_eq!(run(2, &[FAILED, CONSEQUENCE]), [Command::Keep, Command::Cancel]);
    }

    #[test]
    fn work_that_is_done_can_still_fail_to_be_committed() {
        use Event::{Cancel, SubtaskFinished, WorkerGone};
        let commands = run(1, &[SubtaskFinished, Cancel, WorkerGone]);
        assert_eq!(commands, [Command::Done, Command::Cancel, Command::End(Ending::Cancelled)]);
        let commands = run(1, &[SubtaskFinished, FAILED, WorkerGone]);
        assert_eq!(commands, [Command::Done, Command::Keep, Command::Cancel, Command::End(Ending::Failed)]);
    }

    #[test]
    fn nothing_changes_what_is_released() {
        use Event::{Cancel, Release, Stop, SubtaskFinished, WorkerGone};
        let commands = run(1, &[SubtaskFinished, Stop { drain: true }, Release, Cancel, FAILED, WorkerGone]);
        assert_eq!(commands, [Command::Done, Command::Release, Command::End(Ending::Finished)]);
    }

    #[test]
    fn a_failure_while_cancelling_is_no_failure() {
        let commands = run(1, &[Event::Cancel, FAILED, Event::WorkerGone]);
        assert_eq!(commands, [Command::Cancel, Command::End(Ending::Cancelled)]);
    }
}
