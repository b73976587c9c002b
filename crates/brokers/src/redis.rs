//! `'connector' = 'redis'`: keys of Redis as rows, looked up in and written; lists, channels and streams as sinks.
//!
//! Flink counterpart: none of its own; options follow what its users know from community connectors. A row has a primary
//! key, whose columns make the key of Redis: `key.prefix`, and their texts with `key.delimiter` between. What is not of the
//! key is a hash (`HSET`) or a string (`SET`).
//!
//! **Lookup**: the keys of a batch are one `MGET`, or as many `HMGET` in one pipeline. **Sink**: the rows of a batch are one
//! pipeline; of several changes of one key the last one counts, so that a repetition changes nothing. `LPUSH`, `RPUSH`,
//! `PUBLISH` and `XADD` append: at least once.
//!
//! It does not: read a whole table (`SCAN` promises no row once), speak with a cluster or a sentinel.

mod connection;
mod keys;
mod lookup;
mod options;
mod resp;
mod sink;

use flott_api::env::Environment;
use flott_api::lookup::{LOOKUP_CACHE, LOOKUP_CACHE_NONE, LookupDescription, LookupFactory, LookupSpec, LookupTable};
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result};

use crate::access::OPTIONS as ACCESS;
use options::{RedisOptions, Table};

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RedisTable;

fn options_of(table: &TableContext) -> Result<RedisOptions> {
    let place = |name: &String| {
        table.schema.index_of(name).ok_or_else(|| Error::internal(format!("key column '{name}' is missing")))
    };
    let primary_key = table.primary_key.iter().map(place).collect::<Result<Vec<_>>>()?;
    RedisOptions::read(&Table { options: &table.options, schema: &table.schema, primary_key: &primary_key })
}

fn not_read() -> Error {
    Error::invalid("a table of connector 'redis' cannot be read as a whole")
        .with_detail("Redis does not say which keys there are without missing or repeating some.")
        .with_hint("Look up in it: JOIN .. FOR SYSTEM_TIME AS OF the processing time of a stream.")
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "redis",
    about: "keys of Redis",
    source: false,
    sink: true,
    format: false,
    options: &[ACCESS, options::OPTIONS, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

impl TableFactory for RedisTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        options_of(table)?;
        Err(not_read())
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = options_of(table)?;
        Ok(SinkDescription {
            changelog: if options.command.is_keyed() { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY },
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: options.sink_parallelism,
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(not_read())
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let table = Table { options: &spec.options, schema: &spec.schema, primary_key: &spec.primary_key };
        Ok(Box::new(sink::RedisSink::new(RedisOptions::read(&table)?, spec)?))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for RedisTable {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let options = options_of(table)?;
        if !options.command.is_keyed() {
            let command = options.command.name();
            return Err(Error::invalid(format!("a table with 'command' = '{command}' cannot be looked up in"))
                .with_hint("Rows that have a key are those of 'HSET' and 'SET'."));
        }
        let rows = SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: Boundedness::Bounded,
            metadata: Vec::new(),
            push_downs: PushDowns { projection: true, ..PushDowns::default() },
            parallelism: None,
            dead_letters: None,
        };
        Ok(LookupDescription { rows, sync: true, asynchronous: true, cache: options.lookup_cache })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let of = &spec.table;
        let table = Table { options: &of.options, schema: &of.schema, primary_key: &of.primary_key };
        Ok(Box::new(lookup::RedisLookup::new(RedisOptions::read(&table)?, spec, environment)?))
    }
}
