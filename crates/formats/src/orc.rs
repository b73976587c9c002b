//! `'format' = 'orc'`: columns in stripes, read with only the columns asked for and by stripes.
//!
//! Reader and writer are our own (RFC 0009). Every file of version 0.11 and 0.12 is read, with every codec but Brotli.
//! Columns are found by name; one that the file does not have is NULL. Written is what Flink writes, with the types that it
//! has: `CHAR` filled up with blanks, which reading takes off again; timestamps as a clock in UTC shows them, with days
//! before 15 October 1582 counted in the Julian calendar.
//!
//! Differences to Flink: columns that have another type in the file are read where no value can be lost (integers of any
//! width, as long as their values fit, `FLOAT` as `DOUBLE`, decimals of smaller precision and scale, texts of any length), and
//! refused otherwise; timestamps that a file cannot have (fractions of the last second before 1970, ten days of October 1582)
//! are refused, where Flink moves them; `ZSTD` can be chosen, which Flink 2.3 cannot read.

mod codec;
mod lzo;
mod proto;
mod read;
mod time;
mod write;

use std::ops::Range;

use flott_api::env::ReadFile;
use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::types::LENGTH_MAX;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use self::codec::{CHUNK_BYTES, CHUNK_BYTES_MAX, Codec};
use crate::{Decoder, DecoderSpec, Encoder, EncoderSpec, FileFormat, FileReader, Format, Layout, type_refused};

/// What files begin with, and the message at their end ends with.
const MAGIC: &[u8] = b"ORC";

/// What Java's writer takes for the others.
const STRIPE_BYTES: u64 = 64 << 20;
/// With a batch more, the words of a dictionary still have ends of 32 bits.
const STRIPE_BYTES_MAX: u64 = i32::MAX as u64;
const INDEX_STRIDE: u64 = 10_000;
const INDEX_STRIDE_MIN: u64 = 1000;

/// The options of `orc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrcOptions {
    codec: Codec,
    /// A stripe is ended when it has become this large.
    stripe_bytes: u64,
    chunk_bytes: usize,
    /// Rows of a group of the index; nothing for none.
    index_rows: Option<usize>,
}

struct Orc(OrcOptions);

/// Its options.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::choice(
        "compress",
        &["NONE", "ZLIB", "SNAPPY", "LZ4", "ZSTD"],
        "How it is compressed. Flink 2.3 cannot read `ZSTD`.",
    )
    .or("ZLIB"),
    ConfigOption::number("compress.size", "Bytes that are compressed at a time, 1 to 8388607.").or("262144"),
    ConfigOption::number(
        "stripe.size",
        "A stripe ends when it has so many bytes, at most 2147483647; the writer holds it in memory until then.",
    )
    .or("67108864"),
    ConfigOption::number("row.index.stride", "Rows of a group in the index, at least 1000; `0` writes no index.")
        .or("10000"),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = |name: &str| format!("{prefix}{name}");
    let codecs = [Codec::None, Codec::Zlib, Codec::Snappy, Codec::Lz4, Codec::Zstd].map(|codec| (codec.name(), codec));
    let index_rows = options.value_or(&key("row.index.stride"), INDEX_STRIDE)?;
    if (1..INDEX_STRIDE_MIN).contains(&index_rows) {
        return Err(out_of(
            &key("row.index.stride"),
            index_rows,
            &format!("at least {INDEX_STRIDE_MIN}, or 0 for no index"),
        ));
    }
    let chunk_bytes = options.value_or(&key("compress.size"), CHUNK_BYTES as u64)?;
    if !(1..=CHUNK_BYTES_MAX as u64).contains(&chunk_bytes) {
        return Err(out_of(&key("compress.size"), chunk_bytes, &format!("1 to {CHUNK_BYTES_MAX} bytes")));
    }
    let stripe_bytes = options.value_or(&key("stripe.size"), STRIPE_BYTES)?;
    if stripe_bytes > STRIPE_BYTES_MAX {
        return Err(out_of(&key("stripe.size"), stripe_bytes, &format!("at most {STRIPE_BYTES_MAX} bytes")));
    }
    let made = OrcOptions {
        codec: options.choice(&key("compress"), &codecs, Codec::Zlib)?,
        stripe_bytes,
        chunk_bytes: chunk_bytes as usize,
        index_rows: (index_rows > 0).then(|| usize::try_from(index_rows).unwrap_or(usize::MAX)),
    };
    let known = ["compress", "compress.size", "row.index.stride", "stripe.size"];
    let others = options.with_prefix(prefix).0.into_keys().find(|name| !known.contains(&name.as_str()));
    match others {
        Some(other) => Err(Error::unsupported(format!("option '{}'", key(&other)))
            .with_detail("Flink hands every option below 'orc.' to ORC's library, where it may change the files.")
            .with_hint(format!("Those of this format are: {}.", known.map(key).join(", ")))),
        None => Ok(Box::new(Orc(made))),
    }
}

fn out_of(key: &str, value: u64, range: &str) -> Error {
    Error::invalid(format!("option '{key}' has the value '{value}'")).with_detail(format!("It may be {range}."))
}

impl Format for Orc {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        let bad = schema.fields.iter().find(|f| !holds(&f.ty));
        bad.map_or(Ok(()), |f| Err(type_refused("orc", &f.name, &f.ty)))
    }

    fn layout(&self) -> Layout<'_> {
        Layout::File(self)
    }

    fn decoder(&self, _spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        Err(Error::invalid("format 'orc' cannot be used for messages")
            .with_detail("It reads and writes whole files.".to_owned()))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(write::OrcEncoder::new(self.0, &spec.schema)))
    }
}

impl FileFormat for Orc {
    fn reader(
        &self,
        file: Box<dyn ReadFile>,
        spec: &DecoderSpec,
        range: Range<u64>,
        skip: u64,
    ) -> Result<Box<dyn FileReader>> {
        self.check(&spec.schema)?;
        Ok(Box::new(read::OrcReader::new(file, spec, range, skip)?))
    }
}

/// What Flink has a type of ORC for.
fn holds(ty: &LogicalType) -> bool {
    match &ty.kind {
        TypeKind::Array(element) => holds(element),
        TypeKind::Map(key, value) => holds(key) && holds(value),
        TypeKind::Row(fields) => !fields.is_empty() && fields.iter().all(|f| holds(&f.ty)),
        TypeKind::Varbinary(length) => *length == LENGTH_MAX,
        kind => {
            kind.is_numeric()
                || kind.is_character()
                || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Timestamp(_))
        }
    }
}

/// A number whose bits have the sign at their lowest.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}

#[cfg(test)]
mod tests;
