//! Remote objects with a copy of the living ones on a local disk: what `state.backend.type: rocksdb` makes of a remote
//! store.
//!
//! The remote store decides: what it does not have does not exist, and nothing that the local store
//! does wrong is an error. A copy is made when an object is put, and in the background when it is first
//! read and is not too large. When the copies exceed their budget, those go that were not read for the
//! longest time. A copy of the wrong size is dropped; whoever finds that the bytes are wrong says so
//! with [`MirroredObjects::forget`] and reads again.
//!
//! **Invariant.** Objects with one path are the same for ever, as files of state are: what another
//! process replaces (a pointer, a record of ownership) must be read from the remote store itself.

mod copies;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flott_api::env::Spawner;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome, check_path};
use flott_api::{BoxFuture, Result};

use copies::Copies;

/// Larger objects are copied only when they are put.
const FILL_BYTES_MAX: u64 = 64 << 20;
/// How many objects are copied in the background at once: that many may lie in memory.
const FILLS_MAX: usize = 2;

/// A remote store with copies on a local one.
pub struct MirroredObjects {
    inner: Arc<Inner>,
    spawner: Arc<dyn Spawner>,
}

struct Inner {
    remote: Arc<dyn ObjectStore>,
    local: Arc<dyn ObjectStore>,
    copies: Mutex<Copies>,
}

/// What the mirror did until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorStatus {
    /// How many objects have a copy.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Reads that a copy answered.
    pub hits: u64,
    /// Reads that the remote store answered.
    pub misses: u64,
}

impl MirroredObjects {
    /// Mirrors `remote` in `local`, which is the mirror's own and may have what an earlier one left.
    ///
    /// # Errors
    /// If the local store cannot be listed.
    pub async fn open(
        remote: Arc<dyn ObjectStore>,
        local: Arc<dyn ObjectStore>,
        bytes_max: u64,
        spawner: Arc<dyn Spawner>,
    ) -> Result<Self> {
        let mut found = local.list("").await?;
        // The oldest first: they go first.
        found.sort_by_key(|object| object.modified_ms);
        let mut copies = Copies::new(bytes_max);
        let mut evicted = Vec::new();
        for object in found {
            evicted.extend(copies.insert(object.path, object.size));
        }
        let inner = Arc::new(Inner { remote, local, copies: Mutex::new(copies) });
        inner.delete_copies(evicted).await;
        Ok(MirroredObjects { inner, spawner })
    }

    /// The store that decides.
    pub fn remote(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.remote
    }

    /// Drops the copy of an object, whose bytes are wrong.
    pub async fn forget(&self, path: &str) {
        self.inner.drop_copy(path).await;
    }

    /// What the mirror did until now.
    pub fn status(&self) -> MirrorStatus {
        self.inner.copies().status()
    }

    /// Copies an object in the background; `bytes` if they are here already.
    fn fill(&self, path: &str, bytes: Option<Bytes>) {
        let small = bytes.as_ref().is_none_or(|bytes| bytes.len() as u64 <= FILL_BYTES_MAX);
        if small && self.inner.copies().begin_fill(path, FILLS_MAX) {
            let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
            self.spawner.spawn("mirror an object", Box::pin(async move { inner.fill(path, bytes).await })).detach();
        }
    }
}

impl Inner {
    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drop_copy(&self, path: &str) {
        if self.copies().remove(path) {
            self.delete_copies(vec![path.to_owned()]).await;
        }
    }

    async fn delete_copies(&self, paths: Vec<String>) {
        for path in paths {
            // What stays is found when the mirror is opened again.
            if let Err(error) = self.local.delete(&path).await {
                tracing::warn!(path, %error, "a local copy of an object is not deleted");
            }
        }
    }

