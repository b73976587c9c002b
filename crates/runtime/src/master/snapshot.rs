//! Collects what workers say of a checkpoint, and makes one manifest of it.

use std::collections::{BTreeMap, BTreeSet};

use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::Committable;
use flott_graph::{JobGraph, NodeId};
use flott_state::checkpoint::manifest::{
    CommittableSnapshot, EnumeratorSnapshot, Manifest, OperatorSnapshot, SnapshotKind, SubtaskSnapshot,
};

use crate::coordinator::commit::Committables;
use crate::plan::Plan;
use crate::report::TaskState;

/// A checkpoint that is being taken.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) kind: SnapshotKind,
    pub(crate) timestamp_ms: i64,
    enumerators: BTreeMap<NodeId, EnumeratorSnapshot>,
    acks: BTreeMap<usize, TaskState>,
}

/// Everything that workers have said and that no complete checkpoint has yet.
#[derive(Debug)]
pub(crate) struct Collected {
    pending: BTreeMap<CheckpointId, Pending>,
    /// The last state of workers that have done their work.
    finished: BTreeMap<usize, TaskState>,
    /// What sinks have handed over at a checkpoint or after it; it is committed with the next complete one.
    committables: BTreeMap<CheckpointId, Committables>,
    /// The same of regions that have failed. The next attempt of the region removes what these have hidden.
    forgotten: BTreeMap<CheckpointId, Committables>,
    /// The newest savepoint that is stored: whoever starts from it commits what was handed over up to there.
    saved: Option<CheckpointId>,
    discarded: Vec<String>,
    /// The newest checkpoint that has begun.
    newest: CheckpointId,
    epoch: u64,
}

impl Collected {
    /// Nothing yet. `epoch` is that of this run.
    pub(crate) fn new(newest: CheckpointId, epoch: u64) -> Self {
        Collected {
            pending: BTreeMap::new(),
            finished: BTreeMap::new(),
            committables: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            saved: None,
            discarded: Vec::new(),
            newest,
            epoch,
        }
    }

    /// The newest checkpoint that has begun.
    pub(crate) fn newest(&self) -> CheckpointId {
        self.newest
    }

    pub(crate) fn begin(&mut self, checkpoint: CheckpointId, kind: SnapshotKind, timestamp_ms: i64) {
        self.newest = checkpoint;
        let pending = Pending { kind, timestamp_ms, enumerators: BTreeMap::new(), acks: BTreeMap::new() };
        self.pending.insert(checkpoint, pending);
    }

    pub(crate) fn enumerator(&mut self, node: NodeId, checkpoint: CheckpointId, snapshot: EnumeratorSnapshot) {
        if let Some(pending) = self.pending.get_mut(&checkpoint) {
            pending.enumerators.insert(node, snapshot);
        }
    }

    /// Whether all these enumerators have spoken.
    pub(crate) fn has_enumerators(&self, checkpoint: CheckpointId, of: &[NodeId]) -> bool {
        self.pending.get(&checkpoint).is_some_and(|p| of.iter().all(|n| p.enumerators.contains_key(n)))
    }

    pub(crate) fn ack(&mut self, worker: usize, checkpoint: CheckpointId, mut state: TaskState) {
        self.take_over(checkpoint, &mut state);
        match self.pending.get_mut(&checkpoint) {
            Some(pending) => drop(pending.acks.insert(worker, state)),
            // It was given up already.
            None => self.discarded.extend(rows_files(&state)),
        }
    }

    /// What counts of a worker that takes no part in a checkpoint.
    pub(crate) fn left(&mut self, checkpoint: CheckpointId, mut state: TaskState) {
        self.take_over(checkpoint, &mut state);
    }

    /// A worker's last state counts for every checkpoint that it has not acknowledged.
    pub(crate) fn finish(&mut self, worker: usize, mut state: TaskState) {
        let open = self.pending.iter().find(|(_, p)| !p.acks.contains_key(&worker));
        let checkpoint = open.map_or(CheckpointId(self.newest.0 + 1), |(id, _)| *id);
        self.take_over(checkpoint, &mut state);
        self.finished.insert(worker, state);
    }

    fn take_over(&mut self, checkpoint: CheckpointId, state: &mut TaskState) {
        self.discarded.append(&mut state.discarded);
        for part in &mut state.operators {
            let committables: Vec<Committable> = std::mem::take(&mut part.committables);
            if !committables.is_empty() {
                self.committables.entry(checkpoint).or_default().entry(part.node).or_default().extend(committables);
            }
        }
    }

