//! Where the state of a job's operators lies: opens the store of an operator instance, with what a
//! restored checkpoint has of it.

pub(crate) mod mirror;

use std::sync::Arc;

use flott_api::Result;
use flott_api::env::Environment;
use flott_api::ids::{Attempt, Subtask};
use flott_api::key_group::range_of_subtask;
use flott_api::object::ObjectStore;
use flott_api::state::StateMemory;
use flott_graph::Node;
use flott_state::checkpoint::manifest::OperatorSnapshot;
use flott_state::handle::StoreSnapshot;
use flott_state::store::{BlockCache, SegmentStore, StoreOptions};
use twox_hash::XxHash64;

use crate::in_flight::store::InFlightStore;
use mirror::Mirror;

/// Where state lies.
#[derive(Clone)]
pub(crate) struct StateStorage {
    /// Below the checkpoint directory of the job; or a folder for what does not fit into memory.
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// What the paths of new files begin with; unique for the run of this process.
    pub(crate) prefix: String,
    pub(crate) attempt: Attempt,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) memory: Arc<StateMemory>,
    /// State up to this size lies in the manifest.
    pub(crate) inline_bytes_max: usize,
    /// Whether there are checkpoints.
    pub(crate) durable: bool,
    /// Local copies of the files, if they are remote.
    pub(crate) mirror: Option<Arc<Mirror>>,
}

/// What a store collects before it writes a file; less where memory is scarce.
const MEMTABLE_BYTES_MAX: usize = 32 << 20;
const MEMTABLE_BYTES_MIN: usize = 1 << 20;
/// The part of the memory for hot state that one store may collect besides.
const MEMTABLE_PART: usize = 32;
/// A file is whole in memory before it is written, and a compaction writes one beside the flushes.
const SEGMENT_PART: usize = 32;
const SEGMENT_BYTES_MIN: usize = 8 << 20;
const SEGMENT_BYTES_MAX: usize = 64 << 20;

impl StateStorage {
    /// The store of one operator instance.
    pub(crate) fn open(
        &self,
        node: &Node,
        subtask: Subtask,
        environment: &Environment,
        restored: Option<&OperatorSnapshot>,
    ) -> Result<Arc<SegmentStore>> {
        let parts: Vec<StoreSnapshot> =
            restored.into_iter().flat_map(|o| &o.subtasks).filter_map(|s| s.store.clone()).collect();
        let file_prefix = self.file_prefix(node, subtask);
        let key_groups = range_of_subtask(node.max_parallelism, subtask.parallelism, subtask.index);
        let (objects, cache) = (Arc::clone(&self.objects), Arc::clone(&self.cache));
        let options = StoreOptions {
            memtable_bytes: (self.memory.limit_bytes() / MEMTABLE_PART).clamp(MEMTABLE_BYTES_MIN, MEMTABLE_BYTES_MAX),
            inline_bytes_max: self.inline_bytes_max,
            segment_bytes_max: (self.memory.limit_bytes() / SEGMENT_PART).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
            ..StoreOptions::new(objects, environment.clone(), file_prefix, (subtask, key_groups), cache)
        };
        SegmentStore::open(options, &parts).map_err(|e| e.context(format_args!("operator '{}'", node.name)))
    }

    /// Where the rows under way to an operator instance go.
    pub(crate) fn rows(&self, node: &Node, subtask: Subtask, environment: &Environment) -> InFlightStore {
        let (objects, clock) = (Arc::clone(&self.objects), Arc::clone(&environment.clock));
        InFlightStore::new(objects, clock, self.file_prefix(node, subtask), self.inline_bytes_max)
    }

    fn file_prefix(&self, node: &Node, subtask: Subtask) -> String {
        format!("{}{}-{}-{}-", self.prefix, self.attempt.0, short(&node.uid.0), subtask.index)
    }
}

/// A uid that is fit for a file name. Of the whole uid: those of equal operators differ in their last letters only.
fn short(uid: &str) -> String {
    format!("{:016x}", XxHash64::oneshot(0, uid.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_equal_operators_have_names_of_their_own() {
        let names: std::collections::BTreeSet<String> =
            ["19581fad43529f97", "19581fad43529f97-2", "19581fad43529f97-3", ""].map(short).into();
        assert_eq!(names.len(), 4);
        assert!(names.iter().all(|name| name.len() == 16), "{names:?}");
    }
}
