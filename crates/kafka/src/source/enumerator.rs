//! Finds partitions, and says where each begins and ends.
//!
//! **State**: the partitions that were handed out, and the splits that nobody has. Partitions that are there when the job
//! is first started begin where the options say; those found later from their first record, so that nothing of them is
//! lost. With `scan.bounded.mode` the ends are settled then, too, and nothing new is looked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ongoing::Ongoing;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::split::KafkaSplit;
use crate::client::{At, Cluster, OffsetAsked, Patience, Topic, TopicPartition, refused};
use crate::options::{Bounded, OffsetReset, Startup, Topics};

const VERSION: u32 = 1;
/// So long may a topic that is named not be there.
const MISSING_MS: u64 = 5000;
const NS_PER_MS: u64 = 1_000_000;

/// Partitions that were handed out, by topic.
type Seen = BTreeMap<String, BTreeSet<i32>>;

/// Finds splits.
pub(super) struct KafkaEnumerator {
    shared: Arc<Shared>,
    environment: Environment,
    memory: Memory,
    /// Given back by failed readers.
    returned: Vec<Split>,
    /// Is away while it looks.
    looker: Option<Looker>,
    looking: Ongoing<(Looker, Result<Found>)>,
    /// When it looks for partitions next, by the monotonic clock: at once after a restore, and never without an interval.
    next_look_ns: Option<u64>,
}

/// Looks at topics.
struct Looker {
    shared: Arc<Shared>,
    environment: Environment,
    cluster: Cluster,
}

/// Partitions with their splits.
struct Found {
    partitions: Vec<TopicPartition>,
    splits: Vec<Split>,
}

#[derive(Default, Serialize, Deserialize)]
struct Memory {
    version: u32,
    /// Partitions that were handed out, by topic.
    seen: Seen,
    /// Whether topics were looked at at least once.
    started: bool,
    /// Splits that nobody has: their ids and states.
    waiting: Vec<(String, Vec<u8>)>,
}

impl KafkaEnumerator {
    /// A new or restored enumerator.
    ///
    /// # Errors
    /// If the snapshot is damaged.
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment, restored: Option<Bytes>) -> Result<Self> {
        let damaged = |e| Error::corrupt("the state of an enumerator of Kafka is damaged").with_source(e);
        let mut memory = match restored {
            Some(bytes) => serde_json::from_slice::<Memory>(&bytes).map_err(damaged)?,
            None => Memory { version: VERSION, ..Memory::default() },
        };
        if memory.version != VERSION {
            let message = format!("an enumerator of Kafka has a state of the unknown version {}", memory.version);
            return Err(Error::corrupt(message));
        }
        let waiting = memory.waiting.drain(..);
        let returned = waiting.map(|(id, state)| Split { id, state: Bytes::from(state) }).collect();
        let cluster = Cluster::new(environment, &Arc::new(shared.options.properties.client.clone()));
        let looker = Looker { shared: Arc::clone(&shared), environment: environment.clone(), cluster };
        Ok(KafkaEnumerator {
            shared,
            environment: environment.clone(),
            memory,
            returned,
            looker: Some(looker),
            looking: Ongoing::default(),
            next_look_ns: Some(0),
        })
    }

    /// Looks once, however often the caller is interrupted.
    async fn look(&mut self) -> Result<Found> {
        let KafkaEnumerator { looker, looking, memory, .. } = self;
        let looked = looking.run(|| {
            let (looker, seen, started) = (looker.take(), memory.seen.clone(), memory.started);
            Box::pin(async move {
                match looker {
                    Some(looker) => looker.look(&seen, started).await,
                    None => std::future::pending().await,
                }
            })
        });
        let (looker, found) = looked.await;
        self.looker = Some(looker);
        found
    }
}

impl Looker {
    async fn look(mut self, seen: &Seen, started: bool) -> (Self, Result<Found>) {
        let found = self.find(seen, started).await;
        (self, found)
    }

    /// New partitions. Those that were there before anything was read begin where the options say.
    async fn find(&mut self, seen: &Seen, started: bool) -> Result<Found> {
        let found = self.new_partitions(seen).await?;
        let splits = self.splits_of(&found, started).await?;
        Ok(Found { partitions: found.into_iter().map(|(partition, _)| partition).collect(), splits })
    }

    /// Partitions that were not seen before, with the numbers of their topics.
    async fn new_partitions(&mut self, seen: &Seen) -> Result<Vec<(TopicPartition, u128)>> {
        let topics = self.topics().await?;
        let mut found = Vec::new();
        for topic in topics {
            let seen = seen.get(&*topic.name);
            let new = topic.partitions.iter().filter(|p| !seen.is_some_and(|seen| seen.contains(&p.index)));
            found
                .extend(new.map(|p| (TopicPartition { topic: Arc::clone(&topic.name), partition: p.index }, topic.id)));
        }
        Ok(found)
    }

