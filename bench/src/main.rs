//! `make bench`: Nexmark beside Flink, and what else is measured.
//!
//! Each measurement runs in a process of its own, so that memory is its own.
//!
//! `flott-bench` measures all but Nexmark. `flott-bench nexmark [QUERY,..|all] [ROUNDS]` compares queries (docs/benchmarks.md);
//! `flott-bench nexmark hashes|heaps|scaling|latencies [QUERY,..|all] [ROUNDS]` compares results, searches Flink's heaps, compares one
//! core with two, and times rows; `flott-bench nexmark spilled [QUERY,..] [ROUNDS]` gives state less memory than it needs;
//! `flott-bench nexmark quick [record]` counts instructions, `flott-bench nexmark soak [MINUTES [INTERVAL]]` watches a job.
//! `flott-bench state [rows]` measures the state store alone, `flott-bench large [keys]` jobs whose state is larger than their memory, with their checkpoints and restarts, `flott-bench windows [events]` windows that slide, `flott-bench joins [rows]`
//! chains of joins against one, `flott-bench formats [rows]` formats of files, `flott-bench functions [rows]` functions in Python and
//! WebAssembly, `flott-bench kafka [rows]` a real Kafka, `flott-bench lookups [rows]` lookup joins with a real PostgreSQL, `flott-bench micro [name]` each container
//! of state and each operator alone; all in files below the current folder.

mod flink;
mod formats;
mod functions;
mod joins;
mod kafka;
mod large;
mod line;
mod lookups;
mod measure;
mod micro;
mod modules;
mod nexmark;
mod objects;
mod paced;
mod processes;
mod run;
mod server;
mod state;
mod windows;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use flott_api::{Error, Result};

use crate::processes::{number, on_first_core, on_last_core, text_by, text_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each side runs each query unless the command line says otherwise.
const ROUNDS: usize = 3;
/// Rows that the state store is measured with: some dozens of files.
const STATE_ROWS: u64 = 10_000_000;

fn main() -> ExitCode {
    flott::allocator::keep_free_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["nexmark", "job", parallelism, script] => nexmark::job(parallelism, script).and_then(|line| print(&line)),
        ["nexmark", "spill", rest @ ..] => nexmark::spill(rest).and_then(|line| print(&line)),
        ["nexmark", rest @ ..] => nexmark_suite(rest),
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
        ["micro"] => micro_suite(""),
        ["micro", name] => micro_suite(name),
        ["windows"] => sliding(windows::EVENTS),
        ["windows", events] => number(events).and_then(sliding),
        ["windows", "one", name, events] => number(events).and_then(|e| in_folder(|f| windows::one(name, e, f))),
        [] => sliding(windows::EVENTS)
            .and_then(|()| joined(joins::ROWS))
            .and_then(|()| formatted(formats::ROWS))
            .and_then(|()| functions_of_users(functions::ROWS))
            .and_then(|()| large_state(large::KEYS)),
        _ => Err(Error::invalid(
            "usage: flott-bench | flott-bench nexmark [hashes|heaps|scaling|latencies|spilled] [QUERY,..|all] [rounds] | flott-bench state [rows] | flott-bench large [keys] | flott-bench windows [events] \
             | flott-bench joins [rows] | flott-bench formats [rows] | flott-bench functions [rows] | flott-bench kafka [rows] \
             | flott-bench lookups [rows] | flott-bench micro [name]",
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

/// A part of the measurements with Nexmark, of some queries.
fn nexmark_suite(arguments: &[&str]) -> Result<()> {
    let (part, rest) = match arguments {
        [part @ ("quick" | "hashes" | "heaps" | "scaling" | "latencies" | "spilled"), rest @ ..] => (*part, rest),
        rest => ("", rest),
    };
    if part == "quick" {
        let record = rest == ["record"];
        return in_folder_of("nexmark", |folder| {
            nexmark::quick(&nexmark::Sides::alone(folder)?, record, print).map(|()| String::new())
        });
    }
    if let ["soak", rest @ ..] = arguments {
        let interval = rest.get(1).copied().unwrap_or(nexmark::INTERVAL);
        let minutes = rest.first().map_or(Ok(nexmark::MINUTES), |minutes| number(minutes))?;
        return in_folder_of("nexmark", |folder| {
            nexmark::Sides::alone(folder)?;
            nexmark::soak(minutes, interval, folder, print).map(|()| String::new())
        });
    }
    let default = (part == "spilled").then_some(nexmark::SPILLED);
    let queries = nexmark::chosen(rest.first().copied().or(default))?;
    let rounds = rest.get(1).map_or(Ok(ROUNDS), |rounds| number(rounds))?;
    in_folder_of("nexmark", |folder| {
        let sides = nexmark::Sides::new(folder)?;
        match part {
            "hashes" => nexmark::hashes(&sides, &queries, print),
            "heaps" => nexmark::heaps(&sides, &queries, print),
            "scaling" => nexmark::scaling(&sides, &queries, rounds, print),
            "latencies" => nexmark::latencies(&sides, print),
            "spilled" => nexmark::spilled(&sides, &queries, rounds, print),
            _ => nexmark::compare(&sides, &nexmark::Asked { queries, rounds, hashes: true }, print),
        }?;
        Ok("\n".to_owned())
    })
}

/// What a row costs in what has this in its name.
fn micro_suite(name: &str) -> Result<()> {
    in_folder_of("micro", |folder| micro::micro(name, folder, print).map(|()| String::new()))
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
    let taskset = on_last_core();
    formats::names().try_for_each(|name| print(&text_by(&taskset, &["formats", "one", &name, &rows.to_string()])?))
}

/// A broker on the first core, and what is measured on the last one.
fn with_kafka(rows: u64) -> Result<()> {
    print(&format!("\n{}", kafka::title(rows)))?;
    in_folder_of("kafka", |folder| {
        let server = server::Server::kafka(folder, &kafka::SETTINGS, &on_first_core())?;
        let (port, count) = (server.port.to_string(), rows.to_string());
        text_of(&["kafka", "fill", &port, &count])?;
        let taskset = on_last_core();
        kafka::NAMES.iter().try_for_each(|name| print(&text_by(&taskset, &["kafka", "one", name, &port, &count])?))?;
        Ok(String::new())
    })
}

/// The same with a database.
fn with_postgres(rows: u64) -> Result<()> {
    print(&format!("\n{}", lookups::title(rows)))?;
    in_folder_of("postgres", |folder| {
        let server = server::Server::postgres(folder, &on_first_core())?;
        lookups::fill(server.port, rows)?;
        let (port, count, taskset) = (server.port.to_string(), rows.to_string(), on_last_core());
        lookups::NAMES
            .iter()
            .try_for_each(|name| print(&text_by(&taskset, &["lookups", "one", name, &port, &count])?))?;
        Ok(String::new())
    })
}

fn print(text: &str) -> Result<()> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|e| Error::external("standard output cannot be written").with_source(e))
}
