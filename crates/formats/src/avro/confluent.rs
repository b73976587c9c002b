//! `'format' = 'avro-confluent'`: binary Avro behind a zero byte and the number of its schema, four bytes, in a registry
//! that speaks Confluent's protocol.
//!
//! A source asks the registry for each number once and resolves that writer's schema to the columns, so that writers
//! may change. A sink registers its schema under `avro-confluent.subject` before its first message. Both are done between
//! batches: see [`Decoder::prepare`] and [`Encoder::open`].
//!
//! Differences to Flink: certificates and keys are PEM files; of the registry's own properties (`properties.*`) those
//! that have an option too are taken, the others refused by name; a message of no bytes is no row.

use std::collections::HashMap;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::options::OptionReader;
use flott_api::table::ChangelogMode;
use flott_api::{BoxFuture, ChangeBatch, Error, Field, LogicalType, Result, RowKind, Schema, TypeKind};

use super::datum::{RowPlan, Table};
use super::input::{Input, Taken};
use super::no_records;
use super::registry::{Registry, RegistryOptions};
use super::schema::AvroSchema;
use super::types::{Timestamps, is_type, non_null};
use super::write::{RecordWriter, branch};
use crate::column::Columns;
use crate::records::{self, Records};
use crate::{DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, Layout};

pub(super) const HEADER_BYTES: usize = 5;

struct Confluent(Arc<RegistryOptions>);

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    Ok(Box::new(Confluent(Arc::new(RegistryOptions::read(options, prefix)?))))
}

/// The schema that the user gave, if it is that of this type.
pub(super) fn given_schema(options: &RegistryOptions, ty: &LogicalType) -> Result<Option<AvroSchema>> {
    let Some(text) = &options.schema else { return Ok(None) };
    let key = options.key("schema");
    let schema = AvroSchema::parse(text).map_err(|e| e.context(format!("option '{key}'")))?;
    let root = non_null(&schema, schema.root);
    if !is_type(&schema, root, &ty.clone().with_nullable(false)) {
        return Err(Error::invalid(format!("the schema of option '{key}' is another than that of the table"))
            .with_detail(format!("The table is {ty}."))
            .with_hint("Its fields have the names, the order and the types of the columns, nulls included."));
    }
    Ok(Some(schema))
}

/// The type of the rows of a table.
pub(super) fn row_type(fields: &[Field]) -> LogicalType {
    LogicalType::not_null(TypeKind::Row(fields.to_vec()))
}

/// A schema's text without blanks, for the registry.
pub(super) fn compact(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text).map_or_else(|_| text.to_owned(), |json| json.to_string())
}

impl Format for Confluent {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        Timestamps::Legacy.check("avro-confluent", schema)?;
        given_schema(&self.0, &row_type(&schema.fields)).map(drop)
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.0.dead_letters.as_deref()
    }
    fn layout(&self) -> Layout<'_> {
        Layout::Messages
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        let mut table = Table::new(&spec.schema, &spec.projection, Timestamps::Legacy);
        table.reader = given_schema(&self.0, &row_type(&spec.schema.fields))?;
        Ok(Box::new(ConfluentDecoder { writers: Writers::new(&self.0), table, columns: Columns::of(spec) }))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        let fields = &spec.schema.fields;
        let given = given_schema(&self.0, &row_type(fields))?;
        let text = match &self.0.schema {
            Some(text) => compact(text),
            None => Timestamps::Legacy.schema_of(fields).to_string(),
        };
        let schema = given.map_or_else(|| AvroSchema::parse(&text), Ok)?;
        let root = super::types::nullable(&schema, schema.root);
        let record = root.map_or(schema.root, |(_, record)| record);
        Ok(Box::new(ConfluentEncoder {
            subject: Subject::new(&self.0, text)?,
            null: root.map(|(null, _)| null),
            writer: RecordWriter::new(&schema, record, fields, Timestamps::Legacy)?,
        }))
    }
}

/// The schemas of writers, each with what a decoder makes of it, by their number.
pub(super) struct Writers<P> {
    registry: Registry,
    known: HashMap<u32, Result<Writer<P>, String>>,
}

/// A writer's schema and the plan of reading it.
pub(super) struct Writer<P> {
    pub(super) schema: AvroSchema,
    pub(super) plan: P,
}

/// The number of a message's schema, and its data.
fn parts(message: &[u8]) -> Taken<(u32, &[u8])> {
    let Some((header, data)) = message.split_first_chunk::<HEADER_BYTES>() else {
        return Err(format!("a message of {} bytes has no number of a schema", message.len()));
    };
    let [0, id @ ..] = *header else {
        return Err(format!("the message begins with the byte {} instead of 0", header[0]));
    };
    Ok((u32::from_be_bytes(id), data))
}

