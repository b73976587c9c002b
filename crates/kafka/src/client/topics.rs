//! Topics with their partitions, as a broker knows them.

use std::sync::Arc;

use kafka_protocol::messages::metadata_response::MetadataResponseTopic;

use super::failure::Code;

/// The number of a topic that has none: of brokers that do not number them.
pub(crate) const NO_ID: u128 = 0;

/// A topic.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    /// Another one if the topic was deleted and created again.
    pub(crate) id: u128,
    pub(crate) error: Option<Code>,
    pub(crate) internal: bool,
    pub(crate) partitions: Vec<Partition>,
}

/// A partition of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// The broker that it is read from and written to, if there is one now.
    pub(crate) leader: Option<i32>,
}

impl Topic {
    pub(super) fn of(topic: MetadataResponseTopic) -> Option<Self> {
        let mut partitions: Vec<Partition> = topic
            .partitions
            .iter()
            .map(|p| Partition { index: p.partition_index, leader: Some(p.leader_id.0).filter(|leader| *leader >= 0) })
            .collect();
        partitions.sort_by_key(|p| p.index);
        Some(Topic {
            name: topic.name?.as_str().into(),
            id: topic.topic_id.as_u128(),
            error: Code::try_from_code(topic.error_code),
            internal: topic.is_internal,
            partitions,
        })
    }
}
