//! What waits to be sent, by partition. It is pure: it knows no network and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::{Error, Result};

use super::super::partitioner::Chooser;
use crate::batch::{self, BatchWriter, RecordHeader};
use crate::client::{Code, Topic, TopicPartition};
use crate::options::{Buffer, ProducerSettings};

const NS_PER_MS: u64 = 1_000_000;

/// See the module.
pub(in super::super) struct State {
    settings: ProducerSettings,
    chooser: Chooser,
    topics: HashMap<Arc<str>, Vec<usize>>,
    partitions: Vec<Waiting>,
    sender: Sender,
    buffered_bytes: usize,
    /// Records since `begin`.
    appended: u64,
    flushing: bool,
    failure: Option<Error>,
    /// Last records by key, if they are held back.
    held: Option<Held>,
}

/// As whom batches are sent, and what is asked of the broker.
#[derive(Clone, Debug)]
pub(in super::super) struct Sender {
    pub(in super::super) producer: batch::Producer,
    pub(in super::super) acks: i16,
    /// The name of its transaction, if it has one.
    pub(in super::super) transactional_id: Option<Arc<str>>,
    /// Of which the partitions were told before.
    pub(in super::super) first_protocol: bool,
}

impl Sender {
    /// Nobody: nothing may be sent.
    pub(in super::super) const NOBODY: Sender =
        Sender { producer: batch::Producer::UNKNOWN, acks: -1, transactional_id: None, first_protocol: false };
}

/// What waits for one partition.
struct Waiting {
    partition: TopicPartition,
    leader: Option<i32>,
    /// Since when its first record waits, by the monotonic clock.
    open: BatchWriter,
    open_since_ns: u64,
    full: VecDeque<(BatchWriter, u64)>,
    sending: Option<Sending>,
    sequence: i32,
}

/// A batch under way, or one that goes out again.
struct Sending {
    bytes: Bytes,
    count: u32,
    plain_bytes: usize,
    since_ns: u64,
    in_flight: bool,
    /// It does not go out again before, by the monotonic clock.
    not_before_ns: u64,
}

/// Records that are held back, by topic and key.
struct Held {
    settings: Buffer,
    rows: BTreeMap<(Arc<str>, Vec<u8>), HeldRecord>,
    since_ns: u64,
}

struct HeldRecord {
    value: Option<Vec<u8>>,
    timestamp: i64,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A record to be sent.
#[derive(Clone, Copy)]
pub(in super::super) struct NewRecord<'a> {
    pub(in super::super) topic: &'a str,
    pub(in super::super) key: Option<&'a [u8]>,
    pub(in super::super) value: Option<&'a [u8]>,
    pub(in super::super) timestamp: i64,
    pub(in super::super) headers: &'a [RecordHeader<'a>],
    pub(in super::super) now_ns: u64,
}

/// A batch that goes out.
pub(super) struct Outgoing {
    pub(super) at: usize,
    pub(super) partition: TopicPartition,
    pub(super) bytes: Bytes,
}

/// How a batch fared.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Kafka has it.
    Sent,
    /// It goes out again; with `moved` to whoever leads the partition then.
    Again {
        moved: bool,
        why: String,
        not_before_ns: u64,
    },
    Refused(Code),
}

impl State {
    pub(super) fn new(chooser: Chooser, settings: ProducerSettings, buffer: Option<Buffer>) -> Self {
        State {
            settings,
            chooser,
            topics: HashMap::new(),
            partitions: Vec::new(),
            sender: Sender::NOBODY,
            buffered_bytes: 0,
            appended: 0,
            flushing: false,
            failure: None,
            held: buffer.map(|settings| Held { settings, rows: BTreeMap::new(), since_ns: 0 }),
        }
    }

