//! The client of a cluster: connections to its brokers, and what is asked over them.
//!
//! It is our own over `kafka-protocol`, which knows the messages (RFC 0010): the source hands what was fetched to the
//! decoders as it came, and a sink can go on with a transaction of a process that has died, which no library lets it.

mod cluster;
mod connection;
mod failure;
mod offsets;
mod patience;
mod sasl;
mod topics;
mod transactions;
mod unfinished;

pub(crate) use cluster::Cluster;
pub(crate) use connection::{BrokerConnection, TransactionVersion};
pub(crate) use failure::{Code, code_error, external, is_passing, refused};
pub(crate) use offsets::{At, OffsetAsked};
pub(crate) use patience::Patience;
#[cfg(test)]
pub(crate) use topics::Partition;
pub(crate) use topics::{NO_ID, Topic};
pub(crate) use transactions::{Ended, ProducerEpoch};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicPartition {
    pub(crate) topic: std::sync::Arc<str>,
    pub(crate) partition: i32,
}

impl TopicPartition {
    pub(crate) fn new(topic: &str, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    /// As messages name it: `topic 'flights', partition 3`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "topic '{}', partition {}", self.topic, self.partition)
    }
}
