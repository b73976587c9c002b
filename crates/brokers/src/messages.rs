//! Messages to rows: decodes their bytes, and puts them together with what a message tells beside.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions,
    StringArray, StructArray, TimestampMillisecondArray, UInt32Array, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::table::{MetadataColumn, SourceSpec, dead_letter_columns};
use flott_api::types::LENGTH_MAX;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, LogicalType, Result, TypeKind};
use flott_formats::{DecodeError, Decoder, DecoderSpec, Format, Layout};

/// What metadata columns of the format begin with.
const VALUE_PREFIX: &str = "value.";

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) payload: Bytes,
    /// Its subject, topic or routing key.
    pub(crate) address: Bytes,
    /// Its place among those of its source.
    pub(crate) sequence: u64,
    pub(crate) timestamp_ms: Option<i64>,
    /// What its sender calls it.
    pub(crate) id: Option<Bytes>,
    /// Whether it came before.
    pub(crate) again: bool,
    pub(crate) qos: u8,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    pub(crate) key: Option<Bytes>,
    pub(crate) event_ms: Option<i64>,
    /// Who has sent it.
    pub(crate) producer: Bytes,
    pub(crate) place: MessagePlace,
}

/// The place of a message in a topic of Pulsar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessagePlace {
    pub(crate) ledger: u64,
    pub(crate) entry: i64,
    /// In its batch; -1 if it is in none.
    pub(crate) index: i32,
    /// How many messages the batch has.
    pub(crate) count: i32,
    /// The partition; -1 if there is none.
    pub(crate) partition: i32,
}

/// What a message tells beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Address,
    Sequence,
    Timestamp,
    Id,
    Again,
    Qos,
    Headers,
    /// As `Headers`, whose values are texts.
    Properties,
    Key,
    /// As `Timestamp`, where there always is one.
    Published,
    /// 1970 if its sender did not say.
    EventTime,
    Producer,
    /// The place in its topic, as Pulsar writes it.
    Place,
    /// How many bytes its payload has.
    Size,
}

/// The metadata columns of a connector: key, and what it is.
pub(crate) type Metadata = &'static [(&'static str, About)];

/// The type of a map of headers.
pub(crate) fn headers_type() -> LogicalType {
    let bytes = LogicalType::new(TypeKind::Varbinary(LENGTH_MAX));
    LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(bytes)))
}

/// The type of a map of properties.
pub(crate) fn properties_type() -> LogicalType {
    LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::string())))
}

impl About {
    pub(crate) fn ty(self) -> LogicalType {
        match self {
            About::Address => LogicalType::string().with_nullable(false),
            About::Sequence => LogicalType::not_null(TypeKind::BigInt),
            About::Timestamp => LogicalType::new(TypeKind::TimestampLtz(3)),
            About::Id => LogicalType::string(),
            About::Again => LogicalType::not_null(TypeKind::Boolean),
            About::Qos => LogicalType::not_null(TypeKind::Int),
            About::Headers => headers_type().with_nullable(false),
            About::Properties => properties_type().with_nullable(false),
            About::Key => LogicalType::string(),
            About::Published | About::EventTime => LogicalType::not_null(TypeKind::TimestampLtz(3)),
            About::Producer => LogicalType::string().with_nullable(false),
            About::Place => LogicalType::not_null(TypeKind::Varbinary(LENGTH_MAX)),
            About::Size => LogicalType::not_null(TypeKind::Int),
        }
    }

