//! The loop that asks brokers, and asks for their topics when somebody else leads a partition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kafka_protocol::messages::{FetchRequest, FetchResponse};

use super::super::Shared;
use super::fetch::{self, Answer, Asked, VERSIONS};
use super::{Board, Fetched, Moved, State};
use crate::client::{At, BrokerConnection, Cluster, NO_ID, OffsetAsked, Patience, Topic, TopicPartition, refused};
use crate::options::{ClientSettings, OffsetReset};

const NS_PER_MS: u64 = 1_000_000;
/// So much of a partition may wait to be decoded, in units of what is fetched at once.
const FETCHES_QUEUED: usize = 2;

/// See the module above.
pub(super) struct Driver {
    board: Arc<Board>,
    shared: Arc<Shared>,
    environment: Environment,
    client: Arc<ClientSettings>,
    links: HashMap<i32, Link>,
    addresses: HashMap<i32, (String, u16)>,
    /// Is away while it is asked.
    cluster: Option<Box<Cluster>>,
    /// The same for commits, so that they hold up nothing.
    group: Option<Box<Cluster>>,
    patience: Patience,
    /// When topics are asked for again, if anybody needs it, by the monotonic clock.
    topics_after_ns: u64,
    /// Counts the questions.
    turn: usize,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

/// The way to a broker.
enum Link {
    Idle(Option<Box<BrokerConnection>>),
    Busy,
    /// Until that time, by the monotonic clock.
    Down(u64),
}

/// What has ended.
enum Done {
    Fetched { broker: i32, asked: Vec<Asked>, answered: Result<(Box<BrokerConnection>, FetchResponse)> },
    Topics(Box<Cluster>, Result<Vec<Topic>>),
    Resets(Box<Cluster>, Result<HashMap<TopicPartition, Option<i64>>>),
    Committed(Box<Cluster>, Result<()>),
}

impl Driver {
    pub(super) fn new(board: Arc<Board>, shared: &Arc<Shared>, environment: &Environment) -> Self {
        let client = Arc::new(shared.options.properties.client.clone());
        Driver {
            board,
            shared: Arc::clone(shared),
            links: HashMap::new(),
            addresses: HashMap::new(),
            cluster: Some(Box::new(Cluster::new(environment, &client))),
            group: Some(Box::new(Cluster::new(environment, &client))),
            patience: Patience::new(environment, &client, None),
            topics_after_ns: 0,
            turn: 0,
            work: FuturesUnordered::new(),
            environment: environment.clone(),
            client,
        }
    }

    /// Runs until something is wrong that waiting does not mend.
    pub(super) async fn run(mut self) -> Error {
        loop {
            if let Err(e) = self.step().await {
                return e;
            }
        }
    }

