//! Random queries over random changes, against a model that evaluates them row by row over what the tables are in the end.
//!
//! Each case runs at a random parallelism, every second one with mini-batches; then with checkpoints, a kill in the
//! middle, and at another parallelism. All of them must come to the rows of the model. A case that fails is made as small
//! as it can be, and told as a script.
//!
//! `FLOTT_QUERIES` sets how many cases (40 by default), `FLOTT_QUERY` takes one alone. Where `FLOTT_FLINK` is the
//! folder of Flink's jars, it answers them first, and the model must give what it gives.

mod flink;
mod generate;
mod model;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use flott_graph::Role;
use generate::{Dice, Table};
use model::{Query, Row};

use super::recorded::{Outside, disturbed_or_error, undisturbed};
use crate::scripts::fold;

const TABLES: usize = 3;
const DEPTH: usize = 4;
/// Attempts to make a failing case smaller.
const ATTEMPTS: usize = 300;
/// All that may be refused: where a union joins what runs once with what runs several times.
const NOT_RESCALED: &str = "a change of parallelism for updates without a key is not supported yet";
const MINI_BATCHES: [&str; 3] = [
    "SET 'table.exec.mini-batch.enabled' = 'true';",
    "SET 'table.exec.mini-batch.allow-latency' = '20 ms';",
    "SET 'table.exec.mini-batch.size' = '5';",
];

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    tables: Vec<Table>,
    query: Query,
    mini_batches: bool,
    /// Before and after the kill.
    parallelism: (u32, u32),
}

/// What a case came to.
enum Verdict {
    /// Ran, and the operators that it ran.
    Equal(Vec<String>),
    Refused(String),
    Differs(String),
}

impl Case {
    fn of(seed: u64) -> Case {
        let mut dice = Dice::new(seed);
        let tables = (0..TABLES).map(|_| Table::random(&mut dice)).collect();
        let depth = dice.below(DEPTH) + 1;
        let query = generate::query(&mut dice, TABLES, depth);
        let (mini_batches, before, after) = (dice.one_in(2), dice.below(3) as u32 + 1, dice.below(3) as u32 + 1);
        Case { seed, tables, query, mini_batches, parallelism: (before, after) }
    }

