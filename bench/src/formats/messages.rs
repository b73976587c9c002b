//! Decoders and encoders of messages alone, without a job: rows that lie in memory become messages, and those rows again.
//!
//! Flott takes and gives batches, Flink rows. Both hold all messages in memory, and drop what they make of them.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use flott_api::env::Environment;
use flott_api::options::{OptionReader, Options};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_formats::{Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, format};

use super::RUNS;
use super::registry::Registry;
use crate::flink::{Answer, Flink};
use crate::line::{Cost, Line, Other};
use crate::state::cpu_nanos;

/// What the names of these measurements begin with.
pub(super) const PREFIX: &str = "message";
const FORMATS: [&str; 11] = [
    "csv",
    "json",
    "debezium-json",
    "canal-json",
    "maxwell-json",
    "ogg-json",
    "raw",
    "protobuf",
    "avro",
    "avro-confluent",
    "debezium-avro-confluent",
];
/// All messages lie in memory, in Flink as objects: one for so many rows of a measurement of jobs.
const ROWS_PART: u64 = 3;
const PROTOBUF: &str = "syntax = \"proto3\";
package bench;
option java_multiple_files = true;
message Row { int64 id = 1; string name = 2; double price = 3; double score = 4; int64 moment = 5; bool is_new = 6; }
";

/// The names of all measurements.
pub(super) fn names() -> impl Iterator<Item = String> {
    FORMATS.iter().map(|format| format!("{PREFIX} {format}"))
}

/// The lines of a format.
pub(super) fn lines(name: &str, rows: u64, folder: &Path, flink: Option<&Flink>) -> Result<Vec<Line>> {
    if !FORMATS.contains(&name) {
        return Err(Error::invalid(format!("messages of '{name}' are not measured")));
    }
    let failed =
        |e: std::io::Error| Error::external("the messages of the measurement cannot be written").with_source(e);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let registry = Registry::default();
        let http = Arc::new(registry.clone());
        let bench =
            Bench::of(name, rows.div_ceil(ROWS_PART), Environment { http, ..flott_runtime::environment::real() })?;
        let (encoded, written) = bench.encode().await?;
        let decoded = bench.decode(&encoded).await?;
        let bytes: usize = encoded.iter().map(|batch| batch.bytes.len()).sum();
        let (file, schemas) = (folder.join("messages"), folder.join("schemas"));
        std::fs::write(&file, behind_lengths(&encoded)).map_err(failed)?;
        std::fs::write(&schemas, registry.schemas().join("\n")).map_err(failed)?;
        let line = |way, ours, flink| {
            let name = format!("{PREFIX} {name}");
            Line { name, way, rows: bench.rows, bytes: bytes as u64, ours, flink }
        };
        let [reading, writing] = bench.flinks(flink, &file, &schemas, bytes as u64)?;
        Ok(vec![line("encode", written, writing), line("decode", decoded, reading)])
    })
}

struct Bench {
    name: String,
    rows: u64,
    options: Options,
    format: Box<dyn Format>,
    schema: Schema,
    batches: Vec<ChangeBatch>,
    environment: Environment,
}

impl Bench {
    fn of(name: &str, rows: u64, environment: Environment) -> Result<Bench> {
        let options = Options(options(name).into_iter().map(|(k, v)| (format!("{name}.{k}"), v.to_owned())).collect());
        let reader = OptionReader::new(&options, format!("format '{name}'"));
        let format = format(name, &reader, "")?;
        reader.finish()?;
        let schema = schema(name);
        let mut batches = Vec::new();
        for start in (0..rows).step_by(BATCH_ROWS_MAX) {
            let ids = start as i64..rows.min(start + BATCH_ROWS_MAX as u64) as i64;
            let columns = schema.fields.iter().map(|field| column(field, ids.clone())).collect::<Result<_>>()?;
            let made = RecordBatch::try_new(schema.arrow(), columns);
            let made =
                made.map_err(|e| Error::internal("the rows of the measurement cannot be made").with_source(e))?;
            batches.push(ChangeBatch::inserts(made));
        }
        Ok(Bench { name: name.to_owned(), rows, options, format, schema, batches, environment })
    }

