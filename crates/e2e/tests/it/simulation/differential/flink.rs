//! The same random queries against real Flink.
//!
//! Flott must give what the model gives. Where Flink does not, it is told: two causes are known, both in `oracle/KNOWN.tsv`
//! or like it, a Top-1 by several columns that leaves rows behind, and rows that are lost behind `EXCEPT ALL`.
//!
//! Only where `FLOTT_FLINK` is the folder of its jars, as `oracle/README.md` says.

use std::path::Path;
use std::process::Command;

use super::counts::tell;
use super::{Case, Table, texts};
use crate::known::oracle;
use crate::scripts::{fold, recorded};

/// One virtual machine answers so many at a time.
const QUERIES_PER_START: u64 = 100;
/// What Flink says where it cannot plan or run what it should.
const FAILURES: [&str; 3] =
    ["unexpected correlate variable", "Cannot generate a valid execution plan", "not supported"];

/// What Flink left of one case, or what it failed with.
fn of_flink(folder: &Path) -> Result<Vec<String>, String> {
    let answers = recorded(&std::fs::read_to_string(folder.join("q.out")).unwrap());
    let answer = answers.last().unwrap();
    match &answer.failed {
        Some(message) => Err(message.clone()),
        None => fold(&answer.changes).map_err(|how| format!("its own changes: {how}")),
    }
}

/// Lets Flink answer the cases in the folders.
fn ask(lib: &str, folders: &[std::path::PathBuf]) {
    let status = Command::new(oracle().join("record.sh"))
        .arg(lib)
        .args(folders.iter().map(|folder| folder.join("q.sql")))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "record.sh fails: {status}");
}

/// Compares cases, and says how many.
pub(super) fn compare(lib: &str, seeds: std::ops::Range<u64>) {
    let root = tempfile::tempdir().unwrap();
    let seeds: Vec<u64> = seeds.collect();
    let (mut equal, mut failed, mut differ) = (0, 0, 0);
    for seeds in seeds.chunks(QUERIES_PER_START as usize) {
        let cases: Vec<Case> = seeds.iter().map(|seed| Case { mini_batches: false, ..Case::of(*seed) }).collect();
        let folders: Vec<_> = seeds.iter().map(|seed| root.path().join(seed.to_string())).collect();
        for (case, folder) in cases.iter().zip(&folders) {
            case.write(folder);
            std::fs::write(folder.join("q.sql"), case.script(folder.to_str().unwrap()).join("\n")).unwrap();
        }
        ask(lib, &folders);
        for (case, folder) in cases.iter().zip(&folders) {
            let expected = texts(&case.query.rows(&case.tables.iter().map(Table::rows).collect::<Vec<_>>()));
            match of_flink(folder) {
                Ok(rows) if rows == expected => equal += 1,
                Err(message) if FAILURES.iter().any(|known| message.contains(known)) => failed += 1,
                other => {
                    differ += 1;
                    tell(&case.told(&format!("Flink gives {other:?}, and the model {expected:?}")));
                }
            }
        }
        let last = seeds.last().unwrap();
        tell(&format!("up to seed {last}: {equal} equal, {failed} that Flink cannot run, {differ} differ"));
    }
    assert!(differ * 20 <= equal, "{differ} of {} differ", seeds.len());
}
