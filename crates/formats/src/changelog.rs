//! Formats of change events: `debezium-json`, `canal-json`, `maxwell-json`, `ogg-json`.
//!
//! An event is a JSON object with an operation, the row before and the row after. The four formats differ in the names
//! of these parts, in what the row before holds and in what is written; each says so in a [`Dialect`], and one decoder
//! and one encoder serve all. An update is `-U` and `+U`; written are, as by Flink, only insertions (for `+I` and `+U`)
//! and deletions (for `-U` and `-D`).
//!
//! Flink's counterparts are the schemas in `flink-json`, with all their options and metadata columns.
//!
//! **What differs**: what an operation does not need (the row before of an insertion, columns and metadata that nobody
//! reads) is checked to be JSON, and no more. Of an update that has only what changed, a field counts as changed where
//! it stands in the old row itself; Flink looks for its name also in the old rows of the same event's other rows and in
//! nested objects. Blank lines are skipped like empty ones.

mod canal;
mod debezium;
mod decode;
mod encode;
mod envelope;
mod filter;
mod maxwell;
mod metadata;
mod ogg;

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::{ChangelogMode, MetadataColumn};
use flott_api::{Error, Result, Schema};

use crate::json::{JsonOptions, check_types, common_options};
use crate::{Decoder, DecoderSpec, Encoder, EncoderSpec, Format, Layout};
use filter::Filter;
use metadata::Metadata;

/// Where the operation lies among the [`parts`](Dialect::parts).
const OPERATION: usize = 0;
/// Where the row before lies.
const BEFORE: usize = 1;
/// Where the row after lies.
const AFTER: usize = 2;

/// What the formats differ in.
struct Dialect {
    name: &'static str,
    /// The fields of an event that are looked at: [`OPERATION`], [`BEFORE`], [`AFTER`], then those of metadata and filters.
    parts: &'static [&'static str],
    operations: &'static [(&'static str, Operation)],
    /// Whether an event has many rows, in arrays.
    many_rows: bool,
    /// Whether the row before has only the fields that changed; a deleted row is then in the row after.
    only_changed: bool,
    /// What to say where the row before is missing.
    hint: &'static str,
    /// Options with a pattern, and the part that must match it.
    filters: &'static [(&'static str, usize)],
    /// Whether there is an option for events inside of `payload`, beside their schema.
    wraps: bool,
    metadata: &'static [Metadata],
    frames: Frames,
}

/// What an event does to its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Insert,
    Update,
    Delete,
    /// No change of rows.
    Nothing,
}

/// What is written before and behind a row.
type Frame = [&'static str; 2];

/// What is written around rows that come and rows that go.
struct Frames {
    insert: Frame,
    delete: Frame,
    /// The same where null fields are left out.
    short_insert: Frame,
    short_delete: Frame,
}

struct Changelog {
    dialect: &'static Dialect,
    json: JsonOptions,
    /// The option's key, if it is set.
    schema_include: Option<String>,
    filters: Vec<Filter>,
}

/// The options of `canal-json` alone.
pub(crate) const CANAL: OptionTable = &[
    ConfigOption::text("database.include", "A pattern of databases whose changes are read; it fits whole names."),
    ConfigOption::text("table.include", "A pattern of tables whose changes are read."),
];
/// Those of `debezium-json` alone.
pub(crate) const DEBEZIUM: OptionTable = &[ConfigOption::flag(
    "schema-include",
    "Whether events have their schema beside, as Kafka Connect may write them.",
)
.or("false")];

/// Reads the options of `canal-json` under `prefix`.
pub(crate) fn canal(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    make(&canal::DIALECT, options, prefix)
}

/// Reads the options of `debezium-json` under `prefix`.
pub(crate) fn debezium(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    make(&debezium::DIALECT, options, prefix)
}

/// Reads the options of `maxwell-json` under `prefix`.
pub(crate) fn maxwell(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    make(&maxwell::DIALECT, options, prefix)
}

/// Reads the options of `ogg-json` under `prefix`.
pub(crate) fn ogg(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    make(&ogg::DIALECT, options, prefix)
}

fn make(dialect: &'static Dialect, options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = format!("{prefix}schema-include");
    let schema_include = if dialect.wraps && options.value_or(&key, false)? { Some(key) } else { None };
    let filters = dialect.filters.iter().map(|(name, part)| Filter::read(options, &format!("{prefix}{name}"), *part));
    let filters = filters.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
    let mut json = common_options(options, prefix)?;
    json.builds_tree = true;
    Ok(Box::new(Changelog { dialect, json, schema_include, filters }))
}

impl Format for Changelog {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }

    fn metadata(&self) -> Vec<MetadataColumn> {
        self.dialect.metadata.iter().map(|m| MetadataColumn { key: m.key.to_owned(), ty: m.ty() }).collect()
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        check_types(self.dialect.name, schema)
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.json.dead_letters.as_deref()
    }
    fn layout(&self) -> Layout<'_> {
        Layout::Records { splittable: true }
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(decode::EventDecoder::new(self, spec)?))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        if let Some(key) = &self.schema_include {
            return Err(Error::invalid(format!("format '{}' cannot write with '{key}'", self.dialect.name))
                .with_hint("Remove the option from the sink."));
        }
        Ok(Box::new(encode::EventEncoder::new(self, spec)))
    }
}

#[cfg(test)]
mod tests;
