//! `'format' = 'debezium-avro-confluent'`: change events of Debezium in Avro, with their schemas in a registry, as
//! `avro-confluent` has them. `c` and `r` are `+I`, `u` is `-U` and `+U`, `d` is `-D`.
//!
//! Of an event only `before`, `after` and `op` are read; it has no metadata columns, as in Flink 2.3. Written are, as by
//! Flink, only `c` (for `+I` and `+U`) and `d` (for `-U` and `-D`). A message of no bytes is a tombstone.

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::options::OptionReader;
use flott_api::table::ChangelogMode;
use flott_api::{BoxFuture, ChangeBatch, Error, Field, LogicalType, Result, RowKind, RowKinds, Schema, TypeKind};
use serde_json::json;

use super::confluent::{Subject, Writers, compact, given_schema};
use super::datum::{RowPlan, Table};
use super::input::{Input, Taken};
use super::no_records;
use super::registry::RegistryOptions;
use super::schema::{AvroSchema, Kind, RecordField, TypeId};
use super::types::{Timestamps, non_null, nullable};
use super::write::{RecordWriter, branch, bytes, long};
use crate::cells::Cell;
use crate::column::Columns;
use crate::records::{self, Records};
use crate::{DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, Layout};

struct Debezium(Arc<RegistryOptions>);

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    Ok(Box::new(Debezium(Arc::new(RegistryOptions::read(options, prefix)?))))
}

/// The fields of an event.
fn envelope(fields: &[Field]) -> Vec<Field> {
    let row = LogicalType::new(TypeKind::Row(fields.to_vec()));
    vec![Field::new("before", row.clone()), Field::new("after", row), Field::new("op", LogicalType::string())]
}

impl Debezium {
    fn given(&self, fields: &[Field]) -> Result<Option<AvroSchema>> {
        given_schema(&self.0, &LogicalType::new(TypeKind::Row(envelope(fields))))
    }
}

impl Format for Debezium {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        Timestamps::Legacy.check("debezium-avro-confluent", schema)?;
        self.given(&schema.fields).map(drop)
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
        table.reader = self.given(&spec.schema.fields)?;
        Ok(Box::new(DebeziumDecoder {
            writers: Writers::new(&self.0),
            table,
            columns: Columns::of(spec),
            kinds: Vec::new(),
        }))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        let fields = &spec.schema.fields;
        let given = self.given(fields)?;
        let text = match &self.0.schema {
            Some(text) => compact(text),
            None => json!(["null", Timestamps::Legacy.schema_of(&envelope(fields))]).to_string(),
        };
        let schema = given.map_or_else(|| AvroSchema::parse(&text), Ok)?;
        let writer = EventWriter::new(&schema, fields)?;
        Ok(Box::new(DebeziumEncoder { subject: Subject::new(&self.0, text)?, writer }))
    }
}

/// How an event of one writer is read.
struct EventPlan {
    /// Its fields, in order.
    parts: Result<Vec<Part>, String>,
    /// If the event is in a union: which branch it is, of how many.
    union: Option<(usize, usize)>,
}

enum Part {
    Before(TypeId, RowPlan),
    After(TypeId, RowPlan),
    Op(TypeId),
    Other(TypeId),
}

impl EventPlan {
    fn new(writer: &AvroSchema, table: &Table) -> Self {
        let union = nullable(writer, writer.root).map(|(null, _)| (1 - null, 2));
        let parts = match &writer.get(non_null(writer, writer.root)).kind {
            Kind::Record(fields) => Ok(fields.iter().map(|field| EventPlan::part(writer, table, field)).collect()),
            other => Err(format!("the writer's schema is the Avro type {} instead of a record", other.name())),
        };
        EventPlan { parts, union }
    }

    fn part(writer: &AvroSchema, table: &Table, field: &RecordField) -> Part {
        let row = || RowPlan::new(writer, field.ty, table, reader_type(table, &field.name));
        match field.name.as_str() {
            "before" => Part::Before(field.ty, row()),
            "after" => Part::After(field.ty, row()),
            "op" => Part::Op(field.ty),
            _ => Part::Other(field.ty),
        }
    }
}

