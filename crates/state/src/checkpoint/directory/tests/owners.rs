//! Several runs: who owns the directory, and what becomes of numbers and records.

use super::*;

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
        ready(storage.directory_through(Arc::new(Arc::clone(&faulty))).claim(run("a"), Begins::Not)).unwrap();
        faulty.calls().len() as u64
    };
    let mut winners = BTreeSet::new();
    for n in 1..=calls + 1 {
        let storage = Storage::new();
        complete(&mut storage.claimed("first").0, 1, &["a"]).unwrap();
        let other = Arc::new(Mutex::new(storage.directory()));
        let hook = hook(&other, |other| drop(ready(other.claim(run("b"), Begins::Not)).unwrap()));
        let rule = FaultRule::any("").nth(n).then(Fault::Wait(hook));
        let faulty = storage.faulty(if n > calls { vec![] } else { vec![rule] });
        let mut one = storage.directory_through(Arc::new(Arc::clone(&faulty)));
        ready(one.claim(run("a"), Begins::Not)).unwrap();
        if n > calls {
            ready(other.lock().unwrap().claim(run("b"), Begins::Not)).unwrap();
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
        let hook = hook(&other, |other| drop(ready(other.claim(run("b"), Begins::Not)).unwrap()));
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
    let claimed = ready(slow.claim(run("slow"), Begins::Not)).unwrap();
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
    let left: Vec<u64> = listed.iter().filter_map(|o| crate::checkpoint::log::position_of(&o.path)).collect();
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
    assert_eq!(ready(late.claim(run("d"), Begins::Not)).unwrap().epoch, 454);
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
fn jobs_that_never_had_a_checkpoint_are_remembered_until_there_is_one() {
    let storage = Storage::new();
    let claim = |name: &str, begins| {
        let mut directory = storage.directory();
        let claimed = ready(directory.claim(run(name), begins)).unwrap();
        (directory, claimed)
    };
    assert_eq!(claim("a", Begins::Unless(JobId(1))).1.begun, [JobId(1)]);
    assert_eq!(claim("b", Begins::Not).1.begun, [JobId(1)]);
    let (mut directory, claimed) = claim("c", Begins::Anew(JobId(3)));
    assert_eq!(claimed.begun, [JobId(1), JobId(3)]);
    complete(&mut directory, 1, &["a"]).unwrap();
    assert!(claim("d", Begins::Unless(JobId(4))).1.begun.is_empty(), "it goes on from a checkpoint");
    let (mut directory, claimed) = claim("e", Begins::Anew(JobId(5)));
    assert_eq!(claimed.begun, [JobId(5)]);
    ready(directory.settled(&[JobId(5)])).unwrap();
    ready(directory.settled(&[JobId(5)])).unwrap();
    assert!(claim("f", Begins::Not).1.begun.is_empty(), "somebody may go on from its savepoint");
}
