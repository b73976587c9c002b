//! Runs the enumerator of one source: finds splits, hands them to the readers, and passes barriers on.
//!
//! A barrier takes the same line to a reader as its splits. So a split that was handed out before the
//! enumerator's snapshot is in the reader's, and one handed out after it is in neither's before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::ids::CheckpointId;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, Result};
use flott_graph::NodeId;
use flott_state::checkpoint::manifest::EnumeratorSnapshot;
use tokio::sync::{Notify, mpsc, watch};

use super::alignment::Aligner;
use super::assignment::{Assignment, Command};
use crate::channel::Barrier;
use crate::region::Control;
use crate::report::{News, ReportLine};

/// How many messages may wait for a reader.
const MESSAGES_MAX: usize = 64;
/// How many orders may wait for an enumerator.
pub(crate) const ORDERS_MAX: usize = 64;

/// What a reader is told.
#[derive(Clone, Debug)]
pub(crate) enum ReaderMessage {
    /// Read these too.
    AddSplits(Vec<Split>),
    /// No more will come.
    NoMoreSplits,
    /// Take part in a checkpoint.
    Barrier(Barrier),
    /// The checkpoint after which the source was to stop has failed: go on.
    Resume,
    /// A checkpoint is complete: what it has of the source may be acknowledged outside.
    Complete(CheckpointId),
}

/// What an enumerator is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Take a snapshot, then pass the barrier on.
    Barrier(Barrier),
    /// See [`ReaderMessage::Resume`].
    Resume,
    /// See [`ReaderMessage::Complete`].
    Complete(CheckpointId),
}

/// The enumerator's end of the line to one reader.
pub(crate) struct ReaderLine {
    messages: mpsc::Sender<ReaderMessage>,
    finished: Arc<AtomicU64>,
    /// Of all readers: one has read a split to its end.
    has_finished: Arc<Notify>,
}

/// The reader's end.
pub(crate) struct EnumeratorLine {
    pub(crate) messages: mpsc::Receiver<ReaderMessage>,
    /// Splits read to their end. A count, not a message: a reader never waits for the enumerator.
    finished: Arc<AtomicU64>,
    has_finished: Arc<Notify>,
}

impl EnumeratorLine {
    /// A split has been read to its end.
    pub(crate) fn finish_split(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.has_finished.notify_one();
    }
}

/// Lines between the enumerator and each of so many readers.
pub(crate) fn lines(readers: u32) -> (Vec<ReaderLine>, Vec<EnumeratorLine>) {
    let has_finished = Arc::new(Notify::new());
    let line = |_| {
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        let (finished, has_finished) = (Arc::new(AtomicU64::new(0)), Arc::clone(&has_finished));
        let reader =
            ReaderLine { messages: sender, finished: Arc::clone(&finished), has_finished: Arc::clone(&has_finished) };
        (reader, EnumeratorLine { messages: receiver, finished, has_finished })
    };
    (0..readers).map(line).unzip()
}

/// What a restored checkpoint has of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestoredSplits {
    /// Splits that readers held, with how far each was read.
    pub(crate) splits: Vec<Split>,
    /// Whether the enumerator had said that there will be no more.
    pub(crate) finished: bool,
}

/// An enumerator at work.
pub(crate) struct EnumeratorWorker {
    pub(crate) node: NodeId,
    pub(crate) enumerator: Box<dyn SplitEnumerator>,
    pub(crate) readers: Vec<ReaderLine>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) control: watch::Receiver<Control>,
    pub(crate) report: ReportLine,
    pub(crate) restored: RestoredSplits,
    /// Of a source that waits for others.
    pub(crate) aligner: Option<Aligner>,
}

enum Step {
    Found(Discovery),
    Order(Order),
    Leave,
}

impl EnumeratorWorker {
    /// Runs until the job ends or is stopped. Who waits for a reader goes on telling the others how far they may read.
    pub(crate) async fn run(mut self) -> Result<()> {
        let Some(aligner) = self.aligner.take() else { return self.enumerate().await };
        tokio::select! {
            ended = self.enumerate() => ended,
            never = aligner.run() => match never {},
        }
    }

    async fn enumerate(mut self) -> Result<()> {
        let mut assignment = Assignment::new(self.readers.len());
        let mut ended = self.restored.finished;
        let splits = std::mem::take(&mut self.restored.splits);
        if ended || !splits.is_empty() {
            self.assign(&mut assignment, Discovery { splits, finished: ended }).await?;
        }
        loop {
            match self.next(&assignment, ended).await? {
                Step::Found(discovery) => {
                    ended = discovery.finished;
                    self.assign(&mut assignment, discovery).await?;
                }
                Step::Order(order) => self.execute(order, ended).await?,
                Step::Leave => return Ok(()),
            }
        }
    }

    /// A stop ends the search for splits; orders are taken until the end.
    async fn next(&mut self, assignment: &Assignment, ended: bool) -> Result<Step> {
        let has_finished = self.readers.first().map(|reader| Arc::clone(&reader.has_finished)).unwrap_or_default();
        loop {
            let control = *self.control.borrow_and_update();
            if matches!(control, Control::Cancel | Control::Release) {
                return Ok(Step::Leave);
            }
            let searches = !ended && control == Control::Run;
            let has_room = assignment.has_room(&self.finished(), self.enumerator.open_splits_max());
            tokio::select! {
                biased;
                _ = self.control.changed() => {}
                Some(order) = self.orders.recv() => return Ok(Step::Order(order)),
                found = self.enumerator.discover(), if searches && has_room => return found.map(Step::Found),
                () = has_finished.notified(), if searches && !has_room => {}
                else => return Ok(Step::Leave),
            }
        }
    }

    /// How many splits each reader has read to their end.
    fn finished(&self) -> Vec<u64> {
        self.readers.iter().map(|reader| reader.finished.load(Ordering::Relaxed)).collect()
    }

    async fn assign(&mut self, assignment: &mut Assignment, discovery: Discovery) -> Result<()> {
        for command in assignment.on_discovery(discovery, &self.finished()) {
            match command {
                Command::Assign { reader, splits } => {
                    send(&self.readers[reader], ReaderMessage::AddSplits(splits)).await?
                }
                Command::NoMoreSplits => tell_all(&self.readers, &ReaderMessage::NoMoreSplits).await?,
            }
        }
        Ok(())
    }

    async fn execute(&mut self, order: Order, ended: bool) -> Result<()> {
        match order {
            Order::Barrier(barrier) => {
                let snapshot = EnumeratorSnapshot { state: self.enumerator.snapshot()?, finished: ended };
                let (node, checkpoint) = (self.node, barrier.checkpoint);
                self.report.tell(News::Enumerator { node, checkpoint, snapshot }).await;
                tell_all(&self.readers, &ReaderMessage::Barrier(barrier)).await
            }
            Order::Resume => tell_all(&self.readers, &ReaderMessage::Resume).await,
            Order::Complete(checkpoint) => tell_all(&self.readers, &ReaderMessage::Complete(checkpoint)).await,
        }
    }
}

async fn tell_all(readers: &[ReaderLine], message: &ReaderMessage) -> Result<()> {
    for reader in readers {
        send(reader, message.clone()).await?;
    }
    Ok(())
}

/// A reader that has read all of its splits is gone, and needs to hear nothing; but it gets no splits.
async fn send(reader: &ReaderLine, message: ReaderMessage) -> Result<()> {
    let lost = matches!(message, ReaderMessage::AddSplits(_));
    match reader.messages.send(message).await {
        Err(_) if lost => Err(Error::cancelled("a reader is gone")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
