//! Commits tables: all committables of a table for one checkpoint together.
//!
//! Several sinks of a job may write the same table (a statement set); sinks with the same
//! specification share a committer.

use std::collections::BTreeMap;

use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};
use flott_graph::{JobGraph, NodeId, Role};
use futures::future::join_all;

use crate::Plugins;
use crate::task::{Blame, caught};

/// What is to be committed, by the sink that wrote it.
pub(crate) type Committables = BTreeMap<NodeId, Vec<Committable>>;

/// The sinks of one table with one specification.
struct Part {
    /// The sink's name, for messages.
    name: String,
    table: String,
    nodes: Vec<NodeId>,
    spec: SinkSpec,
    committer: Option<Box<dyn Committer>>,
}

/// The committers of some of a job's tables.
pub(crate) struct Committers {
    parts: Vec<Part>,
}

impl Committers {
    /// Those of the tables that these nodes write.
    ///
    /// # Errors
    /// If a committer cannot be made.
    pub(crate) fn open(graph: &JobGraph, nodes: &[NodeId], plugins: &Plugins) -> Result<Self> {
        let mut parts: Vec<Part> = Vec::new();
        for id in nodes {
            let node = graph.node(*id);
            let Role::Sink(spec) = &node.role else { continue };
            match parts.iter_mut().find(|p| p.spec == *spec) {
                Some(part) => part.nodes.push(*id),
                None => parts.push(Part {
                    name: node.name.clone(),
                    table: spec.table.clone(),
                    nodes: vec![*id],
                    committer: plugins.table(&spec.connector)?.sink(spec)?.committer(&plugins.environment)?,
                    spec: spec.clone(),
                }),
            }
        }
        // All parts of one table one behind the other.
        parts.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(Committers { parts })
    }

    /// Removes what earlier attempts have left besides these.
    pub(crate) async fn recover(&mut self, job: JobId, committables: &Committables) -> Result<()> {
        for part in &mut self.parts {
            let own = part.own(committables);
            let blame = part.blame();
            if let Some(committer) = &mut part.committer {
                caught(&blame, committer.recover(job, &own)).await?;
            }
        }
        Ok(())
    }

    /// Commits, table by table.
    pub(crate) async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: &Committables) -> Result<()> {
        for part in &mut self.parts {
            let own = part.own(committables);
            let (blame, table) = (part.blame(), &part.table);
            match &mut part.committer {
                Some(committer) => caught(&blame, committer.commit(checkpoint, own)).await?,
                None if own.is_empty() => {}
                None => return Err(Error::internal(format!("table '{table}' has committables and no committer"))),
            }
        }
        Ok(())
    }

    /// Removes what these have hidden; they are in no checkpoint. All tables at once: one whose system does not answer is no
    /// reason to leave the others.
    pub(crate) async fn discard(&mut self, committables: &Committables) -> Result<()> {
        let discarding = self.parts.iter_mut().map(async |part| {
            let own = part.own(committables);
            let blame = part.blame();
            match &mut part.committer {
                Some(committer) if !own.is_empty() => caught(&blame, committer.discard(own)).await,
                _ => Ok(()),
            }
        });
        join_all(discarding).await.into_iter().collect()
    }

    /// The input has ended and the last commit is done.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        for part in &mut self.parts {
            let blame = part.blame();
            if let Some(committer) = &mut part.committer {
                caught(&blame, committer.finish()).await?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn own(&self, committables: &Committables) -> Vec<Committable> {
        self.nodes.iter().filter_map(|n| committables.get(n)).flatten().cloned().collect()
    }

    fn blame(&self) -> Blame {
        Blame { operators: vec![self.name.clone()], worker: "committer".to_owned() }
    }
}
