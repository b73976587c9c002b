//! Object stores as they are, whose requests are counted and, if asked, take longer, as those of a store that is far away do.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::{BoxFuture, Result};

/// The part of a path that the files of state lie below.
const STATE: &str = "/shared/";

/// What was asked of all stores.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests.
    pub(crate) requests: AtomicU64,
    /// Bytes of objects that were read.
    pub(crate) read_bytes: AtomicU64,
    /// Files of state that were put.
    pub(crate) state_files: AtomicU64,
    /// Their bytes.
    pub(crate) state_bytes: AtomicU64,
}

/// A world whose stores count, and whose requests take so much longer.
pub(crate) fn watched(world: Environment, counts: &Arc<Counts>, delay_ms: u64) -> Environment {
    let (stores, clock) = (Arc::clone(&world.objects), Arc::clone(&world.clock));
    let objects = Arc::new(Watched { stores, watch: Watch { counts: Arc::clone(counts), clock, delay_ms } });
    Environment { objects, ..world }
}

#[derive(Clone)]
struct Watch {
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    delay_ms: u64,
}

impl Watch {
    /// Counts a request and makes its caller wait; requests do not wait for each other.
    async fn request(&self) {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        if self.delay_ms > 0 {
            self.clock.sleep_ms(self.delay_ms).await;
        }
    }

    fn read<'a>(&self, bytes: impl Iterator<Item = &'a Bytes>) {
        self.counts.read_bytes.fetch_add(bytes.map(|b| b.len() as u64).sum(), Ordering::Relaxed);
    }

    fn put(&self, path: &str, bytes: &Bytes) {
        if path.contains(STATE) {
            self.counts.state_files.fetch_add(1, Ordering::Relaxed);
            self.counts.state_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    }
}

struct Watched {
    stores: Arc<dyn ObjectStores>,
    watch: Watch,
}

impl ObjectStores for Watched {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (store, path) = self.stores.resolve(uri)?;
        Ok((Arc::new(WatchedStore { store, watch: self.watch.clone() }), path))
    }
}

struct WatchedStore {
    store: Arc<dyn ObjectStore>,
    watch: Watch,
}

impl ObjectStore for WatchedStore {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            self.watch.request().await;
            self.watch.put(path, &bytes);
            self.store.put(path, bytes, mode).await
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            self.watch.request().await;
            let found = self.store.get(path).await?;
            self.watch.read(found.iter());
            Ok(found)
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            self.watch.request().await;
            let found = self.store.get_ranges(path, ranges).await?;
            self.watch.read(found.iter().flatten());
            Ok(found)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async move {
            self.watch.request().await;
            self.store.list(prefix).await
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.watch.request().await;
            self.store.delete(path).await
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.watch.request().await;
            self.store.copy(from, to).await
        })
    }
}
