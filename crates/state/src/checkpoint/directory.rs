//! The directory of a job on object storage: who owns it, which checkpoints it has, and how one is
//! completed and read back.
//!
//! ```text
//! <execution.checkpointing.dir>/<job key>/
//!     epochs/<20 digits>          the log of owners and checkpoints (`log`)
//!     chk-<id>/_metadata          the manifest of a checkpoint
//!     shared/<epoch>/...          state files, named by manifests
//!     claimed/<epoch>/_metadata   copy of the manifest of a snapshot that was claimed
//! ```
//!
//! A checkpoint is complete exactly when its record stands in the log. Its manifest is put before, under
//! a name that nobody has; the record tells name and checksum. What is read back is checked against the
//! record, and the files that it names must be there: a damaged checkpoint is passed by, loudly, and the
//! next older one is taken. What is no longer needed is deleted in `retention`.
//!
//! A run that was replaced and does not know it yet can delete only what was retired or orphaned before
//! it was replaced; it deletes no file of a newer epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::JobId;
use flott_api::object::{ObjectStore, PutMode, PutOutcome};
use flott_api::{Error, ErrorKind, Result};

use super::codec::{checksum, decode_manifest, encode_manifest};
use super::in_flight;
use super::location::{is_uri, parent};
use super::log::{Begins, Change, CheckpointRecord, ClaimedSnapshot, LogReader, OwnershipLog, Run};
use super::manifest::Manifest;
use super::retrying::RetryingObjects;
use super::routing::RoutingObjects;
use super::savepoint::Snapshot;

pub(super) const SHARED: &str = "shared/";
pub(super) const METADATA: &str = "_metadata";

/// What a run learns when it claims a directory.
#[derive(Debug)]
pub struct Claimed {
    /// The run's epoch: the first part of the paths of its state files.
    pub epoch: u64,
    /// The newest complete checkpoint.
    pub latest: Option<CheckpointRecord>,
    /// All checkpoints that are retained, oldest first.
    pub retained: Vec<CheckpointRecord>,
    /// Jobs that have begun since the newest complete checkpoint, this run's own included if it begins as one.
    pub begun: Vec<JobId>,
    /// Records of the log that are damaged and were passed by.
    pub damaged: Vec<Error>,
}

/// The checkpoint to restore from.
#[derive(Debug)]
pub struct GoodCheckpoint {
    /// Its record.
    pub record: CheckpointRecord,
    /// What it consists of.
    pub manifest: Manifest,
    /// What is wrong with newer ones. The user must be told.
    pub damaged: Vec<Error>,
}

/// A checkpoint that is retained.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) record: CheckpointRecord,
    pub(super) files: Files,
}

/// The files that a manifest names, each by its one name.
#[derive(Clone, Debug)]
pub(super) enum Files {
    /// Not read yet.
    Unread,
    Known(BTreeSet<String>),
    /// The manifest is damaged.
    Damaged,
    /// There is no manifest.
    Missing,
}

/// The directory of a job.
pub struct CheckpointDirectory {
    /// With retries.
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) routing: Arc<RoutingObjects>,
    environment: Environment,
    log: Option<OwnershipLog>,
    /// By age, oldest first; the same as in the log's state.
    pub(super) held: Vec<Held>,
    /// Checkpoints of which it is not known whether their record stands.
    pub(super) in_doubt: Vec<Held>,
    /// Damaged records of the log.
    pub(super) log_damage: Vec<String>,
    /// Files that go as soon as nothing names them.
    pub(super) candidates: BTreeSet<String>,
    /// Files elsewhere that are ours, by the copy of the manifest that says so.
    pub(super) owned: BTreeMap<String, BTreeSet<String>>,
    /// A claimed snapshot that the next checkpoint takes over.
    adopted: Option<ClaimedSnapshot>,
}

impl std::fmt::Debug for CheckpointDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckpointDirectory").field("root", &self.routing.root()).field("held", &self.held).finish()
    }
}

