//! The split reader that all sources of this crate share: it decodes what its feeds bring, one split after the other.
//!
//! A [`Feed`] brings messages of one split, and hears which of them are out: what is out at a barrier is in the checkpoint.
//! A feed is asked for more only when all that it brought is out, so back-pressure reaches the server.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::ids::CheckpointId;
use flott_api::source::{ReadEvent, ReaderContext, Split, SplitEnumerator, SplitReader};
use flott_api::{ChangeBatch, Error, Result};
use flott_connectors::fixed_splits::FixedSplits;
use flott_formats::Format;
use futures::future::select_all;

use crate::messages::{Message, RowLayout, RowReader};

/// So many messages are decoded together at most.
pub(crate) const MESSAGES_MAX: usize = 2048;
/// So many bytes of messages, unless one is larger.
pub(crate) const BYTES_MAX: usize = 4 << 20;

/// Messages of one split.
#[async_trait]
pub(crate) trait Feed: Acknowledges {
    /// Waits for messages; nothing at the end. Dropping the future loses nothing.
    async fn messages(&mut self) -> Result<Option<Vec<Message>>>;

    /// How far the split is out.
    ///
    /// # Errors
    /// If that cannot be written.
    fn snapshot(&self) -> Result<Split>;

    /// Where a message is, for people.
    fn place(&self, message: &Message) -> String;

    /// The next message does not fit, and its format says that this is a failure. If its sender was told so, it is none any
    /// more: then this is the format, of which a new decoder reads on.
    fn refuse(&mut self, message: &Message, failure: &Error) -> Option<&dyn Format> {
        let _: (&Message, &Error) = (message, failure);
        None
    }
}

/// How far a split has come, for the server: what is out at a barrier is in the checkpoint.
#[async_trait]
pub(crate) trait Acknowledges: Send {
    /// These messages are out.
    fn emitted(&mut self, messages: &[Message]);

    /// The snapshot that was just taken is that of this checkpoint.
    fn barrier(&mut self, checkpoint: CheckpointId) {
        let _: CheckpointId = checkpoint;
    }

    /// The checkpoint is durable everywhere.
    ///
    /// # Errors
    /// If the server cannot be told, and that matters.
    fn complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let _: CheckpointId = checkpoint;
        Ok(())
    }

    /// Behind the end: waits until the server has heard of all that is out. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If it never will, and that matters.
    async fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is to be acknowledged when the checkpoint that has it is complete.
pub(crate) struct Pending<T> {
    /// Behind the last barrier.
    now: Vec<T>,
    waiting: VecDeque<(CheckpointId, Vec<T>)>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Pending { now: Vec::new(), waiting: VecDeque::new() }
    }
}

impl<T> Pending<T> {
    /// More is out.
    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = T>) {
        self.now.extend(more);
    }

    /// What is out now is in this checkpoint.
    pub(crate) fn barrier(&mut self, checkpoint: CheckpointId) {
        self.waiting.push_back((checkpoint, std::mem::take(&mut self.now)));
    }

    /// What may be acknowledged now, in order. Earlier checkpoints that were given up are part of this one.
    pub(crate) fn complete(&mut self, checkpoint: CheckpointId) -> Vec<T> {
        let mut all = Vec::new();
        while self.waiting.front().is_some_and(|(id, _)| *id <= checkpoint) {
            all.extend(self.waiting.pop_front().map(|(_, of)| of).unwrap_or_default());
        }
        all
    }

    /// Leaves out what need not be acknowledged.
    pub(crate) fn retain(&mut self, mut needs: impl FnMut(&T) -> bool) {
        self.now.retain(&mut needs);
        self.waiting.iter_mut().for_each(|(_, of)| of.retain(&mut needs));
    }

    /// Nothing of it can be acknowledged any more.
    pub(crate) fn clear(&mut self) {
        *self = Pending::default();
    }
}

/// The enumerator of a source that is one split without a position.
///
/// # Errors
/// If the snapshot is damaged.
pub(crate) fn single_split(restored: Option<Bytes>, id: &str) -> Result<Box<dyn SplitEnumerator>> {
    let split = || Ok(vec![Split { id: id.to_owned(), state: Bytes::new() }]);
    Ok(Box::new(FixedSplits::new(restored, split)?))
}

/// Makes the feed of a split.
pub(crate) type Open = Box<dyn Fn(&Split) -> Result<Box<dyn Feed>> + Send + Sync>;

/// See the module.
pub(crate) struct MessageReader {
    cx: ReaderContext,
    rows: RowReader,
    open: Open,
    /// Also those whose end was told, until they are settled.
    splits: VecDeque<OpenSplit>,
    /// Whether a checkpoint was ever begun: only then it may be waited for one.
    checkpoints: bool,
}

