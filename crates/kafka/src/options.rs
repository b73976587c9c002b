//! The options of tables in Kafka: `kafka` and `upsert-kafka`, as Flink's connectors of these names have them.

mod columns;
mod offsets;
mod properties;
mod security;
mod sink;
mod tables;
mod topics;

use flott_api::options::{Millis, OptionReader, Options};
use flott_api::source::Boundedness;
use flott_api::table::{ChangelogMode, ConnectorDescription};
use flott_api::{Error, Result, Schema};
use flott_formats::{Format, Layout};

pub(crate) use columns::ColumnSplit;
pub(crate) use offsets::{Bounded, Startup};
pub(crate) use properties::{ClientSettings, ConsumerSettings, OffsetReset, ProducerSettings, Properties};
pub(crate) use security::{OAuth, Sasl};
pub(crate) use sink::{Buffer, Delivery, LostTransactions, Partitioner, SinkOptions};
use tables::{KAFKA, UPSERT_KAFKA};
pub(crate) use topics::Topics;

/// How often new partitions are looked for.
const DISCOVERY_MS: u64 = 5 * 60_000;

/// Which of the two connectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `kafka`: records are rows, or changes as their format says.
    Kafka,
    /// `upsert-kafka`: records are the last rows of their keys; without a value they delete.
    Upsert,
}

impl Kind {
    pub(crate) fn description(self) -> &'static ConnectorDescription {
        match self {
            Kind::Kafka => &KAFKA,
            Kind::Upsert => &UPSERT_KAFKA,
        }
    }

    /// What stands in `'connector'`.
    pub(crate) fn identifier(self) -> &'static str {
        self.description().identifier
    }
}

/// A format for values or keys, with its name.
pub(crate) struct NamedFormat {
    pub(crate) name: String,
    pub(crate) format: Box<dyn Format>,
}

/// The options of a table, read and checked.
pub(crate) struct TableOptions {
    pub(crate) topics: Topics,
    pub(crate) properties: Properties,
    pub(crate) key: Option<NamedFormat>,
    pub(crate) value: NamedFormat,
    /// Which columns lie in keys, and which in values.
    pub(crate) columns: ColumnSplit,
    pub(crate) startup: Startup,
    pub(crate) bounded: Bounded,
    /// Nothing if new partitions are not looked for.
    pub(crate) discovery_ms: Option<u64>,
    pub(crate) scan_parallelism: Option<u32>,
    pub(crate) sink: SinkOptions,
}

/// What is to be known of a table to read its options.
pub(crate) struct Table<'a> {
    pub(crate) options: &'a Options,
    pub(crate) schema: &'a Schema,
    /// Places of the primary key's columns.
    pub(crate) primary_key: &'a [usize],
}

