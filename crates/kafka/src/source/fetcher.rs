//! Fetches records beside the reader: one question under way to each broker that leads partitions of this reader.
//!
//! The next question goes out as soon as an answer is there, before that is decoded, so a broker is never waited for while
//! there is work. What is fetched and not yet decoded is bounded by partition; one that has enough is left out of the
//! questions. A leader that moves, a broker that dies and one that comes back are found by asking for the topics again,
//! for as long as the job runs.

mod driver;
mod fetch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flott_api::Error;
use flott_api::env::{Environment, TaskHandle};
use tokio::sync::Notify;

use super::Shared;
use crate::client::TopicPartition;
use driver::Driver;

/// A partition to be fetched.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) partition: TopicPartition,
    /// The number that its topic has.
    pub(super) topic_id: u128,
    pub(super) offset: i64,
    pub(super) stop: Option<i64>,
}

/// What came of a partition at once.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    /// Transactions within that were aborted: producer and first offset, by offset.
    pub(super) aborted: Vec<(i64, i64)>,
    /// Reading was moved elsewhere, since the offset did not exist.
    pub(super) moved: Option<Moved>,
}

/// Where reading goes on, in the topic of this number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) offset: i64,
    pub(super) topic_id: u128,
}

/// The reader's end. Dropped, fetching ends.
pub(super) struct Fetcher {
    board: Arc<Board>,
    _task: Box<dyn TaskHandle>,
}

/// Where both ends meet.
struct Board {
    state: Mutex<State>,
    /// Wakes the driver: somebody wants more.
    wanted: Notify,
    /// Wakes the reader: something has come.
    arrived: Notify,
}

#[derive(Default)]
struct State {
    partitions: BTreeMap<TopicPartition, Fetching>,
    /// Offsets that are to be committed.
    commit: Option<Vec<(TopicPartition, i64)>>,
    failure: Option<Error>,
}

/// A partition that is fetched.
struct Fetching {
    topic_id: u128,
    /// Of the next record that was not fetched.
    offset: i64,
    stop: Option<i64>,
    queue: VecDeque<Fetched>,
    queued_bytes: usize,
    in_flight: bool,
    /// Nothing if it must be asked for.
    leader: Option<i32>,
    /// Since when its topic is missing, by the monotonic clock.
    missing_since_ns: Option<u64>,
    /// Its offset does not exist: where to go on is asked.
    resets: bool,
}

impl Fetching {
    fn is_done(&self) -> bool {
        self.stop.is_some_and(|stop| self.offset >= stop)
    }
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetcher {
    /// Starts, without partitions.
    pub(super) fn start(shared: &Arc<Shared>, environment: &Environment) -> Self {
        let board = Arc::new(Board { state: Mutex::default(), wanted: Notify::new(), arrived: Notify::new() });
        let driver = Driver::new(Arc::clone(&board), shared, environment);
        let reported = Arc::clone(&board);
        let task = environment.spawner.spawn(
            "kafka fetcher",
            Box::pin(async move {
                let failure = driver.run().await;
                reported.state().failure = Some(failure);
                reported.arrived.notify_one();
            }),
        );
        Fetcher { board, _task: task }
    }

    /// Fetches a partition from now on.
    pub(super) fn add(&self, wish: Wish) {
        let fetching = Fetching {
            topic_id: wish.topic_id,
            offset: wish.offset,
            stop: wish.stop,
            queue: VecDeque::new(),
            queued_bytes: 0,
            in_flight: false,
            leader: None,
            missing_since_ns: None,
            resets: false,
        };
        self.board.state().partitions.insert(wish.partition, fetching);
        self.board.wanted.notify_one();
    }

    /// Fetches a partition no more.
    pub(super) fn remove(&self, partition: &TopicPartition) {
        self.board.state().partitions.remove(partition);
    }

    /// What has come of a partition.
    pub(super) fn take(&self, partition: &TopicPartition) -> Option<Fetched> {
        let mut state = self.board.state();
        let fetching = state.partitions.get_mut(partition)?;
        let fetched = fetching.queue.pop_front()?;
        fetching.queued_bytes -= fetched.bytes.len();
        drop(state);
        self.board.wanted.notify_one();
        Some(fetched)
    }

    /// Why fetching has ended.
    pub(super) fn failure(&self) -> Option<Error> {
        self.board.state().failure.take()
    }

    /// Waits until something has come since the last call.
    pub(super) fn arrived(&self) -> impl Future<Output = ()> + Send + use<> {
        let board = Arc::clone(&self.board);
        async move { board.arrived.notified().await }
    }

    /// Commits offsets for others to see. Those of a later call count.
    pub(super) fn commit(&self, offsets: Vec<(TopicPartition, i64)>) {
        self.board.state().commit = Some(offsets);
        self.board.wanted.notify_one();
    }
}
