//! Windows whose place the clock alone decides, and the slices they are made of.
//!
//! Flink counterpart: the slice assigners of the window operators, and the window assigners of the table
//! functions and of `GROUP BY HOP(..)`. A slice is the longest stretch of which every window has all or
//! nothing; windows and slices are known by their end.

use flott_api::{Error, Result};
use flott_graph::spec::WindowKind;

/// How the windows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Each slice is a window. Where a hop is longer than its window there is nothing between them.
    Apart,
    /// Windows of one length that overlap.
    Overlapping,
    /// Windows with one start that grow.
    Growing,
}

/// Windows of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aligned {
    shape: Shape,
    /// Length of a window; of the longest if they grow.
    size_ms: i64,
    /// From the end of a window to that of the next.
    every_ms: i64,
    slice_ms: i64,
    offset_ms: i64,
}

impl Aligned {
    /// The windows of a kind; nothing if they are sessions.
    ///
    /// # Errors
    /// If there are no such windows.
    pub(crate) fn new(kind: &WindowKind) -> Result<Option<Self>> {
        let (shape, size_ms, every_ms, offset_ms) = match *kind {
            WindowKind::Tumble { size_ms, offset_ms } => (Shape::Apart, size_ms, size_ms, offset_ms),
            WindowKind::Hop { size_ms, slide_ms, offset_ms } if slide_ms >= size_ms => {
                (Shape::Apart, size_ms, slide_ms, offset_ms)
            }
            WindowKind::Hop { size_ms, slide_ms, offset_ms } => (Shape::Overlapping, size_ms, slide_ms, offset_ms),
            WindowKind::Cumulate { max_size_ms, step_ms, offset_ms } => {
                (Shape::Growing, max_size_ms, step_ms, offset_ms)
            }
            WindowKind::Session { .. } => return Ok(None),
        };
        if size_ms <= 0 || every_ms <= 0 {
            return Err(Error::invalid("a window has no length").with_detail(format!(
                "Its size and its slide or step must be positive, but are {size_ms} ms and {every_ms} ms."
            )));
        }
        if shape == Shape::Growing && size_ms % every_ms != 0 {
            return Err(Error::invalid("the size of a cumulating window is no multiple of its step")
                .with_detail(format!("The size is {size_ms} ms, the step {every_ms} ms.")));
        }
        // As in Flink only a tumbling window is refused for a shift of its whole length.
        let shift_end_ms = if matches!(kind, WindowKind::Tumble { .. }) { size_ms } else { i64::MAX };
        if offset_ms.checked_abs().is_none_or(|offset| offset >= shift_end_ms) {
            return Err(Error::invalid("the offset of a window is too large")
                .with_detail(format!("It must be shorter than the window's {size_ms} ms, but is {offset_ms} ms.")));
        }
        let slice_ms = if shape == Shape::Apart { size_ms } else { common_divisor(size_ms, every_ms) };
        Ok(Some(Aligned { shape, size_ms, every_ms, slice_ms, offset_ms }))
    }

    /// Whether windows share slices.
    pub(crate) fn is_shared(&self) -> bool {
        self.shape != Shape::Apart
    }

    /// Whether a slice leaves a window while others are still in it.
    pub(crate) fn slides(&self) -> bool {
        self.shape == Shape::Overlapping
    }

    /// The end of the slice that a wall time lies in; nothing if it lies in no window.
    #[inline]
    pub(crate) fn slice_end(&self, time_ms: i64) -> Option<i64> {
        let period_ms = if self.shape == Shape::Apart { self.every_ms } else { self.slice_ms };
        let end_ms = self.floor(time_ms, period_ms).saturating_add(self.slice_ms);
        (time_ms < end_ms || end_ms == i64::MAX).then_some(end_ms)
    }

    /// The begin of the slice with this end.
    pub(crate) fn slice_start(&self, slice_end_ms: i64) -> i64 {
        slice_end_ms.saturating_sub(self.slice_ms)
    }

    /// The end of the first slice behind a window.
    pub(crate) fn slice_behind(&self, end_ms: i64) -> i64 {
        end_ms.saturating_add(self.slice_ms)
    }

    /// From the end of a window to that of the next.
    pub(crate) fn every_ms(&self) -> i64 {
        self.every_ms
    }