/// The type of a field of the user's schema.
fn reader_type(table: &Table, name: &str) -> Option<TypeId> {
    let reader = table.reader.as_ref()?;
    match &reader.get(non_null(reader, reader.root)).kind {
        Kind::Record(fields) => fields.iter().find(|f| f.name == name).map(|f| f.ty),
        _ => None,
    }
}

struct DebeziumDecoder {
    writers: Writers<EventPlan>,
    table: Table,
    columns: Columns,
    kinds: Vec<RowKind>,
}

/// Where a row of an event begins, and how it is read.
type Image<'a> = Option<(usize, &'a RowPlan)>;

/// The parts of an event.
#[derive(Default)]
struct Event<'a> {
    before: Image<'a>,
    after: Image<'a>,
    op: Option<&'a [u8]>,
}

/// The text of `op`; nothing if it is null.
fn op<'a>(writer: &'a AvroSchema, ty: TypeId, input: &mut Input<'a>) -> Taken<Option<&'a [u8]>> {
    match &writer.get(ty).kind {
        Kind::Union(branches) => {
            let branch = input.index(branches.len(), "branch")?;
            op(writer, branches[branch], input)
        }
        Kind::Null => Ok(None),
        Kind::Text | Kind::Bytes => input.bytes().map(Some),
        Kind::Enum(symbols) => {
            let symbol = input.index(symbols.len(), "symbol")?;
            Ok(Some(symbols[symbol].as_bytes()))
        }
        other => Err(format!("'op' is the Avro type {} instead of a string", other.name())),
    }
}

/// Finds the parts of an event.
fn event<'a>(writer: &'a AvroSchema, plan: &'a EventPlan, input: &mut Input<'a>) -> Taken<Event<'a>> {
    if let Some((branch, count)) = plan.union
        && input.index(count, "branch")? != branch
    {
        return Err("the event is null".to_owned());
    }
    let mut event = Event::default();
    for part in plan.parts.as_ref().map_err(Clone::clone)? {
        match part {
            Part::Before(ty, row) => {
                event.before = Some((input.at(), row));
                input.skip(writer, *ty)?;
            }
            Part::After(ty, row) => {
                event.after = Some((input.at(), row));
                input.skip(writer, *ty)?;
            }
            Part::Op(ty) => event.op = op(writer, *ty, input)?,
            Part::Other(ty) => input.skip(writer, *ty)?,
        }
    }
    Ok(event)
}

impl DebeziumDecoder {
    fn message(&mut self, message: &[u8]) -> Taken<()> {
        if message.is_empty() {
            return Ok(());
        }
        let (writer, data) = self.writers.of(message)?;
        let mut input = Input::new(data);
        let event = event(&writer.schema, &writer.plan, &mut input)?;
        let columns = &mut self.columns;
        let mut add = |image: Image<'_>, name: &str, kind: RowKind| {
            let there = match image {
                Some((at, row)) => {
                    input.go_to(at);
                    row.row(&writer.schema, &mut input, &mut columns.columns)?
                }
                None => false,
            };
            if !there {
                let hint = if name == "before" { "; a Postgres table needs REPLICA IDENTITY FULL" } else { "" };
                return Err(format!("'{name}' of a {kind} event is null{hint}"));
            }
            columns.added(1);
            self.kinds.push(kind);
            Ok(())
        };
        match event.op.unwrap_or_default() {
            b"c" | b"r" => add(event.after, "after", RowKind::Insert),
            b"u" => {
                add(event.before, "before", RowKind::UpdateBefore)?;
                add(event.after, "after", RowKind::UpdateAfter)
            }
            b"d" => add(event.before, "before", RowKind::Delete),
            b"" => Err("the event has no 'op'".to_owned()),
            other => Err(format!("'op' is '{}' instead of c, r, u or d", crate::text::excerpt(other))),
        }
    }
}

