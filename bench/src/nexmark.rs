//! `flott-bench nexmark`: every query of the suite, beside Flink where there is one, in turns.
//!
//! Before a query is measured, its result over a million events is hashed on both sides and compared: a fast wrong answer is
//! none. docs/benchmarks.md tells how each number comes about.

mod heaps;
mod latency;
mod outcome;
mod queries;
mod quick;
mod scaling;
mod script;
mod sides;
mod soak;
mod spilled;
mod table;

pub(crate) use heaps::heaps;
pub(crate) use latency::latencies;
pub(crate) use queries::Query;
pub(crate) use quick::quick;
pub(crate) use scaling::scaling;
pub(crate) use sides::{Sides, job};
pub(crate) use soak::{INTERVAL, MINUTES, soak};
pub(crate) use spilled::{QUERIES as SPILLED, spill, spilled};
pub(crate) use table::{Asked, compare, hashes};

use flott_api::{Error, Result};

/// Parallelism of what is compared: the cores of the machine that the figures in the documentation come from.
pub(crate) const PARALLELISM: u32 = 2;

/// The queries of these names, with commas between; all without any.
pub(crate) fn chosen(names: Option<&str>) -> Result<Vec<&'static Query>> {
    let Some(names) = names.filter(|names| *names != "all") else { return Ok(queries::QUERIES.iter().collect()) };
    let named = |name: &str| {
        let found = queries::QUERIES.iter().find(|query| query.name == name);
        found.ok_or_else(|| Error::invalid(format!("there is no query '{name}'")))
    };
    names.split(',').map(named).collect()
}
