//! `'format' = 'debezium-json'`: change events of Debezium. `c` and `r` are `+I`, `u` is `-U` and `+U`, `d` is `-D`.
//!
//! Written are, as by Flink, only `c` (for `+I` and `+U`) and `d` (for `-U` and `-D`). Metadata columns are those of
//! Flink: `schema`, `ingestion-timestamp`, `source.timestamp`, `source.database`, `source.schema`, `source.table`,
//! `source.properties`.

mod envelope;

use flott_api::options::OptionReader;
use flott_api::table::{ChangelogMode, MetadataColumn};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, LogicalType, Result, RowKind, RowKinds, Schema, TypeKind};

use crate::column::Columns;
use crate::json::decode::next_line;
use crate::json::encode::RowWriter;
use crate::json::scan::{Kind, Scanner};
use crate::json::value::{Fail, Taken, ValueReader};
use crate::json::{JsonOptions, check_types, common_options};
use crate::{BadRecord, DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, Layout};
use envelope::{Envelope, Metadata};

struct Debezium {
    json: JsonOptions,
    schema_include: bool,
    schema_include_key: String,
}

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let schema_include_key = format!("{prefix}schema-include");
    let schema_include = options.value_or(&schema_include_key, false)?;
    Ok(Box::new(Debezium { json: common_options(options, prefix)?, schema_include, schema_include_key }))
}

impl Format for Debezium {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn metadata(&self) -> Vec<MetadataColumn> {
        let instant = LogicalType::new(TypeKind::TimestampLtz(3));
        let text = LogicalType::string();
        let properties = LogicalType::new(TypeKind::Map(Box::new(text.clone()), Box::new(text.clone())));
        let columns = [
            ("schema", text.clone()),
            ("ingestion-timestamp", instant.clone()),
            ("source.timestamp", instant),
            ("source.database", text.clone()),
            ("source.schema", text.clone()),
            ("source.table", text),
            ("source.properties", properties),
        ];
        columns.into_iter().map(|(key, ty)| MetadataColumn { key: key.to_owned(), ty }).collect()
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        check_types("debezium-json", schema)
    }

    fn layout(&self) -> Layout<'_> {
        Layout::Records { splittable: true }
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        let metadata = spec.metadata.iter().map(|(key, _)| Metadata::of(key)).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(DebeziumDecoder {
            reader: ValueReader::new(self.json.clone()),
            ignore: self.json.ignore_parse_errors,
            schema_include: self.schema_include,
            fields: spec.schema.project(&spec.projection).fields,
            columns: Columns::new(&spec.output_schema()),
            metadata,
            kinds: Vec::new(),
            skipped: 0,
        }))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        if self.schema_include {
            return Err(Error::invalid(format!(
                "format 'debezium-json' cannot write with '{}'",
                self.schema_include_key
            ))
            .with_hint("Remove the option from the sink."));
        }
        let writer = RowWriter::new(self.json.clone(), &spec.schema.fields);
        Ok(Box::new(DebeziumEncoder { writer, line_ends: spec.line_ends }))
    }
}

struct DebeziumDecoder {
    reader: ValueReader,
    ignore: bool,
    schema_include: bool,
    /// The physical columns; metadata columns come behind them.
    fields: Vec<Field>,
    columns: Columns,
    metadata: Vec<Metadata>,
    kinds: Vec<RowKind>,
    skipped: u64,
}

pub(crate) fn mismatch<T>(what: impl Into<String>) -> Taken<T> {
    Err(Fail::Mismatch(what.into()))
}

impl DebeziumDecoder {
    fn record(&mut self, text: &[u8]) -> Option<String> {
        self.reader.damaged = false;
        let before = self.columns.rows();
        let Err(fail) = self.event(text) else {
            self.skipped += u64::from(self.reader.damaged);
            return None;
        };
        self.columns.cut(before);
        self.kinds.truncate(before);
        if self.ignore {
            self.skipped += 1;
            return None;
        }
        Some(fail.message())
    }

