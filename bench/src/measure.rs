//! `'connector' = 'measure'`: a sink that counts every row and every byte of every column, hashes the result if asked, and
//! says how late rows came if asked.
//!
//! `bench/flink/Measure.java` is the same for Flink, and gives the same hash.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use async_trait::async_trait;
use flott_api::env::{Clock, Environment};
use flott_api::options::OptionReader;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{ChangeBatch, Error, Result, RowKind};

/// Later than this is one latency.
const LATENCY_MS_MAX: usize = 60_000;

/// What came, over all writers.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Rows.
    pub(crate) rows: AtomicU64,
    /// Bytes of all columns' values.
    pub(crate) bytes: AtomicU64,
    /// The sum of the hashes of the result's rows, so that order does not matter. Complete when the job has ended.
    pub(crate) hash: AtomicU64,
    /// Rows by how many milliseconds late they came.
    latencies: Vec<AtomicU64>,
}

impl Default for Measured {
    fn default() -> Self {
        let latencies = (0..=LATENCY_MS_MAX).map(|_| AtomicU64::new(0)).collect();
        Measured { rows: AtomicU64::new(0), bytes: AtomicU64::new(0), hash: AtomicU64::new(0), latencies }
    }
}

impl Measured {
    /// The milliseconds that this part of all rows did not exceed; -1 if none were measured.
    pub(crate) fn latency_ms(&self, part: f64) -> i64 {
        let counts: Vec<u64> = self.latencies.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let mut seen = 0;
        let found = counts.iter().position(|n| {
            seen += n;
            all > 0 && seen as f64 >= all as f64 * part
        });
        found.map_or(-1, |millis| millis as i64)
    }
}

/// The connector.
pub(crate) struct Measure(pub(crate) Arc<Measured>);

/// What a table asks for.
#[derive(Clone, Debug)]
struct Asked {
    hash: bool,
    /// The column with the time from which on a row is late.
    latency_column: Option<String>,
    /// How many milliseconds behind this time a row cannot come before.
    latency_own_ms: i64,
    /// Rows of earlier times do not count; milliseconds since the epoch.
    latency_from_ms: i64,
}

impl Asked {
    fn read(options: &flott_api::options::Options) -> Result<Asked> {
        let reader = OptionReader::new(options, "connector 'measure'");
        let asked = Asked {
            hash: reader.value_or("hash", false)?,
            latency_column: reader.value("latency.column")?,
            latency_own_ms: reader.value_or("latency.own", 0)?,
            latency_from_ms: reader.value_or("latency.from", 0)?,
        };
        reader.finish()?;
        Ok(asked)
    }
}

impl TableFactory for Measure {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("measure") }
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!("table '{}' cannot be read", table.path)))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let asked = Asked::read(&table.options)?;
        // What is hashed without a key is taken back row by row; the rest is as with `blackhole`.
        let all = asked.hash && table.primary_key.is_empty();
        Ok(SinkDescription {
            changelog: if all { ChangelogMode::ALL } else { ChangelogMode::UPSERT },
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: None,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::invalid(format!("table '{}' cannot be read", spec.table)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let asked = Asked::read(&spec.options)?;
        let latency_column = match &asked.latency_column {
            None => None,
            Some(name) => Some(spec.schema.index_of(name).ok_or_else(|| {
                Error::invalid(format!("table '{}' has no column '{name}' to measure latencies by", spec.table))
            })?),
        };
        let measured = Arc::clone(&self.0);
        Ok(Box::new(MeasureSink { measured, asked, latency_column, key: spec.primary_key.clone() }))
    }
}

struct MeasureSink {
    measured: Arc<Measured>,
    asked: Asked,
    latency_column: Option<usize>,
    key: Vec<usize>,
}

impl Sink for MeasureSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(MeasureWriter {
            measured: Arc::clone(&self.measured),
            asked: self.asked.clone(),
            latency_column: self.latency_column,
            key: self.key.clone(),
            clock: Arc::clone(&cx.environment.clock),
            rows_by_key: HashMap::new(),
        }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct MeasureWriter {
    measured: Arc<Measured>,
    asked: Asked,
    latency_column: Option<usize>,
    key: Vec<usize>,
    clock: Arc<dyn Clock>,
    /// The hash of the last row of each key, by the hash of the key.
    rows_by_key: HashMap<u64, u64>,
}

impl MeasureWriter {
    fn hash(&mut self, batch: &ChangeBatch) -> Result<()> {
        let hashes = rows::hashes(batch.rows().columns(), batch.len())?;
        let keys: Vec<_> = self.key.iter().map(|i| Arc::clone(batch.rows().column(*i))).collect();
        let keys = rows::hashes(&keys, batch.len())?;
        let mut sum = 0u64;
        for (row, hash) in hashes.into_iter().enumerate() {
            let is_gone = matches!(batch.kind(row), RowKind::Delete | RowKind::UpdateBefore);
            let before = match (self.key.is_empty(), is_gone) {
                (true, true) => hash,
                (true, false) => 0,
                (false, true) => self.rows_by_key.remove(&keys[row]).unwrap_or(0),
                (false, false) => self.rows_by_key.insert(keys[row], hash).unwrap_or(0),
            };
            sum = sum.wrapping_sub(before).wrapping_add(if is_gone { 0 } else { hash });
        }
        self.measured.hash.fetch_add(sum, Ordering::Relaxed);
        Ok(())
    }

    fn latencies(&self, batch: &ChangeBatch, column: usize) -> Result<()> {
        let times = batch.rows().column(column).as_primitive_opt::<TimestampMillisecondType>();
        let times = times.ok_or_else(|| Error::invalid("latencies are measured by a TIMESTAMP(3)"))?;
        let now = self.clock.now_ms();
        for time in times.iter().flatten().filter(|time| *time >= self.asked.latency_from_ms) {
            let late = (now - time - self.asked.latency_own_ms).clamp(0, LATENCY_MS_MAX as i64);
            self.measured.latencies[late as usize].fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for MeasureWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.measured.rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.measured.bytes.fetch_add(batch.byte_size() as u64, Ordering::Relaxed);
        if let Some(column) = self.latency_column {
            self.latencies(&batch, column)?;
        }
        if self.asked.hash { self.hash(&batch) } else { Ok(()) }
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}
