//! What is deleted in the directory of a job, and when: checkpoints beyond those retained, files that no
//! checkpoint names, and what dead runs left behind.
//!
//! Manifests go before the files that they name, so a process that dies in between leaves files that
//! nothing names, and never a name of nothing. Such orphans are found after the next claim. Files
//! elsewhere (of another job, of a savepoint) are deleted only if their snapshot was claimed, which the
//! log says.

use std::collections::BTreeSet;

use flott_api::{BoxFuture, ErrorKind, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::codec::decode_manifest;
use super::directory::{CheckpointDirectory, Files, SHARED};
use super::location::is_uri;
use super::log::{Change, CheckpointRecord, ClaimedSnapshot, FOLDER};

/// Deletes at the same time.
const DELETES_MAX: usize = 16;

impl CheckpointDirectory {
    /// Retires all checkpoints but the newest `keep` (at least one), once this run has completed one, and
    /// deletes the files that nothing names any more: those of retired checkpoints, and `discarded`, which
    /// the stores have said they no longer use. `protected` are files that somebody needs although no
    /// checkpoint names them (yet).
    ///
    /// # Errors
    /// If the store fails; the next call goes on.
    pub async fn retire(&mut self, keep: usize, discarded: Vec<String>, protected: &BTreeSet<String>) -> Result<()> {
        self.log()?;
        for path in discarded {
            let name = self.routing.name_of(&path)?;
            self.candidates.insert(name);
        }
        self.read_files().await?;
        let surplus = self.surplus(keep)?;
        for index in 0..surplus {
            if let Files::Known(files) = &self.held[index].files {
                self.candidates.extend(files.iter().cloned());
            }
        }
        for _ in 0..surplus {
            self.objects.delete(&self.held[0].record.path).await?;
            self.held.remove(0);
            self.log_retained()?;
        }
        self.release_claimed().await?;
        self.delete_candidates(protected).await?;
        self.forget_claimed().await?;
        self.log()?.trim().await
    }

    /// How many are too many. None before this run has completed one: of those from before it is not said
    /// that the newest is good.
    fn surplus(&mut self, keep: usize) -> Result<usize> {
        let epoch = self.epoch()?;
        let is_own = self.held.last().is_some_and(|h| h.record.epoch == epoch);
        Ok(if is_own { self.held.len().saturating_sub(keep.max(1)) } else { 0 })
    }

    /// Tells the log which checkpoints are retained now.
    fn log_retained(&mut self) -> Result<()> {
        let retained = self.retained();
        self.log()?.state_mut().retained = retained;
        Ok(())
    }

    /// The checkpoints that are retained, oldest first.
    pub fn retained(&self) -> Vec<CheckpointRecord> {
        self.held.iter().map(|h| h.record.clone()).collect()
    }

    /// Learns which files the retained checkpoints and claimed snapshots name. Those at the begin without
    /// a manifest were being retired when a run died.
    async fn read_files(&mut self) -> Result<()> {
        for index in 0..self.held.len() {
            if matches!(self.held[index].files, Files::Unread) {
                self.held[index].files = self.files_of(&self.held[index].record.clone()).await?;
            }
        }
        let gone = self.held.iter().take_while(|h| matches!(h.files, Files::Missing)).count();
        if gone < self.held.len() {
            self.held.drain(..gone);
            self.log_retained()?;
        }
        for claimed in self.claimed()? {
            if !self.owned.contains_key(&claimed.copy) {
                let files = self.files_of_claimed(&claimed).await?;
                self.owned.insert(claimed.copy, files);
            }
        }
        Ok(())
    }

    async fn files_of(&self, record: &CheckpointRecord) -> Result<Files> {
        if self.objects.get_ranges(&record.path, std::slice::from_ref(&(0..1))).await?.is_none() {
            return Ok(Files::Missing);
        }
        match self.read(record).await {
            Ok(manifest) => Ok(Files::Known(self.names(&manifest)?)),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Files::Damaged),
            Err(error) => Err(error),
        }
    }

    fn claimed(&mut self) -> Result<Vec<ClaimedSnapshot>> {
        Ok(self.log()?.state().claimed.clone())
    }

    /// Nothing if the copy is gone: then all else is.
    async fn files_of_claimed(&self, claimed: &ClaimedSnapshot) -> Result<BTreeSet<String>> {
        let Some(bytes) = self.objects.get(&claimed.copy).await? else { return Ok(BTreeSet::new()) };
        match decode_manifest(&self.routing.uri(&claimed.copy), &bytes) {
            Ok(manifest) => self.names(&manifest),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::warn!(%error, snapshot = claimed.original, "the files of a claimed snapshot will not be deleted");
                Ok(BTreeSet::new())
            }
            Err(error) => Err(error),
        }
    }

    /// A claimed snapshot has been followed by a checkpoint: it is no snapshot any more, only files.
    async fn release_claimed(&mut self) -> Result<()> {
        for claimed in self.claimed()? {
            self.objects.delete(&claimed.original).await?;
            self.candidates.extend(self.owned.get(&claimed.copy).into_iter().flatten().cloned());
        }
        Ok(())
    }

    /// Forgets claimed snapshots all of whose files are deleted.
    async fn forget_claimed(&mut self) -> Result<()> {
        let named = self.named();
        for claimed in self.claimed()? {
            let files = self.owned.get(&claimed.copy);
            let needed = files.into_iter().flatten().any(|f| named.contains(f) || self.candidates.contains(f));
            if !needed && !self.is_any_damaged() {
                self.objects.delete(&claimed.copy).await?;
                self.owned.remove(&claimed.copy);
                self.log()?.state_mut().claimed.retain(|c| *c != claimed);
            }
        }
        Ok(())
    }

    /// All files that a checkpoint names which is complete, or may be.
    fn named(&self) -> BTreeSet<String> {
        let all = self.held.iter().chain(&self.in_doubt);
        let known = all.filter_map(|h| if let Files::Known(files) = &h.files { Some(files) } else { None });
        known.flatten().cloned().collect()
    }

    fn is_any_damaged(&self) -> bool {
        self.held.iter().any(|h| matches!(h.files, Files::Damaged | Files::Missing))
    }

    /// While a retained checkpoint is damaged, nobody knows what it names: nothing is deleted then.
    async fn delete_candidates(&mut self, protected: &BTreeSet<String>) -> Result<()> {
        if self.is_any_damaged() {
            return Ok(());
        }
        let (kept, unneeded) = self.sort_candidates(protected)?;
        self.delete_all(&unneeded).await?;
        self.candidates = kept;
        Ok(())
    }

    /// The candidates that must stay for now, and those that can go.
    fn sort_candidates(&mut self, protected: &BTreeSet<String>) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let claimed = self.claimed()?;
        let owned: Vec<_> = claimed.iter().filter_map(|c| self.owned.get(&c.copy)).collect();
        let is_ours = |name: &String| !is_uri(name) || owned.iter().any(|files| files.contains(name));
        // What a checkpoint names comes back when that one is retired.
        let named = self.named();
        let left = self.candidates.iter().filter(|f| !named.contains(*f) && is_ours(f)).cloned();
        let protected = self.names_of(protected)?;
        Ok(left.partition(|f| protected.contains(f)))
    }

    fn names_of(&self, paths: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        paths.iter().map(|path| self.routing.name_of(path)).collect()
    }

    async fn delete_all(&self, names: &BTreeSet<String>) -> Result<()> {
        let deletes: Vec<BoxFuture<'_, Result<()>>> = names.iter().map(|name| self.objects.delete(name)).collect();
        stream::iter(deletes).buffer_unordered(DELETES_MAX).try_collect::<()>().await
    }

    /// Deletes what runs before this one left: state files of older epochs that no checkpoint names, and
    /// manifests without a record. Called once, after the claim; gives what was deleted. While a retained
    /// checkpoint or a record is damaged, nothing is. If the job was restored from a snapshot in this very
    /// directory that is not retained, its files must be `protected`.
    ///
    /// # Errors
    /// If the store fails; the next claim goes on.
    pub async fn remove_orphans(&mut self, protected: &BTreeSet<String>) -> Result<Vec<String>> {
        let epoch = self.epoch()?;
        self.read_files().await?;
        if self.is_any_damaged() || !self.log_damage.is_empty() {
            return Ok(Vec::new());
        }
        let mut needed = self.named();
        needed.extend(self.names_of(protected)?);
        needed.extend(self.held.iter().chain(&self.in_doubt).map(|h| h.record.path.clone()));
        needed.extend(self.claimed()?.into_iter().map(|c| c.copy));
        let mut orphans = BTreeSet::new();
        for prefix in ["chk-", "claimed/", SHARED] {
            for object in self.objects.list(prefix).await? {
                if !needed.contains(&object.path) && self.epoch_of(&object.path).await?.is_some_and(|e| e < epoch) {
                    orphans.insert(object.path);
                }
            }
        }
        self.delete_all(&orphans).await?;
        Ok(orphans.into_iter().collect())
    }

    /// The epoch in which an object was written. A manifest without a record can be one of a newer run,
    /// which has fenced this one and is about to put the record.
    async fn epoch_of(&self, name: &str) -> Result<Option<u64>> {
        if !name.starts_with("chk-") {
            return Ok(name.split('/').nth(1).and_then(|epoch| epoch.parse().ok()));
        }
        let Some(bytes) = self.objects.get(name).await? else { return Ok(None) };
        match decode_manifest(name, &bytes) {
            Ok(manifest) => Ok(Some(manifest.epoch)),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the job: its checkpoints, its files, and what it claimed elsewhere. The log goes too if no
    /// other run has ever claimed the directory; otherwise it stays, so that such a run is fenced if it
    /// still lives.
    ///
    /// # Errors
    /// If the store fails. Then the job may already have no checkpoint, and whoever claims the directory
    /// next can call this again.
    pub async fn drop_job(&mut self) -> Result<()> {
        self.read_files().await?;
        self.log()?.append(Change::Dropped).await?;
        self.in_doubt.clear();
        self.held.clear();
        for claimed in self.claimed()? {
            self.objects.delete(&claimed.original).await?;
        }
        let elsewhere = self.owned.values().flatten().filter(|name| is_uri(name)).cloned().collect();
        self.delete_all(&elsewhere).await?;
        let all: Vec<String> = self.objects.list("").await?.into_iter().map(|o| o.path).collect();
        // What the job owns elsewhere is known until all of that is deleted.
        let (copies, others) =
            all.into_iter().filter(|p| !p.starts_with(FOLDER)).partition(|p| p.starts_with("claimed/"));
        self.delete_all(&others).await?;
        self.delete_all(&copies).await?;
        if self.log()?.is_alone().await? {
            // Ascending and one by one: the last record says until the end that there is nothing.
            for object in self.objects.list(FOLDER).await? {
                self.objects.delete(&object.path).await?;
            }
        }
        Ok(())
    }
}
