//! Makes finished files visible by renaming them, and replaces what was there for `INSERT OVERWRITE`.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer};
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use super::blocking::{self, io_error};
use super::sink::Shared;

const VERSION: u32 = 1;

/// The part of all file names of a job that tells it from others: 12 hex digits, a dash in between.
pub(super) fn run_of(job: JobId) -> String {
    let high = (job.0 >> 64) as u64 ^ job.0 as u64;
    let hex = format!("{high:016x}");
    format!("{}{}-{}", &hex[..8], &hex[8..12], &hex[12..])
}

/// A finished file that is not visible yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PendingFile {
    version: u32,
    /// Its hidden name.
    pub(super) from: String,
    /// The name it gets.
    to: String,
    /// Its partition folder, empty without partitions.
    folder: String,
}

impl PendingFile {
    /// A file.
    pub(super) fn new(from: String, to: String, folder: String) -> Self {
        PendingFile { version: VERSION, from, to, folder }
    }

    /// The file as a committable.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Committable> {
        let payload = serde_json::to_vec(self);
        let payload = payload.map_err(|e| Error::internal("a committable cannot be written").with_source(e))?;
        Ok(Committable { id: self.to.clone(), payload: Bytes::from(payload) })
    }

    fn decode(committable: &Committable) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("committable '{}' is damaged", committable.id)).with_source(e);
        let read: PendingFile = serde_json::from_slice(&committable.payload).map_err(damaged)?;
        if read.version != VERSION {
            return Err(Error::corrupt(format!("committable '{}' has an unknown version", committable.id)));
        }
        Ok(read)
    }

    /// Whether a visible file is of the same job: then `INSERT OVERWRITE` keeps it.
    fn is_sibling(&self, path: &str) -> bool {
        const RUN_LENGTH: usize = "part-00000000-0000-0000".len();
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let run = name(&self.to).get(..RUN_LENGTH).map(str::to_owned);
        run.is_some_and(|run| name(path).starts_with(&run))
    }

    /// Renames it. Done twice it is done once.
    fn publish(&self, environment: &Environment) -> Result<()> {
        let (files, from) = environment.files.resolve(&self.from)?;
        let (_, to) = environment.files.resolve(&self.to)?;
        if files.exists(&to).map_err(|e| io_error("find", &self.to, e))? {
            return files.delete(&from).map_err(|e| io_error("delete", &self.from, e));
        }
        files.rename(&from, &to).map_err(|e| {
            io_error("rename", &self.from, e)
                .with_detail("The file was written, and must not be removed before it is committed.")
        })
    }
}

/// Commits.
pub(super) struct FileCommitter {
    shared: Arc<Shared>,
    environment: Environment,
    /// Whether anything was committed.
    committed: bool,
}

impl FileCommitter {
    /// A committer of one table.
    pub(super) fn new(shared: Arc<Shared>, environment: Environment) -> Self {
        FileCommitter { shared, environment, committed: false }
    }
}

/// Deletes the visible files below a folder, but for those of this job.
fn clear(environment: &Environment, folder: &str, of_job: &[PendingFile]) -> Result<()> {
    let (files, inside) = environment.files.resolve(folder)?;
    if !files.exists(&inside).map_err(|e| io_error("find", folder, e))? {
        return Ok(());
    }
    for file in files.list(&inside).map_err(|e| io_error("list", folder, e))? {
        if !of_job.first().is_some_and(|ours| ours.is_sibling(&file.path)) {
            files.delete(&file.path).map_err(|e| io_error("delete", &file.path, e))?;
        }
    }
    Ok(())
}

fn commit_files(shared: &Shared, environment: &Environment, pending: &[PendingFile]) -> Result<()> {
    let base = shared.options.path.trim_end_matches('/');
    let folders: BTreeSet<&str> = pending.iter().map(|p| p.folder.as_str()).collect();
    if shared.overwrite {
        for folder in &folders {
            clear(environment, &format!("{base}/{folder}"), pending)?;
        }
    }
    for file in pending {
        file.publish(environment)?;
    }
    let Some(success) = &shared.options.success_file else { return Ok(()) };
    for folder in folders.into_iter().filter(|f| !f.is_empty()) {
        let path = format!("{base}/{folder}{success}");
        let (files, inside) = environment.files.resolve(&path)?;
        files.delete(&inside).map_err(|e| io_error("delete", &path, e))?;
        let file = files.create(&inside).map_err(|e| io_error("create", &path, e))?;
        file.finish().map_err(|e| io_error("finish", &path, e))?;
    }
    Ok(())
}

#[async_trait]
impl Committer for FileCommitter {
    async fn commit(&mut self, _checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        let pending = committables.iter().map(PendingFile::decode).collect::<Result<Vec<_>>>()?;
        if pending.is_empty() {
            return Ok(());
        }
        self.committed = true;
        let (shared, environment) = (self.shared.clone(), self.environment.clone());
        blocking::run(&self.environment, move || commit_files(&shared, &environment, &pending)).await
    }

    /// An `INSERT OVERWRITE` of no rows empties the table. Partitions stay as they are, as in Flink.
    async fn finish(&mut self) -> Result<()> {
        if self.committed || !self.shared.overwrite || !self.shared.partition_keys.is_empty() {
            return Ok(());
        }
        let environment = self.environment.clone();
        let path = self.shared.options.path.clone();
        blocking::run(&self.environment, move || clear(&environment, &path, &[])).await
    }
}
