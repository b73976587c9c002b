//! A directory in all its life: crashes at every call and retention here, the rest by subject.

mod damage;
mod elsewhere;
mod owners;

use std::collections::BTreeSet;
use std::sync::Mutex;

use flott_api::BoxFuture;
use flott_api::testing::objects::{Crash, Fault, FaultKind, FaultRates, FaultRule, FaultyObjects, Hook, ObjectCall};
use flott_api::testing::ready;

use super::super::log::{MILESTONE, record_path};
use super::super::savepoint::read_snapshot;
use super::super::testing::{ROOT, Storage, manifest, put_file, run};
use super::super::{check_directory, manifest::SnapshotKind, savepoint::write_savepoint};
use super::*;

const NONE: BTreeSet<String> = BTreeSet::new();

/// Completes a checkpoint with files of its own epoch, `shared/<epoch>/<name>.seg`, which are written too.
fn complete(directory: &mut CheckpointDirectory, id: u64, names: &[&str]) -> Result<CheckpointRecord> {
    let epoch = directory.epoch()?;
    let paths: Vec<String> = names.iter().map(|name| format!("shared/{epoch:020}/{name}.seg")).collect();
    complete_paths(directory, id, &paths)
}

fn complete_paths(directory: &mut CheckpointDirectory, id: u64, paths: &[String]) -> Result<CheckpointRecord> {
    let epoch = directory.epoch()?;
    for path in paths.iter().filter(|p| p.starts_with(&format!("shared/{epoch:020}/"))) {
        ready(directory.objects.put(path, Bytes::from_static(b"0123456789"), PutMode::Overwrite))?;
    }
    let files: Vec<(&str, u64)> = paths.iter().map(|p| (p.as_str(), 10)).collect();
    ready(directory.complete(&manifest(id, epoch, &files)))
}

fn good(directory: &mut CheckpointDirectory) -> Option<(u64, usize)> {
    let good = ready(directory.latest_good()).unwrap()?;
    assert_eq!(good.manifest.checkpoint, good.record.id);
    Some((good.record.id.0, good.damaged.len()))
}

