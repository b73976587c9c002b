//! What the master does outside of this process, one thing after the other: checkpoints are stored,
//! tables committed, what is no longer needed removed. It happens beside the master's loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::ids::{Attempt, CheckpointId, JobId};
use flott_api::object::ObjectStore;
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use flott_state::checkpoint::manifest::Manifest;
use flott_state::checkpoint::savepoint::write_savepoint;
use flott_state::checkpoint::{CheckpointDirectory, RoutingObjects};
use futures::future::join_all;

use crate::coordinator::commit::{Committables, Committers};

/// Between two questions whether a checkpoint is stored; each asks several times by itself.
const DOUBT_PAUSE_MS: u64 = 1000;

/// What is to be done.
pub(crate) enum Errand {
    /// Store a checkpoint in the directory, if it is one of the job's own, and copy it to a savepoint.
    Store { manifest: Box<Manifest>, log: bool, savepoint: Option<String>, discarded: Vec<String> },
    /// Commit what a checkpoint has written.
    Commit { checkpoint: CheckpointId, committables: Committables },
    /// Before a region starts: remove what earlier attempts have left, and commit again what the newest
    /// checkpoint has. Which one that is, is known only when its turn comes. `dead` is the attempt before.
    Recover { region: usize, dead: Option<Attempt>, newest: Option<Arc<Manifest>>, committables: Committables },
    /// Commit what a region has left, and let its tables know that this was all, if its input has ended.
    CommitRegion { region: usize, committables: Committables, ended: bool },
}

/// What has become of it.
pub(crate) enum Done {
    Stored { manifest: Box<Manifest>, log: bool, savepoint: Option<Result<String>> },
    NotStored { checkpoint: CheckpointId, error: Error },
    Committed { checkpoint: CheckpointId, result: Result<()> },
    Recovered { region: usize, newest: Option<Arc<Manifest>>, result: Result<()> },
    RegionCommitted { region: usize, result: Result<()> },
}

/// What errands need.
pub(crate) struct Vault {
    /// The job, for what it wrote under its name.
    pub(crate) job: JobId,
    pub(crate) directory: Option<CheckpointDirectory>,
    /// By region.
    pub(crate) committers: Vec<Committers>,
    /// By region, jobs of earlier runs that never had a checkpoint: what they have hidden nobody will commit.
    pub(crate) dead: Vec<Vec<JobId>>,
    /// All files of the job, also those of what it was restored from.
    pub(crate) objects: Arc<RoutingObjects>,
    pub(crate) environment: Environment,
    /// What the paths of this run's state files begin with.
    pub(crate) prefix: String,
    pub(crate) retained: usize,
    /// Files that belong to checkpoints that are still being taken.
    pub(crate) protected: BTreeSet<String>,
}

/// An errand under way, which gives the vault back.
pub(crate) type Running = BoxFuture<'static, (Vault, Done)>;

impl Vault {
    /// Does it.
    pub(crate) fn run(mut self, errand: Errand) -> Running {
        Box::pin(async move {
            let done = self.execute(errand).await;
            (self, done)
        })
    }

    async fn execute(&mut self, errand: Errand) -> Done {
        match errand {
            Errand::Store { manifest, log, savepoint, discarded } => {
                let checkpoint = manifest.checkpoint;
                let logged = if log { self.log(&manifest, discarded).await } else { Ok(()) };
                match logged {
                    Ok(()) => self.copy(manifest, log, savepoint).await,
                    Err(error) => Done::NotStored { checkpoint, error },
                }
            }
            Errand::Commit { checkpoint, committables } => {
                let result = self.commit(Some(checkpoint), &committables).await;
                Done::Committed { checkpoint, result }
            }
            Errand::Recover { region, dead, newest, committables } => {
                if let Some(dead) = dead {
                    self.sweep(&format!("{}-", dead.0), self.retained).await;
                }
                let checkpoint = newest.as_ref().map(|m| m.checkpoint);
                let result = self.recover(region, checkpoint, &committables).await;
                Done::Recovered { region, newest, result }
            }
            Errand::CommitRegion { region, committables, ended } => {
                let result = self.commit_region(region, &committables, ended).await;
                Done::RegionCommitted { region, result }
            }
        }
    }