    /// The column of these rows, each of which belongs to a message.
    fn column(self, messages: &[Message], rows: &[u32]) -> Result<ArrayRef> {
        let of = |row: &u32| &messages[*row as usize];
        Ok(match self {
            About::Address => {
                let texts = rows.iter().map(|row| String::from_utf8_lossy(&of(row).address));
                Arc::new(StringArray::from_iter_values(texts))
            }
            About::Sequence => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row).sequence as i64))),
            About::Timestamp => {
                let times = rows.iter().map(|row| of(row).timestamp_ms);
                Arc::new(TimestampMillisecondArray::from_iter(times).with_timezone("UTC"))
            }
            About::Id => {
                let ids = rows.iter().map(|row| of(row).id.as_ref().map(|id| String::from_utf8_lossy(id)));
                Arc::new(StringArray::from_iter(ids))
            }
            About::Again => Arc::new(rows.iter().map(|row| Some(of(row).again)).collect::<BooleanArray>()),
            About::Qos => Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::from(of(row).qos)))),
            About::Headers => headers(messages, rows, &headers_type())?,
            About::Properties => headers(messages, rows, &properties_type())?,
            About::Key => {
                let keys = rows.iter().map(|row| of(row).key.as_ref().map(|key| String::from_utf8_lossy(key)));
                Arc::new(StringArray::from_iter(keys))
            }
            About::Published => times(rows.iter().map(|row| of(row).timestamp_ms)),
            About::EventTime => times(rows.iter().map(|row| of(row).event_ms)),
            About::Producer => {
                let names = rows.iter().map(|row| String::from_utf8_lossy(&of(row).producer));
                Arc::new(StringArray::from_iter_values(names))
            }
            About::Place => {
                let places = rows.iter().map(|row| crate::pulsar::message_id(of(row).place));
                Arc::new(BinaryArray::from_iter_values(places))
            }
            About::Size => Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| of(row).payload.len() as i32))),
        })
    }
}

/// Times that are always there.
fn times(times: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(times.map(Option::unwrap_or_default)).with_timezone("UTC"))
}

/// A map of each message's headers, of this type; of several of one name the last one counts.
fn headers(messages: &[Message], rows: &[u32], ty: &LogicalType) -> Result<ArrayRef> {
    let DataType::List(entry) = ty.kind.arrow() else {
        return Err(Error::internal("a map is no list of entries"));
    };
    let DataType::Struct(fields) = entry.data_type() else {
        return Err(Error::internal("an entry of a map is no structure"));
    };
    if rows.is_empty() {
        return Ok(new_null_array(&DataType::List(Arc::clone(&entry)), 0));
    }
    let texts = fields.get(1).is_some_and(|field| *field.data_type() == DataType::Utf8);
    let (mut names, mut lengths) = (StringBuilder::new(), Vec::new());
    let (mut values, mut of_texts) = (BinaryBuilder::new(), StringBuilder::new());
    for row in rows {
        let all = &messages[*row as usize].headers;
        let mut count = 0;
        for (at, (name, value)) in all.iter().enumerate() {
            if !all[at + 1..].iter().any(|(other, _)| other == name) {
                names.append_value(String::from_utf8_lossy(name));
                match texts {
                    true => of_texts.append_value(String::from_utf8_lossy(value)),
                    false => values.append_value(value),
                }
                count += 1;
            }
        }
        lengths.push(count);
    }
    let values: ArrayRef = if texts { Arc::new(of_texts.finish()) } else { Arc::new(values.finish()) };
    let columns: Vec<ArrayRef> = vec![Arc::new(names.finish()), values];
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(entry, OffsetBuffer::from_lengths(lengths), Arc::new(entries), None)?))
}

/// The format of messages, by its name.
///
/// # Errors
/// If there is none, or it holds whole files.
pub(crate) fn format_of(reader: &flott_api::options::OptionReader<'_>, connector: &str) -> Result<Box<dyn Format>> {
    let name = reader.required("format")?;
    let format = flott_formats::format(name, reader, "")?;
    if let Layout::File(_) = format.layout() {
        return Err(Error::invalid(format!("format '{name}' cannot be used for messages of connector '{connector}'"))
            .with_detail("It holds a whole file and no single rows."));
    }
    Ok(format)
}

/// What a source offers beside its columns.
pub(crate) fn offered(metadata: Metadata, format: &dyn Format) -> Vec<MetadataColumn> {
    let own = metadata.iter().map(|(key, about)| MetadataColumn { key: (*key).to_owned(), ty: about.ty() });
    let of_format = format.metadata().into_iter();
    let of_format = of_format.map(|c| MetadataColumn { key: format!("{VALUE_PREFIX}{}", c.key), ty: c.ty });
    own.chain(of_format).collect()
}

