//! Finds files and cuts them into splits.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, FileStatus};
use flott_api::ongoing::Ongoing;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, Result};
use flott_formats::Layout;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::compression::Compression;
use super::partition;
use super::source::Shared;
use super::split::FileSplit;

/// Files are cut into pieces of about this size, if their format allows it.
const SPLIT_BYTES: u64 = 64 << 20;
const VERSION: u32 = 1;

/// Finds splits.
pub(super) struct FileEnumerator {
    shared: Arc<Shared>,
    environment: Environment,
    memory: Memory,
    /// Given back by failed readers.
    returned: Vec<Split>,
    /// Waits until it is time, and lists what there is then.
    listing: Ongoing<Result<Vec<FileStatus>>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Memory {
    version: u32,
    /// The files that were handed out.
    seen: BTreeSet<String>,
    /// Whether the path was looked at at least once.
    listed: bool,
    /// Splits that nobody has: their ids and states.
    waiting: Vec<(String, Vec<u8>)>,
}

impl FileEnumerator {
    /// A new or restored enumerator.
    ///
    /// # Errors
    /// If the snapshot is damaged.
    pub(super) fn new(shared: Arc<Shared>, environment: Environment, restored: Option<Bytes>) -> Result<Self> {
        let damaged = |e| Error::corrupt("the state of a file enumerator is damaged").with_source(e);
        let mut memory = match restored {
            Some(bytes) => serde_json::from_slice::<Memory>(&bytes).map_err(damaged)?,
            None => Memory { version: VERSION, ..Memory::default() },
        };
        if memory.version != VERSION {
            return Err(Error::corrupt(format!(
                "a file enumerator's state has the unknown version {}",
                memory.version
            )));
        }
        let waiting = memory.waiting.drain(..);
        let returned = waiting.map(|(id, state)| Split { id, state: Bytes::from(state) }).collect();
        Ok(FileEnumerator { shared, environment, memory, returned, listing: Ongoing::default() })
    }

    /// The files that were not seen before, so much later.
    async fn new_files(&mut self, wait_ms: u64) -> Result<Vec<FileStatus>> {
        let (path, environment) = (&self.shared.options.path, &self.environment);
        let listed = self.listing.run(|| {
            let (path, environment) = (path.clone(), environment.clone());
            Box::pin(async move {
                if wait_ms > 0 {
                    environment.clock.sleep_ms(wait_ms).await;
                }
                let listed = environment.clone();
                blocking::run(&environment, move || list(&listed, &path)).await
            })
        });
        let files = listed.await?;
        let pattern = &self.shared.options.pattern;
        let wanted = |f: &FileStatus| pattern.as_ref().is_none_or(|p| p.is_match(&f.path));
        Ok(files.into_iter().filter(|f| wanted(f) && !self.memory.seen.contains(&f.path)).collect())
    }

    fn splits_of(&self, files: &[FileStatus]) -> Result<Vec<Split>> {
        let mut splits = Vec::new();
        for file in files {
            let root = root_of(&file.path, &self.shared.options.path);
            if !partition::has_all(&file.path, root, &self.shared.partition_keys) {
                let keys = self.shared.partition_keys.join("=…/");
                return Err(Error::data(format!("file '{}' does not lie in a folder '{keys}=…'", file.path))
                    .with_detail("The table is partitioned, so its files lie in folders named after the columns."));
            }
            if file.size == 0 {
                continue;
            }
            for split in self.cut(file) {
                splits.push(split.encode()?);
            }
        }
        Ok(splits)
    }

    fn cut(&self, file: &FileStatus) -> Vec<FileSplit> {
        let divisible = match self.shared.format.layout() {
            Layout::Records { splittable } => splittable && Compression::of(&file.path) == Compression::None,
            Layout::File(_) => true,
            Layout::Messages => false,
        };
        if !divisible || file.size < 2 * SPLIT_BYTES {
            return vec![FileSplit::whole(file)];
        }
        let pieces = file.size / SPLIT_BYTES;
        let range = |i: u64| {
            let end = (i + 1 < pieces).then_some((i + 1) * SPLIT_BYTES);
            FileSplit::range(file, i * SPLIT_BYTES, end)
        };
        (0..pieces).map(range).collect()
    }
}

/// The part of the user's path that a listed path begins with: without a scheme.
pub(super) fn root_of<'a>(listed: &str, path: &'a str) -> &'a str {
    if listed.starts_with(path) {
        return path;
    }
    let without = path.split_once(':').map_or(path, |(_, rest)| rest);
    let slashes = without.len() - without.trim_start_matches('/').len();
    &without[slashes.saturating_sub(1)..]
}

/// Lists the files below a path.
fn list(environment: &Environment, path: &str) -> Result<Vec<FileStatus>> {
    let (files, inside) = environment.files.resolve(path)?;
    let failed = |e| blocking::io_error("list", path, e);
    if !files.exists(&inside).map_err(failed)? {
        return Err(Error::invalid(format!("path '{path}' does not exist"))
            .with_hint("Option 'path' of connector 'filesystem' must be a file or folder that exists."));
    }
    files.list(&inside).map_err(failed)
}

#[async_trait]
impl SplitEnumerator for FileEnumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        let monitor_ms = self.shared.options.monitor_ms;
        loop {
            if !self.returned.is_empty() {
                let finished = monitor_ms.is_none() && self.memory.listed;
                return Ok(Discovery { splits: std::mem::take(&mut self.returned), finished });
            }
            let wait_ms = match (self.memory.listed, monitor_ms) {
                (false, _) => 0,
                (true, Some(ms)) => ms,
                (true, None) => return Ok(Discovery { splits: Vec::new(), finished: true }),
            };
            let files = self.new_files(wait_ms).await?;
            // Nothing is awaited from here on, so nothing is lost if the caller drops this future.
            self.returned.extend(self.splits_of(&files)?);
            self.memory.seen.extend(files.into_iter().map(|f| f.path));
            self.memory.listed = true;
        }
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.returned.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.memory.waiting = self.returned.iter().map(|s| (s.id.clone(), s.state.to_vec())).collect();
        let bytes = serde_json::to_vec(&self.memory);
        bytes.map(Bytes::from).map_err(|e| Error::internal("an enumerator's state cannot be written").with_source(e))
    }
}
