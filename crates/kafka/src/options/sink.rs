//! How a table is written.

use flott_api::options::{Millis, OptionReader};
use flott_api::{Error, Result};

use super::Kind;

/// Which partition a record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partitioner {
    /// By its key, as Kafka's own client does it; without a key to one after the other.
    Default,
    /// Each subtask writes one partition.
    Fixed,
    /// To one after the other.
    RoundRobin,
}

/// What is promised of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing: nobody waits for it at a checkpoint.
    None,
    /// It is there once at least.
    AtLeastOnce,
    /// It is seen once, when the checkpoint that has it is complete.
    ExactlyOnce,
}

/// What happens if a transaction of a complete checkpoint was aborted by Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostTransactions {
    /// The job fails, each time that it is started from this checkpoint.
    Fail,
    /// It is said in the log, and the job goes on without these records.
    Log,
}

/// How much `upsert-kafka` holds back, so that a key that changes often is written less often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(crate) rows_max: usize,
    pub(crate) interval_ms: u64,
}

/// The options of a sink.
#[derive(Clone, Debug)]
pub(crate) struct SinkOptions {
    pub(crate) partitioner: Partitioner,
    pub(crate) delivery: Delivery,
    pub(crate) transactional_id_prefix: Option<String>,
    pub(crate) lost_transactions: LostTransactions,
    pub(crate) parallelism: Option<u32>,
    pub(crate) buffer: Option<Buffer>,
}

impl SinkOptions {
    pub(super) fn read(kind: Kind, reader: &OptionReader<'_>) -> Result<Self> {
        let partitioners = [
            ("default", Partitioner::Default),
            ("fixed", Partitioner::Fixed),
            ("round-robin", Partitioner::RoundRobin),
        ];
        let partitioner = match kind {
            Kind::Kafka => reader.choice("sink.partitioner", &partitioners, Partitioner::Default)?,
            Kind::Upsert => Partitioner::Default,
        };
        let guarantees = [
            ("at-least-once", Delivery::AtLeastOnce),
            ("exactly-once", Delivery::ExactlyOnce),
            ("none", Delivery::None),
        ];
        let delivery = reader.choice("sink.delivery-guarantee", &guarantees, Delivery::AtLeastOnce)?;
        let prefix = reader.text("sink.transactional-id-prefix").map(str::to_owned);
        if delivery == Delivery::ExactlyOnce && prefix.as_ref().is_none_or(String::is_empty) {
            return Err(Error::invalid(
                "'sink.delivery-guarantee' = 'exactly-once' needs option 'sink.transactional-id-prefix'",
            )
            .with_hint("It must be another one for each job and table that writes to this cluster."));
        }
        // Both give names that are never used again, and what is left open is found by asking the brokers.
        reader.choice("sink.transaction-naming-strategy", &[("incrementing", ()), ("pooling", ())], ())?;
        let lost = [("fail", LostTransactions::Fail), ("log", LostTransactions::Log)];
        Ok(SinkOptions {
            partitioner,
            delivery,
            transactional_id_prefix: prefix,
            lost_transactions: reader.choice("sink.lost-transactions", &lost, LostTransactions::Fail)?,
            parallelism: reader.value("sink.parallelism")?,
            buffer: if kind == Kind::Upsert { buffer(reader)? } else { None },
        })
    }
}

fn buffer(reader: &OptionReader<'_>) -> Result<Option<Buffer>> {
    let rows_max = reader.value_or::<u32>("sink.buffer-flush.max-rows", 0)?;
    let interval_ms = reader.value_or("sink.buffer-flush.interval", Millis(0))?.0;
    match (rows_max, interval_ms) {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(Error::invalid(
            "options 'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' need each other, both greater than 0",
        )),
        (rows_max, interval_ms) => Ok(Some(Buffer { rows_max: rows_max as usize, interval_ms })),
    }
}
