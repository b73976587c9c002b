//! What reading and writing segments needs, and how it meets failures: an attempt that may succeed later is tried
//! again with growing pauses.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::object::{ObjectStore, PutMode};
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use futures::channel::oneshot;

use super::cache::BlockCache;
use super::format::damaged;

const ATTEMPTS_MAX: u32 = 5;
const PAUSE_MS: u64 = 100;
const PAUSE_GROWTH: u64 = 3;

/// Counted since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) written_bytes: AtomicU64,
    pub(super) read_bytes: AtomicU64,
    pub(super) compacted_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The world of one store.
pub(super) struct Io {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) environment: Environment,
    pub(super) cache: Arc<BlockCache>,
    pub(super) counters: Counters,
}

impl Io {
    /// Puts a new file. Its name is its writer's alone, so whatever is there is an attempt of the same bytes.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let mut pause_ms = PAUSE_MS;
        for attempt in 1.. {
            match self.objects.put(path, bytes.clone(), PutMode::Overwrite).await {
                Ok(_) => break,
                Err(error) if attempt < ATTEMPTS_MAX && may_succeed_later(&error) => {
                    self.pause(&error, &mut pause_ms).await;
                }
                Err(error) => return Err(error.context(format_args!("state file '{path}' cannot be written"))),
            }
        }
        Counters::add(&self.counters.written_bytes, bytes.len());
        Ok(())
    }

    /// Reads ranges of a file. A file that is missing or too short is damaged.
    pub(super) async fn read(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut pause_ms = PAUSE_MS;
        for attempt in 1.. {
            match self.objects.get_ranges(path, ranges).await {
                Ok(found) => return self.complete(path, ranges, found),
                Err(error) if attempt < ATTEMPTS_MAX && may_succeed_later(&error) => {
                    self.pause(&error, &mut pause_ms).await;
                }
                Err(error) => return Err(error.context(format_args!("state file '{path}' cannot be read"))),
            }
        }
        Err(Error::internal("a read was neither done nor given up"))
    }

    fn complete(&self, path: &str, ranges: &[Range<u64>], found: Option<Vec<Bytes>>) -> Result<Vec<Bytes>> {
        let Some(found) = found else {
            return Err(Error::corrupt(format!("state file '{path}' does not exist")));
        };
        let lengths = found.iter().map(|bytes| bytes.len() as u64);
        if !lengths.eq(ranges.iter().map(|range| range.end - range.start)) {
            return Err(damaged(path, "it is cut off"));
        }
        Counters::add(&self.counters.read_bytes, found.iter().map(Bytes::len).sum());
        Ok(found)
    }

    async fn pause(&self, error: &Error, pause_ms: &mut u64) {
        tracing::warn!(%error, pause_ms, "object storage failed, trying again");
        self.environment.clock.sleep_ms(*pause_ms).await;
        *pause_ms *= PAUSE_GROWTH;
    }

    /// Runs work of the processor where it holds nobody up.
    pub(super) fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (sender, receiver) = oneshot::channel();
        // If nobody waits any more, nobody needs the result.
        let running = self.environment.spawner.blocking(Box::new(move || drop(sender.send(work()))));
        Box::pin(async move {
            running.await;
            receiver.await.map_err(|_| Error::cancelled("work on state files was stopped"))?
        })
    }
}

fn may_succeed_later(error: &Error) -> bool {
    error.kind() == ErrorKind::External { retry: true }
}
