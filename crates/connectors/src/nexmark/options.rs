//! The options of a `nexmark` table.

use super::DESCRIPTION;
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SCAN_PARALLELISM};
use flott_api::{Error, Result};

use super::rate::RateShape;

/// When the first event takes place unless `base-time` says otherwise: 2015-07-15 00:00:00 UTC, as in
/// the benchmark's first implementation. Milliseconds.
const BASE_TIME_MS: i64 = 1_436_918_400_000;
const RATE_DEFAULT: u32 = 10_000;
const RATE_PERIOD_MS: u64 = 600_000;

/// What may be set.
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::number("events.num", "How many events there are; without it, or with 0, the table has no end."),
    ConfigOption::flag("keep-alive", "Whether the job goes on behind the last event.").or("false"),
    ConfigOption::number("first-event.rate", "Events a second at the begin.").or("10000"),
    ConfigOption::number("next-event.rate", "And later; else as at the begin."),
    ConfigOption::choice("rate.shape", &["SQUARE", "SINE"], "How the rate goes from the one to the other.")
        .or("SQUARE"),
    ConfigOption::duration("rate.period", "How long that takes; at least a second.").or("10 min"),
    ConfigOption::flag("rate-limited", "Whether events come no faster than that; else as fast as they are taken.")
        .or("false"),
    ConfigOption::flag("rate.limited", "The same, as the suite writes it.").or("false"),
    ConfigOption::flag("max-emit-speed", "The opposite, as other generators write it.").or("true"),
    ConfigOption::number("base-time", "When the first event is, in milliseconds since the epoch; where it is set, a rate-limited event does not come before its time.").or("1436918400000"),
    ConfigOption::number("person.proportion", "Persons in each round of events.").or("1"),
    ConfigOption::number("auction.proportion", "Auctions in each round.").or("3"),
    ConfigOption::number("bid.proportion", "Bids in each round.").or("46"),
    ConfigOption::memory("person.avg-size", "Bytes of a person.").or("200"),
    ConfigOption::memory("auction.avg-size", "Bytes of an auction.").or("500"),
    ConfigOption::memory("bid.avg-size", "Bytes of a bid.").or("100"),
    ConfigOption::number("bid.hot-ratio.auctions", "One in so many bids goes to any auction, the others to a hot one.")
        .or("2"),
    ConfigOption::number("bid.hot-ratio.bidders", "One in so many bids comes from any person.").or("4"),
    ConfigOption::number("auction.hot-ratio.sellers", "One in so many auctions is any person's.").or("4"),
    SCAN_PARALLELISM,
];

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
    /// Whether that was said: then event time is real time.
    pub(super) is_real_time: bool,
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
        let r = DESCRIPTION.reader(options);
        let max_emit_speed: bool = r.value_or("max-emit-speed", true)?;
        // The suite writes `rate.limited`.
        let (ours, suites) = (r.value_or("rate-limited", false)?, r.value_or("rate.limited", false)?);
        let rate_limited = ours || suites;
        let first_rate = positive(&r, "first-event.rate", RATE_DEFAULT)?;
        let read = NexmarkOptions {
            events_num: r.value::<u64>("events.num")?.filter(|n| *n > 0),
            keep_alive: r.value_or("keep-alive", false)?,
            first_rate,
            next_rate: at_least_1("next-event.rate", r.value("next-event.rate")?.unwrap_or(first_rate))?,
            rate_shape: r.choice(
                "rate.shape",
                &[("SQUARE", RateShape::Square), ("SINE", RateShape::Sine)],
                RateShape::Square,
            )?,
            rate_period_ms: r.value_or("rate.period", Millis(RATE_PERIOD_MS))?.0,
            rate_limited: rate_limited || !max_emit_speed,
            base_time_ms: r.value_or("base-time", BASE_TIME_MS)?,
            is_real_time: options.0.contains_key("base-time"),
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
    at_least_1(key, r.value_or(key, default)?)
}

fn at_least_1(key: &str, number: u32) -> Result<u32> {
    match number {
        0 => Err(Error::invalid(format!("option '{key}' is 0")).with_hint("Give a number of at least 1.")),
        n => Ok(n),
    }
}
