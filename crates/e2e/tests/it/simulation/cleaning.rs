//! What is left in the checkpoint directory: after clean-up no file that nothing refers to, and none is gone that
//! something does.

use std::sync::Arc;

use flott_api::env::Clock;
use flott_api::testing::SimExecutor;
use flott_api::testing::objects::{Crash, Fault, FaultRule, FaultyObjects, Hook};
use flott_runtime::JobOutcome;

use super::world::{DIRECTORY, Outside, Process, Start};

const SAVEPOINTS: &str = "memory://sim/savepoints";

/// The same job, with more input than it has time for.
fn longer() -> String {
    super::SCRIPT.replace("'400'", "'40000'")
}

/// Lets some checkpoints complete, more than are retained, and stops the job with a savepoint.
fn stop_after_checkpoints(process: &Process) {
    let Process { executor, job } = process;
    executor.run(async {
        for _ in 0..4 {
            job.checkpoint().await.unwrap();
        }
        job.stop_with_savepoint(Some(SAVEPOINTS), false).await.unwrap();
        assert_eq!(job.wait().await.unwrap(), JobOutcome::Stopped);
    });
    executor.run_until_idle();
}

/// The directory is whole; how many state files its checkpoints have.
fn whole(outside: &Outside, what: &str) -> usize {
    let reports = outside.reports();
    assert_eq!(reports.len(), 1, "{what}");
    for report in &reports {
        let (missing, orphans, damaged) = (&report.missing, &report.orphans, &report.damaged);
        assert!(report.is_clean(), "{what}: missing {missing:?}, orphans {orphans:?}, damaged {damaged:?}");
        assert_eq!(report.records.len(), 2, "{what}: two checkpoints are retained");
    }
    reports.iter().map(|report| report.files.len()).sum()
}

#[test]
fn retired_checkpoints_take_their_files_with_them() {
    let script = longer();
    for parallelism in 1..=3 {
        let outside = Outside::default();
        let start = Start { seed: 7, parallelism, script: &script, ..Start::default() };
        stop_after_checkpoints(&outside.start_with(&start, &outside.healthy()));
        assert!(whole(&outside, &format!("parallelism {parallelism}")) > 0);
    }
}

#[test]
fn what_a_killed_attempt_has_left_goes_with_the_next_run() {
    let script = longer();
    let start = Start { script: &script, ..Start::default() };
    let (mut died, mut left) = (0, 0);
    for nth in (1..150).step_by(6) {
        let crash = if nth % 4 == 1 { Crash::Before } else { Crash::ReplyLost };
        let outside = Outside::default();
        let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, FaultRule::crash(nth, crash));
        outside.start_with(&Start { seed: nth, parallelism: 2, ..start }, &store).run_until_fault(&store);
        assert_eq!(store.fired_by_rule().iter().sum::<u64>().min(1), 1, "{crash:?} at call {nth}");
        for report in outside.reports() {
            assert!(report.missing.is_empty() && report.damaged.is_empty(), "{crash:?} at call {nth}: {report:?}");
            left += report.orphans.len();
        }
        died += 1;
        let next = Start { seed: nth + 1000, parallelism: 3, ..start };
        stop_after_checkpoints(&outside.start_with(&next, &outside.healthy()));
        assert!(whole(&outside, &format!("{crash:?} at call {nth}")) > 0);
    }
    assert!(left > died, "{died} processes that died left {left} objects");
}

/// A job that is cancelled, at any moment, and is not to keep its checkpoints. Each call to the store takes a while, so that
/// many come while something is being stored.
#[test]
fn a_job_that_is_dropped_leaves_nothing() {
    let options = [("execution.checkpointing.externalized-checkpoint-retention", "NO_EXTERNALIZED_CHECKPOINTS")];
    let mut had_files = 0;
    for seed in 0..30 {
        let outside = Outside::default();
        let start = Start { seed, parallelism: 1 + (seed % 2) as u32, options: &options, ..Start::default() };
        let store = outside.healthy();
        let Process { executor, job } = outside.start_with(&start, &store);
        let clock = Arc::clone(&executor);
        let slow: Hook = Arc::new(move |_, _| clock.sleep_ms(2));
        store.set_rules(vec![FaultRule::any("").from_then_on().then(Fault::Wait(slow))]);
        cancel_after(&executor, &job, 60 + seed * 7);
        had_files += u64::from(outside.ledger.balance().1 > 0);
        let left: Vec<String> = outside.objects.all().into_keys().collect();
        assert_eq!(left, Vec::<String>::new(), "seed {seed}");
    }
    assert!(had_files > 15, "only {had_files} jobs had taken a checkpoint");
}

fn cancel_after(executor: &Arc<SimExecutor>, job: &flott_runtime::JobHandle, ms: u64) {
    executor.run(async {
        executor.sleep_ms(ms).await;
        job.cancel();
        assert_eq!(job.wait().await.unwrap(), JobOutcome::Cancelled);
    });
    executor.run_until_idle();
}

/// One that had another owner keeps its log, so that this one learns of it if it still lives.
#[test]
fn a_job_that_is_dropped_by_its_second_owner_leaves_its_log() {
    let outside = Outside::default();
    stop_after_checkpoints(&outside.start(1, 1, &outside.healthy()));
    let options = [("execution.checkpointing.externalized-checkpoint-retention", "DELETE_ON_CANCELLATION")];
    let start = Start { seed: 2, options: &options, ..Start::default() };
    let Process { executor, job } = outside.start_with(&start, &outside.healthy());
    cancel_after(&executor, &job, 200);
    for report in outside.reports() {
        assert!(report.is_clean() && report.records.is_empty(), "{report:?}");
    }
    let below = |folder: &str| outside.objects.all().into_keys().filter(|p| p.contains(folder)).count();
    assert!(below("/epochs/") > 0 && below("sim/savepoints/") > 0);
    assert_eq!(below(DIRECTORY.split_once("://").unwrap().1), below("/epochs/"));
}