impl CheckpointDirectory {
    /// The directory whose files `routing` finds. Touches nothing.
    pub fn new(routing: Arc<RoutingObjects>, environment: &Environment) -> Self {
        let objects = RetryingObjects::new(Arc::clone(&routing) as _, Arc::clone(&environment.clock));
        CheckpointDirectory {
            objects,
            routing,
            environment: environment.clone(),
            log: None,
            held: Vec::new(),
            in_doubt: Vec::new(),
            log_damage: Vec::new(),
            candidates: BTreeSet::new(),
            owned: BTreeMap::new(),
            adopted: None,
        }
    }

    /// Its files.
    pub fn routing(&self) -> &Arc<RoutingObjects> {
        &self.routing
    }

    /// Makes `run` the owner. Whoever was it before is fenced from now on.
    ///
    /// # Errors
    /// If the store fails, or a newer Flott wrote the log.
    pub async fn claim(&mut self, run: Run, begins: Begins) -> Result<Claimed> {
        let reader = LogReader::new(Arc::clone(&self.objects), self.routing.root());
        let (log, damaged) = OwnershipLog::claim(reader, self.environment.clone(), (run, begins)).await?;
        *self = CheckpointDirectory::new(Arc::clone(&self.routing), &self.environment);
        let (retained, begun) = (log.state().retained.clone(), log.state().begun.clone());
        self.held = retained.iter().map(|r| Held { record: r.clone(), files: Files::Unread }).collect();
        self.log_damage = damaged.iter().map(|e| e.message().to_owned()).collect();
        let epoch = log.epoch();
        self.log = Some(log);
        Ok(Claimed { epoch, latest: retained.last().cloned(), retained, begun, damaged })
    }

