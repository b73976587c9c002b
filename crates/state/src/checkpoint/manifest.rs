//! What a checkpoint or savepoint consists of: one manifest, and the state files that it names.

use bytes::Bytes;
use flott_api::ids::{CheckpointId, JobId, OperatorUid};
use serde::{Deserialize, Serialize};

use super::location::{is_uri, join};
use crate::handle::{StateFile, StoreSnapshot, base64_text};

/// A checkpoint of a job, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The job; it keeps this id through every restore from here.
    pub job: JobId,
    /// Its name.
    pub job_name: String,
    /// Which checkpoint.
    pub checkpoint: CheckpointId,
    /// What it is for.
    pub kind: SnapshotKind,
    /// When it was triggered; milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The position of its writer's claim in the log of the directory; 0 for a savepoint.
    pub epoch: u64,
    /// The operators with anything to remember.
    pub operators: Vec<OperatorSnapshot>,
    /// Whether the job had read all of its input: nothing is left but to commit.
    pub finished: bool,
}

/// What a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotKind {
    /// Taken by the job for itself; shares files with others of its kind.
    Checkpoint,
    /// Asked for by the user; self-contained.
    Savepoint {
        /// Whether the end of time flowed through before it: every window has fired.
        drained: bool,
    },
}

/// What an operator remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorSnapshot {
    /// Its lasting name.
    pub uid: OperatorUid,
    /// Its name for people.
    pub name: String,
    /// How many key groups. Never changes once there is keyed state.
    pub max_parallelism: u32,
    /// By subtask; as many as its parallelism was.
    pub subtasks: Vec<SubtaskSnapshot>,
    /// Of a source: what its enumerator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enumerator: Option<EnumeratorSnapshot>,
    /// Of a sink: what is to be committed, once this checkpoint is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committables: Vec<CommittableSnapshot>,
}

/// What a source's enumerator remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumeratorSnapshot {
    /// What `SplitEnumerator::snapshot` gave.
    #[serde(with = "base64_text")]
    pub state: Bytes,
    /// Whether it had said that there will be no more splits.
    pub finished: bool,
}

/// What a sink has written and not committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittableSnapshot {
    /// Its lasting name.
    pub id: String,
    /// What the committer must know.
    #[serde(with = "base64_text")]
    pub payload: Bytes,
}

/// What a subtask of an operator remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskSnapshot {
    /// Whether it had come to its end.
    #[serde(default)]
    pub finished: bool,
    /// The watermark in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// Its state and lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSnapshot>,
    /// Of a source: the splits that its reader holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitSnapshot>,
    /// Of a sink: what `SinkWriter::snapshot` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<WriterSnapshot>,
    /// With unaligned checkpoints: what was on its way to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<InFlightSnapshot>,
}

/// A split, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSnapshot {
    /// Its lasting name.
    pub id: String,
    /// In the source's own encoding.
    #[serde(with = "base64_text")]
    pub state: Bytes,
}

/// What a writer remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterSnapshot {
    /// In the sink's own encoding.
    #[serde(with = "base64_text")]
    pub state: Bytes,
}

/// Elements that had been sent and not been worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightSnapshot {
    /// The uid of the operator that sent them.
    pub from: OperatorUid,
    /// The subtask that sent them.
    pub from_subtask: u32,
    /// The input that they were on their way to.
    pub input: u32,
    /// The elements, encoded by the runtime.
    #[serde(with = "base64_text")]
    pub elements: Bytes,
}

impl Manifest {
    /// The state of an operator.
    pub fn operator(&self, uid: &OperatorUid) -> Option<&OperatorSnapshot> {
        self.operators.iter().find(|o| o.uid == *uid)
    }

    /// The paths of all state files that it names; some may come twice.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.state_files().map(|f| f.path.as_str())
    }

    /// All state files that it names; some may come twice.
    pub fn state_files(&self) -> impl Iterator<Item = &StateFile> {
        let subtasks = self.operators.iter().flat_map(|o| &o.subtasks);
        subtasks.filter_map(|s| s.store.as_ref()).flat_map(|s| &s.files)
    }

    /// The same, with every file where `path` says.
    #[must_use]
    pub fn with_paths(&self, path: impl Fn(&str) -> String) -> Manifest {
        let mut moved = self.clone();
        let subtasks = moved.operators.iter_mut().flat_map(|o| &mut o.subtasks);
        for file in subtasks.filter_map(|s| s.store.as_mut()).flat_map(|s| &mut s.files) {
            file.path = path(&file.path);
        }
        moved
    }

    /// The same, for use in another directory: what lies in the one it comes from is named by URI.
    #[must_use]
    pub fn rebased(&self, from_root: &str) -> Manifest {
        self.with_paths(|path| if is_uri(path) { path.to_owned() } else { join(from_root, path) })
    }
}
