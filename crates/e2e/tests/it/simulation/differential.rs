//! Random queries over random changes, against a model that evaluates them row by row over what the tables are in the end.
//!
//! Each case runs at a random parallelism, every second one with mini-batches, every fourth with joins of several inputs
//! in one operator; then with checkpoints, a kill in the middle, and at another parallelism; then in batch mode, over what
//! the tables are in the end. All of them must come to the rows of the model. A case that fails is made as small as it can
//! be, and told as a script.
//!
//! `FLOTT_QUERIES` sets how many cases (40 by default), `FLOTT_QUERIES_FROM` the first seed (0), `FLOTT_QUERY` takes one
//! alone. Every `FLOTT_QUERIES_EVERY` (200) cases, and in the end, what was tried so far is told on the error output.
//! Where `FLOTT_FLINK` is the folder of Flink's jars, it answers them first, and the model must give what it gives.

mod bounded;
mod counts;
mod expr;
mod flink;
mod generate;
mod model;
mod sql;
mod timed;

use std::path::PathBuf;
use std::sync::Mutex;

use counts::{Counts, Ran};
use flott_graph::Role;
use flott_graph::spec::{MultiJoinSpec, Spec as _};
use generate::{Dice, LAG, Table, TableKind, Tables};
use model::{Query, Row};

use super::recorded::{Killed, Outside, killed, undisturbed};
use crate::scripts::fold;

/// Tables of numbers only.
const TABLES: usize = 3;
/// Tables with a time; the rows of the last one come in order.
const TIMED: [usize; 2] = [3, 4];
const DEPTH: usize = 4;
/// What Flink refuses, too.
const REFUSED: [&str; 0] = [];
/// Attempts to make a failing case smaller.
const ATTEMPTS: usize = 300;
const MULTI_JOINS: &str = "SET 'table.optimizer.multi-join.enabled' = 'true';";
/// Dice of their own for what came later: the rest of a seed's case stays what it was.
const MULTI_JOIN_DICE: u64 = 0x006d_756c_7469;
/// So many cases reach every operator that is asked for.
const ENOUGH: u64 = 40;
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
    multi_joins: bool,
    /// Before and after the kill.
    parallelism: (u32, u32),
}

/// What a case came to.
enum Verdict {
    Equal(Ran),
    /// By a refusal that is one of Flink's, too.
    Refused(String),
    Differs(String),
}

impl Case {
    fn of(seed: u64) -> Case {
        let mut dice = Dice::new(seed);
        let mut tables: Vec<Table> = (0..TABLES).map(|_| Table::random(&mut dice)).collect();
        tables.extend([false, true].map(|in_order| Table::timed(&mut dice, in_order)));
        let depth = dice.below(DEPTH + 1);
        let of = Tables { plain: TABLES, timed: &TIMED };
        let query = generate::query(&mut dice, of, depth);
        let (mini_batches, before, after) = (dice.one_in(2), dice.below(3) as u32 + 1, dice.below(3) as u32 + 1);
        let mut dice = Dice::new(seed ^ MULTI_JOIN_DICE);
        let multi_joins = dice.one_in(4);
        let query = if multi_joins && dice.one_in(2) { generate::chain(&mut dice, of, query) } else { query };
        Case { seed, tables, query, mini_batches, multi_joins, parallelism: (before, after) }
    }

    /// The statements; the tables lie in the folder.
    fn script(&self, folder: &str) -> Vec<String> {
        let mut all = self.definitions(folder, false);
        if self.mini_batches {
            all.extend(MINI_BATCHES.map(str::to_owned));
        }
        if self.multi_joins {
            all.push(MULTI_JOINS.to_owned());
        }
        all.push(format!("{};", self.query.sql()));
        all
    }

