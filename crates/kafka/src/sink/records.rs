//! Rows to records: keys, values, and what a row says beside them.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, RecordBatch};
use flott_api::env::Environment;
use flott_api::table::{MetadataColumn, SinkSpec};
use flott_api::types::LENGTH_MAX;
use flott_api::{ChangeBatch, Error, LogicalType, Result, RowKind, Schema, TypeKind};
use flott_formats::{Encoded, Encoder, EncoderSpec};

use crate::batch::RecordHeader;
use crate::options::{Kind, TableOptions};

const TOPIC: &str = "topic";
const HEADERS: &str = "headers";
const TIMESTAMP: &str = "timestamp";

/// What can be written beside keys and values.
pub(crate) fn sink_metadata() -> Vec<MetadataColumn> {
    let bytes = LogicalType::new(TypeKind::Varbinary(LENGTH_MAX));
    let headers = LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(bytes)));
    let columns =
        [(TOPIC, LogicalType::string()), (HEADERS, headers), (TIMESTAMP, LogicalType::new(TypeKind::TimestampLtz(3)))];
    columns.into_iter().map(|(key, ty)| MetadataColumn { key: key.to_owned(), ty }).collect()
}

/// Which columns become what.
pub(crate) struct RecordLayout {
    key: Option<(EncoderSpec, Vec<usize>)>,
    value: (EncoderSpec, Vec<usize>),
    topic: Option<usize>,
    headers: Option<usize>,
    timestamp: Option<usize>,
    /// A deletion is a record without a value.
    upsert: bool,
}

impl RecordLayout {
    /// That of a specification, whose physical columns are `schema`.
    ///
    /// # Errors
    /// If a metadata column cannot be written, or the format cannot hold the changes.
    pub(super) fn of(kind: Kind, options: &TableOptions, spec: &SinkSpec, schema: &Schema) -> Result<Self> {
        let at = |name: &str| spec.metadata.iter().position(|key| key == name).map(|i| schema.len() + i);
        if let Some(other) = spec.metadata.iter().find(|key| ![TOPIC, HEADERS, TIMESTAMP].contains(&key.as_str())) {
            return Err(Error::invalid(format!("connector '{}' cannot write metadata '{other}'", kind.identifier())));
        }
        if kind == Kind::Kafka && !options.value.format.changelog().covers(spec.changelog) {
            let message = format!("table '{}' cannot take updates and deletions", spec.table);
            return Err(Error::invalid(message)
                .with_detail(format!("Format '{}' holds only insertions.", options.value.name))
                .with_hint("Use connector 'upsert-kafka' or format 'debezium-json'."));
        }
        let columns = &options.columns;
        let encoder = |schema| EncoderSpec { schema, line_ends: false };
        Ok(RecordLayout {
            key: options.key.as_ref().map(|_| (encoder(columns.key_schema(schema)), columns.key.clone())),
            value: (encoder(columns.value_schema(schema)), columns.value.clone()),
            topic: at(TOPIC),
            headers: at(HEADERS),
            timestamp: at(TIMESTAMP),
            upsert: kind == Kind::Upsert,
        })
    }
}

/// Encodes batches.
pub(super) struct RecordEncoder {
    key: Option<Box<dyn Encoder>>,
    value: Box<dyn Encoder>,
    keys: Encoded,
    values: Encoded,
    opened: bool,
}

/// A record to be written.
pub(super) struct RecordRow<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// Nothing for the time at which it is written.
    pub(super) timestamp: Option<i64>,
}

impl RecordEncoder {
    /// An encoder of this table.
    ///
    /// # Errors
    /// If a format cannot hold its columns.
    pub(super) fn new(layout: &RecordLayout, options: &TableOptions) -> Result<Self> {
        let key = match (&layout.key, &options.key) {
            (Some((spec, _)), Some(format)) => Some(format.format.encoder(spec)?),
            _ => None,
        };
        let value = options.value.format.encoder(&layout.value.0)?;
        Ok(RecordEncoder { key, value, keys: Encoded::default(), values: Encoded::default(), opened: false })
    }

