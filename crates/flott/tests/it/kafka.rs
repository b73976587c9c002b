//! `kill -9` at any moment of two jobs, one that writes a topic and one that reads it and writes another, and of the broker
//! between them. In the end both topics have each row once.
//!
//! `FLOTT_KILLS` sets how many kills (3 by default, to be quick), and `FLOTT_BROKER_KILLS` how many of the broker (none by
//! default, for it takes some seconds until one is back; `make nightly` has them).

mod commit_points;
mod proxy;
#[path = "../../../kafka/src/tests/server.rs"]
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use server::{Server, left_out};

use crate::flott::{flott, run};
use crate::ledger::{Checkpoints, generated, pause};

const RATE: u64 = 20_000;
/// Rows are looked for so often before the test gives up.
const LOOKS_MAX: u32 = 300;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// A number from 0 to below `n`, by SplitMix64.
fn below(seed: &mut u64, n: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % n
}

/// A table of a topic. Its transactions have a name of their own.
fn topic(name: &str, port: u16, more: &str) -> String {
    format!(
        "CREATE TABLE {name} (id BIGINT, account INT) WITH (
           'connector' = 'kafka', 'topic' = '{name}', 'properties.bootstrap.servers' = '127.0.0.1:{port}',
           'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
           'properties.isolation.level' = 'read_committed', 'sink.delivery-guarantee' = 'exactly-once',
           'sink.transactional-id-prefix' = 'ledger-{name}' {more});"
    )
}

/// A job that is killed and started again from its newest checkpoint.
struct Job {
    script: String,
    checkpoints: Checkpoints,
    /// Where it says how it fares. A pipe that nobody reads would stop it.
    log: PathBuf,
    running: Option<Child>,
    kills: u64,
    /// Kills behind a checkpoint of the run that they ended.
    working: u64,
    before: usize,
    /// Whether it comes to an end by itself, and whether it has.
    bounded: bool,
    ended: bool,
}

impl Job {
    fn new(folder: &Path, script: String, bounded: bool) -> Self {
        let checkpoints = Checkpoints::local(folder);
        let script = checkpoints.settings() + &script;
        let log = folder.join("log");
        Job { script, checkpoints, log, running: None, kills: 0, working: 0, before: 0, bounded, ended: false }
    }

