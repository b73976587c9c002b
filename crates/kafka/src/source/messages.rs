//! Records that are decoded together: of several batches of one partition, in order.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use flott_api::{Error, Result};

use super::fetcher::Fetched;
use crate::batch::{self, Batch, Record, Records};
use crate::client::TopicPartition;

/// So many bytes are decoded together at most, unless one record is larger.
const BYTES_MAX: usize = 4 << 20;

/// The records of one batch, decompressed.
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) leader_epoch: i32,
    pub(super) append_time: bool,
}

/// A record of a part.
pub(super) struct Message {
    part: u32,
    pub(super) record: Record,
}

/// Records, and where reading goes on behind them.
#[derive(Default)]
pub(super) struct Messages {
    parts: Vec<Part>,
    pub(super) all: Vec<Message>,
    /// The offset behind all that was looked at; marks and what was aborted have no records. Nothing if nothing was.
    pub(super) after: Option<i64>,
}

impl Messages {
    /// The batch that a record came in.
    pub(super) fn part(&self, message: &Message) -> &Part {
        &self.parts[message.part as usize]
    }

    pub(super) fn key(&self, message: &Message) -> Option<&[u8]> {
        message.record.key.map(|span| span.of_bytes(&self.part(message).bytes))
    }

    pub(super) fn value(&self, message: &Message) -> Option<&[u8]> {
        message.record.value.map(|span| span.of_bytes(&self.part(message).bytes))
    }
}

/// What has been fetched of a partition and is not decoded.
#[derive(Default)]
pub(super) struct Cursor {
    fetched: Bytes,
    /// Transactions that were aborted: producer and first offset, by offset.
    aborted: VecDeque<(i64, i64)>,
    /// Producers whose records are of an aborted transaction, up to its mark.
    aborting: BTreeSet<i64>,
    open: Option<Open>,
}

/// A batch that has been read in part.
struct Open {
    records: Records,
    leader_epoch: i32,
    append_time: bool,
}

/// What a cursor is asked for.
pub(super) struct Wanted<'a> {
    pub(super) partition: &'a TopicPartition,
    /// Of the first record that is wanted.
    pub(super) from: i64,
    /// Before this one it ends.
    pub(super) stop: Option<i64>,
    pub(super) rows_max: usize,
    pub(super) check_crcs: bool,
}

impl Cursor {
    /// Whether all is decoded.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.fetched.is_empty()
    }

    /// Takes what was fetched next.
    pub(super) fn feed(&mut self, fetched: Fetched) {
        self.fetched = fetched.bytes;
        // What came says of all transactions within which were aborted, also of those that begin before it.
        self.aborting.clear();
        self.aborted = fetched.aborted.into();
    }

    /// The next records.
    ///
    /// # Errors
    /// If what was fetched is damaged.
    pub(super) fn gather(&mut self, wanted: &Wanted<'_>) -> Result<Messages> {
        let damaged = |what: String| {
            Error::data(format!("{}: {what}", wanted.partition))
                .with_detail("The broker or the way to it has changed the bytes.")
        };
        let (mut messages, mut bytes) = (Messages::default(), 0);
        while messages.all.len() < wanted.rows_max && bytes < BYTES_MAX {
            if self.open.is_none() && !self.open_next(wanted, &mut messages).map_err(damaged)? {
                break;
            }
            let Some(open) = &mut self.open else { continue };
            let part = messages.parts.len() as u32;
            messages.parts.push(Part {
                bytes: open.records.bytes.clone(),
                leader_epoch: open.leader_epoch,
                append_time: open.append_time,
            });
            while messages.all.len() < wanted.rows_max && bytes < BYTES_MAX {
                let Some(record) = open.records.next().map_err(damaged)? else { break };
                messages.after = Some(record.offset + 1);
                let is_wanted = record.offset >= wanted.from && wanted.stop.is_none_or(|stop| record.offset < stop);
                if is_wanted {
                    bytes += record.size();
                    messages.all.push(Message { part, record });
                }
            }
            if open.records.left() == 0 {
                messages.after = Some(open.records.last_offset + 1);
                self.open = None;
            }
        }
        // What lies behind the end in the same batch is not looked at again.
        messages.after = messages.after.map(|after| wanted.stop.map_or(after, |stop| after.min(stop)));
        Ok(messages)
    }

    /// Goes to the next batch with records for us; whether there was any batch.
    fn open_next(&mut self, wanted: &Wanted<'_>, messages: &mut Messages) -> Result<bool, String> {
        let Some(batch) = batch::take_batch(&mut self.fetched, wanted.check_crcs)? else {
            // A batch that is cut is fetched again.
            self.fetched = Bytes::new();
            return Ok(false);
        };
        let passed = batch.last_offset < wanted.from;
        if self.is_skipped(&batch)? || passed {
            messages.after = Some((batch.last_offset + 1).max(wanted.from));
            return Ok(true);
        }
        self.open = Some(Open {
            records: batch.open()?,
            leader_epoch: batch.leader_epoch,
            append_time: batch.has_append_time(),
        });
        Ok(true)
    }

    /// Marks have no records, and what was aborted counts as not written for those who read only what is committed; others
    /// get no list of it.
    fn is_skipped(&mut self, batch: &Batch) -> Result<bool, String> {
        while let Some((producer, _)) = self.aborted.front().copied().filter(|(_, first)| *first <= batch.last_offset) {
            self.aborting.insert(producer);
            self.aborted.pop_front();
        }
        if batch.is_control() {
            if batch.aborts()? {
                self.aborting.remove(&batch.producer_id);
            }
            return Ok(true);
        }
        Ok(batch.is_transactional() && self.aborting.contains(&batch.producer_id))
    }
}

impl Record {
    fn size(&self) -> usize {
        self.key.map_or(0, batch::Span::length) + self.value.map_or(0, batch::Span::length)
    }
}
