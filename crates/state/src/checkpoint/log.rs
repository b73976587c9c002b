//! The log of who owns a job's directory, and of the checkpoints that are complete.
//!
//! Records are objects `epochs/<20 digits>`, numbered from 1. Each is put only if its number is free, at
//! the number behind the last one, so all runs that ever touch the directory agree on one order. A run
//! *claims* by a record of its own; the number of it is the run's *epoch*. A checkpoint *is* complete
//! exactly when its record stands. Every record carries the whole [`LogState`] behind it, so the last
//! one says everything.
//!
//! # Why a run that was replaced can do no harm
//!
//! A run knows the number behind its last record. Whoever replaced it put a claim there, for a claim goes
//! to the first free number. To append, the old run must put at exactly this number, finds it taken and
//! learns that it is fenced. So claims are never deleted: the next number of a fenced run is always a
//! claim.
//!
//! # Why old records can be deleted, and who finds the end
//!
//! Records of checkpoints are deleted once they are older than all retained ones, except every
//! [`MILESTONE`]th, and only below a milestone that is taken. So a free number is *fresh* (was never
//! taken) exactly if the next milestone is free: whoever was slow between looking for the end and
//! claiming, and claims a number that was freed meanwhile, sees the milestone above and goes on from
//! there. For the same reason the end is found by looking at milestones; a listing, which may be of
//! before, only says where to begin.
//!
//! # Replies that were lost
//!
//! Every record has a nonce. A put that finds its number taken by the very bytes it wanted to put was done
//! before. If even that cannot be found out, the append fails with an error of kind `External`, and the
//! record is *in doubt*: the next append finds it in its place, or replaces it.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId};
use flott_api::object::{ObjectStore, PutMode, PutOutcome};
use flott_api::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::codec::{FileKind, decode, encode};

/// Records at multiples of it are never deleted.
pub(super) const MILESTONE: u64 = 100;
/// How often a claim begins anew because the end of the log has moved.
const CLAIM_TRIES_MAX: u32 = 16;
/// Records that one call of [`OwnershipLog::trim`] looks at.
const TRIM_STEP: u32 = 4;
pub(super) const FOLDER: &str = "epochs/";
const RECORD: FileKind = FileKind { name: "log record", magic: *b"FLKL", version: 1 };

/// A run of a job: what claims its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Tells it from all others.
    pub nonce: String,
    /// Where it runs.
    pub host: String,
    /// The process.
    pub pid: u32,
}

/// As which job a run begins that goes on from no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// As none: it goes on from a snapshot elsewhere.
    Not,
    /// As this one, if there is no checkpoint here.
    Unless(JobId),
    /// As this one, whatever there is here.
    Anew(JobId),
}

/// A checkpoint that is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Its job.
    pub job: JobId,
    /// Which checkpoint.
    pub id: CheckpointId,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The number of its record.
    pub position: u64,
    /// The path of its manifest, in the directory of the job.
    pub path: String,
    /// The checksum at the end of the manifest.
    pub checksum: u32,
    /// Whether the job had read all of its input.
    pub finished: bool,
    /// When it became complete; milliseconds since the epoch of time.
    pub at_ms: i64,
}

/// A snapshot from elsewhere that the job was restored from and has made its own (`CLAIM`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedSnapshot {
    /// The path of our copy of its manifest: what the job owns of it.
    pub copy: String,
    /// The URI of its own manifest.
    pub original: String,
}

/// What the log says up to a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// The checkpoints that were retained, oldest first. Those at the begin whose manifest is missing have
    /// been retired since.
    pub retained: Vec<CheckpointRecord>,
    /// Snapshots from elsewhere that are owned and not yet deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<ClaimedSnapshot>,
    /// Jobs that have begun since the last complete checkpoint and are not settled. Nobody goes on from them; what their sinks
    /// have hidden is for the next run to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<JobId>,
    /// Below it no record is left that can be deleted.
    pub trimmed_below: u64,
}

