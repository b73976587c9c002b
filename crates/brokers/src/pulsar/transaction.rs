//! Transactions: begun by a writer, ended by the committer, by an id that lies in the checkpoint between.
//!
//! Transactions of the next two checkpoints are begun when that of this one is handed over, and their ids lie in the writer's
//! state. A writer that is restored gives up what was begun behind its checkpoint, also for one that never was complete: an open
//! transaction holds up readers until it times out.

use std::collections::VecDeque;

use bytes::Bytes;
use flott_api::sink::Committable;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::cluster::Cluster;
use super::failure::Refusal;
use super::frame::senseless;
use super::place::{Place, partition_name};
use super::proto::{CommandAddPartition, CommandEndTxn, CommandNewTxn, CommandTcConnect, Kind};
use crate::link::{Patience, passing};

/// Its partitions are the coordinators of transactions.
const COORDINATORS: &str = "persistent://pulsar/system/transaction_coordinator_assign";
const VERSION: u32 = 1;
const NS_PER_MS: u64 = 1_000_000;
/// For the checkpoint that comes, and for the one behind it, which is written while that is not complete.
const AHEAD: usize = 2;

/// The id of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TxnId {
    /// Which coordinator has it.
    pub(super) most: u64,
    pub(super) least: u64,
}

impl std::fmt::Display for TxnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({},{})", self.most, self.least)
    }
}

/// How a transaction is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Commit = 0,
    Abort = 1,
}

/// A transaction that is to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    version: u32,
    pub(super) id: TxnId,
    /// An entry of it: whether that can be read tells whether the transaction was committed.
    pub(super) entry: Option<(String, Place)>,
}

impl Pending {
    /// As the checkpoint keeps it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn committable(&self) -> Result<Committable> {
        let payload =
            serde_json::to_vec(self).map_err(|e| Error::internal("a committable cannot be written").with_source(e))?;
        Ok(Committable { id: format!("{}-{}", self.id.most, self.id.least), payload: Bytes::from(payload) })
    }

    /// That of a committable.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn read(committable: &Committable) -> Result<Self> {
        let damaged = || Error::corrupt(format!("committable '{}' is damaged", committable.id));
        let read: Pending = serde_json::from_slice(&committable.payload).map_err(|e| damaged().with_source(e))?;
        if read.version == VERSION { Ok(read) } else { Err(damaged()) }
    }
}

/// What a writer's state says.
#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    begun: Vec<TxnId>,
}

struct Begun {
    id: TxnId,
    since_ns: u64,
    partitions: Vec<String>,
    entry: Option<(String, Place)>,
}

/// The transactions of a writer, one after the other.
pub(super) struct Transactions {
    cluster: Cluster,
    timeout_ms: u64,
    retry_ms: u64,
    /// The first one is written.
    begun: VecDeque<Begun>,
    /// Of earlier writers, in no checkpoint.
    left: Vec<TxnId>,
    coordinator: Option<(u64, Client)>,
}

impl Transactions {
    /// None yet.
    ///
    /// # Errors
    /// If what an earlier writer has left is damaged.
    pub(super) fn new(cluster: Cluster, timeout_ms: u64, retry_ms: u64, restored: Vec<Bytes>) -> Result<Self> {
        let mut left = Vec::new();
        for bytes in restored.iter().filter(|bytes| !bytes.is_empty()) {
            let damaged = || Error::corrupt("the state of a writer is damaged");
            let state: State = serde_json::from_slice(bytes).map_err(|e| damaged().with_source(e))?;
            if state.version != VERSION {
                return Err(damaged());
            }
            left.extend(state.begun);
        }
        Ok(Transactions { cluster, timeout_ms, retry_ms, begun: VecDeque::new(), left, coordinator: None })
    }

