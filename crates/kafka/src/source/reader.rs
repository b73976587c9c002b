//! The split reader: decodes what the fetcher has brought, one partition after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::ids::CheckpointId;
use flott_api::source::{ReadEvent, ReaderContext, Split, SplitReader};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};

use super::Shared;
use super::fetcher::{Fetcher, Wish};
use super::messages::{Cursor, Messages, Wanted};
use super::rows::{RowReader, Rows};
use super::split::{KafkaSplit, Position};
use crate::client::TopicPartition;

/// Reads partitions.
pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    cx: ReaderContext,
    rows: RowReader,
    /// Is there from the first split on.
    fetcher: Option<Fetcher>,
    splits: VecDeque<OpenSplit>,
    /// Where splits ended that have ended since the last barrier.
    ended: Vec<(TopicPartition, i64)>,
    /// Checkpoints that are not complete yet, and where each partition was.
    waiting: VecDeque<(CheckpointId, Vec<(TopicPartition, i64)>)>,
}

struct OpenSplit {
    split: KafkaSplit,
    partition: TopicPartition,
    id: String,
    paused: bool,
    cursor: Cursor,
    /// Records that are being decoded. They lie here, so that a dropped `next` loses nothing.
    gathered: Option<Messages>,
    /// Where decoding goes on; the split's own position is behind what was emitted.
    decoded: i64,
    /// Rows of the first record that were emitted before a restart.
    rows_to_skip: u64,
    ready: VecDeque<(ChangeBatch, Position)>,
    /// What fails the split when its rows are out.
    failure: Option<Error>,
    finished: bool,
}

/// What one look at the splits came to.
enum Look {
    Event(ReadEvent),
    /// A step was made, and there may be more at once.
    Again,
    Nothing,
}

impl KafkaReader {
    /// A reader without splits.
    pub(super) fn new(shared: Arc<Shared>, cx: ReaderContext) -> Result<Self> {
        let rows = RowReader::new(Arc::clone(&shared), &cx.environment)?;
        Ok(KafkaReader {
            shared,
            cx,
            rows,
            fetcher: None,
            splits: VecDeque::new(),
            ended: Vec::new(),
            waiting: VecDeque::new(),
        })
    }

    fn fetcher(&mut self) -> &Fetcher {
        let KafkaReader { shared, cx, fetcher, .. } = self;
        fetcher.get_or_insert_with(|| Fetcher::start(shared, &cx.environment))
    }

    /// Looks at each split in turn, from the one that was not looked at for the longest time.
    async fn look(&mut self) -> Result<Look> {
        for _ in 0..self.splits.len() {
            self.splits.rotate_left(1);
            match self.look_at_last().await? {
                Look::Nothing => {}
                found => return Ok(found),
            }
        }
        Ok(Look::Nothing)
    }

    async fn look_at_last(&mut self) -> Result<Look> {
        let Some(open) = self.splits.back_mut() else { return Ok(Look::Nothing) };
        if open.paused {
            return Ok(Look::Nothing);
        }
        if let Some((batch, position)) = open.ready.pop_front() {
            open.split.position = position;
            return Ok(Look::Event(ReadEvent::Batch { split: open.id.clone(), batch }));
        }
        if let Some(failure) = open.failure.take() {
            return Err(failure);
        }
        if open.finished {
            let id = open.id.clone();
            let partition = open.partition.clone();
            self.ended.push((partition.clone(), open.split.position.offset));
            self.splits.pop_back();
            self.fetcher().remove(&partition);
            return Ok(Look::Event(ReadEvent::Finished { split: id }));
        }
        if open.gathered.is_none() && open.cursor.is_empty() {
            let fetched = self.fetcher.as_ref().and_then(|fetcher| fetcher.take(&open.partition));
            let Some(fetched) = fetched else { return Ok(Look::Nothing) };
            if let Some(moved) = fetched.moved {
                // In another topic the end means nothing.
                let other = moved.topic_id != open.split.topic_id();
                open.finished = open.split.stop.is_some_and(|stop| other || stop <= moved.offset);
                open.split.move_to(moved.topic_id, moved.offset);
                open.decoded = moved.offset;
                open.rows_to_skip = 0;
                if open.finished {
                    return Ok(Look::Again);
                }
            }
            open.cursor.feed(fetched);
        }
        self.decode_last().await?;
        Ok(Look::Again)
    }

