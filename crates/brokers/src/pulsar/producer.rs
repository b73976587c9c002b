//! Producers of partitions, over a connection to each broker that has some of them.

use std::collections::VecDeque;

use flott_api::{Error, Result};
use futures::future::select_all;

use super::client::{Client, Event};
use super::cluster::Cluster;
use super::failure::{Refusal, moved};
use super::frame::{put_message, senseless};
use super::place::Place;
use super::proto::{BaseCommand, CommandProducer, CommandSend, Kind, MessageMetadata};
use super::transaction::TxnId;
use crate::link::{passing, within};

/// So many entries, and about so many bytes, are under way without a receipt.
const WINDOW_ENTRIES: usize = 256;
const WINDOW_BYTES: usize = 4 << 20;
const NS_PER_MS: u64 = 1_000_000;

/// What stays of a partition's producer when connections change: with the same name and numbers a broker that removes
/// duplicates knows what is sent again.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: String,
    /// As the broker has named the producer.
    name: Option<String>,
    /// How often it was made.
    epoch: u64,
    /// The number of the next message.
    pub(super) next: u64,
}

impl Partition {
    pub(super) fn new(topic: String) -> Self {
        Partition { topic, name: None, epoch: 0, next: 0 }
    }

    /// The same, for a producer that is made again.
    pub(super) fn again(&self) -> Self {
        let Partition { topic, name, epoch, next } = self;
        Partition { topic: topic.clone(), name: name.clone(), epoch: *epoch, next: *next }
    }
}

/// An entry to be written.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which of the partitions.
    pub(super) partition: usize,
    pub(super) metadata: MessageMetadata,
    pub(super) payload: Vec<u8>,
    pub(super) acknowledged: bool,
    /// Where it lies, once the broker has said so.
    pub(super) place: Option<Place>,
}

/// Producers that are open.
pub(super) struct Producers {
    clients: Vec<Client>,
    /// For each partition which client has it.
    of_partitions: Vec<usize>,
    cluster: Cluster,
}

impl Producers {
    /// Makes the producers of these partitions.
    ///
    /// # Errors
    /// If a broker cannot be reached, or does not let them be made.
    pub(super) async fn open(cluster: Cluster, partitions: &mut [Partition], transactions: bool) -> Result<Self> {
        let (mut clients, mut addresses) = (Vec::<Client>::new(), Vec::new());
        let mut of_partitions = Vec::with_capacity(partitions.len());
        for (id, partition) in partitions.iter_mut().enumerate() {
            let (client, address) = cluster.look_up(&partition.topic).await?;
            let at = match addresses.iter().position(|other| *other == address) {
                Some(at) => at,
                None => {
                    let client = match client {
                        Some(client) => client,
                        None => Client::open(&cluster.environment, &cluster.options, &address).await?,
                    };
                    clients.push(client);
                    addresses.push(address);
                    clients.len() - 1
                }
            };
            make(&mut clients[at], id, partition, transactions).await?;
            of_partitions.push(at);
        }
        Ok(Producers { clients, of_partitions, cluster })
    }

    /// Sends what has no receipt yet, and waits until all have one.
    ///
    /// # Errors
    /// If a broker refuses, or does not answer; what has its receipt says so.
    pub(super) async fn write(
        &mut self,
        partitions: &[Partition],
        entries: &mut [Entry],
        transaction: Option<TxnId>,
    ) -> Result<()> {
        let mut waiting: Vec<VecDeque<usize>> = vec![VecDeque::new(); partitions.len()];
        let (mut next, mut count, mut bytes) = (0, 0, 0);
        let timeout_ms = self.cluster.options.access.timeout_ms;
        let clock = std::sync::Arc::clone(&self.cluster.environment.clock);
        // Since when there is no receipt: a broker that only shows that it lives acknowledges nothing.
        let mut since_ns = clock.monotonic_ns();
        loop {
            let mut frames: Vec<Vec<u8>> = vec![Vec::new(); self.clients.len()];
            while next < entries.len() && count < WINDOW_ENTRIES && bytes < WINDOW_BYTES {
                let entry = &mut entries[next];
                if !entry.acknowledged {
                    let client = self.of_partitions[entry.partition];
                    check_size(entry, self.clients[client].message_bytes)?;
                    put(&mut frames[client], &partitions[entry.partition], entry, transaction);
                    waiting[entry.partition].push_back(next);
                    (count, bytes) = (count + 1, bytes + entry.payload.len());
                }
                next += 1;
            }
            for (client, frames) in self.clients.iter().zip(frames) {
                client.send(frames)?;
            }
            if count == 0 {
                return Ok(());
            }
            for (at, client) in self.clients.iter_mut().enumerate() {
                while let Some(event) = client.take()? {
                    let Some((entry, place)) = receipt(event, &mut waiting, entries, partitions)? else { continue };
                    debug_assert_eq!(self.of_partitions[entries[entry].partition], at);
                    (entries[entry].acknowledged, entries[entry].place) = (true, place);
                    (count, bytes) = (count - 1, bytes - entries[entry].payload.len());
                    since_ns = clock.monotonic_ns();
                }
            }
            let room = next < entries.len() && count < WINDOW_ENTRIES / 2 && bytes < WINDOW_BYTES / 2;
            if count > 0 && !room {
                let filled = select_all(self.clients.iter_mut().map(|client| Box::pin(client.fill())));
                let gone_ms = clock.monotonic_ns().saturating_sub(since_ns) / NS_PER_MS;
                match within(&self.cluster.environment, timeout_ms.saturating_sub(gone_ms), filled).await {
                    Some((filled, ..)) => filled?,
                    None => return Err(passing("Pulsar does not acknowledge messages")),
                }
            }
        }
    }
}

