//! Whole scripts against Flink's recordings: the changes of every statement.
//!
//! Equal means: an insert-only result as a multiset; a changelog as the same rows in the end, the same sequence per
//! key (the first column stands for it, and all changes if that differs; not where rows of two inputs meet), and every
//! retraction takes back a row that was emitted before.

use std::collections::BTreeMap;
use std::path::Path;

use crate::known::{Differences, chosen, oracle, query_areas, scripts_of};
use crate::session::Runner;

/// What Flink answered to one statement.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub schema: Option<String>,
    pub changes: Vec<String>,
    pub folded: bool,
    /// Whether the order of the changes is part of the answer.
    pub ordered: bool,
    pub text: Vec<String>,
    pub printed: Vec<String>,
    pub failed: Option<String>,
}

/// The answers of a recording, in the order of the script's statements.
pub(crate) fn recorded(text: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for line in text.lines() {
        if is_head(line) {
            answers.push(Answer::default());
            continue;
        }
        let Some(answer) = answers.last_mut() else { continue };
        if let Some(schema) = line.strip_prefix("schema: ") {
            // Time attributes are the planner's; DESCRIBE shows them.
            answer.schema = Some(schema.replace(" *ROWTIME*", "").replace(" *PROCTIME*", ""));
        } else if line.starts_with("folded: ") {
            answer.folded = true;
        } else if let Some(message) = line.strip_prefix("error: ") {
            answer.failed = Some(message.to_owned());
        } else if line.starts_with("stdout: ") || line.starts_with("stderr: ") {
            answer.printed.push(line.to_owned());
        } else if ["+I[", "-U[", "+U[", "-D["].iter().any(|kind| line.starts_with(kind)) {
            answer.changes.push(line.to_owned());
        } else if line != "ok" && line != "OK" && !line.starts_with("outer: ") && !line.is_empty() {
            answer.text.push(line.to_owned());
        }
    }
    answers
}

/// With mini-batches only what remains is compared: what comes before depends on which rows happen to be in one.
pub(crate) fn fold_mini_batches<'s>(answers: &mut [Answer], statements: impl Iterator<Item = &'s str>) {
    let mut enabled = false;
    for (answer, statement) in answers.iter_mut().zip(statements) {
        if statement.contains("table.exec.mini-batch.enabled") {
            enabled = statement.contains("true");
        }
        answer.folded |= enabled;
    }
}

/// In batch mode the rows of a query come in its order.
pub(crate) fn order_batches<'s>(answers: &mut [Answer], statements: impl Iterator<Item = &'s str>) {
    let mut batch = false;
    for (answer, statement) in answers.iter_mut().zip(statements) {
        if statement.contains("'execution.runtime-mode'") {
            batch = statement.contains("'batch'");
        }
        answer.ordered = batch && is_ordered(statement);
    }
}

/// Whether a query has an `ORDER BY` of its own: outside of all parentheses.
fn is_ordered(sql: &str) -> bool {
    let mut depth = 0_usize;
    let outside = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    };
    sql.chars().filter(outside).collect::<String>().to_uppercase().contains(" ORDER BY ")
}

