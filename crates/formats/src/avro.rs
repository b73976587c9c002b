//! `'format' = 'avro'`: Avro's binary encoding. A message is one record without a schema, the table's own; a file is an
//! object container (blocks of records with the schema of who wrote them), read by splits.
//!
//! The schema of a table is the one that Flink derives: a nullable column is a union of null and its type with the
//! default null (in files so is the whole row), records are called `org.apache.flink.avro.generated.record`, and rows within them after their column.
//! What a file was written with is resolved to the columns by Avro's rules: fields by name, `int` to `BIGINT`, `FLOAT`,
//! `DOUBLE`, and so on; a column that the writer does not have is NULL.
//!
//! Differences to Flink: a timestamp is read in the unit that the writer's schema says (Flink takes the number as it is),
//! and `timestamp_mapping.legacy` = `false` holds for files too; a decimal of another scale is refused (Flink moves its
//! point); an enum is read as a string and a fixed as bytes; strings that are no UTF-8, and times
//! beyond a day, are refused. `encoding` = `json` is refused by name.

pub(crate) mod confluent;
mod container;
mod datum;
pub(crate) mod debezium;
mod input;
mod json;
mod read;
mod registry;
mod resolve;
mod schema;
mod types;
mod write;

use std::ops::Range;

use flott_api::env::ReadFile;
use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, Result, RowKind, Schema};

use crate::column::Columns;
use crate::records::{self, Records};
use crate::{
    DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, FileFormat, FileReader, Format, Layout,
    dead_letters,
};
use container::{Codec, ContainerReader, ContainerWriter};
use datum::{RowPlan, Table};
use input::Input;
use schema::AvroSchema;
use types::Timestamps;
use write::RecordWriter;

struct Avro {
    timestamps: Timestamps,
    codec: Codec,
    dead_letters: Option<String>,
}

/// The options of formats with a registry.
pub(crate) const REGISTRY: OptionTable = registry::OPTIONS;
/// The options of `avro`.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::choice("encoding", &["binary"], "How records are written; Flink's `json` is not supported.")
        .or("binary"),
    ConfigOption::flag(
        "timestamp_mapping.legacy",
        "Whether `TIMESTAMP` is Avro's type of moments, as Flink had it first; else its type of local times.",
    )
    .or("true"),
    ConfigOption::text(
        "codec",
        "How blocks of a file are compressed: `null`, `deflate`, `snappy`, `bzip2`, `xz`, `zstandard`.",
    )
    .or("snappy"),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = |name: &str| format!("{prefix}{name}");
    if !options.choice(&key("encoding"), &[("binary", true), ("json", false)], true)? {
        return Err(Error::unsupported(format!("'{}' = 'json'", key("encoding")))
            .with_hint("Use 'binary', or format 'json' for what people read."));
    }
    let timestamps = timestamps(options, prefix)?;
    let dead_letters = dead_letters::table(options, prefix, false)?;
    Ok(Box::new(Avro { timestamps, codec: Codec::read(options, &key("codec"))?, dead_letters }))
}

fn timestamps(options: &OptionReader<'_>, prefix: &str) -> Result<Timestamps> {
    let legacy = options.value_or(&format!("{prefix}timestamp_mapping.legacy"), true)?;
    Ok(if legacy { Timestamps::Legacy } else { Timestamps::Correct })
}

impl Format for Avro {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        self.timestamps.check("avro", schema)
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.dead_letters.as_deref()
    }
    fn layout(&self) -> Layout<'_> {
        Layout::File(self)
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        let writer = AvroSchema::parse(&self.timestamps.schema_of(&spec.schema.fields).to_string())?;
        let table = Table::new(&spec.schema, &spec.projection, self.timestamps);
        let plan = RowPlan::new(&writer, writer.root, &table, None);
        Ok(Box::new(MessageDecoder { writer, plan, columns: Columns::of(spec) }))
    }

    /// Of messages, unless lines would end: then of a file.
    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        let record = self.timestamps.schema_of(&spec.schema.fields);
        let schema = AvroSchema::parse(&record.to_string())?;
        let writer = RecordWriter::new(&schema, schema.root, &spec.schema.fields, self.timestamps)?;
        if spec.line_ends {
            return Ok(Box::new(ContainerWriter::new(writer, &record, self.codec)));
        }
        Ok(Box::new(MessageEncoder { writer }))
    }
}

impl FileFormat for Avro {
    fn reader(
        &self,
        file: Box<dyn ReadFile>,
        spec: &DecoderSpec,
        range: Range<u64>,
        skip: u64,
    ) -> Result<Box<dyn FileReader>> {
        self.check(&spec.schema)?;
        let table = Table::new(&spec.schema, &spec.projection, self.timestamps);
        let columns = Columns::new(&spec.output_schema());
        Ok(Box::new(ContainerReader::new(file, &table, columns, range, skip)?))
    }
}

/// Decodes messages of the table's own schema.
struct MessageDecoder {
    writer: AvroSchema,
    plan: RowPlan,
    columns: Columns,
}

/// Binary data have no lines, nor other ends that a reader could find.
fn no_records(format: &str) -> DecodeError {
    DecodeError::Other(Error::internal(format!("format '{format}' has no records in a stream of bytes")))
}

impl Records for MessageDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, None)
    }

    fn record(&mut self, message: &[u8]) -> Result<(), String> {
        let read = self.plan.row(&self.writer, &mut Input::new(message), &mut self.columns.columns);
        match read {
            Ok(true) => {
                self.columns.added(1);
                Ok(())
            }
            Ok(false) => Err("the record is null".to_owned()),
            Err(what) => {
                self.columns.roll_back();
                Err(what)
            }
        }
    }
}

impl Decoder for MessageDecoder {
    fn decode(&mut self, _window: &[u8], _end: bool) -> Result<usize, DecodeError> {
        Err(no_records("avro"))
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        records::messages(self, messages, rows)
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        Ok(ChangeBatch::inserts(self.columns.take()?))
    }

    fn take_skipped(&mut self) -> u64 {
        self.columns.take_dead_letters()
    }
}

struct MessageEncoder {
    writer: RecordWriter,
}

impl Encoder for MessageEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.len() {
            self.writer.row(&cells, row, &mut out.bytes)?;
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
