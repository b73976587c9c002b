//! The sink: files that stay hidden until they are committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::UInt32Array;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, WriteFile};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_formats::{Encoded, Encoder, EncoderSpec, Format};
use flott_functions::{TextStyle, format_value};

use super::committer::{FileCommitter, PendingFile, run_of};
use super::options::FileOptions;
use super::{blocking, partition, stored_schema};

/// Encoded bytes are written when there are this many.
const WRITE_BYTES: usize = 1 << 20;

/// What writers and committer share.
pub(super) struct Shared {
    pub(super) options: FileOptions,
    pub(super) partition_keys: Vec<String>,
    pub(super) overwrite: bool,
    format: Box<dyn Format>,
    schema: Schema,
    stored: EncoderSpec,
    /// Places of the columns that lie in the files.
    stored_columns: Vec<usize>,
    /// Places of the partition columns, in the order of the keys.
    partition_columns: Vec<usize>,
    zone: String,
}

/// Writes files.
pub(super) struct FileSink {
    shared: Arc<Shared>,
}

impl FileSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let (options, format) = FileOptions::read(&spec.options)?;
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'filesystem' cannot write metadata '{key}'")));
        }
        if !format.changelog().covers(spec.changelog) {
            let message = format!("table '{}' cannot take updates and deletions", spec.table);
            return Err(Error::invalid(message).with_hint("Format 'debezium-json' can."));
        }
        let schema = stored_schema(&spec.schema, &spec.partition_keys)?;
        format.check(&schema)?;
        let is_key = |i: &usize| spec.partition_keys.contains(&spec.schema.fields[*i].name);
        let place = |key: &String| {
            spec.schema.index_of(key).ok_or_else(|| Error::internal("a partition column is missing in a sink"))
        };
        Ok(FileSink {
            shared: Arc::new(Shared {
                overwrite: spec.overwrite,
                options,
                format,
                schema: spec.schema.clone(),
                stored: EncoderSpec { schema, line_ends: true },
                stored_columns: (0..spec.schema.len()).filter(|i| !is_key(i)).collect(),
                partition_columns: spec.partition_keys.iter().map(place).collect::<Result<_>>()?,
                partition_keys: spec.partition_keys.clone(),
                zone: spec.session_zone.clone(),
            }),
        })
    }
}

impl Sink for FileSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let (high, low) = (run_of(cx.job), cx.environment.rng.next_u64());
        let name = format!(
            "part-{}-{}-{:04x}-{:012x}-{}",
            &high[..8],
            &high[8..],
            low >> 48,
            low & 0xffff_ffff_ffff,
            cx.subtask.index
        );
        Ok(Box::new(FileWriter {
            shared: self.shared.clone(),
            environment: cx.environment,
            name,
            counter: 0,
            open: BTreeMap::new(),
            ready: Vec::new(),
            begun: BTreeSet::new(),
            aborted: Arc::default(),
        }))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FileCommitter::new(self.shared.clone(), environment.clone()))))
    }
}

/// A file that is being written.
struct OpenFile {
    pending: PendingFile,
    file: Option<Box<dyn WriteFile>>,
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    written: u64,
    opened_ms: i64,
    used_ms: i64,
}

struct FileWriter {
    shared: Arc<Shared>,
    environment: Environment,
    /// What the names of its files begin with; unique.
    name: String,
    counter: u64,
    /// By partition folder.
    open: BTreeMap<String, OpenFile>,
    ready: Vec<Committable>,
    /// Files that may exist and were not handed over: what `abort` deletes. A file stands here before it is created,
    /// because work on it goes on when nobody waits for it any more.
    begun: BTreeSet<String>,
    /// Set by `abort`, so that a file created after it goes at once.
    aborted: Arc<AtomicBool>,
}

impl FileWriter {
    /// The rows of each partition.
    fn parts(&self, batch: &ChangeBatch) -> Result<Vec<(String, ChangeBatch)>> {
        if self.shared.partition_columns.is_empty() {
            return Ok(vec![(String::new(), batch.clone())]);
        }
        let mut parts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let (mut folder, mut value) = (String::new(), String::new());
        for row in 0..batch.len() {
            folder.clear();
            for (key, column) in self.shared.partition_keys.iter().zip(&self.shared.partition_columns) {
                let array = batch.rows().column(*column);
                value.clear();
                if !array.is_null(row) {
                    let ty = &self.shared.schema.fields[*column].ty;
                    format_value(array, row, ty, &self.shared.zone, TextStyle::Print, &mut value)?;
                }
                let text = if value.is_empty() { &self.shared.options.default_partition } else { &value };
                partition::write_folder(key, text, &mut folder);
            }
            match parts.get_mut(&folder) {
                Some(rows) => rows.push(row as u32),
                None => drop(parts.insert(folder.clone(), vec![row as u32])),
            }
        }
        if parts.len() == 1 {
            return Ok(parts.into_keys().map(|folder| (folder, batch.clone())).collect());
        }
        parts.into_iter().map(|(folder, rows)| Ok((folder, batch.take(&UInt32Array::from(rows))?))).collect()
    }