    /// The log, if this is its owner.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn log(&mut self) -> Result<&mut OwnershipLog> {
        let log = self.log.as_mut().ok_or_else(|| Error::internal("the checkpoint directory is not claimed"))?;
        log.check_owned()?;
        Ok(log)
    }

    /// The epoch of this run.
    pub(super) fn epoch(&mut self) -> Result<u64> {
        Ok(self.log()?.epoch())
    }

    /// Completes a checkpoint: from the moment that this answers, a restore finds it.
    ///
    /// # Errors
    /// `Fenced` if another run owns the directory. After any other error it is not known whether the
    /// checkpoint is complete: the next call that completes one finds out, and a restore does.
    pub async fn complete(&mut self, manifest: &Manifest) -> Result<CheckpointRecord> {
        let epoch = self.epoch()?;
        if manifest.epoch != epoch {
            return Err(Error::internal(format!("a manifest of epoch {} is completed in {epoch}", manifest.epoch)));
        }
        let files = self.names(manifest)?;
        let bytes = encode_manifest(manifest)?;
        let path = self.put_manifest(manifest, &bytes).await?;
        let record = CheckpointRecord {
            job: manifest.job,
            id: manifest.checkpoint,
            epoch,
            position: 0,
            path,
            checksum: checksum(&bytes),
            finished: manifest.finished,
            at_ms: self.environment.clock.now_ms(),
        };
        self.in_doubt.push(Held { record: record.clone(), files: Files::Known(files) });
        let change = Change::Checkpoint(record, self.adopted.clone());
        self.log()?.append(change).await?;
        self.settle()
    }

    /// Nobody has to clean up for these jobs, which have begun and have no checkpoint: it is done, or somebody may go on from
    /// their savepoint.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn settled(&mut self, jobs: &[JobId]) -> Result<()> {
        if !self.log()?.state().begun.iter().any(|job| jobs.contains(job)) {
            return Ok(());
        }
        self.log()?.append(Change::Settled(jobs.to_vec())).await?;
        self.sort_doubted().map(drop)
    }

    /// A checkpoint is complete.
    fn settle(&mut self) -> Result<CheckpointRecord> {
        let retained = self.sort_doubted()?;
        self.adopted = None;
        retained.last().cloned().ok_or_else(|| Error::internal("a checkpoint was completed and is not there"))
    }

    /// Sorts what was in doubt, after an append; gives the checkpoints that are retained.
    fn sort_doubted(&mut self) -> Result<Vec<CheckpointRecord>> {
        let retained = self.log()?.state().retained.clone();
        let mut doubted = std::mem::take(&mut self.in_doubt);
        for record in &retained {
            if self.held.iter().any(|h| h.record.position == record.position) {
                continue;
            }
            let at = doubted.iter().position(|h| h.record.path == record.path);
            let files = at.map_or(Files::Unread, |at| doubted.swap_remove(at).files);
            doubted.retain(|h| h.record.path != record.path);
            self.held.push(Held { record: record.clone(), files });
        }
        // Their records will never stand.
        self.candidates.extend(doubted.into_iter().map(|h| h.record.path));
        Ok(retained)
    }

    /// Puts a manifest under a name that is free; an attempt before may have died behind this.
    async fn put_manifest(&self, manifest: &Manifest, bytes: &Bytes) -> Result<String> {
        let usual = format!("chk-{}/{METADATA}", manifest.checkpoint.0);
        for path in [usual.clone(), format!("{usual}-{}", manifest.epoch)] {
            if self.objects.put(&path, bytes.clone(), PutMode::Create).await? == PutOutcome::Stored {
                return Ok(path);
            }
        }
        let id = manifest.checkpoint.0;
        Err(Error::internal(format!("checkpoint {id} is completed twice by the same run, with other content")))
    }

    /// Reads a checkpoint, and checks that it is the one of the record.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged, missing or another one.
    pub async fn read(&self, record: &CheckpointRecord) -> Result<Manifest> {
        let path = self.routing.uri(&record.path);
        let Some(bytes) = self.objects.get(&record.path).await? else {
            return Err(Error::corrupt(format!("checkpoint manifest '{path}' is missing")));
        };
        let manifest = decode_manifest(&path, &bytes)?;
        let same = (manifest.job, manifest.checkpoint, manifest.epoch) == (record.job, record.id, record.epoch);
        if !same || checksum(&bytes) != record.checksum {
            return Err(Error::corrupt(format!("checkpoint manifest '{path}' is another one")).with_detail(format!(
                "It is of checkpoint {} of job {}, or has other content, and should be of checkpoint {} of job {}.",
                manifest.checkpoint.0, manifest.job, record.id.0, record.job
            )));
        }
        Ok(manifest)
    }

    /// Checks that all files of a manifest exist and have their size. What is in state files is checked when
    /// they are read; rows under way, all of which a restore needs at once, are read and checked here.
    ///
    /// # Errors
    /// `Corrupt`, naming the first that is missing, damaged or has another size.
    pub async fn verify(&self, manifest: &Manifest) -> Result<()> {
        let broken = check_files(self.objects.as_ref(), &self.routing, manifest.sized_files()).await?;
        if let Some(broken) = broken.into_iter().next() {
            return Err(broken.error);
        }
        for in_flight in manifest.in_flight() {
            let Some(path) = in_flight.file() else { continue };
            in_flight::read(self.objects.as_ref(), &self.routing.uri(path), in_flight).await?;
        }
        Ok(())
    }

    /// The newest checkpoint that is whole, with all its files; nothing if there never was one.
    ///
    /// # Errors
    /// `Corrupt` if there are checkpoints and all are damaged.
    pub async fn latest_good(&mut self) -> Result<Option<GoodCheckpoint>> {
        self.log()?;
        let mut damaged: Vec<Error> = self.log_damage.iter().map(Error::corrupt).collect();
        for held in self.held.iter().rev() {
            match self.read_whole(&held.record).await {
                Ok(manifest) => return Ok(Some(GoodCheckpoint { record: held.record.clone(), manifest, damaged })),
                Err(error) if error.kind() == ErrorKind::Corrupt => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        if damaged.is_empty() {
            return Ok(None);
        }
        let all: Vec<&str> = damaged.iter().map(Error::message).collect();
        Err(Error::corrupt(format!("no checkpoint in '{}' can be read", self.routing.root()))
            .with_detail(format!("Newest first: {}.", all.join("; ")))
            .with_hint("Start from a savepoint, or delete the directory to start from nothing."))
    }

    async fn read_whole(&self, record: &CheckpointRecord) -> Result<Manifest> {
        let manifest = self.read(record).await?;
        let context = |e: Error| e.context(format_args!("checkpoint {}", record.id.0));
        self.verify(&manifest).await.map_err(context)?;
        Ok(manifest)
    }

    /// Makes a snapshot from elsewhere the job's own (`CLAIM`), together with the next checkpoint that is
    /// completed: it is deleted as soon as no checkpoint needs its files.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn adopt(&mut self, snapshot: &Snapshot) -> Result<()> {
        let copy = format!("claimed/{:020}/{METADATA}", self.epoch()?);
        let bytes = encode_manifest(&snapshot.manifest.rebased(&snapshot.root))?;
        self.objects.put(&copy, bytes, PutMode::Overwrite).await?;
        self.owned.insert(copy.clone(), self.names(&snapshot.manifest.rebased(&snapshot.root))?);
        self.adopted = Some(ClaimedSnapshot { copy, original: snapshot.metadata.clone() });
        Ok(())
    }

    /// The files of a manifest that are not the job's own: neither in its directory nor claimed.
    ///
    /// # Errors
    /// If a URI has no store.
    pub fn borrowed(&self, manifest: &Manifest) -> Result<BTreeSet<String>> {
        let mut names = self.names(manifest)?;
        names.retain(|name| is_uri(name) && self.owned.values().all(|files| !files.contains(name)));
        Ok(names)
    }

    pub(super) fn names(&self, manifest: &Manifest) -> Result<BTreeSet<String>> {
        manifest.files().map(|path| self.routing.name_of(path)).collect()
    }
}

