//! One question for records, and what its answer says of each partition.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Fetched;
use crate::batch;
use crate::client::{Code, NO_ID, TopicPartition};
use crate::options::ConsumerSettings;

/// From this version on topics have numbers instead of names.
const NUMBERED: i16 = 13;
/// The versions that are asked in.
pub(super) const VERSIONS: (i16, i16) = (4, NUMBERED);
/// A broker waits so long at most while a partition that has enough may want more soon.
const SHORT_WAIT_MS: u32 = 10;

/// What is asked of one partition.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) partition: TopicPartition,
    pub(super) topic_id: u128,
    pub(super) offset: i64,
}

/// What came of one partition.
#[derive(Debug)]
pub(super) enum Answer {
    /// Perhaps nothing new, and the offset behind it.
    Records(Fetched, i64),
    /// There is no such offset.
    OutOfRange,
    /// Ask who leads it.
    Moved,
    /// Its topic is not there, or is another one.
    Missing,
    Failed(Code),
    Damaged(String),
}

/// The latest version that these partitions can be asked in.
pub(super) fn version_max(asked: &[Asked]) -> i16 {
    if asked.iter().all(|a| a.topic_id != NO_ID) { NUMBERED } else { NUMBERED - 1 }
}

/// The question, in this order: a broker that has more than an answer may hold gives the first ones. `some_wait` says that partitions of this broker are left out for now.
pub(super) fn request(asked: &[Asked], settings: &ConsumerSettings, version: i16, some_wait: bool) -> FetchRequest {
    let mut topics: Vec<(&TopicPartition, u128, Vec<FetchPartition>)> = Vec::new();
    for one in asked {
        let partition = FetchPartition::default()
            .with_partition(one.partition.partition)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(one.offset)
            .with_partition_max_bytes(settings.partition_bytes_max as i32);
        match topics.last_mut() {
            Some((last, _, partitions)) if last.topic == one.partition.topic => partitions.push(partition),
            _ => topics.push((&one.partition, one.topic_id, vec![partition])),
        }
    }
    let topics = topics.into_iter().map(|(of, id, partitions)| {
        let topic = FetchTopic::default().with_partitions(partitions);
        if version >= NUMBERED {
            topic.with_topic_id(Uuid::from_u128(id))
        } else {
            topic.with_topic(TopicName(StrBytes::from_string(of.topic.to_string())))
        }
    });
    let wait_ms = if some_wait { settings.fetch_wait_ms_max.min(SHORT_WAIT_MS) } else { settings.fetch_wait_ms_max };
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(wait_ms.min(i32::MAX as u32) as i32)
        .with_min_bytes(settings.fetch_bytes_min.min(i32::MAX as u32) as i32)
        .with_max_bytes(settings.fetch_bytes_max as i32)
        .with_isolation_level(i8::from(settings.read_committed))
        .with_session_epoch(-1)
        .with_topics(topics.collect())
}

/// What the answer says of each partition that was asked for. One that it does not name has moved.
pub(super) fn answers(asked: Vec<Asked>, response: FetchResponse) -> Vec<(Asked, Answer)> {
    let mut by_place: BTreeMap<(u128, String, i32), PartitionData> = BTreeMap::new();
    for topic in response.responses {
        for data in topic.partitions {
            let place = (topic.topic_id.as_u128(), topic.topic.as_str().to_owned(), data.partition_index);
            by_place.insert(place, data);
        }
    }
    let mut all = Vec::with_capacity(asked.len());
    for one in asked {
        let numbered = (one.topic_id, String::new(), one.partition.partition);
        let named = (NO_ID, one.partition.topic.to_string(), one.partition.partition);
        let data = by_place.remove(&numbered).or_else(|| by_place.remove(&named));
        let answer = data.map_or(Answer::Moved, |data| answer(&one, data));
        all.push((one, answer));
    }
    all
}

fn answer(asked: &Asked, data: PartitionData) -> Answer {
    use Code as E;
    match E::try_from_code(data.error_code) {
        None => {}
        Some(E::OffsetOutOfRange) => return Answer::OutOfRange,
        Some(E::UnknownTopicOrPartition | E::UnknownTopicId | E::InconsistentTopicId) => return Answer::Missing,
        Some(code) if code.is_retriable() => return Answer::Moved,
        Some(code) => return Answer::Failed(code),
    }
    let bytes = data.records.unwrap_or_default();
    let next = match batch::end_offset(&bytes) {
        Err(what) => return Answer::Damaged(what),
        Ok(next) => next.unwrap_or(asked.offset),
    };
    if next <= asked.offset && !bytes.is_empty() {
        // A batch larger than what was asked for comes whole all the same, so this is none of Kafka's.
        return Answer::Damaged(format!("no whole batch came for offset {}", asked.offset));
    }
    let aborted = data.aborted_transactions.unwrap_or_default();
    let mut aborted: Vec<(i64, i64)> = aborted.iter().map(|a| (a.producer_id.0, a.first_offset)).collect();
    aborted.sort_by_key(|(_, first)| *first);
    Answer::Records(Fetched { bytes, aborted, moved: None }, next)
}
