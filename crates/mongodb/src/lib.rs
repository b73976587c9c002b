//! `'connector' = 'mongodb'`: collections of MongoDB, read in parallel, looked up in by key, and written.
//!
//! Flink counterpart: its MongoDB connector, with its options, types and rules for the `_id`. The protocol is spoken by
//! MongoDB's own client; documents go from its answers straight into columns.
//!
//! **Invariant.** What is secret in the connection string goes to the servers, and nowhere else.

mod bounds;
mod client;
mod decimal;
mod decode;
mod encode;
mod filter;
mod kinds;
mod lookup;
mod options;
mod scan;
mod sink;
mod splits;
mod text;
mod uri;

use flott_api::env::Environment;
use flott_api::lookup::{LOOKUP_CACHE, LOOKUP_CACHE_NONE, LookupDescription, LookupFactory, LookupSpec, LookupTable};
use flott_api::options::Options;
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result, Schema};

use options::MongoOptions;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct MongoDb;

impl MongoDb {
    fn read(options: &Options, schema: &Schema) -> Result<MongoOptions> {
        let options = MongoOptions::read(options)?;
        kinds::check(schema)?;
        Ok(options)
    }
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "mongodb",
    about: "collections of MongoDB",
    source: true,
    sink: true,
    format: false,
    options: &[options::OPTIONS, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

impl TableFactory for MongoDb {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = MongoDb::read(&table.options, &table.schema)?;
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
        let options = MongoDb::read(&table.options, &table.schema)?;
        let place = |name: &String| table.schema.fields.iter().position(|f| f.name == *name);
        let primary_key: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
        let primary_key = primary_key.ok_or_else(|| Error::internal("a column of the primary key is none"))?;
        sink::check(&table.schema, &primary_key)?;
        Ok(SinkDescription {
            changelog: if primary_key.is_empty() { ChangelogMode::INSERT_ONLY } else { ChangelogMode::UPSERT },
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: options.sink.parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(scan::MongoSource::new(MongoDb::read(&spec.options, &spec.schema)?, spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(sink::MongoSink::new(MongoDb::read(&spec.options, &spec.schema)?, spec)?))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for MongoDb {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let rows = self.describe_source(table)?;
        let options = MongoDb::read(&table.options, &table.schema)?;
        Ok(LookupDescription { rows, sync: true, asynchronous: true, cache: options.lookup_cache })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let options = MongoDb::read(&spec.table.options, &spec.table.schema)?;
        Ok(Box::new(lookup::MongoLookup::new(&options, spec, environment)?))
    }
}
