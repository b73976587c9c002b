//! `flott-bench windows [events]`: what a window that slides costs, against one that does not.
//!
//! Ten keys, a count and a sum, three hours of event time: windows of an hour, of which a new one begins every hour, or
//! every second, which is 3,600 windows for each row; and windows of a second, which are as many as the parts that a sliding
//! window is cut into. Each measurement is a process of its own.
//!
//! What a checkpoint has is measured where the third hour is nearly full, with ten keys and with keys that come once an
//! hour. A window that slides must know what leaves it in each of the seconds to come, so it has a number for each key and
//! second: many times those of a window that does not where a key comes every second, twice as many at most where it comes
//! once.

use std::path::Path;

use flott_api::{Error, Result};

use crate::large::{HASHMAP, World, block_on, bytes_below};
use crate::run;

/// Events unless the command line says otherwise.
pub(crate) const EVENTS: u64 = 20_000_000;
const SPAN_MS: u64 = 3 * 3_600_000;
const KEYS: u64 = 10;
/// Keys that come once an hour.
const RARE_KEYS: u64 = 10_000;
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
         window      events/s   rows out   peak MB   checkpoint KB   the same, {RARE_KEYS} keys once an hour\n"
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
    let ran = run::script(&script(window, &source, events, KEYS), 1)?;
    let bytes = state_bytes(window, events, KEYS, folder)?;
    let rare_bytes = state_bytes(window, 3 * RARE_KEYS, RARE_KEYS, folder)?;
    Ok(format!(
        "{name:<10} {:>8.2}M {:>10} {:>9} {:>15.1} {:>15.1}\n",
        events as f64 / ran.seconds / 1e6,
        ran.rows,
        ran.peak_kib / 1024,
        bytes as f64 / 1e3,
        rare_bytes as f64 / 1e3
    ))
}

/// What a checkpoint writes when a hundredth of the third hour is left.
fn state_bytes(window: &str, events: u64, keys: u64, folder: &Path) -> Result<u64> {
    let script = script(window, "'paced'", events, keys);
    let folder = folder.join(keys.to_string());
    block_on(async {
        let world = World::new();
        let job = world.start(&HASHMAP, &script, &folder, None)?;
        world.let_through(events - events / 300);
        world.wait(&job, 2 * keys).await?;
        world.settle(SETTLE_MS).await;
        job.checkpoint().await?;
        let bytes = bytes_below(&folder)?;
        job.cancel();
        job.wait().await?;
        Ok(bytes)
    })
}

fn script(window: &str, connector: &str, events: u64, keys: u64) -> String {
    format!(
        "CREATE TABLE events (
  id BIGINT, k AS MOD(id, {keys}), moment AS TO_TIMESTAMP_LTZ(id * {SPAN_MS} / {events}, 3),
  WATERMARK FOR moment AS moment - INTERVAL '1' SECOND
) WITH ('connector' = {connector});
CREATE TABLE counted (k BIGINT, window_end TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'measure');
INSERT INTO counted SELECT k, window_end, COUNT(*), SUM(id) FROM TABLE({window}) GROUP BY k, window_start, window_end;"
    )
}
