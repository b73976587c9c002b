//! Tries again where trying again may help, and finds out what a call whose reply was lost has done.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome};
use flott_api::{BoxFuture, ErrorKind, Result};

/// 6.3 seconds of pauses in all; a store's own client has tried before.
const TRIES_MAX: u32 = 7;
const PAUSE_FIRST_MS: u64 = 100;

/// A store whose calls are tried again, each with a bounded number of growing pauses.
///
/// A put that must create answers `Stored` if the very same bytes are there: then it was this put whose
/// reply was lost. What must not be mistaken for another's carries a nonce.
pub struct RetryingObjects {
    inner: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for RetryingObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RetryingObjects")
    }
}

impl RetryingObjects {
    /// Tries calls to `inner` again.
    pub fn new(inner: Arc<dyn ObjectStore>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(RetryingObjects { inner, clock })
    }

    async fn retried<'a, T>(&self, call: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync) -> Result<T> {
        let mut pause_ms = PAUSE_FIRST_MS;
        for _ in 1..TRIES_MAX {
            match call().await {
                Err(error) if error.kind() == (ErrorKind::External { retry: true }) => {
                    self.clock.sleep_ms(pause_ms).await;
                    pause_ms *= 2;
                }
                answer => return answer,
            }
        }
        call().await
    }
}

impl ObjectStore for RetryingObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            let outcome = self.retried(|| self.inner.put(path, bytes.clone(), mode)).await?;
            if outcome == PutOutcome::Exists && self.get(path).await? == Some(bytes) {
                return Ok(PutOutcome::Stored);
            }
            Ok(outcome)
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(self.retried(|| self.inner.get(path)))
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(self.retried(|| self.inner.get_ranges(path, ranges)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(self.retried(|| self.inner.list(prefix)))
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.retried(|| self.inner.delete(path)))
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.retried(|| self.inner.copy(from, to)))
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::objects::{Fault, FaultRule, FaultyObjects, ObjectCall};
    use flott_api::testing::{FakeWorld, MemoryObjects, ready};

    use super::*;

    fn store(times: u64, fault: Fault) -> (Arc<FakeWorld>, Arc<FaultyObjects>, Arc<RetryingObjects>) {
        let world = FakeWorld::at(0);
        let rules = vec![FaultRule::on(ObjectCall::Put, "").times(times).then(fault)];
        let faulty = FaultyObjects::new(MemoryObjects::new(), rules);
        let clock = world.environment().clock;
        (world, Arc::clone(&faulty), RetryingObjects::new(faulty, clock))
    }

    #[test]
    fn a_put_whose_reply_was_lost_was_ours() {
        let (world, faulty, store) = store(3, Fault::LoseReply { retry: true });
        let put = |text: &'static str| ready(store.put("a", Bytes::from_static(text.as_bytes()), PutMode::Create));
        assert_eq!(put("mine").unwrap(), PutOutcome::Stored);
        assert_eq!(faulty.fired_by_rule(), [3]);
        assert_eq!(world.environment().clock.now_ms(), 700);
        assert_eq!(put("other").unwrap(), PutOutcome::Exists);
    }

    #[test]
    fn the_end_of_patience_is_the_last_error() {
        let (world, faulty, store) = store(u64::MAX, Fault::Fail { retry: true });
        let error = ready(store.put("a", Bytes::new(), PutMode::Create)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::External { retry: true });
        assert_eq!((faulty.calls().len(), world.environment().clock.now_ms()), (7, 6300));
        let (_, faulty, store) = self::store(1, Fault::Fail { retry: false });
        assert!(ready(store.put("a", Bytes::new(), PutMode::Create)).is_err());
        assert_eq!(faulty.calls().len(), 1);
    }
}
