//! `'connector' = 'paced'`: ids from 0 on, as far as the measurement lets them through.
//!
//! So a measurement knows what a job has read when it asks for a checkpoint. One split, whose state is its next id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Int64Array, RecordBatch};
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::options::OptionReader;
use flott_api::sink::Sink;
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};

/// The connector, with the id before which its tables stop.
pub(crate) struct Paced(pub(crate) Arc<AtomicU64>);

/// How often a reader looks whether it may go on.
const WAIT_MS: u64 = 1;
const SPLIT: &str = "ids";

impl TableFactory for Paced {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("paced") }
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        OptionReader::new(&table.options, "connector 'paced'").finish()?;
        Ok(SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: Boundedness::Unbounded,
            metadata: Vec::new(),
            push_downs: PushDowns::default(),
            parallelism: Some(1),
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Err(Error::invalid(format!("table '{}' cannot be written", table.path)))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(PacedSource { limit: Arc::clone(&self.0), schema: spec.output_schema().arrow() }))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::invalid(format!("table '{}' cannot be written", spec.table)))
    }
}

struct PacedSource {
    limit: Arc<AtomicU64>,
    schema: arrow_schema::SchemaRef,
}

impl Source for PacedSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn enumerator(&self, _: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        let splits = if restored.is_some() { Vec::new() } else { vec![split(0)] };
        Ok(Box::new(OneSplit { splits }))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let clock = Arc::clone(&cx.environment.clock);
        Ok(Box::new(PacedReader { limit: Arc::clone(&self.limit), schema: self.schema.clone(), clock, next: None }))
    }
}

fn split(next: u64) -> Split {
    Split { id: SPLIT.to_owned(), state: next.to_le_bytes().to_vec().into() }
}

struct OneSplit {
    splits: Vec<Split>,
}

#[async_trait]
impl SplitEnumerator for OneSplit {
    async fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: std::mem::take(&mut self.splits), finished: true })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.splits.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

struct PacedReader {
    limit: Arc<AtomicU64>,
    schema: arrow_schema::SchemaRef,
    clock: Arc<dyn Clock>,
    /// The next id, if the split is here.
    next: Option<u64>,
}

#[async_trait]
impl SplitReader for PacedReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let bytes = split.state.as_ref().try_into();
            self.next = Some(u64::from_le_bytes(bytes.map_err(|_| Error::corrupt("the split of a paced table"))?));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        let Some(next) = self.next else { return std::future::pending().await };
        let end = loop {
            let limit = self.limit.load(Ordering::Relaxed);
            if limit > next {
                break limit.min(next + BATCH_ROWS_MAX as u64);
            }
            self.clock.sleep_ms(WAIT_MS).await;
        };
        self.next = Some(end);
        let ids = Int64Array::from_iter_values((next..end).map(|id| id as i64));
        let rows = RecordBatch::try_new(self.schema.clone(), vec![Arc::new(ids)])?;
        Ok(ReadEvent::Batch { split: SPLIT.to_owned(), batch: ChangeBatch::inserts(rows) })
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        Ok(self.next.map(split).into_iter().collect())
    }

    fn pause_split(&mut self, _: &str, _: bool) {}
}
