//! `flott-bench nexmark latencies`: how long behind its event a row is at the sink, at a fifth and at four fifths of what each
//! side can sustain.
//!
//! Events come in real time, at the moment that they bear. The row of a window is late from the moment on at which an event can
//! close it: the end of the window and the delay of the watermark are the query's own.

use flott_api::{Error, Result};

use super::PARALLELISM;
use super::outcome::Outcome;
use super::queries::{Hashed, Query};
use super::script::{How, Live};
use super::sides::Sides;

/// Parts of the rate that a side sustains.
const LOADS: [f64; 2] = [0.2, 0.8];
/// A job is measured so long, once it is warm.
const MEASURED_MS: i64 = 20_000;
/// From the start of a job to its first event: until then its process, its plan and its tasks must be there.
const START_MS: [i64; 2] = [4_000, 12_000];
/// From the first event to the first that counts: a virtual machine compiles what is hot meanwhile.
const WARM_MS: [i64; 2] = [5_000, 20_000];
/// The delay of the watermark in the script.
const WATERMARK_MS: i64 = 4_000;
const WINDOW: &str = "SELECT auction, price, window_end FROM (
  SELECT auction, MAX(price) AS price, window_end
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) GROUP BY auction, window_start, window_end)";

/// A query whose rows are timed.
struct Timed {
    query: Query,
    column: &'static str,
    own_ms: i64,
}

fn timed() -> [Timed; 2] {
    let query = |name, sink, select| Query {
        name,
        sink,
        select,
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 2048,
    };
    let q1 = query(
        "q1",
        "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra STRING",
        "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid",
    );
    let highest = query("highest", "auction BIGINT, price BIGINT, window_end TIMESTAMP(3)", WINDOW);
    [
        Timed { query: q1, column: "dateTime", own_ms: 0 },
        Timed { query: highest, column: "window_end", own_ms: WATERMARK_MS },
    ]
}

/// Measures on each side: first what it sustains, then how late rows are below that.
pub(crate) fn latencies(sides: &Sides, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::external("no runtime can be started").with_source(e))?;
    let clock = runtime.block_on(async { flott_runtime::environment::real().clock });
    print("query    side   sustained events/s  load  p50 ms  p99 ms  p99.9 ms\n")?;
    for timed in &timed() {
        for (side, name) in ["Flott", "Flink"].iter().enumerate() {
            if side == 1 && !sides.has_flink() {
                continue;
            }
            let run = |how: &How<'_>| match side {
                0 => sides.flott(&timed.query, how, PARALLELISM, &[]),
                _ => sides.flink(&timed.query, how, PARALLELISM, timed.query.flink_heap_mib, None),
            };
            let sustained = run(&sides.fast(timed.query.events))?.rate();
            for load in LOADS {
                let outcome = at_load(sides, timed, side, (sustained * load) as u64, clock.now_ms(), &run)?;
                let [half, most, nearly_all] = outcome.latencies_ms;
                print(&format!(
                    "{:<8} {name} {:>18.3}M {:>4.0}% {half:>7} {most:>7} {nearly_all:>9}\n",
                    timed.query.name,
                    sustained / 1e6,
                    load * 100.0
                ))?;
            }
        }
    }
    Ok(())
}

fn at_load(
    sides: &Sides,
    timed: &Timed,
    side: usize,
    rate: u64,
    now_ms: i64,
    run: &impl Fn(&How<'_>) -> Result<Outcome>,
) -> Result<Outcome> {
    let base_ms = now_ms + START_MS[side];
    let from_ms = base_ms + WARM_MS[side];
    let live = Live { rate, base_ms, from_ms, column: timed.column, own_ms: timed.own_ms };
    let events = rate * (WARM_MS[side] + MEASURED_MS) as u64 / 1000;
    let outcome = run(&How { live: Some(live), ..sides.fast(events) })?;
    if outcome.latencies_ms[0] < 0 {
        return Err(Error::internal(format!("no row of {} was timed", timed.query.name)));
    }
    Ok(outcome)
}
