//! `'format' = 'parquet'`: columns in chunks, read with only the columns asked for and by row groups.
//!
//! Columns are found by name; one that the file does not have is NULL. Timestamps are read in every encoding that
//! Flink and others write (`INT96`, milliseconds, microseconds, nanoseconds). Differences to Flink: timestamps are
//! written as `INT64` with the unit of their precision (Flink's `parquet.write.int64.timestamp`; its default `INT96`
//! is not written), and a timestamp without zone is stored as it is (Flink's `parquet.utc-timezone` = `true`).

mod convert;
mod footer;
mod read;
mod write;

use std::ops::Range;

use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use flott_api::env::ReadFile;
use flott_api::options::{ConfigOption, MemorySize, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use crate::{Decoder, DecoderSpec, Encoder, EncoderSpec, FileFormat, FileReader, Format, Layout, type_refused};

/// The options of `parquet`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParquetOptions {
    compression: Compression,
    /// A row group is ended when it has become this large.
    row_group_bytes: u64,
    page_bytes: usize,
    dictionary: bool,
}

struct Parquet(ParquetOptions);

/// Its options.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::choice(
        "compression",
        &["SNAPPY", "UNCOMPRESSED", "GZIP", "ZSTD", "LZ4_RAW"],
        "How pages are compressed.",
    )
    .or("SNAPPY"),
    ConfigOption::memory("block.size", "How large a row group becomes.").or("128 mb"),
    ConfigOption::memory("page.size", "How large a page becomes.").or("1 mb"),
    ConfigOption::flag("enable.dictionary", "Whether values that come again are written once.").or("true"),
    ConfigOption::flag("utc-timezone", "Only `true`: timestamps without a zone are written as they are.").or("true"),
    ConfigOption::flag("write.int64.timestamp", "Only `true`: timestamps are written as INT64.").or("true"),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = |name: &str| format!("{prefix}{name}");
    for (name, supported) in [("utc-timezone", true), ("write.int64.timestamp", true)] {
        if options.value_or(&key(name), supported)? != supported {
            return Err(Error::unsupported(format!("'{}' = '{}'", key(name), !supported))
                .with_detail("Timestamps are written as INT64, and without zone as they are.".to_owned()));
        }
    }
    Ok(Box::new(Parquet(ParquetOptions {
        compression: compression(options, &key("compression"))?,
        row_group_bytes: options.value_or(&key("block.size"), MemorySize(128 << 20))?.0.max(1 << 16),
        page_bytes: options.value_or(&key("page.size"), MemorySize(1 << 20))?.0.max(1 << 10) as usize,
        dictionary: options.value_or(&key("enable.dictionary"), true)?,
    })))
}

fn compression(options: &OptionReader<'_>, key: &str) -> Result<Compression> {
    let zstd = ZstdLevel::try_new(3).map_err(|e| Error::internal("a zstd level is wrong").with_source(e))?;
    let choices = [
        ("SNAPPY", Compression::SNAPPY),
        ("UNCOMPRESSED", Compression::UNCOMPRESSED),
        ("GZIP", Compression::GZIP(GzipLevel::default())),
        ("ZSTD", Compression::ZSTD(zstd)),
        ("LZ4_RAW", Compression::LZ4_RAW),
    ];
    options.choice(key, &choices, Compression::SNAPPY)
}

/// An error of the parquet library: about the file's content.
fn damaged(e: ::parquet::errors::ParquetError) -> Error {
    Error::data("the parquet file cannot be read").with_source(e)
}

impl Format for Parquet {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        let bad = schema.fields.iter().find(|f| !holds(&f.ty));
        bad.map_or(Ok(()), |f| Err(type_refused("parquet", &f.name, &f.ty)))
    }

    fn layout(&self) -> Layout<'_> {
        Layout::File(self)
    }

    fn decoder(&self, _spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        Err(Error::invalid("format 'parquet' cannot be used for messages")
            .with_detail("It reads and writes whole files.".to_owned()))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(write::ParquetEncoder::new(self.0, spec)?))
    }
}

impl FileFormat for Parquet {
    fn reader(
        &self,
        file: Box<dyn ReadFile>,
        spec: &DecoderSpec,
        range: Range<u64>,
        skip: u64,
    ) -> Result<Box<dyn FileReader>> {
        self.check(&spec.schema)?;
        Ok(Box::new(read::ParquetReader::new(file, spec, range, skip)?))
    }
}

fn holds(ty: &LogicalType) -> bool {
    match &ty.kind {
        TypeKind::Array(element) | TypeKind::Multiset(element) => holds(element),
        TypeKind::Map(key, value) => holds(key) && holds(value),
        TypeKind::Row(fields) => !fields.is_empty() && fields.iter().all(|f| holds(&f.ty)),
        kind => {
            kind.is_numeric()
                || kind.is_character()
                || kind.is_binary()
                || kind.is_timestamp()
                || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_))
        }
    }
}

#[cfg(test)]
mod tests;
