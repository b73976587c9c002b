//! The envelope of a Debezium event: where its parts lie, and its metadata columns.

use flott_api::{Error, Result};

use super::mismatch;
use crate::column::{Column, Values};
use crate::json::scan::{Kind, Scanner};
use crate::json::value::Taken;
use crate::text::number::integer;
use crate::text::time::Moment;

/// The texts of an event's parts; a part that is missing or null is nothing.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) before: Option<&'a [u8]>,
    pub(super) after: Option<&'a [u8]>,
    pub(super) op: Option<&'a [u8]>,
    schema: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    ts_ms: Option<&'a [u8]>,
}

impl<'a> Envelope<'a> {
    /// Finds the parts; with `schema_include` the event lies in `payload`.
    pub(super) fn read(text: &'a [u8], schema_include: bool) -> Taken<Self> {
        let mut envelope = Envelope::default();
        if !schema_include {
            each_field(text, |key, value| envelope.set(key, value))?;
            return Ok(envelope);
        }
        let mut payload = None;
        each_field(text, |key, value| match key {
            b"payload" => payload = value,
            b"schema" => envelope.schema = value,
            _ => {}
        })?;
        let Some(payload) = payload else { return mismatch("the event has no 'payload'") };
        each_field(payload, |key, value| envelope.set(key, value))?;
        Ok(envelope)
    }

    fn set(&mut self, key: &[u8], value: Option<&'a [u8]>) {
        match key {
            b"before" => self.before = value,
            b"after" => self.after = value,
            b"source" => self.source = value,
            b"ts_ms" => self.ts_ms = value,
            b"op" => self.op = value.map(unquoted),
            _ => {}
        }
    }
}

/// Calls `take` with each key and value of an object; null is nothing.
fn each_field<'a>(text: &'a [u8], mut take: impl FnMut(&[u8], Option<&'a [u8]>)) -> Taken<()> {
    let mut scan = Scanner::new(text);
    let mut scratch = Vec::new();
    if scan.kind()? != Kind::Object {
        return mismatch("the record is no JSON object");
    }
    scan.open()?;
    let mut first = true;
    while scan.more(first, b'}')? {
        first = false;
        let start = scan.at();
        scan.key(&mut scratch)?;
        let key = key_text(scan.since(start));
        let value = scan.skip()?;
        take(key, Some(value).filter(|v| *v != b"null"));
    }
    Ok(())
}

/// A key without its quotes and colon. One with escapes is none that anybody asks for.
fn key_text(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|b| *b == b'"').unwrap_or(0);
    raw.get(1..end).unwrap_or_default()
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

/// A metadata column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    Schema,
    Ingested,
    Source(&'static [u8]),
    SourceTime,
    Properties,
}

impl Metadata {
    /// The metadata of that key.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of(key: &str) -> Result<Self> {
        Ok(match key {
            "schema" => Metadata::Schema,
            "ingestion-timestamp" => Metadata::Ingested,
            "source.timestamp" => Metadata::SourceTime,
            "source.database" => Metadata::Source(b"db"),
            "source.schema" => Metadata::Source(b"schema"),
            "source.table" => Metadata::Source(b"table"),
            "source.properties" => Metadata::Properties,
            _ => return Err(Error::invalid(format!("format 'debezium-json' has no metadata '{key}'"))),
        })
    }

    /// Adds the value of this event.
    pub(super) fn push(self, envelope: &Envelope<'_>, column: &mut Column) -> Taken<()> {
        let good = match self {
            Metadata::Schema => push_text(column, envelope.schema),
            Metadata::Ingested => push_time(column, envelope.ts_ms),
            Metadata::Source(key) => push_text(column, in_source(envelope, key)?.map(unquoted)),
            Metadata::SourceTime => push_time(column, in_source(envelope, b"ts_ms")?),
            Metadata::Properties => return push_properties(column, envelope.source),
        };
        if good { Ok(()) } else { mismatch("a metadata column does not fit") }
    }
}

fn in_source<'a>(envelope: &Envelope<'a>, wanted: &[u8]) -> Taken<Option<&'a [u8]>> {
    let mut found = None;
    let Some(source) = envelope.source else { return Ok(None) };
    each_field(source, |key, value| {
        if key == wanted {
            found = value;
        }
    })?;
    Ok(found)
}

fn push_text(column: &mut Column, text: Option<&[u8]>) -> bool {
    match text {
        Some(text) => str::from_utf8(text).is_ok() && column.push_bytes(text),
        None => {
            column.push_null();
            true
        }
    }
}

fn push_time(column: &mut Column, millis: Option<&[u8]>) -> bool {
    match millis.map(integer::<i64>) {
        Some(Some(millis)) => {
            let nanos = millis.rem_euclid(1000) as u32 * 1_000_000;
            column.push_moment(Moment { seconds: millis.div_euclid(1000), nanos }, 3)
        }
        Some(None) => false,
        None => {
            column.push_null();
            true
        }
    }
}

/// All fields of `source` as text.
fn push_properties(column: &mut Column, source: Option<&[u8]>) -> Taken<()> {
    let Some(source) = source else {
        column.push_null();
        return Ok(());
    };
    let Values::List { ends, child } = &mut column.values else { return mismatch("a metadata column does not fit") };
    let mut good = true;
    each_field(source, |key, value| {
        let Values::Row(entry) = &mut child.values else { return };
        good = good && push_text(&mut entry[0], Some(key)) && push_text(&mut entry[1], value.map(unquoted));
        child.pushed();
    })?;
    match i32::try_from(child.len()) {
        Ok(end) if good => ends.push(end),
        _ => return mismatch("the properties of 'source' do not fit"),
    }
    column.pushed();
    Ok(())
}
