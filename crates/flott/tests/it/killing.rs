//! `kill -9` at any moment of a job that writes exactly-once files, again and again, and each time the
//! next run goes on with `--from latest`. In the end the files hold what an undisturbed run gives.
//!
//! `FLOTT_KILLS` sets how many kills (3 by default, to be quick); nightly runs take 50.

use crate::flott::Ran;
use crate::ledger::{Checkpoints, Job, pause};

/// A number from 0 to below `n`, by SplitMix64.
fn below(seed: &mut u64, n: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % n
}

/// Kills the job, writing to a folder and with checkpoints there or elsewhere, and lets it come to its end.
pub(crate) fn kill_again_and_again(folder: &std::path::Path, checkpoints: &Checkpoints) {
    let kills: u64 = std::env::var("FLOTT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    // Each run gets about a third of a second before its kill; the job is longer than all of them.
    let rate = 20_000;
    let job = Job { rows: rate * (2 + kills * 2 / 5), rate };
    let (mut seed, mut fired, mut working) = (7, 0, 0);
    while fired < kills {
        let before = checkpoints.records();
        // Each run has another parallelism than the one before, so state moves as well.
        let parallelism = format!("parallelism.default={}", 1 + fired % 3);
        let mut child = checkpoints.resumed(&job, folder).args(["-D", &parallelism]).spawn().unwrap();
        // Past its claim, every second time past a checkpoint too, and then any moment.
        let wanted = before + 1 + (fired % 2) as usize;
        while checkpoints.records() < wanted && child.try_wait().unwrap().is_none() {
            pause(5);
        }
        pause(below(&mut seed, 400));
        if child.try_wait().unwrap().is_some() {
            let ran = Ran::from(child.wait_with_output().unwrap());
            panic!("the job ended after {fired} of {kills} kills: make it longer, or see {ran:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        fired += 1;
        working += u64::from(checkpoints.records() > before + 1);
    }
    let last = Ran::from(checkpoints.resumed(&job, folder).output().unwrap());
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(working > 0, "no kill came after a checkpoint");
    job.check(folder);

    // Whoever comes after the end finds all done.
    let again = Ran::from(checkpoints.resumed(&job, folder).output().unwrap());
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(Job::visible(folder), job.rows);
}

#[test]
fn no_kill_loses_or_doubles_a_row() {
    let folder = tempfile::tempdir().unwrap();
    kill_again_and_again(folder.path(), &Checkpoints::local(folder.path()));
}
