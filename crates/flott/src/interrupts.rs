//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process at once.
//!
//! The second one is left to the system, so it works whatever the process is stuck in.

use std::sync::{Arc, Mutex, PoisonError};

use flott_api::env::{Spawner, TaskHandle};
use flott_api::{Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Which signals ask for a stop.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// Hears of signals. Clones hear of each as well.
#[derive(Clone, Debug)]
pub struct Interrupts {
    seen: watch::Receiver<u64>,
    impatient: Arc<Mutex<Option<Impatient>>>,
}

impl Interrupts {
    /// Listens from now on. The task ends when the handle is dropped.
    ///
    /// # Errors
    /// If the system does not let signals be heard.
    pub fn listen(spawner: &dyn Spawner) -> Result<(Self, Box<dyn TaskHandle>)> {
        let wrong = |e: std::io::Error| Error::external("signals cannot be heard").with_source(e);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
        let (sender, interrupts) = Interrupts::manual();
        let impatient = Arc::clone(&interrupts.impatient);
        let work = async move {
            loop {
                let heard = tokio::select! {
                    heard = interrupt.recv() => heard,
                    heard = terminate.recv() => heard,
                };
                if heard.is_none() {
                    break;
                }
                impatient.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Impatient::new);
                sender.send_modify(|count| *count += 1);
            }
        };
        Ok((interrupts, spawner.spawn("signals", Box::pin(work))))
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        if self.seen.changed().await.is_err() {
            // Nobody listens any more, so none will come.
            std::future::pending::<()>().await;
        }
    }

    /// Whether one has come since the last look.
    pub fn take(&mut self) -> bool {
        let came = self.seen.has_changed().unwrap_or(false);
        self.seen.mark_unchanged();
        came
    }

    /// What was asked for is done: the next signal is a first one again.
    pub fn rearm(&mut self) {
        self.impatient.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.seen.mark_unchanged();
    }

    /// An interrupt that somebody else sets off, for tests and for shells that read keys themselves.
    pub fn manual() -> (watch::Sender<u64>, Self) {
        let (sender, seen) = watch::channel(0);
        (sender, Interrupts { seen, impatient: Arc::default() })
    }
}

/// While it lives, signals end the process at once.
#[derive(Debug)]
struct Impatient {
    previous: Vec<(libc::c_int, Action)>,
}

impl Impatient {
    fn new() -> Self {
        Impatient { previous: SIGNALS.iter().filter_map(|s| set_default(*s).map(|p| (*s, p))).collect() }
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        self.previous.iter().for_each(|(signal, action)| restore(*signal, action));
    }
}

/// What the system does on a signal.
struct Action(libc::sigaction);

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Action")
    }
}

/// The system's default for a signal; answers what was set before.
#[expect(unsafe_code, reason = "a call of the system without a safe counterpart in our dependencies")]
fn set_default(signal: libc::c_int) -> Option<Action> {
    // SAFETY: both structures live here and are plain data, for which zero is a valid value; SIG_DFL installs no code.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        let mut previous: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, &default, &mut previous) == 0).then_some(Action(previous))
    }
}

#[expect(unsafe_code, reason = "a call of the system without a safe counterpart in our dependencies")]
fn restore(signal: libc::c_int, Action(action): &Action) {
    // SAFETY: `action` is what the system gave for this signal; its handler lives as long as the process.
    unsafe {
        libc::sigaction(signal, action, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_signal_is_heard_once() {
        let (sender, mut interrupts) = Interrupts::manual();
        assert!(!interrupts.take());
        sender.send_modify(|n| *n += 1);
        interrupts.next().await;
        assert!(!interrupts.take());
        sender.send_modify(|n| *n += 1);
        assert!(interrupts.take());
    }
}
