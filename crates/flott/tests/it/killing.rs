//! `kill -9` at any moment of a job that writes exactly-once files, again and again, and each time the
//! next run goes on with `--from latest`. In the end the files hold what an undisturbed run gives.
//!
//! `FLOTT_KILLS` sets how many kills (3 by default, to be quick); nightly runs take 50.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::flott::{flott, run};

/// Ids of a ledger, windows over them, and running totals. The rate makes the run long enough to be killed in.
pub(crate) fn script(folder: &Path, rows: u64, rate: u64, checkpoints: bool) -> String {
    let mut script = String::new();
    if checkpoints {
        script += &format!(
            "SET 'execution.checkpointing.interval' = '100 ms';
             SET 'execution.checkpointing.dir' = '{}/checkpoints';",
            folder.to_str().unwrap()
        );
    }
    script + &statements(folder, &generated(rows, rate))
}

/// Options of a table that gives the ids from 1 to `rows`.
pub(crate) fn generated(rows: u64, rate: u64) -> String {
    format!(
        "'connector' = 'datagen', 'rows-per-second' = '{rate}',
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}'"
    )
}

/// The tables and the job, whose source has these options and gives ids.
pub(crate) fn statements(folder: &Path, source: &str) -> String {
    let folder = folder.to_str().unwrap();
    format!(
        "CREATE TABLE events (
           id BIGINT,
           account AS CAST(id * 7919 % 97 AS INT),
           amount AS id % 1000,
           moment AS TO_TIMESTAMP_LTZ(id * 10, 3),
           WATERMARK FOR moment AS moment
         ) WITH ({source});
         CREATE TABLE ledger (id BIGINT, account INT, amount BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{folder}/ledger', 'format' = 'csv');
         CREATE TABLE windows (account INT, window_end TIMESTAMP_LTZ(3), n BIGINT, total BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{folder}/windows', 'format' = 'csv');
         CREATE TABLE totals (account INT, n BIGINT, total BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{folder}/totals', 'format' = 'debezium-json');
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO ledger SELECT id, account, amount FROM events;
           INSERT INTO windows
             SELECT account, window_end, COUNT(*), SUM(amount)
             FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '5' SECOND))
             GROUP BY account, window_start, window_end;
           INSERT INTO totals SELECT account, COUNT(*), SUM(amount) FROM events GROUP BY account;
         END;"
    )
}

/// The lines of all visible files of a folder.
pub(crate) fn lines(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        if !entry.file_name().to_str().unwrap().starts_with(['.', '_']) {
            lines.extend(std::fs::read_to_string(entry.path()).unwrap().lines().map(str::to_owned));
        }
    }
    lines.sort();
    lines
}

/// What is left of a changelog: how often each row was put in less how often it was taken out.
fn applied(changes: &[String]) -> BTreeMap<String, i64> {
    let mut rows: BTreeMap<String, i64> = BTreeMap::new();
    for change in changes {
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (side, sign) in [("before", -1), ("after", 1)] {
            if !change[side].is_null() {
                *rows.entry(change[side].to_string()).or_default() += sign;
            }
        }
    }
    rows.retain(|_, count| *count != 0);
    rows
}

/// The tables of two folders are the same, whichever way they came about; how many ids there are.
pub(crate) fn same_tables(calm: &Path, stormy: &Path) -> u64 {
    let both = |table: &str| [calm, stormy].map(|folder| lines(&folder.join(table)));
    for table in ["ledger", "windows"] {
        let [calm, stormy] = both(table);
        assert_eq!(calm.len(), stormy.len(), "rows of {table} without and with disturbance");
        assert!(!calm.is_empty() && calm == stormy, "{table} differs");
    }
    let [calm_totals, stormy_totals] = both("totals").map(|changes| applied(&changes));
    assert_eq!((calm_totals.len(), calm_totals), (97, stormy_totals));
    both("ledger")[0].len() as u64
}

/// How far the log of the job's checkpoints has come.
pub(crate) fn records(folder: &Path) -> usize {
    let jobs = std::fs::read_dir(folder.join("checkpoints")).into_iter().flatten();
    let logs = jobs.flat_map(|job| std::fs::read_dir(job.unwrap().path().join("epochs")).into_iter().flatten());
    // A record that is being put has a hidden name.
    logs.filter(|record| !record.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
}

/// A number from 0 to below `n`, by SplitMix64.
fn below(seed: &mut u64, n: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % n
}

#[expect(clippy::disallowed_methods, reason = "the process to be killed lives by the real clock")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn no_kill_loses_or_doubles_a_row() {
    let kills: u64 = std::env::var("FLOTT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    // Each run gets about a third of a second before its kill; the job is longer than all of them.
    let (rate, rows) = (20_000, 20_000 * (2 + kills * 2 / 5));
    let (calm, stormy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let undisturbed = run(&["run", "-e", &script(calm.path(), rows, rows, false)]);
    assert_eq!(undisturbed.code, Some(0), "{undisturbed:?}");

    let script = script(stormy.path(), rows, rate, true);
    let (mut seed, mut fired, mut working) = (7, 0, 0);
    while fired < kills {
        let before = records(stormy.path());
        // Each run has another parallelism than the one before, so state moves as well.
        let parallelism = format!("parallelism.default={}", 1 + fired % 3);
        let mut child = flott(&["run", "--from", "latest", "-D", &parallelism, "-e", &script]).spawn().unwrap();
        // Past its claim, every second time past a checkpoint too, and then any moment.
        let wanted = before + 1 + (fired % 2) as usize;
        while records(stormy.path()) < wanted && child.try_wait().unwrap().is_none() {
            pause(5);
        }
        pause(below(&mut seed, 400));
        assert!(child.try_wait().unwrap().is_none(), "the job ended after {fired} of {kills} kills: make it longer");
        child.kill().unwrap();
        child.wait().unwrap();
        fired += 1;
        working += u64::from(records(stormy.path()) > before + 1);
    }
    let last = run(&["run", "--from", "latest", "-e", &script]);
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(working > 0, "no kill came after a checkpoint");

    assert_eq!(same_tables(calm.path(), stormy.path()), rows);

    // Whoever comes after the end finds all done.
    let again = run(&["run", "--from", "latest", "-e", &script]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(lines(&stormy.path().join("ledger")).len() as u64, rows);
}
