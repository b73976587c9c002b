//! `'connector' = 'fed'`: a table that is only planned; its rows are made beside. Without `changelog` rows are only added, with
//! `'changelog' = 'upsert'` the last one of a key counts.

use flott_api::options::OptionReader;
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Result};

/// See the module.
pub(super) struct Fed;

impl TableFactory for Fed {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("fed") }
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let reader = OptionReader::new(&table.options, "connector 'fed'");
        let modes = [("insert", ChangelogMode::INSERT_ONLY), ("upsert", ChangelogMode::UPSERT)];
        let changelog = reader.choice("changelog", &modes, ChangelogMode::INSERT_ONLY)?;
        reader.finish()?;
        Ok(SourceDescription {
            changelog,
            boundedness: Boundedness::Unbounded,
            metadata: Vec::new(),
            push_downs: PushDowns { projection: true, ..PushDowns::default() },
            parallelism: Some(1),
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Err(Error::invalid(format!("table '{}' cannot be written", table.path)))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::invalid(format!("table '{}' cannot be read", spec.table)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::invalid(format!("table '{}' cannot be written", spec.table)))
    }
}