    /// The table's topics as they are. Those that are named must be there.
    async fn topics(&mut self) -> Result<Vec<Topic>> {
        let client = &self.shared.options.properties.client;
        let mut patience = Patience::new(&self.environment, client, Some(client.api_timeout_ms));
        // One that was just made may not be known to every broker yet.
        let missing_ms = client.api_timeout_ms.min(MISSING_MS);
        let mut patience_of_topics = Patience::new(&self.environment, client, Some(missing_ms));
        loop {
            match self.topics_once().await {
                Ok(Ok(topics)) => return Ok(topics),
                Ok(Err(missing)) => patience_of_topics.after(missing).await?,
                Err(e) => patience.after(e).await?,
            }
        }
    }

    /// What is wrong with a topic is within.
    async fn topics_once(&mut self) -> Result<Result<Vec<Topic>>> {
        match &self.shared.options.topics {
            Topics::Named(names) => {
                let topics = self.cluster.topics(Some(names), false).await?;
                for topic in &topics {
                    if let Some(code) = topic.error {
                        let e = refused(code, &format!("topic '{}' cannot be read", topic.name));
                        return Ok(Err(e.with_hint("Check option 'topic'; a topic that is read is not created.")));
                    }
                }
                Ok(Ok(topics))
            }
            Topics::Matching(_) => {
                let topics = self.cluster.topics(None, false).await?;
                let wanted = |topic: &Topic| !topic.internal && self.shared.options.topics.has(&topic.name);
                Ok(Ok(topics.into_iter().filter(|topic| topic.error.is_none() && wanted(topic)).collect()))
            }
        }
    }

    async fn splits_of(&mut self, found: &[(TopicPartition, u128)], started: bool) -> Result<Vec<Split>> {
        let partitions: Vec<TopicPartition> = found.iter().map(|(partition, _)| partition.clone()).collect();
        let startup = if started { Startup::Earliest } else { self.shared.options.startup.clone() };
        let begins = self.begins(&startup, &partitions).await?;
        let ends = self.ends(&partitions).await?;
        let mut splits = Vec::new();
        for (partition, topic_id) in found {
            let begin = begins.get(partition).copied();
            let begin = begin.ok_or_else(|| Error::internal(format!("{partition} has no begin")))?;
            let end = match ends.get(partition) {
                None if self.shared.options.bounded != Bounded::Never => {
                    return Err(Error::internal(format!("{partition} has no end")));
                }
                end => end.copied(),
            };
            splits.push(KafkaSplit::new(partition, *topic_id, begin, end).encode()?);
        }
        Ok(splits)
    }