    /// What is begun now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn snapshot(&self) -> Result<Bytes> {
        let state = State { version: VERSION, begun: self.begun.iter().map(|begun| begun.id).collect() };
        let bytes = serde_json::to_vec(&state);
        bytes.map(Bytes::from).map_err(|e| Error::internal("a writer's state cannot be written").with_source(e))
    }

    /// The transaction, which these partitions are part of from now on.
    ///
    /// # Errors
    /// If it cannot be begun, or has ended by itself.
    pub(super) async fn begin(&mut self, partitions: &[String]) -> Result<TxnId> {
        let mut patience = Patience::new(&self.cluster.environment, self.retry_ms);
        loop {
            let failure = match self.ahead(1).await {
                Ok(()) => match self.add(partitions).await {
                    Ok(id) => return Ok(id),
                    Err(e) => e,
                },
                Err(e) => e,
            };
            self.coordinator = None;
            let wait = patience.after(failure)?;
            self.cluster.environment.clock.sleep_ms(wait).await;
        }
    }

    /// Gives up what earlier writers have left, and begins so many transactions.
    async fn ahead(&mut self, count: usize) -> Result<()> {
        while let Some(id) = self.left.last().copied() {
            self.abort_one(id).await?;
            self.left.pop();
        }
        while self.begun.len() < count {
            let begun = self.new_transaction().await?;
            self.begun.push_back(begun);
        }
        Ok(())
    }

    async fn add(&mut self, partitions: &[String]) -> Result<TxnId> {
        let Some(begun) = self.begun.front() else { return Err(Error::internal("a transaction is not begun")) };
        let missing: Vec<String> = partitions.iter().filter(|one| !begun.partitions.contains(one)).cloned().collect();
        let (id, is_empty) = (begun.id, begun.partitions.is_empty());
        if missing.is_empty() {
            return Ok(id);
        }
        let (partitions, what) = (missing.clone(), what(id));
        let added = self.coordinator(id.most).await?.try_ask(Kind::AddPartitionToTxn, &what, |c, request| {
            let (least, most) = (Some(id.least), Some(id.most));
            c.add_partition = Some(CommandAddPartition { request, least, most, partitions });
        });
        match added.await? {
            Ok(_) => {}
            // It has timed out before it was used: another one does as well.
            Err(refusal) if is_empty && refusal.is_of_ended_transaction() => {
                self.begun.pop_front();
                return Err(passing(refusal.error(&what).message().to_owned()));
            }
            Err(refusal) => return Err(refusal.error(&what)),
        }
        if let Some(begun) = self.begun.front_mut() {
            begun.partitions.extend(missing);
        }
        Ok(id)
    }

    /// An entry is in the transaction.
    pub(super) fn written(&mut self, topic: &str, place: Option<Place>) {
        if let (Some(begun), Some(place)) = (self.begun.front_mut(), place) {
            begun.entry = Some((topic.to_owned(), place));
        }
    }

    /// What is to be committed; the next transaction is begun, unless nothing more is written.
    ///
    /// # Errors
    /// If it cannot be begun, or what is to be committed has timed out.
    pub(super) async fn hand_over(&mut self, end_of_input: bool) -> Result<Option<Pending>> {
        let pending = self.begun.pop_front_if(|begun| !begun.partitions.is_empty());
        let (now_ns, limit_ns) =
            (self.cluster.environment.clock.monotonic_ns(), self.timeout_ms.saturating_mul(NS_PER_MS));
        if let Some(begun) = pending.as_ref().filter(|begun| now_ns.saturating_sub(begun.since_ns) >= limit_ns) {
            return Err(timed_out(begun.id));
        }
        let pending = pending.map(|begun| Pending { version: VERSION, id: begun.id, entry: begun.entry });
        if end_of_input {
            self.abort().await;
            return Ok(pending);
        }
        // One that nobody has used for long would time out in the hand.
        let is_old = |begun: &mut Begun| now_ns.saturating_sub(begun.since_ns) > limit_ns / 2;
        while let Some(begun) = self.begun.pop_front_if(is_old) {
            self.give_up(begun.id).await;
        }
        let mut patience = Patience::new(&self.cluster.environment, self.retry_ms);
        while let Err(e) = self.ahead(AHEAD).await {
            self.coordinator = None;
            let wait = patience.after(e)?;
            self.cluster.environment.clock.sleep_ms(wait).await;
        }
        Ok(pending)
    }

    /// Gives up what is begun, as far as the broker hears of it.
    pub(super) async fn abort(&mut self) {
        while let Some(begun) = self.begun.pop_front() {
            self.give_up(begun.id).await;
        }
    }

    async fn give_up(&mut self, id: TxnId) {
        if let Err(e) = self.abort_one(id).await {
            tracing::warn!("transaction {id} is left to time out: {e}");
        }
    }

    /// Aborts a transaction; one that has ended needs nothing.
    ///
    /// # Errors
    /// If its coordinator does not answer, or refuses.
    pub(super) async fn abort_one(&mut self, id: TxnId) -> Result<()> {
        match self.end(id, Ending::Abort).await? {
            Err(refusal) if !refusal.is_of_ended_transaction() => Err(refusal.error(&what(id))),
            _ => Ok(()),
        }
    }

    async fn new_transaction(&mut self) -> Result<Begun> {
        let mut client = self.cluster.any().await?;
        let count = self.cluster.partitions(&mut client, COORDINATORS, false).await;
        let count = count.map_err(|e| {
            e.with_hint("Transactions need 'transactionCoordinatorEnabled=true' at the brokers, and their metadata initialised.")
        })?;
        let most = self.cluster.environment.rng.next_u64() % u64::from(count.unwrap_or(1).max(1));
        let (timeout_ms, since_ns) = (self.timeout_ms, self.cluster.environment.clock.monotonic_ns());
        let begun = self.coordinator(most).await?.ask(Kind::NewTxn, "a new transaction", |c, request| {
            c.new_txn = Some(CommandNewTxn { request, ttl_ms: Some(timeout_ms), coordinator: Some(most) });
        });
        let begun = begun.await?.new_txn_response.ok_or_else(senseless)?;
        let id = TxnId { most: begun.most.unwrap_or_default(), least: begun.least.unwrap_or_default() };
        Ok(Begun { id, since_ns, partitions: Vec::new(), entry: None })
    }

    /// Ends a transaction; a refusal is an answer.
    ///
    /// # Errors
    /// If its coordinator does not answer.
    pub(super) async fn end(&mut self, id: TxnId, ending: Ending) -> Result<std::result::Result<(), Refusal>> {
        let what = what(id);
        let asked = self.coordinator(id.most).await?.try_ask(Kind::EndTxn, &what, |c, request| {
            let (least, most, action) = (Some(id.least), Some(id.most), Some(ending as i32));
            c.end_txn = Some(CommandEndTxn { request, least, most, action });
        });
        let asked = asked.await;
        if asked.is_err() {
            self.coordinator = None;
        }
        Ok(asked?.map(|_| ()))
    }

    /// A connection to a coordinator.
    async fn coordinator(&mut self, number: u64) -> Result<&mut Client> {
        if self.coordinator.as_ref().is_none_or(|(other, _)| *other != number) {
            let partition = u32::try_from(number).map_err(|_| senseless())?;
            let mut client = self.cluster.owner(&partition_name(COORDINATORS, partition)).await?;
            let what = format!("the transaction coordinator {number}");
            let connected = client.ask(Kind::TcClientConnectRequest, &what, |c, request| {
                c.tc_connect = Some(CommandTcConnect { request, coordinator: number });
            });
            connected.await?;
            self.coordinator = Some((number, client));
        }
        let client = self.coordinator.as_mut().map(|(_, client)| client);
        client.ok_or_else(|| Error::internal("a coordinator is not connected"))
    }
}

/// A checkpoint that has it would be complete, and its rows lost.
fn timed_out(id: TxnId) -> Error {
    passing(format!("transaction {id} has timed out before its checkpoint"))
        .with_detail("The job goes on from its last checkpoint.")
        .with_hint(
            "Option 'pulsar.sink.transactionTimeoutMillis' must be longer than two checkpoint intervals and the time that a job \
             may be down.",
        )
}

fn what(id: TxnId) -> String {
    format!("transaction {id}")
}
