//! Committing transactions, and rolling back those that no checkpoint has.
//!
//! A commit whose answer was lost, or that failed, is asked about: only what is committed counts as committed. The transactions
//! of a checkpoint are committed one after the other, those of each writer in the order in which they were loaded; who reads
//! meanwhile may see some of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer};
use flott_api::{Error, Result};

use super::labels::{Labels, Place, Prepared};
use super::options::LoadOptions;
use super::protocol::{Database, State};
use crate::web::again::Tries;
use crate::web::passing;

/// Commits the transactions of one sink.
pub(super) struct StreamLoadCommitter {
    database: Database,
    options: Arc<LoadOptions>,
    table: String,
    /// The sink's among those of the job.
    tag: u64,
    environment: Environment,
}

impl StreamLoadCommitter {
    /// The committer of the sink with that tag; `table` is for messages.
    pub(super) fn new(
        database: Database,
        options: &Arc<LoadOptions>,
        table: &str,
        tag: u64,
        environment: &Environment,
    ) -> Self {
        let (options, environment) = (Arc::clone(options), environment.clone());
        StreamLoadCommitter { database, options, table: table.to_owned(), tag, environment }
    }

    async fn state(&mut self, label: &str) -> Result<State> {
        let mut tries = Tries::new(self.options.again);
        loop {
            match self.database.state(label).await {
                Ok(state) => return Ok(state),
                Err(e) => tries.after(e, &self.environment).await?,
            }
        }
    }

    /// Rolls back what a lineage has left behind from that transaction on, but for what is to be committed.
    async fn sweep(&mut self, labels: &Labels, from: Place, kept: &BTreeSet<String>) -> Result<()> {
        for number in from.number.. {
            let label = labels.label(Place { number, ..from });
            if kept.contains(&label) {
                continue;
            }
            match self.state(&label).await? {
                State::Unknown => break,
                State::Aborted | State::Committed => {}
                State::Running | State::Prepared => self.roll_back(&label).await?,
            }
        }
        Ok(())
    }

    async fn roll_back(&mut self, label: &str) -> Result<()> {
        let mut tries = Tries::new(self.options.again);
        while let Err(e) = self.database.roll_back(label).await {
            if matches!(self.database.state(label).await, Ok(State::Aborted | State::Unknown)) {
                break;
            }
            tries.after(e, &self.environment).await?;
        }
        Ok(())
    }

    async fn commit_one(&mut self, label: &str) -> Result<()> {
        let mut tries = Tries::new(self.options.again);
        loop {
            let Err(error) = self.database.commit(label).await else { return Ok(()) };
            let error = match self.database.state(label).await {
                Ok(State::Committed) => return Ok(()),
                Ok(State::Prepared | State::Running) => {
                    passing(format!("transaction '{label}' is not committed: {error}"))
                }
                Ok(state @ (State::Unknown | State::Aborted)) => {
                    return Err(Error::external(format!("transaction '{label}' of a checkpoint cannot be committed: it is {state:?}"))
                        .with_detail("The database has given it up, or has forgotten it, before the job could commit it: its rows are lost, unless it was committed long ago.")
                        .with_hint("How long the database keeps prepared transactions and labels are settings of its front ends; it must be longer than a job is down."));
                }
                Err(e) => e,
            };
            tries.after(error, &self.environment).await?;
        }
    }
}

#[async_trait]
impl Committer for StreamLoadCommitter {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        let labels = Labels::new(&self.options.prefix, job, self.tag);
        let (mut next, mut kept) = (Vec::new(), BTreeSet::new());
        for committable in committables {
            let prepared = Prepared::of(committable)?;
            next.push(prepared.next);
            kept.extend(prepared.labels);
        }
        for place in &next {
            self.sweep(&labels, *place, &kept).await?;
        }
        for lineage in 0.. {
            if next.iter().any(|place| place.lineage == lineage) {
                continue;
            }
            let first = Place { lineage, number: 0 };
            match self.state(&labels.label(first)).await? {
                State::Unknown => break,
                State::Committed => {}
                State::Running | State::Prepared | State::Aborted => self.sweep(&labels, first, &kept).await?,
            }
        }
        Ok(())
    }

    async fn commit(&mut self, _checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        for committable in &committables {
            for label in Prepared::of(committable)?.labels {
                let committed = self.commit_one(&label).await;
                committed.map_err(|e| e.context(format!("table '{}'", self.table)))?;
            }
        }
        Ok(())
    }
}