    async fn begins(
        &mut self,
        startup: &Startup,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>> {
        match startup {
            Startup::Earliest => self.places(partitions, At::Earliest).await,
            Startup::Latest => self.places(partitions, At::Latest).await,
            Startup::Time(ms) => self.places(partitions, At::Time(*ms)).await,
            Startup::Group => {
                let group = self.shared.group.clone();
                let committed = self.cluster.committed(&group, partitions).await?;
                self.or_reset(partitions, committed).await
            }
            Startup::Offsets(offsets) => self.given(partitions, offsets).await,
        }
    }

    /// Offsets by partition; those that are not named are where their group is, or at their begin, as in Flink.
    async fn given(
        &mut self,
        partitions: &[TopicPartition],
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<HashMap<TopicPartition, i64>> {
        let named = partitions.iter().filter_map(|p| Some((p.clone(), *offsets.get(&p.partition)?)));
        let mut all: HashMap<TopicPartition, i64> = named.collect();
        let missing = |all: &HashMap<TopicPartition, i64>| {
            partitions.iter().filter(|p| !all.contains_key(*p)).cloned().collect::<Vec<_>>()
        };
        let group = self.shared.group.clone();
        let unnamed = missing(&all);
        if !unnamed.is_empty() {
            all.extend(self.cluster.committed(&group, &unnamed).await?);
        }
        let without = missing(&all);
        all.extend(self.places(&without, At::Earliest).await?);
        Ok(all)
    }

    /// Where a group has committed nothing, the reset says what to do.
    async fn or_reset(
        &mut self,
        partitions: &[TopicPartition],
        mut known: HashMap<TopicPartition, i64>,
    ) -> Result<HashMap<TopicPartition, i64>> {
        let missing: Vec<_> = partitions.iter().filter(|p| !known.contains_key(*p)).cloned().collect();
        let Some(first) = missing.first() else { return Ok(known) };
        let at = match self.shared.options.properties.consumer.reset {
            Some(OffsetReset::Earliest) => At::Earliest,
            Some(OffsetReset::Latest) => At::Latest,
            Some(OffsetReset::None) | None => {
                let group = &self.shared.group;
                return Err(Error::invalid(format!("consumer group '{group}' has no offset for {first}"))
                    .with_detail("'scan.startup.mode' is 'group-offsets', which is the default.")
                    .with_hint(
                        "Set 'scan.startup.mode', or 'properties.auto.offset.reset' to 'earliest' or 'latest'.",
                    ));
            }
        };
        known.extend(self.places(&missing, at).await?);
        Ok(known)
    }

    async fn ends(&mut self, partitions: &[TopicPartition]) -> Result<HashMap<TopicPartition, i64>> {
        match self.shared.options.bounded.clone() {
            Bounded::Never => Ok(HashMap::new()),
            Bounded::Latest => self.places(partitions, At::Latest).await,
            Bounded::Time(ms) => self.places(partitions, At::Time(ms)).await,
            Bounded::Group => {
                let group = self.shared.group.clone();
                let committed = self.cluster.committed(&group, partitions).await?;
                match partitions.iter().find(|p| !committed.contains_key(*p)) {
                    Some(missing) => {
                        Err(Error::invalid(format!("consumer group '{group}' has no offset for {missing}"))
                            .with_detail("'scan.bounded.mode' is 'group-offsets'."))
                    }
                    None => Ok(committed),
                }
            }
            Bounded::Offsets(offsets) => self.given(partitions, &offsets).await,
        }
    }

    /// The offset of each partition there. Behind the last record if there is none of that time.
    async fn places(&mut self, partitions: &[TopicPartition], at: At) -> Result<HashMap<TopicPartition, i64>> {
        let read_committed = self.shared.options.properties.consumer.read_committed;
        let asked = |partitions: &[TopicPartition], at| {
            partitions.iter().map(|partition| OffsetAsked { partition: partition.clone(), at }).collect::<Vec<_>>()
        };
        // The ends are asked for first: what comes meanwhile is of a later time, and must not be missed.
        let ends = match at {
            At::Time(_) => self.cluster.offsets(&asked(partitions, At::Latest), read_committed).await?,
            At::Earliest | At::Latest => HashMap::new(),
        };
        let found = self.cluster.offsets(&asked(partitions, at), read_committed).await?;
        let end_of = |partition: &TopicPartition| ends.get(partition).copied().flatten().unwrap_or_default();
        let all = found.into_iter().map(|(partition, offset)| {
            let offset = offset.unwrap_or_else(|| end_of(&partition));
            (partition, offset)
        });
        let all: HashMap<TopicPartition, i64> = all.collect();
        Ok(all)
    }
}

#[async_trait]
impl SplitEnumerator for KafkaEnumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        let bounded = self.shared.options.bounded != Bounded::Never;
        let interval_ms = self.shared.options.discovery_ms.filter(|_| !bounded);
        loop {
            if !self.returned.is_empty() {
                let finished = self.memory.started && bounded;
                return Ok(Discovery { splits: std::mem::take(&mut self.returned), finished });
            }
            if self.memory.started && bounded {
                return Ok(Discovery { splits: Vec::new(), finished: true });
            }
            // Nothing new is looked for, and what there is does not end.
            let Some(at_ns) = self.next_look_ns else { return std::future::pending().await };
            let clock = Arc::clone(&self.environment.clock);
            let wait_ms = at_ns.saturating_sub(clock.monotonic_ns()).div_ceil(NS_PER_MS);
            if wait_ms > 0 {
                clock.sleep_ms(wait_ms).await;
            }
            let looked = self.look().await;
            self.next_look_ns = interval_ms.map(|ms| clock.monotonic_ns().saturating_add(ms.saturating_mul(NS_PER_MS)));
            let found = match looked {
                Ok(found) => found,
                // What is known goes on being read.
                Err(e) if self.memory.started && e.kind() == (ErrorKind::External { retry: true }) => {
                    tracing::warn!("new partitions cannot be looked for: {e}");
                    continue;
                }
                Err(e) => return Err(e),
            };
            // Nothing is awaited from here on, so nothing is lost if the caller drops this future.
            self.returned.extend(found.splits);
            for partition in found.partitions {
                self.memory.seen.entry(partition.topic.to_string()).or_default().insert(partition.partition);
            }
            self.memory.started = true;
        }
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.returned.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.memory.waiting = self.returned.iter().map(|s| (s.id.clone(), s.state.to_vec())).collect();
        let bytes = serde_json::to_vec(&self.memory);
        bytes.map(Bytes::from).map_err(|e| Error::internal("an enumerator's state cannot be written").with_source(e))
    }
}
