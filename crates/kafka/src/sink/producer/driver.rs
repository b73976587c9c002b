//! The loop that sends batches, and asks for topics when somebody else leads a partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::state::{Outcome, Outgoing};
use super::{Board, ProducerParts, Sender};
use crate::client::{BrokerConnection, Cluster, Code, Patience, Topic, refused};
use crate::options::ClientSettings;

const NS_PER_MS: u64 = 1_000_000;
/// The versions of the question: from this one on a partition need not be told before a transaction writes it.
const VERSION_MIN: i16 = 3;
const VERSION_OF_SECOND_PROTOCOL: i16 = 12;
/// So many bytes go out at once; brokers allow a hundred times that.
const QUESTION_BYTES_MAX: usize = 4 << 20;

/// See the module above.
pub(super) struct Driver {
    board: Arc<Board>,
    environment: Environment,
    client: Arc<ClientSettings>,
    links: HashMap<i32, Link>,
    addresses: HashMap<i32, (String, u16)>,
    /// Is away while it is asked.
    cluster: Option<Box<Cluster>>,
    patience: Patience,
    /// When topics are asked for again if a partition has no leader, by the monotonic clock.
    topics_after_ns: u64,
    /// When they are asked for in any case: there may be more partitions.
    topics_due_ns: u64,
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
    /// An answer, or none where nobody is asked.
    Sent {
        broker: i32,
        places: Vec<usize>,
        answered: Result<(Box<BrokerConnection>, Option<ProduceResponse>)>,
    },
    Topics(Box<Cluster>, Result<Vec<Topic>>),
}

/// What is sent at once.
struct Question {
    broker: i32,
    batches: Vec<Outgoing>,
    sender: Sender,
}