impl<P> Writers<P> {
    /// None yet.
    pub(super) fn new(options: &Arc<RegistryOptions>) -> Self {
        Writers { registry: Registry::new(Arc::clone(options)), known: HashMap::new() }
    }

    /// Fetches the schemas of these messages that are not known yet.
    ///
    /// # Errors
    /// If the registry does not answer.
    pub(super) async fn fetch(
        &mut self,
        environment: &Environment,
        messages: &[&[u8]],
        plan: impl Fn(&AvroSchema) -> P,
    ) -> Result<()> {
        let mut last = None;
        for message in messages {
            let Ok((id, _)) = parts(message) else { continue };
            if last.replace(id) == Some(id) || self.known.contains_key(&id) {
                continue;
            }
            let text = self.registry.schema(environment, id).await?;
            let writer = text.and_then(|text| match AvroSchema::parse(&text) {
                Ok(schema) => Ok(Writer { plan: plan(&schema), schema }),
                Err(e) => Err(format!("schema {id} of the registry: {}", e.message())),
            });
            self.known.insert(id, writer);
        }
        Ok(())
    }

    /// The writer of a message, and its data.
    pub(super) fn of<'m>(&self, message: &'m [u8]) -> Taken<(&Writer<P>, &'m [u8])> {
        let (id, data) = parts(message)?;
        match self.known.get(&id) {
            Some(Ok(writer)) => Ok((writer, data)),
            Some(Err(what)) => Err(what.clone()),
            None => Err(format!("schema {id} was not fetched")),
        }
    }
}

/// What a sink registers, and the header that its messages have then.
pub(super) struct Subject {
    registry: Registry,
    name: String,
    schema: String,
    header: Option<[u8; HEADER_BYTES]>,
}

impl Subject {
    /// The subject of the options, not registered yet.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn new(options: &Arc<RegistryOptions>, schema: String) -> Result<Self> {
        let name = options.sink_subject()?.to_owned();
        Ok(Subject { registry: Registry::new(Arc::clone(options)), name, schema, header: None })
    }

    /// Registers the schema.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub(super) async fn register(&mut self, environment: &Environment) -> Result<()> {
        let id = self.registry.register(environment, &self.name, &self.schema).await?;
        let mut header = [0; HEADER_BYTES];
        header[1..].copy_from_slice(&id.to_be_bytes());
        self.header = Some(header);
        Ok(())
    }

    /// What messages begin with.
    ///
    /// # Errors
    /// If it is not registered.
    pub(super) fn header(&self) -> Result<[u8; HEADER_BYTES]> {
        self.header.ok_or_else(|| Error::internal("an encoder with a schema registry was not opened"))
    }
}

struct ConfluentDecoder {
    writers: Writers<RowPlan>,
    table: Table,
    columns: Columns,
}

impl ConfluentDecoder {
    fn message(&mut self, message: &[u8]) -> Taken<()> {
        if message.is_empty() {
            return Ok(());
        }
        let (writer, data) = self.writers.of(message)?;
        if !writer.plan.row(&writer.schema, &mut Input::new(data), &mut self.columns.columns)? {
            return Err("the record is null".to_owned());
        }
        self.columns.added(1);
        Ok(())
    }
}

impl Records for ConfluentDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, None)
    }

    fn record(&mut self, message: &[u8]) -> Result<(), String> {
        let taken = self.message(message);
        if taken.is_err() {
            self.columns.roll_back();
        }
        taken
    }
}

impl Decoder for ConfluentDecoder {
    fn decode(&mut self, _window: &[u8], _end: bool) -> Result<usize, DecodeError> {
        Err(no_records("avro-confluent"))
    }

    fn prepare<'a>(&'a mut self, environment: &'a Environment, messages: &'a [&'a [u8]]) -> BoxFuture<'a, Result<()>> {
        let (writers, table) = (&mut self.writers, &self.table);
        let wanted = table.reader.as_ref().map(|reader| reader.root);
        Box::pin(writers.fetch(environment, messages, move |schema| RowPlan::new(schema, schema.root, table, wanted)))
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

struct ConfluentEncoder {
    subject: Subject,
    /// If the schema says that a row may be null: the place of the null.
    null: Option<usize>,
    writer: RecordWriter,
}

impl Encoder for ConfluentEncoder {
    fn open<'a>(&'a mut self, environment: &'a Environment) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.subject.register(environment))
    }

    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let header = self.subject.header()?;
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.len() {
            out.bytes.extend_from_slice(&header);
            if let Some(null) = self.null {
                branch(null, false, &mut out.bytes);
            }
            self.writer.row(&cells, row, &mut out.bytes)?;
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