    /// A checkpoint is given up; what sinks have handed over for it goes with the next one.
    pub(crate) fn abort(&mut self, checkpoint: CheckpointId) {
        let Some(pending) = self.pending.remove(&checkpoint) else { return };
        // Files of state stay the stores', which go on from them; rows under way were for it alone.
        self.discarded.extend(pending.acks.values().flat_map(rows_files));
    }

    /// What is to be committed with this checkpoint, older ones included that were given up.
    pub(crate) fn committables(&self, checkpoint: CheckpointId) -> Committables {
        let mut all = Committables::new();
        for of_one in self.committables.range(..=checkpoint).map(|(_, c)| c) {
            for (node, own) in of_one {
                all.entry(*node).or_default().extend(own.iter().cloned());
            }
        }
        all
    }

    /// All of it: without checkpoints nothing comes in between.
    pub(crate) fn take_committables(&mut self, nodes: &[NodeId]) -> Committables {
        let mut all = Committables::new();
        for of_one in self.committables.values_mut() {
            for node in nodes {
                if let Some(own) = of_one.remove(node) {
                    all.entry(*node).or_default().extend(own);
                }
            }
        }
        all
    }

    /// It is stored: its committables are the manifest's now.
    pub(crate) fn stored(&mut self, checkpoint: CheckpointId) {
        self.pending.remove(&checkpoint);
        let later = CheckpointId(checkpoint.0 + 1);
        self.committables = self.committables.split_off(&later);
        self.forgotten = self.forgotten.split_off(&later);
    }

    /// The workers of a region are gone, and with them all they have said since the last checkpoint.
    pub(crate) fn forget(&mut self, workers: &BTreeSet<usize>, nodes: &[NodeId]) {
        let given_up = std::mem::take(&mut self.pending);
        self.discarded.extend(given_up.values().flat_map(|p| p.acks.values()).flat_map(rows_files));
        self.finished.retain(|worker, _| !workers.contains(worker));
        for (checkpoint, of_one) in &mut self.committables {
            for node in nodes {
                if let Some(own) = of_one.remove(node) {
                    let forgotten = self.forgotten.entry(*checkpoint).or_default();
                    forgotten.entry(*node).or_default().extend(own);
                }
            }
        }
    }

    /// It is stored as a savepoint, and the job goes on.
    pub(crate) fn saved(&mut self, checkpoint: CheckpointId) {
        self.abort(checkpoint);
        self.saved = self.saved.max(Some(checkpoint));
    }

    /// What those have left is gone.
    pub(crate) fn recovered(&mut self, nodes: &[NodeId]) {
        for of_one in self.forgotten.values_mut() {
            of_one.retain(|node, _| !nodes.contains(node));
        }
    }

    /// Whether sinks have handed over anything that no stored checkpoint has.
    pub(crate) fn has_unstored(&self) -> bool {
        self.forgotten.values().chain(self.committables.values()).any(|all| !all.is_empty())
    }

    /// All that sinks have handed over and neither a stored checkpoint nor a savepoint has.
    pub(crate) fn take_unstored(&mut self) -> Committables {
        let mut all = Committables::new();
        for (checkpoint, of_one) in [&mut self.forgotten, &mut self.committables].into_iter().flat_map(std::mem::take) {
            if Some(checkpoint) > self.saved {
                of_one.into_iter().for_each(|(node, own)| all.entry(node).or_default().extend(own));
            }
        }
        all
    }

    /// Whether these workers have read their input to its end, and were not stopped.
    pub(crate) fn have_finished(&self, workers: &BTreeSet<usize>) -> bool {
        let ended = |s: &TaskState| s.operators.iter().all(|p| p.snapshot.finished);
        workers.iter().all(|w| self.finished.get(w).is_some_and(ended))
    }

    pub(crate) fn take_discarded(&mut self) -> Vec<String> {
        std::mem::take(&mut self.discarded)
    }

    /// Files of checkpoints that are not complete.
    pub(crate) fn protected(&self) -> BTreeSet<String> {
        let states = || self.pending.values().flat_map(|p| p.acks.values()).chain(self.finished.values());
        let stores = states().flat_map(|s| &s.operators).filter_map(|p| p.snapshot.store.as_ref());
        let files = stores.flat_map(|s| &s.files).map(|f| f.path.clone());
        files.chain(states().flat_map(rows_files)).collect()
    }

