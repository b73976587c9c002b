//! Owners, crashes at every call, retention, damage, and snapshots from elsewhere.

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
    sent(directory.claim(run("a")));
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
    let claimed = ready(next.claim(run("b"))).unwrap();
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
            ready(directory.claim(run("b")))?;
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
fn a_dropped_job_that_others_ran_keeps_the_log_that_fences_them() {
    let storage = Storage::new();
    let (mut old, _) = storage.claimed("old");
    complete(&mut old, 1, &["a"]).unwrap();
    let (mut new, _) = storage.claimed("new");
    ready(new.drop_job()).unwrap();
    assert_eq!(storage.paths(), [""; 0]);
    assert_eq!(complete(&mut old, 2, &["a"]).unwrap_err().kind(), ErrorKind::Fenced);
    recovers(&storage, &[None], "dropped");
}

#[test]
fn of_two_that_claim_at_the_same_time_one_can_go_on() {
    let calls = {
        let storage = Storage::new();
        complete(&mut storage.claimed("first").0, 1, &["a"]).unwrap();
        let faulty = storage.faulty(vec![]);
        ready(storage.directory_through(Arc::new(Arc::clone(&faulty))).claim(run("a"))).unwrap();
        faulty.calls().len() as u64
    };
    let mut winners = BTreeSet::new();
    for n in 1..=calls + 1 {
        let storage = Storage::new();
        complete(&mut storage.claimed("first").0, 1, &["a"]).unwrap();
        let other = Arc::new(Mutex::new(storage.directory()));
        let hook = hook(&other, |other| drop(ready(other.claim(run("b"))).unwrap()));
        let rule = FaultRule::any("").nth(n).then(Fault::Wait(hook));
        let faulty = storage.faulty(if n > calls { vec![] } else { vec![rule] });
        let mut one = storage.directory_through(Arc::new(Arc::clone(&faulty)));
        ready(one.claim(run("a"))).unwrap();
        if n > calls {
            ready(other.lock().unwrap().claim(run("b"))).unwrap();
        }
        let mut other = other.lock().unwrap();
        let (first, second) = (complete(&mut one, 2, &["x"]), complete(&mut other, 2, &["y"]));
        assert_eq!(u32::from(first.is_ok()) + u32::from(second.is_ok()), 1, "at call {n}");
        winners.insert(first.is_ok());
        assert_eq!(first.and(second).unwrap_err().kind(), ErrorKind::Fenced);
        recovers(&storage, &[Some(2)], "two claims");
    }
    assert_eq!(winners.len(), 2, "both orders must have come");
}

/// Lets somebody else do something in the middle of a call.
fn hook(
    other: &Arc<Mutex<CheckpointDirectory>>,
    work: impl Fn(&mut CheckpointDirectory) + Send + Sync + 'static,
) -> Hook {
    let other = Arc::clone(other);
    Arc::new(move |_, _| {
        work(&mut other.lock().unwrap());
        Box::pin(std::future::ready(())) as BoxFuture<'static, ()>
    })
}

#[test]
fn a_claim_between_any_two_calls_of_an_owner_fences_it_or_comes_after() {
    for n in 1..=4 {
        let storage = Storage::new();
        let (mut owner, _) = storage.claimed("a");
        complete(&mut owner, 1, &["a"]).unwrap();
        let other = Arc::new(Mutex::new(storage.directory()));
        let hook = hook(&other, |other| drop(ready(other.claim(run("b"))).unwrap()));
        let faulty = storage.faulty(vec![FaultRule::on(ObjectCall::Put, "").nth(n).then(Fault::Wait(hook))]);
        let mut owner = through(&storage, owner, &faulty);
        let outcome = complete(&mut owner, 2, &["b"]);
        let mut other = other.lock().unwrap();
        match outcome {
            Ok(_) => assert_eq!((n, faulty.fired(FaultKind::Wait)), (4, 0)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Fenced, "put {n}");
                assert_eq!(good(&mut other), Some((1, 0)));
                assert_eq!(complete(&mut other, 2, &["c"]).unwrap().id.0, 2);
            }
        }
    }
}