struct OpenSplit {
    id: String,
    feed: Box<dyn Feed>,
    paused: bool,
    /// Messages that are not out. They lie here, so that a dropped `next` loses nothing.
    messages: VecDeque<Message>,
    /// Whether they were decoded.
    decoded: bool,
    ready: VecDeque<(Option<ChangeBatch>, usize)>,
    /// What fails the split when its rows are out.
    failure: Option<Error>,
    /// No more messages come.
    ended: bool,
    /// The server has heard of all of them.
    settled: bool,
    /// Whether the end was told to whoever reads: a subtask that has heard of all ends is gone, and its reader with it.
    told: bool,
}

impl MessageReader {
    /// A reader without splits.
    ///
    /// # Errors
    /// If the format cannot hold the columns.
    pub(crate) fn new(layout: &Arc<RowLayout>, format: &dyn Format, cx: ReaderContext, open: Open) -> Result<Self> {
        Ok(Self::of(RowReader::new(layout, format)?, cx, open))
    }

    /// A reader without splits that decodes so.
    pub(crate) fn of(rows: RowReader, cx: ReaderContext, open: Open) -> Self {
        MessageReader { rows, cx, open, splits: VecDeque::new(), checkpoints: false }
    }

    /// What is there without waiting, from the split that was not looked at for the longest time.
    async fn look(&mut self) -> Result<Option<ReadEvent>> {
        for _ in 0..self.splits.len() {
            self.splits.rotate_left(1);
            let Some(open) = self.splits.back_mut().filter(|open| !open.paused) else { continue };
            if let Some(batch) = open.rows(&mut self.rows, &self.cx).await? {
                return Ok(Some(ReadEvent::Batch { split: open.id.clone(), batch }));
            }
            // Where there are checkpoints, the last messages wait for theirs before the reader may go.
            if open.ended && !open.told && (open.settled || !self.checkpoints) {
                open.told = true;
                return Ok(Some(ReadEvent::Finished { split: open.id.clone() }));
            }
        }
        self.splits.retain(|open| !(open.told && open.settled));
        Ok(None)
    }

    /// Waits until a split has more.
    async fn wait(&mut self) -> Result<()> {
        let waiting = self.splits.iter_mut().filter(|open| !open.paused && open.messages.is_empty() && !open.settled);
        let waiting: Vec<_> = waiting.map(|open| Box::pin(open.take())).collect();
        if waiting.is_empty() {
            // Somebody must add or resume a split first, and drops this future for it.
            return std::future::pending().await;
        }
        select_all(waiting).await.0
    }
}

impl OpenSplit {
    /// The next rows of the messages that have come; nothing when all of them are out.
    async fn rows(&mut self, reader: &mut RowReader, cx: &ReaderContext) -> Result<Option<ChangeBatch>> {
        loop {
            if !self.decoded && !self.messages.is_empty() {
                let messages = self.messages.make_contiguous();
                reader.prepare(&cx.environment, messages).await?;
                // From here on nothing is awaited.
                let feed = &self.feed;
                let rows = reader.read(messages, &|message| feed.place(message))?;
                cx.metrics.num_records_in_errors.add(rows.skipped);
                self.ready = rows.parts.into();
                self.failure = rows.failure;
                self.decoded = true;
            }
            while let Some((batch, messages)) = self.ready.pop_front() {
                let out: Vec<Message> = self.messages.drain(..messages).collect();
                self.feed.emitted(&out);
                if batch.is_some() {
                    return Ok(batch);
                }
            }
            let Some(failure) = self.failure.take() else { return Ok(None) };
            // The messages before it are out.
            let Some(bad) = self.messages.pop_front() else { return Err(failure) };
            let Some(format) = self.feed.refuse(&bad, &failure) else { return Err(failure) };
            reader.read_on(format)?;
            self.decoded = false;
        }
    }

    async fn take(&mut self) -> Result<()> {
        if self.ended {
            self.feed.settle().await?;
            self.settled = true;
            return Ok(());
        }
        match self.feed.messages().await? {
            Some(messages) => {
                self.messages = messages.into();
                self.decoded = false;
            }
            None => self.ended = true,
        }
        Ok(())
    }
}

#[async_trait]
impl SplitReader for MessageReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let feed = (self.open)(&split)?;
            self.splits.push_back(OpenSplit {
                id: split.id,
                feed,
                paused: false,
                messages: VecDeque::new(),
                decoded: false,
                ready: VecDeque::new(),
                failure: None,
                ended: false,
                settled: false,
                told: false,
            });
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            if let Some(event) = self.look().await? {
                return Ok(event);
            }
            self.wait().await?;
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.splits.iter().filter(|open| !open.told).map(|open| open.feed.snapshot()).collect()
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.checkpoints = true;
        self.splits.iter_mut().for_each(|open| open.feed.barrier(checkpoint));
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for open in self.splits.iter_mut().filter(|open| open.id == split) {
            open.paused = paused;
        }
    }

    async fn checkpoint_complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        self.splits.iter_mut().try_for_each(|open| open.feed.complete(checkpoint))
    }
}

#[cfg(test)]
mod tests;