    /// The manifest of a checkpoint that all workers have acknowledged.
    pub(crate) fn manifest(&self, checkpoint: CheckpointId, job: JobId, plan: &Plan, ended: bool) -> Option<Manifest> {
        let pending = self.pending.get(&checkpoint)?;
        let committables = self.committables(checkpoint);
        let mut operators = Vec::new();
        for (task, cut) in plan.tasks.iter().enumerate() {
            for node in &cut.nodes {
                let subtasks = (0..cut.parallelism).map(|s| self.subtask(pending, plan.worker(task, s), *node));
                let subtasks = subtasks.collect();
                let enumerator = pending.enumerators.get(node).cloned();
                let own = committables.get(node).map(Vec::as_slice).unwrap_or_default();
                operators.push(operator(&plan.graph, *node, subtasks, enumerator, own));
            }
        }
        Some(Manifest {
            job,
            job_name: plan.graph.name.clone(),
            checkpoint,
            kind: pending.kind,
            timestamp_ms: pending.timestamp_ms,
            epoch: self.epoch,
            operators,
            finished: ended && self.finished.values().flat_map(|s| &s.operators).all(|p| p.snapshot.finished),
        })
    }

    fn subtask(&self, pending: &Pending, worker: usize, node: NodeId) -> SubtaskSnapshot {
        let state = pending.acks.get(&worker).or_else(|| self.finished.get(&worker));
        let part = state.into_iter().flat_map(|s| &s.operators).find(|p| p.node == node);
        // A source and the operators behind it are told by the same worker; one of them may have nothing to say.
        let finished = state.is_some_and(|s| s.operators.iter().any(|p| p.snapshot.finished));
        part.map_or(SubtaskSnapshot { finished, ..SubtaskSnapshot::default() }, |p| p.snapshot.clone())
    }
}

/// Files with rows under way.
fn rows_files(state: &TaskState) -> Vec<String> {
    let rows = state.operators.iter().flat_map(|p| &p.snapshot.in_flight);
    rows.filter_map(|r| r.file()).map(str::to_owned).collect()
}

fn operator(
    graph: &JobGraph,
    id: NodeId,
    subtasks: Vec<SubtaskSnapshot>,
    enumerator: Option<EnumeratorSnapshot>,
    committables: &[Committable],
) -> OperatorSnapshot {
    let node = graph.node(id);
    OperatorSnapshot {
        uid: node.uid.clone(),
        name: node.name.clone(),
        max_parallelism: node.max_parallelism,
        subtasks,
        enumerator,
        committables: committables
            .iter()
            .map(|c| CommittableSnapshot { id: c.id.clone(), payload: c.payload.clone() })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::report::OperatorPart;

    const NODE: NodeId = NodeId(7);

    fn acknowledged(id: &str) -> TaskState {
        let committables = vec![Committable { id: id.to_owned(), payload: Bytes::new() }];
        let part = OperatorPart { node: NODE, snapshot: SubtaskSnapshot::default(), committables };
        TaskState { operators: vec![part], discarded: Vec::new(), stopped_ns: 0 }
    }

    fn unstored(collected: &mut Collected) -> Vec<String> {
        assert_eq!(collected.has_unstored(), !collected.forgotten.is_empty() || !collected.committables.is_empty());
        collected.take_unstored().into_values().flatten().map(|c| c.id).collect()
    }

    /// One checkpoint, whose region fails behind its acknowledgement; another that has only begun.
    fn failed() -> Collected {
        let mut collected = Collected::new(CheckpointId(0), 1);
        for checkpoint in [1, 2] {
            collected.begin(CheckpointId(checkpoint), SnapshotKind::Checkpoint, 0);
            collected.ack(0, CheckpointId(checkpoint), acknowledged(&format!("c{checkpoint}")));
        }
        collected.forget(&BTreeSet::from([0]), &[NODE]);
        collected
    }

    #[test]
    fn what_a_failed_region_has_handed_over_counts_as_stored_with_its_checkpoint() {
        assert_eq!(unstored(&mut failed()), ["c1", "c2"]);
        let mut stored = failed();
        stored.stored(CheckpointId(1));
        assert_eq!(unstored(&mut stored), ["c2"]);
        let mut saved = failed();
        saved.saved(CheckpointId(1));
        assert_eq!(unstored(&mut saved), ["c2"]);
        let mut recovered = failed();
        recovered.recovered(&[NODE]);
        assert_eq!(recovered.take_unstored(), Committables::new());
    }
}