    /// Removes the state files of this run whose names begin so and that no retained checkpoint has.
    pub(crate) async fn sweep(&mut self, begin: &str, keep: usize) {
        let Some(directory) = &mut self.directory else { return };
        let swept = match self.objects.list(&format!("{}{begin}", self.prefix)).await {
            Ok(files) => {
                let names = files.into_iter().map(|f| f.path).collect();
                directory.retire(keep, names, &self.protected).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = swept {
            tracing::warn!("state files that nothing needs cannot be removed: {error}");
        }
    }

    async fn log(&mut self, manifest: &Manifest, discarded: Vec<String>) -> Result<()> {
        let checkpoint = manifest.checkpoint;
        let directory = self.directory.as_mut().ok_or_else(|| Error::internal("there is no checkpoint directory"))?;
        // Until it is known whether the record stands, nobody may go on from an older checkpoint.
        while let Err(error) = directory.complete(manifest).await {
            if !matches!(error.kind(), ErrorKind::External { .. }) {
                return Err(error);
            }
            tracing::warn!(checkpoint = checkpoint.0, "it is not known whether a checkpoint is stored: {error}");
            self.environment.clock.sleep_ms(DOUBT_PAUSE_MS).await;
        }
        // Of a job that has finished only the record that says so is worth keeping.
        let keep = if manifest.finished { 1 } else { self.retained };
        // What is left behind here is found by the next run; the checkpoint is complete.
        if let Err(error) = directory.retire(keep, discarded, &self.protected).await {
            tracing::warn!(checkpoint = checkpoint.0, "what older checkpoints left cannot be removed: {error}");
        }
        Ok(())
    }

    /// First lets those who come later know that the job has a savepoint: what it holds must not be cleaned up.
    async fn save(&mut self, target: &str, manifest: &Manifest) -> Result<String> {
        if let Some(directory) = &mut self.directory {
            directory.settled(&[self.job]).await?;
        }
        write_savepoint(target, manifest, &self.objects, &self.environment).await
    }

    async fn copy(&mut self, manifest: Box<Manifest>, log: bool, savepoint: Option<String>) -> Done {
        let savepoint = match savepoint {
            Some(target) => Some(self.save(&target, &manifest).await),
            None => None,
        };
        match savepoint {
            // Nothing else has it.
            Some(Err(error)) if !log => Done::NotStored { checkpoint: manifest.checkpoint, error },
            savepoint => Done::Stored { manifest, log, savepoint },
        }
    }

    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: &Committables) -> Result<()> {
        for committers in &mut self.committers {
            committers.commit(checkpoint, committables).await?;
        }
        Ok(())
    }

    async fn recover(
        &mut self,
        region: usize,
        checkpoint: Option<CheckpointId>,
        committables: &Committables,
    ) -> Result<()> {
        self.bury(region).await?;
        let committers = &mut self.committers[region];
        committers.recover(self.job, committables).await?;
        match checkpoint {
            Some(_) => committers.commit(checkpoint, committables).await,
            None => Ok(()),
        }
    }

    /// Removes what these have hidden: no checkpoint has them. One table that cannot is no reason to leave the others.
    pub(crate) async fn discard(&mut self, committables: &Committables) -> Result<()> {
        let discarding = self.committers.iter_mut().map(|committers| committers.discard(committables));
        join_all(discarding).await.into_iter().collect()
    }

    /// Cleans up for jobs that never had a checkpoint. When all regions have, nobody has to do it again.
    async fn bury(&mut self, region: usize) -> Result<()> {
        let mut buried = Vec::new();
        while let Some(job) = self.dead[region].last().copied() {
            self.committers[region].recover(job, &Committables::new()).await?;
            self.dead[region].pop();
            buried.push(job);
        }
        match &mut self.directory {
            Some(directory) if self.dead.iter().all(Vec::is_empty) => match directory.settled(&buried).await {
                Err(error) if error.kind() != ErrorKind::Fenced => {
                    // The next run does it once more.
                    tracing::warn!("it cannot be noted that earlier runs are cleaned up for: {error}");
                    Ok(())
                }
                settled => settled,
            },
            _ => Ok(()),
        }
    }

    async fn commit_region(&mut self, region: usize, committables: &Committables, ended: bool) -> Result<()> {
        let committers = &mut self.committers[region];
        committers.commit(None, committables).await?;
        if ended { committers.finish().await } else { Ok(()) }
    }
}

/// What a manifest has to commit, by the operator's place in a graph.
pub(crate) fn committables_of(
    manifest: &Manifest,
    node_of: impl Fn(&flott_api::ids::OperatorUid) -> Option<flott_graph::NodeId>,
) -> Committables {
    let mut all: Committables = BTreeMap::new();
    for operator in &manifest.operators {
        let Some(node) = node_of(&operator.uid) else { continue };
        let own = operator.committables.iter();
        let own = own.map(|c| flott_api::sink::Committable { id: c.id.clone(), payload: c.payload.clone() });
        all.entry(node).or_default().extend(own);
    }
    all.retain(|_, c| !c.is_empty());
    all
}