#[test]
fn whoever_was_slow_does_not_claim_a_number_that_was_freed() {
    let storage = Storage::new();
    let (owner, epoch) = storage.claimed("a");
    let owner = Arc::new(Mutex::new(owner));
    // While the other one is about to put its claim, the owner writes and trims many records.
    let hook = hook(&owner, |owner| {
        for id in 1..=2 * MILESTONE + 10 {
            complete(owner, id, &[]).unwrap();
            ready(owner.retire(1, vec![], &NONE)).unwrap();
        }
    });
    let faulty =
        storage.faulty(vec![FaultRule::on(ObjectCall::Put, "checkpoints/job/epochs/").then(Fault::Wait(hook))]);
    let mut slow = storage.directory_through(Arc::new(Arc::clone(&faulty)));
    let next = format!("checkpoints/job/{}", record_path(epoch + 1));
    let claimed = ready(slow.claim(run("slow"))).unwrap();
    assert!(faulty.calls().contains(&(ObjectCall::Put, next.clone())), "it tried the old number");
    assert!(faulty.calls().contains(&(ObjectCall::Delete, next)), "and that was free, so it took it back");
    assert_eq!(claimed.epoch, epoch + 2 * MILESTONE + 11);
    assert_eq!(good(&mut slow), Some((2 * MILESTONE + 10, 0)));
    assert_eq!(complete(&mut owner.lock().unwrap(), 999, &[]).unwrap_err().kind(), ErrorKind::Fenced);
}

#[test]
fn old_records_are_deleted_but_claims_and_milestones_are_not() {
    let storage = Storage::new();
    for (run, ids) in [("a", 1..=150), ("b", 151..=330), ("c", 331..=450)] {
        let (mut directory, _) = storage.claimed(run);
        for id in ids {
            complete(&mut directory, id, &[]).unwrap();
            ready(directory.retire(2, vec![], &NONE)).unwrap();
        }
    }
    let listed = ready(storage.routing().list("epochs/")).unwrap();
    let left: Vec<u64> = listed.iter().filter_map(|o| super::super::log::position_of(&o.path)).collect();
    let below: Vec<u64> = left.iter().copied().filter(|p| *p < 400).collect();
    assert_eq!(below, [1, 100, 152, 200, 300, 333]);
    assert_eq!(*left.last().unwrap(), 453);
    // A listing that knows nothing of the last 1000 changes, which are all.
    let faulty = storage.faulty(vec![FaultRule::on(ObjectCall::List, "").then(Fault::StaleList { changes: 9999 })]);
    for object in listed.iter().skip(1) {
        let path = format!("checkpoints/job/{}", object.path);
        let bytes = ready(storage.memory.get(&path)).unwrap().unwrap();
        storage.memory.damage(&path, None);
        ready(faulty.put(&path, bytes, PutMode::Create)).unwrap();
    }
    let mut late = storage.directory_through(Arc::new(Arc::clone(&faulty)));
    assert_eq!(ready(late.claim(run("d"))).unwrap().epoch, 454);
    assert_eq!(faulty.fired(FaultKind::StaleList), 1);
}

#[test]
fn a_record_whose_reply_was_lost_for_good_is_found_by_the_next_checkpoint() {
    let storage = Storage::new();
    let (directory, _) = storage.claimed("a");
    // The put of the record has its effect, and then the store is away until patience ends.
    let rules = vec![
        FaultRule::on(ObjectCall::Put, "checkpoints/job/epochs/").then(Fault::LoseReply { retry: true }),
        FaultRule::on(ObjectCall::Put, "checkpoints/job/epochs/").nth(2).times(6).then(Fault::Fail { retry: true }),
    ];
    let faulty = storage.faulty(rules);
    let mut directory = through(&storage, directory, &faulty);
    assert_eq!(complete(&mut directory, 1, &["a"]).unwrap_err().kind(), ErrorKind::External { retry: true });
    assert_eq!(faulty.fired_by_rule(), [1, 6]);
    // Its files are not deleted although the caller takes it for failed.
    ready(directory.retire(1, vec![format!("shared/{:020}/a.seg", 1)], &NONE)).unwrap();
    let record = complete(&mut directory, 2, &["b"]).unwrap();
    assert_eq!(record.position, 3);
    assert_eq!(directory.retained().iter().map(|r| r.id.0).collect::<Vec<_>>(), [1, 2]);
    assert_clean(&storage);
}

