//! Makes finished files visible by renaming them, replaces what was there for `INSERT OVERWRITE`, and completes
//! partitions.
//!
//! Everything may be done twice, by a later process or by two at once: a file that has its name already is published, a
//! success file that is there is as good as new. The committer remembers nothing that is not also in the files' names or
//! in the committables.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer};
use flott_api::{Error, Result};

use super::blocking::{self, io_error};
use super::committable::{Moment, Payload, PendingFile};
use super::names::{FileStem, name_of};
use super::partition_commit::{Place, Waiting};
use super::sink::Shared;

/// Commits.
pub(super) struct FileCommitter {
    shared: Arc<Shared>,
    environment: Environment,
    /// How the files of this sink are called; known from `recover` or the first committables on.
    stem: Option<FileStem>,
    waiting: Waiting,
    /// Whether this process has committed files.
    committed: bool,
}

impl FileCommitter {
    /// A committer of one table.
    pub(super) fn new(shared: Arc<Shared>, environment: Environment) -> Self {
        FileCommitter { shared, environment, stem: None, waiting: Waiting::default(), committed: false }
    }

    fn work(&self) -> Work {
        Work { shared: self.shared.clone(), environment: self.environment.clone(), stem: self.stem.clone() }
    }
}

/// What blocking work needs.
struct Work {
    shared: Arc<Shared>,
    environment: Environment,
    stem: Option<FileStem>,
}

/// The committables of a checkpoint.
#[derive(Default)]
struct Prepared {
    files: Vec<PendingFile>,
    moments: Vec<Moment>,
}

impl Prepared {
    fn read(committables: &[Committable]) -> Result<Self> {
        let mut prepared = Prepared::default();
        for committable in committables {
            match Payload::decode(committable)? {
                Payload::File(file) => prepared.files.push(file),
                Payload::Moment(moment) => prepared.moments.push(moment),
            }
        }
        Ok(prepared)
    }

    /// The latest clock and the lowest watermark. Committables without a moment have no watermark.
    fn moment(&self, now_ms: i64) -> Moment {
        let now_ms = self.moments.iter().map(|m| m.now_ms).max().unwrap_or(now_ms);
        Moment { now_ms, watermark_ms: self.moments.iter().map(|m| m.watermark_ms).min().unwrap_or(i64::MIN) }
    }

    fn folders(&self) -> Vec<&str> {
        let folders: BTreeSet<&str> = self.files.iter().map(|f| f.folder.as_str()).collect();
        folders.into_iter().collect()
    }
}

impl Work {
    fn base(&self) -> &str {
        self.shared.options.path.trim_end_matches('/')
    }

