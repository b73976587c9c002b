//! `make bench`: Nexmark queries, rows per second and peak memory, at parallelism 1 and 2.
//!
//! Each measurement runs in a process of its own, so that memory is its own. Before anything is measured, the output
//! of each query over a million events is hashed and compared with what was recorded: a fast wrong answer is none.
//!
//! `flott-bench [events]` measures all; `flott-bench one QUERY PARALLELISM EVENTS [hash]` one, as a line of numbers.
//! `flott-bench state [rows]` measures the state store alone, `flott-bench large [keys]` jobs whose state is larger than
//! their memory, with their checkpoints and restarts, `flott-bench windows [events]` windows that slide, `flott-bench joins [rows]`
//! chains of joins against one, `flott-bench formats [rows]` formats of files, `flott-bench functions [rows]` functions in Python and
//! WebAssembly, `flott-bench kafka [rows]` a real Kafka, `flott-bench lookups [rows]` lookup joins with a real PostgreSQL; all in
//! files below the current folder.

mod flink;
mod formats;
mod functions;
mod joins;
mod kafka;
mod large;
mod line;
mod lookups;
mod measure;
mod modules;
mod nexmark;
mod paced;
mod run;
mod server;
mod state;
mod windows;

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use flott_api::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events in a measurement unless the command line says otherwise: some seconds a query.
const EVENTS: u64 = 20_000_000;
/// Rows that the state store is measured with: some dozens of files.
const STATE_ROWS: u64 = 10_000_000;
/// Events whose output is hashed.
const HASHED_EVENTS: u64 = 1_000_000;
const PARALLELISMS: [u32; 2] = [1, 2];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["one", query, parallelism, events, rest @ ..] => one(query, parallelism, events, *rest == ["hash"]),
        ["state"] => state_store(STATE_ROWS),
        ["state", rows] => number(rows).and_then(state_store),
        ["formats"] => formatted(formats::ROWS),
        ["formats", rows] => number(rows).and_then(formatted),
        ["formats", "one", name, rows] => number(rows).and_then(|r| in_folder(|f| formats::one(name, r, f))),
        ["functions"] => functions_of_users(functions::ROWS),
        ["functions", rows] => number(rows).and_then(functions_of_users),
        ["joins"] => joined(joins::ROWS),
        ["joins", rows] => number(rows).and_then(joined),
        ["joins", "one", name, rows] => number(rows).and_then(|r| in_folder(|f| joins::one(name, r, f))),
        ["kafka"] => with_kafka(kafka::ROWS),
        ["kafka", rows] => number(rows).and_then(with_kafka),
        ["kafka", "fill", port, rows] => number(port).and_then(|p| kafka::fill(p, number(rows)?)),
        ["kafka", "one", name, port, rows] => {
            number(port).and_then(|p| in_folder_of("kafka-one", |f| kafka::one(name, p, number(rows)?, f)))
        }
        ["lookups"] => with_postgres(lookups::ROWS),
        ["lookups", rows] => number(rows).and_then(with_postgres),
        ["lookups", "one", name, port, rows] => {
            number(port).and_then(|p| in_folder_of("lookups-one", |f| lookups::one(name, p, number(rows)?, f)))
        }
        ["large"] => large_state(large::KEYS),
        ["large", keys] => number(keys).and_then(large_state),
        ["large", "throughput", way, keys] => number(keys).and_then(|k| in_folder(|f| large::throughput(way, k, f))),
        ["large", "checkpoints", keys] => number(keys).and_then(|k| in_folder(|f| large::checkpoints(k, f))),
        ["windows"] => sliding(windows::EVENTS),
        ["windows", events] => number(events).and_then(sliding),
        ["windows", "one", name, events] => number(events).and_then(|e| in_folder(|f| windows::one(name, e, f))),
        [] => all(EVENTS)
            .and_then(|()| sliding(windows::EVENTS))
            .and_then(|()| joined(joins::ROWS))
            .and_then(|()| formatted(formats::ROWS))
            .and_then(|()| functions_of_users(functions::ROWS))
            .and_then(|()| large_state(large::KEYS)),
        [events] => number(events).and_then(all),
        _ => Err(Error::invalid(
            "usage: flott-bench [events] | flott-bench state [rows] | flott-bench large [keys] | flott-bench windows [events] \
             | flott-bench joins [rows] | flott-bench formats [rows] | flott-bench functions [rows] | flott-bench kafka [rows] \
             | flott-bench lookups [rows]",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to report a failing report.
            _ = writeln!(std::io::stderr(), "{}", flott::report::error(&error, None, false));
            ExitCode::FAILURE
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.replace('_', "").parse().map_err(|_| Error::invalid(format!("'{text}' is no number")))
}

/// One measurement in this process, as a line: seconds, rows out, bytes out, peak memory in KiB, hash.
fn one(query: &str, parallelism: &str, events: &str, hash: bool) -> Result<()> {
    let query = nexmark::query(query)?;
    let measured = run::run(query, number(parallelism)?, number(events)?, hash)?;
    print(&format!(
        "{} {} {} {} {:016x}\n",
        measured.seconds, measured.rows, measured.bytes, measured.peak_kib, measured.hash
    ))
}

/// Prints what is measured in a folder, which is deleted at the end.
fn in_folder(measure: impl FnOnce(&Path) -> Result<String>) -> Result<()> {
    in_folder_of("state", measure)
}

/// The same in a folder of this name, for measurements within others.
fn in_folder_of(name: &str, measure: impl FnOnce(&Path) -> Result<String>) -> Result<()> {
    let failed = |e: std::io::Error| Error::external("the folder of the measurement cannot be used").with_source(e);
    let folder = std::env::current_dir().map_err(failed)?.join(format!("flott-bench-{name}"));
    std::fs::create_dir(&folder).map_err(failed)?;
    let report = measure(&folder);
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    print(&report?)
}

/// The state store alone.
fn state_store(rows: u64) -> Result<()> {
    let failed = |e: std::io::Error| Error::external("no thread can be started").with_source(e);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    in_folder(|folder| {
        runtime.block_on(async { state::measure(&flott_runtime::environment::real(), rows, folder).await })
    })
}

/// Functions in Python, then ones in WebAssembly.
fn functions_of_users(rows: u64) -> Result<()> {
    let failed = |e: std::io::Error| Error::external("no thread can be started").with_source(e);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    in_folder(|folder| {
        runtime.block_on(async {
            let environment = flott_runtime::environment::real();
            let report = functions::measure(&environment, rows, folder).await?;
            Ok::<_, Error>(format!("{report}\n{}", modules::measure(&environment, 10 * rows, folder)?))
        })
    })
}

/// Jobs with state that is larger than their memory.
fn large_state(keys: u64) -> Result<()> {
    print(&format!("\n{}", large::title(keys)))?;
    for way in large::ways() {
        print(&text_of(&["large", "throughput", way, &keys.to_string()])?)?;
    }
    print("\n")?;
    for keys in [large::fewer(keys), keys] {
        print(&text_of(&["large", "checkpoints", &keys.to_string()])?)?;
    }
    Ok(())
}

/// Windows that slide, and windows that do not.
fn sliding(events: u64) -> Result<()> {
    print(&format!("\n{}", windows::title(events)))?;
    windows::names().try_for_each(|name| print(&text_of(&["windows", "one", name, &events.to_string()])?))
}

/// Joins of several inputs, in a chain and at once.
fn joined(rows: u64) -> Result<()> {
    print(&format!("\n{}", joins::title(rows)))?;
    joins::names().try_for_each(|name| print(&text_of(&["joins", "one", &name, &rows.to_string()])?))
}

/// Files of every format, written and read.
fn formatted(rows: u64) -> Result<()> {
    print(&format!("\n{}", formats::title(rows)))?;
    let taskset = taskset();
    formats::names().try_for_each(|name| print(&text_by(&taskset, &["formats", "one", &name, &rows.to_string()])?))
}

/// A broker on the first core, and what is measured on the last one.
fn with_kafka(rows: u64) -> Result<()> {
    print(&format!("\n{}", kafka::title(rows)))?;
    in_folder_of("kafka", |folder| {
        let server =
            server::Server::kafka(folder, &kafka::SETTINGS, &taskset_of(|cores| cores.split([',', '-']).next()))?;
        let (port, count) = (server.port.to_string(), rows.to_string());
        text_of(&["kafka", "fill", &port, &count])?;
        let taskset = taskset();
        kafka::NAMES.iter().try_for_each(|name| print(&text_by(&taskset, &["kafka", "one", name, &port, &count])?))?;
        Ok(String::new())
    })
}

/// The same with a database.
fn with_postgres(rows: u64) -> Result<()> {
    print(&format!("\n{}", lookups::title(rows)))?;
    in_folder_of("postgres", |folder| {
        let server = server::Server::postgres(folder, &taskset_of(|cores| cores.split([',', '-']).next()))?;
        lookups::fill(server.port, rows)?;
        let (port, count, taskset) = (server.port.to_string(), rows.to_string(), taskset());
        lookups::NAMES
            .iter()
            .try_for_each(|name| print(&text_by(&taskset, &["lookups", "one", name, &port, &count])?))?;
        Ok(String::new())
    })
}

/// What holds a program on the last core that this process may have; nothing where there is no such program.
fn taskset() -> Vec<String> {
    taskset_of(|cores| cores.rsplit([',', '-']).next())
}

fn taskset_of(core: impl Fn(&str) -> Option<&str>) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let Some(core) = cores.and_then(|list| core(list.trim())) else { return Vec::new() };
    let taskset = ["taskset", "-c", core].map(str::to_owned);
    let there = Command::new(&taskset[0]).args(&taskset[1..]).arg("true").status().is_ok_and(|status| status.success());
    if there { taskset.to_vec() } else { Vec::new() }
}