    /// Encodes a batch; its records are there until the next call.
    ///
    /// # Errors
    /// If a value cannot be written in its format, or a registry does not answer.
    pub(super) async fn encode(
        &mut self,
        layout: &RecordLayout,
        batch: &ChangeBatch,
        environment: &Environment,
    ) -> Result<()> {
        if !self.opened {
            self.value.open(environment).await?;
            if let Some(key) = &mut self.key {
                key.open(environment).await?;
            }
            self.opened = true;
        }
        if let (Some(encoder), Some((_, columns))) = (&mut self.key, &layout.key) {
            let keys = ChangeBatch::inserts(batch.rows().project(columns)?);
            encode(&mut **encoder, &keys, &mut self.keys)?;
        }
        let values = batch.rows().project(&layout.value.1)?;
        // Rows that delete are encoded in vain, and their records have no value.
        let values = if layout.upsert {
            ChangeBatch::inserts(values)
        } else {
            ChangeBatch::new(values, batch.kinds().cloned())?
        };
        encode(&mut *self.value, &values, &mut self.values)
    }

    /// The record of a row of the batch that was encoded last.
    pub(super) fn record(&self, layout: &RecordLayout, batch: &ChangeBatch, row: usize) -> RecordRow<'_> {
        let key = self.key.as_ref().map(|_| bytes_of(&self.keys, row));
        let deletes = layout.upsert && matches!(batch.kind(row), RowKind::Delete | RowKind::UpdateBefore);
        let value = (!deletes).then(|| bytes_of(&self.values, row));
        RecordRow { key, value, timestamp: timestamp(layout, batch.rows(), row) }
    }
}

fn encode(encoder: &mut dyn Encoder, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
    out.bytes.clear();
    out.ends.clear();
    encoder.encode(batch, out)?;
    if out.ends.len() != batch.len() {
        return Err(Error::internal(format!("{} rows gave {} records", batch.len(), out.ends.len())));
    }
    Ok(())
}

fn bytes_of(encoded: &Encoded, row: usize) -> &[u8] {
    let start = if row == 0 { 0 } else { encoded.ends[row - 1] };
    &encoded.bytes[start..encoded.ends[row]]
}

fn timestamp(layout: &RecordLayout, rows: &RecordBatch, row: usize) -> Option<i64> {
    let column = rows.column(layout.timestamp?).as_primitive_opt::<TimestampMillisecondType>()?;
    (!column.is_null(row)).then(|| column.value(row))
}

/// The topic that a row names.
///
/// # Errors
/// If it names none.
pub(super) fn topic<'a>(layout: &RecordLayout, rows: &'a RecordBatch, row: usize) -> Result<Option<&'a str>> {
    let Some(column) = layout.topic else { return Ok(None) };
    let names = rows.column(column).as_string_opt::<i32>();
    let names = names.ok_or_else(|| Error::internal("the names of topics are no texts"))?;
    if names.is_null(row) {
        return Err(Error::data("metadata column 'topic' is null").with_detail("It says which topic the row goes to."));
    }
    Ok(Some(names.value(row)))
}

/// The headers that a row has.
pub(super) fn headers<'a>(layout: &RecordLayout, rows: &'a RecordBatch, row: usize, out: &mut Vec<RecordHeader<'a>>) {
    out.clear();
    let Some(list) = layout.headers.and_then(|column| rows.column(column).as_list_opt::<i32>()) else { return };
    if list.is_null(row) {
        return;
    }
    let Some(entries) = list.values().as_struct_opt() else { return };
    let (Some(names), Some(values)) =
        (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_binary_opt::<i32>())
    else {
        return;
    };
    let offsets = list.value_offsets();
    for at in offsets[row] as usize..offsets[row + 1] as usize {
        // One without a name or a value is left out, as in Flink.
        if !names.is_null(at) && !values.is_null(at) {
            out.push(RecordHeader { name: names.value(at).as_bytes(), value: Some(values.value(at)) });
        }
    }
}
