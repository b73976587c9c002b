//! The source: what enumerator and readers share.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::source::{Boundedness, ReaderContext, Source, SplitEnumerator, SplitReader};
use flott_api::table::{SourceSpec, dead_letter_columns};
use flott_api::{Error, LogicalType, Result, Schema};
use flott_formats::{DecoderSpec, Format};

use super::enumerator::FileEnumerator;
use super::options::FileOptions;
use super::reader::FileSplitReader;
use super::stored_schema;

/// A column that is emitted.
#[derive(Clone, Debug)]
pub(super) enum OutputColumn {
    /// From the file, at this place among the decoded ones.
    Decoded(usize),
    /// A partition column: its place among the keys, and its type.
    Partition(usize, LogicalType),
    /// A metadata column.
    Metadata(String),
}

/// The specification, taken apart.
pub(super) struct Shared {
    pub(super) options: FileOptions,
    pub(super) format: Box<dyn Format>,
    pub(super) decoder: DecoderSpec,
    pub(super) columns: Vec<OutputColumn>,
    pub(super) output: Schema,
    pub(super) partition_keys: Vec<String>,
    pub(super) limit: Option<u64>,
}

/// Reads files.
pub(super) struct FileSource {
    shared: Arc<Shared>,
}

impl FileSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let (options, format) = FileOptions::read(&spec.options)?;
        let stored = stored_schema(&spec.schema, &spec.partition_keys)?;
        format.check(&stored)?;
        let mut decoded = Vec::new();
        let mut columns = Vec::new();
        for index in &spec.projection {
            let Some(field) = spec.schema.fields.get(*index) else {
                return Err(Error::internal("a source reads a column that its table does not have"));
            };
            match spec.partition_keys.iter().position(|k| *k == field.name) {
                Some(key) => columns.push(OutputColumn::Partition(key, field.ty.clone())),
                None => {
                    let place = stored.index_of(&field.name);
                    columns.push(OutputColumn::Decoded(decoded.len()));
                    decoded.push(place.ok_or_else(|| Error::internal("a stored column is missing"))?);
                }
            }
        }
        // Dead letters are decoded behind the others.
        let of_dead_letters = |key: &String| dead_letter_columns().iter().position(|c| c.key == *key);
        columns.extend(spec.metadata.iter().map(|(key, _)| match of_dead_letters(key) {
            Some(place) => OutputColumn::Decoded(decoded.len() + place),
            None => OutputColumn::Metadata(key.clone()),
        }));
        let dead_letters = spec.has_dead_letters();
        let decoder = DecoderSpec { schema: stored, projection: decoded, metadata: Vec::new(), dead_letters };
        let shared = Shared {
            options,
            format,
            decoder,
            columns,
            output: spec.output_schema(),
            partition_keys: spec.partition_keys.clone(),
            limit: spec.limit,
        };
        Ok(FileSource { shared: Arc::new(shared) })
    }
}

impl Source for FileSource {
    fn boundedness(&self) -> Boundedness {
        self.shared.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(FileEnumerator::new(self.shared.clone(), environment.clone(), restored)?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(FileSplitReader::new(self.shared.clone(), cx)))
    }
}