    async fn step(&mut self) -> Result<()> {
        let now = self.now_ns();
        // One that was waited for long enough is nobody's reason to wake any more.
        for link in self.links.values_mut() {
            if matches!(link, Link::Down(until) if *until <= now) {
                *link = Link::Idle(None);
            }
        }
        self.begin_fetches();
        self.begin_topics();
        self.begin_resets();
        self.begin_commit();
        let clock = Arc::clone(&self.environment.clock);
        let wake_ns = self.next_wake_ns();
        let wake = async {
            match wake_ns {
                Some(at_ns) => {
                    let wait_ms = at_ns.saturating_sub(clock.monotonic_ns()).div_ceil(NS_PER_MS);
                    clock.sleep_ms(wait_ms).await;
                }
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            Some(done) = self.work.next(), if !self.work.is_empty() => Some(done),
            () = self.board.wanted.notified() => None,
            () = wake => None,
        };
        done.map_or(Ok(()), |done| self.finish(done))
    }

    fn now_ns(&self) -> u64 {
        self.environment.clock.monotonic_ns()
    }

    /// When there is something to do though nothing happens.
    fn next_wake_ns(&self) -> Option<u64> {
        let down = self.links.values().filter_map(|link| match link {
            Link::Down(until) => Some(*until),
            Link::Idle(_) | Link::Busy => None,
        });
        let leaderless = self.board.state().partitions.values().any(|p| p.leader.is_none() && !p.is_done());
        let topics = (leaderless && self.cluster.is_some()).then_some(self.topics_after_ns);
        down.chain(topics).min()
    }

    fn begin_fetches(&mut self) {
        let board = Arc::clone(&self.board);
        let mut state = board.state();
        let queued_max = self.shared.options.properties.consumer.partition_bytes_max as usize * FETCHES_QUEUED;
        let mut leaders: BTreeSet<i32> = state.partitions.values().filter_map(|p| p.leader).collect();
        leaders.retain(|broker| self.is_free(*broker));
        for broker in leaders {
            let (mut asked, mut some_wait) = (Vec::new(), false);
            for (partition, fetching) in &mut state.partitions {
                if fetching.leader != Some(broker) || fetching.is_done() || fetching.in_flight || fetching.resets {
                    continue;
                }
                if fetching.queued_bytes >= queued_max {
                    some_wait = true;
                    continue;
                }
                fetching.in_flight = true;
                let (topic_id, offset) = (fetching.topic_id, fetching.offset);
                asked.push(Asked { partition: partition.clone(), topic_id, offset });
            }
            if !asked.is_empty() {
                // Each is the first one in its turn, or those in front would be answered alone while all lag behind.
                self.turn = self.turn.wrapping_add(1);
                let first = self.turn % asked.len();
                asked.rotate_left(first);
                self.begin_fetch(broker, asked, some_wait);
            }
        }
    }

    /// Whether a question to the broker can begin.
    fn is_free(&mut self, broker: i32) -> bool {
        matches!(self.links.entry(broker).or_insert(Link::Idle(None)), Link::Idle(_))
    }

    fn begin_fetch(&mut self, broker: i32, asked: Vec<Asked>, some_wait: bool) {
        let link = self.links.insert(broker, Link::Busy);
        let connection = if let Some(Link::Idle(connection)) = link { connection } else { None };
        let address = self.addresses.get(&broker).cloned();
        let (environment, client, shared) =
            (self.environment.clone(), Arc::clone(&self.client), Arc::clone(&self.shared));
        self.work.push(Box::pin(async move {
            let fetching = async {
                let mut connection = match (connection, address) {
                    (Some(connection), _) => connection,
                    (None, Some((host, port))) => {
                        Box::new(BrokerConnection::open(&environment, &client, &host, port).await?)
                    }
                    (None, None) => return Err(crate::client::external(format!("broker {broker} is not known"))),
                };
                let settings = &shared.options.properties.consumer;
                let (min, max) = VERSIONS;
                let version = connection.version::<FetchRequest>(min, max.min(fetch::version_max(&asked)))?;
                let request = fetch::request(&asked, settings, version, some_wait);
                let timeout_ms = client.request_timeout_ms + u64::from(settings.fetch_wait_ms_max);
                let response = connection.call_within(&request, version, timeout_ms).await?;
                if response.throttle_time_ms > 0 {
                    environment.clock.sleep_ms(response.throttle_time_ms as u64).await;
                }
                Ok((connection, response))
            };
            let answered = fetching.await;
            Done::Fetched { broker, asked, answered }
        }));
    }

    /// Asks for the topics if a partition has no leader.
    fn begin_topics(&mut self) {
        if self.now_ns() < self.topics_after_ns {
            return;
        }
        let state = self.board.state();
        let leaderless = state.partitions.iter().filter(|(_, p)| p.leader.is_none() && !p.is_done());
        let names: BTreeSet<Arc<str>> = leaderless.map(|(partition, _)| Arc::clone(&partition.topic)).collect();
        drop(state);
        if names.is_empty() {
            return;
        }
        let Some(mut cluster) = self.cluster.take() else { return };
        self.work.push(Box::pin(async move {
            let names: Vec<Arc<str>> = names.into_iter().collect();
            let topics = cluster.topics(Some(&names), false).await;
            Done::Topics(cluster, topics)
        }));
    }

    /// Asks where to go on in partitions whose offset does not exist.
    fn begin_resets(&mut self) {
        let at = match self.shared.options.properties.consumer.reset {
            Some(OffsetReset::Latest) => At::Latest,
            _ => At::Earliest,
        };
        let state = self.board.state();
        let asked = state.partitions.iter().filter(|(_, p)| p.resets);
        let asked: Vec<OffsetAsked> = asked.map(|(p, _)| OffsetAsked { partition: p.clone(), at }).collect();
        drop(state);
        if asked.is_empty() {
            return;
        }
        let Some(mut cluster) = self.cluster.take() else { return };
        let read_committed = self.shared.options.properties.consumer.read_committed;
        self.work.push(Box::pin(async move {
            let found = cluster.offsets(&asked, read_committed).await;
            Done::Resets(cluster, found)
        }));
    }

    fn begin_commit(&mut self) {
        if self.group.is_none() {
            return;
        }
        let Some(offsets) = self.board.state().commit.take() else { return };
        let Some(mut cluster) = self.group.take() else { return };
        let group = self.shared.group.clone();
        self.work.push(Box::pin(async move {
            let committed = cluster.commit_offsets(&group, &offsets).await;
            Done::Committed(cluster, committed)
        }));
    }

    fn finish(&mut self, done: Done) -> Result<()> {
        match done {
            Done::Fetched { broker, asked, answered: Ok((connection, response)) } => {
                self.links.insert(broker, Link::Idle(Some(connection)));
                self.patience.reset();
                self.accept(asked, response)
            }
            Done::Fetched { broker, asked, answered: Err(e) } => self.lost(broker, &asked, e),
            Done::Topics(cluster, topics) => {
                let known = cluster.brokers().into_iter();
                self.addresses = known.filter_map(|b| Some((b, cluster.address(b)?.clone()))).collect();
                self.cluster = Some(cluster);
                self.note_topics(topics)
            }
            Done::Resets(cluster, found) => {
                self.cluster = Some(cluster);
                self.reset(&found?)
            }
            Done::Committed(cluster, committed) => {
                self.group = Some(cluster);
                if let Err(e) = committed {
                    // The offsets that count lie in the checkpoint.
                    tracing::warn!("offsets are not shown to Kafka: {e}");
                }
                Ok(())
            }
        }
    }

    /// A broker does not answer: whoever leads its partitions now is asked for.
    fn lost(&mut self, broker: i32, asked: &[Asked], e: Error) -> Result<()> {
        if e.kind() != (ErrorKind::External { retry: true }) {
            return Err(e);
        }
        let wait_ms = self.patience.next_wait_ms();
        tracing::warn!("fetching from broker {broker} is tried again in {wait_ms} ms: {e}");
        let until = self.now_ns() + wait_ms * NS_PER_MS;
        self.links.insert(broker, Link::Down(until));
        self.topics_after_ns = self.topics_after_ns.max(until);
        let mut state = self.board.state();
        for one in asked {
            if let Some(fetching) = state.partitions.get_mut(&one.partition) {
                fetching.in_flight = false;
                fetching.leader = None;
            }
        }
        Ok(())
    }

    fn accept(&mut self, asked: Vec<Asked>, response: FetchResponse) -> Result<()> {
        if let Some(e) = crate::client::code_error(response.error_code, "records cannot be fetched") {
            return Err(e);
        }
        let board = Arc::clone(&self.board);
        let mut state = board.state();
        let mut arrived = false;
        for (one, answer) in fetch::answers(asked, response) {
            // It may have been removed or added anew meanwhile.
            let Some(fetching) = state.partitions.get_mut(&one.partition).filter(|f| f.offset == one.offset) else {
                continue;
            };
            fetching.in_flight = false;
            match answer {
                Answer::Records(fetched, next) => {
                    fetching.missing_since_ns = None;
                    if next > fetching.offset {
                        fetching.offset = next;
                        fetching.queued_bytes += fetched.bytes.len();
                        fetching.queue.push_back(fetched);
                        arrived = true;
                    }
                }
                Answer::Moved => {
                    fetching.leader = None;
                    self.retry_topics();
                }
                Answer::Missing => {
                    fetching.leader = None;
                    self.note_missing(&mut state, &one.partition)?;
                    self.retry_topics();
                }
                Answer::OutOfRange => fetching.resets = true,
                Answer::Failed(code) => return Err(refused(code, &format!("{} cannot be read", one.partition))),
                Answer::Damaged(what) => return Err(Error::data(format!("{}: {what}", one.partition))),
            }
        }
        drop(state);
        if arrived {
            self.board.arrived.notify_one();
        }
        Ok(())
    }

    /// Topics are asked for, but not without end at once.
    fn retry_topics(&mut self) {
        let wait_ms = self.patience.next_wait_ms();
        self.topics_after_ns = self.topics_after_ns.max(self.now_ns() + wait_ms * NS_PER_MS);
    }

    /// A topic may be missing for a while, as when brokers have just started.
    fn note_missing(&self, state: &mut State, partition: &TopicPartition) -> Result<()> {
        let now = self.now_ns();
        let Some(fetching) = state.partitions.get_mut(partition) else { return Ok(()) };
        let since = *fetching.missing_since_ns.get_or_insert(now);
        if now - since < self.client.api_timeout_ms.saturating_mul(NS_PER_MS) {
            return Ok(());
        }
        Err(Error::external(format!("{partition} does not exist any more"))
            .with_detail(format!("It was read up to offset {}.", fetching.offset))
            .with_hint(
                "If it is gone for good, start the job without the checkpoint, or with a table of other topics.",
            ))
    }

    fn note_topics(&mut self, topics: Result<Vec<Topic>>) -> Result<()> {
        self.retry_topics();
        let topics = match topics {
            Ok(topics) => topics,
            Err(e) if e.kind() == (ErrorKind::External { retry: true }) => {
                tracing::warn!("the topics are asked for again: {e}");
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let by_name: BTreeMap<&str, &Topic> = topics.iter().map(|t| (&*t.name, t)).collect();
        let board = Arc::clone(&self.board);
        let mut state = board.state();
        let waiting = state.partitions.iter().filter(|(_, p)| p.leader.is_none() && !p.is_done());
        let waiting: Vec<TopicPartition> = waiting.map(|(partition, _)| partition.clone()).collect();
        for partition in waiting {
            let Some(topic) = by_name.get(&*partition.topic) else { continue };
            let found = topic.partitions.iter().find(|p| p.index == partition.partition);
            match (topic.error, found) {
                (Some(code), _) if !code.is_retriable() => {
                    return Err(refused(code, &format!("topic '{}' cannot be read", partition.topic)));
                }
                (None, Some(found)) => {
                    let Some(fetching) = state.partitions.get_mut(&partition) else { continue };
                    if fetching.topic_id != NO_ID && topic.id != NO_ID && fetching.topic_id != topic.id {
                        self.created_again(&mut state, &partition, topic.id)?;
                        continue;
                    }
                    fetching.leader = found.leader;
                }
                _ => self.note_missing(&mut state, &partition)?,
            }
        }
        Ok(())
    }

    /// The topic is another one than that of the split: its offsets mean other records.
    fn created_again(&self, state: &mut State, partition: &TopicPartition, topic_id: u128) -> Result<()> {
        let Some(fetching) = state.partitions.get_mut(partition) else { return Ok(()) };
        match self.shared.options.properties.consumer.reset {
            Some(OffsetReset::Earliest | OffsetReset::Latest) => {
                tracing::warn!(
                    "topic '{}' was deleted and created again: what it has is read from there",
                    partition.topic
                );
                fetching.topic_id = topic_id;
                fetching.resets = true;
                Ok(())
            }
            Some(OffsetReset::None) | None => {
                Err(Error::external(format!("topic '{}' was deleted and created again", partition.topic))
                    .with_detail(format!("{partition} was read up to offset {} of the old one.", fetching.offset))
                    .with_hint("Start the job without the checkpoint, or set 'properties.auto.offset.reset'."))
            }
        }
    }

    /// Goes on at these offsets, or says that they are not what the checkpoint has.
    fn reset(&mut self, found: &HashMap<TopicPartition, Option<i64>>) -> Result<()> {
        let allowed =
            matches!(self.shared.options.properties.consumer.reset, Some(OffsetReset::Earliest | OffsetReset::Latest));
        let mut state = self.board.state();
        for (partition, offset) in found {
            let (Some(fetching), Some(offset)) = (state.partitions.get_mut(partition), offset) else { continue };
            let from = fetching.offset;
            if !allowed {
                return Err(out_of_range(partition, from, *offset));
            }
            tracing::warn!(
                "{partition} has no offset {from}: it is read from {offset} on, as 'auto.offset.reset' says"
            );
            fetching.offset = *offset;
            fetching.resets = false;
            fetching.leader = None;
            let moved = Some(Moved { offset: *offset, topic_id: fetching.topic_id });
            fetching.queue.push_back(Fetched { bytes: Bytes::new(), aborted: Vec::new(), moved });
        }
        drop(state);
        self.board.arrived.notify_one();
        Ok(())
    }
}

fn out_of_range(partition: &TopicPartition, offset: i64, begin: i64) -> Error {
    let why = if begin > offset {
        format!("Its records begin at {begin}: those before are deleted.")
    } else {
        "It ends before: it has lost records, or is another topic.".to_owned()
    };
    Error::external(format!("{partition} has no offset {offset}"))
        .with_detail(why)
        .with_hint("Set 'properties.auto.offset.reset' to 'earliest' or 'latest' to go on there.")
}
