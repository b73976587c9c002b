//! Rows to messages: their bytes, and what a row says beside them.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, RecordBatch, StructArray};
use flott_api::env::Environment;
use flott_api::options::OptionReader;
use flott_api::table::{ChangelogMode, MetadataColumn, SinkDescription, SinkSpec};
use flott_api::{ChangeBatch, Error, LogicalType, Result, RowKind, TypeKind};
use flott_formats::{Encoded, Encoder, EncoderSpec, Format};

use crate::messages::{headers_type, properties_type};

/// What can be written beside the bytes: key, and what it is.
pub(crate) type Writable = &'static [(&'static str, Beside)];

/// What is written beside the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Text,
    /// A map of texts to bytes.
    Headers,
    /// A map of texts to texts.
    Properties,
    Time,
}

impl Beside {
    fn ty(self) -> LogicalType {
        match self {
            Beside::Text => LogicalType::string(),
            Beside::Headers => headers_type(),
            Beside::Properties => properties_type(),
            Beside::Time => LogicalType::new(TypeKind::TimestampLtz(3)),
        }
    }
}

/// What a sink of messages is like.
pub(crate) fn description(format: &dyn Format, writable: Writable, parallelism: Option<u32>) -> SinkDescription {
    let changelog: ChangelogMode = format.changelog();
    SinkDescription {
        changelog,
        needs_update_before: changelog.contains(RowKind::UpdateBefore),
        metadata: writable
            .iter()
            .map(|(key, beside)| MetadataColumn { key: (*key).to_owned(), ty: beside.ty() })
            .collect(),
        overwrite: false,
        parallelism,
    }
}

/// `sink.parallelism`
///
/// # Errors
/// If it is zero, or no number.
pub(crate) fn sink_parallelism(reader: &OptionReader<'_>) -> Result<Option<u32>> {
    let parallelism = reader.value("sink.parallelism")?;
    if parallelism == Some(0) {
        return Err(Error::invalid("option 'sink.parallelism' must be at least 1"));
    }
    Ok(parallelism)
}

/// Which columns of a sink are what.
pub(crate) struct PayloadLayout {
    spec: EncoderSpec,
    /// Where its columns are in the table.
    columns: Vec<usize>,
    /// How many columns the table has beside its metadata.
    physical: usize,
    metadata: Vec<String>,
}

impl PayloadLayout {
    /// That of a specification.
    ///
    /// # Errors
    /// If something cannot be written.
    pub(crate) fn of(spec: &SinkSpec, format: &dyn Format, writable: Writable) -> Result<Self> {
        let physical = spec.schema.len() - spec.metadata.len();
        Self::of_columns(spec, format, writable, (0..physical).collect())
    }

    /// The same, where only these columns lie in the bytes.
    ///
    /// # Errors
    /// If something cannot be written.
    pub(crate) fn of_columns(
        spec: &SinkSpec,
        format: &dyn Format,
        writable: Writable,
        columns: Vec<usize>,
    ) -> Result<Self> {
        let connector = &spec.connector;
        if let Some(other) = spec.metadata.iter().find(|key| !writable.iter().any(|(name, _)| name == key)) {
            return Err(Error::invalid(format!("connector '{connector}' cannot write metadata '{other}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector '{connector}' has no partitions", spec.table)));
        }
        if !format.changelog().covers(spec.changelog) {
            return Err(Error::invalid(format!("table '{}' cannot take updates and deletions", spec.table))
                .with_detail("Its format holds only insertions.")
                .with_hint("Use a format of changes such as 'debezium-json'."));
        }
        let physical = spec.schema.len() - spec.metadata.len();
        let schema = spec.schema.project(&columns);
        format.check(&schema)?;
        let encoder = EncoderSpec { schema, line_ends: false };
        Ok(PayloadLayout { spec: encoder, columns, physical, metadata: spec.metadata.clone() })
    }