    /// The messages of all rows, and what making them took.
    async fn encode(&self) -> Result<(Vec<Encoded>, Cost)> {
        let mut encoder = self.encoder().await?;
        let mut messages = Vec::new();
        for batch in &self.batches {
            let mut encoded = Encoded::default();
            encoder.encode(batch, &mut encoded)?;
            messages.push(encoded);
        }
        let mut costs = Vec::new();
        for _ in 0..RUNS {
            let (begin, cpu) = (self.environment.clock.monotonic_ns(), cpu_nanos());
            let mut encoded = Encoded::default();
            for batch in &self.batches {
                encoded.bytes.clear();
                encoded.ends.clear();
                encoder.encode(batch, &mut encoded)?;
            }
            costs.push(self.cost_since(begin, cpu));
        }
        Ok((messages, Cost::least(costs.into_iter())))
    }

    async fn encoder(&self) -> Result<Box<dyn Encoder>> {
        let mut encoder = self.format.encoder(&EncoderSpec { schema: self.schema.clone(), line_ends: false })?;
        encoder.open(&self.environment).await?;
        Ok(encoder)
    }

    /// What it takes to make the rows of the messages again.
    async fn decode(&self, encoded: &[Encoded]) -> Result<Cost> {
        let projection = (0..self.schema.len()).collect();
        let schema = self.schema.clone();
        let spec = DecoderSpec { schema, projection, metadata: Vec::new(), dead_letters: false };
        let mut decoder = self.format.decoder(&spec)?;
        let batches: Vec<Vec<&[u8]>> = encoded.iter().map(messages_of).collect();
        let mut costs = Vec::new();
        for _ in 0..RUNS {
            let (begin, cpu) = (self.environment.clock.monotonic_ns(), cpu_nanos());
            let rows = decode_all(decoder.as_mut(), &batches, &self.environment).await?;
            costs.push(self.cost_since(begin, cpu));
            self.expected(rows, "Flott")?;
        }
        Ok(Cost::least(costs.into_iter()))
    }

    fn cost_since(&self, begin: u64, cpu: u64) -> Cost {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let cpu_seconds = seconds(cpu_nanos() - cpu);
        Cost { seconds: seconds(self.environment.clock.monotonic_ns() - begin), cpu_seconds }
    }

    fn expected(&self, rows: u64, whose: &str) -> Result<()> {
        if rows == self.rows {
            return Ok(());
        }
        Err(Error::internal(format!("{whose} makes {rows} rows of {} messages of {}", self.rows, self.name)))
    }

    /// What Flink takes to decode and to encode.
    fn flinks(&self, flink: Option<&Flink>, file: &Path, schemas: &Path, bytes: u64) -> Result<[Other; 2]> {
        let Some(flink) = flink else { return Ok([Other::Unasked, Other::Unasked]) };
        if self.name == "protobuf" && !flink.messages(PROTOBUF)? {
            let left = Other::Left("Flink needs protoc for it, and FLOTT_PROTOC does not name it");
            return Ok([left.clone(), left]);
        }
        let columns: Vec<String> = self.schema.fields.iter().map(|f| format!("`{}` {}", f.name, f.ty)).collect();
        let mut arguments = vec![RUNS.to_string(), self.name.clone(), columns.join(", ")];
        arguments.extend([file, schemas].map(|path| path.display().to_string()));
        let prefix = format!("{}.", self.name);
        let flinks = self.options.0.iter().filter(|(key, _)| !key.ends_with(".schema"));
        arguments.extend(flinks.map(|(key, value)| format!("{}={value}", key.strip_prefix(&prefix).unwrap_or(key))));
        let answers = flink.ask("Messages", &arguments)?;
        answers.iter().try_for_each(|answer| self.expected(answer.rows, "Flink"))?;
        let least = |runs: &[Answer]| Cost::least(runs.iter().map(|run| run.cost));
        let (decoded, encoded) = answers.split_at(RUNS.min(answers.len()));
        let written = encoded.last().map_or(0, |run| run.bytes);
        Ok([Other::Took(bytes, least(decoded)), Other::Took(written, least(encoded))])
    }
}

