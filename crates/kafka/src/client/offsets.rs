//! Offsets: where partitions begin and end, and what a group has committed.

use std::collections::{BTreeMap, HashMap};

use flott_api::{Error, Result};
use kafka_protocol::messages::{
    BrokerId, GroupId, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
};
use kafka_protocol::protocol::StrBytes;

use super::TopicPartition;
use super::cluster::{Cluster, Looked};
use super::failure::{Code, code_error, external, refused};
use super::patience::Patience;

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Earliest,
    /// Behind the last record; with `read_committed` before the first transaction that is open.
    Latest,
    /// The first record of this time or later, in milliseconds since the epoch.
    Time(i64),
}

impl At {
    fn code(self) -> i64 {
        match self {
            At::Latest => -1,
            At::Earliest => -2,
            At::Time(ms) => ms,
        }
    }
}

/// What is asked of a partition.
#[derive(Clone, Debug)]
pub(crate) struct OffsetAsked {
    pub(crate) partition: TopicPartition,
    pub(crate) at: At,
}

/// By their topic, as questions want them.
fn by_topic<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> BTreeMap<&'a str, Vec<i32>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    topics
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

impl Cluster {
    /// The offsets of these places; nothing where there is no record of that time. Tries for as long as the API may.
    ///
    /// # Errors
    /// If there is no answer in time, or a topic does not exist.
    pub(crate) async fn offsets(
        &mut self,
        asked: &[OffsetAsked],
        read_committed: bool,
    ) -> Result<HashMap<TopicPartition, Option<i64>>> {
        let limit_ms = Some(self.settings().api_timeout_ms);
        let mut patience = Patience::new(self.environment(), self.settings(), limit_ms);
        let mut found = HashMap::new();
        loop {
            let left: Vec<&OffsetAsked> = asked.iter().filter(|a| !found.contains_key(&a.partition)).collect();
            if left.is_empty() {
                return Ok(found);
            }
            if let Err(e) = self.offsets_once(&left, read_committed, &mut found).await {
                patience.after(e).await?;
            }
        }
    }

    async fn offsets_once(
        &mut self,
        asked: &[&OffsetAsked],
        read_committed: bool,
        found: &mut HashMap<TopicPartition, Option<i64>>,
    ) -> Result<()> {
        let mut names: Vec<_> = asked.iter().map(|a| a.partition.topic.clone()).collect();
        names.sort();
        names.dedup();
        let topics = self.topics(Some(&names), false).await?;
        let leader_of = |wanted: &TopicPartition| {
            let topic = topics.iter().find(|t| t.name == wanted.topic)?;
            topic.partitions.iter().find(|p| p.index == wanted.partition)?.leader
        };
        let mut by_leader: BTreeMap<i32, Vec<&OffsetAsked>> = BTreeMap::new();
        let mut missing = None;
        for one in asked {
            match leader_of(&one.partition) {
                Some(leader) => by_leader.entry(leader).or_default().push(one),
                None => missing = Some(external(format!("{} has no leader", one.partition))),
            }
        }
        for (leader, asked) in by_leader {
            let partition = |a: &&OffsetAsked| {
                ListOffsetsPartition::default()
                    .with_partition_index(a.partition.partition)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(a.at.code())
            };
            let mut by_topic: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for one in &asked {
                by_topic.entry(&one.partition.topic).or_default().push(partition(one));
            }
            let topics = by_topic.into_iter().map(|(name, partitions)| {
                ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
            });
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(i8::from(read_committed))
                .with_topics(topics.collect());
            // From version 2 on the level of isolation is heard.
            let response = self.ask(leader, &request, 2, 7).await?;
            for topic in &response.topics {
                for answer in &topic.partitions {
                    let partition = TopicPartition::new(topic.name.as_str(), answer.partition_index);
                    if let Some(e) = code_error(answer.error_code, &format!("{partition} cannot be read")) {
                        missing = Some(e);
                        continue;
                    }
                    found.insert(partition, Some(answer.offset).filter(|offset| *offset >= 0));
                }
            }
        }
        missing.map_or(Ok(()), Err)
    }

