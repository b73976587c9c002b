//! The part of the configuration that shapes aggregations: mini-batches, phases, and the splitting of `DISTINCT`.

use flott_api::options::{Millis, OptionReader};
use flott_api::{Error, Result};

const ENABLED: &str = "table.exec.mini-batch.enabled";
const LATENCY: &str = "table.exec.mini-batch.allow-latency";
const SIZE: &str = "table.exec.mini-batch.size";
const PHASES: &str = "table.optimizer.agg-phase-strategy";
const BUCKETS: &str = "table.optimizer.distinct-agg.split.bucket-num";
/// Flink's default of [`BUCKETS`].
const BUCKETS_DEFAULT: i32 = 1024;
const SPLIT_FROM: &str = "table.optimizer.distinct-agg.split.min-parallelism";
/// With fewer subtasks a key with very many values takes a good part of all work anyhow.
const SPLIT_FROM_DEFAULT: u32 = 8;

/// How rows are put together before they change groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiniBatches {
    /// `table.exec.mini-batch.allow-latency`, in milliseconds.
    latency_ms: u64,
    /// `table.exec.mini-batch.size`
    size: i64,
    /// `table.optimizer.agg-phase-strategy`: whether rows are aggregated before they are sent to where their group is.
    pub two_phases: bool,
    /// `table.optimizer.incremental-agg-enabled`: whether the phases in the middle of an aggregation by parts are one.
    pub incremental: bool,
}

impl MiniBatches {
    /// Those of the configuration; nothing where they are not enabled.
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Option<Self>> {
        let mini_batches = MiniBatches {
            latency_ms: reader.value_or(LATENCY, Millis(0))?.0,
            size: reader.value_or(SIZE, -1)?,
            two_phases: two_phases(reader)?,
            incremental: reader.value_or("table.optimizer.incremental-agg-enabled", true)?,
        };
        Ok(reader.value_or(ENABLED, false)?.then_some(mini_batches))
    }

    /// The options, and what they should be, without which nothing is aggregated in two phases.
    pub(super) fn missing(reader: &OptionReader<'_>) -> Result<Vec<(&'static str, &'static str)>> {
        let one_phase = reader.text(PHASES).is_some_and(|phases| phases.eq_ignore_ascii_case("ONE_PHASE"));
        let options = [
            (one_phase, PHASES, "'AUTO'"),
            (!reader.value_or(ENABLED, false)?, ENABLED, "'true'"),
            (reader.value_or(LATENCY, Millis(0))?.0 == 0, LATENCY, "a positive long value"),
            (reader.value_or(SIZE, -1_i64)? <= 0, SIZE, "a positive long value"),
        ];
        Ok(options.into_iter().filter(|(missing, ..)| *missing).map(|(_, key, value)| (key, value)).collect())
    }

    /// After how many milliseconds one ends.
    ///
    /// # Errors
    /// If there is no such time.
    pub fn interval_ms(&self) -> Result<i64> {
        match i64::try_from(self.latency_ms) {
            Ok(interval_ms) if interval_ms > 0 => Ok(interval_ms),
            _ => Err(needed(LATENCY, "the time after which a mini-batch ends")),
        }
    }

    /// How many rows an operator puts together.
    ///
    /// # Errors
    /// If the number is not above zero.
    pub fn rows_max(&self) -> Result<u64> {
        match u64::try_from(self.size) {
            Ok(rows) if rows > 0 => Ok(rows),
            _ => Err(needed(SIZE, "the number of rows after which a mini-batch ends")),
        }
    }
}

fn needed(key: &str, what: &str) -> Error {
    Error::invalid(format!("option '{key}' must be above zero"))
        .with_detail(format!("It is {what}, and '{ENABLED}' is true."))
}

/// `table.optimizer.agg-phase-strategy`: whether rows are aggregated before they are sent to where their group is.
pub(super) fn two_phases(reader: &OptionReader<'_>) -> Result<bool> {
    reader.choice(PHASES, &[("AUTO", true), ("ONE_PHASE", false), ("TWO_PHASE", true)], true)
}

/// Into how many parts the values under a `DISTINCT` are split; nothing where they are not. It is for keys with so many
/// values that one subtask has more work than the others, and costs several copies of each row: only with many subtasks
/// is there something to win.
pub(super) fn distinct_buckets(reader: &OptionReader<'_>, parallelism: u32) -> Result<Option<i32>> {
    let buckets: i32 = reader.value_or(BUCKETS, BUCKETS_DEFAULT)?;
    let from: u32 = reader.value_or(SPLIT_FROM, SPLIT_FROM_DEFAULT)?;
    if !reader.value_or("table.optimizer.distinct-agg.split.enabled", false)? {
        return Ok(None);
    }
    if buckets == 0 {
        return Err(Error::invalid(format!("option '{BUCKETS}' must not be zero")));
    }
    Ok((parallelism >= from).then_some(buckets))
}
