//! What the tests of connectors need: local files beside the fake world, and readers and writers driven to their end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use flott_api::env::{Environment, FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};
use flott_api::ids::{JobId, Subtask};
use flott_api::metrics::OperatorMetrics;
use flott_api::options::Options;
use flott_api::sink::{Sink, WriterContext};
use flott_api::source::{ReadEvent, ReaderContext, Source};
use flott_api::testing::{FakeWorld, lines, ready};
use flott_api::{ChangeBatch, Result};

/// Files of the machine.
pub(crate) struct Local;

impl FileSystems for Local {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        Ok((Arc::new(Local), path.to_owned()))
    }
}

struct Written(std::fs::File);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl WriteFile for Written {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn status(path: &str) -> io::Result<FileStatus> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(FileStatus { path: path.to_owned(), size: metadata.len(), modified_ms: modified.as_millis() as i64 })
}

/// All files at or below a path, hidden or not.
fn list_all(path: &str, found: &mut Vec<FileStatus>) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        found.push(status(path)?);
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match list_all(&format!("{}/{name}", path.trim_end_matches('/')), found) {
            // It went between the listing and the look at it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn list(path: &str, hidden: bool) -> io::Result<Vec<FileStatus>> {
    let mut found = Vec::new();
    list_all(path, &mut found)?;
    found.retain(|f| f.path.rsplit('/').next().is_some_and(|n| n.starts_with(['.', '_'])) == hidden);
    found.sort();
    Ok(found)
}

impl FileSystem for Local {
    fn list(&self, path: &str) -> io::Result<Vec<FileStatus>> {
        list(path, false)
    }

    fn list_hidden(&self, path: &str) -> io::Result<Vec<FileStatus>> {
        if std::fs::exists(path)? { list(path, true) } else { Ok(Vec::new()) }
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(std::fs::File::open(path)?))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        if let Some((folder, _)) = path.rsplit_once('/') {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Box::new(Written(std::fs::File::create_new(path)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::hard_link(from, to)?;
        std::fs::remove_file(from)
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        std::fs::exists(path)
    }
}

/// Files of the machine, for a process that dies when it has looked at so many paths: nothing it does then has an effect.
pub(crate) struct Dying(AtomicU64);

impl Dying {
    /// A process that lives for so many paths.
    pub(crate) fn after(paths: u64) -> Arc<Self> {
        Arc::new(Dying(AtomicU64::new(paths)))
    }
}

impl FileSystems for Dying {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        // There is one for each change at least, so it can die between any two.
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| flott_api::Error::cancelled("the process is dead"))?;
        Local.resolve(path)
    }
}

/// The fake world with the machine's files.
pub(crate) fn environment() -> Environment {
    Environment { files: Arc::new(Local), ..FakeWorld::at(0).environment() }
}

/// Options from pairs.
pub(crate) fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// What a reader is given.
pub(crate) fn reader_context(environment: &Environment, metrics: &Arc<OperatorMetrics>) -> ReaderContext {
    let subtask = Subtask { index: 0, parallelism: 1 };
    ReaderContext { subtask, environment: environment.clone(), metrics: metrics.clone() }
}

/// Reads a bounded source to its end. After each `restart_after` events the reader is thrown away and a new one goes on
/// from its snapshot.
pub(crate) fn read_all(source: &dyn Source, environment: &Environment, restart_after: usize) -> Result<Vec<String>> {
    let metrics = Arc::new(OperatorMetrics::default());
    let mut enumerator = source.enumerator(environment, None)?;
    let mut reader = source.reader(reader_context(environment, &metrics))?;
    let discovery = ready(enumerator.discover())?;
    assert!(discovery.finished, "a bounded source is found at once");
    let mut left = discovery.splits.len();
    reader.add_splits(discovery.splits)?;
    let (mut rows, mut events) = (Vec::new(), 0);
    while left > 0 {
        match ready(reader.next())? {
            ReadEvent::Batch { batch, .. } => rows.extend(lines(&batch)),
            ReadEvent::Finished { .. } => left -= 1,
        }
        events += 1;
        if events % restart_after == 0 {
            let splits = reader.snapshot()?;
            reader = source.reader(reader_context(environment, &metrics))?;
            reader.add_splits(splits)?;
        }
    }
    Ok(rows)
}

/// What a writer is given.
pub(crate) fn writer_context(environment: &Environment, job: u128) -> WriterContext {
    let (subtask, metrics) = (Subtask { index: 0, parallelism: 1 }, Arc::default());
    WriterContext { job: JobId(job), restored: Vec::new(), subtask, environment: environment.clone(), metrics }
}

/// Writes the batches, with a commit behind each and one at the end, each done twice.
pub(crate) fn write_all(
    sink: &dyn Sink,
    environment: &Environment,
    job: u128,
    batches: Vec<ChangeBatch>,
) -> Result<()> {
    let mut writer = sink.writer(writer_context(environment, job))?;
    let mut committer = sink.committer(environment)?;
    let count = batches.len();
    for (i, batch) in batches.into_iter().enumerate() {
        ready(writer.write(batch))?;
        let committables = ready(writer.prepare_commit(i + 1 == count))?;
        if let Some(committer) = &mut committer {
            ready(committer.commit(None, committables.clone()))?;
            ready(committer.commit(None, committables))?;
        }
    }
    match &mut committer {
        Some(committer) => ready(committer.finish()),
        None => Ok(()),
    }
}