/// `== 7 SELECT ..`, and not `== Abstract Syntax Tree ==`.
fn is_head(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("== ") else { return false };
    rest.starts_with("cat ") || rest.split(' ').next().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

/// The rows that remain, sorted; an error where a retraction meets no row.
pub(crate) fn fold(changes: &[String]) -> Result<Vec<String>, String> {
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    for change in changes {
        let (kind, row) = change.split_at(2);
        let count = rows.entry(row).or_default();
        *count += if kind.starts_with('+') { 1 } else { -1 };
        if *count < 0 {
            return Err(format!("{change} takes back a row that was not there"));
        }
    }
    let counted = rows.into_iter().flat_map(|(row, count)| std::iter::repeat_n(row.to_owned(), count as usize));
    Ok(counted.collect())
}

fn per_key(changes: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for change in changes {
        let key = change[3..].split([',', ']']).next().unwrap_or_default();
        keys.entry(key).or_default().push(change);
    }
    keys
}

fn is_insert_only(changes: &[String]) -> bool {
    changes.iter().all(|c| c.starts_with("+I"))
}

/// How ours differs from Flink's, if it does.
pub(crate) fn difference(flink: &Answer, ours: &Answer, sql: &str) -> Option<String> {
    match (&flink.failed, &ours.failed) {
        (Some(_), Some(_)) => return None,
        (Some(flink), None) => return Some(format!("Flink fails: {flink}")),
        (None, Some(ours)) => return Some(format!("Flott fails: {ours}")),
        (None, None) => {}
    }
    if flink.schema != ours.schema {
        return Some(format!("schema {:?}, Flott {:?}", flink.schema, ours.schema));
    }
    if sql.starts_with("--! cat") {
        // File names are random, and so is their order.
        let sorted = |lines: &[String]| {
            let mut lines = lines.to_vec();
            lines.sort();
            lines
        };
        let (flink, ours) = (sorted(&flink.text), sorted(&ours.text));
        return (flink != ours).then(|| format!("files {flink:?}, Flott {ours:?}"));
    }
    if sql.trim_start().to_uppercase().starts_with("EXPLAIN CHANGELOG_MODE") {
        let (flink, ours) = (modes(&flink.text), modes(&ours.text));
        return (flink != ours).then(|| format!("modes {flink:?}, Flott {ours:?}"));
    }
    // A plan's text is ours; what it says is compared in the planner's tests.
    if flink.text != ours.text && !sql.trim_start().to_uppercase().starts_with("EXPLAIN") {
        return Some(format!("text {:?}, Flott {:?}", flink.text, ours.text));
    }
    let mut printed = (flink.printed.clone(), ours.printed.clone());
    printed.0.sort();
    printed.1.sort();
    if printed.0 != printed.1 {
        return Some(format!("prints {:?}, Flott {:?}", flink.printed, ours.printed));
    }
    changes_differ(flink, ours, sql)
}

/// Whether the query joins: what comes before the end depends on which side comes first, in Flink too.
fn rows_meet(sql: &str) -> bool {
    let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    let has_subquery = sql.match_indices("(SELECT ").any(|(at, _)| !sql[..at].ends_with("FROM "));
    // What is computed of a row alone meets nobody.
    let has_join = sql.match_indices(" JOIN ").any(|(at, join)| !sql[at + join.len()..].starts_with("UNNEST"));
    let has_set = [" INTERSECT ", " EXCEPT "].iter().any(|set| sql.contains(set));
    has_subquery || has_join || has_set || sql.split(" FROM ").skip(1).any(lists_tables)
}

/// Whether a comma comes before anything that ends the tables behind FROM.
fn lists_tables(from: &str) -> bool {
    let tables = ["(", ")", " WHERE ", " GROUP "].iter().fold(from, |text, end| text.split(end).next().unwrap_or(text));
    tables.split(',').skip(1).any(|table| !table.trim_start().starts_with("UNNEST"))
}

/// Name and changelog mode of each node of the physical plan. Not of a `Calc`: it passes on what comes, and where there is
/// one depends on what a connector can leave out.
fn modes(explained: &[String]) -> Vec<String> {
    let lines = explained.iter().flat_map(|text| text.lines()).map(str::trim);
    let plan = lines.skip_while(|l| *l != "== Optimized Physical Plan ==").skip(1).take_while(|l| !l.starts_with("=="));
    let node = |line: &str| {
        let line = line.trim_start_matches([':', '+', '-', ' ']);
        let name = line.split('(').next().unwrap_or_default();
        let mode = line.rsplit_once("changelogMode=").map_or("", |(_, mode)| mode.trim_end_matches(')'));
        (!name.is_empty()).then(|| format!("{name} {mode}"))
    };
    plan.filter_map(node).filter(|node| !node.starts_with("Calc ")).collect()
}

fn changes_differ(flink: &Answer, ours: &Answer, sql: &str) -> Option<String> {
    let ours_left = match fold(&ours.changes) {
        Ok(rows) => rows,
        Err(wrong) => return Some(wrong),
    };
    let flink_left = match fold(&flink.changes) {
        Ok(rows) => rows,
        Err(wrong) => return Some(format!("Flink itself: {wrong}")),
    };
    if flink_left != ours_left {
        let missing: Vec<_> = flink_left.iter().filter(|r| !ours_left.contains(r)).take(3).collect();
        let extra: Vec<_> = ours_left.iter().filter(|r| !flink_left.contains(r)).take(3).collect();
        return Some(format!("rows left: misses {missing:?}, has {extra:?}"));
    }
    if flink.ordered && flink.changes != ours.changes {
        return Some(format!("order {:?}, Flott {:?}", flink.changes, ours.changes));
    }
    if flink.folded || flink.changes == ours.changes || rows_meet(sql) {
        return None;
    }
    if is_insert_only(&flink.changes) && is_insert_only(&ours.changes) {
        return None;
    }
    let (flink_keys, ours_keys) = (per_key(&flink.changes), per_key(&ours.changes));
    let wrong = flink_keys.iter().find(|(key, sequence)| ours_keys.get(*key) != Some(sequence));
    wrong.map(|(key, sequence)| format!("key {key}: {sequence:?}, Flott {:?}", ours_keys.get(key)))
}

/// Runs a script statement by statement and compares each answer.
fn compare(file: &str, script: &Path, differences: &mut Differences) {
    let sql = std::fs::read_to_string(script).unwrap();
    let mut flink = recorded(&std::fs::read_to_string(oracle().join(file)).unwrap());
    let runner = Runner::new();
    let ours = runner.run(&sql);
    fold_mini_batches(&mut flink, ours.iter().map(|(statement, _)| statement.as_str()));
    order_batches(&mut flink, ours.iter().map(|(statement, _)| statement.as_str()));
    let names: Vec<&String> = ours.iter().map(|(name, _)| name).collect();
    assert_eq!(flink.len(), ours.len(), "{file}: other statements than recorded: {names:?}");
    for (number, (flink, (statement, ours))) in flink.iter().zip(&ours).enumerate() {
        match difference(flink, ours, statement) {
            None => differences.equal(),
            Some(how) => {
                let statement: String = statement.split_whitespace().collect::<Vec<_>>().join(" ");
                let how: String = how.chars().take(600).collect();
                differences.differs(file, &(number + 1).to_string(), format!("{statement:.150}\t{how}"));
            }
        }
    }
}

fn compare_area(area: &str) {
    let mut differences = Differences::new(&format!("{area}/"));
    for script in scripts_of(area) {
        let name = script.file_stem().unwrap().to_str().unwrap();
        compare(&format!("{area}/{name}.out"), &script, &mut differences);
    }
    if area == "flights" {
        let examples = oracle().join("../../../examples/flights");
        for name in ["delays_per_airport_hour", "totals_per_airline"] {
            compare(&format!("flights/{name}.out"), &examples.join(format!("{name}.sql")), &mut differences);
        }
    }
    differences.check();
}

#[test]
fn queries_change_as_in_flink() {
    let areas = query_areas();
    assert!(chosen().is_some() || areas.contains(&"agg".to_owned()), "{areas:?}");
    crate::simulation::for_each(0..areas.len() as u64, |area| compare_area(&areas[area as usize]));
}

#[test]
fn the_examples_on_flights_give_flinks_rows() {
    compare_area("flights");
}

/// The ETL of the examples writes Parquet, which the recording Flink cannot; its rows of two days were recorded as csv.
#[test]
fn the_parquet_of_the_etl_reads_back_as_flinks_rows() {
    let script = std::fs::read_to_string(oracle().join("../../../examples/flights/etl_to_parquet.sql")).unwrap();
    let here = script.replace("'target/flights'", "'${TMP}/flights'");
    assert_ne!(script, here, "the example writes to another folder");
    let read = "SELECT * FROM flights WHERE departed < TIMESTAMP '2013-01-03 00:00:00';\n";
    let all = "SELECT COUNT(*) FROM flights;\n";
    let answers = Runner::new().run(&format!("{here}\n{read}{all}"));
    let failed: Vec<_> = answers.iter().filter_map(|(_, a)| a.failed.as_ref()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let recording = std::fs::read_to_string(oracle().join("flights/etl_rows.out")).unwrap();
    let flink = recorded(&recording).pop().unwrap();
    let ours = &answers[answers.len() - 2].1;
    assert_eq!(flink.schema, ours.schema);
    assert_eq!(fold(&flink.changes), fold(&ours.changes));
    assert_eq!(answers.last().unwrap().1.changes.last().unwrap(), "+U[26398]");
}

#[test]
fn tables_plans_and_mistakes_are_answered_as_in_flink() {
    compare_area("plan");
}

#[test]
fn formats_and_connectors_read_and_write_as_in_flink() {
    compare_area("format");
}

#[test]
fn a_recording_is_read_as_it_was_written() {
    let answers = recorded("== 1 CREATE\nOK\n== 2 SELECT\nschema: a INT\n+I[1]\n-D[1]\n== 3 EXPLAIN\n== Plan ==\nx\n");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1].changes, ["+I[1]", "-D[1]"]);
    assert_eq!(answers[2].text, ["== Plan ==", "x"]);
}