impl LogState {
    /// What a run's claim says.
    fn claimed_by(&self, begins: Begins) -> Self {
        let mut state = self.clone();
        match begins {
            Begins::Unless(job) if state.retained.is_empty() => state.begun.push(job),
            Begins::Anew(job) => state.begun.push(job),
            Begins::Unless(_) | Begins::Not => {}
        }
        state
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogEntry {
    /// A run owns the directory from here on.
    Claim,
    /// A checkpoint is complete: the last of those retained.
    Checkpoint(CheckpointId),
    /// Jobs without a checkpoint need nobody to clean up for them: it is done, or they have a savepoint.
    Settled,
    /// The job is dropped.
    Dropped,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its number.
    pub position: u64,
    /// Makes its bytes its own.
    pub nonce: u64,
    /// Who wrote it.
    pub run: Run,
    /// The number of that run's claim.
    pub epoch: u64,
    /// When; milliseconds since the epoch of time.
    pub at_ms: i64,
    /// What it is for.
    pub entry: LogEntry,
    /// What the log says with it.
    pub state: LogState,
}

/// What is to be appended.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Checkpoint(CheckpointRecord, Option<ClaimedSnapshot>),
    Settled(Vec<JobId>),
    Dropped,
}

/// Reads a log.
#[derive(Clone)]
pub(super) struct LogReader {
    objects: Arc<dyn ObjectStore>,
    /// For messages.
    root: String,
}

/// The log, as the run that claimed it appends to it.
pub(super) struct OwnershipLog {
    reader: LogReader,
    environment: Environment,
    run: Run,
    epoch: u64,
    /// The number of the next record.
    next: u64,
    state: LogState,
    /// Records that were put at `next`, perhaps.
    in_doubt: Vec<(Bytes, LogState)>,
    fenced: bool,
}

/// What stands at a number.
pub(super) enum Found {
    Nothing,
    Record(Box<LogRecord>),
    Damaged(Error),
}

pub(super) fn record_path(position: u64) -> String {
    format!("{FOLDER}{position:020}")
}

pub(super) fn position_of(path: &str) -> Option<u64> {
    path.strip_prefix(FOLDER)?.parse().ok()
}

impl LogReader {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, root: &str) -> Self {
        LogReader { objects, root: root.to_owned() }
    }

    pub(super) async fn read(&self, position: u64) -> Result<Found> {
        let path = record_path(position);
        let Some(bytes) = self.objects.get(&path).await? else { return Ok(Found::Nothing) };
        match self.decode(position, &bytes) {
            Ok(record) => Ok(Found::Record(Box::new(record))),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Found::Damaged(error)),
            Err(error) => Err(error),
        }
    }

    fn decode(&self, position: u64, bytes: &[u8]) -> Result<LogRecord> {
        let path = format!("{}/{}", self.root, record_path(position));
        let record: LogRecord = decode(RECORD, &path, bytes)?;
        if record.position != position {
            return Err(Error::corrupt(format!("log record '{path}' is another one"))
                .with_detail(format!("It says that it has number {}.", record.position)));
        }
        Ok(record)
    }

    async fn exists(&self, position: u64) -> Result<bool> {
        Ok(self.objects.get(&record_path(position)).await?.is_some())
    }

    /// A number at or below the end, and near to it; 0 for an empty log.
    pub(super) async fn near_end(&self) -> Result<u64> {
        let listed = self.objects.list(FOLDER).await?;
        let last = listed.iter().filter_map(|o| position_of(&o.path)).max().unwrap_or(0);
        let (mut low, mut step) = (last / MILESTONE, 1);
        while self.exists((low + step) * MILESTONE).await? {
            low += step;
            step *= 2;
        }
        while step > 1 {
            step /= 2;
            if self.exists((low + step) * MILESTONE).await? {
                low += step;
            }
        }
        Ok(last.max(low * MILESTONE))
    }

    /// What the log says up to a record; damaged ones are passed by and told. Nothing if the record itself
    /// is gone.
    async fn state_at(&self, position: u64, damaged: &mut Vec<Error>) -> Result<Option<LogState>> {
        for number in (1..=position).rev() {
            match self.read(number).await? {
                Found::Record(record) => return Ok(Some(record.state)),
                Found::Damaged(error) => damaged.push(error),
                Found::Nothing if number == position => return Ok(None),
                Found::Nothing => {}
            }
        }
        Ok(Some(LogState::default()))
    }

    /// What the log says, without claiming it.
    pub(super) async fn state(&self, damaged: &mut Vec<Error>) -> Result<LogState> {
        let mut position = self.near_end().await?;
        let mut state = self.state_at(position, damaged).await?.unwrap_or_default();
        loop {
            position += 1;
            match self.read(position).await? {
                Found::Record(record) => state = record.state,
                Found::Damaged(error) => damaged.push(error),
                Found::Nothing => return Ok(state),
            }
        }
    }
}