    fn event(&mut self, text: &[u8]) -> Taken<()> {
        if Scanner::new(text).is_at_end() {
            // A tombstone of a log-compacted topic.
            return Ok(());
        }
        let envelope = Envelope::read(text, self.schema_include)?;
        match envelope.op.unwrap_or_default() {
            b"c" | b"r" => self.row(envelope.after, "after", &envelope, RowKind::Insert),
            b"u" => {
                self.row(envelope.before, "before", &envelope, RowKind::UpdateBefore)?;
                self.row(envelope.after, "after", &envelope, RowKind::UpdateAfter)
            }
            b"d" => self.row(envelope.before, "before", &envelope, RowKind::Delete),
            b"" => mismatch("the event has no 'op'"),
            other => mismatch(format!("'op' is '{}' instead of c, r, u or d", crate::text::excerpt(other))),
        }
    }

    fn row(&mut self, image: Option<&[u8]>, name: &str, envelope: &Envelope<'_>, kind: RowKind) -> Taken<()> {
        let Some(image) = image else {
            let hint = if name == "before" { "; a Postgres table needs REPLICA IDENTITY FULL" } else { "" };
            return mismatch(format!("'{name}' of a {kind} event is null{hint}"));
        };
        let mut scan = Scanner::new(image);
        if scan.kind()? != Kind::Object {
            return mismatch(format!("'{name}' is no JSON object"));
        }
        let rows = self.columns.rows();
        let (columns, metadata) = self.columns.columns.split_at_mut(self.fields.len());
        self.reader.object(&mut scan, &self.fields, columns, rows, true)?;
        for (column, what) in metadata.iter_mut().zip(&self.metadata) {
            what.push(envelope, column)?;
        }
        self.columns.added(1);
        self.kinds.push(kind);
        Ok(())
    }
}

impl Decoder for DebeziumDecoder {
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        let mut at = 0;
        while self.columns.rows() < BATCH_ROWS_MAX {
            let Some((line, length)) = next_line(&window[at..], end) else { break };
            if let Some(what) = self.record(line) {
                return Err(DecodeError::Record(BadRecord { at, what }));
            }
            at += length;
        }
        Ok(at)
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        for (at, message) in messages.iter().enumerate() {
            let before = self.columns.rows();
            if let Some(what) = self.record(message) {
                return Err(DecodeError::Record(BadRecord { at, what }));
            }
            rows.push((self.columns.rows() - before) as u32);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        let kinds = RowKinds::new(std::mem::take(&mut self.kinds));
        ChangeBatch::new(self.columns.take()?, Some(kinds))
    }

    fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }
}

struct DebeziumEncoder {
    writer: RowWriter,
    line_ends: bool,
}

impl Encoder for DebeziumEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        let null = |key: &[u8]| if self.writer.ignores_nulls() { Vec::new() } else { [key, b":null"].concat() };
        let (no_before, no_after) = (null(b"\"before\""), null(b"\"after\""));
        for row in 0..batch.len() {
            let bytes = &mut out.bytes;
            bytes.push(b'{');
            if batch.kind(row).is_retract() {
                bytes.extend_from_slice(b"\"before\":");
                self.writer.row(&cells, row, bytes)?;
                if !no_after.is_empty() {
                    bytes.push(b',');
                    bytes.extend_from_slice(&no_after);
                }
                bytes.extend_from_slice(b",\"op\":\"d\"}");
            } else {
                if !no_before.is_empty() {
                    bytes.extend_from_slice(&no_before);
                    bytes.push(b',');
                }
                bytes.extend_from_slice(b"\"after\":");
                self.writer.row(&cells, row, bytes)?;
                bytes.extend_from_slice(b",\"op\":\"c\"}");
            }
            if self.line_ends {
                bytes.push(b'\n');
            }
            let end = out.bytes.len();
            out.ends.push(end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
