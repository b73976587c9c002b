//! Splits of a `datagen` table: interleaved blocks of row numbers, one split for each reader that was asked for.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::source::{Boundedness, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use serde::{Deserialize, Serialize};

use super::DatagenOptions;
use super::generate::{Rows, Stream, column};
use crate::fixed_splits::FixedSplits;

const VERSION: u32 = 1;
/// A batch is made about this often, if the rate is low.
const PACE_NS: u64 = 50_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Makes rows.
pub(super) struct DatagenSource {
    options: Arc<DatagenOptions>,
    schema: SchemaRef,
    projection: Vec<usize>,
    limit: Option<u64>,
}

impl DatagenSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(options: DatagenOptions, spec: &SourceSpec) -> Result<Self> {
        if let Some((key, _)) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'datagen' has no metadata '{key}'")));
        }
        Ok(DatagenSource {
            schema: spec.output_schema().arrow(),
            projection: spec.projection.clone(),
            limit: spec.limit,
            options: Arc::new(options),
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    /// Which of the splits it is.
    index: u64,
    splits: u64,
    /// Rows in a block.
    block: u64,
    /// How many rows of this split were made.
    made: u64,
    seed: u64,
}

impl State {
    /// The number of the next row, and how many follow it in its block.
    fn next(&self) -> (u64, u64) {
        let (block, within) = (self.made / self.block, self.made % self.block);
        let first = (block * self.splits + self.index).saturating_mul(self.block).saturating_add(within);
        (first, self.block - within)
    }

    fn encode(&self) -> Result<Split> {
        let state =
            serde_json::to_vec(self).map_err(|e| Error::internal("a split cannot be written").with_source(e))?;
        Ok(Split { id: self.index.to_string(), state: Bytes::from(state) })
    }

    fn decode(split: &Split) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("split '{}' of a datagen table is damaged", split.id)).with_source(e);
        let state: State = serde_json::from_slice(&split.state).map_err(damaged)?;
        if state.version != VERSION || state.block == 0 || state.splits == 0 {
            return Err(Error::corrupt(format!("split '{}' of a datagen table has an unknown version", split.id)));
        }
        Ok(state)
    }
}

impl Source for DatagenSource {
    fn boundedness(&self) -> Boundedness {
        self.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(FixedSplits::new(restored, || {
            let splits = u64::from(self.options.parallelism.unwrap_or(1));
            let block = (self.options.rows_per_second / (10 * splits)).clamp(1, BATCH_ROWS_MAX as u64);
            let seed = environment.rng.next_u64();
            let state = |index| State { version: VERSION, index, splits, block, made: 0, seed };
            (0..splits).map(|index| state(index).encode()).collect()
        })?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(DatagenReader {
            options: self.options.clone(),
            schema: self.schema.clone(),
            projection: self.projection.clone(),
            limit: self.limit,
            clock: cx.environment.clock,
            splits: Vec::new(),
        }))
    }
}

/// A split with its pace.
struct Paced {
    state: State,
    paused: bool,
    /// When the pace began, and the rows made since then.
    started_ns: u64,
    since: u64,
}

struct DatagenReader {
    options: Arc<DatagenOptions>,
    schema: SchemaRef,
    projection: Vec<usize>,
    /// Rows that may still be emitted.
    limit: Option<u64>,
    clock: Arc<dyn Clock>,
    splits: Vec<Paced>,
}

impl DatagenReader {
    /// The split whose next row comes first.
    fn earliest(&self) -> Option<usize> {
        let open = self.splits.iter().enumerate().filter(|(_, s)| !s.paused);
        open.min_by_key(|(_, s)| s.state.next()).map(|(index, _)| index)
    }

    /// How many rows of a split exist from its next one on, within its block.
    fn left(&self, split: &Paced) -> u64 {
        let (first, in_block) = split.state.next();
        let exist = self.options.rows.map_or(u64::MAX, |rows| rows.saturating_sub(first));
        exist.min(in_block).min(self.limit.unwrap_or(u64::MAX))
    }

    /// How many rows are due, or for how many milliseconds none is.
    fn due(&self, split: &Paced) -> std::result::Result<u64, u64> {
        let rate = u128::from(self.options.rows_per_second);
        let share = u128::from(split.state.splits);
        let passed = self.clock.monotonic_ns().saturating_sub(split.started_ns);
        // The row that begins a period is due at its start.
        let due = (u128::from(passed) * rate / share / u128::from(SECOND_NS)) as u64 + 1;
        if due > split.since {
            return Ok(due - split.since);
        }
        let next_ns = (u128::from(split.since) * share * u128::from(SECOND_NS)).div_ceil(rate) as u64;
        let wait_ns = next_ns.saturating_sub(passed).max(PACE_NS);
        Err(wait_ns.div_ceil(1_000_000))
    }

    fn make(&self, split: &Paced, rows: u64) -> Result<ChangeBatch> {
        let (first, _) = split.state.next();
        let made = Rows { first, now_ms: self.clock.now_ms() };
        let seed = split.state.seed;
        let columns = self.projection.iter().map(|index| {
            let of_column = |row: u64| Stream::new(seed, *index as u64, first + row);
            let mut streams: Vec<Stream> = (0..rows).map(of_column).collect();
            column(&self.options.columns[*index], &mut streams, &made)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        Ok(ChangeBatch::inserts(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?))
    }
}

#[async_trait]
impl SplitReader for DatagenReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let state = State::decode(&split)?;
            self.splits.push(Paced { state, paused: false, started_ns: self.clock.monotonic_ns(), since: 0 });
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            let Some(index) = self.earliest() else { return std::future::pending().await };
            let left = self.left(&self.splits[index]);
            if left == 0 {
                let split = self.splits.swap_remove(index).state.index.to_string();
                return Ok(ReadEvent::Finished { split });
            }
            match self.due(&self.splits[index]) {
                Err(ms) => self.clock.sleep_ms(ms).await,
                Ok(due) => {
                    let rows = due.min(left).min(BATCH_ROWS_MAX as u64);
                    let batch = self.make(&self.splits[index], rows)?;
                    self.limit = self.limit.map(|limit| limit - rows);
                    let split = &mut self.splits[index];
                    split.state.made += rows;
                    split.since += rows;
                    if due - rows > self.options.rows_per_second {
                        // More than a second behind: what was missed is not made up for.
                        split.started_ns = self.clock.monotonic_ns();
                        split.since = 0;
                    }
                    return Ok(ReadEvent::Batch { split: split.state.index.to_string(), batch });
                }
            }
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.splits.iter().map(|s| s.state.encode()).collect()
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for open in self.splits.iter_mut().filter(|s| s.state.index.to_string() == split) {
            open.paused = paused;
        }
    }
}