    /// The tables as they change, or as they are in the end.
    fn definitions(&self, folder: &str, in_the_end: bool) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let (name, format) = match table.kind {
                TableKind::Changing if !in_the_end => ("json", "debezium-json"),
                _ => ("csv", "csv', 'csv.null-literal' = '"),
            };
            let time = format!(", c3 TIMESTAMP(3), WATERMARK FOR c3 AS c3 - INTERVAL '{LAG}' SECOND");
            let time = if table.kind == TableKind::Timed { time.as_str() } else { "" };
            all.push(format!(
                "CREATE TABLE t{number} (c0 BIGINT, c1 BIGINT, c2 BIGINT{time}) WITH ('connector' = 'filesystem', \
                 'path' = '{folder}/t{number}.{name}', 'format' = '{format}');"
            ));
        }
        // What each key's last row is, at any time.
        let versioned = TIMED[TIMED.len() - 1];
        all.push(format!(
            "CREATE VIEW v{versioned} AS SELECT c0, c1, c2, c3 FROM (SELECT *, \
             ROW_NUMBER() OVER (PARTITION BY c0 ORDER BY c3 DESC) AS rn FROM t{versioned}) WHERE rn = 1;"
        ));
        all
    }

    fn write(&self, folder: &PathBuf) {
        std::fs::create_dir_all(folder).unwrap();
        for (number, table) in self.tables.iter().enumerate() {
            let name = if table.kind == TableKind::Changing { "json" } else { "csv" };
            std::fs::write(folder.join(format!("t{number}.{name}")), table.text()).unwrap();
            std::fs::write(folder.join(format!("t{number}.csv")), table.in_the_end().text()).unwrap();
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
            Err(error) if REFUSED.iter().any(|why| error.contains(why)) => return Verdict::Refused(error),
            Err(error) => return Verdict::Differs(format!("refused: {error}")),
        };
        let operators = job.graph.nodes.iter().filter_map(|node| match &node.role {
            Role::Operator { kind, .. } => Some(kind.clone()),
            _ => None,
        });
        let mut ran =
            Ran { operators: operators.collect(), rows_read: self.query.rows_read(&tables), ..Ran::default() };
        let took_ms = match undisturbed(&script, self.seed, self.parallelism.0) {
            Err(error) => return Verdict::Differs(format!("fails: {error}")),
            Ok((changes, took_ms)) => match differs(&changes, &expected) {
                Some(how) => return Verdict::Differs(format!("undisturbed: {how}")),
                None => took_ms,
            },
        };
        match killed(&script, took_ms / 2 + 1, self.parallelism) {
            Err(error) => Verdict::Differs(format!("killed, fails: {error}")),
            Ok(Killed { changes, checkpoints, was_in_time }) => match differs(&changes, &expected) {
                Some(how) => Verdict::Differs(format!("killed: {how}")),
                None => {
                    ran.changes_given = changes.len() as u64;
                    (ran.checkpoints, ran.was_killed) = (checkpoints, was_in_time);
                    match self.in_batch_mode(folder, &expected) {
                        Ok(refused) => Verdict::Equal(Ran { refused_in_batch: refused, ..ran }),
                        Err(how) => Verdict::Differs(format!("in batch mode: {how}")),
                    }
                }
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
    let from = super::number_of("FLOTT_QUERIES_FROM", 0);
    let seeds = one.map_or(from..from + super::number_of("FLOTT_QUERIES", 40), |seed| seed..seed + 1);
    let counts = Mutex::new(Counts::new(seeds.start, super::number_of("FLOTT_QUERIES_EVERY", 200)));
    if let Ok(lib) = std::env::var("FLOTT_FLINK") {
        flink::compare(&lib, seeds.clone());
    }
    super::for_each(seeds, |seed| {
        let case = Case::of(seed);
        match case.verdict() {
            Verdict::Equal(ran) => counts.lock().unwrap().ran(seed, ran),
            Verdict::Refused(why) => counts.lock().unwrap().refused(seed, why),
            Verdict::Differs(how) => {
                counts.lock().unwrap().differs(seed);
                let (case, how) = case.smallest(how);
                counts::tell(&case.told(&how));
                panic!("seed {seed} differs");
            }
        }
    });
    let counts = counts.into_inner().unwrap();
    counts::tell(&counts);
    assert!(counts.refused.values().sum::<u64>() * 20 <= counts.queries, "{counts}");
    if one.is_none() {
        assert!(counts.in_batch * 2 > counts.queries, "{counts}");
        assert!(counts.operators.len() > 6, "{counts}");
        assert!(counts.queries < ENOUGH || counts.operators.contains_key(MultiJoinSpec::KIND), "{counts}");
    }
}
