//! `flott-bench nexmark quick [record]`: whether a change makes queries dearer, in less than two minutes.
//!
//! What a machine is busy with beside does not change how many instructions a query takes, so those are counted, by valgrind:
//! those of more events less those of fewer, which leaves out the start of the process and the plan. The counts of the last
//! recording lie in `bench/instructions.tsv`. The hash of each result is compared, too.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use flott_api::{Error, Result};

use super::queries::Query;
use super::script::Engine;
use super::sides::Sides;
use super::table::HASHED_EVENTS;
use crate::processes::number;

/// What is counted: a query of each kind.
const QUERIES: &str = "q0,q3,q5,q7,q13,q15,q17,q18,q20,q22";
const FEWER_EVENTS: u64 = 50_000;
const MORE_EVENTS: u64 = 150_000;
/// Counts are the same to less than this part of them from run to run.
const NOISE: f64 = 0.02;
const VALGRIND: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// What was recorded of a query.
#[derive(Clone, Debug)]
struct Recorded {
    query: String,
    /// Instructions an event.
    instructions: u64,
    hash: u64,
}

/// Counts, compares and prints; or records what it has counted.
pub(crate) fn quick(sides: &Sides, record: bool, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    let queries = super::chosen(Some(QUERIES))?;
    let counted = both(queries, |query| count(sides, query))?;
    if record {
        return write(&counted);
    }
    let before = read()?;
    print("query  instructions an event  recorded  change\n")?;
    let mut wrong = Vec::new();
    for now in &counted {
        let before = before.iter().find(|before| before.query == now.query);
        let before = before.ok_or_else(|| unrecorded(&now.query))?;
        let change = now.instructions as f64 / before.instructions as f64 - 1.0;
        let word = match change {
            more if more > NOISE => "  dearer",
            less if less < -NOISE => "  cheaper",
            _ => "",
        };
        let (query, now_at, before_at) = (&now.query, now.instructions, before.instructions);
        print(&format!("{query:<6} {now_at:>21} {before_at:>9} {:>+6.1}%{word}\n", change * 100.0))?;
        if now.hash != before.hash {
            wrong.push(format!("{query}: hash {:016x} instead of {:016x}", now.hash, before.hash));
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => {
            Err(Error::internal("queries give other rows than when they were recorded").with_detail(wrong.join("; ")))
        }
    }
}

/// The work on each query, two at a time.
fn both(queries: Vec<&'static Query>, work: impl Fn(&Query) -> Result<Recorded> + Sync) -> Result<Vec<Recorded>> {
    let left = Mutex::new(queries.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((place, query)) = left.lock().ok().and_then(|mut left| left.next()) {
                    let counted = work(query);
                    if let Ok(mut done) = done.lock() {
                        done.push((place, counted));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| Error::internal("a measurement has panicked"))?;
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, counted)| counted).collect()
}

fn count(sides: &Sides, query: &Query) -> Result<Recorded> {
    let hash = sides.flott(query, &sides.hashed(HASHED_EVENTS), 1, &[])?.hash;
    let [fewer, more] = [FEWER_EVENTS, MORE_EVENTS].map(|events| instructions(sides, query, events));
    let instructions = (more? - fewer?) / (MORE_EVENTS - FEWER_EVENTS);
    Ok(Recorded { query: query.name.to_owned(), instructions, hash })
}

fn instructions(sides: &Sides, query: &Query, events: u64) -> Result<u64> {
    let script = sides.write(query, Engine::Flott, &sides.fast(events))?;
    let own = std::env::current_exe().map_err(|e| Error::external("this program is not found").with_source(e))?;
    let mut command = Command::new(VALGRIND[0]);
    command.args(&VALGRIND[1..]).arg(own).args(["nexmark", "job", "1"]).arg(script);
    let output = command.stdin(Stdio::null()).output().map_err(|e| {
        Error::external("valgrind, which counts instructions, cannot be started")
            .with_hint("`script/setup bench-quick` installs it.")
            .with_source(e)
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| line.split_once("Collected :").map(|(_, count)| count.trim()));
    match counted {
        Some(count) if output.status.success() => number(count),
        _ => Err(Error::external(format!("{} failed under valgrind", query.name)).with_detail(said.into_owned())),
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.tsv")
}

fn read() -> Result<Vec<Recorded>> {
    let failed = |e| Error::external("the recorded instructions cannot be read").with_source(e);
    let text = std::fs::read_to_string(path()).map_err(failed)?;
    let line = |line: &str| {
        let mut cells = line.split('\t');
        let (Some(query), Some(count), Some(hash), None) = (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            return Err(Error::corrupt(format!("'{line}' is no line of recorded instructions")));
        };
        let hash = u64::from_str_radix(hash, 16).map_err(|_| Error::corrupt(format!("'{hash}' is no hash")))?;
        Ok(Recorded { query: query.to_owned(), instructions: number(count)?, hash })
    };
    text.lines().skip(1).map(line).collect()
}

fn write(counted: &[Recorded]) -> Result<()> {
    let mut text = "query\tinstructions an event\thash of a million\n".to_owned();
    for Recorded { query, instructions, hash } in counted {
        _ = writeln!(text, "{query}\t{instructions}\t{hash:016x}");
    }
    std::fs::write(path(), text).map_err(|e| Error::external("instructions cannot be recorded").with_source(e))
}

fn unrecorded(query: &str) -> Error {
    Error::invalid(format!("nothing is recorded of {query}")).with_hint("`script/bench nexmark quick record` records.")
}
