//! Exit statuses: 0 done, 1 a job failed, 2 usage or SQL, 130 stopped by Ctrl-C.

use flott_api::{Error, ErrorKind};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All is done.
    Done = 0,
    /// A job failed.
    JobFailed = 1,
    /// The command line, a configuration or a statement is wrong.
    Usage = 2,
    /// The user stopped it.
    Interrupted = 130,
}

impl Exit {
    /// How an error that is no job's ends the process.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Exit::Usage,
            ErrorKind::Cancelled => Exit::Interrupted,
            _ => Exit::JobFailed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
