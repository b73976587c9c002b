//! Runs the enumerator of one source: finds splits and hands them to the readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::source::{Split, SplitEnumerator};
use flott_api::{Error, Result};
use tokio::sync::{mpsc, watch};

use super::assignment::{Assignment, Command};
use crate::job::Control;

/// How many messages may wait for a reader.
const MESSAGES_MAX: usize = 64;

/// What a reader is told.
#[derive(Debug)]
pub(crate) enum ReaderMessage {
    /// Read these too.
    AddSplits(Vec<Split>),
    /// No more will come.
    NoMoreSplits,
}

/// The enumerator's end of the line to one reader.
pub(crate) struct ReaderLine {
    messages: mpsc::Sender<ReaderMessage>,
    finished: Arc<AtomicU64>,
}

/// The reader's end.
pub(crate) struct EnumeratorLine {
    pub(crate) messages: mpsc::Receiver<ReaderMessage>,
    /// Splits read to their end. A count, not a message: neither side ever waits for the other.
    pub(crate) finished: Arc<AtomicU64>,
}

/// A line between the enumerator and one reader.
pub(crate) fn line() -> (ReaderLine, EnumeratorLine) {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let finished = Arc::new(AtomicU64::new(0));
    let reader = ReaderLine { messages: sender, finished: Arc::clone(&finished) };
    (reader, EnumeratorLine { messages: receiver, finished })
}

/// Runs until there are no more splits, or the job is stopped.
pub(crate) async fn run(
    mut enumerator: Box<dyn SplitEnumerator>,
    readers: &[ReaderLine],
    mut control: watch::Receiver<Control>,
) -> Result<()> {
    let mut assignment = Assignment::new(readers.len());
    loop {
        let discovery = tokio::select! {
            biased;
            _ = control.wait_for(|c| *c != Control::Run) => return Ok(()),
            discovery = enumerator.discover() => discovery?,
        };
        let ended = discovery.finished;
        let finished: Vec<u64> = readers.iter().map(|r| r.finished.load(Ordering::Relaxed)).collect();
        let commands = assignment.on_discovery(discovery, &finished);
        tokio::select! {
            biased;
            _ = control.wait_for(|c| *c != Control::Run) => return Ok(()),
            sent = execute(commands, readers) => sent?,
        }
        if ended {
            return Ok(());
        }
    }
}

async fn execute(commands: Vec<Command>, readers: &[ReaderLine]) -> Result<()> {
    for command in commands {
        match command {
            Command::Assign { reader, splits } => send(&readers[reader], ReaderMessage::AddSplits(splits)).await?,
            Command::NoMoreSplits => {
                for reader in readers {
                    send(reader, ReaderMessage::NoMoreSplits).await?;
                }
            }
        }
    }
    Ok(())
}

async fn send(reader: &ReaderLine, message: ReaderMessage) -> Result<()> {
    reader.messages.send(message).await.map_err(|_| Error::cancelled("a reader is gone"))
}
