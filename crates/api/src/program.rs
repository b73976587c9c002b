//! Programs that run beside this process: a language that functions of users are written in.
//!
//! All of it blocks, so that a planner can use it as well as a task, which hands it to
//! [`Spawner::blocking`](crate::env::Spawner::blocking).

use std::io::{self, Read, Write};
use std::sync::Arc;

/// A program, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Program {
    /// What it is called in the log.
    pub name: String,
    /// The file of the program, or a name that is looked for in `PATH`.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Environment variables: on top of those of this process, or alone.
    pub variables: Vec<(String, String)>,
    /// Whether it has the environment variables of this process, too.
    pub inherits: bool,
    /// The folder that it works in; that of this process if there is none.
    pub folder: Option<String>,
    /// So many bytes of address space may it and each program that it starts have.
    pub memory_bytes_max: Option<u64>,
}

/// Starts programs.
pub trait Programs: Send + Sync {
    /// Starts one. It ends with this process at the latest. What it writes to standard output and standard error goes to the
    /// log, line by line. May block.
    ///
    /// # Errors
    /// As the system gives them: `NotFound` if there is no such program.
    fn start(&self, program: &Program) -> io::Result<StartedProgram>;
}

/// A program that has been started.
pub struct StartedProgram {
    /// Leads to its standard input, which is for both directions; it ends when the program does.
    pub channel: Box<dyn Channel>,
    /// The program itself.
    pub program: Arc<dyn RunningProgram>,
}

/// Bytes for both directions.
pub trait Channel: Read + Write + Send {
    /// How long a read or a write may wait for the other side; beyond, it fails with `TimedOut` or `WouldBlock`.
    ///
    /// # Errors
    /// If the system refuses.
    fn set_patience(&mut self, millis: Option<u64>) -> io::Result<()>;
}

/// A program that runs; dropped, it is killed.
pub trait RunningProgram: Send + Sync {
    /// Ends it and whatever it has started, at once.
    fn kill(&self);

    /// How it ended, as in `exit status: 1` or `signal: 9 (SIGKILL)`; one that does not end by itself within a moment is killed.
    fn ended(&self) -> String;
}

/// A world without programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPrograms;

impl Programs for NoPrograms {
    fn start(&self, _program: &Program) -> io::Result<StartedProgram> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this process starts no programs"))
    }
}
