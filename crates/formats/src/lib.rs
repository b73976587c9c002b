//! Formats: bytes of files and messages to change batches and back.
//!
//! A [`Format`] is made from a table's options ([`format`]); it says which changes it can hold, and gives decoders and
//! encoders. Decoders are columnar: they write straight into Arrow columns, only into those that were asked for. They
//! keep no bytes of their own: a [`Decoder`] takes complete records from the front of a window of bytes, so the
//! caller's position in a file is the sum of what was taken, and a restart needs nothing else. Formats that are not a
//! sequence of records (`orc`, `parquet`) read a whole file ([`FileFormat`]).
//!
//! | identifier | what it holds | Flink's module |
//! |---|---|---|
//! | `avro` | insertions, object containers; a record a message | flink-avro |
//! | `avro-confluent` | insertions, a record a message, schemas in a registry | flink-avro-confluent-registry |
//! | `canal-json` | all changes, an event a line | flink-json |
//! | `csv` | insertions, a record a line | flink-csv |
//! | `debezium-avro-confluent` | all changes, an event a message, schemas in a registry | flink-avro-confluent-registry |
//! | `debezium-json` | all changes, an event a line | flink-json |
//! | `json` | insertions, an object a line | flink-json |
//! | `maxwell-json` | all changes, an event a line | flink-json |
//! | `ogg-json` | all changes, an event a line | flink-json |
//! | `orc` | insertions, stripes of columns | flink-orc |
//! | `parquet` | insertions, column chunks | flink-parquet |
//! | `protobuf` | insertions, a message a record | flink-protobuf |
//! | `raw` | insertions of one column | flink-table-runtime |

mod avro;
mod cells;
mod changelog;
mod column;
mod csv;
mod dead_letters;
mod json;
mod orc;
mod parquet;
mod protobuf;
mod raw;
mod records;
mod text;

use std::ops::Range;

use flott_api::env::{Environment, ReadFile};
use flott_api::error::nearest;
use flott_api::options::{OptionReader, OptionTable};
use flott_api::table::{ChangelogMode, MetadataColumn};
use flott_api::{BoxFuture, ChangeBatch, Error, LogicalType, Result, Schema};

/// Columns as they are read and written value by value, for connectors whose rows are no bytes of a format.
pub mod columns {
    pub use crate::cells::{Cell, Cells, Moments, element_range};
    pub use crate::column::{Column, Values};
    pub use crate::text::number::{Decimal, decimal, float32, float64, integer};
    pub use crate::text::time::{Moment, write_timestamp};
    pub use crate::text::write::{float32 as write_float32, float64 as write_float64};
}

pub use text::constant::constant_column;
pub use text::value::{TextCells, TextColumn, has_text};

/// What a table's format can do, with its options read.
pub trait Format: Send + Sync {
    /// Which changes its decoder emits, and which its encoder takes.
    fn changelog(&self) -> ChangelogMode;

    /// The metadata columns that its records carry.
    fn metadata(&self) -> Vec<MetadataColumn> {
        Vec::new()
    }

    /// Checks that it can hold these columns.
    ///
    /// # Errors
    /// Names the column and the type that it cannot.
    fn check(&self, schema: &Schema) -> Result<()>;

    /// The table that records which do not fit go to, if the option `dead-letter.table` names one.
    fn dead_letter_table(&self) -> Option<&str> {
        None
    }

    /// How its files are made.
    fn layout(&self) -> Layout<'_>;

    /// A decoder of records.
    ///
    /// # Errors
    /// If the format has no records, or cannot hold the columns.
    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>>;

    /// An encoder; one for each file.
    ///
    /// # Errors
    /// If the format cannot hold the columns.
    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>>;
}

/// How the files of a format are made.
pub enum Layout<'a> {
    /// A sequence of records. If `splittable`, a record never holds a line feed, so a file may be read from any line
    /// on.
    Records {
        /// Whether a reader may begin behind any line feed.
        splittable: bool,
    },
    /// One structure, read as a whole.
    File(&'a dyn FileFormat),
    /// None: only messages hold it, for its records do not say where they end.
    Messages,
}

/// What to decode.
#[derive(Clone, Debug)]
pub struct DecoderSpec {
    /// All columns that a record holds, in order.
    pub schema: Schema,
    /// Those to emit, in output order.
    pub projection: Vec<usize>,
    /// The format's metadata columns to append behind them: key and type.
    pub metadata: Vec<(String, LogicalType)>,
    /// Whether a record that does not fit becomes a row: null in all these columns, which may be null then, and behind
    /// them its bytes without the line's end, what is wrong with it, and where it begins: the bytes that the decoder had
    /// taken before it, or the number of its message.
    pub dead_letters: bool,
}

