//! A job that writes exactly-once files: what it is, and whether its files hold what an undisturbed run gives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::flott::{flott, run};

/// Where a job keeps its checkpoints.
pub(crate) struct Checkpoints {
    pub(crate) uri: String,
    /// Where that lies as files.
    pub(crate) folder: PathBuf,
    /// What reaches it: arguments of the command line.
    pub(crate) arguments: Vec<String>,
}

impl Checkpoints {
    /// In a folder of this machine.
    pub(crate) fn local(folder: &Path) -> Self {
        let folder = folder.join("checkpoints");
        Checkpoints { uri: folder.to_str().unwrap().to_owned(), folder, arguments: Vec::new() }
    }

    /// How far the log of the job's checkpoints has come.
    pub(crate) fn records(&self) -> usize {
        let jobs = std::fs::read_dir(&self.folder).into_iter().flatten();
        let logs = jobs.flat_map(|job| std::fs::read_dir(job.unwrap().path().join("epochs")).into_iter().flatten());
        // A record that is being put has a hidden name.
        logs.filter(|record| !record.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
    }

    pub(crate) fn settings(&self) -> String {
        format!(
            "SET 'execution.checkpointing.interval' = '100 ms'; SET 'execution.checkpointing.dir' = '{}';",
            self.uri
        )
    }

    /// A run of the job that goes on from its newest checkpoint.
    pub(crate) fn resumed(&self, job: &Job, folder: &Path) -> Command {
        self.resumed_from("latest", job, folder)
    }

    /// A run of the job that goes on from there.
    pub(crate) fn resumed_from(&self, from: &str, job: &Job, folder: &Path) -> Command {
        let script = self.settings() + &job.script(folder);
        let fixed = ["run", "--from", from, "-e", &script];
        let arguments = fixed.into_iter().chain(self.arguments.iter().map(String::as_str));
        flott(&arguments.collect::<Vec<_>>())
    }
}

/// What it does with its tables.
pub(crate) const INSERTS: &str = "
    EXECUTE STATEMENT SET BEGIN
      INSERT INTO ledger SELECT id, account, amount FROM events;
      INSERT INTO windows
        SELECT account, window_end, COUNT(*), SUM(amount)
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '5' SECOND))
        GROUP BY account, window_start, window_end;
      INSERT INTO totals SELECT account, COUNT(*), SUM(amount) FROM events GROUP BY account;
    END;";

/// Ids of a ledger, windows over them, and running totals. The rate makes the run long enough to be disturbed.
pub(crate) struct Job {
    pub(crate) rows: u64,
    pub(crate) rate: u64,
}

impl Job {
    /// Its script, but for checkpoints. It writes to folders of this folder.
    pub(crate) fn script(&self, folder: &Path) -> String {
        self.tables(folder) + INSERTS
    }

    /// The tables that it reads and writes.
    pub(crate) fn tables(&self, folder: &Path) -> String {
        tables(folder, &generated(self.rows, self.rate))
    }

    /// Checks that the files of a disturbed run hold the same as those of one that was left alone.
    pub(crate) fn check(&self, disturbed: &Path) {
        let calm = tempfile::tempdir().unwrap();
        let undisturbed = run(&["run", "-e", &Job { rate: self.rows, ..*self }.script(calm.path())]);
        assert_eq!(undisturbed.code, Some(0), "{undisturbed:?}");
        same_tables(calm.path(), disturbed);
    }

    /// How many rows of the ledger can be seen.
    pub(crate) fn visible(folder: &Path) -> u64 {
        lines(&folder.join("ledger")).len() as u64
    }
}

/// Options of a table that gives the ids from 1 to `rows`.
pub(crate) fn generated(rows: u64, rate: u64) -> String {
    format!(
        "'connector' = 'datagen', 'rows-per-second' = '{rate}',
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}'"
    )
}

/// The tables of the job, whose source has these options and gives ids.
fn tables(folder: &Path, source: &str) -> String {
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
           WITH ('connector' = 'filesystem', 'path' = '{folder}/totals', 'format' = 'debezium-json');"
    )
}

/// The tables and the job, whose source has these options and gives ids.
pub(crate) fn statements(folder: &Path, source: &str) -> String {
    tables(folder, source) + INSERTS
}

/// The tables of two folders are the same, whichever way they came about; how many ids there are.
pub(crate) fn same_tables(calm: &Path, disturbed: &Path) -> u64 {
    let both = |table: &str| [calm, disturbed].map(|folder| lines(&folder.join(table)));
    for table in ["ledger", "windows"] {
        let [calm, disturbed] = both(table);
        assert_eq!(calm.len(), disturbed.len(), "rows of {table} without and with a disturbance");
        assert!(!calm.is_empty() && calm == disturbed, "{table} differs");
    }
    let [calm_totals, totals] = both("totals").map(|changes| applied(&changes));
    assert_eq!((calm_totals.len(), calm_totals), (97, totals));
    both("ledger")[0].len() as u64
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

#[expect(clippy::disallowed_methods, reason = "the processes of a test live by the real clock")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