#[test]
fn a_checkpoint_that_is_tried_again_is_recorded_once() {
    for lost in [true, false] {
        let storage = Storage::new();
        let (directory, _) = storage.claimed("a");
        let fault = if lost { Fault::LoseReply { retry: false } } else { Fault::Fail { retry: false } };
        let faulty = storage.faulty(vec![FaultRule::on(ObjectCall::Put, "checkpoints/job/epochs/").then(fault)]);
        let mut directory = through(&storage, directory, &faulty);
        assert!(complete(&mut directory, 1, &["a"]).is_err());
        for _ in 0..2 {
            assert_eq!(complete(&mut directory, 1, &["a"]).unwrap().position, 2);
        }
        assert_eq!(directory.retained().len(), 1);
        complete(&mut directory, 2, &["a"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(good(&mut directory), Some((2, 0)));
        assert_clean(&storage);
    }
}

#[test]
fn every_damage_of_the_newest_is_told_and_the_older_one_is_taken() {
    let file = "checkpoints/job/shared/00000000000000000001/b.seg";
    let damages: [(&str, &str, Option<&[u8]>); 6] = [
        ("checkpoints/job/chk-2/_metadata", "is damaged", Some(b"")),
        ("checkpoints/job/chk-2/_metadata", "is missing", None),
        (file, "has 3 bytes instead of 10", Some(b"012")),
        (file, "is missing", None),
        ("checkpoints/job/epochs/00000000000000000003", "is damaged", Some(b"FLKL")),
        ("checkpoints/job/epochs/00000000000000000003", "is damaged", Some(b"")),
    ];
    for (path, what, bytes) in damages {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        complete(&mut directory, 1, &["a"]).unwrap();
        complete(&mut directory, 2, &["b"]).unwrap();
        storage.memory.damage(path, bytes.map(Bytes::from_static));
        let (mut directory, _) = storage.claimed("b");
        let found = ready(directory.latest_good()).unwrap().unwrap();
        assert_eq!((found.record.id.0, found.damaged.len()), (1, 1), "{path}");
        let told = &found.damaged[0];
        let name = path.trim_start_matches("checkpoints/job/");
        assert!(told.message().contains(name) && told.message().ends_with(what), "{told}");
        let report = ready(check_directory(&storage.routing(), &storage.environment)).unwrap();
        assert!(!report.is_clean(), "{path}");
        // Nothing is thrown away as long as it is not known what the damaged one names.
        if path != file {
            assert_eq!(ready(directory.remove_orphans(&NONE)).unwrap(), Vec::<String>::new());
        }
        // The good one is not retired for a damaged one.
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(good(&mut directory), Some((1, 1)), "{path}");
        // With two new ones the damaged one is history.
        complete(&mut directory, 5, &["c"]).unwrap();
        complete(&mut directory, 6, &["c"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        recovers(&storage_without_damaged_records(storage, path), &[Some(6)], path);
    }
}

fn storage_without_damaged_records(storage: Storage, path: &str) -> Storage {
    if path.contains("epochs/") {
        storage.memory.damage(path, None);
    }
    storage
}

#[test]
fn a_flipped_bit_of_a_manifest_or_record_is_found_when_it_is_read() {
    for prefix in ["checkpoints/job/chk-2", "checkpoints/job/epochs/00000000000000000003"] {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        complete(&mut directory, 1, &["a"]).unwrap();
        complete(&mut directory, 2, &["b"]).unwrap();
        let faulty = storage.faulty(vec![FaultRule::on(ObjectCall::Get, prefix).from_then_on().then(Fault::FlipBit)]);
        let mut directory = storage.directory_through(Arc::new(Arc::clone(&faulty)));
        ready(directory.claim(run("b"))).unwrap();
        assert_eq!(good(&mut directory), Some((1, 1)), "{prefix}");
        assert!(faulty.fired(FaultKind::FlipBit) > 0);
    }
}

#[test]
fn files_that_change_places_are_found() {
    let pairs =
        [("chk-1/_metadata", "chk-2/_metadata"), ("epochs/00000000000000000002", "epochs/00000000000000000003")];
    for (one, two) in pairs {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        for id in 1..=2 {
            complete(&mut directory, id, &["a"]).unwrap();
        }
        let path = |p: &str| format!("checkpoints/job/{p}");
        let all = storage.memory.all();
        storage.memory.damage(&path(one), Some(all[&path(two)].clone()));
        storage.memory.damage(&path(two), Some(all[&path(one)].clone()));
        let (mut directory, _) = storage.claimed("b");
        let error = ready(directory.latest_good()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.message(), format!("no checkpoint in '{ROOT}' can be read"));
        assert_eq!(error.detail().unwrap().matches("is another one").count(), 2, "{error:?}");
    }
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
            ready(directory.claim(run(&format!("{round}")))).unwrap();
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

#[test]
fn a_snapshot_from_elsewhere_is_borrowed_or_claimed() {
    for claim in [false, true] {
        let storage = Storage::new();
        let (mut old, _) = storage.claimed("old");
        complete(&mut old, 1, &["a", "b"]).unwrap();
        let savepoint = write(&storage, &old, 1);
        let mut snapshot =
            ready(read_snapshot(&savepoint, Arc::new(Arc::clone(&storage.memory)), &storage.environment)).unwrap();
        ready(old.drop_job()).unwrap();

        let (mut directory, epoch) = storage.claimed("new");
        if claim {
            ready(directory.adopt(&snapshot)).unwrap();
        }
        snapshot.manifest = snapshot.manifest.rebased(&snapshot.root);
        ready(directory.verify(&snapshot.manifest)).unwrap();
        let mut paths: Vec<String> = snapshot.manifest.files().map(str::to_owned).collect();
        assert_eq!(directory.borrowed(&snapshot.manifest).unwrap().len(), if claim { 0 } else { 2 });
        // Nothing of it is deleted before a checkpoint has followed.
        ready(directory.retire(1, paths.clone(), &NONE)).unwrap();
        ready(directory.verify(&snapshot.manifest)).unwrap();
        paths.remove(0);
        paths.push(format!("shared/{epoch:020}/new.seg"));
        complete_paths(&mut directory, 2, &paths).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(good(&mut directory), Some((2, 0)));
        assert_eq!(below(&storage, &savepoint), if claim { 1 } else { 3 });
        // The next run knows whose they are.
        let (mut directory, _) = storage.claimed("newer");
        ready(directory.remove_orphans(&NONE)).unwrap();
        complete(&mut directory, 3, &["c"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(below(&storage, &savepoint), if claim { 0 } else { 3 });
        complete(&mut directory, 4, &["d"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_clean(&storage);
        recovers(&storage, &[Some(4)], "restored from elsewhere");
    }
}

#[test]
fn a_crash_while_a_claimed_snapshot_is_taken_over_leaves_it_or_what_followed() {
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut old, _) = storage.claimed("old");
            complete(&mut old, 1, &["a", "b"]).unwrap();
            write(&storage, &old, 1);
            ready(old.drop_job()).unwrap();
            let directory = storage.claimed("new").0;
            (storage, directory)
        },
        |directory| {
            let stores = Arc::clone(directory.routing().stores());
            let uri = parent(&ready(directory.objects.list("memory://savepoints/"))?[0].path).to_owned();
            let uri = uri.trim_end_matches("/state").to_owned();
            let environment = directory.environment.clone();
            let snapshot = ready(read_snapshot(&uri, stores, &environment))?;
            ready(directory.adopt(&snapshot))?;
            complete(directory, 2, &["c"])?;
            ready(directory.retire(1, vec![], &NONE))
        },
        |storage, done, told| {
            let followed = recovers(storage, &[None, Some(2)], told).is_some();
            assert!(followed || !done);
            // `recovers` has completed and retired: either all of it is gone, or nothing is.
            assert_eq!(below(storage, "memory://savepoints"), if followed { 0 } else { 3 }, "{told}");
        },
    );
}

fn write(storage: &Storage, directory: &CheckpointDirectory, id: u64) -> String {
    let files = ready(directory.read(directory.retained().iter().find(|r| r.id.0 == id).unwrap())).unwrap();
    let manifest = Manifest { kind: SnapshotKind::Savepoint { drained: false }, ..files };
    ready(write_savepoint("memory://savepoints", &manifest, directory.routing(), &storage.environment)).unwrap()
}

fn below(storage: &Storage, uri: &str) -> usize {
    ready(storage.routing().list(&format!("{uri}/"))).unwrap().len()
}