    /// What the group has committed for these partitions; those for which it has nothing are missing.
    ///
    /// # Errors
    /// If there is no answer in time.
    pub(crate) async fn committed(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>> {
        let limit_ms = Some(self.settings().api_timeout_ms);
        let mut patience = Patience::new(self.environment(), self.settings(), limit_ms);
        loop {
            match self.committed_once(group, partitions).await {
                Err(e) => patience.after(e).await?,
                found => return found,
            }
        }
    }

    async fn committed_once(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>> {
        const SEVERAL: i16 = 8;
        let coordinator = self.coordinator(Looked::Group, group).await?;
        let group_id = GroupId(StrBytes::from_string(group.to_owned()));
        let topics = by_topic(partitions.iter());
        let several = OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![
            OffsetFetchRequestGroup::default().with_group_id(group_id.clone()).with_topics(Some(
                topics
                    .iter()
                    .map(|(name, indexes)| {
                        OffsetFetchRequestTopics::default()
                            .with_name(topic_name(name))
                            .with_partition_indexes(indexes.clone())
                    })
                    .collect(),
            )),
        ]);
        let what = format!("the offsets of consumer group '{group}' cannot be read");
        let mut answers = Vec::new();
        match self.ask(coordinator, &several, SEVERAL, 9).await {
            Ok(response) => {
                for group in &response.groups {
                    if let Some(e) = code_error(group.error_code, &what) {
                        return Err(e);
                    }
                    for topic in &group.topics {
                        let of =
                            |p: &kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartitions| {
                                (topic.name.as_str().to_owned(), p.partition_index, p.committed_offset, p.error_code)
                            };
                        answers.extend(topic.partitions.iter().map(of));
                    }
                }
            }
            Err(e) if super::is_passing(&e) => return Err(e),
            // An older broker.
            Err(_) => {
                let topics = topics.iter().map(|(name, indexes)| {
                    OffsetFetchRequestTopic::default()
                        .with_name(topic_name(name))
                        .with_partition_indexes(indexes.clone())
                });
                let request = OffsetFetchRequest::default().with_group_id(group_id).with_topics(Some(topics.collect()));
                let response = self.ask(coordinator, &request, 1, 6).await?;
                if let Some(e) = code_error(response.error_code, &what) {
                    return Err(e);
                }
                for topic in &response.topics {
                    let of = |p: &kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition| {
                        (topic.name.as_str().to_owned(), p.partition_index, p.committed_offset, p.error_code)
                    };
                    answers.extend(topic.partitions.iter().map(of));
                }
            }
        }
        let mut found = HashMap::new();
        for (topic, partition, offset, code) in answers {
            let partition = TopicPartition::new(&topic, partition);
            if let Some(e) = code_error(code, &what) {
                return Err(e);
            }
            if offset >= 0 {
                found.insert(partition, offset);
            }
        }
        Ok(found)
    }

    /// Commits offsets to a group that has no members, once.
    ///
    /// # Errors
    /// If it does not work.
    pub(crate) async fn commit_offsets(&mut self, group: &str, offsets: &[(TopicPartition, i64)]) -> Result<()> {
        let coordinator = self.coordinator(Looked::Group, group).await?;
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset) in offsets {
            let one = OffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1);
            topics.entry(&partition.topic).or_default().push(one);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics.collect());
        let response = self.ask(coordinator, &request, 2, 8).await?;
        let codes = response.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        for code in codes {
            if let Some(code) = Code::try_from_code(code) {
                return Err(not_committed(group, code));
            }
        }
        Ok(())
    }
}

fn not_committed(group: &str, code: Code) -> Error {
    let error = refused(code, &format!("offsets of consumer group '{group}' cannot be committed"));
    match code {
        Code::UnknownMemberId | Code::IllegalGeneration => {
            error.with_hint("The group has members: give this table a 'properties.group.id' of its own.")
        }
        _ => error,
    }
}
