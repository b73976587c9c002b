//! What each event is: ids, skew and text, as a pure function of the event's number.
//!
//! Ids follow the benchmark's definition (Tucker et al., "NEXMark: A Benchmark for Queries over Data
//! Streams"; the proportions and the hot sets are those of the suite's Flink source).

use std::sync::LazyLock;

use super::options::Mix;

/// The first id of a person and of an auction.
const FIRST_ID: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// Ids that may be named before their event has come.
const ID_LEAD: u64 = 10;
/// Every so many persons or auctions there is a hot one.
const HOT_EVERY: u64 = 100;
const PEOPLE_ACTIVE: u64 = 1000;
/// Auctions that are open at a time.
pub(super) const AUCTIONS_IN_FLIGHT: u64 = 100;

/// From one random number to the next, before they are mixed.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;
const LETTERS_PER_NUMBER: usize = 8;

/// What kind of event a number stands for; the value of `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// A new person.
    Person = 0,
    /// A new auction.
    Auction = 1,
    /// A bid.
    Bid = 2,
}

/// Random numbers for one event: SplitMix64 (Steele, Lea, Flood 2014) seeded by the event's number.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of an event.
    #[inline]
    pub(super) fn of_event(event: u64) -> Self {
        let mut random = Random(event.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    /// 64 random bits.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(INCREMENT);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    #[inline]
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `0.0 .. 1.0`.
    #[cfg(test)]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A price in cents, spread evenly over the orders of magnitude up to a million: `round(100 * 10^(6 u))`.
    ///
    /// The power is put together of one in a table and the first terms of a series, exact to twelve digits; where that
    /// does not settle how it is rounded, the library says it. So it is the same number, in a quarter of the time.
    #[inline]
    pub(super) fn price(&mut self) -> i64 {
        let bits = self.next() >> 11;
        let unit = bits as f64 / (1u64 << 53) as f64;
        // The highest bits say the step, the others how far it is from there.
        let step = (bits >> (53 - POWER_BITS)) as usize;
        let beyond = bits & ((1 << (53 - POWER_BITS)) - 1);
        let rest = beyond as f64 * (6.0 * std::f64::consts::LN_10 / (1u64 << 53) as f64);
        let square = rest * rest;
        let series = 1.0 + rest + square * (0.5 + rest * SIXTH + square * (TWENTY_FOURTH + rest * HUNDRED_TWENTIETH));
        let cents = POWERS[step] * series + 0.5;
        let whole = cents as i64;
        let fraction = cents - whole as f64;
        if fraction > UNSETTLED && fraction < 1.0 - UNSETTLED { whole } else { exact_price(unit) }
    }

    /// Steps over a price.
    #[inline]
    pub(super) fn skip_price(&mut self) {
        self.0 = self.0.wrapping_add(INCREMENT);
    }

    /// How long the filler of an event is: `average` less what it has, give or take a fifth.
    #[inline]
    pub(super) fn extra_len(&mut self, has: u64, average: u64) -> usize {
        let Some(wanted) = average.checked_sub(has) else { return 0 };
        let delta = (wanted as f64 * 0.2 + 0.5) as u64;
        let spread = if delta == 0 { 0 } else { self.below(2 * delta) };
        (wanted - delta + spread) as usize
    }

    /// Appends so many letters.
    #[inline]
    pub(super) fn letters(&mut self, out: &mut Vec<u8>, count: usize) {
        let end = out.len() + count;
        out.reserve(count + LETTERS_PER_NUMBER);
        for _ in 0..=count / LETTERS_PER_NUMBER {
            out.extend_from_slice(&letters_of(self.next()));
        }
        out.truncate(end);
    }

    /// Steps over what [`letters`](Self::letters) takes. The numbers are a counter that is mixed.
    #[inline]
    pub(super) fn skip_letters(&mut self, count: usize) {
        let numbers = (count / LETTERS_PER_NUMBER + 1) as u64;
        self.0 = self.0.wrapping_add(INCREMENT.wrapping_mul(numbers));
    }

    /// How many letters and blanks words of at most `max` characters have; at least three.
    pub(super) fn words_len(&mut self, max: u64) -> usize {
        (3 + self.below(max - 3)) as usize
    }

    /// Appends words of that many letters and blanks, no blank at an end.
    pub(super) fn words(&mut self, out: &mut Vec<u8>, count: usize) {
        let start = out.len();
        self.letters(out, count);
        let blanks = self.next();
        for (i, byte) in out[start + 1..start + count - 1].iter_mut().enumerate() {
            if (blanks.rotate_left(i as u32 * 5) & 0x3f) < 5 {
                *byte = b' ';
            }
        }
    }

    /// Steps over what [`words`](Self::words) takes.
    pub(super) fn skip_words(&mut self, count: usize) {
        self.skip_letters(count);
        self.next();
    }
}

/// Steps between 1 and a million, as a power of two.
const POWER_BITS: u32 = 11;
const POWER_STEPS: usize = 1 << POWER_BITS;
/// Terms of the exponential series.
const SIXTH: f64 = 1.0 / 6.0;
const TWENTY_FOURTH: f64 = 1.0 / 24.0;
const HUNDRED_TWENTIETH: f64 = 1.0 / 120.0;
/// A fraction of a cent that is larger than what the series is off.
const UNSETTLED: f64 = 1e-3;
/// A hundred times `10^(6 step / POWER_STEPS)`.
static POWERS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..POWER_STEPS).map(|step| 100.0 * 10f64.powf(6.0 * step as f64 / POWER_STEPS as f64)).collect());

