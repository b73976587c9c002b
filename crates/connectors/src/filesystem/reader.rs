//! The split reader: one split after the other, the next piece decoded while the last one is processed.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use flott_api::source::{ReadEvent, ReaderContext, Split, SplitReader};
use flott_api::{BoxFuture, ChangeBatch, Error, LogicalType, Result, TypeKind};
use flott_formats::constant_column;

use super::cursor::{Cursor, Step};
use super::enumerator::root_of;
use super::source::{OutputColumn, Shared};
use super::split::{FileSplit, Position};
use super::{FILE_NAME, FILE_PATH, FILE_SIZE, FILE_TIME, blocking, partition};

/// Reads splits.
pub(super) struct FileSplitReader {
    shared: Arc<Shared>,
    cx: ReaderContext,
    splits: VecDeque<OpenSplit>,
    /// Rows that may still be emitted.
    limit: Option<u64>,
}

type Stepped = BoxFuture<'static, Result<(Cursor, Step)>>;

struct OpenSplit {
    split: FileSplit,
    id: String,
    /// Texts of the partition columns.
    partition: Vec<Option<String>>,
    paused: bool,
    cursor: Option<Cursor>,
    /// The step that is running. It lies here, so that a dropped `next` loses nothing.
    running: Option<Stepped>,
    ready: VecDeque<(ChangeBatch, Position)>,
    finished: bool,
}

impl OpenSplit {
    /// Starts the next step, unless one runs or has results.
    fn start(&mut self, shared: &Arc<Shared>, cx: &ReaderContext) {
        if self.running.is_some() || !self.ready.is_empty() || self.finished {
            return;
        }
        let (shared, environment, split) = (shared.clone(), cx.environment.clone(), self.split.clone());
        let cursor = self.cursor.take();
        self.running = Some(blocking::run(&cx.environment, move || {
            let mut cursor = match cursor {
                Some(cursor) => cursor,
                None => Cursor::open(&shared, &environment, &split)?,
            };
            let step = cursor.step()?;
            Ok((cursor, step))
        }));
    }
}

impl FileSplitReader {
    /// A reader without splits.
    pub(super) fn new(shared: Arc<Shared>, cx: ReaderContext) -> Self {
        FileSplitReader { limit: shared.limit, shared, cx, splits: VecDeque::new() }
    }

    /// The decoded rows as the columns that were asked for.
    fn complete(&self, split: &OpenSplit, batch: ChangeBatch) -> Result<ChangeBatch> {
        let decoded = |column: (usize, &OutputColumn)| matches!(column, (i, OutputColumn::Decoded(d)) if i == *d);
        if self.shared.columns.iter().enumerate().all(decoded) && !self.shared.decoder.dead_letters {
            return Ok(batch);
        }
        let rows = batch.len();
        let column = |column: &OutputColumn| match column {
            OutputColumn::Decoded(place) => Ok(batch.rows().column(*place).clone()),
            OutputColumn::Partition(key, ty) => {
                let value = constant_column(ty, split.partition[*key].as_deref(), rows);
                value.map_err(|e| e.context(format!("partition column '{}'", self.shared.partition_keys[*key])))
            }
            OutputColumn::Metadata(key) => metadata_column(key, &split.split, rows),
        };
        let columns = self.shared.columns.iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch_rows = RecordBatch::try_new_with_options(self.shared.output.arrow(), columns, &options)?;
        batch.with_rows(batch_rows)
    }

    /// Cuts the batch at the limit; then no split is read further.
    fn limited(&mut self, batch: ChangeBatch) -> ChangeBatch {
        let Some(limit) = &mut self.limit else { return batch };
        let rows = (batch.len() as u64).min(*limit);
        *limit -= rows;
        if *limit == 0 {
            for split in &mut self.splits {
                split.ready.clear();
                split.running = None;
                split.finished = true;
            }
        }
        batch.slice(0, rows as usize)
    }
}

fn metadata_column(key: &str, split: &FileSplit, rows: usize) -> Result<ArrayRef> {
    let text = LogicalType::string();
    match key {
        FILE_PATH => constant_column(&text, Some(&split.path), rows),
        FILE_NAME => constant_column(&text, split.path.rsplit('/').next(), rows),
        FILE_SIZE => constant_column(&LogicalType::new(TypeKind::BigInt), Some(&split.size.to_string()), rows),
        FILE_TIME => {
            let values = std::iter::repeat_n(split.modified_ms, rows);
            let array = arrow_array::TimestampMillisecondArray::from_iter_values(values);
            Ok(Arc::new(array.with_timezone("UTC")))
        }
        _ => Err(Error::internal(format!("connector 'filesystem' has no metadata '{key}'"))),
    }
}

#[async_trait]
impl SplitReader for FileSplitReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let file = FileSplit::decode(&split)?;
            let root = root_of(&file.path, &self.shared.options.path);
            let default = &self.shared.options.default_partition;
            self.splits.push_back(OpenSplit {
                partition: partition::values_of(&file.path, root, &self.shared.partition_keys, default),
                split: file,
                id: split.id,
                paused: false,
                cursor: None,
                running: None,
                ready: VecDeque::new(),
                finished: self.limit == Some(0),
            });
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            let Some(index) = self.splits.iter().position(|s| !s.paused) else {
                // Somebody must add or resume a split first, and drops this future for it.
                return std::future::pending().await;
            };
            let split = &mut self.splits[index];
            if let Some((batch, position)) = split.ready.pop_front() {
                split.split.position = position;
                split.start(&self.shared, &self.cx);
                let batch = self.complete(&self.splits[index], batch)?;
                let id = self.splits[index].id.clone();
                let batch = self.limited(batch);
                return Ok(ReadEvent::Batch { split: id, batch });
            }
            if split.finished {
                let id = split.id.clone();
                self.splits.remove(index);
                return Ok(ReadEvent::Finished { split: id });
            }
            split.start(&self.shared, &self.cx);
            let Some(running) = split.running.as_mut() else {
                return Err(Error::internal("a split is neither read nor finished"));
            };
            let stepped = running.await;
            split.running = None;
            let (cursor, step) = stepped?;
            self.cx.metrics.num_records_in_errors.add(step.skipped);
            split.cursor = Some(cursor);
            split.ready.extend(step.batches);
            split.finished = step.finished;
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        // A split whose rows are all out is not forgotten before `Finished`: it has nothing left to read then.
        let splits = self.splits.iter();
        splits.map(|s| Ok(Split { id: s.id.clone(), state: s.split.encode()?.state })).collect()
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for open in self.splits.iter_mut().filter(|s| s.id == split) {
            open.paused = paused;
        }
    }
}
