//! A world whose clock moves only by hand; its tasks and files are real.

use std::sync::{Arc, Mutex};

use flott_api::BoxFuture;
use flott_api::env::{Clock, Environment};
use flott_api::function::FunctionHosts;
use flott_api::http::NoHttp;
use flott_api::model::ModelProviders;
use flott_api::net::NoNetwork;
use flott_api::program::NoPrograms;
use flott_api::testing::MemoryObjects;
use tokio::sync::oneshot;

use crate::environment::{LocalFiles, SeededRandom, Terminal, TokioSpawner};

#[derive(Default)]
pub(crate) struct ManualClock {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    now_ms: i64,
    sleepers: Vec<(i64, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// Moves time, and wakes those whose time has come.
    pub(crate) fn advance(&self, millis: i64) {
        let mut inner = self.inner.lock().unwrap();
        inner.now_ms += millis;
        let now_ms = inner.now_ms;
        let (due, later) = std::mem::take(&mut inner.sleepers).into_iter().partition(|(at, _)| *at <= now_ms);
        inner.sleepers = later;
        let due: Vec<(i64, oneshot::Sender<()>)> = due;
        for (_, waker) in due {
            // Whoever slept may have gone.
            waker.send(()).unwrap_or_default();
        }
    }

    /// Whether somebody sleeps.
    pub(crate) fn has_sleepers(&self) -> bool {
        self.inner.lock().unwrap().sleepers.iter().any(|(_, s)| !s.is_closed())
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.inner.lock().unwrap().now_ms
    }

    fn monotonic_ns(&self) -> u64 {
        self.now_ms() as u64 * 1_000_000
    }

    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let receiver = {
                let mut inner = inner.lock().unwrap();
                let (sender, receiver) = oneshot::channel();
                let at_ms = inner.now_ms + millis as i64;
                inner.sleepers.push((at_ms, sender));
                receiver
            };
            receiver.await.unwrap_or_default();
        })
    }
}

pub(crate) fn environment(clock: Arc<ManualClock>, objects: Arc<MemoryObjects>, rng: Arc<SeededRandom>) -> Environment {
    Environment {
        clock,
        rng,
        spawner: Arc::new(TokioSpawner::current()),
        files: Arc::new(LocalFiles::new()),
        objects: Arc::new(objects),
        http: Arc::new(NoHttp),
        network: Arc::new(NoNetwork),
        programs: Arc::new(NoPrograms),
        console: Arc::new(Terminal::new()),
        functions: FunctionHosts::default(),
        models: ModelProviders::default(),
    }
}