fn assert_clean(storage: &Storage) {
    let report = ready(check_directory(&storage.routing(), &storage.environment)).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// A new run claims; it finds this checkpoint, cleans up, and can go on.
fn recovers(storage: &Storage, expected: &[Option<u64>], told: &str) -> Option<u64> {
    let (mut directory, _) = storage.claimed("later");
    let found = good(&mut directory).map(|(id, damaged)| {
        assert_eq!(damaged, 0, "{told}");
        id
    });
    assert!(expected.contains(&found), "{told}: {found:?}");
    let before = ready(check_directory(&storage.routing(), &storage.environment)).unwrap();
    assert!(before.missing.is_empty() && before.damaged.is_empty(), "{told}: {before:?}");
    ready(directory.remove_orphans(&NONE)).unwrap();
    assert_clean(storage);
    complete(&mut directory, 100, &["next"]).unwrap();
    ready(directory.retire(1, vec![], &NONE)).unwrap();
    assert_eq!(good(&mut directory), Some((100, 0)), "{told}");
    found
}

/// Runs `work` with a crash at every call that it makes, in both ways, and then checks.
fn at_every_crash(
    prepare: impl Fn() -> (Storage, CheckpointDirectory),
    work: impl Fn(&mut CheckpointDirectory) -> Result<()>,
    check: impl Fn(&Storage, bool, &str),
) {
    let calls = {
        let (storage, directory) = prepare();
        let faulty = storage.faulty(vec![]);
        work(&mut through(&storage, directory, &faulty)).unwrap();
        check(&storage, true, "no crash");
        faulty.calls()
    };
    assert!(!calls.is_empty());
    for (n, call) in (1..).zip(&calls) {
        for crash in [Crash::Before, Crash::ReplyLost] {
            let (storage, directory) = prepare();
            let faulty = storage.faulty(FaultRule::crash(n, crash));
            let done = work(&mut through(&storage, directory, &faulty)).is_ok();
            let fired = faulty.fired(FaultKind::Fail) + faulty.fired(FaultKind::LoseReply);
            assert!(fired > 0, "the crash did not come at call {n}");
            check(&storage, done, &format!("{crash:?} at call {n} of {}, {call:?}", calls.len()));
        }
    }
}

/// The same directory, but its calls go through these stores from now on.
fn through(storage: &Storage, directory: CheckpointDirectory, stores: &Arc<FaultyObjects>) -> CheckpointDirectory {
    let other = storage.directory_through(Arc::new(Arc::clone(stores)));
    let mut directory = CheckpointDirectory { objects: other.objects, routing: other.routing, ..directory };
    if let Some(log) = &mut directory.log {
        log.read_through(LogReader::new(Arc::clone(&directory.objects), ROOT));
    }
    directory
}

/// The runtime moves these futures between threads.
#[test]
fn all_of_it_can_run_in_a_task() {
    fn sent<T: Send>(_: T) {}
    let storage = Storage::new();
    let mut directory = storage.directory();
    let manifest = manifest(1, 1, &[]);
    sent(directory.claim(run("a"), Begins::Not));
    sent(directory.complete(&manifest));
    sent(directory.latest_good());
    sent(directory.verify(&manifest));
    sent(directory.retire(1, vec![], &NONE));
    sent(directory.remove_orphans(&NONE));
    sent(directory.drop_job());
    sent(check_directory(directory.routing(), &storage.environment));
    sent(write_savepoint("/x", &manifest, directory.routing(), &storage.environment));
    sent(read_snapshot("/x", Arc::new(Arc::clone(&storage.memory)), &storage.environment));
}

#[test]
fn a_new_job_has_nothing_and_then_its_newest_checkpoint() {
    let storage = Storage::new();
    let (mut directory, epoch) = storage.claimed("a");
    assert_eq!((epoch, good(&mut directory)), (1, None));
    let record = complete(&mut directory, 1, &["a"]).unwrap();
    assert_eq!((record.position, record.path.as_str()), (2, "chk-1/_metadata"));
    complete(&mut directory, 2, &["a", "b"]).unwrap();
    assert_eq!(good(&mut directory), Some((2, 0)));
    let mut next = storage.directory();
    let claimed = ready(next.claim(run("b"), Begins::Not)).unwrap();
    assert_eq!((claimed.epoch, claimed.retained.len(), claimed.latest.unwrap().id.0), (4, 2, 2));
    assert_clean(&storage);
}

#[test]
fn what_was_claimed_by_another_run_is_fenced_by_name() {
    let storage = Storage::new();
    let (mut old, _) = storage.claimed("old");
    complete(&mut old, 1, &["a"]).unwrap();
    let (mut new, _) = storage.claimed("new");
    let error = complete(&mut old, 2, &["b"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(error.message(), format!("the run 'new' on host 'host-new' (pid 1) took over '{ROOT}'"));
    for error in [
        ready(old.retire(1, vec![], &NONE)).unwrap_err(),
        ready(old.remove_orphans(&NONE)).map(drop).unwrap_err(),
        ready(old.drop_job()).unwrap_err(),
        complete(&mut old, 3, &[]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Fenced);
    }
    // The manifest of the fenced run is in the way.
    assert_eq!(complete(&mut new, 2, &["c"]).unwrap().path, "chk-2/_metadata-3");
    assert_eq!(good(&mut new), Some((2, 0)));
    let snapshot =
        ready(read_snapshot(&format!("{ROOT}/chk-2"), Arc::new(Arc::clone(&storage.memory)), &storage.environment));
    assert_eq!(snapshot.unwrap().manifest.epoch, 3);
}

#[test]
fn a_crash_while_a_checkpoint_is_completed_leaves_the_old_or_the_new_one() {
    let outcomes = Mutex::new(BTreeSet::new());
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut directory, _) = storage.claimed("a");
            complete(&mut directory, 1, &["a"]).unwrap();
            (storage, directory)
        },
        |directory| complete(directory, 2, &["a", "b"]).map(drop),
        |storage, done, told| {
            let expected: &[_] = if done { &[Some(2)] } else { &[Some(1), Some(2)] };
            outcomes.lock().unwrap().insert((done, recovers(storage, expected, told)));
        },
    );
    // A reply that was lost at the record: complete, and nobody knew.
    let all = [(false, Some(1)), (false, Some(2)), (true, Some(2))];
    assert_eq!(outcomes.into_inner().unwrap().into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_crash_while_claiming_or_cleaning_up_loses_nothing() {
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut directory, epoch) = storage.claimed("a");
            complete(&mut directory, 1, &["a"]).unwrap();
            complete(&mut directory, 2, &["b"]).unwrap();
            put_file(&directory, &format!("shared/{epoch:020}/orphan.seg"));
            ready(
                directory.put_manifest(&manifest(3, epoch, &[]), &encode_manifest(&manifest(3, epoch, &[])).unwrap()),
            )
            .unwrap();
            let fresh = storage.directory();
            (storage, fresh)
        },
        |directory| {
            ready(directory.claim(run("b"), Begins::Not))?;
            ready(directory.latest_good())?;
            ready(directory.remove_orphans(&NONE)).map(drop)
        },
        |storage, _, told| {
            recovers(storage, &[Some(2)], told);
        },
    );
}

