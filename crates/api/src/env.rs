//! The world a job runs in, behind traits: time, randomness, tasks, files, programs and the network.
//!
//! `clippy.toml` bans the raw ones. A simulation puts its own behind these traits.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::function::FunctionHosts;
use crate::http::Http;
use crate::model::ModelProviders;
use crate::net::Network;
use crate::object::ObjectStores;
use crate::program::Programs;
use crate::{BoxFuture, Result};

/// Time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch, UTC.
    fn now_ms(&self) -> i64;

    /// Nanoseconds since some fixed moment; never falls.
    fn monotonic_ns(&self) -> u64;

    /// Waits until that many milliseconds have passed.
    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()>;
}

/// Randomness.
pub trait Rng: Send + Sync {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// Starts named tasks.
pub trait Spawner: Send + Sync {
    /// Runs the future beside the caller. Dropping the handle cancels it.
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Box<dyn TaskHandle>;

    /// Runs a subtask to its end. Subtasks with the same home run on the same core while no other is idle; where there are no
    /// cores to choose from, it is a task as any other.
    fn spawn_subtask(&self, name: &str, _home: u64, future: BoxFuture<'static, ()>) {
        self.spawn(name, future).detach();
    }

    /// Runs blocking work (file I/O, decompression) where it does not hold up others.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}

/// A running task; dropping it cancels the task.
pub trait TaskHandle: Send + Sync {
    /// Lets the task run on without its handle.
    fn detach(self: Box<Self>);
}

/// What a listing tells of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileStatus {
    /// Its path, as it can be opened.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
}

/// A file that is read piece by piece.
pub trait ReadFile: io::Read + io::Seek + Send {}
impl<T: io::Read + io::Seek + Send> ReadFile for T {}

/// A file that is written and then made durable.
pub trait WriteFile: io::Write + Send {
    /// Makes all written bytes durable and closes the file.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Files under one scheme. Calls may block; readers and writers call them from blocking work or for
/// large pieces.
pub trait FileSystem: Send + Sync {
    /// All files below a folder, or the file itself; hidden ones (`.x`, `_x`) are left out, as Flink
    /// does. Sorted by path.
    fn list(&self, path: &str) -> io::Result<Vec<FileStatus>>;

    /// The hidden files (`.x`, `_x`) below a folder that `list` leaves out, sorted by path. Hidden folders are
    /// not entered: they are not ours. A missing folder has none.
    fn list_hidden(&self, path: &str) -> io::Result<Vec<FileStatus>>;

    /// Opens a file.
    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>>;

    /// Creates a file and the folders above it, whose names are durable at once; fails if it exists.
    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>>;

    /// Renames, replacing nothing: fails with `AlreadyExists` if the target exists, and with `NotFound` if there is
    /// nothing to rename. Whoever has renamed it, the target's name is durable when this returns.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file or a folder with all in it. A missing one is no error.
    fn delete(&self, path: &str) -> io::Result<()>;

    /// Whether there is such a file or folder.
    fn exists(&self, path: &str) -> io::Result<bool>;
}

/// Finds the file system of a path.
pub trait FileSystems: Send + Sync {
    /// The file system for `file:///a`, `/a` or `s3://b/a`, and the path within it.
    ///
    /// # Errors
    /// If the scheme is not supported.
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)>;
}

/// Where lines for a person go: the `print` connector, not logs.
pub trait Console: Send + Sync {
    /// Writes whole lines to standard output. A closed pipe is no error: it answers `Closed`.
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState>;

    /// Writes whole lines to standard error.
    fn stderr(&self, lines: Bytes) -> Result<ConsoleState>;
}

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleState {
    /// The lines were written.
    Open,
    /// The reader has gone (`| head`).
    Closed,
}

/// All of it, as it is handed to connectors and operators.
#[derive(Clone)]
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Tasks.
    pub spawner: Arc<dyn Spawner>,
    /// Files.
    pub files: Arc<dyn FileSystems>,
    /// Object storage.
    pub objects: Arc<dyn ObjectStores>,
    /// Services that speak HTTP.
    pub http: Arc<dyn Http>,
    /// Services that speak a protocol of their own.
    pub network: Arc<dyn Network>,
    /// Programs beside this process.
    pub programs: Arc<dyn Programs>,
    /// The user's terminal.
    pub console: Arc<dyn Console>,
    /// Languages that functions of users are written in.
    pub functions: FunctionHosts,
    /// Providers of models.
    pub models: ModelProviders,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}
