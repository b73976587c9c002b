//! The options of a `nexmark` table.

use flott_api::options::{MemorySize, Millis, OptionReader, Options};
use flott_api::{Error, Result};

use super::rate::RateShape;

/// When the first event takes place unless `base-time` says otherwise: 2015-07-15 00:00:00 UTC, as in
/// the benchmark's first implementation. Milliseconds.
const BASE_TIME_MS: i64 = 1_436_918_400_000;
const RATE_DEFAULT: u32 = 10_000;
const RATE_PERIOD_MS: u64 = 600_000;

/// How many events there are, what they are, and when.
#[derive(Clone, Debug)]
pub(super) struct NexmarkOptions {
    /// `events.num`; nothing means without end.
    pub(super) events_num: Option<u64>,
    /// `keep-alive`: the source stays after its last event.
    pub(super) keep_alive: bool,
    /// `first-event.rate`, events per second of event time.
    pub(super) first_rate: u32,
    /// `next-event.rate`: the other rate that `rate.shape` moves to and back.
    pub(super) next_rate: u32,
    /// `rate.shape`
    pub(super) rate_shape: RateShape,
    /// `rate.period`
    pub(super) rate_period_ms: u64,
    /// `rate-limited`: hold rows back to real time.
    pub(super) rate_limited: bool,
    /// `base-time`: when event 0 takes place, milliseconds since the epoch.
    pub(super) base_time_ms: i64,
    /// `scan.parallelism`
    pub(super) parallelism: Option<u32>,
    /// What the events are.
    pub(super) mix: Mix,
}

/// Proportions, sizes and skew.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    /// Persons in each round of events.
    pub(super) persons: u64,
    /// Auctions in each round of events.
    pub(super) auctions: u64,
    /// Bids in each round of events.
    pub(super) bids: u64,
    /// `person.avg-size`, bytes.
    pub(super) person_bytes: u64,
    /// `auction.avg-size`, bytes.
    pub(super) auction_bytes: u64,
    /// `bid.avg-size`, bytes.
    pub(super) bid_bytes: u64,
    /// One in so many bids goes to any auction, the others to a hot one.
    pub(super) hot_auctions: u64,
    /// One in so many bids comes from any person, the others from a hot one.
    pub(super) hot_bidders: u64,
    /// One in so many auctions is any person's, the others a hot one's.
    pub(super) hot_sellers: u64,
}

impl Mix {
    /// Events in a round.
    pub(super) fn total(&self) -> u64 {
        self.persons + self.auctions + self.bids
    }
}

impl NexmarkOptions {
    /// Reads and checks them all.
    pub(super) fn read(options: &Options) -> Result<Self> {
        let r = OptionReader::new(options, "connector 'nexmark'");
        let max_emit_speed: bool = r.value_or("max-emit-speed", true)?;
        // The suite writes `rate.limited`.
        let rate_limited = r.value_or("rate-limited", false)? || r.value_or("rate.limited", false)?;
        let first_rate = positive(&r, "first-event.rate", RATE_DEFAULT)?;
        let read = NexmarkOptions {
            events_num: r.value::<u64>("events.num")?.filter(|n| *n > 0),
            keep_alive: r.value_or("keep-alive", false)?,
            first_rate,
            next_rate: positive(&r, "next-event.rate", first_rate)?,
            rate_shape: r.choice(
                "rate.shape",
                &[("SQUARE", RateShape::Square), ("SINE", RateShape::Sine)],
                RateShape::Square,
            )?,
            rate_period_ms: r.value_or("rate.period", Millis(RATE_PERIOD_MS))?.0,
            rate_limited: rate_limited || !max_emit_speed,
            base_time_ms: r.value_or("base-time", BASE_TIME_MS)?,
            parallelism: r.value("scan.parallelism")?,
            mix: read_mix(&r)?,
        };
        r.finish()?;
        if read.rate_period_ms < 1000 {
            return Err(Error::invalid("option 'rate.period' is less than a second"));
        }
        Ok(read)
    }
}

fn read_mix(r: &OptionReader<'_>) -> Result<Mix> {
    let bytes = |key: &str, default: u64| r.value_or(key, MemorySize(default)).map(|size| size.0);
    Ok(Mix {
        persons: positive(r, "person.proportion", 1)?.into(),
        auctions: positive(r, "auction.proportion", 3)?.into(),
        bids: r.value_or::<u32>("bid.proportion", 46)?.into(),
        person_bytes: bytes("person.avg-size", 200)?,
        auction_bytes: bytes("auction.avg-size", 500)?,
        bid_bytes: bytes("bid.avg-size", 100)?,
        hot_auctions: positive(r, "bid.hot-ratio.auctions", 2)?.into(),
        hot_bidders: positive(r, "bid.hot-ratio.bidders", 4)?.into(),
        hot_sellers: positive(r, "auction.hot-ratio.sellers", 4)?.into(),
    })
}

fn positive(r: &OptionReader<'_>, key: &str, default: u32) -> Result<u32> {
    match r.value_or(key, default)? {
        0 => Err(Error::invalid(format!("option '{key}' is 0")).with_hint("Give a number of at least 1.")),
        n => Ok(n),
    }
}
