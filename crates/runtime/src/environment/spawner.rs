//! Tasks of tokio, each with a name in the logs and an owner that cancels it; subtasks have threads of their own.

use flott_api::BoxFuture;
use flott_api::env::{Spawner, TaskHandle};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::cores::Cores;

/// Starts tasks on one tokio runtime.
pub struct TokioSpawner {
    runtime: Handle,
    /// Where subtasks run, if not among all else.
    cores: Option<Cores>,
}

impl std::fmt::Debug for TokioSpawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokioSpawner")
    }
}

impl TokioSpawner {
    /// The spawner of the runtime that the caller is in, which runs subtasks too.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Self {
        TokioSpawner { runtime: Handle::current(), cores: None }
    }

    /// The same, with as many threads again for subtasks alone.
    pub(super) fn with_cores() -> Self {
        let runtime = Handle::current();
        TokioSpawner { cores: Some(Cores::new(runtime.clone())), runtime }
    }
}

impl Spawner for TokioSpawner {
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Box<dyn TaskHandle> {
        let span = tracing::debug_span!("task", name);
        let task = self.runtime.spawn(future.instrument(span));
        Box::new(TokioTask { abort: Some(task.abort_handle()) })
    }

    fn spawn_subtask(&self, name: &str, home: u64, future: BoxFuture<'static, ()>) {
        let unstarted = match &self.cores {
            Some(cores) => {
                let span = tracing::debug_span!("task", name);
                cores.run(home, Box::pin(future.instrument(span)))
            }
            None => Err(future),
        };
        if let Err(future) = unstarted {
            self.spawn(name, future).detach();
        }
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let span = tracing::Span::current();
        let done = self.runtime.spawn_blocking(move || span.in_scope(work));
        Box::pin(async move {
            if let Err(e) = done.await {
                match e.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime shuts down: nobody may think that the work was done.
                    Err(_) => std::future::pending().await,
                }
            }
        })
    }
}

struct TokioTask {
    abort: Option<AbortHandle>,
}

impl TaskHandle for TokioTask {
    fn detach(mut self: Box<Self>) {
        self.abort = None;
    }
}

impl Drop for TokioTask {
    fn drop(&mut self) {
        if let Some(task) = &self.abort {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dropping_the_handle_cancels_and_detaching_does_not() {
        let spawner = TokioSpawner::current();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        drop(spawner.spawn("a", Box::pin(async move { drop((std::future::pending::<()>().await, sender)) })));
        assert!(receiver.await.is_err());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        spawner.spawn("b", Box::pin(async move { sender.send(7).unwrap() })).detach();
        assert_eq!(receiver.await, Ok(7));
    }

    #[tokio::test]
    async fn blocking_work_runs_elsewhere() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let here = std::thread::current().id();
        let work = Box::new(move || sender.send(std::thread::current().id()).unwrap());
        TokioSpawner::current().blocking(work).await;
        assert_ne!(receiver.await.unwrap(), here);
    }
}