    /// What completing partitions needs, if the table's partitions are committed.
    fn place(&self) -> Result<Option<Place<'_>>> {
        let Some(commit) = self.shared.partition_commit() else { return Ok(None) };
        let stem = self.stem.as_ref().ok_or_else(|| Error::internal("a committer of files does not know its job"))?;
        let keys = &self.shared.partition_keys;
        Ok(Some(Place { environment: &self.environment, base: self.base(), keys, commit, stem }))
    }

    /// Deletes what earlier attempts have begun and no checkpoint knows, and finds the partitions that they left waiting.
    fn recover(&self, known: &Prepared) -> Result<Waiting> {
        let mut waiting = Waiting::default();
        let Some(stem) = &self.stem else { return Ok(waiting) };
        let path = &self.shared.options.path;
        let (files, inside) = self.environment.files.resolve(path)?;
        // Names are unique, and the same whichever way the path is written.
        let known: BTreeSet<&str> = known.files.iter().map(|f| name_of(&f.from)).collect();
        for file in files.list_hidden(&inside).map_err(|e| io_error("list", path, e))? {
            if stem.is_inprogress(&file.path) && !known.contains(name_of(&file.path)) {
                files.delete(&file.path).map_err(|e| io_error("delete", &file.path, e))?;
                tracing::info!("file '{}' of an earlier attempt is in no checkpoint, and was deleted", file.path);
            }
            if let Some(since_ms) = stem.marked_since(&file.path) {
                waiting.restore(folder_of(&file.path, &inside), since_ms);
            }
        }
        Ok(waiting)
    }

    fn commit(&self, prepared: &Prepared, mut waiting: Waiting) -> Result<Waiting> {
        let folders = prepared.folders();
        if self.shared.overwrite {
            for folder in &folders {
                self.clear(&format!("{}/{folder}", self.base()))?;
            }
        }
        for file in &prepared.files {
            self.publish(file)?;
        }
        if let Some(place) = self.place()? {
            let moment = prepared.moment(self.environment.clock.now_ms());
            waiting.commit(&place, &folders, moment)?;
        }
        Ok(waiting)
    }

    /// Deletes a file that is not visible.
    fn discard(&self, file: &PendingFile) -> Result<()> {
        let (files, from) = self.environment.files.resolve(&file.from)?;
        match files.delete(&from) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(io_error("delete", &file.from, e)),
            _ => Ok(()),
        }
    }

    /// Renames a file. Done twice it is done once, also by two at the same time.
    fn publish(&self, file: &PendingFile) -> Result<()> {
        let (files, from) = self.environment.files.resolve(&file.from)?;
        let (_, to) = self.environment.files.resolve(&file.to)?;
        let Err(e) = files.rename(&from, &to) else { return Ok(()) };
        match e.kind() {
            // Its name is unique, so what is there is this file.
            ErrorKind::AlreadyExists => files.delete(&from).map_err(|e| io_error("delete", &file.from, e)),
            ErrorKind::NotFound if files.exists(&to).map_err(|e| io_error("find", &file.to, e))? => Ok(()),
            ErrorKind::NotFound => Err(Error::external(format!("file '{}' is lost", file.to))
                .with_detail(format!(
                    "It was written as '{}', is part of a checkpoint, and neither is there.",
                    file.from
                ))
                .with_hint("Files of a table must not be removed while a job writes it or may be restored.")),
            _ => Err(io_error("rename", &file.from, e)),
        }
    }

    /// Deletes the visible files below a folder, but for those of this job: an earlier checkpoint has published them.
    fn clear(&self, folder: &str) -> Result<()> {
        let (files, inside) = self.environment.files.resolve(folder)?;
        if !files.exists(&inside).map_err(|e| io_error("find", folder, e))? {
            return Ok(());
        }
        for file in files.list(&inside).map_err(|e| io_error("list", folder, e))? {
            if !self.stem.as_ref().is_some_and(|stem| stem.has_job_of(&file.path)) {
                files.delete(&file.path).map_err(|e| io_error("delete", &file.path, e))?;
            }
        }
        Ok(())
    }
}

/// The folder of a file below another, with a slash at its end; empty if it is the same.
fn folder_of<'a>(path: &'a str, base: &str) -> &'a str {
    let below = path.strip_prefix(base.trim_end_matches('/')).unwrap_or(path).trim_start_matches('/');
    below.rfind('/').map_or("", |slash| &below[..=slash])
}

#[async_trait]
impl Committer for FileCommitter {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        self.stem = Some(self.shared.tag.stem(job));
        let known = Prepared::read(committables)?;
        let work = self.work();
        self.waiting = blocking::run(&self.environment, move || work.recover(&known)).await?;
        Ok(())
    }

    async fn commit(&mut self, _checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        if committables.is_empty() {
            return Ok(());
        }
        if self.stem.is_none() {
            self.stem = committables.iter().find_map(|c| FileStem::of_file(&c.id));
        }
        let prepared = Prepared::read(&committables)?;
        self.committed |= !prepared.files.is_empty();
        let (work, waiting) = (self.work(), self.waiting.clone());
        self.waiting = blocking::run(&self.environment, move || work.commit(&prepared, waiting)).await?;
        Ok(())
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        let prepared = Prepared::read(&committables)?;
        let work = self.work();
        blocking::run(&self.environment, move || prepared.files.iter().try_for_each(|file| work.discard(file))).await
    }

    /// Completes the partitions that still wait. An `INSERT OVERWRITE` of no rows empties the table; partitions stay as
    /// they are, as in Flink.
    async fn finish(&mut self) -> Result<()> {
        let (work, mut waiting) = (self.work(), self.waiting.clone());
        let clear = !self.committed && self.shared.overwrite && self.shared.partition_keys.is_empty();
        let finished = blocking::run(&self.environment, move || {
            if !waiting.is_empty()
                && let Some(place) = work.place()?
            {
                waiting.complete_all(&place)?;
            }
            if clear { work.clear(&work.shared.options.path) } else { Ok(()) }
        });
        finished.await?;
        self.waiting = Waiting::default();
        Ok(())
    }
}