async fn make(client: &mut Client, id: usize, partition: &mut Partition, transactions: bool) -> Result<()> {
    let (topic, name, epoch) = (partition.topic.clone(), partition.name.clone(), partition.epoch);
    let what = format!("topic '{topic}'");
    let made = client.ask(Kind::Producer, &what, |c, request| {
        c.producer = Some(Box::new(CommandProducer {
            topic,
            producer: id as u64,
            request,
            name,
            epoch: Some(epoch),
            name_is_users: Some(false),
            transactions: transactions.then_some(true),
        }));
    });
    let made = made.await?.producer_success.ok_or_else(senseless)?;
    if made.ready == Some(false) {
        return Err(passing(format!("{what}: another producer has it for itself")));
    }
    partition.name = Some(made.name);
    partition.epoch += 1;
    Ok(())
}

/// What is larger than the broker takes would break the connection, again and again.
fn check_size(entry: &Entry, most: usize) -> Result<()> {
    if entry.payload.len() <= most {
        return Ok(());
    }
    Err(Error::data(format!(
        "a message of {} bytes is larger than the {most} that the broker takes",
        entry.payload.len()
    ))
    .with_hint("Raise 'maxMessageSize' of brokers and bookies, compress, or write smaller rows."))
}

fn put(out: &mut Vec<u8>, partition: &Partition, entry: &mut Entry, transaction: Option<TxnId>) {
    let metadata = &mut entry.metadata;
    metadata.producer_name = partition.name.clone().unwrap_or_default();
    (metadata.txn_least, metadata.txn_most) = transaction.map(|id| (id.least, id.most)).unzip();
    let send = CommandSend {
        producer: entry.partition as u64,
        sequence_id: metadata.sequence_id,
        messages: metadata.messages,
        txn_least: metadata.txn_least,
        txn_most: metadata.txn_most,
        highest_sequence_id: metadata.highest_sequence_id,
    };
    let command = BaseCommand { kind: Kind::Send as i32, send: Some(send), ..BaseCommand::default() };
    put_message(out, &command, metadata, &entry.payload);
}

/// Which entry has its receipt, and where it lies.
fn receipt(
    event: Event,
    waiting: &mut [VecDeque<usize>],
    entries: &[Entry],
    partitions: &[Partition],
) -> Result<Option<(usize, Option<Place>)>> {
    let at = |id: u64| usize::try_from(id).ok().filter(|at| *at < waiting.len());
    match event {
        Event::Receipt(receipt) => {
            let Some(partition) = at(receipt.producer) else { return Ok(None) };
            let first = waiting[partition].front().copied();
            // Others are of what was sent before, and was given up.
            let Some(first) = first.filter(|at| entries[*at].metadata.sequence_id == receipt.sequence_id) else {
                return Ok(None);
            };
            waiting[partition].pop_front();
            Ok(Some((first, receipt.message_id.map(|id| Place::of(&id)))))
        }
        Event::Refused(error) => {
            let what =
                at(error.producer).map_or("a message".to_owned(), |at| format!("topic '{}'", partitions[at].topic));
            Err(Refusal::of(error.error, &error.message).error(&what))
        }
        Event::Closed(id) => match at(id) {
            Some(at) => Err(moved(&partitions[at].topic)),
            None => Ok(None),
        },
        Event::Message(..) | Event::EndOfTopic | Event::Answer(_) => Ok(None),
    }
}