impl Records for DebeziumDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, Some(&mut self.kinds))
    }

    fn record(&mut self, message: &[u8]) -> Result<(), String> {
        let before = self.columns.rows();
        let taken = self.message(message);
        if taken.is_err() {
            self.columns.cut(before);
            self.kinds.truncate(before);
        }
        taken
    }
}

impl Decoder for DebeziumDecoder {
    fn decode(&mut self, _window: &[u8], _end: bool) -> Result<usize, DecodeError> {
        Err(no_records("debezium-avro-confluent"))
    }

    fn prepare<'a>(&'a mut self, environment: &'a Environment, messages: &'a [&'a [u8]]) -> BoxFuture<'a, Result<()>> {
        let (writers, table) = (&mut self.writers, &self.table);
        Box::pin(writers.fetch(environment, messages, move |schema| EventPlan::new(schema, table)))
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        records::messages(self, messages, rows)
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        let kinds = RowKinds::new(std::mem::take(&mut self.kinds));
        ChangeBatch::new(self.columns.take()?, Some(kinds))
    }

    fn take_skipped(&mut self) -> u64 {
        self.columns.take_dead_letters()
    }
}

/// Writes events.
struct EventWriter {
    /// The places of the nulls in the unions of the event, its rows and its `op`, where there are such.
    null: Option<usize>,
    before: (Option<usize>, RecordWriter),
    after: (Option<usize>, RecordWriter),
    op: Option<usize>,
    /// The symbols of `op`, if it is an enum.
    symbols: Option<Vec<String>>,
}

impl EventWriter {
    fn new(schema: &AvroSchema, fields: &[Field]) -> Result<Self> {
        let Kind::Record(parts) = &schema.get(non_null(schema, schema.root)).kind else { return Err(no_event()) };
        let [before, after, op] = parts.as_slice() else { return Err(no_event()) };
        let null = |id: TypeId| nullable(schema, id).map(|(null, _)| null);
        let row = |part: &RecordField| {
            let writer = RecordWriter::new(schema, non_null(schema, part.ty), fields, Timestamps::Legacy)?;
            Ok::<_, Error>((null(part.ty), writer))
        };
        let symbols = match &schema.get(non_null(schema, op.ty)).kind {
            Kind::Enum(symbols) => Some(symbols.clone()),
            _ => None,
        };
        Ok(EventWriter { null: null(schema.root), before: row(before)?, after: row(after)?, op: null(op.ty), symbols })
    }

    fn event(&self, cells: &[Cell], row: usize, retract: bool, out: &mut Vec<u8>) -> Result<()> {
        if let Some(null) = self.null {
            branch(null, false, out);
        }
        for ((null, writer), there) in [(&self.before, retract), (&self.after, !retract)] {
            let null = null.ok_or_else(no_event)?;
            branch(null, !there, out);
            if there {
                writer.row(cells, row, out)?;
            }
        }
        if let Some(null) = self.op {
            branch(null, false, out);
        }
        let op = if retract { "d" } else { "c" };
        let Some(symbols) = &self.symbols else {
            bytes(op.as_bytes(), out);
            return Ok(());
        };
        let symbol = symbols.iter().position(|symbol| symbol == op);
        long(symbol.ok_or_else(|| Error::data(format!("'{op}' is no symbol of the Avro enum 'op'")))? as i64, out);
        Ok(())
    }
}

fn no_event() -> Error {
    Error::invalid("the Avro schema is no event with 'before', 'after' and 'op'")
}

struct DebeziumEncoder {
    subject: Subject,
    writer: EventWriter,
}

impl Encoder for DebeziumEncoder {
    fn open<'a>(&'a mut self, environment: &'a Environment) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.subject.register(environment))
    }

    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let header = self.subject.header()?;
        let cells = self.writer.after.1.cells(batch)?;
        for row in 0..batch.len() {
            out.bytes.extend_from_slice(&header);
            self.writer.event(&cells, row, batch.kind(row).is_retract(), &mut out.bytes)?;
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