impl OwnershipLog {
    /// Claims the log for a run. Also gives damaged records that were passed by.
    pub(super) async fn claim(
        reader: LogReader,
        environment: Environment,
        (run, begins): (Run, Begins),
    ) -> Result<(Self, Vec<Error>)> {
        let mut log = OwnershipLog {
            reader,
            environment,
            run,
            epoch: 0,
            next: 1,
            state: LogState::default(),
            in_doubt: Vec::new(),
            fenced: false,
        };
        for _ in 0..CLAIM_TRIES_MAX {
            let mut damaged = Vec::new();
            if log.try_claim(begins, &mut damaged).await? {
                return Ok((log, damaged));
            }
        }
        Err(Error::new(
            ErrorKind::External { retry: true },
            format!("checkpoint directory '{}' could not be claimed", log.reader.root),
        )
        .with_detail("Others claimed it or wrote to it all the time."))
    }

    /// Whether it is claimed; if not, the end was further on.
    async fn try_claim(&mut self, begins: Begins, damaged: &mut Vec<Error>) -> Result<bool> {
        let end = self.reader.near_end().await?;
        let Some(state) = self.reader.state_at(end, damaged).await? else { return Ok(false) };
        self.state = state;
        self.next = end + 1;
        loop {
            self.epoch = self.next;
            let claimed = self.state.claimed_by(begins);
            let record = self.record(LogEntry::Claim, claimed.clone());
            if self.put(&encode(RECORD, &record)?).await? {
                self.state = claimed;
                break;
            }
            match self.reader.read(self.next).await? {
                Found::Record(other) => self.state = other.state,
                Found::Damaged(error) => damaged.push(error),
                Found::Nothing => return Ok(false),
            }
            self.next += 1;
        }
        if self.is_behind_the_end().await? {
            self.reader.objects.delete(&record_path(self.next)).await?;
            return Ok(false);
        }
        self.next += 1;
        Ok(true)
    }

    /// Whether the number that was just taken had been freed: the milestone above is taken.
    async fn is_behind_the_end(&self) -> Result<bool> {
        let milestone = self.next.next_multiple_of(MILESTONE);
        Ok(milestone != self.next && self.reader.exists(milestone).await?)
    }

    fn record(&self, entry: LogEntry, state: LogState) -> LogRecord {
        LogRecord {
            position: self.next,
            nonce: self.environment.rng.next_u64(),
            run: self.run.clone(),
            epoch: self.epoch,
            at_ms: self.environment.clock.now_ms(),
            entry,
            state,
        }
    }

    /// Whether the record stands at the next number now.
    async fn put(&self, bytes: &Bytes) -> Result<bool> {
        let path = record_path(self.next);
        Ok(self.reader.objects.put(&path, bytes.clone(), PutMode::Create).await? == PutOutcome::Stored)
    }