    /// These columns of the same rows, without what they change: a key.
    pub(crate) fn key(&self, spec: &SinkSpec, columns: Vec<usize>) -> Self {
        let encoder = EncoderSpec { schema: spec.schema.project(&columns), line_ends: false };
        PayloadLayout { spec: encoder, columns, physical: self.physical, metadata: Vec::new() }
    }

    /// Where a metadata column is, if it is written.
    pub(crate) fn place(&self, key: &str) -> Option<usize> {
        self.metadata.iter().position(|name| name == key).map(|at| self.physical + at)
    }
}

/// Encodes batches.
pub(crate) struct PayloadEncoder {
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    opened: bool,
    columns: Vec<usize>,
}

impl PayloadEncoder {
    /// An encoder of this table.
    ///
    /// # Errors
    /// If the format cannot hold its columns.
    pub(crate) fn new(layout: &PayloadLayout, format: &dyn Format) -> Result<Self> {
        let encoder = format.encoder(&layout.spec)?;
        Ok(PayloadEncoder { encoder, encoded: Encoded::default(), opened: false, columns: layout.columns.clone() })
    }

    /// Encodes a batch; its payloads are there until the next call.
    ///
    /// # Errors
    /// If a value cannot be written in its format.
    pub(crate) async fn encode(&mut self, batch: &ChangeBatch, environment: &Environment) -> Result<()> {
        if !self.opened {
            self.encoder.open(environment).await?;
            self.opened = true;
        }
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        let rows = batch.rows().project(&self.columns)?;
        self.encoder.encode(&ChangeBatch::new(rows, batch.kinds().cloned())?, &mut self.encoded)?;
        if self.encoded.ends.len() != batch.len() {
            return Err(Error::internal(format!("{} rows gave {} messages", batch.len(), self.encoded.ends.len())));
        }
        Ok(())
    }

    /// The payload of a row of the batch that was encoded last.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.encoded.ends[row - 1] };
        &self.encoded.bytes[start..self.encoded.ends[row]]
    }
}

/// The text of a metadata column, if there is one.
pub(crate) fn text_at(rows: &RecordBatch, column: Option<usize>, row: usize) -> Option<&str> {
    let column = rows.column(column?).as_string_opt::<i32>()?;
    (!column.is_null(row)).then(|| column.value(row))
}

/// The time of a metadata column in milliseconds, if there is one.
pub(crate) fn time_at(rows: &RecordBatch, column: Option<usize>, row: usize) -> Option<i64> {
    let column = rows.column(column?).as_primitive_opt::<TimestampMillisecondType>()?;
    (!column.is_null(row)).then(|| column.value(row))
}

/// The entries of a map, and which of them are the row's.
fn entries_at(rows: &RecordBatch, column: Option<usize>, row: usize) -> Option<(&StructArray, Range<usize>)> {
    let list = rows.column(column?).as_list_opt::<i32>().filter(|list| !list.is_null(row))?;
    let offsets = list.value_offsets();
    Some((list.values().as_struct_opt()?, offsets[row] as usize..offsets[row + 1] as usize))
}

/// The headers of a row; one without a name or a value is left out.
pub(crate) fn headers_at(rows: &RecordBatch, column: Option<usize>, row: usize) -> Vec<(&str, &[u8])> {
    let Some((entries, all)) = entries_at(rows, column, row) else { return Vec::new() };
    let columns = (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_binary_opt::<i32>());
    let (Some(names), Some(values)) = columns else { return Vec::new() };
    all.filter(|at| !names.is_null(*at) && !values.is_null(*at)).map(|at| (names.value(at), values.value(at))).collect()
}

/// The properties of a row; one without a name or a value is left out.
pub(crate) fn properties_at(rows: &RecordBatch, column: Option<usize>, row: usize) -> Vec<(&str, &str)> {
    let Some((entries, all)) = entries_at(rows, column, row) else { return Vec::new() };
    let columns = (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_string_opt::<i32>());
    let (Some(names), Some(values)) = columns else { return Vec::new() };
    all.filter(|at| !names.is_null(*at) && !values.is_null(*at)).map(|at| (names.value(at), values.value(at))).collect()
}