/// A file that is not as a manifest says.
pub(super) struct BrokenFile {
    pub(super) name: String,
    pub(super) missing: bool,
    pub(super) error: Error,
}

/// Those of `files` that are missing or have another size.
pub(super) async fn check_files<'a>(
    objects: &dyn ObjectStore,
    routing: &RoutingObjects,
    files: impl Iterator<Item = (&'a str, u64)>,
) -> Result<Vec<BrokenFile>> {
    let wanted = files.map(|(path, size)| Ok((routing.name_of(path)?, size))).collect::<Result<BTreeMap<_, _>>>()?;
    let mut listed = BTreeMap::new();
    for folder in wanted.keys().map(|name| folder_of(name)).collect::<BTreeSet<_>>() {
        listed.extend(objects.list(&folder).await?.into_iter().map(|o| (o.path, o.size)));
    }
    let mut broken = Vec::new();
    for (name, size) in wanted {
        let uri = routing.uri(&name);
        match listed.get(&name) {
            Some(found) if *found == size => {}
            Some(found) => {
                let error = Error::corrupt(format!("state file '{uri}' has {found} bytes instead of {size}"));
                broken.push(BrokenFile { name, missing: false, error });
            }
            // A listing may be of before.
            None if objects.get_ranges(&name, std::slice::from_ref(&(0..1))).await?.is_some() => {}
            None => {
                let error = Error::corrupt(format!("state file '{uri}' is missing"));
                broken.push(BrokenFile { name, missing: true, error });
            }
        }
    }
    Ok(broken)
}

/// What to list to find a file: all state files of the job at once.
fn folder_of(name: &str) -> String {
    if name.starts_with(SHARED) { SHARED.to_owned() } else { format!("{}/", parent(name)) }
}

#[cfg(test)]
mod tests;