async fn decode_all(decoder: &mut dyn Decoder, batches: &[Vec<&[u8]>], environment: &Environment) -> Result<u64> {
    let (mut rows, mut of_messages) = (0, Vec::new());
    for messages in batches {
        of_messages.clear();
        decoder.prepare(environment, messages).await?;
        let decoded = decoder.decode_messages(messages, &mut of_messages);
        decoded.map_err(|e| e.at_place(|at| format!("message {at}")))?;
        rows += decoder.take()?.len() as u64;
    }
    Ok(rows)
}

fn messages_of(encoded: &Encoded) -> Vec<&[u8]> {
    let begins = std::iter::once(0).chain(encoded.ends.iter().copied());
    begins.zip(&encoded.ends).map(|(begin, end)| &encoded.bytes[begin..*end]).collect()
}

/// Each message behind its length in four bytes.
fn behind_lengths(encoded: &[Encoded]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in encoded.iter().flat_map(messages_of) {
        bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
        bytes.extend_from_slice(message);
    }
    bytes
}

/// The options of a format; Flink has them too, but for `schema`.
fn options(name: &str) -> Vec<(&'static str, &'static str)> {
    match name {
        "protobuf" => vec![("message-class-name", "bench.Row"), ("schema", PROTOBUF)],
        "avro-confluent" | "debezium-avro-confluent" => vec![("url", "http://localhost"), ("subject", "rows")],
        _ => Vec::new(),
    }
}

/// The columns: those of the jobs as far as the format has their types.
fn schema(name: &str) -> Schema {
    let (double, text) = (TypeKind::Double, LogicalType::string().kind);
    let (decimal, moment) = match name {
        "protobuf" => (double.clone(), TypeKind::BigInt),
        _ => (TypeKind::Decimal { precision: 10, scale: 2 }, TypeKind::Timestamp(3)),
    };
    let columns = match name {
        "raw" => vec![("line", text)],
        _ => vec![
            ("id", TypeKind::BigInt),
            ("name", text),
            ("price", decimal),
            ("score", double),
            ("moment", moment),
            ("is_new", TypeKind::Boolean),
        ],
    };
    Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, LogicalType::new(kind))).collect())
}

/// The values of a column for rows with these ids.
fn column(field: &Field, ids: std::ops::Range<i64>) -> Result<ArrayRef> {
    let cents = ids.clone().map(|id| id % 10_000 * 100);
    Ok(match (field.name.as_str(), &field.ty.kind) {
        ("moment", TypeKind::Timestamp(_)) => {
            Arc::new(TimestampMillisecondArray::from_iter_values(ids.map(|id| id * 1000)))
        }
        ("moment", _) => Arc::new(Int64Array::from_iter_values(ids.map(|id| id * 1000))),
        (_, TypeKind::BigInt) => Arc::new(Int64Array::from_iter_values(ids)),
        ("line", _) => {
            Arc::new(StringArray::from_iter_values(ids.map(|id| format!("a line of some length for customer {id}"))))
        }
        (_, TypeKind::Varchar(_)) => {
            Arc::new(StringArray::from_iter_values(ids.map(|id| format!("customer {}", id % 100_000))))
        }
        ("price", TypeKind::Double) => {
            Arc::new(Float64Array::from_iter_values(cents.map(|cents| cents as f64 / 100.0)))
        }
        (_, TypeKind::Double) => Arc::new(Float64Array::from_iter_values(ids.map(|id| id as f64 / 7.0))),
        (_, TypeKind::Decimal { precision, scale }) => {
            let values = Decimal128Array::from_iter_values(cents.map(i128::from));
            let typed = values.with_precision_and_scale(*precision, *scale as i8);
            Arc::new(typed.map_err(|e| Error::internal("the rows of the measurement cannot be made").with_source(e))?)
        }
        (_, TypeKind::Boolean) => Arc::new(BooleanArray::from(ids.map(|id| id % 3 == 0).collect::<Vec<_>>())),
        (name, kind) => return Err(Error::internal(format!("column '{name}' has no values of {kind:?}"))),
    })
}
