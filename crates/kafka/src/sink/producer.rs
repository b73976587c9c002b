//! Sends records: they are gathered by partition, and one question is under way to each broker.
//!
//! While a batch of a partition is under way the next one fills, so batches grow with the load by themselves and a
//! partition never has two under way: their order and their numbers are kept by nothing more. A batch that failed goes
//! out again under its number, and the broker knows it if it has it.

mod driver;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::env::{Environment, TaskHandle};
use flott_api::{Error, Result};
use tokio::sync::Notify;

use crate::client::Topic;
use crate::options::{Buffer, ClientSettings, ProducerSettings};
use driver::Driver;
pub(super) use state::{NewRecord, Sender, State};

/// The writer's end. Dropped, sending ends.
pub(super) struct Producer {
    board: Arc<Board>,
    buffer_bytes: usize,
    task: Option<Box<dyn TaskHandle>>,
}

/// Where both ends meet.
struct Board {
    state: Mutex<State>,
    /// Wakes the driver: there is something to send.
    filled: Notify,
    /// Wakes the writer: something was sent, or will never be.
    sent: Notify,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a producer sends.
#[derive(Clone)]
pub(super) struct ProducerParts {
    pub(super) environment: Environment,
    pub(super) client: Arc<ClientSettings>,
    pub(super) settings: ProducerSettings,
    pub(super) buffer: Option<Buffer>,
}

impl Producer {
    /// Starts, without topics.
    pub(super) fn start(parts: ProducerParts, chooser: super::partitioner::Chooser) -> Self {
        let state = State::new(chooser, parts.settings, parts.buffer);
        let board = Arc::new(Board { state: Mutex::new(state), filled: Notify::new(), sent: Notify::new() });
        let (buffer_bytes, spawner) = (parts.settings.buffer_bytes, Arc::clone(&parts.environment.spawner));
        let driver = Driver::new(Arc::clone(&board), parts);
        let reported = Arc::clone(&board);
        let task = spawner.spawn(
            "kafka producer",
            Box::pin(async move {
                let failure = driver.run().await;
                reported.state().fail(failure);
                reported.sent.notify_one();
            }),
        );
        Producer { board, buffer_bytes, task: Some(task) }
    }

    /// Whether a topic's partitions are known.
    pub(super) fn knows(&self, topic: &str) -> bool {
        self.board.state().topic(topic).is_some()
    }

    /// The partitions of a topic, as far as they are known.
    pub(super) fn partitions(&self, topic: &str) -> Vec<i32> {
        let state = self.board.state();
        let places = state.topic(topic).into_iter().flatten();
        places.map(|at| state.partition(*at).partition).collect()
    }

    /// Takes note of a topic's partitions.
    pub(super) fn learn(&self, topic: &Topic) {
        self.board.state().learn(topic);
    }

    /// As whom batches are sent from now on; only when nothing waits.
    pub(super) fn begin(&self, sender: Sender) {
        self.board.state().begin(sender);
    }

    /// Appends records; what does it must not take long.
    ///
    /// # Errors
    /// If one is refused.
    pub(super) fn append(&self, work: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let mut state = self.board.state();
        if let Some(failure) = state.take_failure() {
            return Err(failure);
        }
        let done = work(&mut state);
        drop(state);
        self.board.filled.notify_one();
        done
    }

    /// Waits until there is room for more.
    ///
    /// # Errors
    /// If records cannot be sent.
    pub(super) async fn room(&self) -> Result<()> {
        self.until(|state, this| state.buffered_bytes() < this.buffer_bytes).await
    }

    /// Sends all that waits, and waits until Kafka has it.
    ///
    /// # Errors
    /// If records cannot be sent.
    pub(super) async fn flush(&self) -> Result<()> {
        self.board.state().set_flushing(true)?;
        self.board.filled.notify_one();
        let flushed = self.until(|state, _| state.is_idle()).await;
        self.board.state().set_flushing(false)?;
        flushed
    }

    async fn until(&self, is_so: impl Fn(&State, &Self) -> bool + Send) -> Result<()> {
        loop {
            {
                let mut state = self.board.state();
                if let Some(failure) = state.take_failure() {
                    return Err(failure);
                }
                if is_so(&state, self) {
                    return Ok(());
                }
            }
            let board = Arc::clone(&self.board);
            board.sent.notified().await;
        }
    }

    /// Sends nothing any more; what waits is lost.
    pub(super) fn stop(&mut self) {
        self.task = None;
    }

    /// How many records were appended since `begin`.
    pub(super) fn written(&self) -> u64 {
        self.board.state().appended()
    }
}

/// A record that would not fit into a question.
fn too_large(bytes: usize, bytes_max: usize) -> Error {
    Error::data(format!("a record has {bytes} bytes, and {bytes_max} are allowed")).with_hint(
        "Option 'properties.max.request.size' says how many; the topic's 'max.message.bytes' must allow them, too.",
    )
}