    /// From now on records are read and put through another store.
    #[cfg(test)]
    pub(super) fn read_through(&mut self, reader: LogReader) {
        self.reader = reader;
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the log says, as far as this run knows.
    pub(super) fn state(&self) -> &LogState {
        &self.state
    }

    /// What the next record will say besides its own.
    pub(super) fn state_mut(&mut self) -> &mut LogState {
        &mut self.state
    }

    /// # Errors
    /// If it is known that another run owns the directory.
    pub(super) fn check_owned(&self) -> Result<()> {
        if self.fenced {
            return Err(Error::new(ErrorKind::Fenced, format!("another run owns '{}'", self.reader.root)));
        }
        Ok(())
    }

    /// Appends a record. One that was in doubt and turns out to stand is part of the state then, before it.
    pub(super) async fn append(&mut self, change: Change) -> Result<()> {
        loop {
            self.check_owned()?;
            if self.stands(&change) {
                return Ok(());
            }
            let (entry, state) = self.apply(&change);
            let bytes = encode(RECORD, &self.record(entry, state.clone()))?;
            // In doubt until the put has answered: the caller may also drop this future.
            self.in_doubt.push((bytes.clone(), state.clone()));
            if self.put(&bytes).await? {
                self.advance(state);
                return Ok(());
            }
            self.settle().await?;
        }
    }

    /// Whether the record is there already: the caller may try again what was in doubt.
    fn stands(&self, change: &Change) -> bool {
        let Change::Checkpoint(record, _) = change else { return false };
        self.state.retained.iter().any(|r| r.path == record.path)
    }

    fn apply(&self, change: &Change) -> (LogEntry, LogState) {
        match change {
            Change::Checkpoint(record, claimed) => {
                let mut state = self.state.clone();
                state.retained.push(CheckpointRecord { position: self.next, ..record.clone() });
                state.begun.clear();
                state.claimed.extend(claimed.iter().filter(|c| !self.state.claimed.contains(c)).cloned());
                (LogEntry::Checkpoint(record.id), state)
            }
            Change::Settled(jobs) => {
                let mut state = self.state.clone();
                state.begun.retain(|begun| !jobs.contains(begun));
                (LogEntry::Settled, state)
            }
            Change::Dropped => {
                (LogEntry::Dropped, LogState { retained: Vec::new(), begun: Vec::new(), ..self.state.clone() })
            }
        }
    }

    fn advance(&mut self, state: LogState) {
        self.state = state;
        self.next += 1;
        self.in_doubt.clear();
    }

    /// The next number is taken: by a record of ours that was in doubt, or by who owns the directory now.
    async fn settle(&mut self) -> Result<()> {
        let Some(found) = self.reader.objects.get(&record_path(self.next)).await? else {
            return Err(Error::internal(format!("log record {} of '{}' vanished", self.next, self.reader.root)));
        };
        if let Some(at) = self.in_doubt.iter().position(|(bytes, _)| *bytes == found) {
            let (_, state) = self.in_doubt.swap_remove(at);
            self.advance(state);
            return Ok(());
        }
        self.fenced = true;
        Err(self.fenced_by(&found))
    }

    fn fenced_by(&self, found: &[u8]) -> Error {
        let error = |who: String| Error::new(ErrorKind::Fenced, format!("{who} took over '{}'", self.reader.root));
        match self.reader.decode(self.next, found) {
            Ok(other) => {
                error(format!("the run '{}' on host '{}' (pid {})", other.run.nonce, other.run.host, other.run.pid))
                    .with_detail(format!(
                        "Its claim is of {} ms after 1970, and has number {}.",
                        other.at_ms, other.epoch
                    ))
            }
            Err(damage) => error("another run".to_owned()).with_source(damage),
        }
    }

    /// Deletes a few records that nobody needs, or finds that they are none.
    pub(super) async fn trim(&mut self) -> Result<()> {
        self.check_owned()?;
        let milestone = (self.next - 1) / MILESTONE * MILESTONE;
        let oldest = self.state.retained.first().map_or(0, |r| r.position);
        for _ in 0..TRIM_STEP {
            let position = self.state.trimmed_below;
            if position >= milestone.min(oldest) {
                break;
            }
            if !position.is_multiple_of(MILESTONE) && self.is_checkpoint(position).await? {
                self.reader.objects.delete(&record_path(position)).await?;
            }
            self.state.trimmed_below += 1;
        }
        Ok(())
    }

    async fn is_checkpoint(&self, position: u64) -> Result<bool> {
        // Behind our claim there is nobody's record but ours.
        if position > self.epoch {
            return Ok(true);
        }
        let found = self.reader.read(position).await?;
        Ok(matches!(found, Found::Record(record) if matches!(record.entry, LogEntry::Checkpoint(_))))
    }

    /// Whether all claims of the log are by this run, so that no other can be left that they fence.
    pub(super) async fn is_alone(&self) -> Result<bool> {
        for object in self.reader.objects.list(FOLDER).await? {
            let Some(position) = position_of(&object.path) else { continue };
            if let Found::Record(record) = self.reader.read(position).await?
                && record.run != self.run
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
