//! What is known of a value under `DISTINCT`: for each `FILTER` under which it is looked at, whether it was seen, or how
//! often.
//!
//! Where rows only come and nothing expires a bit a filter is enough, as in Flink; else each filter has its own count, which
//! is signed, as a retraction may come before what it retracts.

use super::expiry::known_ms;

/// So many filters share what is known of a value.
pub const FILTERS_MAX: usize = u8::BITS as usize;

/// What decides when a value expires.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) now_ms: i64,
    /// Values that were last changed then or before are over; the least number if nothing expires.
    pub(super) expired_ms: i64,
    /// Whether only the first row of a value counts as a change.
    pub(super) by_first_row: bool,
}

/// What is known of a value. Fresh, nothing is.
pub(super) trait Seen: Copy + Default + Send + 'static {
    /// Counts a value up or down under these filters, a bit each. Answers for which of them it is there now and was not
    /// before, and the other way round.
    fn see(&mut self, filters: u8, by: i64, clock: Clock) -> [u8; 2] {
        let (mut rest, mut changed) = (filters, [0, 0]);
        while rest != 0 {
            let filter = rest.trailing_zeros();
            rest &= rest - 1;
            let (before, after) = self.add(filter as usize, by, clock);
            changed[0] |= u8::from(before <= 0 && after > 0) << filter;
            changed[1] |= u8::from(before > 0 && after <= 0) << filter;
        }
        changed
    }

    /// Adds to the count under a filter, and answers the count before and after.
    fn add(&mut self, filter: usize, by: i64, clock: Clock) -> (i64, i64);

    /// The count under a filter, and when it was last changed: 0 if that is not known.
    fn get(&self, filter: usize) -> (i64, i64);

    /// Sets them.
    fn set(&mut self, filter: usize, count: i64, changed_ms: i64);

    /// Whether nothing is known any more.
    fn is_over(&self, expired_ms: i64) -> bool;
}

/// A bit for each filter.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits(u8);

impl Seen for Bits {
    #[inline]
    fn see(&mut self, filters: u8, by: i64, _: Clock) -> [u8; 2] {
        let fresh = if by > 0 { filters & !self.0 } else { 0 };
        self.0 |= fresh;
        [fresh, 0]
    }

    fn add(&mut self, filter: usize, by: i64, clock: Clock) -> (i64, i64) {
        let [fresh, _] = self.see(1 << filter, by, clock);
        (i64::from(fresh == 0), 1)
    }

    fn get(&self, filter: usize) -> (i64, i64) {
        (i64::from(self.0 >> filter & 1), 0)
    }

    fn set(&mut self, filter: usize, count: i64, _: i64) {
        self.0 |= u8::from(count > 0) << filter;
    }

    fn is_over(&self, _: i64) -> bool {
        self.0 == 0
    }
}

/// How often a value was seen.
pub(super) trait Count: Copy + Default + Send + 'static {
    fn new(count: i64, now_ms: i64) -> Self;
    /// The count; 0 if the value was last changed at `expired_ms` or before.
    fn get(self, expired_ms: i64) -> i64;
    /// Count and time of the last change, 0 if that is not known: the same bytes with and without expiry, so
    /// that it may be switched on and off.
    fn parts(self) -> (i64, i64);
}

impl Count for i64 {
    fn new(count: i64, _: i64) -> Self {
        count
    }

    fn get(self, _: i64) -> i64 {
        self
    }

    fn parts(self) -> (i64, i64) {
        (self, 0)
    }
}

/// A count that expires.
#[derive(Clone, Copy, Default)]
pub(super) struct Timed {
    count: i64,
    changed_ms: i64,
}

impl Count for Timed {
    fn new(count: i64, changed_ms: i64) -> Self {
        Timed { count, changed_ms: known_ms(changed_ms) }
    }

    fn get(self, expired_ms: i64) -> i64 {
        if self.changed_ms <= expired_ms { 0 } else { self.count }
    }

    fn parts(self) -> (i64, i64) {
        (self.count, self.changed_ms)
    }
}

/// A count for each of so many filters.
#[derive(Clone, Copy)]
pub(super) struct Counted<C, const N: usize>([C; N]);

impl<C: Count, const N: usize> Default for Counted<C, N> {
    fn default() -> Self {
        Counted([C::default(); N])
    }
}

impl<C: Count, const N: usize> Seen for Counted<C, N> {
    fn add(&mut self, filter: usize, by: i64, clock: Clock) -> (i64, i64) {
        let count = &mut self.0[filter];
        let before = count.get(clock.expired_ms);
        if before > 0 && clock.by_first_row {
            return (before, before + by);
        }
        *count = C::new(before + by, clock.now_ms);
        (before, before + by)
    }

    fn get(&self, filter: usize) -> (i64, i64) {
        self.0[filter].parts()
    }

    fn set(&mut self, filter: usize, count: i64, changed_ms: i64) {
        self.0[filter] = C::new(count, changed_ms);
    }

    fn is_over(&self, expired_ms: i64) -> bool {
        self.0.iter().all(|count| count.get(expired_ms) == 0)
    }
}