#[test]
fn the_order_of_a_bounded_query_counts() {
    let of = |rows: &[&str]| Answer { changes: rows.iter().map(|r| (*r).to_owned()).collect(), ..Answer::default() };
    let statements = [
        "SET 'execution.runtime-mode' = 'batch'",
        "SELECT a FROM t ORDER BY a",
        "SELECT * FROM (SELECT a FROM t ORDER BY a LIMIT 2)",
    ];
    let mut flink = [of(&[]), of(&["+I[1]", "+I[2]"]), of(&["+I[1]", "+I[2]"])];
    order_batches(&mut flink, statements.into_iter());
    let ours = of(&["+I[2]", "+I[1]"]);
    assert!(difference(&flink[1], &ours, statements[1]).is_some());
    assert_eq!(difference(&flink[2], &ours, statements[2]), None);
}

#[test]
fn the_comparison_sees_planted_bugs() {
    let of =
        |changes: &[&str]| Answer { changes: changes.iter().map(|c| (*c).to_owned()).collect(), ..Answer::default() };
    let flink = of(&["+I[a, 1]", "-U[a, 1]", "+U[a, 2]", "+I[b, 1]"]);
    assert_eq!(difference(&flink, &of(&["+I[b, 1]", "+I[a, 1]", "-U[a, 1]", "+U[a, 2]"]), ""), None);
    for wrong in [
        &["+I[a, 2]", "+I[b, 1]"][..],
        &["+I[a, 1]", "-U[a, 0]", "+U[a, 2]", "+I[b, 1]"],
        &["+I[a, 1]", "+I[b, 1]"],
        &["+I[a, 1]", "+U[a, 2]", "-U[a, 1]", "+I[b, 1]"],
    ] {
        assert!(difference(&flink, &of(wrong), "").is_some(), "{wrong:?}");
    }
}
