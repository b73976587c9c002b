//! `INSERT .. ON CONFLICT` as Flink recorded it (`oracle/sink/on_conflict*`): straight; with a kill and a restore; and with a
//! restore at another parallelism.
//!
//! One subtask gives the recorded changes, also after a kill. Of several, another row may be the first of a key: then the
//! changes must still be those of a table by that key, and where no rows are in conflict its rows are the same in the end.

use std::collections::BTreeMap;

use super::recorded::{disturbed_or_error, killed, statements, undisturbed};
use crate::known::oracle;
use crate::scripts::{Answer, recorded};

const SCRIPTS: [&str; 3] = ["on_conflict", "on_conflict_rows", "on_conflict_set"];

/// The places of the primary key in a row of the tables of the scripts.
fn key_of(insert: &str) -> Option<&'static [usize]> {
    match insert.split_whitespace().nth(2)? {
        "byn" | "byrate" | "timed" => Some(&[1]),
        "bywho" | "bycur" | "pr" => Some(&[0]),
        "two" => Some(&[1, 2]),
        _ => None,
    }
}

/// A change without its kind, its key, and its kind.
fn parts<'c>(change: &'c str, key: &[usize]) -> (&'c str, String, &'c str) {
    let (kind, row) = change.split_at(2);
    let cells: Vec<&str> = row.trim_matches(['[', ']']).split(", ").collect();
    (row, key.iter().map(|k| cells[*k]).collect::<Vec<_>>().join(", "), kind)
}

fn per_key<'c>(changes: &'c [String], key: &[usize]) -> BTreeMap<String, Vec<&'c str>> {
    let mut keys: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    changes.iter().for_each(|change| keys.entry(parts(change, key).1).or_default().push(change));
    keys
}

/// The rows of a table by its key, if the changes are such: a row comes where none is, is replaced by another one, and goes
/// as it is.
fn table(changes: &[String], key: &[usize]) -> Result<BTreeMap<String, String>, String> {
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for change in changes {
        let (row, key, kind) = parts(change, key);
        let there = rows.get(&key);
        let fits = match kind {
            "+I" => there.is_none(),
            "+U" => there.is_some_and(|there| there != row),
            _ => there.is_some_and(|there| there == row),
        };
        if !fits {
            return Err(format!("{change} where {there:?} is"));
        }
        if kind.starts_with('+') {
            rows.insert(key, row.to_owned())
        } else {
            rows.remove(&key)
        };
    }
    Ok(rows)
}

fn sorted(mut changes: Vec<String>) -> Vec<String> {
    changes.sort();
    changes
}

/// What the print connector printed, as changes.
fn printed(answer: &Answer) -> Vec<String> {
    answer.printed.iter().filter_map(|line| line.strip_prefix("stdout: ")).map(str::to_owned).collect()
}

/// Whether rows of several tables meet, and the order in which they do is accidental.
fn meets(insert: &str) -> bool {
    [" UNION ", " JOIN ", " IN ("].iter().any(|word| insert.contains(word))
}

/// The inserts of a script with `ON CONFLICT DO NOTHING` or `DO ERROR` by a materializer, each with what must come before.
fn inserts(sql: &str, answers: &[Answer]) -> Vec<(Vec<String>, Answer)> {
    let (mut before, mut inserts) = (Vec::new(), Vec::new());
    for (text, answer) in statements(sql).into_iter().zip(answers) {
        let by_watermark = text.contains("ON CONFLICT DO NOTHING") || text.contains("ON CONFLICT DO ERROR");
        if text.starts_with("INSERT INTO") && by_watermark && key_of(text).is_some() {
            let until: Vec<String> = before.iter().cloned().chain([text.to_owned()]).collect();
            inserts.push((
                until,
                Answer { printed: answer.printed.clone(), failed: answer.failed.clone(), ..Answer::default() },
            ));
        } else if text.starts_with("CREATE") || text.starts_with("SET") {
            before.push(text.to_owned());
        }
    }
    inserts
}

/// How many runs were compared, and how many of them were killed in time.
fn check(until: &[String], flink: &Answer) -> (u64, u64) {
    let until: Vec<&str> = until.iter().map(String::as_str).collect();
    let insert = until.last().copied().unwrap_or_default();
    let straight = undisturbed(&until, 1, 1);
    if let Some(failed) = &flink.failed {
        let error = straight.map(|(changes, _)| changes).expect_err(insert);
        let both =
            ["rimary key constraint violation", "NOT NULL"].iter().any(|w| error.contains(w) && failed.contains(w));
        assert!(both || failed.contains("ValidationException"), "{insert}: {error}");
        return (1, 0);
    }
    let (changes, took_ms) = straight.unwrap_or_else(|error| panic!("{insert}: {error}"));
    let changes: Vec<String> = changes.iter().map(|change| change.replace("<NULL>", "null")).collect();
    let key = key_of(insert).expect("only tables with a key are here");
    let Ok(rows) = table(&changes, key) else { return (0, 0) };
    if !meets(insert) && !insert.contains("timed") {
        assert_eq!(sorted(changes.clone()), sorted(printed(flink)), "{insert}");
    }
    let after_ms = took_ms / 2 + 1;
    let one = killed(&until, after_ms, (1, 1)).unwrap_or_else(|error| panic!("{insert}: {error}"));
    let again: Vec<String> = one.changes.iter().map(|change| change.replace("<NULL>", "null")).collect();
    assert_eq!(table(&again, key).as_ref().map(|_| ()), Ok(()), "{insert}");
    if !meets(insert) {
        assert_eq!(per_key(&again, key), per_key(&changes, key), "{insert}");
    }
    let several = disturbed_or_error(&until, after_ms, (2, 3)).unwrap_or_else(|error| panic!("{insert}: {error}"));
    let several: Vec<String> = several.iter().map(|change| change.replace("<NULL>", "null")).collect();
    let left = table(&several, key).unwrap_or_else(|wrong| panic!("{insert}: {wrong}"));
    if insert.contains("DO ERROR") {
        assert_eq!(left, rows, "{insert}");
    }
    (1, u64::from(one.was_in_time))
}

#[test]
fn conflicts_are_solved_as_recorded_through_kills_and_rescales() {
    let (mut compared, mut in_time) = (0, 0);
    for script in SCRIPTS {
        let sql = std::fs::read_to_string(oracle().join(format!("sink/{script}.sql"))).unwrap();
        let sql = sql.replace("${DATA}", oracle().join("../data").to_str().unwrap());
        let answers = recorded(&std::fs::read_to_string(oracle().join(format!("sink/{script}.out"))).unwrap());
        for (until, flink) in inserts(&sql, &answers) {
            let (ran, kills) = check(&until, &flink);
            compared += ran;
            in_time += kills;
        }
    }
    assert!(compared >= 30 && in_time >= 12, "{compared} inserts, {in_time} kills in time");
}

#[test]
fn the_check_of_a_table_sees_planted_bugs() {
    let of = |changes: &[&str]| table(&changes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), &[1]);
    assert!(of(&["+I[a, 1]", "+U[b, 1]", "-D[b, 1]", "+I[a, 1]"]).is_ok());
    for wrong in [&["+I[a, 1]", "+I[b, 1]"][..], &["+U[a, 1]"], &["+I[a, 1]", "-D[b, 1]"], &["+I[a, 1]", "+U[a, 1]"]] {
        assert!(of(wrong).is_err(), "{wrong:?}");
    }
}