#[derive(Clone, Copy, Debug)]
enum Output {
    /// A column of what was decoded.
    Decoded(usize),
    /// A column of what was decoded of keys.
    Key(usize),
    About(About),
}

/// How rows follow from messages.
pub(crate) struct RowLayout {
    decoder: DecoderSpec,
    key: Option<DecoderSpec>,
    /// Whether a column of the key must not be null.
    key_is_needed: bool,
    outputs: Vec<Output>,
    schema: SchemaRef,
}

impl RowLayout {
    /// That of a specification.
    ///
    /// # Errors
    /// If it asks for something that is not there.
    pub(crate) fn of(spec: &SourceSpec, metadata: Metadata) -> Result<Self> {
        Self::keyed(spec, metadata, &[])
    }

    /// The same, where these columns of the table lie in keys and the others in values.
    ///
    /// # Errors
    /// If it asks for something that is not there.
    pub(crate) fn keyed(spec: &SourceSpec, metadata: Metadata, key: &[usize]) -> Result<Self> {
        let value: Vec<usize> = (0..spec.schema.len()).filter(|column| !key.contains(column)).collect();
        let place = |column: &usize, of: &[usize]| of.iter().position(|other| other == column);
        let (mut outputs, mut of_key, mut of_value) = (Vec::new(), Vec::new(), Vec::new());
        for column in &spec.projection {
            if let Some(at) = place(column, key) {
                outputs.push(Output::Key(of_key.len()));
                of_key.push(at);
            } else if let Some(at) = place(column, &value) {
                outputs.push(Output::Decoded(of_value.len()));
                of_value.push(at);
            }
        }
        let mut of_format = Vec::new();
        let dead_place = |key: &String| dead_letter_columns().iter().position(|c| c.key == *key);
        for (key, ty) in &spec.metadata {
            if let Some(name) = key.strip_prefix(VALUE_PREFIX) {
                of_format.push((name.to_owned(), ty.clone()));
            }
        }
        let (mut next, dead) = (of_value.len(), of_value.len() + of_format.len());
        for (key, _) in &spec.metadata {
            let own = metadata.iter().find(|(name, _)| name == key);
            outputs.push(match (own, dead_place(key)) {
                (Some((_, about)), _) => Output::About(*about),
                (None, Some(place)) => Output::Decoded(dead + place),
                (None, None) if key.starts_with(VALUE_PREFIX) => {
                    next += 1;
                    Output::Decoded(next - 1)
                }
                (None, None) => return Err(Error::internal(format!("messages have no metadata '{key}'"))),
            });
        }
        let decoder = DecoderSpec {
            schema: spec.schema.project(&value),
            projection: of_value,
            metadata: of_format,
            dead_letters: spec.has_dead_letters(),
        };
        let key = (!of_key.is_empty()).then(|| DecoderSpec {
            schema: spec.schema.project(key),
            projection: of_key,
            metadata: Vec::new(),
            dead_letters: false,
        });
        let schema = spec.output_schema().arrow();
        let is_needed = |(output, at)| matches!(output, &Output::Key(_)) && !schema.field(at).is_nullable();
        let key_is_needed = outputs.iter().zip(0..).any(is_needed);
        Ok(RowLayout { decoder, key, key_is_needed, outputs, schema })
    }
}

impl RowLayout {
    /// Whether anybody looks at headers.
    pub(crate) fn has_headers(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::About(About::Headers | About::Properties)))
    }
}

/// Decodes messages.
pub(crate) struct RowReader {
    layout: Arc<RowLayout>,
    decoder: Box<dyn Decoder>,
    key: Option<Box<dyn Decoder>>,
}

/// What was decoded of keys.
struct Keys {
    rows: Option<ChangeBatch>,
    /// For each message its row, if there is one.
    of_messages: Vec<Option<u32>>,
}

/// Rows of messages.
#[derive(Default)]
pub(crate) struct Rows {
    /// Batches in order, each with how many messages it ends; one without rows ends some that have none.
    pub(crate) parts: Vec<(Option<ChangeBatch>, usize)>,
    /// A message that does not fit: it fails the job when the rows before it are out.
    pub(crate) failure: Option<Error>,
    pub(crate) skipped: u64,
}

