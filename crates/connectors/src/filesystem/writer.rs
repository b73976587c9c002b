//! The writer: one open file a partition, ended by the rolling policy and by every checkpoint.
//!
//! **State**: none. A restored writer takes a new name for its files, and what it handed over lies in the checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::UInt32Array;
use async_trait::async_trait;
use flott_api::env::{Environment, WriteFile};
use flott_api::sink::{Committable, SinkWriter, WriterContext};
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_formats::{Encoded, Encoder};
use flott_functions::{TextStyle, format_value};

use super::committable::{Moment, Payload, PendingFile};
use super::sink::Shared;
use super::{blocking, names, partition};

/// Encoded bytes are written when there are this many.
const WRITE_BYTES: usize = 1 << 20;

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

/// Writes files.
pub(super) struct FileWriter {
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
    watermark: Watermark,
}

impl FileWriter {
    /// A writer without files.
    pub(super) fn new(shared: Arc<Shared>, cx: &WriterContext) -> Self {
        FileWriter {
            name: shared.tag.stem(cx.job).writer(cx.environment.rng.next_u64(), cx.subtask),
            shared,
            environment: cx.environment.clone(),
            counter: 0,
            open: BTreeMap::new(),
            ready: Vec::new(),
            begun: BTreeSet::new(),
            aborted: Arc::default(),
            watermark: Watermark::MIN,
        }
    }

    /// The next name that nothing has.
    fn next_name(&mut self) -> String {
        self.counter += 1;
        format!("{}-{}", self.name, self.counter - 1)
    }

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
            if let Some(commit) = self.shared.partition_commit() {
                commit.check(folder, &self.shared.partition_keys)?;
            }
            let name = self.next_name();
            let base = self.shared.options.path.trim_end_matches('/');
            let pending = PendingFile {
                from: format!("{base}/{folder}{}", names::hidden(&name)),
                to: format!("{base}/{folder}{name}"),
                folder: folder.to_owned(),
            };
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
        let id = open.pending.to.clone();
        self.ready.push(Payload::File(open.pending).encode(id)?);
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

    fn write_watermark(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark);
    }

    async fn prepare_commit(&mut self, _end_of_input: bool) -> Result<Vec<Committable>> {
        let folders: Vec<String> = self.open.keys().cloned().collect();
        for folder in folders {
            self.close(&folder).await?;
        }
        if self.shared.partition_commit().is_some() {
            let moment = Moment { now_ms: self.environment.clock.now_ms(), watermark_ms: self.watermark.0 };
            let id = self.next_name();
            self.ready.push(Payload::Moment(moment).encode(id)?);
        }
        self.begun.clear();
        Ok(std::mem::take(&mut self.ready))
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
