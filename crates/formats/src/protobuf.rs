//! `'format' = 'protobuf'`: a message of Protocol Buffers, version 2 or 3, a record.
//!
//! Flink loads the Java class of `protobuf.message-class-name`. Here its message comes with the table: `protobuf.schema`
//! is the text of the `.proto` file, or `protobuf.descriptor-set` is what `protoc --include_imports` writes, in Base64.
//! Either goes into the job graph, so that no machine needs a file. The class name means the message that Java's rules
//! (package, outer class, nesting) give that class; the full name of the message does as well.
//!
//! Fields go to the columns of their names, by Flink's types: numbers without a sign to the `INT` or `BIGINT` of the same
//! bits, an enum to `STRING` or `INT` (or `BIGINT`), a message to `ROW`, a repeated field to `ARRAY`, a map to `MAP`.
//! What is not there is NULL, or with `protobuf.read-default-values` the default; numbers, strings, bytes and enums of
//! proto3 are never NULL. Of a field that comes more than once the last value counts, and messages are merged. Values of
//! another wire type than the field's are passed over, like unknown fields.
//!
//! A null is not written; within lists and maps, which cannot have any, the default is, and for strings
//! `protobuf.write-null-string-literal`.
//!
//! Differences to Flink: what no column reads is not looked at beyond its length, so what is wrong within it is not
//! found; an enum of `BIGINT` is read too; a table may have no groups.

mod plan;
mod read;
mod schema;
pub(crate) mod wire;
mod write;

use std::sync::Arc;

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, Field, Result, RowKind, Schema};
use prost_reflect::MessageDescriptor;

use crate::cells::Cell;
use crate::column::Columns;
use crate::records::{self, Records};
use crate::{DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, Layout, dead_letters};
use plan::{Message, Planner};
use read::Reader;
use write::{Writer, check_complete};

struct Protobuf {
    message: MessageDescriptor,
    ignore_errors: bool,
    defaults: bool,
    null_text: Arc<str>,
    dead_letters: Option<String>,
}

/// Its options.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::text(
        "message-class-name",
        "Flink's: the Java class, nested ones behind `$`. The message's full name (`example.Click`) does as well.",
    )
    .needed(),
    ConfigOption::text(
        "schema",
        "Ours: the text of the `.proto` file, which may import what `google/protobuf/` has. It or the next one is needed.",
    ),
    ConfigOption::text(
        "descriptor-set",
        "Ours: a descriptor set in Base64, for schemas of several files. `protoc --include_imports --descriptor_set_out=/dev/stdout FILE | base64 -w0` prints it.",
    ),
    ConfigOption::flag("read-default-values", "Whether what is not there is its default instead of NULL.").or("false"),
    ConfigOption::text("write-null-string-literal", "What is written for a null in a list or map of texts.").or(""),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = |name: &str| format!("{prefix}{name}");
    let ignore_errors = options.value_or(&key("ignore-parse-errors"), false)?;
    let defaults = options.value_or(&key("read-default-values"), false)?;
    let null_text = options.text(&key("write-null-string-literal")).unwrap_or_default().into();
    let dead_letters = dead_letters::table(options, prefix, ignore_errors)?;
    let message = schema::message(options, prefix)?;
    Ok(Box::new(Protobuf { message, ignore_errors, defaults, null_text, dead_letters }))
}

impl Protobuf {
    /// The plan of a table of which these columns are asked for.
    fn plan(&self, schema: &Schema, projection: &[usize]) -> Result<Message> {
        let place = |column: usize| projection.iter().position(|p| *p == column);
        let columns = schema.fields.iter().enumerate().map(|(i, field)| (place(i), field));
        Planner::new(&self.message, self.defaults).message(&self.message, columns)
    }

    fn whole(&self, schema: &Schema) -> Result<Message> {
        let all: Vec<usize> = (0..schema.len()).collect();
        self.plan(schema, &all)
    }
}

impl Format for Protobuf {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        self.whole(schema).map(drop)
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.dead_letters.as_deref()
    }

    fn layout(&self) -> Layout<'_> {
        Layout::Messages
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(ProtobufDecoder {
            plan: self.plan(&spec.schema, &spec.projection)?,
            reader: Reader::default(),
            columns: Columns::of(spec),
            ignore_errors: self.ignore_errors,
            skipped: 0,
        }))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        let plan = self.whole(&spec.schema)?;
        check_complete(&plan)?;
        let writer = Writer { null_text: self.null_text.to_string() };
        Ok(Box::new(ProtobufEncoder { plan, writer, fields: spec.schema.fields.clone() }))
    }
}

struct ProtobufDecoder {
    plan: Message,
    reader: Reader,
    columns: Columns,
    ignore_errors: bool,
    skipped: u64,
}

impl Records for ProtobufDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, None)
    }

    fn record(&mut self, message: &[u8]) -> Result<(), String> {
        match self.reader.message(&self.plan, message, &mut self.columns.columns) {
            Ok(_) => {
                self.columns.added(1);
                Ok(())
            }
            Err(what) => {
                self.columns.roll_back();
                if !self.ignore_errors {
                    return Err(what);
                }
                self.skipped += 1;
                Ok(())
            }
        }
    }
}

impl Decoder for ProtobufDecoder {
    fn decode(&mut self, _window: &[u8], _end: bool) -> Result<usize, DecodeError> {
        Err(DecodeError::Other(Error::internal("format 'protobuf' has no records in a stream of bytes")))
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
        std::mem::take(&mut self.skipped) + self.columns.take_dead_letters()
    }
}

struct ProtobufEncoder {
    plan: Message,
    writer: Writer,
    fields: Vec<Field>,
}

impl Encoder for ProtobufEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let columns = batch.rows().columns().iter().zip(&self.fields);
        let cells = columns.map(|(array, field)| Cell::new(array, &field.ty)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.len() {
            self.writer.message(&self.plan, &cells, row, &mut out.bytes)?;
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
