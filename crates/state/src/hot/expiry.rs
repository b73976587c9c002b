//! Lets groups expire that were not changed for a while, by processing time: Flink's `StateTtlConfig`.
//!
//! An expired group is as good as gone from the moment on ([`TtlVisibility`]); its memory comes back when a
//! sweep finds it, its place in the store when the files are merged. What counts is today's time to
//! live, not the one under which a group was written.

/// How many groups a sweep looks at.
const SWEEP_GROUPS: usize = 256;
/// The time of a change that is not known, in memory and in the store.
pub(super) const NOT_KNOWN: i64 = 0;

/// A time that is not [`NOT_KNOWN`]: the first millisecond of 1970 counts as the second.
pub(super) fn known_ms(at_ms: i64) -> i64 {
    if at_ms == NOT_KNOWN { 1 } else { at_ms }
}

/// What starts a group's time anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TtlUpdate {
    /// Its creation and every change.
    #[default]
    OnCreateAndWrite,
    /// Also its being read.
    OnReadAndWrite,
}

/// Whether an expired group is still seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TtlVisibility {
    /// Never.
    #[default]
    NeverReturnExpired,
    /// Until a sweep has found it.
    ReturnExpiredIfNotCleanedUp,
}

/// When groups expire. The default is never; SQL leaves all but the time as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TtlOptions {
    /// After how many milliseconds; 0 for never.
    pub ttl_ms: i64,
    /// What starts the time anew.
    pub update: TtlUpdate,
    /// Whether an expired group is seen.
    pub visibility: TtlVisibility,
}

impl TtlOptions {
    /// As SQL has it: `table.exec.state.ttl`.
    pub fn after(ttl_ms: i64) -> Self {
        TtlOptions { ttl_ms, ..TtlOptions::default() }
    }

    /// Whether anything expires.
    pub fn is_on(&self) -> bool {
        self.ttl_ms > 0
    }

    /// Whether what was changed last at this time is over.
    pub(super) fn is_over(&self, changed_ms: i64, now_ms: i64) -> bool {
        self.is_on() && changed_ms.saturating_add(self.ttl_ms) <= now_ms
    }

    /// The same, for somebody who reads it.
    pub(super) fn is_hidden(&self, changed_ms: i64, now_ms: i64) -> bool {
        self.visibility == TtlVisibility::NeverReturnExpired && self.is_over(changed_ms, now_ms)
    }
}

/// When each group was changed last. Takes no memory while nothing expires.
#[derive(Debug)]
pub(super) struct Expiry {
    pub(super) options: TtlOptions,
    changed_ms: Vec<i64>,
    /// Where the next sweep goes on.
    hand: usize,
}

impl Expiry {
    pub(super) fn new(options: TtlOptions) -> Self {
        Expiry { options, changed_ms: Vec::new(), hand: 0 }
    }

    /// When a group was changed last.
    pub(super) fn changed_ms(&self, group: u32) -> i64 {
        self.changed_ms.get(group as usize).copied().unwrap_or(NOT_KNOWN)
    }

    /// Notes a change.
    pub(super) fn set(&mut self, group: u32, at_ms: i64) {
        if !self.options.is_on() {
            return;
        }
        let group = group as usize;
        if group >= self.changed_ms.len() {
            self.changed_ms.resize(group + 1, NOT_KNOWN);
        }
        self.changed_ms[group] = known_ms(at_ms);
    }

    pub(super) fn is_hidden(&self, group: u32, now_ms: i64) -> bool {
        self.options.is_on() && self.options.is_hidden(self.changed_ms(group), now_ms)
    }

    /// Some numbers whose time is over. The caller knows which of them are groups.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Vec<u32> {
        let end = self.changed_ms.len();
        let looked_at = SWEEP_GROUPS.min(end);
        let numbers = (0..looked_at).map(|i| (self.hand + i) % end);
        let over = numbers.filter(|g| self.options.is_over(self.changed_ms[*g], now_ms)).map(|g| g as u32).collect();
        self.hand = (self.hand + looked_at).checked_rem(end).unwrap_or(0);
        over
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.changed_ms.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_comes_round_to_every_expired_group() {
        let mut expiry = Expiry::new(TtlOptions::after(10));
        (0..1000).for_each(|group| expiry.set(group, i64::from(group % 2) * 100));
        let mut found: Vec<u32> = (0..4).flat_map(|_| expiry.sweep(50)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, (0..1000).step_by(2).collect::<Vec<_>>());
        let mut never = Expiry::new(TtlOptions::default());
        never.set(0, 1);
        assert!(never.sweep(50).is_empty());
        assert_eq!(never.memory_bytes(), 0);
    }

    #[test]
    fn an_expired_group_may_be_seen_until_it_is_swept() {
        let seen = TtlVisibility::ReturnExpiredIfNotCleanedUp;
        let mut expiry = Expiry::new(TtlOptions { visibility: seen, ..TtlOptions::after(10) });
        expiry.set(0, 5);
        assert!(!expiry.is_hidden(0, 15));
        assert_eq!(expiry.sweep(15), [0]);
    }
}
