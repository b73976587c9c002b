//! A whole job in one thread, on a virtual clock and a bad object store, by seed.
//!
//! The job reads a sequence, counts it by key and by window, and writes both into a ledger whose rows
//! are visible only when they are committed. Its state does not fit into memory, so it lies in files.
//! Whatever happens, the ledger holds in the end what an undisturbed run gives, each row once, and the
//! checkpoint directory holds nothing that nobody needs.
//!
//! With every second seed checkpoints are unaligned, at once or after a while, and the ledger is slow, so that rows
//! are under way; a process that goes on may have it the other way.
//!
//! `FLOTT_SEEDS` sets how many seeds (50 by default; nightly runs take 2,000), `FLOTT_SEED` takes one alone.

mod alignment;
mod batch;
mod cleaning;
mod conflicts;
mod crashes;
mod dead_letters;
mod differential;
mod nexmark;
mod recorded;
mod restoring;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::ErrorKind;
use flott_api::testing::objects::{Fault, FaultKind, FaultRates, FaultRule, FaultyObjects, ObjectCall};
use flott_runtime::JobOutcome;

use world::{Outside, Start};

const ROWS: usize = 400;
const SCRIPT: &str = "
    CREATE TABLE events (
      id BIGINT, account AS CAST(id * 7919 % 13 AS INT), moment AS TO_TIMESTAMP_LTZ(id * 100, 3),
      WATERMARK FOR moment AS moment
    ) WITH (
      'connector' = 'datagen', 'rows-per-second' = '1000', 'scan.parallelism' = '1',
      'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '400'
    );
    CREATE TABLE totals (account INT, n BIGINT, total BIGINT) WITH ('connector' = 'ledger');
    CREATE TABLE windows (account INT, window_end TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'ledger');
    CREATE TABLE copies (id BIGINT) WITH ('connector' = 'ledger');
    EXECUTE STATEMENT SET BEGIN
      INSERT INTO copies SELECT id FROM events;
      INSERT INTO totals SELECT account, COUNT(*), SUM(id) FROM events GROUP BY account;
      INSERT INTO windows SELECT account, window_end, COUNT(*)
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '5' SECOND))
        GROUP BY account, window_start, window_end;
    END;";

/// What an undisturbed run gives.
fn expected() -> (BTreeMap<String, i64>, usize) {
    let outside = Outside::default();
    let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, Vec::new());
    assert_eq!(outside.start(1, 1, &store).finish().unwrap(), JobOutcome::Finished);
    let (rows, changes) = outside.ledger.balance();
    assert_eq!(rows.keys().filter(|r| r.starts_with("copies")).count(), ROWS);
    assert_eq!(rows.keys().filter(|r| r.starts_with("totals")).count(), 13);
    assert!(outside.objects.all().keys().all(|path| !path.contains("/shared/")), "a finished job keeps no state");
    (rows, changes)
}

fn check(outside: &Outside, expected: &(BTreeMap<String, i64>, usize), what: &str) {
    let (rows, changes) = outside.ledger.balance();
    let of = |all: &BTreeMap<String, i64>, row: &String| all.get(row).copied().unwrap_or(0);
    let differ = rows.keys().chain(expected.0.keys()).filter(|row| of(&rows, row) != of(&expected.0, row));
    let differ: BTreeMap<&String, (i64, i64)> =
        differ.map(|row| (row, (of(&rows, row), of(&expected.0, row)))).collect();
    assert!(
        differ.is_empty() && changes == expected.1,
        "{what}: {changes} changes instead of {}, and these rows so often and not so often: {differ:?}",
        expected.1
    );
}

/// Does it for every number, on all cores: each is a world of its own. Fails when all are done, so that all failures show.
pub(crate) fn for_each(numbers: std::ops::Range<u64>, does: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(numbers.start);
    let failed = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        break;
                    }
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| does(number)));
                    failed.fetch_add(u64::from(done.is_err()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0, "worlds have failed, see above");
}

/// A number that the environment sets.
fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// How a seed has its checkpoints: nothing if aligned, else after how long they overtake rows.
fn unaligned_after(seed: u64) -> Option<&'static str> {
    match seed % 4 {
        1 => Some("0 ms"),
        3 => Some("15 ms"),
        _ => None,
    }
}