impl RowReader {
    /// A reader of rows.
    ///
    /// # Errors
    /// If the format cannot hold the columns.
    pub(crate) fn new(layout: &Arc<RowLayout>, format: &dyn Format) -> Result<Self> {
        Self::keyed(layout, format, None)
    }

    /// The same, where keys are of this format.
    ///
    /// # Errors
    /// If a format cannot hold its columns.
    pub(crate) fn keyed(layout: &Arc<RowLayout>, format: &dyn Format, key: Option<&dyn Format>) -> Result<Self> {
        let key = match (key, &layout.key) {
            (Some(format), Some(spec)) => Some(format.decoder(spec)?),
            (None, Some(_)) => return Err(Error::internal("columns lie in keys that have no format")),
            _ => None,
        };
        Ok(RowReader { layout: Arc::clone(layout), decoder: format.decoder(&layout.decoder)?, key })
    }

    /// Reads on behind a message that did not fit.
    ///
    /// # Errors
    /// If the format cannot hold the columns.
    pub(crate) fn read_on(&mut self, format: &dyn Format) -> Result<()> {
        self.decoder = format.decoder(&self.layout.decoder)?;
        Ok(())
    }

    /// Fetches what these messages need from elsewhere. To be awaited before they are read.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(crate) async fn prepare(&mut self, environment: &Environment, messages: &[Message]) -> Result<()> {
        let payloads: Vec<&[u8]> = messages.iter().map(|m| &m.payload[..]).collect();
        self.decoder.prepare(environment, &payloads).await?;
        if let Some(decoder) = &mut self.key {
            let keys: Vec<&[u8]> = messages.iter().filter_map(|m| m.key.as_deref()).collect();
            decoder.prepare(environment, &keys).await?;
        }
        Ok(())
    }

    /// The rows of messages; `place` says for people where one of them is.
    ///
    /// # Errors
    /// If they cannot be decoded for another reason than a message.
    pub(crate) fn read(&mut self, messages: &[Message], place: &dyn Fn(&Message) -> String) -> Result<Rows> {
        let payloads: Vec<&[u8]> = messages.iter().map(|m| &m.payload[..]).collect();
        let (mut counts, mut failure) = (Vec::with_capacity(messages.len()), None);
        match self.decoder.decode_messages(&payloads, &mut counts) {
            Ok(()) => {}
            Err(DecodeError::Record(bad)) => {
                let at = messages.get(bad.at).map(place).unwrap_or_default();
                failure = Some(Error::data(format!("{at}: {}", bad.what)));
                counts.truncate(bad.at);
            }
            Err(DecodeError::Other(e)) => return Err(e),
        }
        let keys = self.keys(messages, &mut counts, &mut failure, place)?;
        let skipped = self.decoder.take_skipped();
        let decoded = if self.decoder.rows() > 0 { Some(self.decoder.take()?) } else { None };
        let mut rows = Rows { parts: Vec::new(), failure, skipped };
        let of_rows: Vec<u32> =
            counts.iter().zip(0..).flat_map(|(count, message)| (0..*count).map(move |_| message)).collect();
        let batch =
            decoded.map(|decoded| self.assemble(&decoded, keys.as_ref(), (messages, &of_rows), place)).transpose()?;
        cut(&mut rows, batch.as_ref(), &counts, messages, place);
        Ok(rows)
    }

    /// Decodes the keys of messages whose values were decoded. A message whose key does not fit ends them.
    fn keys(
        &mut self,
        messages: &[Message],
        counts: &mut Vec<u32>,
        failure: &mut Option<Error>,
        place: &dyn Fn(&Message) -> String,
    ) -> Result<Option<Keys>> {
        let Some(decoder) = &mut self.key else { return Ok(None) };
        let with_key = messages.iter().zip(0..).take(counts.len());
        let (present, bytes): (Vec<usize>, Vec<&[u8]>) =
            with_key.filter_map(|(message, at)| Some((at, message.key.as_deref()?))).unzip();
        let mut of_keys = Vec::with_capacity(present.len());
        match decoder.decode_messages(&bytes, &mut of_keys) {
            Ok(()) => {}
            Err(DecodeError::Record(bad)) => {
                let at = present.get(bad.at).copied().unwrap_or_default();
                let name = messages.get(at).map(place).unwrap_or_default();
                *failure = Some(Error::data(format!("{name}: key: {}", bad.what)));
                counts.truncate(at);
                of_keys.truncate(bad.at);
            }
            Err(DecodeError::Other(e)) => return Err(e),
        }
        let (mut of_messages, mut next) = (vec![None; messages.len()], 0);
        for (at, count) in present.iter().zip(&of_keys) {
            // One that is skipped has no row, and the columns of its key are null.
            of_messages[*at] = (*count > 0).then_some(next);
            next += count;
        }
        let missing = |at: &usize| counts[*at] > 0 && of_messages[*at].is_none();
        if self.layout.key_is_needed
            && let Some(at) = (0..counts.len()).find(missing)
        {
            let name = messages.get(at).map(place).unwrap_or_default();
            *failure = Some(Error::data(format!("{name}: it has no key, and a column of the key is NOT NULL")));
            counts.truncate(at);
        }
        let rows = if decoder.rows() > 0 { Some(decoder.take()?) } else { None };
        Ok(Some(Keys { rows, of_messages }))
    }

    fn assemble(
        &self,
        decoded: &ChangeBatch,
        keys: Option<&Keys>,
        (messages, rows): (&[Message], &[u32]),
        place: &dyn Fn(&Message) -> String,
    ) -> Result<ChangeBatch> {
        // Rows of a message that does not fit are not counted.
        let decoded = decoded.slice(0, rows.len());
        let dead_origin = self.layout.decoder.dead_letters.then(|| decoded.rows().num_columns() - 1);
        let key_rows = keys.map(|keys| rows.iter().map(|row| keys.of_messages[*row as usize]).collect::<UInt32Array>());
        let of_key = |at: usize, place: usize| match (keys.and_then(|keys| keys.rows.as_ref()), &key_rows) {
            (Some(keys), Some(rows)) => Ok(take(keys.rows().column(at), rows, None)?),
            _ => Ok(new_null_array(self.layout.schema.field(place).data_type(), rows.len())),
        };
        let column = |(place_of, output): (usize, &Output)| match output {
            Output::Key(at) => of_key(*at, place_of),
            Output::Decoded(at) if Some(*at) == dead_origin => {
                let places = decoded.rows().column(*at).as_primitive::<Int64Type>();
                let text = |at: Option<i64>| Some(place(messages.get(usize::try_from(at?).ok()?)?));
                Ok(Arc::new(places.iter().map(text).collect::<StringArray>()) as ArrayRef)
            }
            Output::Decoded(at) => Ok(Arc::clone(decoded.rows().column(*at))),
            Output::About(about) => about.column(messages, rows),
        };
        let columns = self.layout.outputs.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.layout.schema), columns, &options)?;
        ChangeBatch::new(batch, decoded.kinds().cloned())
    }
}

/// Cuts rows into batches that end with a message.
fn cut(
    rows: &mut Rows,
    batch: Option<&ChangeBatch>,
    counts: &[u32],
    messages: &[Message],
    place: &dyn Fn(&Message) -> String,
) {
    let (mut start, mut length, mut ended) = (0, 0, 0);
    let part = |start: usize, length: usize| batch.filter(|_| length > 0).map(|b| b.slice(start, length));
    for (at, count) in counts.iter().enumerate() {
        let count = *count as usize;
        if count > BATCH_ROWS_MAX {
            let at = messages.get(at).map(place).unwrap_or_default();
            let error = Error::data(format!("{at}: the message has {count} rows"))
                .with_detail(format!("A message may have {BATCH_ROWS_MAX}: it is in a checkpoint or not."));
            rows.failure = Some(error);
            break;
        }
        if length + count > BATCH_ROWS_MAX {
            rows.parts.push((part(start, length), ended));
            (start, length, ended) = (start + length, 0, 0);
        }
        length += count;
        ended += 1;
    }
    if ended > 0 {
        rows.parts.push((part(start, length), ended));
    }
}