    /// The last end of a window, of those that share slices, that is not behind a wall time.
    pub(crate) fn window_end_at(&self, time_ms: i64) -> i64 {
        let first = if self.slides() { self.size_ms.rem_euclid(self.every_ms) } else { 0 };
        self.floor(time_ms.saturating_sub(first), self.every_ms).saturating_add(first)
    }

    /// The end of the first window that holds a slice.
    pub(crate) fn first_window_end(&self, slice_end_ms: i64) -> i64 {
        if !self.slides() {
            return slice_end_ms;
        }
        let first = self.offset_ms.wrapping_add(self.size_ms);
        slice_end_ms.saturating_add(first.wrapping_sub(slice_end_ms).rem_euclid(self.every_ms))
    }

    /// The end of the last window that holds a slice.
    pub(crate) fn last_window_end(&self, slice_end_ms: i64) -> i64 {
        match self.shape {
            Shape::Apart => slice_end_ms,
            Shape::Overlapping => {
                let slice_start_ms = slice_end_ms.saturating_sub(self.slice_ms);
                self.floor(slice_start_ms, self.every_ms).saturating_add(self.size_ms)
            }
            Shape::Growing => self.longest_end(slice_end_ms),
        }
    }

    /// The end of the window behind one, if some slice may be in both.
    pub(crate) fn next_window_end(&self, end_ms: i64) -> Option<i64> {
        let next = end_ms.checked_add(self.every_ms)?;
        match self.shape {
            Shape::Apart => None,
            Shape::Overlapping => Some(next),
            Shape::Growing => (next <= self.longest_end(end_ms)).then_some(next),
        }
    }

    /// The start of the window that ends there.
    pub(crate) fn start(&self, end_ms: i64) -> i64 {
        match self.shape {
            Shape::Apart | Shape::Overlapping => end_ms.saturating_sub(self.size_ms),
            Shape::Growing => self.floor(end_ms.saturating_sub(1), self.size_ms),
        }
    }

    /// The end of the longest of the windows that grow from one start.
    pub(crate) fn longest_end(&self, end_ms: i64) -> i64 {
        self.start(end_ms).saturating_add(self.size_ms)
    }

    /// Calls `visit` with the ends of all windows that hold a wall time, in Flink's order: those of a hop from
    /// the last to the first, those that grow from the shortest to the longest.
    #[inline]
    pub(crate) fn windows(&self, time_ms: i64, mut visit: impl FnMut(i64)) {
        match self.shape {
            Shape::Apart => _ = self.slice_end(time_ms).map(visit),
            Shape::Overlapping => {
                let mut start_ms = self.floor(time_ms, self.every_ms);
                while start_ms > time_ms.saturating_sub(self.size_ms) {
                    visit(start_ms.saturating_add(self.size_ms));
                    start_ms = start_ms.saturating_sub(self.every_ms);
                }
            }
            Shape::Growing => {
                let last = self.floor(time_ms, self.size_ms).saturating_add(self.size_ms);
                let mut end_ms = self.floor(time_ms, self.every_ms).saturating_add(self.every_ms);
                while end_ms < last {
                    visit(end_ms);
                    end_ms = end_ms.saturating_add(self.every_ms);
                }
                visit(last);
            }
        }
    }

    /// The last multiple of the period, shifted, that is not behind the time.
    #[inline]
    fn floor(&self, time_ms: i64, period_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.wrapping_sub(self.offset_ms).rem_euclid(period_ms))
    }
}

