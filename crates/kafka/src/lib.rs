//! `'connector' = 'kafka'` and `'connector' = 'upsert-kafka'`: topics of Kafka as tables, counterparts of Flink's
//! connectors of these names.
//!
//! Reading ([`source`]): a split is a partition, restarts go on exactly at its offset, and offsets are committed to the
//! consumer group for others to see. Writing ([`sink`]): at least once, or exactly once by transactions that survive the
//! process. The client ([`client`]) is our own over the messages of `kafka-protocol` (RFC 0010).
//!
//! Differences to Flink:
//! - An offset that does not exist any more fails the job unless `properties.auto.offset.reset` says where to go on; so
//!   does a topic that was deleted and created again. Flink goes on silently.
//! - Names of transactions are never used twice, whichever `sink.transaction-naming-strategy` is set.
//! - `sink.lost-transactions` is ours: what happens when Kafka has aborted a transaction of a complete checkpoint. Flink
//!   logs it and goes on, as `'log'` does.
//! - Settings that only tune the Java client have no effect.

mod batch;
mod client;
mod options;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, MetadataColumn, PushDowns, SinkDescription, SinkSpec, SourceDescription,
    SourceSpec, TableContext, TableFactory,
};
use flott_api::{Error, Result, RowKind};

use options::{Kind, Table, TableOptions};

/// The connectors of this crate.
pub fn factories() -> Vec<Box<dyn TableFactory>> {
    vec![Box::new(KafkaTable { kind: Kind::Kafka }), Box::new(KafkaTable { kind: Kind::Upsert })]
}

/// One of the two connectors.
#[derive(Debug)]
struct KafkaTable {
    kind: Kind,
}

impl KafkaTable {
    fn options(&self, table: &TableContext) -> Result<TableOptions> {
        let place = |name: &String| {
            table.schema.index_of(name).ok_or_else(|| Error::internal(format!("key column '{name}' is missing")))
        };
        let primary_key = table.primary_key.iter().map(place).collect::<Result<Vec<_>>>()?;
        let table = Table { options: &table.options, schema: &table.schema, primary_key: &primary_key };
        TableOptions::read(self.kind, &table)
    }
}

impl TableFactory for KafkaTable {
    fn description(&self) -> &'static ConnectorDescription {
        self.kind.description()
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = self.options(table)?;
        let mut metadata = source::source_metadata();
        let of_value = options.value.format.metadata().into_iter();
        metadata
            .extend(of_value.map(|c| MetadataColumn { key: format!("{}{}", source::VALUE_PREFIX, c.key), ty: c.ty }));
        Ok(SourceDescription {
            changelog: options.source_changelog(self.kind),
            boundedness: options.boundedness(),
            metadata,
            push_downs: PushDowns { projection: true, watermark: true, ..PushDowns::default() },
            parallelism: options.scan_parallelism,
            dead_letters: options.value.format.dead_letter_table().map(str::to_owned),
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = self.options(table)?;
        let changelog = match self.kind {
            Kind::Kafka => options.value.format.changelog(),
            Kind::Upsert => ChangelogMode::UPSERT,
        };
        Ok(SinkDescription {
            changelog,
            needs_update_before: changelog.contains(RowKind::UpdateBefore),
            metadata: sink::sink_metadata(),
            overwrite: false,
            parallelism: options.sink.parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::KafkaSource::new(self.kind, spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn flott_api::sink::Sink>> {
        Ok(Box::new(sink::KafkaSink::new(self.kind, spec)?))
    }
}
