//! `flott-bench formats [rows]`: what each format costs, to write and to read, on one core.
//!
//! Rows of six columns (a number, a text, a decimal, a double, a timestamp and a truth value) go through whole jobs that write
//! files and read them into nothing ([`jobs`]), and through decoders and encoders of messages alone ([`messages`]).
//! Where `FLOTT_FLINK` is the folder of Flink's jars, Flink runs the same statements and reads the same files and messages, in a
//! virtual machine of its own behind each measurement of ours ([`crate::flink`]; `docs/formats_benchmark.md` says what else it needs).
//!
//! Each measurement is a process of its own, held with what it starts on one core where there is `taskset`. It runs several
//! times, and the least time and the least CPU time of these count.

mod jobs;
mod messages;
mod registry;

use std::path::Path;

use flott_api::{Error, Result};

use crate::flink::Flink;
use crate::line::Line;

/// Rows unless the command line says otherwise.
pub(crate) const ROWS: u64 = 3_000_000;
/// How often each thing is done on either side. The first times warm up the virtual machine.
const RUNS: usize = 4;

/// The names of all measurements.
pub(crate) fn names() -> impl Iterator<Item = String> {
    jobs::names().chain(messages::names())
}

/// What the table of the report begins with.
pub(crate) fn title(rows: u64) -> String {
    let flink = if Flink::is_asked() { Line::FLINK_TITLE } else { "" };
    format!("{rows} rows, parallelism 1, one core; the best of {RUNS} runs\n\n{}{flink}\n", Line::TITLE)
}

/// Lines of the report.
pub(crate) fn one(name: &str, rows: u64, folder: &Path) -> Result<String> {
    let flink = Flink::of_environment(&folder.join("flink-classes"))?;
    let lines = match name.split_once(' ') {
        Some((messages::PREFIX, format)) => messages::lines(format, rows, folder, flink.as_ref())?,
        _ if jobs::names().any(|known| known == name) => jobs::lines(name, rows, folder, flink.as_ref())?,
        _ => return Err(Error::invalid(format!("'{name}' is not measured"))),
    };
    Ok(lines.iter().map(ToString::to_string).collect())
}
