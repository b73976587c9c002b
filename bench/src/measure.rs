//! `'connector' = 'measure'`: a sink that counts every row and every byte of every column, and hashes them if asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::key_group::hash_keys;
use flott_api::options::OptionReader;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{ChangeBatch, Error, Result};

/// What came, over all writers.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Rows.
    pub(crate) rows: AtomicU64,
    /// Bytes of all columns' values.
    pub(crate) bytes: AtomicU64,
    /// The sum of the rows' hashes, so that order does not matter.
    pub(crate) hash: AtomicU64,
}

/// The connector.
pub(crate) struct Measure(pub(crate) Arc<Measured>);

impl TableFactory for Measure {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("measure") }
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!("table '{}' cannot be read", table.path)))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = OptionReader::new(&table.options, "connector 'measure'");
        options.value_or("hash", false)?;
        options.finish()?;
        Ok(SinkDescription {
            changelog: ChangelogMode::ALL,
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
        let hash = OptionReader::new(&spec.options, "connector 'measure'").value_or("hash", false)?;
        Ok(Box::new(MeasureSink { measured: Arc::clone(&self.0), hash }))
    }
}

struct MeasureSink {
    measured: Arc<Measured>,
    hash: bool,
}

impl Sink for MeasureSink {
    fn writer(&self, _: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(MeasureWriter { measured: Arc::clone(&self.measured), hash: self.hash }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct MeasureWriter {
    measured: Arc<Measured>,
    hash: bool,
}

#[async_trait]
impl SinkWriter for MeasureWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.measured.rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.measured.bytes.fetch_add(batch.byte_size() as u64, Ordering::Relaxed);
        if self.hash {
            let hashes = hash_keys(batch.rows().columns(), batch.len())?;
            let kinds = (0..batch.len()).map(|row| batch.kind(row) as u64 + 1);
            let sum = hashes.iter().zip(kinds).fold(0u64, |sum, (h, kind)| sum.wrapping_add(h.wrapping_mul(kind)));
            self.measured.hash.fetch_add(sum, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}