#[test]
fn a_bad_store_costs_time_and_no_row() {
    let seeds = number_of("FLOTT_SEEDS", 50);
    let expected = expected();
    let (fired, unaligned) = (AtomicU64::new(0), AtomicU64::new(0));
    // One that has failed can be had alone.
    let only = std::env::var("FLOTT_SEED").ok().and_then(|n| n.parse().ok());
    for_each(only.map_or(0..seeds, |seed| seed..seed + 1), |seed| {
        let run = || {
            let outside = Outside::default();
            let store = FaultyObjects::seeded(Arc::clone(&outside.objects) as _, seed, FaultRates::default());
            let parallelism = 1 + (seed % 3) as u32;
            let mut starts = 0;
            // What the job cannot bear itself, the next process goes on from.
            loop {
                let seed = seed + starts;
                let start = Start { seed, parallelism, unaligned: unaligned_after(seed), ..Start::default() };
                let process = outside.start_with(&start, &store);
                let ended = process.executor.run(process.job.wait());
                unaligned.fetch_add(process.job.checkpoints().unaligned, Ordering::Relaxed);
                if ended.is_ok() {
                    return (outside, store);
                }
                starts += 1;
                assert!(starts < 100, "seed {seed} comes to no end");
            }
        };
        let (outside, store) = run();
        check(&outside, &expected, &format!("seed {seed}"));
        let kinds = [FaultKind::Fail, FaultKind::LoseReply];
        fired.fetch_add(kinds.iter().map(|kind| store.fired(*kind)).sum(), Ordering::Relaxed);
        if seed < 5 {
            let (_, again) = run();
            assert_eq!(store.calls(), again.calls(), "seed {seed} is not the same twice");
        }
    });
    let (fired, unaligned) = (fired.into_inner(), unaligned.into_inner());
    assert!(only.is_some() || unaligned > seeds / 4, "{unaligned} checkpoints have rows under way");
    assert!(only.is_some() || fired > seeds, "{fired} faults");
}

/// A checkpoint whose state cannot be written is given up, and the job goes on. What its sinks had handed over for it is
/// committed with the next one: they know nothing of it any more.
#[test]
fn a_checkpoint_whose_state_cannot_be_written_loses_no_row() {
    let expected = expected();
    let prefix = |seed, store: &Arc<FaultyObjects>, outside: &Outside| -> String {
        assert_eq!(outside.start(seed, 1, store).finish().unwrap(), JobOutcome::Finished);
        let all = outside.objects.all().into_keys().find(|path| path.contains("/epochs/")).unwrap();
        all.replace("/epochs/", "/shared/").rsplit_once('/').unwrap().0.to_owned()
    };
    let healthy = Outside::default();
    let shared = prefix(1, &healthy.healthy(), &healthy);
    let mut failed = 0;
    for nth in 1..=12 {
        let outside = Outside::default();
        // Every attempt of at least one file fails, whichever are written at the same time.
        let rule = FaultRule::on(ObjectCall::Put, &shared).nth(nth).times(12).then(Fault::Fail { retry: true });
        let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, vec![rule]);
        let process = outside.start(nth, 1, &store);
        let outcome = process.executor.run(process.job.wait());
        assert_eq!(outcome.unwrap(), JobOutcome::Finished, "from put {nth} on");
        failed += process.job.checkpoints().failed;
        assert_eq!(process.job.checkpoints().restarts, 0, "from put {nth} on");
        check(&outside, &expected, &format!("from put {nth} on"));
    }
    assert!(failed > 6, "{failed} checkpoints were given up");
}

#[test]
fn damaged_state_is_never_used_in_part() {
    let expected = expected();
    let mut refused = 0;
    for fault in [Fault::FlipBit, Fault::ShortRead] {
        for nth in (20..200).step_by(9) {
            let outside = Outside::default();
            let rules = vec![FaultRule::any("").nth(nth).then(fault.clone())];
            let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, rules);
            match outside.start(nth, 2, &store).finish() {
                // The damage was of no consequence, or a second look was right.
                Ok(_) => check(&outside, &expected, &format!("{fault:?} at call {nth}")),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "no damage was found");
}
