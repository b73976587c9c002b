//! `'connector' = 'http'` (or `'rest-lookup'`) looks up keys in a service, a request a key; `'connector' = 'http-sink'` sends
//! rows to one.
//!
//! Flink counterpart: its HTTP connector, and GetInData's, which it came from: tables of that one, with names of options that
//! begin with `gid.connector.`, are taken as they are.
//!
//! **Does not:** fetch tokens (OIDC), go through proxies, or call classes of Java: these options are refused.

mod codes;
mod lookup;
mod metadata;
mod options;
mod question;
mod sink;
#[cfg(test)]
mod sink_tests;
#[cfg(test)]
mod tests;

use flott_api::env::Environment;
use flott_api::lookup::{LOOKUP_CACHE, LOOKUP_CACHE_NONE, LookupDescription, LookupFactory, LookupSpec, LookupTable};
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result};

use self::lookup::HttpLookup;
use self::options::{LookupOptions, SinkOptions};
use self::sink::HttpSink;

/// What looks up in a service, under one of its names.
#[derive(Clone, Copy, Debug)]
pub struct HttpTable(&'static ConnectorDescription);

impl HttpTable {
    /// Flink's.
    pub const FLINK: HttpTable = HttpTable(&FLINK);
    /// GetInData's.
    pub const GETINDATA: HttpTable = HttpTable(&GETINDATA);
}

/// What it is, for its users.
static FLINK: ConnectorDescription = ConnectorDescription {
    identifier: "http",
    about: "answers of an HTTP service, looked up (Flink's name)",
    source: false,
    sink: false,
    format: true,
    options: &[options::LOOKUP, options::FLINK_LOOKUP, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

/// What it is, for its users.
static GETINDATA: ConnectorDescription = ConnectorDescription {
    identifier: "rest-lookup",
    about: "answers of an HTTP service, looked up (GetInData's name)",
    source: false,
    sink: false,
    format: true,
    options: &[options::LOOKUP, options::GETINDATA_LOOKUP, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

impl TableFactory for HttpTable {
    fn description(&self) -> &'static ConnectorDescription {
        self.0
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!(
            "table '{}' of connector '{}' can only be looked up in",
            table.path, self.0.identifier
        ))
        .with_hint("Join it with FOR SYSTEM_TIME AS OF."))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Err(Error::invalid(format!("table '{}' of connector '{}' cannot be written", table.path, self.0.identifier))
            .with_hint("The connector that writes is 'http-sink'."))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal(format!("table '{}' of connector '{}' is not read", spec.table, self.0.identifier)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::internal(format!("table '{}' of connector '{}' is not written", spec.table, self.0.identifier)))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for HttpTable {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let options = LookupOptions::read(self.0, &table.options, &table.schema)?;
        options.format.check(&table.schema)?;
        Ok(LookupDescription {
            rows: SourceDescription {
                changelog: ChangelogMode::INSERT_ONLY,
                boundedness: Boundedness::Bounded,
                metadata: metadata::columns(),
                push_downs: PushDowns { projection: true, ..PushDowns::default() },
                parallelism: None,
                dead_letters: None,
            },
            sync: true,
            asynchronous: options.asynchronous,
            cache: options.cache,
        })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let options = LookupOptions::read(self.0, &spec.table.options, &spec.table.schema)?;
        Ok(Box::new(HttpLookup::new(options, spec, environment)?))
    }
}

/// What sends rows to a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpSinkTable;

/// What it is, for its users.
static SINK: ConnectorDescription = ConnectorDescription {
    identifier: "http-sink",
    about: "requests to an HTTP service",
    source: false,
    sink: true,
    format: true,
    options: &[options::SINK, options::FLINK_SINK],
};

impl TableFactory for HttpSinkTable {
    fn description(&self) -> &'static ConnectorDescription {
        &SINK
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!("table '{}' of connector 'http-sink' can only be written", table.path)))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = SinkOptions::read(&table.options)?;
        options.format.check(&table.schema)?;
        let changelog = options.format.changelog();
        Ok(SinkDescription {
            changelog,
            needs_update_before: !changelog.is_insert_only(),
            metadata: Vec::new(),
            overwrite: false,
            parallelism: options.parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal(format!("table '{}' of connector 'http-sink' is not read", spec.table)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(HttpSink::new(SinkOptions::read(&spec.options)?, spec)?))
    }
}