impl TableOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or a format cannot hold its columns.
    pub(crate) fn read(kind: Kind, table: &Table<'_>) -> Result<Self> {
        let reader = kind.description().reader(table.options);
        let (key, value) = formats(kind, &reader)?;
        let columns = ColumnSplit::read(kind, &reader, table, key.is_some())?;
        let topics = Topics::read(&reader)?;
        let properties = Properties::read(table.options, &reader)?;
        let (startup, bounded) = match kind {
            Kind::Kafka => (Startup::read(&reader, &topics)?, Bounded::read(&reader, &topics)?),
            Kind::Upsert => (Startup::Earliest, Bounded::read(&reader, &topics)?),
        };
        let discovery_ms = discovery(kind, &reader)?;
        let read = TableOptions {
            sink: SinkOptions::read(kind, &reader)?,
            scan_parallelism: reader.value("scan.parallelism")?,
            topics,
            properties,
            key,
            value,
            columns,
            startup,
            bounded,
            discovery_ms,
        };
        reader.finish()?;
        read.check(kind, table)?;
        Ok(read)
    }

    fn check(&self, kind: Kind, table: &Table<'_>) -> Result<()> {
        if let Some(key) = &self.key {
            key.format.check(&self.columns.key_schema(table.schema))?;
        }
        self.value.format.check(&self.columns.value_schema(table.schema))?;
        let insert_only = self.value.format.changelog().is_insert_only();
        if kind == Kind::Kafka && insert_only && !table.primary_key.is_empty() {
            let name = &self.value.name;
            return Err(Error::invalid(format!("a table of connector 'kafka' with format '{name}' has a PRIMARY KEY"))
                .with_detail("Nothing keeps a key from coming twice in records that are only insertions.")
                .with_hint("Use connector 'upsert-kafka', or a format of changes such as 'debezium-json'."));
        }
        if self.sink.partitioner == Partitioner::RoundRobin && kind == Kind::Kafka && !self.columns.key.is_empty() {
            return Err(Error::invalid("option 'sink.partitioner' = 'round-robin' excludes option 'key.fields'")
                .with_detail("Records of one key must not go to several partitions."));
        }
        if self.scan_parallelism == Some(0) || self.sink.parallelism == Some(0) {
            return Err(Error::invalid("options 'scan.parallelism' and 'sink.parallelism' must be at least 1"));
        }
        Ok(())
    }

    /// Whether reading it ends.
    pub(crate) fn boundedness(&self) -> Boundedness {
        if self.bounded == Bounded::Never { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    /// What reading it emits.
    pub(crate) fn source_changelog(&self, kind: Kind) -> ChangelogMode {
        match kind {
            Kind::Kafka => self.value.format.changelog(),
            Kind::Upsert => ChangelogMode::of(&[flott_api::RowKind::UpdateAfter, flott_api::RowKind::Delete]),
        }
    }
}

fn formats(kind: Kind, reader: &OptionReader<'_>) -> Result<(Option<NamedFormat>, NamedFormat)> {
    let named = |name: &str, prefix: &str| {
        let format = flott_formats::format(name, reader, prefix)?;
        if let Layout::File(_) = format.layout() {
            return Err(Error::invalid(format!("format '{name}' cannot be used for records"))
                .with_detail("It holds a whole file and no single rows."));
        }
        Ok(NamedFormat { name: name.to_owned(), format })
    };
    let format = if kind == Kind::Kafka { reader.text("format") } else { None };
    let value = match (format, reader.text("value.format"), kind) {
        (Some(_), Some(_), _) => {
            return Err(Error::invalid("options 'format' and 'value.format' are the same one; give one of them"));
        }
        // With prefix `value.` only if it is named so, as in Flink.
        (Some(name), None, _) => named(name, "")?,
        (None, Some(name), _) => named(name, "value.")?,
        (None, None, Kind::Upsert) => named(reader.required("value.format")?, "value.")?,
        (None, None, Kind::Kafka) => named(reader.required("format")?, "")?,
    };
    let key = match kind {
        Kind::Upsert => Some(named(reader.required("key.format")?, "key.")?),
        Kind::Kafka => reader.text("key.format").map(|name| named(name, "key.")).transpose()?,
    };
    if let Some(key) = &key {
        if !key.format.changelog().is_insert_only() {
            return Err(Error::invalid(format!("format '{}' cannot be used for keys: it holds changes", key.name)));
        }
        if key.format.dead_letter_table().is_some() {
            return Err(Error::invalid(format!("option 'key.{}.dead-letter.table' of a key", key.name))
                .with_hint("Give it for the value: the raw bytes there are those of the value."));
        }
    }
    if kind == Kind::Upsert && !value.format.changelog().is_insert_only() {
        return Err(Error::invalid(format!("connector 'upsert-kafka' cannot use format '{}'", value.name))
            .with_detail("Its records are rows, and their changes follow from their keys."));
    }
    Ok((key, value))
}

fn discovery(kind: Kind, reader: &OptionReader<'_>) -> Result<Option<u64>> {
    if kind == Kind::Upsert {
        return Ok(Some(DISCOVERY_MS));
    }
    let key = "scan.topic-partition-discovery.interval";
    // Java's durations may be below zero, which turns it off, too.
    if reader.text(key).is_some_and(|text| text.trim_start().starts_with('-')) {
        return Ok(None);
    }
    Ok(Some(reader.value_or(key, Millis(DISCOVERY_MS))?.0).filter(|ms| *ms > 0))
}