    /// The open file of a partition.
    async fn file(&mut self, folder: &str) -> Result<&mut OpenFile> {
        if !self.open.contains_key(folder) {
            let name = format!("{}-{}", self.name, self.counter);
            self.counter += 1;
            let base = self.shared.options.path.trim_end_matches('/');
            let pending = PendingFile::new(
                format!("{base}/{folder}.{name}.inprogress"),
                format!("{base}/{folder}{name}"),
                folder.to_owned(),
            );
            let (environment, path) = (self.environment.clone(), pending.from.clone());
            self.begun.insert(path.clone());
            let aborted = Arc::clone(&self.aborted);
            let file = blocking::run(&self.environment, move || {
                let (files, inside) = environment.files.resolve(&path)?;
                let file = files.create(&inside).map_err(|e| blocking::io_error("create", &path, e))?;
                if aborted.load(Ordering::SeqCst) {
                    files.delete(&inside).map_err(|e| blocking::io_error("delete", &path, e))?;
                    return Err(Error::cancelled("the job has ended"));
                }
                Ok(file)
            });
            let file = Some(file.await?);
            let now = self.environment.clock.now_ms();
            let encoder = self.shared.format.encoder(&self.shared.stored)?;
            let (encoded, written) = (Encoded::default(), 0);
            let open = OpenFile { pending, file, encoder, encoded, written, opened_ms: now, used_ms: now };
            self.open.insert(folder.to_owned(), open);
        }
        self.open.get_mut(folder).ok_or_else(|| Error::internal("an open file is missing"))
    }

    /// Ends a file; it is committed with the next checkpoint.
    async fn close(&mut self, folder: &str) -> Result<()> {
        let Some(mut open) = self.open.remove(folder) else { return Ok(()) };
        open.encoder.finish(&mut open.encoded)?;
        open.flush(&self.environment).await?;
        if let Some(file) = open.file.take() {
            let path = open.pending.from.clone();
            let finish = move || file.finish().map_err(|e| blocking::io_error("finish", &path, e));
            blocking::run(&self.environment, finish).await?;
        }
        self.ready.push(open.pending.encode()?);
        Ok(())
    }

    /// Ends the files that are large or old enough.
    async fn roll(&mut self) -> Result<()> {
        let now = self.environment.clock.now_ms();
        let options = &self.shared.options;
        let due = |open: &OpenFile| {
            open.written + open.encoder.held_bytes() as u64 >= options.file_bytes
                || now - open.opened_ms >= options.rollover_ms as i64
                || now - open.used_ms >= options.inactivity_ms as i64
        };
        let folders: Vec<String> = self.open.iter().filter(|(_, o)| due(o)).map(|(f, _)| f.clone()).collect();
        for folder in folders {
            self.close(&folder).await?;
        }
        Ok(())
    }
}

impl OpenFile {
    /// Writes what is encoded.
    async fn flush(&mut self, environment: &Environment) -> Result<()> {
        self.encoded.ends.clear();
        let bytes = std::mem::take(&mut self.encoded.bytes);
        let Some(mut file) = self.file.take() else { return Err(Error::internal("a file is written after its end")) };
        let path = self.pending.from.clone();
        let written = blocking::run(environment, move || {
            file.write_all(&bytes).map_err(|e| blocking::io_error("write", &path, e))?;
            Ok((file, bytes))
        });
        let (file, mut bytes) = written.await?;
        bytes.clear();
        self.file = Some(file);
        self.encoded.bytes = bytes;
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for FileWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let environment = self.environment.clone();
        let shared = self.shared.clone();
        for (folder, rows) in self.parts(&batch)? {
            let now = environment.clock.now_ms();
            let stored = rows.rows().project(&shared.stored_columns)?;
            let open = self.file(&folder).await?;
            let before = open.encoded.bytes.len();
            open.encoder.encode(&rows.without_marks().with_rows(stored)?, &mut open.encoded)?;
            open.written += (open.encoded.bytes.len() - before) as u64;
            open.used_ms = now;
            if open.encoded.bytes.len() >= WRITE_BYTES {
                open.flush(&environment).await?;
            }
        }
        self.roll().await
    }

    async fn prepare_commit(&mut self, _end_of_input: bool) -> Result<Vec<Committable>> {
        let folders: Vec<String> = self.open.keys().cloned().collect();
        for folder in folders {
            self.close(&folder).await?;
        }
        self.begun.clear();
        Ok(std::mem::take(&mut self.ready))
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        // A restored writer takes a new name for its files, and what it handed over lies in the checkpoint.
        Ok(Bytes::new())
    }

    async fn abort(&mut self) {
        self.aborted.store(true, Ordering::SeqCst);
        self.open.clear();
        let left = std::mem::take(&mut self.begun);
        let environment = self.environment.clone();
        let removed = blocking::run(&self.environment, move || {
            for path in left {
                let (files, inside) = environment.files.resolve(&path)?;
                files.delete(&inside).map_err(|e| blocking::io_error("delete", &path, e))?;
            }
            Ok(())
        });
        if let Err(e) = removed.await {
            tracing::warn!("a file that was not finished is left: {e}");
        }
    }
}
