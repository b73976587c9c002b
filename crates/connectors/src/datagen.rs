//! `'connector' = 'datagen'`: rows that are made up, for trying out and for load.
//!
//! Counterpart of Flink's connector, with its options: a column is `random` (the default) or a `sequence`; a sequence
//! ends the table. A row is a function of a seed and its number, so a restart goes on with the same rows. Without
//! `scan.parallelism` one reader makes all rows, so sequences are in order. Times without a zone are UTC.
//!
//! Does not make: intervals, `VARIANT`, `BITMAP`, structured and raw types.

mod fields;
mod generate;
mod source;

use flott_api::options::{ConfigOption, OptionTable, Options, SCAN_PARALLELISM};
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result, Schema};

use fields::Node;

const OPTIONS: OptionTable = &[
    ConfigOption::number("rows-per-second", "How fast, of all subtasks together.").or("10000"),
    ConfigOption::number("number-of-rows", "How many rows there are; without it the table has no end."),
    SCAN_PARALLELISM,
    ConfigOption::keys(
        "fields.*",
        "How the column behind `fields.` is made: `.kind` is `random` or `sequence`; `.min`, `.max`, `.length`, `.var-len`, `.max-past` and `.null-rate` of the first, `.start` and `.end` of the second. Parts of a column are named behind it: `.element`, `.key`, `.value`, or their own names.",
    ),
];

/// The connector.
#[derive(Debug)]
pub struct Datagen;

/// The options, checked.
#[derive(Clone, Debug)]
struct DatagenOptions {
    rows_per_second: u64,
    /// How many rows there are; nothing if there is no end.
    rows: Option<u64>,
    parallelism: Option<u32>,
    /// How each column of the table is made.
    columns: Vec<Node>,
}

impl DatagenOptions {
    fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let rows_per_second = reader.value_or("rows-per-second", 10_000)?;
        let number_of_rows = reader.value("number-of-rows")?;
        let parallelism = reader.value("scan.parallelism")?;
        let columns = schema.fields.iter();
        let columns =
            columns.map(|f| Node::read(&reader, &format!("fields.{}", f.name), &f.ty)).collect::<Result<Vec<_>>>()?;
        reader.finish()?;
        if rows_per_second == 0 {
            return Err(Error::invalid("option 'rows-per-second' must be at least 1"));
        }
        if parallelism == Some(0) {
            return Err(Error::invalid("option 'scan.parallelism' must be at least 1"));
        }
        let rows = columns.iter().filter_map(Node::rows_max).chain(number_of_rows).min();
        Ok(DatagenOptions { rows_per_second, rows, parallelism, columns })
    }

    fn boundedness(&self) -> Boundedness {
        if self.rows.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "datagen",
    about: "rows that are made up",
    source: true,
    sink: false,
    format: false,
    options: &[OPTIONS],
};

impl TableFactory for Datagen {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = DatagenOptions::read(&table.options, &table.schema)?;
        Ok(SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: options.boundedness(),
            metadata: Vec::new(),
            push_downs: PushDowns { projection: true, limit: true, ..PushDowns::default() },
            parallelism: options.parallelism,
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Err(unwritable(&table.path))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        let options = DatagenOptions::read(&spec.options, &spec.schema)?;
        Ok(Box::new(source::DatagenSource::new(options, spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(unwritable(&spec.table))
    }
}

fn unwritable(table: &str) -> Error {
    Error::invalid(format!("table '{table}' of connector 'datagen' cannot be written"))
}

#[cfg(test)]
mod tests;