impl Driver {
    pub(super) fn new(board: Arc<Board>, parts: ProducerParts) -> Self {
        let ProducerParts { environment, client, .. } = parts;
        let topics_due_ns = due_ns(environment.clock.monotonic_ns(), client.metadata_max_age_ms);
        Driver {
            board,
            links: HashMap::new(),
            addresses: HashMap::new(),
            cluster: Some(Box::new(Cluster::new(&environment, &client))),
            patience: Patience::new(&environment, &client, None),
            topics_after_ns: 0,
            topics_due_ns,
            work: FuturesUnordered::new(),
            environment,
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
        let wake_ns = self.begin()?;
        let clock = Arc::clone(&self.environment.clock);
        let wake = async {
            let wait_ms = wake_ns.saturating_sub(clock.monotonic_ns()).div_ceil(NS_PER_MS);
            clock.sleep_ms(wait_ms).await;
        };
        let done = tokio::select! {
            Some(done) = self.work.next(), if !self.work.is_empty() => Some(done),
            () = self.board.filled.notified() => None,
            () = wake => None,
        };
        done.map_or(Ok(()), |done| self.finish(done))
    }

    fn now_ns(&self) -> u64 {
        self.environment.clock.monotonic_ns()
    }

    /// Begins whatever can be begun, and says when to look again though nothing happens.
    fn begin(&mut self) -> Result<u64> {
        let now = self.now_ns();
        let board = Arc::clone(&self.board);
        let mut state = board.state();
        let mut wake = u64::MAX;
        match state.held_until_ns() {
            Some(until) if until <= now => state.release()?,
            Some(until) => wake = wake.min(until),
            None => {}
        }
        let (brokers, lingering) = state.due(now);
        wake = wake.min(lingering.unwrap_or(u64::MAX));
        for broker in brokers {
            match self.links.entry(broker).or_insert(Link::Idle(None)) {
                Link::Busy => continue,
                Link::Down(until) if *until > now => {
                    wake = wake.min(*until);
                    continue;
                }
                Link::Down(_) | Link::Idle(_) => {}
            }
            if !self.addresses.contains_key(&broker) {
                self.topics_due_ns = 0;
                continue;
            }
            let batches = state.take(broker, now, QUESTION_BYTES_MAX)?;
            if !batches.is_empty() {
                self.send(Question { broker, batches, sender: state.sender().clone() });
            }
        }
        let leaderless = state.leaderless();
        let all = state.topics();
        drop(state);
        if self.cluster.is_some() && !all.is_empty() {
            let asked_at = if leaderless.is_empty() { self.topics_due_ns } else { 0 }.max(self.topics_after_ns);
            if asked_at <= now {
                self.ask_topics(if now >= self.topics_due_ns { all } else { leaderless });
            } else {
                wake = wake.min(asked_at);
            }
        }
        Ok(wake)
    }

    fn send(&mut self, question: Question) {
        let broker = question.broker;
        let link = self.links.insert(broker, Link::Busy);
        let connection = if let Some(Link::Idle(connection)) = link { connection } else { None };
        let address = self.addresses.get(&broker).cloned();
        let (environment, client) = (self.environment.clone(), Arc::clone(&self.client));
        self.work.push(Box::pin(async move {
            let places = question.batches.iter().map(|batch| batch.at).collect();
            let sending = async {
                let mut connection = match (connection, address) {
                    (Some(connection), _) => connection,
                    (None, Some((host, port))) => {
                        Box::new(BrokerConnection::open(&environment, &client, &host, port).await?)
                    }
                    (None, None) => return Err(crate::client::external(format!("broker {broker} is not known"))),
                };
                let version_max = VERSION_OF_SECOND_PROTOCOL - i16::from(question.sender.first_protocol);
                let version = connection.version::<ProduceRequest>(VERSION_MIN, version_max)?;
                let request = request(&question, client.request_timeout_ms);
                if question.sender.acks == 0 {
                    connection.tell(&request, version).await?;
                    return Ok((connection, None));
                }
                let response = connection.call_within(&request, version, client.request_timeout_ms * 2).await?;
                if response.throttle_time_ms > 0 {
                    environment.clock.sleep_ms(response.throttle_time_ms as u64).await;
                }
                Ok((connection, Some(response)))
            };
            let answered = sending.await;
            Done::Sent { broker, places, answered }
        }));
    }

    fn ask_topics(&mut self, names: Vec<Arc<str>>) {
        let Some(mut cluster) = self.cluster.take() else { return };
        self.topics_due_ns = due_ns(self.now_ns(), self.client.metadata_max_age_ms);
        self.work.push(Box::pin(async move {
            let topics = cluster.topics(Some(&names), false).await;
            Done::Topics(cluster, topics)
        }));
    }

    fn finish(&mut self, done: Done) -> Result<()> {
        let now = self.now_ns();
        match done {
            Done::Sent { broker, places, answered: Ok((connection, response)) } => {
                self.links.insert(broker, Link::Idle(Some(connection)));
                self.patience.reset();
                self.accept(&places, response.as_ref(), now);
            }
            Done::Sent { broker, places, answered: Err(e) } if e.kind() == (ErrorKind::External { retry: true }) => {
                let wait_ms = self.patience.next_wait_ms();
                tracing::warn!("sending to broker {broker} is tried again in {wait_ms} ms: {e}");
                let until = now + wait_ms * NS_PER_MS;
                self.links.insert(broker, Link::Down(until));
                self.topics_after_ns = self.topics_after_ns.max(until);
                let mut state = self.board.state();
                for at in places {
                    let again = Outcome::Again { moved: true, why: e.to_string(), not_before_ns: until };
                    state.note(at, again, now);
                }
            }
            Done::Sent { answered: Err(e), .. } => return Err(e),
            Done::Topics(cluster, topics) => {
                let known = cluster.brokers().into_iter();
                self.addresses = known.filter_map(|b| Some((b, cluster.address(b)?.clone()))).collect();
                self.cluster = Some(cluster);
                self.note_topics(topics)?;
            }
        }
        self.board.sent.notify_one();
        Ok(())
    }

    fn accept(&mut self, places: &[usize], response: Option<&ProduceResponse>, now: u64) {
        let mut by_partition = BTreeMap::new();
        for topic in response.iter().flat_map(|r| &r.responses) {
            for answer in &topic.partition_responses {
                by_partition.insert((topic.name.as_str().to_owned(), answer.index), answer.error_code);
            }
        }
        let board = Arc::clone(&self.board);
        let mut state = board.state();
        for at in places {
            let partition = state.partition(*at);
            let code = match response {
                None => Some(0),
                Some(_) => by_partition.get(&(partition.topic.to_string(), partition.partition)).copied(),
            };
            let mut outcome = match code {
                Some(code) => outcome(code),
                None => again(true, "the broker says nothing of it"),
            };
            if let Outcome::Again { why, not_before_ns, .. } = &mut outcome {
                let wait_ms = self.patience.next_wait_ms();
                tracing::warn!("{partition} is written again in {wait_ms} ms: {why}");
                *not_before_ns = now + wait_ms * NS_PER_MS;
                self.topics_after_ns = self.topics_after_ns.max(*not_before_ns);
            }
            state.note(*at, outcome, now);
        }
    }

    fn note_topics(&mut self, topics: Result<Vec<Topic>>) -> Result<()> {
        let wait_ms = self.patience.next_wait_ms();
        self.topics_after_ns = self.topics_after_ns.max(self.now_ns() + wait_ms * NS_PER_MS);
        match topics {
            Ok(topics) => {
                let now = self.now_ns();
                let mut state = self.board.state();
                let mut why = "its partition has no leader".to_owned();
                for topic in &topics {
                    match topic.error {
                        None => state.learn(topic),
                        Some(code) if code.is_retriable() => why = code.to_string(),
                        Some(code) => return Err(refused(code, &format!("topic '{}' cannot be written", topic.name))),
                    }
                }
                // Also what has no leader for too long is noticed.
                state.expire(now, &why);
                Ok(())
            }
            Err(e) if e.kind() == (ErrorKind::External { retry: true }) => {
                tracing::warn!("the topics are asked for again: {e}");
                // Also what waits too long is noticed.
                let now = self.now_ns();
                self.board.state().expire(now, &e.to_string());
                Ok(())
            }
            Err(e) => Err(e),
        }
    }
}

/// So many milliseconds later.
fn due_ns(now_ns: u64, millis: u64) -> u64 {
    now_ns.saturating_add(millis.saturating_mul(NS_PER_MS))
}

fn request(question: &Question, timeout_ms: u64) -> ProduceRequest {
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
    for batch in &question.batches {
        let data = PartitionProduceData::default()
            .with_index(batch.partition.partition)
            .with_records(Some(batch.bytes.clone()));
        topics.entry(&batch.partition.topic).or_default().push(data);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_partition_data(partitions)
    });
    let id = question.sender.transactional_id.as_ref();
    let id = id.map(|id| TransactionalId(StrBytes::from_string(id.to_string())));
    ProduceRequest::default()
        .with_transactional_id(id)
        .with_acks(question.sender.acks)
        .with_timeout_ms(timeout_ms.min(i32::MAX as u64) as i32)
        .with_topic_data(topics.collect())
}

fn outcome(code: i16) -> Outcome {
    use Code as E;
    match E::try_from_code(code) {
        // The second time it comes, the broker has it already.
        None | Some(E::DuplicateSequenceNumber) => Outcome::Sent,
        Some(code @ (E::ConcurrentTransactions | E::NotEnoughReplicas | E::NotEnoughReplicasAfterAppend)) => {
            again(false, &code.to_string())
        }
        Some(code) if code.is_retriable() => again(true, &code.to_string()),
        Some(code) => Outcome::Refused(code),
    }
}

fn again(moved: bool, why: &str) -> Outcome {
    Outcome::Again { moved, why: why.to_owned(), not_before_ns: 0 }
}
