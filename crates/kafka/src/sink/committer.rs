//! Ends the transactions of complete checkpoints.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer};
use flott_api::{Error, Result};

use super::Shared;
use super::committable::Pending;
use crate::client::{Cluster, Code, Ended, Patience, external};
use crate::options::LostTransactions;

/// How Kafka names the end of a transaction that is being made known, and one that is.
const COMMITTED: [&str; 2] = ["PrepareCommit", "CompleteCommit"];
/// Aborting what is left needs no time at all, but a producer that is asked for.
const ABORT_TIMEOUT_MS: u32 = 60_000;
/// Between two questions for the transactions that there are.
const SETTLE_MS: u64 = 300;

/// Commits.
pub(super) struct KafkaCommitter {
    shared: Arc<Shared>,
    environment: Environment,
    cluster: Cluster,
}

impl KafkaCommitter {
    /// The committer of one table.
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Self {
        let cluster = Cluster::new(environment, &Arc::new(shared.options.properties.client.clone()));
        KafkaCommitter { shared, environment: environment.clone(), cluster }
    }

    fn patience(&self) -> Patience {
        let settings = self.cluster.settings();
        Patience::new(&self.environment, settings, Some(settings.api_timeout_ms))
    }

    /// Ends a transaction, however often it is asked for.
    async fn end(&mut self, pending: &Pending, checkpoint: Option<CheckpointId>) -> Result<()> {
        let mut patience = self.patience();
        loop {
            match self.end_once(pending, checkpoint).await {
                Err(e) => patience.after(e).await?,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn end_once(&mut self, pending: &Pending, checkpoint: Option<CheckpointId>) -> Result<()> {
        let Pending { id, producer, protocol } = pending;
        let code = match self.cluster.end_transaction(id, *producer, *protocol, true).await? {
            Ended::Done => return Ok(()),
            Ended::Refused(code) => code,
        };
        // Its name was never used for another transaction, so its state is that of this one.
        let state = self.cluster.describe_transaction(id).await?;
        match &state {
            Some((state, _)) if COMMITTED.contains(&state.as_str()) => Ok(()),
            Some((state, _)) if state == "Ongoing" && code != Code::ProducerFenced => {
                Err(external(format!("transaction '{id}' cannot be ended: {code}")))
            }
            _ => self.lost(pending, checkpoint, state.map_or("unknown", |_| "aborted"), code),
        }
    }

    /// The records of a complete checkpoint will never be seen.
    fn lost(&self, pending: &Pending, checkpoint: Option<CheckpointId>, state: &str, code: Code) -> Result<()> {
        let of =
            checkpoint.map_or_else(|| "of a checkpoint".to_owned(), |CheckpointId(id)| format!("of checkpoint {id}"));
        let table = &self.shared.table;
        let error = Error::external(format!(
            "records {of} for table '{table}' are lost: transaction '{}' is {state}",
            pending.id
        ))
        .with_detail(format!(
            "Kafka answers {code} to its end. It aborts a transaction that is open for longer than \
                 'properties.transaction.timeout.ms', also while the job is down."
        ))
        .with_hint(
            "With 'sink.lost-transactions' = 'log' the job goes on without them; else restore an older checkpoint.",
        );
        match self.shared.options.sink.lost_transactions {
            LostTransactions::Fail => Err(error),
            LostTransactions::Log => {
                tracing::error!("{error}");
                Ok(())
            }
        }
    }

    async fn abort(&mut self, id: &str) -> Result<()> {
        let mut patience = self.patience();
        loop {
            match self.cluster.init_producer(Some(id), ABORT_TIMEOUT_MS).await {
                Ok(_) => return Ok(()),
                Err((_, e)) => patience.after(e).await?,
            }
        }
    }

    /// Brokers that have just started say that there is nothing before they know: the same must be said twice.
    async fn left_behind(&mut self, prefix: &str) -> Result<BTreeSet<String>> {
        let (mut patience, mut before) = (self.patience(), None);
        loop {
            match self.cluster.unfinished_transactions(prefix).await {
                Ok(left) if before.as_ref() == Some(&left) => return Ok(left),
                Ok(left) => {
                    before = Some(left);
                    self.environment.clock.sleep_ms(SETTLE_MS).await;
                }
                Err(e) => {
                    before = None;
                    patience.after(e).await?;
                }
            }
        }
    }
}

#[async_trait]
impl Committer for KafkaCommitter {
    /// Aborts what earlier attempts have begun and no checkpoint has, so that nobody waits for it. Also where nothing is
    /// written yet: records of a process that has died may be on their way, and would open the transaction later.
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        let known: BTreeSet<&str> = committables.iter().map(|c| c.id.as_str()).collect();
        for id in self.left_behind(&self.shared.names_prefix(job)).await? {
            if !known.contains(id.as_str()) {
                self.abort(&id).await?;
                tracing::info!("transaction '{id}' of an earlier attempt is in no checkpoint, and was aborted");
            }
        }
        Ok(())
    }

    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        for committable in &committables {
            self.end(&Pending::decode(committable)?, checkpoint).await?;
        }
        Ok(())
    }

    /// Only whoever has this producer and epoch is answered, so what another run has begun stays.
    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        for committable in &committables {
            let Pending { id, producer, protocol } = Pending::decode(committable)?;
            let mut patience = self.patience();
            let ended = loop {
                match self.cluster.end_transaction(&id, producer, protocol, false).await {
                    Ok(ended) => break ended,
                    Err(e) => patience.after(e).await?,
                }
            };
            if let Ended::Refused(code) = ended {
                tracing::warn!("transaction '{id}' is in no checkpoint, and cannot be aborted: {code}");
            }
        }
        Ok(())
    }
}
