//! A region: tasks that are connected by channels, or by a table that they write. It is started, fails
//! and is started again as a whole, and by itself. This is the centre that the workers of one attempt
//! share: what they are told, and how they end.

pub(crate) mod status;

use std::sync::{Mutex, MutexGuard, PoisonError};

use flott_api::ids::Attempt;
use flott_api::{Error, ErrorKind};
use tokio::sync::watch;

use status::{Command, Ending, Event, RegionState};

/// What the workers are told. A path of its own, so it never queues behind data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Go on.
    Run,
    /// Sources read no more.
    Stop { drain: bool },
    /// Everybody leaves at once.
    Cancel,
    /// All work is done and committed.
    Release,
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its workers are at work.
    Running,
    /// All subtasks have done their work, and wait to be released.
    Done,
    /// All workers are gone.
    Ended(Ending),
}

/// The centre of one attempt of a region.
pub(crate) struct Region {
    pub(crate) attempt: Attempt,
    state: Mutex<State>,
    control: watch::Sender<Control>,
    progress: watch::Sender<Progress>,
}

struct State {
    machine: RegionState,
    failure: Option<Error>,
}

impl Region {
    /// An attempt with so many subtasks, and so many workers in all: enumerators are those besides.
    pub(crate) fn new(attempt: Attempt, subtasks: usize, workers: usize) -> Self {
        Region {
            attempt,
            state: Mutex::new(State { machine: RegionState::new(subtasks, workers), failure: None }),
            control: watch::channel(Control::Run).0,
            progress: watch::channel(Progress::Running).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the state machine, and does what it says.
    pub(crate) fn on(&self, event: Event) {
        self.apply(event, None);
    }

    /// A worker has failed.
    pub(crate) fn on_failure(&self, error: Error) {
        let consequence = error.kind() == ErrorKind::Cancelled;
        self.apply(Event::WorkerFailed { consequence }, Some(error));
    }

    fn apply(&self, event: Event, error: Option<Error>) {
        let mut state = self.lock();
        let commands = state.machine.on(event);
        let mut error = error;
        for command in commands {
            match command {
                Command::Keep => state.failure = error.take(),
                Command::Cancel => drop(self.control.send_replace(Control::Cancel)),
                Command::Stop { drain } => drop(self.control.send_replace(Control::Stop { drain })),
                Command::Release => drop(self.control.send_replace(Control::Release)),
                Command::Done => drop(self.progress.send_replace(Progress::Done)),
                Command::End(ending) => drop(self.progress.send_replace(Progress::Ended(ending))),
            }
        }
    }

    /// What the workers are told, from now on.
    pub(crate) fn control(&self) -> watch::Receiver<Control> {
        self.control.subscribe()
    }

    /// How far it has come, from now on.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Why it has failed; asked once.
    pub(crate) fn take_failure(&self) -> Error {
        self.lock().failure.take().unwrap_or_else(|| Error::internal("a region has failed without a cause"))
    }
}
