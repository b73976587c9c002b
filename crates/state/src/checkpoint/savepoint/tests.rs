//! Savepoints that are whole or none, and paths that are snapshots or not.

use flott_api::ErrorKind;
use flott_api::testing::objects::{Crash, Fault, FaultKind, FaultRule, ObjectCall};
use flott_api::testing::ready;

use super::super::testing::{ROOT, Storage, manifest, put_file};
use super::*;

const FILES: [(&str, u64); 3] =
    [("shared/1/a.seg", 10), ("shared/2/a.seg", 10), ("memory://other/job/shared/1/a.seg", 10)];

fn savepoint() -> Manifest {
    Manifest { kind: SnapshotKind::Savepoint { drained: true }, ..manifest(7, 3, &FILES) }
}

/// A job with the files of the savepoint.
fn storage() -> Storage {
    let storage = Storage::new();
    FILES.iter().for_each(|(path, _)| put_file(&storage.directory(), path));
    storage
}

fn write(storage: &Storage, rules: Vec<FaultRule>) -> (Result<String>, Arc<flott_api::testing::FaultyObjects>) {
    let faulty = storage.faulty(rules);
    let source = RoutingObjects::new(Arc::new(Arc::clone(&faulty)), ROOT).unwrap();
    (ready(write_savepoint("memory://save/", &savepoint(), &source, &storage.environment)), faulty)
}

fn open(storage: &Storage, uri: &str) -> Result<Snapshot> {
    ready(read_snapshot(uri, Arc::new(Arc::clone(&storage.memory)), &storage.environment))
}

fn saved(storage: &Storage) -> Vec<String> {
    storage.memory.all().into_keys().filter(|p| p.starts_with("save/")).collect()
}

#[test]
fn a_savepoint_needs_nothing_outside_and_can_be_moved() {
    let storage = storage();
    let folder = write(&storage, vec![]).0.unwrap();
    assert!(
        folder.starts_with("memory://save/savepoint-000000-")
            && folder.len() == "memory://save/savepoint-000000-".len() + 12
    );
    let all = storage.memory.all();
    for (path, bytes) in &all {
        storage.memory.damage(path, None);
        if let Some((_, rest)) = path.strip_prefix("save/").and_then(|p| p.split_once('/')) {
            storage.memory.damage(&format!("moved/here/{rest}"), Some(bytes.clone()));
        }
    }
    let snapshot = open(&storage, "memory://moved/here").unwrap();
    assert_eq!((snapshot.root.as_str(), snapshot.manifest.epoch), ("memory://moved/here", 0));
    assert_eq!(snapshot, open(&storage, "memory://moved/here/_metadata").unwrap());
    let rebased = snapshot.manifest.rebased(&snapshot.root);
    assert!(rebased.files().all(|p| p.starts_with("memory://moved/here/state/")));
    ready(storage.directory().verify(&rebased)).unwrap();
    assert_eq!(rebased.with_paths(|_| "x".into()), Manifest { epoch: 0, ..savepoint().with_paths(|_| "x".into()) });
}

#[test]
fn a_crash_at_any_call_leaves_a_whole_savepoint_or_none() {
    let calls = write(&storage(), vec![]).1.calls().len() as u64;
    assert!(calls >= 5);
    for n in 1..=calls {
        for crash in [Crash::Before, Crash::ReplyLost] {
            let storage = storage();
            let (outcome, faulty) = write(&storage, FaultRule::crash(n, crash));
            assert!(outcome.is_err() && faulty.fired(FaultKind::Fail) > 0);
            let opened: Vec<String> = saved(&storage).into_iter().filter(|p| p.ends_with(METADATA)).collect();
            for path in &opened {
                let snapshot = open(&storage, &format!("memory://{path}")).unwrap();
                ready(storage.directory().verify(&snapshot.manifest.rebased(&snapshot.root))).unwrap();
            }
            assert_eq!(opened.len(), usize::from(n == calls && crash == Crash::ReplyLost), "{crash:?} at {n}");
        }
    }
}

#[test]
fn a_failure_cleans_up_and_a_lost_reply_is_no_failure() {
    let storage = storage();
    storage.memory.damage("other/job/shared/1/a.seg", None);
    let error = write(&storage, vec![]).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    assert!(error.message().starts_with("savepoint 'memory://save/savepoint-000000-"), "{error}");
    assert_eq!(saved(&storage), [""; 0]);
    storage.memory.damage("other/job/shared/1/a.seg", Some(bytes::Bytes::from_static(b"short")));
    assert_eq!(write(&storage, vec![]).0.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(saved(&storage), [""; 0]);
    let storage = self::storage();
    let lost = vec![
        FaultRule::on(ObjectCall::Copy, "").nth(2).then(Fault::LoseReply { retry: true }),
        FaultRule::on(ObjectCall::Put, "").then(Fault::LoseReply { retry: true }),
    ];
    let (folder, faulty) = write(&storage, lost);
    assert_eq!(faulty.fired_by_rule(), [1, 1]);
    open(&storage, &folder.unwrap()).unwrap();
}

#[test]
fn a_checkpoint_is_opened_by_its_folder_or_its_manifest() {
    let storage = Storage::new();
    let (mut directory, epoch) = storage.claimed("a");
    let path = format!("shared/{epoch:020}/a.seg");
    put_file(&directory, &path);
    ready(directory.complete(&manifest(7, epoch, &[(path.as_str(), 10)]))).unwrap();
    for uri in [
        "memory://checkpoints/job/chk-7",
        "memory://checkpoints/job/chk-7/",
        "memory://checkpoints/job/chk-7/_metadata",
    ] {
        let snapshot = open(&storage, uri).unwrap();
        assert_eq!((snapshot.root.as_str(), snapshot.manifest.checkpoint.0), (ROOT, 7));
        assert_eq!(snapshot.manifest.rebased(&snapshot.root).files().next().unwrap(), format!("{ROOT}/{path}"));
    }
}

#[test]
fn a_path_without_a_snapshot_is_told_with_what_is_there() {
    let storage = Storage::new();
    let (mut directory, epoch) = storage.claimed("a");
    let told = |uri: &str| {
        let error = open(&storage, uri).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), format!("there is no savepoint or checkpoint at '{uri}'"));
        format!("{} {}", error.detail().unwrap(), error.hint().unwrap_or_default())
    };
    assert_eq!(told("memory://nowhere"), "There is nothing at this path. ");
    assert_eq!(told("memory://nowhere/_metadata"), "There is nothing at this path. ");
    assert!(told(ROOT).starts_with("It is the folder of a job without a checkpoint."));
    put_file(&directory, "chk-3/x");
    assert!(told("memory://checkpoints/job/chk-3").starts_with("It has no '_metadata'"));
    ready(directory.complete(&manifest(7, epoch, &[]))).unwrap();
    assert_eq!(
        told(ROOT),
        "It is a folder with snapshots: 'chk-7'. Name one of them, as in 'memory://checkpoints/job/chk-7'."
    );
    storage.memory.damage("checkpoints/job/chk-7/_metadata", Some(bytes::Bytes::from_static(b"x")));
    assert_eq!(open(&storage, "memory://checkpoints/job/chk-7").unwrap_err().kind(), ErrorKind::Corrupt);
}