    /// Decodes the next records of the last split.
    async fn decode_last(&mut self) -> Result<()> {
        let Some(open) = self.splits.back_mut() else { return Ok(()) };
        if open.gathered.is_none() {
            let wanted = Wanted {
                partition: &open.partition,
                from: open.decoded,
                stop: open.split.stop,
                rows_max: BATCH_ROWS_MAX,
                check_crcs: self.shared.options.properties.consumer.check_crcs,
            };
            open.gathered = Some(open.cursor.gather(&wanted)?);
        }
        if let Some(messages) = &open.gathered {
            self.rows.prepare(messages).await?;
        }
        // From here on nothing is awaited.
        let Some(messages) = open.gathered.take() else { return Ok(()) };
        let Some(after) = messages.after else { return Ok(()) };
        let rows = self.rows.read(&open.partition, &messages)?;
        self.cx.metrics.num_records_in_errors.add(rows.skipped);
        open.decoded = after;
        open.accept(&messages, rows, after);
        Ok(())
    }
}

impl OpenSplit {
    fn new(split: KafkaSplit, id: String) -> Self {
        let Position { offset, rows } = split.position;
        OpenSplit {
            partition: split.partition(),
            id,
            paused: false,
            cursor: Cursor::default(),
            gathered: None,
            decoded: offset,
            rows_to_skip: rows,
            ready: VecDeque::new(),
            failure: None,
            finished: split.stop.is_some_and(|stop| stop <= offset),
            split,
        }
    }

    /// Cuts rows into batches, each with the position behind it.
    fn accept(&mut self, messages: &Messages, rows: Rows, after: i64) {
        self.failure = rows.failure;
        self.finished = self.failure.is_none() && self.split.stop.is_some_and(|stop| after >= stop);
        let whole = Position { offset: after, rows: 0 };
        let Some(batch) = rows.batch else {
            if self.failure.is_none() {
                self.split.position = whole;
            }
            return;
        };
        let first = self.split.position.offset;
        let offset_of = |row: usize| messages.all[rows.messages[row] as usize].record.offset;
        let of_first = (0..batch.len()).take_while(|row| offset_of(*row) == first).count();
        let mut start = (self.rows_to_skip as usize).min(of_first);
        self.rows_to_skip = 0;
        while start < batch.len() {
            let end = batch.len().min(start + BATCH_ROWS_MAX);
            let position = if end == batch.len() && self.failure.is_none() {
                whole
            } else {
                let offset = offset_of(end - 1);
                let begun = rows.messages[..end].iter().rev().take_while(|m| **m == rows.messages[end - 1]).count();
                let more = end < batch.len() && rows.messages[end] == rows.messages[end - 1];
                if more { Position { offset, rows: begun as u64 } } else { Position { offset: offset + 1, rows: 0 } }
            };
            self.ready.push_back((batch.slice(start, end - start), position));
            start = end;
        }
        if self.ready.is_empty() && self.failure.is_none() {
            self.split.position = whole;
        }
    }
}

#[async_trait]
impl SplitReader for KafkaReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let read = KafkaSplit::decode(&split)?;
            let open = OpenSplit::new(read, split.id);
            if !open.finished {
                let wish = Wish {
                    partition: open.partition.clone(),
                    topic_id: open.split.topic_id(),
                    offset: open.decoded,
                    stop: open.split.stop,
                };
                self.fetcher().add(wish);
            }
            self.splits.push_back(open);
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            match self.look().await? {
                Look::Event(event) => return Ok(event),
                Look::Again => continue,
                Look::Nothing => {}
            }
            let Some(fetcher) = &self.fetcher else {
                // Somebody must add a split first, and drops this future for it.
                return std::future::pending().await;
            };
            if let Some(failure) = fetcher.failure() {
                return Err(failure);
            }
            let arrived = fetcher.arrived();
            arrived.await;
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.splits.iter().map(|open| Ok(Split { id: open.id.clone(), state: open.split.encode()?.state })).collect()
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for open in self.splits.iter_mut().filter(|open| open.id == split) {
            open.paused = paused;
        }
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        let commits = self.shared.options.properties.consumer.commit_on_checkpoint;
        if commits {
            let offsets = self.splits.iter().map(|open| (open.partition.clone(), open.split.position.offset));
            let offsets = std::mem::take(&mut self.ended).into_iter().chain(offsets).collect();
            self.waiting.push_back((checkpoint, offsets));
        }
    }

    async fn checkpoint_complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let mut newest = None;
        while self.waiting.front().is_some_and(|(id, _)| *id <= checkpoint) {
            newest = self.waiting.pop_front().filter(|(id, _)| *id == checkpoint);
        }
        if let (Some((_, offsets)), Some(fetcher)) = (newest, &self.fetcher)
            && !offsets.is_empty()
        {
            fetcher.commit(offsets);
        }
        Ok(())
    }
}