impl DecoderSpec {
    /// The columns that are emitted.
    pub fn output_schema(&self) -> Schema {
        let mut schema = self.table_schema();
        if self.dead_letters {
            schema.fields.iter_mut().for_each(|f| f.ty.nullable = true);
            schema.fields.extend(dead_letters::fields());
        }
        schema
    }

    /// The columns of the table and its metadata.
    fn table_schema(&self) -> Schema {
        let mut schema = self.schema.project(&self.projection);
        schema.fields.extend(self.metadata.iter().map(|(key, ty)| flott_api::Field::new(key, ty.clone())));
        schema
    }
}

/// What to encode.
#[derive(Clone, Debug)]
pub struct EncoderSpec {
    /// The columns of the batches.
    pub schema: Schema,
    /// Whether the records make a file: each ends its line, or they lie in blocks. A message is the record alone.
    pub line_ends: bool,
}

/// A record that does not fit.
#[derive(Debug)]
pub struct BadRecord {
    /// Where it begins, in bytes from the start of the window.
    pub at: usize,
    /// What is wrong: `column 2 (delay): 'abc' is no INT`.
    pub what: String,
}

/// Why decoding stopped.
#[derive(Debug)]
pub enum DecodeError {
    /// A record does not fit; the caller knows the file and the line.
    Record(BadRecord),
    /// Anything else.
    Other(Error),
}

impl From<Error> for DecodeError {
    fn from(e: Error) -> Self {
        DecodeError::Other(e)
    }
}

impl DecodeError {
    /// The error for the user; `place` names file and line of an offset in the window.
    pub fn at_place(self, place: impl FnOnce(usize) -> String) -> Error {
        match self {
            DecodeError::Record(bad) => Error::data(format!("{}, {}", place(bad.at), bad.what)),
            DecodeError::Other(e) => e,
        }
    }
}

/// Records to rows.
pub trait Decoder: Send {
    /// Takes complete records from the front of `window` until the batch is full, and returns how many bytes it is done
    /// with. Less than all with room in the batch means: the rest is no complete record yet. With `end` nothing
    /// follows.
    ///
    /// # Errors
    /// If a record does not fit and the format does not skip such ones. The rows before it wait; the decoder is not to
    /// be fed again.
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError>;

