//! `'connector' = 'blackhole'`: takes every change and keeps none, to measure a job or to try one out.
//!
//! Counterpart of Flink's blackhole sink. The runtime counts the records; nothing is copied or looked at.

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::options::Options;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{ChangeBatch, Error, Result};

/// The connector.
#[derive(Debug)]
pub struct Blackhole;

fn check(options: &Options) -> Result<()> {
    let reader = DESCRIPTION.reader(options);
    reader.allow("property-version");
    reader.finish()
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "blackhole",
    about: "a table that keeps nothing",
    source: false,
    sink: true,
    format: false,
    options: &[],
};

impl TableFactory for Blackhole {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(unreadable(&table.path))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        check(&table.options)?;
        // As Flink's: nobody needs to make -U for it.
        Ok(SinkDescription {
            changelog: ChangelogMode::UPSERT,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: None,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(unreadable(&spec.table))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        check(&spec.options)?;
        Ok(Box::new(BlackholeSink))
    }
}

fn unreadable(table: &str) -> Error {
    Error::invalid(format!("table '{table}' of connector 'blackhole' cannot be read"))
}

struct BlackholeSink;

impl Sink for BlackholeSink {
    fn writer(&self, _cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlackholeWriter))
    }

    fn committer(&self, _environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct BlackholeWriter;

#[async_trait]
impl SinkWriter for BlackholeWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        drop(batch);
        Ok(())
    }

    async fn prepare_commit(&mut self, _end_of_input: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{FakeWorld, SinkWorld, batch, sink_contract};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn nothing_is_kept_and_nothing_to_be_committed() {
        let schema = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let world = || SinkWorld {
            sink: Box::new(|| Box::new(BlackholeSink)),
            environment: FakeWorld::at(0).environment(),
            visible: Box::new(Vec::new),
            hidden: Box::new(|| 0),
        };
        sink_contract(&world, &[batch(&schema, "+I | 1"), batch(&schema, "-D | 1")], &|_| Vec::new());
    }
}
