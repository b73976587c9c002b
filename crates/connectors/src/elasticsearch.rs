//! `'connector' = 'elasticsearch-7'`, `'elasticsearch-8'`, `'opensearch'`: rows become documents of an index.
//!
//! Flink counterpart: its Elasticsearch and OpenSearch connectors, with their options, as sinks and for look-ups. All three
//! speak the same REST, so there is one implementation; they differ in a few options. With a primary key the document's id is made of it:
//! a row that is written again changes nothing. Without one the service makes ids, and only insertions are taken.
//!
//! A row changes the fields of its document that are columns and leaves others alone, as Flink's does, unless a deletion came
//! right before it. Of several changes of a document that are sent at once only the last one is sent, so what is refused for
//! now and sent again cannot overtake a later change.
//!
//! **Does not:** read an index as a whole, or search by vectors.

mod answer;
mod bulk;
mod ids;
mod index;
mod lookup;
#[cfg(test)]
mod lookup_tests;
mod options;
mod service;
mod sink;
#[cfg(test)]
mod tests;

use flott_api::env::Environment;
use flott_api::lookup::{
    LOOKUP_CACHE, LOOKUP_CACHE_NONE, LookupCache, LookupDescription, LookupFactory, LookupSpec, LookupTable,
};
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result};

use self::index::Index;
use self::lookup::ElasticsearchLookup;
use self::options::ElasticsearchOptions;
use self::sink::ElasticsearchSink;

/// Which service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Elasticsearch7,
    Elasticsearch8,
    OpenSearch,
}

/// The connector of one of these services.
#[derive(Clone, Copy, Debug)]
pub struct Elasticsearch(Flavour);

impl Elasticsearch {
    /// `elasticsearch-7`
    pub const SEVEN: Elasticsearch = Elasticsearch(Flavour::Elasticsearch7);
    /// `elasticsearch-8`
    pub const EIGHT: Elasticsearch = Elasticsearch(Flavour::Elasticsearch8);
    /// `opensearch`
    pub const OPENSEARCH: Elasticsearch = Elasticsearch(Flavour::OpenSearch);
}

impl Flavour {
    fn description(self) -> &'static ConnectorDescription {
        match self {
            Flavour::Elasticsearch7 => &SEVEN,
            Flavour::Elasticsearch8 => &EIGHT,
            Flavour::OpenSearch => &OPENSEARCH,
        }
    }

    fn identifier(self) -> &'static str {
        self.description().identifier
    }
}

/// What it is, for its users.
static SEVEN: ConnectorDescription = ConnectorDescription {
    identifier: "elasticsearch-7",
    about: "indices of Elasticsearch 7",
    source: false,
    sink: true,
    format: true,
    options: &[options::COMMON, options::SEVEN, options::BACKOFF, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

/// What it is, for its users.
static EIGHT: ConnectorDescription = ConnectorDescription {
    identifier: "elasticsearch-8",
    about: "indices of Elasticsearch 8",
    source: false,
    sink: true,
    format: true,
    options: &[options::COMMON, options::EIGHT, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

/// What it is, for its users.
static OPENSEARCH: ConnectorDescription = ConnectorDescription {
    identifier: "opensearch",
    about: "indices of OpenSearch",
    source: false,
    sink: true,
    format: true,
    options: &[options::COMMON, options::OPENSEARCH, options::BACKOFF, LOOKUP_CACHE_NONE, LOOKUP_CACHE],
};

impl TableFactory for Elasticsearch {
    fn description(&self) -> &'static ConnectorDescription {
        self.0.description()
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let (path, connector) = (&table.path, self.0.identifier());
        Err(Error::invalid(format!("table '{path}' of connector '{connector}' can only be written or looked up in")))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = ElasticsearchOptions::read(self.0, &table.options)?;
        options.format.check(&table.schema)?;
        let index = Index::parse(&options.index, &table.schema, &table.session_zone)?;
        for name in &table.primary_key {
            ids::check(self.0, table.schema.fields.iter().find(|f| f.name == *name))?;
        }
        // Later changes of a document would go to another index.
        let keyed = !table.primary_key.is_empty() && !matches!(index, Index::Now { .. });
        Ok(SinkDescription {
            changelog: if keyed { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY },
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: options.parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal(format!("table '{}' of connector '{}' is not read", spec.table, self.0.identifier())))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let options = ElasticsearchOptions::read(self.0, &spec.options)?;
        Ok(Box::new(ElasticsearchSink::new(self.0, options, spec)?))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for Elasticsearch {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let options = ElasticsearchOptions::read(self.0, &table.options)?;
        options.format.check(&table.schema)?;
        lookup::fixed(&options, &table.schema, &table.session_zone)?;
        if matches!(options.lookup_cache, LookupCache::Full(_)) {
            let connector = self.0.identifier();
            return Err(Error::invalid("option 'lookup.cache' has the value 'FULL'")
                .with_detail(format!("A table of connector '{connector}' cannot be read whole.")));
        }
        Ok(LookupDescription {
            rows: SourceDescription {
                changelog: ChangelogMode::INSERT_ONLY,
                boundedness: Boundedness::Bounded,
                metadata: Vec::new(),
                push_downs: PushDowns { projection: true, ..PushDowns::default() },
                parallelism: None,
                dead_letters: None,
            },
            sync: true,
            asynchronous: true,
            cache: options.lookup_cache,
        })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let options = ElasticsearchOptions::read(self.0, &spec.table.options)?;
        Ok(Box::new(ElasticsearchLookup::new(self.0, options, spec, environment)?))
    }
}
