//! Local copies of a job's state files while it runs: `state.backend.type: rocksdb` over a remote store.
//!
//! Each state file of the store that has the job's checkpoints is copied to a folder of this machine when it is written,
//! or after it was read for the first time, and is read from there. So the disk must have room for all live state. A copy
//! goes with its file. All else, which another process may replace, comes from the store itself.
//!
//! The folder is emptied when the job starts, for a copy that a crash has damaged must not be read, and when it ends.
//! `forst`, and a job without a backend, read blocks from the store, through the cache in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::{BoxFuture, Result};
use flott_state::checkpoint::{RoutingObjects, job_key};
use flott_state::store::SEGMENT_SUFFIX;

use crate::environment::MirroredObjects;

/// The disk has room for all live state, or else says itself that it is full.
const BYTES_MAX: u64 = u64::MAX;

/// Whether a store is none of this machine, so that copies are worth their place.
pub(crate) fn is_remote(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| !matches!(scheme, "file" | "memory"))
}

/// The stores of a job, of which one is mirrored.
pub(crate) struct Mirror {
    stores: Arc<dyn ObjectStores>,
    remote: Arc<dyn ObjectStore>,
    mirrored: Arc<StateFiles>,
    copies: Arc<RoutingObjects>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mirror").field(&self.copies).finish()
    }
}

impl Mirror {
    /// Mirrors the store in which the directory of a job lies, below a folder of this machine.
    ///
    /// # Errors
    /// If that folder cannot be used.
    pub(crate) async fn open(root: &str, local: &str, environment: &Environment) -> Result<Arc<Self>> {
        let stores = Arc::clone(&environment.objects);
        let (remote, _) = stores.resolve(root)?;
        let folder = format!("{}/flott-mirror-{}", local.trim_end_matches('/'), job_key(root, 1));
        let copies = RoutingObjects::new(Arc::clone(&stores), &folder)?;
        remove_all(copies.as_ref())
            .await
            .map_err(|e| e.context(format_args!("local copies of state in '{folder}'")))?;
        let spawner = Arc::clone(&environment.spawner);
        let files = MirroredObjects::open(Arc::clone(&remote), Arc::clone(&copies) as _, BYTES_MAX, spawner).await?;
        Ok(Arc::new(Mirror { stores, mirrored: Arc::new(StateFiles { files }), remote, copies }))
    }

    /// Removes all copies.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) async fn remove(&self) -> Result<()> {
        remove_all(self.copies.as_ref()).await
    }
}

async fn remove_all(store: &dyn ObjectStore) -> Result<()> {
    for object in store.list("").await? {
        store.delete(&object.path).await?;
    }
    Ok(())
}

impl ObjectStores for Mirror {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (store, path) = self.stores.resolve(uri)?;
        let is_mirrored = std::ptr::addr_eq(Arc::as_ptr(&store), Arc::as_ptr(&self.remote));
        Ok((if is_mirrored { Arc::clone(&self.mirrored) as _ } else { store }, path))
    }
}

/// A store whose state files have copies.
struct StateFiles {
    files: MirroredObjects,
}

impl StateFiles {
    fn store_of(&self, path: &str) -> &dyn ObjectStore {
        if path.ends_with(SEGMENT_SUFFIX) { &self.files } else { self.files.remote().as_ref() }
    }
}

impl ObjectStore for StateFiles {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            let store = self.store_of(path);
            // A state file has a new name, so it is rarely there, and only what is created is copied at once.
            if path.ends_with(SEGMENT_SUFFIX)
                && store.put(path, bytes.clone(), PutMode::Create).await? == PutOutcome::Stored
            {
                return Ok(PutOutcome::Stored);
            }
            store.put(path, bytes, mode).await
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.store_of(path).get(path)
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        self.store_of(path).get_ranges(path, ranges)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        self.files.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store_of(path).delete(path)
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store_of(to).copy(from, to)
    }
}

#[cfg(test)]
mod tests;