    /// The statements; the tables lie in the folder.
    fn script(&self, folder: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let (name, format) =
                if table.changes_rows { ("json", "debezium-json") } else { ("csv", "csv', 'csv.null-literal' = '") };
            all.push(format!(
                "CREATE TABLE t{number} (c0 BIGINT, c1 BIGINT, c2 BIGINT) WITH ('connector' = 'filesystem', \
                 'path' = '{folder}/t{number}.{name}', 'format' = '{format}');"
            ));
        }
        if self.mini_batches {
            all.extend(MINI_BATCHES.map(str::to_owned));
        }
        all.push(format!("{};", self.query.sql()));
        all
    }

    fn write(&self, folder: &PathBuf) {
        std::fs::create_dir_all(folder).unwrap();
        for (number, table) in self.tables.iter().enumerate() {
            let name = if table.changes_rows { "json" } else { "csv" };
            std::fs::write(folder.join(format!("t{number}.{name}")), table.text()).unwrap();
        }
    }

    fn verdict(&self) -> Verdict {
        let folder = std::env::temp_dir().join(format!("flott-queries-{}-{}", std::process::id(), self.seed));
        self.write(&folder);
        let verdict = self.verdict_in(folder.to_str().unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        verdict
    }

    fn verdict_in(&self, folder: &str) -> Verdict {
        let script = self.script(folder);
        let script: Vec<&str> = script.iter().map(String::as_str).collect();
        let tables: Vec<Vec<Row>> = self.tables.iter().map(Table::rows).collect();
        let expected = texts(&self.query.rows(&tables));
        let mut process = Outside::default().process(self.seed, self.parallelism.0);
        let job = match process.planned(&script) {
            Ok(job) => job,
            Err(error) if error.contains(NOT_RESCALED) => return Verdict::Refused(NOT_RESCALED.to_owned()),
            Err(error) => return Verdict::Differs(format!("refused: {error}")),
        };
        let operators = job.graph.nodes.iter().filter_map(|node| match &node.role {
            Role::Operator { kind, .. } => Some(kind.clone()),
            _ => None,
        });
        let operators = operators.collect();
        let took_ms = match undisturbed(&script, self.seed, self.parallelism.0) {
            Err(error) => return Verdict::Differs(format!("fails: {error}")),
            Ok((changes, took_ms)) => match differs(&changes, &expected) {
                Some(how) => return Verdict::Differs(format!("undisturbed: {how}")),
                None => took_ms,
            },
        };
        match disturbed_or_error(&script, took_ms / 2 + 1, self.parallelism) {
            Err(error) if error.contains(NOT_RESCALED) => Verdict::Refused(NOT_RESCALED.to_owned()),
            Err(error) => Verdict::Differs(format!("killed, fails: {error}")),
            Ok(changes) => match differs(&changes, &expected) {
                Some(how) => Verdict::Differs(format!("killed: {how}")),
                None => Verdict::Equal(operators),
            },
        }
    }

    fn smaller(&self) -> Vec<Case> {
        let mut all: Vec<Case> = Vec::new();
        for query in self.query.smaller() {
            all.push(Case { query, ..self.clone() });
        }
        for number in 0..self.tables.len() {
            let changes = &self.tables[number].changes;
            let mut lives: Vec<usize> = changes.iter().map(|c| c.life).collect();
            lives.dedup();
            let half = lives.len() / 2;
            let parts =
                [lives[..half].to_vec(), lives[half..].to_vec()].into_iter().chain(lives.iter().map(|l| vec![*l]));
            for gone in parts.filter(|gone| !gone.is_empty()) {
                let mut less = self.clone();
                less.tables[number].changes.retain(|c| !gone.contains(&c.life));
                all.push(less);
            }
        }
        all
    }

    /// The smallest case that differs, too, and how it does.
    fn smallest(self, how: String) -> (Case, String) {
        let (mut case, mut how, mut attempts) = (self, how, 0);
        'smaller: loop {
            for less in case.smaller() {
                attempts += 1;
                if attempts > ATTEMPTS {
                    return (case, how);
                }
                if let Verdict::Differs(new) = less.verdict() {
                    (case, how) = (less, new);
                    continue 'smaller;
                }
            }
            return (case, how);
        }
    }

    /// A report with all that one needs to see it.
    fn told(&self, how: &str) -> String {
        let files = self.tables.iter().enumerate().map(|(n, t)| format!("-- t{n}\n{}", t.text()));
        format!(
            "FLOTT_QUERY={} at parallelism {:?}: {how}\n{}\n{}",
            self.seed,
            self.parallelism,
            self.script("..").join("\n"),
            files.collect::<String>()
        )
    }
}

fn texts(rows: &[Row]) -> Vec<String> {
    let value = |v: &Option<i64>| v.map_or("<NULL>".to_owned(), |v| v.to_string());
    let mut texts: Vec<String> =
        rows.iter().map(|row| format!("[{}]", row.iter().map(value).collect::<Vec<_>>().join(", "))).collect();
    texts.sort();
    texts
}

fn differs(changes: &[String], expected: &[String]) -> Option<String> {
    match fold(changes) {
        Err(error) => Some(error),
        Ok(rows) if rows == expected => None,
        Ok(rows) => Some(format!("gives {rows:?} instead of {expected:?}")),
    }
}

#[test]
fn random_queries_give_what_they_mean() {
    let one = std::env::var("FLOTT_QUERY").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(0..super::number_of("FLOTT_QUERIES", 40), |seed| seed..seed + 1);
    let (operators, refused) = (Mutex::new(BTreeMap::<String, u64>::new()), Mutex::new(BTreeMap::<String, u64>::new()));
    let cases = seeds.end - seeds.start;
    if let Ok(lib) = std::env::var("FLOTT_FLINK") {
        flink::compare(&lib, seeds.clone());
    }
    super::for_each(seeds, |seed| {
        let case = Case::of(seed);
        match case.verdict() {
            Verdict::Equal(ran) => {
                let mut operators = operators.lock().unwrap();
                ran.into_iter().for_each(|kind| *operators.entry(kind).or_default() += 1);
            }
            Verdict::Refused(why) => *refused.lock().unwrap().entry(why).or_default() += 1,
            Verdict::Differs(how) => {
                let (case, how) = case.smallest(how);
                panic!("{}", case.told(&how));
            }
        }
    });
    let (operators, refused) = (operators.into_inner().unwrap(), refused.into_inner().unwrap());
    println!("{cases} queries; operators {operators:?}; refused {refused:?}");
    assert!(refused.values().sum::<u64>() * 20 <= cases, "{refused:?}");
    if one.is_none() {
        assert!(operators.len() > 6, "{operators:?}");
    }
}
