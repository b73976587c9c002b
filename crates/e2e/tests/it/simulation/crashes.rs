//! Processes that die at a call to the store: at every one, and again while the next process recovers from that.
//!
//! `FLOTT_PAIRS` sets how many pairs of crashes are tried (50 by default, drawn by a seed); nightly runs take `all`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::testing::objects::{Crash, FaultRule, FaultyObjects, ObjectCall};
use flott_runtime::JobOutcome;

use super::world::{Outside, Start};
use super::{check, expected, for_each};

const CRASHES: [Crash; 2] = [Crash::Before, Crash::ReplyLost];
/// More calls than an undisturbed run has.
const CALLS_MAX: u64 = 400;
/// More calls than a recovery has.
const RECOVERY_CALLS_MAX: u64 = 60;

type Expected = (BTreeMap<String, i64>, usize);

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
struct At {
    call: u64,
    crash: Crash,
}

/// Runs a process until it dies; nothing if it comes to its end before.
fn dies(outside: &Outside, start: &Start<'_>, at: At) -> Option<Arc<FaultyObjects>> {
    let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, FaultRule::crash(at.call, at.crash));
    let ended = outside.start_with(start, &store).run_until_fault(&store);
    let has_died = store.fired_by_rule().iter().sum::<u64>() > 0;
    assert!(has_died || ended.is_some_and(|e| e.is_ok()), "{at:?}: it failed without a fault");
    has_died.then_some(store)
}

/// Runs the job to its end, with another parallelism, so that state moves as well: all rows are there once, and no state
/// is left.
fn goes_on(outside: &Outside, start: &Start<'_>, expected: &Expected, what: &str) {
    let next = outside.start_with(start, &outside.healthy()).finish();
    assert_eq!(next.unwrap(), JobOutcome::Finished, "{what}");
    check(outside, expected, what);
    let left: Vec<String> = outside.objects.all().into_keys().filter(|p| p.contains("/shared/")).collect();
    assert_eq!(left, Vec::<String>::new(), "{what}");
}

#[test]
fn a_process_may_die_at_every_call_to_the_store() {
    let expected = expected();
    // Aligned, and with barriers that overtake rows at once, of which every other call will do: they take longer.
    for_each(0..4, |kind| {
        let (crash, overtakes) = (CRASHES[kind as usize % 2], kind >= 2);
        let (unaligned, step) = if overtakes { (Some("0 ms"), 2) } else { (None, 1) };
        let (mut died, mut with_rows) = (0, 0);
        for call in (1..).step_by(step) {
            let outside = Outside::default();
            let at = At { call, crash };
            if dies(&outside, &Start { seed: call, unaligned, ..Start::default() }, at).is_none() {
                break;
            }
            died += 1;
            with_rows += usize::from(outside.has_rows_under_way());
            // Whoever goes on has it the one way or the other.
            let unaligned = unaligned.filter(|_| call % 4 == 1);
            let next = Start { seed: call + 1000, parallelism: 2, unaligned, ..Start::default() };
            goes_on(&outside, &next, &expected, &format!("{at:?}, unaligned: {overtakes}"));
        }
        assert!(died * step > 20, "the job died at {died} calls only");
        assert!(!overtakes || with_rows > 2, "{with_rows} processes left a checkpoint with rows under way");
    });
}

/// Whether the second process had recovered before it died: a checkpoint of its own was complete and committed, behind
/// its claim.
fn had_recovered(store: &FaultyObjects) -> bool {
    let is_record = |(call, path): &&(ObjectCall, String)| *call == ObjectCall::Put && path.contains("/epochs/");
    store.calls().iter().filter(is_record).count() > 2
}

/// The first process dies, the second does before it has recovered from that, and the third goes on. `after_first` is the
/// world behind the first. Whether the second one died in time.
fn second_dies(after_first: &Outside, (first, second): (At, At), expected: &Expected) -> bool {
    let outside = after_first.copy();
    let seed = 1000 + first.call * 1000 + second.call;
    let start = Start { seed, parallelism: 2, ..Start::default() };
    let Some(store) = dies(&outside, &start, second) else { return false };
    let in_time = !had_recovered(&store);
    let next = Start { seed: seed + 1, parallelism: 3, ..Start::default() };
    goes_on(&outside, &next, expected, &format!("{first:?}, then {second:?}"));
    in_time
}

/// The world behind a first crash.
fn first_dies(first: At) -> Option<Outside> {
    let outside = Outside::default();
    dies(&outside, &Start { seed: first.call, ..Start::default() }, first).map(|_| outside)
}

/// All pairs; how many.
fn all_pairs(expected: &Expected) -> u64 {
    let pairs = AtomicU64::new(0);
    for_each(1..CALLS_MAX, |call| {
        for crash in CRASHES {
            let first = At { call, crash };
            let Some(outside) = first_dies(first) else { continue };
            for crash in CRASHES {
                let seconds = (1..).map(|call| At { call, crash });
                let tried = seconds.take_while(|second| second_dies(&outside, (first, *second), expected)).count();
                pairs.fetch_add(tried as u64, Ordering::Relaxed);
            }
        }
    });
    pairs.into_inner()
}

/// A number of pairs by chance; how many had the second crash in time.
fn some_pairs(wanted: u64, expected: &Expected) -> u64 {
    let pairs = AtomicU64::new(0);
    for_each(0..wanted, |number| {
        // SplitMix64's finaliser.
        let mut bits = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let crash = |bit: u64| CRASHES[(bits >> bit & 1) as usize];
        let first = At { call: 1 + (bits >> 2) % CALLS_MAX, crash: crash(0) };
        // One that the job does not have becomes one that it has.
        let calls = (0..).map(|halved| At { call: 1 + (first.call >> halved), crash: first.crash });
        let (first, outside) = calls.take(9).find_map(|first| Some((first, first_dies(first)?))).unwrap();
        let second = At { call: 1 + (bits >> 32) % RECOVERY_CALLS_MAX, crash: crash(1) };
        pairs.fetch_add(u64::from(second_dies(&outside, (first, second), expected)), Ordering::Relaxed);
    });
    pairs.into_inner()
}

#[test]
fn the_next_process_may_die_as_well_while_it_recovers() {
    let expected = expected();
    let wanted = std::env::var("FLOTT_PAIRS").unwrap_or_else(|_| "50".to_owned());
    if wanted == "all" {
        let pairs = all_pairs(&expected);
        assert!(pairs > 2000, "{pairs} pairs only");
    } else {
        let wanted = wanted.parse().expect("FLOTT_PAIRS is a number or 'all'");
        let pairs = some_pairs(wanted, &expected);
        assert!(pairs * 4 > wanted, "{pairs} of {wanted} pairs had the second crash within the recovery");
    }
}
