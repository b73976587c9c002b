//! Reading: an enumerator that finds partitions, and readers that fetch them.
//!
//! A split is a partition with the offset of the next record, so a restart goes on exactly there; a record of several rows
//! (an update is two) may be cut, and then the split says how many of its rows are out. Fetching runs beside the reader
//! ([`fetcher`]): while records are decoded, the next ones are under way.

mod enumerator;
mod fetcher;
mod layout;
mod messages;
mod metadata;
mod reader;
mod rows;
mod split;

use std::sync::Arc;

use bytes::Bytes;
use flott_api::Result;
use flott_api::env::Environment;
use flott_api::source::{Boundedness, ReaderContext, Source, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;

use crate::options::{Kind, Table, TableOptions};
use enumerator::KafkaEnumerator;
use layout::RowLayout;
use reader::KafkaReader;

pub(crate) use layout::VALUE_PREFIX;
pub(crate) use metadata::source_metadata;

/// What enumerator and readers share.
pub(crate) struct Shared {
    options: TableOptions,
    layout: RowLayout,
    /// Whose offsets are read and committed.
    group: String,
}

/// Reads topics.
pub(crate) struct KafkaSource {
    shared: Arc<Shared>,
}

impl KafkaSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(kind: Kind, spec: &SourceSpec) -> Result<Self> {
        let table = Table { options: &spec.options, schema: &spec.schema, primary_key: &spec.primary_key };
        let options = TableOptions::read(kind, &table)?;
        let layout = RowLayout::of(kind, &options, spec)?;
        // As Flink names a group that the user does not.
        let group = options.properties.consumer.group_id.clone();
        let group = group.unwrap_or_else(|| format!("KafkaSource-{}", spec.table));
        Ok(KafkaSource { shared: Arc::new(Shared { options, layout, group }) })
    }
}

impl Source for KafkaSource {
    fn boundedness(&self) -> Boundedness {
        self.shared.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(KafkaEnumerator::new(Arc::clone(&self.shared), environment, restored)?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(KafkaReader::new(Arc::clone(&self.shared), cx)?))
    }
}
