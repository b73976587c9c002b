//! Lets groups expire that were not changed for a while (`table.exec.state.ttl`), by processing time.
//!
//! As in Flink an expired group is as good as gone from the moment on; its memory comes back later, when
//! a sweep finds it.

/// How many groups a batch looks at to find expired ones.
const SWEEP_GROUPS: usize = 256;

/// When each group was changed last.
pub(crate) struct Expiry {
    ttl_ms: i64,
    changed_ms: Vec<i64>,
    /// Where the next sweep goes on.
    hand: usize,
}

impl Expiry {
    /// Expiry after so many milliseconds; never if that is 0.
    pub(crate) fn new(ttl_ms: i64) -> Self {
        Expiry { ttl_ms, changed_ms: Vec::new(), hand: 0 }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.ttl_ms > 0
    }

    /// When a group was changed last; 0 if nothing expires.
    pub(crate) fn changed_ms(&self, group: u32) -> i64 {
        self.changed_ms.get(group as usize).copied().unwrap_or(0)
    }

    /// Notes a change.
    pub(crate) fn set(&mut self, group: u32, now_ms: i64) {
        if !self.is_on() {
            return;
        }
        let group = group as usize;
        if group >= self.changed_ms.len() {
            self.changed_ms.resize(group + 1, 0);
        }
        self.changed_ms[group] = now_ms;
    }

    pub(crate) fn is_expired(&self, group: u32, now_ms: i64) -> bool {
        self.is_on() && self.changed_ms(group).saturating_add(self.ttl_ms) <= now_ms
    }

    /// Some groups that have expired. The caller knows which of them there still are, and forgets those.
    pub(crate) fn sweep(&mut self, now_ms: i64) -> Vec<u32> {
        let end = self.changed_ms.len();
        let looked_at = SWEEP_GROUPS.min(end);
        let expired = (0..looked_at).map(|i| ((self.hand + i) % end) as u32).filter(|g| self.is_expired(*g, now_ms));
        let expired = expired.collect();
        self.hand = (self.hand + looked_at).checked_rem(end).unwrap_or(0);
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_comes_round_to_every_expired_group() {
        let mut expiry = Expiry::new(10);
        (0..1000).for_each(|group| expiry.set(group, i64::from(group % 2) * 100));
        let mut found: Vec<u32> = (0..4).flat_map(|_| expiry.sweep(50)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, (0..1000).step_by(2).collect::<Vec<_>>());
        assert!(Expiry::new(0).sweep(50).is_empty());
    }
}
