//! The enumerator of a `nexmark` table that is read as fast as it goes: ranges of event numbers, handed out as they are read.
//!
//! So a reader whose core has more to do reads less, all readers stay near each other in event time, and all end together.
//! A table in real time has no use for that: there all splits go through time at once ([`super::source`]).
//!
//! **State**: where the next range begins, and the ranges that readers gave back.

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use super::options::NexmarkOptions;
use super::source::{BLOCK_EVENTS, Position};

/// Events of a range: so few that readers end within milliseconds of each other.
pub(super) const RANGE_EVENTS: u64 = 2 * BLOCK_EVENTS;
/// How many ranges a reader has at most: so many that it has always something to read until it gets the next.
const OPEN_RANGES_MAX: u64 = 4;
/// The version of the state. The first one is that of fixed splits.
const VERSION: u32 = 2;

/// See the module.
pub(super) struct Ranges {
    next_event: u64,
    /// Events from here on do not exist.
    events: u64,
    keep_alive: bool,
    returned: Vec<Split>,
}

#[derive(Serialize, Deserialize)]
struct Memory {
    version: u32,
    #[serde(default)]
    next_event: u64,
    /// Ids and states.
    waiting: Vec<(String, Vec<u8>)>,
}

impl Ranges {
    /// A new enumerator.
    pub(super) fn new(options: &NexmarkOptions) -> Self {
        let events = options.events_num.unwrap_or(u64::MAX);
        Ranges { next_event: 0, events, keep_alive: options.keep_alive, returned: Vec::new() }
    }

    /// A restored one; nothing if the snapshot is of fixed splits.
    pub(super) fn restored(options: &NexmarkOptions, snapshot: &[u8]) -> Result<Option<Self>> {
        let damaged = |e| Error::corrupt("the state of an enumerator is damaged").with_source(e);
        let memory: Memory = serde_json::from_slice(snapshot).map_err(damaged)?;
        if memory.version != VERSION {
            return Ok(None);
        }
        let returned = memory.waiting.into_iter().map(|(id, state)| Split { id, state: Bytes::from(state) });
        Ok(Some(Ranges { next_event: memory.next_event, returned: returned.collect(), ..Ranges::new(options) }))
    }

    fn next_range(&mut self) -> Option<Split> {
        let start = self.next_event;
        if start >= self.events {
            return None;
        }
        self.next_event = start.saturating_add(RANGE_EVENTS).min(self.events);
        Some(Position::of_range(start / RANGE_EVENTS, start..self.next_event).encode())
    }
}

#[async_trait]
impl SplitEnumerator for Ranges {
    fn open_splits_max(&self) -> u64 {
        OPEN_RANGES_MAX
    }

    async fn discover(&mut self) -> Result<Discovery> {
        let mut splits = std::mem::take(&mut self.returned);
        if splits.is_empty() {
            splits.extend(self.next_range());
        }
        let at_end = self.next_event >= self.events;
        if at_end && self.keep_alive && splits.is_empty() {
            return std::future::pending().await;
        }
        Ok(Discovery { splits, finished: at_end && !self.keep_alive })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.returned.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        let waiting = self.returned.iter().map(|s| (s.id.clone(), s.state.to_vec())).collect();
        let bytes = serde_json::to_vec(&Memory { version: VERSION, next_event: self.next_event, waiting });
        bytes.map(Bytes::from).map_err(|e| Error::internal("an enumerator's state cannot be written").with_source(e))
    }
}