#[test]
fn a_crash_while_retiring_leaves_orphans_and_no_dangling_name() {
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut directory, _) = storage.claimed("a");
            for (id, names) in [(1, ["a", "b"]), (2, ["b", "c"]), (3, ["c", "d"])] {
                complete(&mut directory, id, &names).unwrap();
            }
            (storage, directory)
        },
        |directory| {
            let discarded = vec![format!("shared/{:020}/a.seg", directory.epoch()?)];
            ready(directory.retire(1, discarded, &NONE))
        },
        |storage, done, told| {
            if done {
                assert_clean(storage);
                assert_eq!(storage.paths().len(), 3, "{:?}", storage.paths());
            }
            recovers(storage, &[Some(3)], told);
        },
    );
}

#[test]
fn a_crash_while_the_job_is_dropped_leaves_it_or_nothing() {
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut directory, _) = storage.claimed("a");
            complete(&mut directory, 1, &["a", "b"]).unwrap();
            (storage, directory)
        },
        |directory| ready(directory.drop_job()),
        |storage, done, told| {
            if done {
                assert!(storage.memory.all().is_empty(), "{told}: {:?}", storage.memory.all().keys());
            }
            recovers(storage, &[Some(1), None], told);
        },
    );
}

#[test]
fn files_go_when_the_last_checkpoint_that_names_them_does() {
    let storage = Storage::new();
    let (mut directory, _) = storage.claimed("a");
    complete(&mut directory, 1, &["a", "b"]).unwrap();
    complete(&mut directory, 2, &["b", "c"]).unwrap();
    let path = |name: &str| format!("shared/{:020}/{name}.seg", 1);
    put_file(&directory, &path("pending"));
    // Discarded files stay while a checkpoint names them or somebody needs them.
    let protected = BTreeSet::from([path("pending"), format!("{ROOT}/{}", path("a"))]);
    ready(directory.retire(2, vec![path("b"), path("pending")], &protected)).unwrap();
    assert_eq!(storage.paths().len(), 6);
    ready(directory.retire(1, vec![], &protected)).unwrap();
    assert_eq!(storage.paths(), ["chk-2/_metadata".to_owned(), path("a"), path("b"), path("c"), path("pending")]);
    ready(directory.retire(1, vec![], &NONE)).unwrap();
    assert_eq!(storage.paths(), ["chk-2/_metadata".to_owned(), path("b"), path("c")]);
    let (mut next, _) = storage.claimed("b");
    complete_paths(&mut next, 3, &[path("c")]).unwrap();
    ready(next.retire(0, vec![], &NONE)).unwrap();
    assert_eq!(storage.paths(), ["chk-3/_metadata".to_owned(), path("c")]);
    assert_clean(&storage);
}

#[test]
fn a_run_that_was_replaced_deletes_nothing_of_its_successor() {
    let storage = Storage::new();
    complete(&mut storage.claimed("a").0, 1, &["a"]).unwrap();
    let (mut zombie, _) = storage.claimed("zombie");
    let (mut new, epoch) = storage.claimed("new");
    put_file(&new, &format!("shared/{epoch:020}/being-written.seg"));
    // Its manifest is there, and its record is not.
    let next = manifest(2, epoch, &[]);
    ready(new.put_manifest(&next, &encode_manifest(&next).unwrap())).unwrap();
    assert_eq!(ready(zombie.remove_orphans(&NONE)).unwrap(), Vec::<String>::new());
    assert_eq!(ready(new.complete(&next)).unwrap().path, "chk-2/_metadata");
}

#[test]
fn a_bad_network_changes_nothing_but_the_time_it_takes() {
    let kinds = [FaultKind::Fail, FaultKind::LoseReply, FaultKind::StaleList];
    let mut fired = [0; 3];
    for seed in 0..20 {
        let storage = Storage::new();
        let rates = FaultRates { stale_list: 300, ..FaultRates::default() };
        let faulty = FaultyObjects::seeded(Arc::clone(&storage.memory) as _, seed, rates);
        let mut last = None;
        for round in 0..5 {
            let mut directory = storage.directory_through(Arc::new(Arc::clone(&faulty)));
            ready(directory.claim(run(&format!("{round}")), Begins::Not)).unwrap();
            assert_eq!(good(&mut directory), last.map(|id| (id, 0)), "seed {seed}");
            ready(directory.remove_orphans(&NONE)).unwrap();
            for id in round * 10 + 1..=round * 10 + 10 {
                complete(&mut directory, id, &["a", &format!("{id}")]).unwrap();
                ready(directory.retire(2, vec![], &NONE)).unwrap();
                last = Some(id);
            }
        }
        kinds.iter().zip(&mut fired).for_each(|(kind, all)| *all += faulty.fired(*kind));
        // What a stale listing hid is left until the next claim.
        recovers(&storage, &[last], "a bad network");
    }
    assert!(fired.iter().all(|n| *n > 50), "{fired:?}");
}