/// What this program prints with these arguments, in a process of its own.
fn text_of(arguments: &[&str]) -> Result<String> {
    text_by(&[], arguments)
}

/// The same, started by another program, which has its own arguments first.
fn text_by(starter: &[String], arguments: &[&str]) -> Result<String> {
    let failed = |e: std::io::Error| Error::external("a measurement cannot be started").with_source(e);
    let own = std::env::current_exe().map_err(failed)?;
    let mut command = match starter {
        [] => Command::new(own),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(own);
            command
        }
    };
    let output = command.args(arguments).stderr(std::process::Stdio::inherit()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(Error::external(format!("the measurement '{}' failed", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn print(text: &str) -> Result<()> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|e| Error::external("standard output cannot be written").with_source(e))
}

/// What a child process measured.
struct Line {
    seconds: f64,
    rows: u64,
    bytes: u64,
    peak_kib: u64,
    hash: String,
}

fn child(query: &str, parallelism: u32, events: u64, hash: bool) -> Result<Line> {
    let (parallel, count) = (parallelism.to_string(), events.to_string());
    let mut arguments = vec!["one", query, &parallel, &count];
    if hash {
        arguments.push("hash");
    }
    let text = text_of(&arguments)?;
    let cells: Vec<&str> = text.split_whitespace().collect();
    let [seconds, rows, bytes, peak_kib, hash] = cells.as_slice() else {
        return Err(Error::external(format!("{query} at parallelism {parallelism} failed")));
    };
    Ok(Line {
        seconds: number(seconds)?,
        rows: number(rows)?,
        bytes: number(bytes)?,
        peak_kib: number(peak_kib)?,
        hash: (*hash).to_owned(),
    })
}

fn all(events: u64) -> Result<()> {
    for query in nexmark::QUERIES {
        for parallelism in PARALLELISMS {
            let line = child(query.name, parallelism, HASHED_EVENTS, true)?;
            if line.hash != query.hash {
                return Err(Error::internal(format!(
                    "{} at parallelism {parallelism} gives other rows: hash {} instead of {}",
                    query.name, line.hash, query.hash
                )));
            }
        }
    }
    print(&format!("Nexmark, {events} events each; outputs of {HASHED_EVENTS} events are as recorded.\n\n"))?;
    print("query  parallelism  events/s   rows out    MB out   peak MB  against parallelism 1\n")?;
    for query in nexmark::QUERIES {
        let mut alone = None;
        for parallelism in PARALLELISMS {
            let line = child(query.name, parallelism, events, false)?;
            let rate = events as f64 / line.seconds;
            let ratio = rate / *alone.get_or_insert(rate);
            print(&format!(
                "{:<6} {:>11} {:>9.2}M {:>10} {:>9.1} {:>9.1} {:>12.2}\n",
                query.name,
                parallelism,
                rate / 1e6,
                line.rows,
                line.bytes as f64 / 1e6,
                line.peak_kib as f64 / 1024.0,
                ratio
            ))?;
        }
    }
    Ok(())
}
