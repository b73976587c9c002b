//! `'connector' = 'doris'` and `'starrocks'`: rows are loaded into a table by stream load, exactly once by transactions that are
//! prepared before a checkpoint and committed behind it.
//!
//! Flink counterpart: the connectors of Apache Doris and StarRocks, as sinks, with their options. Both databases understand
//! nearly the same requests; what one has of its own is in [`protocol`].
//!
//! **Names.** Each transaction has a label, which the database takes once. Labels of a job can be guessed ([`labels`]), so what
//! an attempt has left behind is found, and rolled back, without asking for a list, for which there is no request.
//!
//! **Does not:** read, look up. Whatever needs the databases' MySQL port is not here.

mod committer;
mod labels;
mod options;
mod protocol;
mod sink;
#[cfg(test)]
mod tests;

use flott_api::sink::Sink;
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{Error, Result, Schema, TypeKind};

use self::options::LoadOptions;
use self::sink::StreamLoadSink;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brand {
    Doris,
    StarRocks,
}

impl Brand {
    fn description(self) -> &'static ConnectorDescription {
        match self {
            Brand::Doris => &DORIS,
            Brand::StarRocks => &STARROCKS,
        }
    }

    fn identifier(self) -> &'static str {
        self.description().identifier
    }
}

/// The connector of one of these databases.
#[derive(Clone, Copy, Debug)]
pub struct StreamLoad(Brand);

impl StreamLoad {
    /// `doris`
    pub const DORIS: StreamLoad = StreamLoad(Brand::Doris);
    /// `starrocks`
    pub const STARROCKS: StreamLoad = StreamLoad(Brand::StarRocks);
}

/// What it is, for its users.
static DORIS: ConnectorDescription = ConnectorDescription {
    identifier: "doris",
    about: "tables of Apache Doris",
    source: false,
    sink: true,
    format: false,
    options: &[options::COMMON, options::DORIS],
};

/// What it is, for its users.
static STARROCKS: ConnectorDescription = ConnectorDescription {
    identifier: "starrocks",
    about: "tables of StarRocks",
    source: false,
    sink: true,
    format: false,
    options: &[options::COMMON, options::STARROCKS],
};

impl TableFactory for StreamLoad {
    fn description(&self) -> &'static ConnectorDescription {
        self.0.description()
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!(
            "table '{}' of connector '{}' can only be written",
            table.path,
            self.0.identifier()
        )))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = LoadOptions::read(self.0, &table.options)?;
        check(self.0, &table.schema)?;
        let keyed = !table.primary_key.is_empty();
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
        let options = LoadOptions::read(self.0, &spec.options)?;
        check(self.0, &spec.schema)?;
        Ok(Box::new(StreamLoadSink::new(options, spec)?))
    }
}

/// Rows go as JSON, which has no bytes, and of whose moments the databases would make local times of their own zone.
fn check(brand: Brand, schema: &Schema) -> Result<()> {
    let unfit = |kind: &TypeKind| {
        kind.is_binary() || matches!(kind, TypeKind::TimestampLtz(_) | TypeKind::Multiset(_) | TypeKind::Time(_))
    };
    match schema.fields.iter().find(|field| unfit(&field.ty.kind)) {
        Some(field) => {
            let connector = brand.identifier();
            let what = format!("type {} of column '{}' in connector '{connector}'", field.ty, field.name);
            let error = Error::unsupported(what);
            Err(match field.ty.kind {
                TypeKind::TimestampLtz(_) => error.with_hint("CAST it to TIMESTAMP."),
                TypeKind::Time(_) => error.with_hint("CAST it to STRING."),
                _ => error,
            })
        }
        None => Ok(()),
    }
}
