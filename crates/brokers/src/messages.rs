//! Messages to rows: decodes their bytes, and puts them together with what a message tells beside.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, TimestampMillisecondArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, SchemaRef};
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
}

/// The metadata columns of a connector: key, and what it is.
pub(crate) type Metadata = &'static [(&'static str, About)];

/// The type of a map of headers.
pub(crate) fn headers_type() -> LogicalType {
    let bytes = LogicalType::new(TypeKind::Varbinary(LENGTH_MAX));
    LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(bytes)))
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
            About::Headers => headers(messages, rows)?,
        })
    }
}

/// A map of each message's headers; of several of one name the last one counts.
fn headers(messages: &[Message], rows: &[u32]) -> Result<ArrayRef> {
    let DataType::List(entry) = headers_type().kind.arrow() else {
        return Err(Error::internal("a map is no list of entries"));
    };
    let DataType::Struct(fields) = entry.data_type() else {
        return Err(Error::internal("an entry of a map is no structure"));
    };
    if rows.is_empty() {
        return Ok(new_null_array(&DataType::List(Arc::clone(&entry)), 0));
    }
    let (mut names, mut values, mut lengths) = (StringBuilder::new(), BinaryBuilder::new(), Vec::new());
    for row in rows {
        let all = &messages[*row as usize].headers;
        let mut count = 0;
        for (at, (name, value)) in all.iter().enumerate() {
            if !all[at + 1..].iter().any(|(other, _)| other == name) {
                names.append_value(String::from_utf8_lossy(name));
                values.append_value(value);
                count += 1;
            }
        }
        lengths.push(count);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(names.finish()), Arc::new(values.finish())];
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
    About(About),
}

/// How rows follow from messages.
pub(crate) struct RowLayout {
    decoder: DecoderSpec,
    outputs: Vec<Output>,
    schema: SchemaRef,
}

impl RowLayout {
    /// That of a specification.
    ///
    /// # Errors
    /// If it asks for something that is not there.
    pub(crate) fn of(spec: &SourceSpec, metadata: Metadata) -> Result<Self> {
        let mut outputs: Vec<Output> = (0..spec.projection.len()).map(Output::Decoded).collect();
        let mut of_format = Vec::new();
        let dead_place = |key: &String| dead_letter_columns().iter().position(|c| c.key == *key);
        for (key, ty) in &spec.metadata {
            if let Some(name) = key.strip_prefix(VALUE_PREFIX) {
                of_format.push((name.to_owned(), ty.clone()));
            }
        }
        let (mut next, dead) = (spec.projection.len(), spec.projection.len() + of_format.len());
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
            schema: spec.schema.clone(),
            projection: spec.projection.clone(),
            metadata: of_format,
            dead_letters: spec.has_dead_letters(),
        };
        Ok(RowLayout { decoder, outputs, schema: spec.output_schema().arrow() })
    }
}

impl RowLayout {
    /// Whether anybody looks at headers.
    pub(crate) fn has_headers(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::About(About::Headers)))
    }
}

/// Decodes messages.
pub(crate) struct RowReader {
    layout: Arc<RowLayout>,
    decoder: Box<dyn Decoder>,
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
        Ok(RowReader { layout: Arc::clone(layout), decoder: format.decoder(&layout.decoder)? })
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
        self.decoder.prepare(environment, &payloads).await
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
        let skipped = self.decoder.take_skipped();
        let decoded = if self.decoder.rows() > 0 { Some(self.decoder.take()?) } else { None };
        let mut rows = Rows { parts: Vec::new(), failure, skipped };
        let of_rows: Vec<u32> =
            counts.iter().zip(0..).flat_map(|(count, message)| (0..*count).map(move |_| message)).collect();
        let batch = decoded.map(|decoded| self.assemble(&decoded, messages, &of_rows, place)).transpose()?;
        cut(&mut rows, batch.as_ref(), &counts, messages, place);
        Ok(rows)
    }

    fn assemble(
        &self,
        decoded: &ChangeBatch,
        messages: &[Message],
        rows: &[u32],
        place: &dyn Fn(&Message) -> String,
    ) -> Result<ChangeBatch> {
        // Rows of a message that does not fit are not counted.
        let decoded = decoded.slice(0, rows.len());
        let dead_origin = self.layout.decoder.dead_letters.then(|| decoded.rows().num_columns() - 1);
        let column = |output: &Output| match output {
            Output::Decoded(at) if Some(*at) == dead_origin => {
                let places = decoded.rows().column(*at).as_primitive::<Int64Type>();
                let text = |at: Option<i64>| Some(place(messages.get(usize::try_from(at?).ok()?)?));
                Ok(Arc::new(places.iter().map(text).collect::<StringArray>()) as ArrayRef)
            }
            Output::Decoded(at) => Ok(Arc::clone(decoded.rows().column(*at))),
            Output::About(about) => about.column(messages, rows),
        };
        let columns = self.layout.outputs.iter().map(column).collect::<Result<Vec<_>>>()?;
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
