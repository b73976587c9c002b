//! Which splits the source of a task reads, for an operator chained behind it that keeps time by split, and how far that
//! time has come, for who pauses what is ahead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::TaskMetrics;

/// The splits of one subtask of a source: written by who drives its reader, read by operators of its chain. What
/// [`tell`](OpenSplits::tell) and [`told`](OpenSplits::told) are about goes the other way.
///
/// It also has the clocks of idleness, which stand still while nothing can come: under back-pressure, and while reading is
/// paused.
#[derive(Debug, Default)]
pub struct OpenSplits {
    inner: Mutex<Inner>,
    /// Of the task that reads.
    task: Arc<TaskMetrics>,
}

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<Arc<str>, OpenSplit>,
    current: Option<Arc<str>>,
    /// Of the reader as a whole.
    pause: Pause,
    told: SubtaskTime,
}

#[derive(Debug, Default)]
struct OpenSplit {
    pause: Pause,
    /// What was told of it.
    watermark_ms: Option<i64>,
}

/// How far a subtask has come in event time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubtaskTime {
    /// The watermark of its rows; nothing before there is one.
    pub watermark_ms: Option<i64>,
    /// Whether nobody has to wait for it.
    pub idle: bool,
    /// Whether time is kept for each split.
    pub by_split: bool,
}

/// How long something was paused, by a clock that stands still under back-pressure.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    since_ms: Option<i64>,
    before_ms: i64,
}

impl Pause {
    fn set(&mut self, paused: bool, clock_ms: i64) {
        match (paused, self.since_ms) {
            (true, None) => self.since_ms = Some(clock_ms),
            (false, Some(since)) => {
                self.before_ms += clock_ms - since;
                self.since_ms = None;
            }
            _ => {}
        }
    }

    fn total_ms(&self, clock_ms: i64) -> i64 {
        self.before_ms + self.since_ms.map_or(0, |since| clock_ms - since)
    }
}

impl OpenSplits {
    /// None yet, of a task that measures its back-pressure here.
    pub fn of(task: Arc<TaskMetrics>) -> Self {
        OpenSplits { inner: Mutex::default(), task }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without the time that the task was held back.
    fn unhindered_ms(&self, now_ms: i64) -> i64 {
        now_ms - (self.task.back_pressured_ns.get() / 1_000_000) as i64
    }

    /// A split is read from now on.
    pub fn open(&self, split: &str) {
        self.inner().open.entry(split.into()).or_default();
    }

    /// A split has ended.
    pub fn close(&self, split: &str) {
        self.inner().open.remove(split);
    }

    /// The batch that comes next is of this split.
    pub fn read(&self, split: &str) {
        let mut inner = self.inner();
        if inner.current.as_deref() != Some(split) {
            inner.current = Some(split.into());
        }
    }

    /// The split of the batch that is at work.
    pub fn current(&self) -> Option<Arc<str>> {
        self.inner().current.clone()
    }

    /// A split is not read any more, or again.
    pub fn pause_split(&self, split: &str, paused: bool, now_ms: i64) {
        let clock_ms = self.unhindered_ms(now_ms);
        if let Some(open) = self.inner().open.get_mut(split) {
            open.pause.set(paused, clock_ms);
        }
    }

    /// Nothing is read any more, or again.
    pub fn pause(&self, paused: bool, now_ms: i64) {
        let clock_ms = self.unhindered_ms(now_ms);
        self.inner().pause.set(paused, clock_ms);
    }

    /// A clock by which the subtask is idle or not; it has no beginning, only differences mean something.
    pub fn clock_ms(&self, now_ms: i64) -> i64 {
        let clock_ms = self.unhindered_ms(now_ms);
        clock_ms - self.inner().pause.total_ms(clock_ms)
    }

    /// All splits that have not ended, each with its own clock.
    pub fn all(&self, now_ms: i64) -> BTreeMap<Arc<str>, i64> {
        let clock_ms = self.unhindered_ms(now_ms);
        let inner = self.inner();
        let clocks =
            inner.open.iter().map(|(split, open)| (Arc::clone(split), clock_ms - open.pause.total_ms(clock_ms)));
        clocks.collect()
    }

    /// How far time has come: in the split whose batch is at work, if it is kept by split, and in the subtask.
    pub fn tell(&self, of_current: Option<i64>, subtask: SubtaskTime) {
        let mut inner = self.inner();
        inner.told = subtask;
        let Inner { open, current, .. } = &mut *inner;
        if let (Some(watermark_ms), Some(open)) = (of_current, current.as_ref().and_then(|c| open.get_mut(c))) {
            open.watermark_ms = Some(watermark_ms);
        }
    }

    /// What was told of the subtask.
    pub fn told(&self) -> SubtaskTime {
        self.inner().told
    }

    /// What was told of each split that has not ended; nothing of those that have no watermark.
    pub fn told_by_split(&self) -> Vec<(Arc<str>, Option<i64>)> {
        self.inner().open.iter().map(|(split, open)| (Arc::clone(split), open.watermark_ms)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_stand_still_while_nothing_can_come() {
        let task = Arc::new(TaskMetrics::default());
        let splits = OpenSplits::of(Arc::clone(&task));
        ["a", "b"].into_iter().for_each(|split| splits.open(split));
        let clocks = |now_ms| {
            let of_splits: Vec<i64> = splits.all(now_ms).into_values().collect();
            (splits.clock_ms(now_ms), of_splits)
        };
        assert_eq!(clocks(100), (100, vec![100, 100]));
        // Held back: all of them.
        task.back_pressured_ns.add(30_000_000);
        assert_eq!(clocks(130), (100, vec![100, 100]));
        splits.pause_split("a", true, 130);
        splits.pause_split("a", true, 140);
        assert_eq!(clocks(150), (120, vec![100, 120]));
        // Paused and held back at a time counts once.
        task.back_pressured_ns.add(10_000_000);
        assert_eq!(clocks(170), (130, vec![100, 130]));
        splits.pause_split("a", false, 170);
        assert_eq!(clocks(180), (140, vec![110, 140]));
        splits.pause(true, 180);
        assert_eq!(clocks(190), (140, vec![120, 150]));
        splits.pause(false, 200);
        splits.close("b");
        assert_eq!(clocks(205), (145, vec![135]));
    }

    #[test]
    fn what_is_told_is_of_the_split_at_work() {
        let splits = OpenSplits::default();
        ["a", "b"].into_iter().for_each(|split| splits.open(split));
        splits.read("b");
        let time = SubtaskTime { watermark_ms: Some(3), idle: false, by_split: true };
        splits.tell(Some(7), time);
        assert_eq!(splits.told(), time);
        assert_eq!(splits.told_by_split(), [("a".into(), None), ("b".into(), Some(7))]);
        splits.close("b");
        splits.tell(Some(8), time);
        splits.open("b");
        assert_eq!(splits.told_by_split(), [("a".into(), None), ("b".into(), None)]);
    }
}
