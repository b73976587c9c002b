//! Rows that are gathered and sent many at once: when there are enough, when they have waited long enough, and at each
//! checkpoint.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::ids::Subtask;
use flott_api::sink::{Committable, SinkWriter};
use flott_api::{ChangeBatch, Error, Result};
use futures::lock::Mutex;

/// What gathers rows and sends them.
#[async_trait]
pub(crate) trait Outbox: Send {
    /// Takes rows, and sends what has become enough: what is kept has a bound.
    async fn add(&mut self, batch: ChangeBatch) -> Result<()>;

    /// Sends all rows that wait. Behind a failure those that were not taken wait still, and the next flush sends them.
    async fn flush(&mut self) -> Result<()>;

    /// Hands over what is to be committed, behind a flush.
    ///
    /// # Errors
    /// If it cannot.
    async fn prepare(&mut self) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    /// What a restored writer must know, behind `prepare`.
    ///
    /// # Errors
    /// If it cannot be written.
    fn snapshot(&self) -> Result<Bytes> {
        Ok(Bytes::new())
    }

    /// Removes what will never be committed, as far as possible.
    async fn abort(&mut self) {}
}

/// A writer over an outbox.
pub(crate) struct GatheringWriter {
    shared: Arc<Mutex<Shared>>,
    /// Of the last checkpoint.
    snapshot: Bytes,
    /// Sends what has waited long enough.
    ticker: Option<Box<dyn TaskHandle>>,
}

struct Shared {
    outbox: Box<dyn Outbox>,
    /// What went wrong when rows were sent last, if nobody was waiting.
    failure: Option<Error>,
}

impl GatheringWriter {
    /// Rows wait no longer than `interval_ms`, if there is one.
    pub(crate) fn new(
        outbox: Box<dyn Outbox>,
        interval_ms: Option<u64>,
        subtask: Subtask,
        environment: &Environment,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Shared { outbox, failure: None }));
        let ticker = interval_ms.map(|interval_ms| {
            let tick = tick(Arc::clone(&shared), interval_ms, subtask, environment.clone());
            environment.spawner.spawn(&format!("sink {subtask} flush"), Box::pin(tick))
        });
        GatheringWriter { shared, snapshot: Bytes::new(), ticker }
    }
}

async fn tick(shared: Arc<Mutex<Shared>>, interval_ms: u64, subtask: Subtask, environment: Environment) {
    loop {
        environment.clock.sleep_ms(interval_ms).await;
        let mut shared = shared.lock().await;
        // The next call of the writer says it, and fails the job. It may be long until there is one, so it is told, and tried
        // again until then.
        shared.failure = shared.outbox.flush().await.err();
        if let Some(e) = &shared.failure {
            tracing::warn!(%subtask, "rows that waited were not sent, and wait for another {interval_ms} ms: {e}");
        }
    }
}

impl Shared {
    fn passed(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl SinkWriter for GatheringWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let mut shared = self.shared.lock().await;
        shared.passed()?;
        shared.outbox.add(batch).await
    }

    async fn prepare_commit(&mut self, _end_of_input: bool) -> Result<Vec<Committable>> {
        let mut shared = self.shared.lock().await;
        shared.passed()?;
        shared.outbox.flush().await?;
        let committables = shared.outbox.prepare().await?;
        self.snapshot = shared.outbox.snapshot()?;
        Ok(committables)
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(self.snapshot.clone())
    }

    async fn abort(&mut self) {
        // It may be in the middle of trying again, for long.
        drop(self.ticker.take());
        self.shared.lock().await.outbox.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use flott_api::BoxFuture;
    use flott_api::env::{Clock, Spawner};
    use flott_api::testing::{FakeWorld, batch, ready};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    /// A world whose one task goes on when the test says so, by one interval each time.
    #[derive(Default)]
    struct Steps {
        task: std::sync::Mutex<Option<BoxFuture<'static, ()>>>,
        cancelled: Arc<AtomicBool>,
    }

    impl Steps {
        fn step(&self) {
            let mut task = self.task.lock().unwrap();
            let ended =
                task.as_mut().map(|task| task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            if ended == Some(true) {
                *task = None;
            }
        }
    }

    struct Handle(Arc<AtomicBool>);

    impl TaskHandle for Handle {
        fn detach(self: Box<Self>) {}
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Spawner for Steps {
        fn spawn(&self, _: &str, future: BoxFuture<'static, ()>) -> Box<dyn TaskHandle> {
            *self.task.lock().unwrap() = Some(future);
            self.step();
            Box::new(Handle(Arc::clone(&self.cancelled)))
        }

        fn blocking(&self, _: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    impl Clock for Steps {
        fn now_ms(&self) -> i64 {
            0
        }

        fn monotonic_ns(&self) -> u64 {
            0
        }

        fn sleep_ms(&self, _: u64) -> BoxFuture<'static, ()> {
            let mut waited = false;
            Box::pin(poll_fn(
                move |_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending },
            ))
        }
    }

    #[derive(Default)]
    struct Counted {
        added: AtomicUsize,
        flushed: AtomicUsize,
        fails: AtomicBool,
    }

    #[async_trait]
    impl Outbox for Arc<Counted> {
        async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
            self.added.fetch_add(batch.len(), Ordering::SeqCst);
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            if self.fails.load(Ordering::SeqCst) {
                return Err(Error::external("it fails"));
            }
            self.flushed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[test]
    fn rows_wait_for_an_interval_and_a_failure_for_the_next_one_or_a_call() {
        let (steps, counted) = (Arc::new(Steps::default()), Arc::new(Counted::default()));
        let environment = Environment {
            clock: Arc::clone(&steps) as _,
            spawner: Arc::clone(&steps) as _,
            ..FakeWorld::at(0).environment()
        };
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut writer = GatheringWriter::new(Box::new(Arc::clone(&counted)), Some(7), subtask, &environment);
        let schema = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        ready(writer.write(batch(&schema, "+I | 1"))).unwrap();
        assert_eq!(counted.flushed.load(Ordering::SeqCst), 0);
        steps.step();
        steps.step();
        assert_eq!((counted.added.load(Ordering::SeqCst), counted.flushed.load(Ordering::SeqCst)), (1, 2));
        // It passes before anybody calls.
        for (fails, flushed) in [(true, 2), (true, 2), (false, 3)] {
            counted.fails.store(fails, Ordering::SeqCst);
            steps.step();
            assert_eq!(counted.flushed.load(Ordering::SeqCst), flushed);
        }
        ready(writer.write(batch(&schema, "+I | 2"))).unwrap();
        counted.fails.store(true, Ordering::SeqCst);
        steps.step();
        let error = ready(writer.write(batch(&schema, "+I | 3"))).unwrap_err();
        assert_eq!((error.message(), counted.added.load(Ordering::SeqCst)), ("it fails", 2));
        ready(writer.abort());
        assert!(steps.cancelled.load(Ordering::SeqCst));
    }
}