    /// Fetches what these messages need from elsewhere, such as a schema that is not known yet. To be awaited before
    /// [`decode_messages`](Self::decode_messages) gets them, once a batch.
    ///
    /// # Errors
    /// If it cannot be had.
    fn prepare<'a>(&'a mut self, environment: &'a Environment, messages: &'a [&'a [u8]]) -> BoxFuture<'a, Result<()>> {
        let _: (&Environment, &[&[u8]]) = (environment, messages);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Decodes one message each, and appends to `rows` how many rows it gave.
    ///
    /// # Errors
    /// If a message does not fit; `at` is then the number of the message.
    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError>;

    /// How many rows are waiting.
    fn rows(&self) -> usize;

    /// The waiting rows; not to be called without any.
    ///
    /// # Errors
    /// If a null lies where a nested type says `NOT NULL`.
    fn take(&mut self) -> Result<ChangeBatch>;

    /// How many malformed records were skipped, got nulls or became dead letters since the last call.
    fn take_skipped(&mut self) -> u64;
}

/// Encoded records.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Their bytes, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each ends; nothing for formats without records.
    pub ends: Vec<usize>,
}

/// Rows to records.
pub trait Encoder: Send {
    /// Tells others what they need to read what is written, such as the schema. To be awaited before the first
    /// [`encode`](Self::encode) of messages.
    ///
    /// # Errors
    /// If they do not answer, or refuse.
    fn open<'a>(&'a mut self, environment: &'a Environment) -> BoxFuture<'a, Result<()>> {
        let _: &Environment = environment;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Appends the rows.
    ///
    /// # Errors
    /// If a value cannot be written in this format.
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()>;

    /// Appends what ends the file.
    ///
    /// # Errors
    /// If rows are held back and cannot be written.
    fn finish(&mut self, out: &mut Encoded) -> Result<()> {
        let _: &mut Encoded = out;
        Ok(())
    }

    /// Bytes that are held back until the file ends or a part of it is full.
    fn held_bytes(&self) -> usize {
        0
    }
}

/// A format whose files are read as a whole.
pub trait FileFormat: Send + Sync {
    /// Reads the parts of a file that begin in `range`, and of them the rows from `skip` on. Readers of ranges that
    /// cover the file read each row once.
    ///
    /// # Errors
    /// If the file is none of this format, or does not have the columns.
    fn reader(
        &self,
        file: Box<dyn ReadFile>,
        spec: &DecoderSpec,
        range: Range<u64>,
        skip: u64,
    ) -> Result<Box<dyn FileReader>>;
}

/// Reads a file.
pub trait FileReader: Send {
    /// The next rows; nothing at the end.
    ///
    /// # Errors
    /// If the file is damaged.
    fn next_batch(&mut self) -> Result<Option<ChangeBatch>>;
}

/// What a format is, for its users.
#[derive(Clone, Copy, Debug)]
pub struct FormatDescription {
    /// What stands in `'format'`.
    pub identifier: &'static str,
    /// What its records are, in a few words.
    pub about: &'static str,
    /// Its options, without its name in front of their keys.
    pub options: &'static [OptionTable],
}

/// Makes a format of its options.
type Make = fn(&OptionReader<'_>, &str) -> Result<Box<dyn Format>>;

/// All formats, by name.
pub fn descriptions() -> Vec<FormatDescription> {
    FORMATS.iter().map(|(is, _)| *is).collect()
}

const fn of(identifier: &'static str, about: &'static str, options: &'static [OptionTable]) -> FormatDescription {
    FormatDescription { identifier, about, options }
}

/// Every format, by name.
const FORMATS: &[(FormatDescription, Make)] = &[
    (of("avro", "records of Avro, in files and messages", &[avro::OPTIONS, dead_letters::OPTIONS]), avro::make),
    (of("avro-confluent", "records of Avro with a schema of a registry", REGISTRY), avro::confluent::make),
    (
        of(
            "canal-json",
            "changes as Canal writes them",
            const { &[changelog::CANAL, json::COMMON, dead_letters::IGNORE, dead_letters::OPTIONS] },
        ),
        changelog::canal,
    ),
    (
        of("csv", "lines of values with a delimiter", &[csv::OPTIONS, dead_letters::IGNORE, dead_letters::OPTIONS]),
        csv::make,
    ),
    (of("debezium-avro-confluent", "changes of Debezium, with a schema of a registry", REGISTRY), avro::debezium::make),
    (
        of(
            "debezium-json",
            "changes as Debezium writes them",
            const { &[changelog::DEBEZIUM, json::COMMON, dead_letters::IGNORE, dead_letters::OPTIONS] },
        ),
        changelog::debezium,
    ),
    (
        of(
            "json",
            "an object of JSON each",
            const { &[json::OPTIONS, json::COMMON, dead_letters::IGNORE, dead_letters::OPTIONS] },
        ),
        json::make,
    ),
    (of("maxwell-json", "changes as Maxwell writes them", COMMON), changelog::maxwell),
    (of("ogg-json", "changes as Oracle GoldenGate writes them", COMMON), changelog::ogg),
    (of("orc", "files of ORC", &[orc::OPTIONS]), orc::make),
    (of("parquet", "files of Parquet", &[parquet::OPTIONS]), parquet::make),
    (
        of(
            "protobuf",
            "messages of Protocol Buffers",
            &[protobuf::OPTIONS, dead_letters::IGNORE, dead_letters::OPTIONS],
        ),
        protobuf::make,
    ),
    (of("raw", "the bytes of one column", &[raw::OPTIONS, dead_letters::OPTIONS]), raw::make),
];

/// What all JSON formats have.
const COMMON: &[OptionTable] = &[json::COMMON, dead_letters::IGNORE, dead_letters::OPTIONS];
/// What formats with a registry have.
const REGISTRY: &[OptionTable] = &[avro::REGISTRY, dead_letters::OPTIONS];

/// The format of that name. Its options are read under `prefix` and its name: with prefix `value.` the delimiter of
/// `csv` is `value.csv.field-delimiter`.
///
/// # Errors
/// If there is no such format, or an option of it has a wrong value. Unknown options are found by
/// [`OptionReader::finish`].
pub fn format(identifier: &str, options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    match FORMATS.iter().find(|(is, _)| is.identifier == identifier) {
        Some((is, make)) => {
            let prefix = format!("{prefix}{identifier}.");
            is.options.iter().for_each(|table| options.section(&prefix, table));
            make(options, &prefix)
        }
        None => Err(unknown_format(identifier)),
    }
}

fn unknown_format(identifier: &str) -> Error {
    let names: Vec<&str> = FORMATS.iter().map(|(is, _)| is.identifier).collect();
    let error = Error::invalid(format!("format '{identifier}' does not exist"));
    match nearest(identifier, names.iter().copied()) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error.with_hint(format!("The formats are: {}.", names.join(", "))),
    }
}

/// The message for a type that a format cannot hold.
fn type_refused(format: &str, column: &str, ty: &LogicalType) -> Error {
    Error::unsupported(format!("type {ty} of column '{column}' in format '{format}'"))
}

#[cfg(test)]
mod tests;
