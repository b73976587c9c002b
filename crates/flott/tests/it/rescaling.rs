//! A job at parallelism 1, then 2, then 3, then 1 again, from checkpoints and from savepoints, with statements as a
//! user types them in the shell. It reads generated rows or a file, and writes exactly-once files, which in the end hold
//! what an undisturbed run gives.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott::arguments::OutputFormat;
use flott::client::Client;
use flott::exit::Exit;
use flott::interrupts::Interrupts;
use flott::screen::{Screen, Terminal};
use flott_api::Result;
use flott_api::env::{Console, ConsoleState};
use flott_runtime::environment;
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;

use crate::flott::run;
use crate::ledger::{Checkpoints, generated, lines, pause, same_tables, statements};

/// What is shown, to be looked at.
#[derive(Default)]
struct Shown(Mutex<String>);

impl Shown {
    fn add(&self, lines: &Bytes) -> Result<ConsoleState> {
        self.0.lock().unwrap().push_str(std::str::from_utf8(lines).unwrap());
        Ok(ConsoleState::Open)
    }
}

impl Console for Shown {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add(&lines)
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add(&lines)
    }
}

/// The shell's session in this process.
struct Shell {
    runtime: tokio::runtime::Runtime,
    client: Client,
    shown: Arc<Shown>,
}

impl Shell {
    fn open(folder: &Path, parallelism: u32, from: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = folder.to_str().unwrap();
        let mut configuration = Configuration::default();
        for (key, value) in [
            ("execution.checkpointing.interval", "20 ms"),
            ("execution.checkpointing.dir", &format!("{folder}/checkpoints")),
            ("execution.checkpointing.savepoint-dir", &format!("{folder}/savepoints")),
            ("execution.checkpointing.data-inline-threshold", "0 b"),
            ("execution.state-recovery.path", from),
            ("parallelism.default", &parallelism.to_string()),
            ("table.local-time-zone", "UTC"),
        ] {
            configuration.set(key, value, Origin::CommandLine).unwrap();
        }
        let shown = Arc::<Shown>::default();
        let screen = Arc::new(Screen::new(Arc::clone(&shown) as _, Terminal::default()));
        let (_, interrupts) = Interrupts::manual();
        let environment = runtime.block_on(async { environment::real() });
        let client = Client::new(configuration, environment, screen, OutputFormat::Csv, interrupts).unwrap();
        Shell { runtime, client, shown }
    }

    /// What is shown of these statements.
    fn execute(&mut self, sql: &str) -> String {
        self.shown.0.lock().unwrap().clear();
        for parsed in parse_script(sql) {
            self.runtime.block_on(self.client.execute(&parsed.unwrap().statement)).unwrap();
        }
        self.shown.0.lock().unwrap().clone()
    }

    /// Starts the job; its id.
    fn submit(&mut self, sql: &str) -> String {
        let shown = self.execute(sql);
        shown.split("Job ID: ").nth(1).unwrap().lines().next().unwrap().to_owned()
    }

    fn finish(mut self) {
        let exit = self.runtime.block_on(self.client.wait_for_jobs());
        assert_eq!(exit, Exit::Done, "{}", self.shown.0.lock().unwrap());
    }
}

/// How a job is left, and where the next one goes on.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// Cancelled behind a checkpoint.
    Cancel,
    /// Stopped with a savepoint.
    Savepoint,
    /// The same, with all windows closed.
    Drain,
}

/// Runs the job behind some checkpoints of its own, and leaves it; what to go on from.
fn leg(folder: &Path, sql: &str, (parallelism, from): (u32, &str), leave: Leave) -> String {
    let mut shell = Shell::open(folder, parallelism, from);
    let checkpoints = Checkpoints::local(folder);
    let before = checkpoints.records();
    let job = shell.submit(sql);
    let waited = (0..2000).find(|_| {
        pause(5);
        checkpoints.records() >= before + 3
    });
    assert!(waited.is_some(), "it takes no checkpoints");
    let how = match leave {
        Leave::Cancel => "",
        Leave::Savepoint => " WITH SAVEPOINT",
        Leave::Drain => " WITH SAVEPOINT WITH DRAIN",
    };
    // Of a job that has ended a savepoint is refused, and this fails: the input must be long enough.
    let shown = shell.execute(&format!("STOP JOB '{job}'{how};"));
    match leave {
        Leave::Cancel => "latest".to_owned(),
        Leave::Savepoint | Leave::Drain => shown.lines().last().unwrap().trim_matches('"').to_owned(),
    }
}

