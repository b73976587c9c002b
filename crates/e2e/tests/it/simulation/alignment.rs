//! Two sources of one group, one of which could read ten times faster: it waits, and whatever the store does no row is lost
//! or comes twice, however often their alignment begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::testing::objects::{FaultKind, FaultRates, FaultyObjects};
use flott_runtime::JobOutcome;

use super::for_each;
use super::world::{Outside, Start};

/// Of each source; a row is 10 ms of event time, for the slow one of processing time, too.
const ROWS: usize = 200;
const SEEDS: u64 = 8;

fn script(alignment: &str) -> String {
    let source = |name: &str, rate: u32| {
        format!(
            "CREATE TABLE {name} (
               id BIGINT, moment AS TO_TIMESTAMP_LTZ(id * 10, 3), WATERMARK FOR moment AS moment
             ) WITH (
               'connector' = 'datagen', 'rows-per-second' = '{rate}', 'fields.id.kind' = 'sequence',
               'fields.id.start' = '1', 'fields.id.end' = '{ROWS}'{alignment}
             );"
        )
    };
    format!(
        "{} {} CREATE TABLE copies (name STRING, id BIGINT, read_at TIMESTAMP_LTZ(3)) WITH ('connector' = 'ledger');
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO copies SELECT 'slow', id, CURRENT_ROW_TIMESTAMP() FROM slow;
           INSERT INTO copies SELECT 'fast', id, CURRENT_ROW_TIMESTAMP() FROM fast;
         END;",
        source("slow", 100),
        source("fast", 1000)
    )
}

const ALIGNED: &str = ", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '100 ms',
    'scan.watermark.alignment.update-interval' = '20 ms'";

/// Table, source and number of each row, and the moments at which it was read, one for each time that it is there.
fn rows(outside: &Outside) -> BTreeMap<(String, usize), Vec<u64>> {
    let mut rows: BTreeMap<(String, usize), Vec<u64>> = BTreeMap::new();
    for (row, count) in outside.ledger.balance().0 {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, id, read_at] = cells.as_slice() else { panic!("{row}") };
        let read_ms: u64 = read_at.parse().unwrap_or_else(|_| panic!("{row}"));
        rows.entry((name.to_string(), id.parse().unwrap())).or_default().extend(vec![read_ms; count as usize]);
    }
    rows
}

fn check_complete(rows: &BTreeMap<(String, usize), Vec<u64>>, what: &str) {
    let twice: Vec<_> = rows.iter().filter(|(_, times)| times.len() != 1).collect();
    assert!(rows.len() == 2 * ROWS && twice.is_empty(), "{what}: {} rows, and not once: {twice:?}", rows.len());
}

/// How long after the first row the last ones of the fast source were read in an undisturbed run.
fn last_read_ms(script: &str) -> u64 {
    let outside = Outside::default();
    let start = Start { script, ..Start::default() };
    assert_eq!(outside.start_with(&start, &outside.healthy()).finish().unwrap(), JobOutcome::Finished);
    let rows = rows(&outside);
    check_complete(&rows, script);
    let began_ms = rows.values().flatten().min().unwrap();
    rows.iter()
        .filter(|((name, id), _)| name.ends_with("fast") && *id > 150)
        .flat_map(|(_, times)| times)
        .min()
        .unwrap()
        - began_ms
}

#[test]
fn the_fast_source_waits_for_the_slow_one() {
    let (alone, aligned) = (last_read_ms(&script("")), last_read_ms(&script(ALIGNED)));
    assert!(alone < 300, "{alone}");
    // It is at about row 100 when it has heard how far it may read, and waits for the slow one to come to 900 ms.
    assert!(aligned > 600, "{aligned}");
}

#[test]
fn a_bad_store_does_not_upset_sources_that_wait() {
    let script = script(ALIGNED);
    let fired = std::sync::atomic::AtomicU64::new(0);
    for_each(0..SEEDS, |seed| {
        let outside = Outside::default();
        let store = FaultyObjects::seeded(Arc::clone(&outside.objects) as _, seed, FaultRates::default());
        let mut starts = 0;
        let ended = loop {
            let start =
                Start { seed: seed + starts, parallelism: 1 + (seed % 3) as u32, script: &script, ..Start::default() };
            let process = outside.start_with(&start, &store);
            if let Ok(ended) = process.executor.run(process.job.wait()) {
                break ended;
            }
            starts += 1;
            assert!(starts < 100, "seed {seed} comes to no end");
        };
        assert_eq!(ended, JobOutcome::Finished);
        check_complete(&rows(&outside), &format!("seed {seed}"));
        let kinds = [FaultKind::Fail, FaultKind::LoseReply];
        let faults = kinds.iter().map(|kind| store.fired(*kind)).sum();
        fired.fetch_add(faults, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(fired.into_inner() > SEEDS);
}
