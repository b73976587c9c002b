//! Blocking work from async code.

use flott_api::env::Environment;
use flott_api::{BoxFuture, Error, Result};
use futures::channel::oneshot;

/// Starts the work where it holds nobody up; the future gives its result. Dropping the future does not stop the work.
pub(super) fn run<T: Send + 'static>(
    environment: &Environment,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let (sender, receiver) = oneshot::channel();
    // If nobody waits any more, nobody needs the result.
    let running = environment.spawner.blocking(Box::new(move || drop(sender.send(work()))));
    Box::pin(async move {
        running.await;
        receiver.await.map_err(|_| Error::cancelled("blocking work was stopped"))?
    })
}

/// An I/O error with the file it is about.
pub(super) fn io_error(what: &str, path: &str, e: std::io::Error) -> Error {
    Error::external(format!("cannot {what} file '{path}'")).with_source(e)
}