    /// Keeps bytes that are the remote object's, if they fit; says whether they lie on the disk.
    async fn write_copy(&self, path: &str, bytes: Bytes) -> bool {
        if bytes.len() as u64 > self.copies().bytes_max() {
            return false;
        }
        match self.local.put(path, bytes, PutMode::Overwrite).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(path, %error, "an object is not copied to the local disk");
                false
            }
        }
    }

    async fn fill(&self, path: String, bytes: Option<Bytes>) {
        let bytes = match bytes {
            Some(bytes) => Some(bytes),
            None => self.fetch_small(&path).await,
        };
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let written = match bytes {
            Some(bytes) => self.write_copy(&path, bytes).await,
            None => false,
        };
        let gone = self.end_fill(path, size, written);
        self.delete_copies(gone).await;
    }

    /// Takes a copy in that was made, if it was, and gives those that must go.
    fn end_fill(&self, path: String, size: u64, written: bool) -> Vec<String> {
        let mut copies = self.copies();
        // Otherwise the object was deleted or replaced meanwhile.
        let wanted = copies.end_fill(&path);
        match (written, wanted) {
            (true, true) => copies.insert(path, size),
            (true, false) => vec![path],
            (false, _) => Vec::new(),
        }
    }

    /// An object that is not too large; its size is asked for first.
    async fn fetch_small(&self, path: &str) -> Option<Bytes> {
        let fetched = async {
            let listed = self.remote.list(path).await?;
            let small = listed.iter().any(|object| object.path == path && object.size <= FILL_BYTES_MAX);
            if small { self.remote.get(path).await } else { Ok(None) }
        };
        fetched.await.unwrap_or_else(|error| {
            tracing::debug!(path, %error, "an object is not fetched for its local copy");
            None
        })
    }

    /// The copy of an object, whole.
    async fn copy_of(&self, path: &str) -> Option<Bytes> {
        let size = self.copies().touch(path)?;
        let found = self.local.get(path).await;
        self.checked(path, found, |bytes| bytes.len() as u64 == size).await
    }

    /// Ranges of the copy of an object.
    async fn ranges_of(&self, path: &str, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let size = self.copies().touch(path)?;
        let expected = |range: &Range<u64>| range.end.min(size).saturating_sub(range.start);
        let fits = |found: &Vec<Bytes>| {
            found.len() == ranges.len() && found.iter().zip(ranges).all(|(b, r)| b.len() as u64 == expected(r))
        };
        let found = self.local.get_ranges(path, ranges).await;
        self.checked(path, found, fits).await
    }

    /// What was read, if it is what was written; otherwise the copy is dropped.
    async fn checked<T>(&self, path: &str, found: Result<Option<T>>, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        match found {
            Ok(Some(found)) if fits(&found) => {
                self.copies().count(true);
                return Some(found);
            }
            Ok(_) => tracing::warn!(path, "the local copy of an object is damaged: it is read from the remote store"),
            Err(error) => tracing::warn!(path, %error, "the local copy of an object is not read"),
        }
        self.drop_copy(path).await;
        None
    }
}

impl ObjectStore for MirroredObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            check_path(path)?;
            // What is replaced may be on its way into a copy: it is copied anew when it is read.
            if mode == PutMode::Overwrite {
                self.inner.drop_copy(path).await;
                let outcome = self.inner.remote.put(path, bytes, mode).await;
                self.inner.drop_copy(path).await;
                return outcome;
            }
            let remote = self.inner.remote.put(path, bytes.clone(), mode);
            let size = bytes.len() as u64;
            // Both at once: the disk is rarely the slower one.
            let (outcome, written) = futures::future::join(remote, self.inner.write_copy(path, bytes)).await;
            match outcome {
                Ok(PutOutcome::Stored) if written => {
                    let evicted = self.inner.copies().insert(path.to_owned(), size);
                    self.inner.delete_copies(evicted).await;
                }
                // Whether these are the bytes of the object is not known.
                _ if written => {
                    self.inner.copies().remove(path);
                    self.inner.delete_copies(vec![path.to_owned()]).await;
                }
                _ => {}
            }
            outcome
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            if let Some(copy) = self.inner.copy_of(path).await {
                return Ok(Some(copy));
            }
            let found = self.inner.remote.get(path).await?;
            self.inner.copies().count(false);
            if let Some(bytes) = &found {
                self.fill(path, Some(bytes.clone()));
            }
            Ok(found)
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            if let Some(copy) = self.inner.ranges_of(path, ranges).await {
                return Ok(Some(copy));
            }
            let found = self.inner.remote.get_ranges(path, ranges).await?;
            self.inner.copies().count(false);
            if found.is_some() {
                self.fill(path, None);
            }
            Ok(found)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        self.inner.remote.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // First there: a copy that is made of it from now on finds nothing.
            self.inner.remote.delete(path).await?;
            self.inner.drop_copy(path).await;
            Ok(())
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.inner.remote.copy(from, to).await?;
            if from != to {
                self.inner.drop_copy(to).await;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
