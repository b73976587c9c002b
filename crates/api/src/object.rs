//! Object storage: where state, checkpoints and the record of who owns them lie.
//!
//! An object appears whole or not at all, is never changed in place, and can be put only if it is
//! absent: what ownership is decided by. A folder on a disk, a bucket and memory are all of this kind.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::{BoxFuture, Error, Result};

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

/// One store: a disk, a bucket, memory. Paths have `/` between their parts and none at their begin;
/// [`check_path`] says what else. A path that does not pass it is refused by every method.
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
    /// The store of `file:///a/b`, `/a/b`, `s3://bucket/a` or `memory://name/a` and their like, and the path within it.
    ///
    /// # Errors
    /// If the scheme is not supported, or the store's configuration is not complete.
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)>;
}

/// Refuses a path that would mean something else in another store: an empty one, one with empty parts,
/// `.`, `..` or control characters.
///
/// # Errors
/// `Invalid`, with the path.
pub fn check_path(path: &str) -> Result<()> {
    let refused = |why: &str| Err(Error::invalid(format!("object path {path:?} {why}")));
    if path.chars().any(|c| c.is_ascii_control()) {
        return refused("has a control character");
    }
    if path.split('/').any(str::is_empty) {
        return refused("has an empty part");
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return refused("has a part that leads elsewhere");
    }
    Ok(())
}

/// The same for what paths begin with: its last part may be any piece of a name, or empty.
///
/// # Errors
/// `Invalid`, with the prefix.
pub fn check_prefix(prefix: &str) -> Result<()> {
    let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
    // The last part is only compared, but a control character fits no path.
    if prefix.chars().any(|c| c.is_ascii_control()) {
        return Err(Error::invalid(format!("object prefix {prefix:?} has a control character")));
    }
    folder.map_or(Ok(()), check_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn paths_mean_the_same_in_every_store() {
        for good in ["a", "a/b", "a/.b", "a/..b", "ä b/c%20=d"] {
            check_path(good).unwrap();
        }
        for bad in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0b", "a\nb"] {
            assert_eq!(check_path(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_may_end_anywhere() {
        for good in ["", "a", "a/", "a/b", "a/."] {
            check_prefix(good).unwrap();
        }
        for bad in ["/", "/a", "a//", "../a", "a/../b", "a\0"] {
            assert_eq!(check_prefix(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }
}
