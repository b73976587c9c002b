//! Records that cannot be read, while processes die: every record is a row or a dead letter, once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::testing::objects::{Crash, FaultRule, FaultyObjects};
use flott_runtime::JobOutcome;

use super::for_each;
use super::world::{Outside, Start};

/// Files, and lines of each; every fifth cannot be read.
const FILES: usize = 16;
const LINES: usize = 40;

/// A folder of files, and the job that reads it.
fn scene(folder: &std::path::Path) -> String {
    for file in 0..FILES {
        let mut text = String::new();
        for line in 0..LINES {
            let id = file * LINES + line;
            let bad = if id % 5 == 4 { "x" } else { "" };
            writeln!(text, "{bad}{id},text").unwrap();
        }
        std::fs::write(folder.join(format!("f{file}.csv")), text).unwrap();
    }
    format!(
        "CREATE TABLE events (id INT NOT NULL, v STRING) WITH (
           'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.dead-letter.table' = 'bad');
         CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING) WITH ('connector' = 'ledger');
         CREATE TABLE copies (id INT) WITH ('connector' = 'ledger');
         CREATE TABLE pairs (id INT, other INT) WITH ('connector' = 'ledger');
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO copies SELECT id FROM events;
           INSERT INTO pairs SELECT a.id, b.id FROM events AS a JOIN events AS b ON a.id = b.id;
         END;",
        folder.to_str().unwrap()
    )
}

/// What there must be in the end.
fn expected(folder: &std::path::Path) -> BTreeMap<String, i64> {
    let row = |id: usize| {
        let (file, line) = (id / LINES, id % LINES + 1);
        let path = folder.join(format!("f{file}.csv"));
        match id % 5 {
            4 => vec![format!(
                "bad x{id},text | column 1 (id): 'x{id}' is no INT | file '{}', line {line}",
                path.to_str().unwrap()
            )],
            _ => vec![format!("copies {id}"), format!("pairs {id} | {id}")],
        }
    };
    (0..FILES * LINES).flat_map(row).map(|row| (row, 1)).collect()
}

fn rows(outside: &Outside) -> BTreeMap<String, i64> {
    let tidy = |row: String| row.split('|').map(str::trim).collect::<Vec<_>>().join(" | ");
    outside.ledger.balance().0.into_iter().map(|(row, count)| (tidy(row), count)).collect()
}

/// Aligned checkpoints, and a ledger that is so slow that there are some.
const ALIGNED: Option<&str> = Some("1 h");

#[test]
fn every_record_is_a_row_or_a_dead_letter_once() {
    let folder = tempfile::tempdir().unwrap();
    let (script, expected) = (scene(folder.path()), expected(folder.path()));
    let outside = Outside::default();
    let start = Start { script: &script, ..Start::default() };
    assert_eq!(outside.start_with(&start, &outside.healthy()).finish().unwrap(), JobOutcome::Finished);
    assert_eq!(rows(&outside), expected);
    // Aligned, and with barriers that overtake rows; whoever goes on has another parallelism.
    let committed = AtomicU64::new(0);
    for_each(0..4, |kind| {
        let crash = [Crash::Before, Crash::ReplyLost][kind as usize % 2];
        let unaligned = if kind < 2 { ALIGNED } else { Some("0 ms") };
        let mut died = 0;
        // Every second call, another one for each kind.
        for call in (1 + kind % 2..).step_by(2) {
            let outside = Outside::default();
            let store = FaultyObjects::new(outside.objects.clone() as _, FaultRule::crash(call, crash));
            let parallelism = 1 + (call % 2) as u32;
            let start = Start { seed: call, parallelism, script: &script, unaligned, ..Start::default() };
            let ended = outside.start_with(&start, &store).run_until_fault(&store);
            if store.fired_by_rule().iter().sum::<u64>() == 0 {
                assert!(ended.is_some_and(|e| e.is_ok()), "call {call}: it failed without a fault");
                break;
            }
            died += 1;
            let waiting: Vec<String> = outside
                .uncommitted()
                .into_iter()
                .filter(|(_, rows)| rows.starts_with("bad "))
                .map(|(id, _)| id)
                .collect();
            let next = Start { seed: call + 1000, parallelism: 4 - parallelism, ..start };
            assert_eq!(outside.start_with(&next, &outside.healthy()).finish().unwrap(), JobOutcome::Finished);
            assert_eq!(rows(&outside), expected, "{crash:?} at call {call}, {unaligned:?}");
            // They were committed by whoever came next: so the checkpoint was complete, and the first had not come to it.
            let in_time = waiting.iter().any(|id| outside.has_committed(id));
            committed.fetch_add(u64::from(in_time), Ordering::Relaxed);
        }
        assert!(died > 10, "the job died at {died} calls only");
    });
    let committed = committed.into_inner();
    assert!(committed > 2, "{committed} processes died between a checkpoint with dead letters and its commit");
}