    fn start(&mut self) {
        if self.running.is_none() && !self.ended {
            self.before = self.checkpoints.records();
            let parallelism = format!("parallelism.default={}", 1 + self.kills % 3);
            let mut command = flott(&["run", "--from", "latest", "-D", &parallelism, "-e", &self.script]);
            let log = File::options().create(true).append(true).open(&self.log).unwrap();
            self.running = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Checks that it runs, or has come to its end if it has one.
    fn check(&mut self) {
        let Some(child) = &mut self.running else { return };
        let Some(status) = child.try_wait().unwrap() else { return };
        assert!(self.bounded && status.success(), "the job ended by itself ({status}): {}", self.log());
        self.running = None;
        self.ended = true;
    }

    /// Waits for its end.
    fn finish(&mut self) {
        while !self.ended {
            self.check();
            pause(50);
        }
    }

    /// Kills it, unless it has ended.
    fn kill(&mut self) {
        self.check();
        if self.ended {
            return;
        }
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.kills += 1;
        // The first record of a run is its claim.
        self.working += u64::from(self.checkpoints.records() > self.before + 1);
    }
}

/// How many rows a topic has that are committed, how many ids, and their sum.
fn rows(name: &str, port: u16) -> (u64, u64, u64) {
    let script = format!(
        "SET 'execution.runtime-mode' = 'batch'; {} SELECT 'found', COUNT(*), COUNT(DISTINCT id), SUM(id) FROM {name};",
        topic(name, port, ", 'scan.bounded.mode' = 'latest-offset'")
    );
    let ran = run(&["run", "-e", &script]);
    // The first row may not have come yet.
    let missing = ran.stderr.contains("UNKNOWN_TOPIC_OR_PARTITION");
    assert!(ran.code == Some(0) || missing, "{ran:?}");
    let line = ran.stdout.lines().find(|line| line.contains("found")).unwrap_or_default();
    let cells: Vec<u64> = line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
    match cells.as_slice() {
        [count, ids, sum] => (*count, *ids, *sum),
        _ => (0, 0, 0),
    }
}

/// Waits until a topic has all rows of a job, each once, and looks again when more may have come.
fn has_all(name: &str, port: u16, expected: u64, job: &mut Job) {
    let whole = (expected, expected, expected * (expected + 1) / 2);
    for _ in 0..LOOKS_MAX {
        let found = rows(name, port);
        job.check();
        assert!(found.0 <= expected, "{name} has {found:?}, and {expected} were written");
        if found == whole {
            pause(500);
            assert_eq!(rows(name, port), whole, "{name} a moment later");
            return;
        }
        pause(300);
    }
    panic!("{name} has {:?} and not {whole:?}; the job says: {}", rows(name, port), job.log());
}

#[test]
fn no_kill_of_job_or_broker_loses_or_doubles_a_row() {
    if left_out("no_kill_of_job_or_broker_loses_or_doubles_a_row") {
        return;
    }
    let (kills, broker_kills) = (number("FLOTT_KILLS", 3), number("FLOTT_BROKER_KILLS", 0));
    // Until a broker is back takes some seconds.
    let seconds = 4 + kills + 4 * broker_kills;
    let expected = number("FLOTT_LEDGER_ROWS", RATE * seconds);
    let mut broker = Server::start(&["num.partitions=3"]);
    let port = broker.port;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let events =
        format!("CREATE TABLE events (id BIGINT) WITH ({});", generated(expected, RATE.max(expected / seconds)));
    let writing = format!(
        "{events} {} INSERT INTO entered SELECT id, CAST(id % 97 AS INT) FROM events;",
        topic("entered", port, "")
    );
    let passing = format!(
        "{} {} INSERT INTO passed SELECT id, account FROM entered;",
        topic("entered", port, ""),
        topic("passed", port, "")
    );
    let mut jobs = [Job::new(folders[0].path(), writing, true), Job::new(folders[1].path(), passing, false)];
    let (mut seed, mut fired, mut broker_fired) = (11, 0, 0);
    // What is read must be there.
    jobs[0].start();
    while rows_or_none("entered", port) == 0 {
        pause(100);
    }
    while fired < kills || broker_fired < broker_kills {
        jobs.iter_mut().for_each(Job::start);
        pause(300 + below(&mut seed, 700));
        if broker_fired < broker_kills && (fired >= kills || below(&mut seed, kills + broker_kills) < broker_kills) {
            broker.kill();
            pause(below(&mut seed, 500));
            broker.restart();
            broker_fired += 1;
        } else {
            jobs[below(&mut seed, 2) as usize].kill();
            fired += 1;
        }
    }
    let working: u64 = jobs.iter().map(|job| job.working).sum();
    assert!(kills < 3 || working > 0, "no kill came after a checkpoint");
    jobs.iter_mut().for_each(Job::start);
    jobs[0].finish();
    has_all("entered", port, expected, &mut jobs[0]);
    has_all("passed", port, expected, &mut jobs[1]);
    jobs[1].kill();
    has_all("passed", port, expected, &mut jobs[1]);
}

/// Rows of a topic that may not be there yet.
fn rows_or_none(name: &str, port: u16) -> u64 {
    let script = format!(
        "SET 'execution.runtime-mode' = 'batch'; {} SELECT 'found', COUNT(*) FROM {name};",
        topic(name, port, ", 'scan.bounded.mode' = 'latest-offset', 'properties.default.api.timeout.ms' = '500'")
    );
    let ran = run(&["run", "-e", &script]);
    let line = ran.stdout.lines().find(|line| line.contains("found")).unwrap_or_default().to_owned();
    line.split('|').find_map(|cell| cell.trim().parse().ok()).unwrap_or_default()
}
