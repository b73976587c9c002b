//! Ends the transactions of complete checkpoints.

use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::ids::CheckpointId;
use flott_api::sink::{Committable, Committer};
use flott_api::{Error, Result};

use super::super::consumer::{Arrival, Begin, Consumer, Subscription};
use super::super::failure::Refusal;
use super::super::frame::read_message;
use super::super::place::Place;
use super::super::transaction::{Ending, Pending, Transactions};
use super::Shared;
use crate::link::{Patience, passing, within};

/// Commits.
pub(super) struct PulsarCommitter {
    shared: Arc<Shared>,
    environment: Environment,
}

impl PulsarCommitter {
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Self {
        PulsarCommitter { shared, environment: environment.clone() }
    }

    fn transactions(&self) -> Result<Transactions> {
        let options = &self.shared.options;
        let cluster = self.shared.cluster(&self.environment);
        Transactions::new(cluster, options.sink.transaction_ms, options.retry_ms, Vec::new())
    }

    /// Ends a transaction, however often it is asked for.
    async fn end(
        &self,
        transactions: &mut Transactions,
        pending: &Pending,
        checkpoint: Option<CheckpointId>,
    ) -> Result<()> {
        let mut patience = Patience::new(&self.environment, self.shared.options.retry_ms);
        loop {
            let failure = match transactions.end(pending.id, Ending::Commit).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refusal)) if refusal.is_of_ended_transaction() => {
                    match self.was_committed(pending, &refusal).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => return Err(self.lost(pending, checkpoint, &refusal)),
                        Err(e) => e,
                    }
                }
                Ok(Err(refusal)) => refusal.error(&format!("transaction {}", pending.id)),
                Err(e) => e,
            };
            let wait = patience.after(failure)?;
            self.environment.clock.sleep_ms(wait).await;
        }
    }

    /// A broker forgets transactions that have ended, however they did. What tells is an entry of it: that of a transaction
    /// that was aborted is never given to anybody.
    async fn was_committed(&self, pending: &Pending, refusal: &Refusal) -> Result<bool> {
        let Some((topic, place)) = &pending.entry else { return Ok(false) };
        let kept = self.look(topic, Begin::First).await?.places().await?.mark_delete;
        if kept.ledger != u64::MAX && place.ledger < kept.ledger {
            // Only what all subscriptions have acknowledged goes, and nothing of an open transaction is given to any.
            tracing::warn!(
                "table '{}': transaction {} has ended, and its entry {place} of topic '{topic}' is no longer kept: it is taken \
                 for committed",
                self.shared.table,
                pending.id
            );
            return Ok(true);
        }
        let mut consumer = self.look(topic, Begin::Entry(*place)).await?;
        consumer.allow(1)?;
        let timeout_ms = self.shared.options.client.access.timeout_ms;
        match within(&self.environment, timeout_ms, visible_from(&mut consumer, *place)).await {
            Some(first) => Ok(first?.is_some_and(|first| entry(first) == entry(*place))),
            // Nothing is visible from there on: an older transaction may be open, or this one was aborted and is the last one.
            // The last place that a broker tells of does not part them: it has what nobody can see, too.
            None => Err(passing(format!(
                "transaction {} cannot be ended, and nobody can tell whether it was committed",
                pending.id
            ))
            .with_detail(format!("{}.", refusal.error("Its end").message()))
            .with_hint(
                "If no older transaction of its topic is open, it was aborted: restore an older checkpoint, and give transactions \
                 more time.",
            )),
        }
    }

    /// Looks at a topic, and leaves nothing there.
    async fn look(&self, topic: &str, begin: Begin) -> Result<Consumer> {
        let name = format!("flott-committer-{:016x}", self.environment.rng.next_u64());
        let subscription = Subscription { topic: topic.to_owned(), name, begin };
        Consumer::open(&self.shared.cluster(&self.environment), subscription).await
    }

    /// The rows of a complete checkpoint will never be seen.
    fn lost(&self, pending: &Pending, checkpoint: Option<CheckpointId>, refusal: &Refusal) -> Error {
        let of =
            checkpoint.map_or_else(|| "of a checkpoint".to_owned(), |CheckpointId(id)| format!("of checkpoint {id}"));
        let message =
            format!("rows {of} for table '{}' are lost: transaction {} was aborted", self.shared.table, pending.id);
        Error::external(message)
            .with_detail(format!(
                "{}. A broker aborts a transaction that is open for longer than 'pulsar.sink.transactionTimeoutMillis', also \
                 while the job is down.",
                refusal.error("Its end").message()
            ))
            .with_hint("Restore an older checkpoint, and give transactions more time.")
    }
}

fn entry(place: Place) -> (u64, i64) {
    (place.ledger, place.entry)
}

/// The first entry at or behind a place that is visible; nothing if the topic ends before. The broker may begin some entries
/// before it.
async fn visible_from(consumer: &mut Consumer, place: Place) -> Result<Option<Place>> {
    loop {
        match consumer.take()? {
            Some(Arrival::Message(first, _)) if entry(first) >= entry(place) => return Ok(Some(first)),
            // All messages of an entry are counted.
            Some(Arrival::Message(_, content)) => {
                let messages = read_message(content)?.0.messages.unwrap_or(1);
                consumer.allow(messages.max(1).cast_unsigned())?;
            }
            Some(Arrival::EndOfTopic) => return Ok(None),
            Some(Arrival::MarkDelete(_)) => {}
            None => consumer.client.fill().await?,
        }
    }
}

#[async_trait]
impl Committer for PulsarCommitter {
    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        let pending = committables.iter().map(Pending::read).collect::<Result<Vec<_>>>()?;
        let mut transactions = self.transactions()?;
        for pending in &pending {
            let ended = self.end(&mut transactions, pending, checkpoint).await;
            ended.map_err(|e| e.context(format!("table '{}'", self.shared.table)))?;
        }
        Ok(())
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        let mut transactions = self.transactions()?;
        let mut failure = None;
        for committable in &committables {
            let discarded = match Pending::read(committable) {
                Ok(pending) => transactions.abort_one(pending.id).await,
                Err(e) => Err(e),
            };
            // One that cannot be given up is no reason to keep the others.
            if let Err(e) = discarded {
                failure.get_or_insert(e);
            }
        }
        match failure {
            Some(e) => Err(e.context(format!("table '{}'", self.shared.table))),
            None => Ok(()),
        }
    }
}