/// What an undisturbed run makes of the ids from 1 to `rows`.
fn undisturbed(rows: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sql = statements(folder.path(), &generated(rows, 1_000_000));
    let ran = run(&["run", "-D", "table.local-time-zone=UTC", "-e", &sql]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    folder
}

/// From 1 to 2 to 3 and back to 1.
fn rescaled(leave: Leave) {
    let moved = tempfile::tempdir().unwrap();
    let moved = moved.path();
    let (sql, mut from) = (statements(moved, &generated(ROWS, RATE)), "latest".to_owned());
    for parallelism in 1..=3 {
        from = leg(moved, &sql, (parallelism, &from), leave);
    }
    let read = lines(&moved.join("ledger")).len() as u64;
    assert!(0 < read && read < ROWS, "{read} rows were read before the last run");
    let mut last = Shell::open(moved, 1, &from);
    // How fast a table is read may change.
    last.submit(&statements(moved, &generated(ROWS, 1_000_000)));
    last.finish();
    assert_eq!(same_tables(undisturbed(ROWS).path(), moved), ROWS);
}

/// At this rate they last for 20 seconds, of which a slow machine needs some.
const ROWS: u64 = 60_000;
const RATE: u64 = 3000;

#[test]
fn a_job_changes_its_parallelism_behind_checkpoints() {
    rescaled(Leave::Cancel);
}

#[test]
fn a_job_changes_its_parallelism_behind_savepoints() {
    rescaled(Leave::Savepoint);
}

/// The folder gets another file before each run, and is watched for more.
#[test]
fn a_job_that_reads_files_changes_its_parallelism_behind_both() {
    const FILE_ROWS: u64 = 20_000;
    let moved = tempfile::tempdir().unwrap();
    let moved = moved.path();
    let input = moved.join("input");
    std::fs::create_dir(&input).unwrap();
    let source = format!(
        "'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'source.monitor-interval' = '20 ms'",
        input.display()
    );
    let (sql, mut from) = (statements(moved, &source), "latest".to_owned());
    let ids = |number: u64| (1..=FILE_ROWS).map(|id| format!("{}\n", number * FILE_ROWS + id)).collect::<String>();
    for (number, leave) in (0..).zip([Leave::Cancel, Leave::Savepoint, Leave::Cancel]) {
        std::fs::write(input.join(format!("{number}.csv")), ids(number)).unwrap();
        from = leg(moved, &sql, (number as u32 + 1, &from), leave);
    }
    std::fs::write(input.join("3.csv"), ids(3)).unwrap();
    let mut last = Shell::open(moved, 1, &from);
    let job = last.submit(&sql);
    for _ in 0..2000 {
        pause(10);
        if lines(&moved.join("ledger")).len() as u64 >= 4 * FILE_ROWS {
            break;
        }
    }
    last.execute(&format!("STOP JOB '{job}' WITH SAVEPOINT WITH DRAIN;"));
    assert_eq!(same_tables(undisturbed(4 * FILE_ROWS).path(), moved), 4 * FILE_ROWS);
}

/// A drained job has shown every window of what it has read, as if that were all.
#[test]
fn a_job_that_is_drained_closes_its_windows() {
    let moved = tempfile::tempdir().unwrap();
    let sql = statements(moved.path(), &generated(ROWS, RATE));
    let from = leg(moved.path(), &sql, (1, "latest"), Leave::Savepoint);
    let drained = leg(moved.path(), &sql, (2, &from), Leave::Drain);
    assert!(run(&["state", "list", &drained]).stderr.starts_with("drained savepoint "));
    let read = lines(&moved.path().join("ledger")).len() as u64;
    assert!(read < ROWS, "it was drained at its end");
    assert_eq!(same_tables(undisturbed(read).path(), moved.path()), read);
}
