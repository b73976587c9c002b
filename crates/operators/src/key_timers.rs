//! Timers of keys: the payload is the key, so that a timer that is due finds its state.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use bytes::Bytes;
use flott_api::Result;
use flott_api::key_group::{hash_keys, key_group};
use flott_api::operator::{OpenContext, TimeDomain, Timer, Timers};
use flott_state::key::{EncodedKeys, decode};

/// How timers of keys of these types are made and read.
pub(crate) struct KeyTimers {
    types: Vec<DataType>,
    max_parallelism: u32,
    domain: TimeDomain,
}

impl KeyTimers {
    pub(crate) fn new(cx: &OpenContext, types: Vec<DataType>, domain: TimeDomain) -> Self {
        KeyTimers { types, max_parallelism: cx.max_parallelism, domain }
    }

    /// Sets timers: each a row of the key columns and a time. Equal ones are one.
    pub(crate) fn register(&self, keys: &[ArrayRef], at: &[(usize, i64)], timers: &mut dyn Timers) -> Result<()> {
        let Some(rows) = at.iter().map(|(row, _)| row + 1).max() else { return Ok(()) };
        let keys: Vec<ArrayRef> = keys.iter().map(|k| k.slice(0, rows)).collect();
        let hashes = hash_keys(&keys, rows)?;
        let mut encoded = EncodedKeys::default();
        encoded.encode(&keys, rows)?;
        for (row, at_ms) in at {
            timers.register(Timer {
                at_ms: *at_ms,
                domain: self.domain,
                key_group: Some(key_group(hashes[*row], self.max_parallelism)),
                payload: Bytes::copy_from_slice(encoded.get(*row)),
            });
        }
        Ok(())
    }

    /// The key columns of timers that are due.
    pub(crate) fn keys(&self, timers: &[Timer]) -> Result<Vec<ArrayRef>> {
        decode(&self.types, &timers.iter().map(|t| &t.payload[..]).collect::<Vec<_>>())
    }
}