    pub(super) fn topic(&self, name: &str) -> Option<&Vec<usize>> {
        self.topics.get(name)
    }

    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }

    /// Takes note of partitions and their leaders; there may be more than before.
    pub(super) fn learn(&mut self, topic: &Topic) {
        let places = self.topics.entry(Arc::clone(&topic.name)).or_default();
        for found in &topic.partitions {
            let known = places.iter().find(|at| self.partitions[**at].partition.partition == found.index);
            if let Some(at) = known {
                self.partitions[*at].leader = found.leader;
                continue;
            }
            places.push(self.partitions.len());
            self.partitions.push(Waiting {
                partition: TopicPartition { topic: Arc::clone(&topic.name), partition: found.index },
                leader: found.leader,
                open: BatchWriter::default(),
                open_since_ns: 0,
                full: VecDeque::new(),
                sending: None,
                sequence: 0,
            });
        }
        places.sort_by_key(|at| self.partitions[*at].partition.partition);
    }

    /// As whom batches are sent from now on. Numbers begin anew.
    pub(super) fn begin(&mut self, sender: Sender) {
        (self.sender, self.appended) = (sender, 0);
        self.partitions.iter_mut().for_each(|p| p.sequence = 0);
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(super) fn partition(&self, at: usize) -> &TopicPartition {
        &self.partitions[at].partition
    }

    pub(super) fn appended(&self) -> u64 {
        self.appended
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    pub(super) fn fail(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
    }

    /// Each failure is told once; then nothing is sent any more.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// With `true` nothing waits for others any more, nor is held back.
    pub(super) fn set_flushing(&mut self, flushing: bool) -> Result<()> {
        self.flushing = flushing;
        if flushing { self.release() } else { Ok(()) }
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let idle = |p: &Waiting| p.open.count() == 0 && p.full.is_empty() && p.sending.is_none();
        self.held.as_ref().is_none_or(|held| held.rows.is_empty()) && self.partitions.iter().all(idle)
    }

    /// Takes a record: into a batch, or first where the last record of its key is held.
    pub(in super::super) fn push(&mut self, record: NewRecord<'_>) -> Result<()> {
        self.check(&record)?;
        let (Some(held), Some(key)) = (&mut self.held, record.key) else { return self.append(record) };
        if held.rows.is_empty() {
            held.since_ns = record.now_ns;
        }
        let headers = record.headers.iter().map(|h| (h.name.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
        let value = record.value.map(<[u8]>::to_vec);
        let topic: Arc<str> = record.topic.into();
        held.rows.insert((topic, key.to_vec()), HeldRecord { value, timestamp: record.timestamp, headers });
        if held.rows.len() >= held.settings.rows_max { self.release() } else { Ok(()) }
    }

    /// When what is held back is due, by the monotonic clock.
    pub(super) fn held_until_ns(&self) -> Option<u64> {
        let held = self.held.as_ref().filter(|held| !held.rows.is_empty())?;
        Some(held.since_ns.saturating_add(held.settings.interval_ms.saturating_mul(NS_PER_MS)))
    }

    /// Puts what is held back into batches.
    pub(super) fn release(&mut self) -> Result<()> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let (rows, now_ns) = (std::mem::take(&mut held.rows), held.since_ns);
        for ((topic, key), record) in rows {
            let headers: Vec<RecordHeader<'_>> =
                record.headers.iter().map(|(name, value)| RecordHeader { name, value: value.as_deref() }).collect();
            self.append(NewRecord {
                topic: &topic,
                key: Some(&key),
                value: record.value.as_deref(),
                timestamp: record.timestamp,
                headers: &headers,
                now_ns,
            })?;
        }
        Ok(())
    }

    fn check(&self, record: &NewRecord<'_>) -> Result<()> {
        let bytes = BatchWriter::bytes_of(record.key, record.value, record.headers);
        if bytes > self.settings.request_bytes_max {
            return Err(super::too_large(bytes, self.settings.request_bytes_max));
        }
        Ok(())
    }

    fn append(&mut self, record: NewRecord<'_>) -> Result<()> {
        let NewRecord { topic, key, value, timestamp, headers, now_ns } = record;
        let places = self.topics.get(topic).filter(|places| !places.is_empty());
        let places = places.ok_or_else(|| Error::internal(format!("topic '{topic}' is written before it is known")))?;
        let chosen = self.chooser.choose(key, places.len() as u32) as usize;
        let waiting = &mut self.partitions[places[chosen]];
        let before = waiting.open.bytes();
        let added = BatchWriter::bytes_of(key, value, headers);
        if waiting.open.count() > 0 && before + added > self.settings.batch_bytes {
            waiting.full.push_back((std::mem::take(&mut waiting.open), waiting.open_since_ns));
            // Records without a key go on elsewhere.
            self.chooser.advance();
        }
        if waiting.open.count() == 0 {
            waiting.open_since_ns = now_ns;
        }
        let before = waiting.open.bytes();
        waiting.open.append(timestamp, key, value, headers);
        self.buffered_bytes += waiting.open.bytes() - before;
        self.appended += 1;
        if self.chooser.turns_by_record() {
            self.chooser.advance();
        }
        Ok(())
    }

    /// The brokers that something could be sent to, and when the next batch will have waited long enough.
    pub(super) fn due(&self, now_ns: u64) -> (BTreeSet<i32>, Option<u64>) {
        let linger_ns = self.settings.linger_ms.saturating_mul(NS_PER_MS);
        let (mut brokers, mut next) = (BTreeSet::new(), None::<u64>);
        for waiting in &self.partitions {
            let Some(leader) = waiting.leader else { continue };
            let later = match &waiting.sending {
                _ if self.is_due(waiting, now_ns) => {
                    brokers.insert(leader);
                    None
                }
                Some(sending) => (!sending.in_flight).then_some(sending.not_before_ns),
                None => (waiting.open.count() > 0).then_some(waiting.open_since_ns.saturating_add(linger_ns)),
            };
            next = [next, later].into_iter().flatten().min();
        }
        (brokers, next)
    }

    fn is_due(&self, waiting: &Waiting, now_ns: u64) -> bool {
        if let Some(sending) = &waiting.sending {
            return !sending.in_flight && now_ns >= sending.not_before_ns;
        }
        let lingered =
            now_ns.saturating_sub(waiting.open_since_ns) >= self.settings.linger_ms.saturating_mul(NS_PER_MS);
        !waiting.full.is_empty() || (waiting.open.count() > 0 && (self.flushing || lingered))
    }

    /// Topics with a partition that has something to send and no leader.
    pub(super) fn leaderless(&self) -> Vec<Arc<str>> {
        let waits = |p: &Waiting| p.sending.is_some() || p.open.count() > 0 || !p.full.is_empty();
        let without = self.partitions.iter().filter(|p| p.leader.is_none() && waits(p));
        let topics: BTreeSet<Arc<str>> = without.map(|p| Arc::clone(&p.partition.topic)).collect();
        topics.into_iter().collect()
    }

    /// What goes to a broker now: of each partition one batch, as far as a question may be long.
    ///
    /// # Errors
    /// If records cannot be compressed.
    pub(super) fn take(&mut self, broker: i32, now_ns: u64, bytes_max: usize) -> Result<Vec<Outgoing>> {
        let (mut batches, mut bytes) = (Vec::new(), 0);
        for at in 0..self.partitions.len() {
            let waiting = &self.partitions[at];
            if waiting.leader != Some(broker) || !self.is_due(waiting, now_ns) || bytes >= bytes_max {
                continue;
            }
            let (producer, settings) = (self.sender.producer, self.settings);
            let waiting = &mut self.partitions[at];
            if waiting.sending.is_none() {
                let (mut batch, since_ns) = match waiting.full.pop_front() {
                    Some(full) => full,
                    None => {
                        // Records without a key go on elsewhere.
                        self.chooser.advance();
                        (std::mem::take(&mut waiting.open), waiting.open_since_ns)
                    }
                };
                let (count, plain_bytes) = (batch.count(), batch.bytes());
                let sequence = if producer == batch::Producer::UNKNOWN { -1 } else { waiting.sequence };
                let bytes = batch.finish(producer, sequence, settings.compression).map_err(Error::internal)?;
                waiting.sequence = next_sequence(waiting.sequence, count);
                waiting.sending =
                    Some(Sending { bytes, count, plain_bytes, since_ns, in_flight: false, not_before_ns: 0 });
            }
            let Some(sending) = &mut waiting.sending else { continue };
            sending.in_flight = true;
            bytes += sending.bytes.len();
            batches.push(Outgoing { at, partition: waiting.partition.clone(), bytes: sending.bytes.clone() });
        }
        Ok(batches)
    }

    /// What became of a batch.
    pub(super) fn note(&mut self, at: usize, outcome: Outcome, now_ns: u64) {
        let waiting = &mut self.partitions[at];
        let Some(sending) = &mut waiting.sending else { return };
        match outcome {
            Outcome::Sent => {
                self.buffered_bytes = self.buffered_bytes.saturating_sub(sending.plain_bytes);
                waiting.sending = None;
            }
            Outcome::Again { moved, why, not_before_ns } => {
                sending.in_flight = false;
                sending.not_before_ns = not_before_ns;
                if moved {
                    waiting.leader = None;
                }
                self.expire(now_ns, &why);
            }
            Outcome::Refused(code) => {
                let error = crate::client::refused(code, &format!("{} cannot be written", waiting.partition));
                let error = match code {
                    Code::MessageTooLarge | Code::RecordListTooLarge => error
                        .with_detail(format!("A batch of {} records has {} bytes.", sending.count, sending.bytes.len()))
                        .with_hint("Set 'properties.batch.size' below the topic's 'max.message.bytes'."),
                    _ => error,
                };
                self.failure.get_or_insert(error);
            }
        }
    }
}

impl State {
    /// Fails if something has waited longer than is allowed.
    pub(super) fn expire(&mut self, now_ns: u64, why: &str) {
        let allowed_ms = self.settings.delivery_timeout_ms;
        let since = |p: &Waiting| match (&p.sending, p.full.front()) {
            (Some(sending), _) => Some(sending.since_ns),
            (None, Some((_, since))) => Some(*since),
            (None, None) => (p.open.count() > 0).then_some(p.open_since_ns),
        };
        let late = self.partitions.iter().find_map(|p| {
            let waited_ms = now_ns.saturating_sub(since(p)?) / NS_PER_MS;
            (waited_ms >= allowed_ms).then_some((p, waited_ms))
        });
        let Some((waiting, waited_ms)) = late else { return };
        let message = format!("{}: records cannot be written: {why}", waiting.partition);
        let detail = format!(
            "They have waited for {waited_ms} ms, and 'properties.delivery.timeout.ms' allows {allowed_ms} ms."
        );
        self.failure.get_or_insert(crate::client::external(message).with_detail(detail));
    }
}

/// Numbers go on from 0 behind the largest.
fn next_sequence(sequence: i32, count: u32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests;
