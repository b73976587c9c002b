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
    /// With unaligned checkpoints: what was on its way to it, piece by piece, in the order in which it is read
    /// again.
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

/// A piece of what had been sent to a subtask and not been worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightSnapshot {
    /// Who had sent it.
    pub edges: Vec<InFlightEdge>,
    /// How many rows.
    pub rows: u64,
    /// Bytes, as they are encoded.
    pub bytes: u64,
    /// The elements, encoded by the runtime in the form of [`in_flight`](super::in_flight).
    pub place: InFlightPlace,
}

/// An edge on which something was on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightEdge {
    /// The uid of the operator that had sent it.
    pub from: OperatorUid,
    /// Its name for people.
    pub from_name: String,
    /// The parallelism that it had.
    pub parallelism: u32,
    /// The input that it was on its way to.
    pub input: u32,
    /// How rows were spread over the subtasks, in words of the runtime's.
    pub spread: String,
    /// The types of the columns, as Flink writes them.
    pub types: String,
}

/// Where elements on their way lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InFlightPlace {
    /// In the manifest itself.
    Inline(#[serde(with = "base64_text")] Bytes),
    /// In a file of this checkpoint alone.
    File {
        /// Its path in the directory of the job, or its URI if it lies elsewhere.
        path: String,
        /// The checksum with which it ends.
        checksum: u32,
    },
}

impl InFlightSnapshot {
    /// The path of its file, if it has one.
    pub fn file(&self) -> Option<&str> {
        match &self.place {
            InFlightPlace::Inline(_) => None,
            InFlightPlace::File { path, .. } => Some(path),
        }
    }
}

impl Manifest {
    /// The state of an operator.
    pub fn operator(&self, uid: &OperatorUid) -> Option<&OperatorSnapshot> {
        self.operators.iter().find(|o| o.uid == *uid)
    }

    /// The paths of all files that it names; some may come twice.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sized_files().map(|(path, _)| path)
    }

    /// The same with their sizes.
    pub fn sized_files(&self) -> impl Iterator<Item = (&str, u64)> {
        let rows = self.in_flight().filter_map(|f| f.file().map(|path| (path, f.bytes)));
        self.state_files().map(|f| (f.path.as_str(), f.size)).chain(rows)
    }

    /// All state files that it names; some may come twice.
    pub fn state_files(&self) -> impl Iterator<Item = &StateFile> {
        self.subtasks().filter_map(|s| s.store.as_ref()).flat_map(|s| &s.files)
    }

    /// All that was on its way.
    pub fn in_flight(&self) -> impl Iterator<Item = &InFlightSnapshot> {
        self.subtasks().flat_map(|s| &s.in_flight)
    }

    fn subtasks(&self) -> impl Iterator<Item = &SubtaskSnapshot> {
        self.operators.iter().flat_map(|o| &o.subtasks)
    }

    /// The same, with every file where `path` says.
    #[must_use]
    pub fn with_paths(&self, path: impl Fn(&str) -> String) -> Manifest {
        let mut moved = self.clone();
        for subtask in moved.operators.iter_mut().flat_map(|o| &mut o.subtasks) {
            for file in subtask.store.iter_mut().flat_map(|s| &mut s.files) {
                file.path = path(&file.path);
            }
            for piece in &mut subtask.in_flight {
                if let InFlightPlace::File { path: own, .. } = &mut piece.place {
                    *own = path(own);
                }
            }
        }
        moved
    }

    /// The same, for use in another directory: what lies in the one it comes from is named by URI.
    #[must_use]
    pub fn rebased(&self, from_root: &str) -> Manifest {
        self.with_paths(|path| if is_uri(path) { path.to_owned() } else { join(from_root, path) })
    }
}