fn common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(kind: WindowKind) -> Aligned {
        Aligned::new(&kind).unwrap().unwrap()
    }

    fn tumble(size_ms: i64, offset_ms: i64) -> WindowKind {
        WindowKind::Tumble { size_ms, offset_ms }
    }

    fn hop(size_ms: i64, slide_ms: i64, offset_ms: i64) -> WindowKind {
        WindowKind::Hop { size_ms, slide_ms, offset_ms }
    }

    fn cumulate(max_size_ms: i64, step_ms: i64, offset_ms: i64) -> WindowKind {
        WindowKind::Cumulate { max_size_ms, step_ms, offset_ms }
    }

    fn windows(a: &Aligned, time_ms: i64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        a.windows(time_ms, |end| all.push((a.start(end), end)));
        all
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let w = aligned(tumble(10, 0));
        assert_eq!([-11, -10, -1, 0, 9, 10].map(|t| w.slice_end(t).unwrap()), [-10, 0, 0, 10, 10, 20]);
        let w = aligned(tumble(10, 3));
        assert_eq!([2, 3, 12, 13].map(|t| w.slice_end(t).unwrap()), [3, 13, 13, 23]);
        let w = aligned(tumble(10, -3));
        assert_eq!([6, 7].map(|t| w.slice_end(t).unwrap()), [7, 17]);
        assert_eq!((w.start(17), w.last_window_end(17), w.next_window_end(17)), (7, 17, None));
        assert_eq!(w.slice_end(i64::MAX), Some(i64::MAX));
    }

    #[test]
    fn windows_of_a_hop_come_last_first() {
        let w = aligned(hop(10, 5, 0));
        assert_eq!(windows(&w, 7), [(5, 15), (0, 10)]);
        assert_eq!(windows(&w, -1), [(-5, 5), (-10, 0)]);
        assert_eq!((w.slice_end(7), w.first_window_end(10), w.last_window_end(10)), (Some(10), 10, 15));
        assert_eq!(windows(&aligned(hop(10, 5, 2)), 6), [(2, 12), (-3, 7)]);
    }

    #[test]
    fn a_hop_need_not_divide_its_size() {
        let w = aligned(hop(10, 4, 0));
        assert_eq!(windows(&w, 9), [(8, 18), (4, 14), (0, 10)]);
        // Slices of 2: 9 lies in that which ends at 10, 11 in that which ends at 12 and is in no window before 14.
        assert_eq!((w.slice_end(9), w.first_window_end(10), w.last_window_end(10)), (Some(10), 10, 18));
        assert_eq!((w.slice_end(11), w.first_window_end(12), w.last_window_end(12)), (Some(12), 14, 18));
        assert_eq!(w.next_window_end(14), Some(18));
    }

    #[test]
    fn the_last_end_before_a_time_is_that_of_a_window() {
        let last = |kind: WindowKind, time_ms| aligned(kind).window_end_at(time_ms);
        assert_eq!([14, 15, 17].map(|t| last(hop(10, 5, 0), t)), [10, 15, 15]);
        assert_eq!([13, 14, 17, 18].map(|t| last(hop(10, 4, 0), t)), [10, 14, 14, 18]);
        assert_eq!([11, 12].map(|t| last(cumulate(15, 5, 2), t)), [7, 12]);
    }

    #[test]
    fn between_the_windows_of_a_long_hop_there_is_nothing() {
        let w = aligned(hop(4, 10, 1));
        assert!(!w.is_shared());
        assert_eq!([0, 1, 4, 5, 11].map(|t| w.slice_end(t)), [None, Some(5), Some(5), None, Some(15)]);
        assert_eq!((windows(&w, 4), windows(&w, 5)), (vec![(1, 5)], vec![]));
    }

    #[test]
    fn cumulating_windows_grow_from_one_start() {
        let w = aligned(cumulate(15, 5, 0));
        assert_eq!(windows(&w, 7), [(0, 10), (0, 15)]);
        assert_eq!(windows(&w, 14), [(0, 15)]);
        assert_eq!((w.slice_end(7), w.first_window_end(10), w.last_window_end(10)), (Some(10), 10, 15));
        assert_eq!((w.next_window_end(10), w.next_window_end(15), w.start(15)), (Some(15), None, 0));
        let w = aligned(cumulate(15, 5, 2));
        assert_eq!((windows(&w, 1), windows(&w, 2)), (vec![(-13, 2)], vec![(2, 7), (2, 12), (2, 17)]));
    }

    #[test]
    fn impossible_windows_are_refused() {
        let refused = |kind| Aligned::new(&kind).unwrap_err().message().to_owned();
        assert_eq!(refused(tumble(0, 0)), "a window has no length");
        assert_eq!(refused(hop(10, 0, 0)), "a window has no length");
        assert_eq!(refused(tumble(10, 10)), "the offset of a window is too large");
        assert_eq!(refused(tumble(10, i64::MIN)), "the offset of a window is too large");
        assert_eq!(refused(cumulate(10, 3, 0)), "the size of a cumulating window is no multiple of its step");
        assert!(Aligned::new(&WindowKind::Session { gap_ms: 1, keys: Vec::new() }).unwrap().is_none());
    }
}
