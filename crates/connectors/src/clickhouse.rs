//! `'connector' = 'clickhouse'`: rows are inserted into a table of ClickHouse, many at once, over HTTP.
//!
//! Flink counterpart: the community's connector of that name, as a sink, with its options; it goes through JDBC, this one
//! speaks ClickHouse's own HTTP. Each insert bears a token, so that one whose answer was lost and that is sent again is not
//! there twice, where the table keeps tokens (replicated ones do; others with `non_replicated_deduplication_window`).
//!
//! **Does not:** read; change or delete rows (`ALTER TABLE .. UPDATE`), which ClickHouse is not made for: a later version of a
//! row is inserted, for a `ReplacingMergeTree` to merge, or left out.

mod options;
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

use self::options::ClickHouseOptions;
use self::sink::ClickHouseSink;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClickHouse;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "clickhouse",
    about: "tables of ClickHouse",
    source: false,
    sink: true,
    format: false,
    options: &[options::OPTIONS],
};

impl TableFactory for ClickHouse {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid(format!("table '{}' of connector 'clickhouse' can only be written", table.path)))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = ClickHouseOptions::read(&table.options)?;
        check(&table.schema)?;
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
        Err(Error::internal(format!("table '{}' of connector 'clickhouse' is not read", spec.table)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let options = ClickHouseOptions::read(&spec.options)?;
        check(&spec.schema)?;
        Ok(Box::new(ClickHouseSink::new(options, spec)?))
    }
}

/// Rows go as JSON, which has no bytes.
fn check(schema: &Schema) -> Result<()> {
    let has_bytes = |kind: &TypeKind| match kind {
        TypeKind::Array(element) | TypeKind::Map(_, element) => element.kind.is_binary(),
        TypeKind::Row(fields) => fields.iter().any(|field| field.ty.kind.is_binary()),
        kind => kind.is_binary() || matches!(kind, TypeKind::Multiset(_)),
    };
    match schema.fields.iter().find(|field| has_bytes(&field.ty.kind)) {
        Some(field) => {
            Err(Error::unsupported(format!("type {} of column '{}' in connector 'clickhouse'", field.ty, field.name)))
        }
        None => Ok(()),
    }
}
