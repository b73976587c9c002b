//! What the tests of this module share: a world with one store, and a small job in it.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId, OperatorUid};
use flott_api::object::{ObjectStore, ObjectStores, PutMode};
use flott_api::testing::objects::{FaultRule, FaultyObjects};
use flott_api::testing::{FakeWorld, MemoryObjects, ready};

use super::directory::CheckpointDirectory;
use super::log::{Begins, Run};
use super::manifest::{Manifest, OperatorSnapshot, SnapshotKind, SubtaskSnapshot};
use super::routing::RoutingObjects;
use crate::handle::{InlineState, StateFile, StoreSnapshot};

pub(crate) const JOB: JobId = JobId(0xabc);
pub(crate) const ROOT: &str = "memory://checkpoints/job";

/// A manifest with these state files.
pub(crate) fn manifest(id: u64, epoch: u64, files: &[(&str, u64)]) -> Manifest {
    let file = |(path, size): &(&str, u64)| StateFile {
        path: (*path).to_owned(),
        size: *size,
        entries: 1,
        key_groups: 0..128,
        checksum: 7,
    };
    let inline = InlineState { bytes: Bytes::from_static(b"\x00\xffsmall"), key_groups: 0..128 };
    let store = StoreSnapshot {
        key_groups: 0..128,
        files: files.iter().map(file).collect(),
        inline: Some(inline),
        ..StoreSnapshot::default()
    };
    let subtask = SubtaskSnapshot { store: Some(store), watermark: Some(5), ..SubtaskSnapshot::default() };
    let operator = OperatorSnapshot {
        uid: OperatorUid("sum".into()),
        name: "Sum".into(),
        max_parallelism: 128,
        subtasks: vec![SubtaskSnapshot::default(), subtask],
        enumerator: None,
        committables: Vec::new(),
    };
    Manifest {
        job: JOB,
        job_name: "a job".into(),
        checkpoint: CheckpointId(id),
        kind: SnapshotKind::Checkpoint,
        timestamp_ms: 1000,
        epoch,
        operators: vec![operator],
        finished: false,
    }
}

/// A world with one store for everything, which can fail.
pub(crate) struct Storage {
    pub(crate) memory: Arc<MemoryObjects>,
    pub(crate) environment: Environment,
}

impl Storage {
    pub(crate) fn new() -> Self {
        Storage { memory: MemoryObjects::new(), environment: FakeWorld::at(1_000_000).environment() }
    }

    pub(crate) fn faulty(&self, rules: Vec<FaultRule>) -> Arc<FaultyObjects> {
        FaultyObjects::new(Arc::clone(&self.memory) as _, rules)
    }

    /// The directory, as a process sees it through these stores.
    pub(crate) fn directory_through(&self, stores: Arc<dyn ObjectStores>) -> CheckpointDirectory {
        CheckpointDirectory::new(RoutingObjects::new(stores, ROOT).unwrap(), &self.environment)
    }

    pub(crate) fn routing(&self) -> Arc<RoutingObjects> {
        RoutingObjects::new(Arc::new(Arc::clone(&self.memory)), ROOT).unwrap()
    }

    pub(crate) fn directory(&self) -> CheckpointDirectory {
        CheckpointDirectory::new(self.routing(), &self.environment)
    }

    /// The directory, claimed, and its epoch.
    pub(crate) fn claimed(&self, run: &str) -> (CheckpointDirectory, u64) {
        let mut directory = self.directory();
        let epoch = ready(directory.claim(self::run(run), Begins::Not)).unwrap().epoch;
        (directory, epoch)
    }

    /// The paths below the directory, without the log.
    pub(crate) fn paths(&self) -> Vec<String> {
        let all = ready(self.routing().list("")).unwrap().into_iter().map(|o| o.path);
        all.filter(|p| !p.starts_with("epochs/")).collect()
    }
}

pub(crate) fn run(name: &str) -> Run {
    Run { nonce: name.to_owned(), host: format!("host-{name}"), pid: 1 }
}

/// Writes a state file of 10 bytes.
pub(crate) fn put_file(directory: &CheckpointDirectory, path: &str) {
    ready(directory.routing().put(path, Bytes::from_static(b"0123456789"), PutMode::Overwrite)).unwrap();
}
