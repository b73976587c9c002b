//! Object storage: where state, checkpoints and the record of who owns them lie.
//!
//! An object appears whole or not at all, is never changed in place, and can be put only if it is
//! absent: what ownership is decided by. A folder on a disk, a bucket and memory are all of this kind.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::{BoxFuture, Result};

/// What a listing tells of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectStatus {
    /// Its path within the store.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
}

/// How an object is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Whatever is there is replaced.
    Overwrite,
    /// Only if there is none.
    Create,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there, durably.
    Stored,
    /// With [`PutMode::Create`]: there was one already, and it is as it was.
    Exists,
}

/// One store: a disk, a bucket, memory. Paths have `/` between their parts and none at their begin.
///
/// An error of kind `External` with `retry` may have come after the effect: whoever tries again must be
/// ready to find it done.
pub trait ObjectStore: Send + Sync {
    /// Puts an object; durable when it answers.
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>>;

    /// An object, whole; nothing if there is none.
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Ranges of an object, in one request as far as possible; nothing if there is no such object.
    /// A range that reaches behind the end is cut there.
    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>>;

    /// All objects whose path begins with `prefix`, sorted by path.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>>;

    /// Deletes an object. A missing one is no error.
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Copies an object within the store, without moving its bytes here where the store can.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// Finds the store of a URI.
pub trait ObjectStores: Send + Sync {
    /// The store of `file:///a/b`, `/a/b`, `s3://bucket/a` or `memory://name/a`, and the path within it.
    ///
    /// # Errors
    /// If the scheme is not supported, or the store's configuration is not complete.
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)>;
}
