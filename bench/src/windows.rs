//! `flott-bench windows [events]`: what a window that slides costs, against one that does not.
//!
//! Ten keys, a count and a sum, three hours of event time: windows of an hour, of which a new one begins every hour, or
//! every second, which is 3,600 windows for each row; and windows of a second, which are as many as the parts that a sliding
//! window is cut into. Each measurement is a process of its own.

use std::path::Path;

use flott_api::{Error, Result};

use crate::large::{HASHMAP, World, block_on, bytes_below};
use crate::run;

/// Events unless the command line says otherwise.
pub(crate) const EVENTS: u64 = 20_000_000;
const SPAN_MS: u64 = 3 * 3_600_000;
const KEYS: u64 = 10;
/// How long what was let through may take behind its last row.
const SETTLE_MS: u64 = 3_000;

const WINDOWS: [(&str, &str); 3] = [
    ("tumble-1h", "TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '1' HOUR)"),
    ("hop-1s-1h", "HOP(TABLE events, DESCRIPTOR(moment), INTERVAL '1' SECOND, INTERVAL '1' HOUR)"),
    ("tumble-1s", "TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '1' SECOND)"),
];

/// The names of all windows.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    WINDOWS.iter().map(|(name, _)| *name)
}

/// What the table of the report begins with.
pub(crate) fn title(events: u64) -> String {
    format!(
        "windows over {events} events in three hours of event time, {KEYS} keys, parallelism 1\n\n\
         window      events/s   rows out   peak MB   checkpoint KB\n"
    )
}

/// A line of the report.
pub(crate) fn one(name: &str, events: u64, folder: &Path) -> Result<String> {
    let window = WINDOWS.iter().find(|(known, _)| *known == name).map(|(_, window)| *window);
    let window = window.ok_or_else(|| Error::invalid(format!("there is no window '{name}'")))?;
    let source = format!(
        "'datagen', 'number-of-rows' = '{events}', 'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', \
         'fields.id.start' = '0', 'fields.id.end' = '{}'",
        events - 1
    );
    let ran = run::script(&script(window, &source, events), 1)?;
    let bytes = state_bytes(&script(window, "'paced'", events), events, folder)?;
    Ok(format!(
        "{name:<10} {:>8.2}M {:>10} {:>9} {:>15.1}\n",
        events as f64 / ran.seconds / 1e6,
        ran.rows,
        ran.peak_kib / 1024,
        bytes as f64 / 1e3
    ))
}

/// What a checkpoint writes in the middle of an hour.
fn state_bytes(script: &str, events: u64, folder: &Path) -> Result<u64> {
    block_on(async {
        let world = World::new();
        let job = world.start(&HASHMAP, script, folder, None)?;
        // Two and a half of three hours.
        world.let_through(events * 5 / 6);
        world.wait(&job, 2 * KEYS).await?;
        world.clock().sleep_ms(SETTLE_MS).await;
        job.checkpoint().await?;
        let bytes = bytes_below(folder)?;
        job.cancel();
        job.wait().await?;
        Ok(bytes)
    })
}

fn script(window: &str, connector: &str, events: u64) -> String {
    format!(
        "CREATE TABLE events (
  id BIGINT, k AS MOD(id, {KEYS}), moment AS TO_TIMESTAMP_LTZ(id * {SPAN_MS} / {events}, 3),
  WATERMARK FOR moment AS moment - INTERVAL '1' SECOND
) WITH ('connector' = {connector});
CREATE TABLE counted (k BIGINT, window_end TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'measure');
INSERT INTO counted SELECT k, window_end, COUNT(*), SUM(id) FROM TABLE({window}) GROUP BY k, window_start, window_end;"
    )
}