#[cold]
fn exact_price(unit: f64) -> i64 {
    (10f64.powf(unit * 6.0) * 100.0).round() as i64
}

/// A letter for each byte: `b * 26 / 256`, four bytes of a word at a time.
#[inline]
fn letters_of(bits: u64) -> [u8; LETTERS_PER_NUMBER] {
    const LOW: u64 = 0x00ff_00ff_00ff_00ff;
    let even = (((bits & LOW) * 26) >> 8) & LOW;
    let odd = (((bits >> 8) & LOW) * 26) & !LOW;
    ((even | odd) + 0x6161_6161_6161_6161).to_le_bytes()
}

/// Where an event stands in the rounds of persons, auctions and bids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its number.
    pub(super) event: u64,
    round: u64,
    offset: u64,
}

/// Neighbouring events of one kind, all of one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) kind: EventKind,
    /// The row of the first one in its batch.
    pub(super) row: usize,
    pub(super) len: usize,
    start: Place,
}

impl Run {
    /// Rows and places of the events.
    #[inline]
    pub(super) fn places(self) -> impl Iterator<Item = (usize, Place)> {
        (0..self.len).map(move |i| {
            let Place { event, round, offset } = self.start;
            (self.row + i, Place { event: event + i as u64, round, offset: offset + i as u64 })
        })
    }
}

impl Mix {
    /// Runs of events of one kind, in order. No division and no branch an event.
    pub(super) fn runs(&self, first: u64, count: usize) -> impl Iterator<Item = Run> + use<> {
        let lengths = [self.persons, self.auctions, self.bids];
        let total = self.total();
        let (mut round, mut offset) = (first / total, first % total);
        let mut row = 0;
        std::iter::from_fn(move || {
            if row == count {
                return None;
            }
            let ends = [lengths[0], lengths[0] + lengths[1], total];
            let kind = ends.iter().position(|end| offset < *end)?;
            let len = (ends[kind] - offset).min((count - row) as u64);
            let run = Run {
                kind: [EventKind::Person, EventKind::Auction, EventKind::Bid][kind],
                row,
                len: len as usize,
                start: Place { event: first + row as u64, round, offset },
            };
            row += run.len;
            offset += len;
            if offset == total {
                (round, offset) = (round + 1, 0);
            }
            Some(run)
        })
    }

    /// The newest person when that event takes place, counted from 0.
    #[inline]
    fn last_person(&self, place: Place) -> u64 {
        place.round * self.persons + place.offset.min(self.persons - 1)
    }

    /// The newest auction when that event takes place, counted from 0; 0 before the first one.
    #[inline]
    fn last_auction(&self, place: Place) -> u64 {
        if place.offset < self.persons {
            return (place.round * self.auctions).saturating_sub(1);
        }
        place.round * self.auctions + (place.offset - self.persons).min(self.auctions - 1)
    }

    /// The id of the person whose event this is.
    pub(super) fn person_id(&self, place: Place) -> i64 {
        (FIRST_ID + self.last_person(place)) as i64
    }

    /// The id of the auction whose event this is.
    pub(super) fn auction_id(&self, place: Place) -> i64 {
        (FIRST_ID + self.last_auction(place)) as i64
    }

    #[inline]
    fn any_person(&self, place: Place, random: &mut Random) -> u64 {
        let people = self.last_person(place) + 1;
        let active = people.min(PEOPLE_ACTIVE);
        people - active + random.below(active + ID_LEAD)
    }

    /// The seller of an auction.
    pub(super) fn seller(&self, place: Place, random: &mut Random) -> i64 {
        let person = if random.below(self.hot_sellers) > 0 {
            self.last_person(place) / HOT_EVERY * HOT_EVERY
        } else {
            self.any_person(place, random)
        };
        (FIRST_ID + person) as i64
    }

    /// The bidder of a bid: the hot ones are not the hot sellers.
    #[inline]
    pub(super) fn bidder(&self, place: Place, random: &mut Random) -> i64 {
        let person = if random.below(self.hot_bidders) > 0 {
            self.last_person(place) / HOT_EVERY * HOT_EVERY + 1
        } else {
            self.any_person(place, random)
        };
        (FIRST_ID + person) as i64
    }

    /// The auction of a bid.
    #[inline]
    pub(super) fn bid_auction(&self, place: Place, random: &mut Random) -> i64 {
        let last = self.last_auction(place);
        let auction = if random.below(self.hot_auctions) > 0 {
            last / HOT_EVERY * HOT_EVERY
        } else {
            let oldest = last.saturating_sub(AUCTIONS_IN_FLIGHT);
            oldest + random.below(last - oldest + 1 + ID_LEAD)
        };
        (FIRST_ID + auction) as i64
    }

    /// The category of an auction.
    pub(super) fn category(random: &mut Random) -> i64 {
        (FIRST_CATEGORY + random.below(CATEGORIES)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_the_power_rounded() {
        for event in 0..200_000 {
            let mut r = Random::of_event(event);
            let exact = exact_price(r.clone().unit());
            assert_eq!(r.price(), exact, "event {event}");
        }
    }
}
