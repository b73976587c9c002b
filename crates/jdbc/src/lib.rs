//! `'connector' = 'jdbc'`: tables of databases, read in parallel, looked up in by key, and written, also exactly once.
//!
//! Flink counterpart: its JDBC connector, with its options, for PostgreSQL, MySQL, MariaDB and SQLite. There is no Java in it:
//! a URL is read as the drivers read it, and each database is spoken to in its own protocol.
//!
//! **Invariant.** A password is in the options of a table, goes to the database, and nowhere else.

pub mod catalog;
mod columns;
mod decimal;
mod dialect;
mod filter;
mod lookup;
mod mysql;
mod options;
mod postgres;
mod retry;
mod scan;
mod sink;
mod sqlite;
mod text_sql;
mod time;
mod url;

use flott_api::env::Environment;
use flott_api::lookup::{LOOKUP_CACHE, LOOKUP_CACHE_NONE, LookupDescription, LookupFactory, LookupSpec, LookupTable};
use flott_api::options::Options;
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Result, Schema};

use columns::Kind;
use dialect::Dialect;
use options::JdbcOptions;
use url::Brand;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jdbc;

impl Jdbc {
    fn read(options: &Options, schema: &Schema) -> Result<(JdbcOptions, &'static dyn Dialect)> {
        let options = JdbcOptions::read(options, schema)?;
        let dialect = dialect_of(options.access.url.brand);
        dialect.check(&options.access)?;
        Kind::of_all(schema)?;
        Ok((options, dialect))
    }
}

fn dialect_of(brand: Brand) -> &'static dyn Dialect {
    match brand {
        Brand::PostgreSql => &postgres::PostgreSql,
        Brand::MySql | Brand::MariaDb => &mysql::MySql,
        Brand::Sqlite => &sqlite::Sqlite,
    }
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "jdbc",
    about: "tables of PostgreSQL, MySQL, MariaDB and SQLite",
    source: true,
    sink: true,
    format: false,
    options: &[options::OPTIONS, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

impl TableFactory for Jdbc {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let (options, _) = Jdbc::read(&table.options, &table.schema)?;
        Ok(SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: Boundedness::Bounded,
            metadata: Vec::new(),
            push_downs: PushDowns {
                projection: true,
                limit: true,
                filter: options.scan.filters,
                ..PushDowns::default()
            },
            parallelism: None,
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let (options, _) = Jdbc::read(&table.options, &table.schema)?;
        let keyed = !table.primary_key.is_empty();
        Ok(SinkDescription {
            changelog: if keyed { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY },
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: options.sink.parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        let (options, dialect) = Jdbc::read(&spec.options, &spec.schema)?;
        Ok(Box::new(scan::JdbcSource::new(options, dialect, spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let (options, dialect) = Jdbc::read(&spec.options, &spec.schema)?;
        Ok(Box::new(sink::JdbcSink::new(options, dialect, spec)?))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for Jdbc {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let rows = self.describe_source(table)?;
        let (options, _) = Jdbc::read(&table.options, &table.schema)?;
        Ok(LookupDescription { rows, sync: true, asynchronous: true, cache: options.lookup_cache })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let (options, dialect) = Jdbc::read(&spec.table.options, &spec.table.schema)?;
        Ok(Box::new(lookup::JdbcLookup::new(&options, dialect, spec, environment)))
    }
}
