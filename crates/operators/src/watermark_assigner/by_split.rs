//! The time of each split.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::splits::OpenSplits;

/// How far each split has come.
pub(super) struct SplitTimes {
    open: Arc<OpenSplits>,
    times: BTreeMap<Arc<str>, SplitTime>,
}

#[derive(Clone, Copy)]
struct SplitTime {
    /// The largest watermark of a row; the least of all before the first one.
    watermark_ms: i64,
    /// When the last row came, or the split, by the split's own clock.
    last_row_ms: i64,
    /// What that clock shows.
    clock_ms: i64,
    idle: bool,
}

/// The split that a batch is of.
pub(super) struct AtWork<'a> {
    time: &'a mut SplitTime,
    /// The least of the other splits; nothing if there is none to wait for.
    others_ms: Option<i64>,
}

impl SplitTimes {
    /// Nothing has come yet.
    pub(super) fn new(open: Arc<OpenSplits>) -> Self {
        SplitTimes { open, times: BTreeMap::new() }
    }

    /// Takes note of splits that have come or ended, and of their clocks.
    fn refresh(&mut self, now_ms: i64) {
        let open = self.open.all(now_ms);
        self.times.retain(|split, _| open.contains_key(split));
        for (split, clock_ms) in open {
            let new = SplitTime { watermark_ms: i64::MIN, last_row_ms: clock_ms, clock_ms, idle: false };
            self.times.entry(split).or_insert(new).clock_ms = clock_ms;
        }
    }

    /// A batch has come; nothing if it is of no split.
    pub(super) fn begin(&mut self, now_ms: i64) -> Option<AtWork<'_>> {
        self.refresh(now_ms);
        let current = self.open.current()?;
        let others = self.times.iter().filter(|(split, time)| **split != current && !time.idle);
        let others_ms = others.map(|(_, time)| time.watermark_ms).min();
        let time = self.times.get_mut(&current)?;
        (time.last_row_ms, time.idle) = (time.clock_ms, false);
        Some(AtWork { time, others_ms })
    }

    /// The least watermark of all splits; nothing if there is none to wait for. Splits are idle that have had no row for
    /// longer than the timeout, if there is one.
    pub(super) fn least(&mut self, now_ms: i64, idle_timeout_ms: i64) -> Option<i64> {
        self.refresh(now_ms);
        for time in self.times.values_mut() {
            time.idle |= idle_timeout_ms > 0 && time.clock_ms.saturating_sub(time.last_row_ms) > idle_timeout_ms;
        }
        self.times.values().filter(|time| !time.idle).map(|time| time.watermark_ms).min()
    }
}

impl AtWork<'_> {
    /// A row of the split has this watermark; that of all splits.
    pub(super) fn advance(&mut self, watermark_ms: i64) -> i64 {
        self.time.watermark_ms = self.time.watermark_ms.max(watermark_ms);
        self.others_ms.map_or(self.time.watermark_ms, |others| others.min(self.time.watermark_ms))
    }

    /// The watermark of the split alone; nothing before there is one.
    pub(super) fn reached_ms(&self) -> Option<i64> {
        Some(self.time.watermark_ms).filter(|watermark| *watermark != i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_split_that_is_not_idle_decides() {
        let open = Arc::new(OpenSplits::default());
        let mut times = SplitTimes::new(Arc::clone(&open));
        assert!(times.begin(0).is_none());
        ["a", "b"].into_iter().for_each(|split| open.open(split));
        open.read("a");
        assert_eq!(times.begin(0).unwrap().advance(100), i64::MIN, "b has no row yet");
        open.read("b");
        let mut b = times.begin(1).unwrap();
        assert_eq!((b.advance(50), b.advance(40), b.advance(200)), (50, 50, 100));
        // Of all, a is behind, until it is idle.
        assert_eq!(times.least(2, 0), Some(100));
        assert_eq!(times.least(11, 10), Some(200));
        assert_eq!(times.least(12, 10), None, "all are idle");
        open.read("a");
        assert_eq!(times.begin(20).unwrap().advance(150), 150, "b is idle still");
        // A split that comes holds it back, and one that ends does not any more.
        open.open("c");
        open.read("a");
        assert_eq!(times.begin(21).unwrap().advance(300), i64::MIN);
        open.close("c");
        assert_eq!(times.least(22, 0), Some(300));
    }

    #[test]
    fn a_split_that_is_paused_is_not_idle() {
        let open = Arc::new(OpenSplits::default());
        let mut times = SplitTimes::new(Arc::clone(&open));
        ["a", "b"].into_iter().for_each(|split| open.open(split));
        for split in ["a", "b"] {
            open.read(split);
            times.begin(0).unwrap().advance(if split == "a" { 100 } else { 900 });
        }
        open.pause_split("b", true, 4);
        assert_eq!(times.least(50, 10), Some(900), "a is idle, b waits");
        open.pause_split("b", false, 100);
        assert_eq!(times.least(106, 10), Some(900), "its clock goes on where it stood");
        assert_eq!(times.least(107, 10), None);
    }
}
