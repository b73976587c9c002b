//! Which times may meet, and for how long a row waits for others.

/// A time of the left is at least that of the right plus the lower bound, and at most that plus the upper one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) lower_ms: i64,
    pub(super) upper_ms: i64,
}

impl Bounds {
    /// Whether no two times can meet.
    pub(super) fn is_empty(self) -> bool {
        self.lower_ms > self.upper_ms
    }

    /// The first and the last time that a row of the other side may have.
    pub(super) fn of_other(self, is_left: bool, at_ms: i64) -> (i64, i64) {
        if is_left {
            (at_ms.saturating_sub(self.upper_ms), at_ms.saturating_sub(self.lower_ms))
        } else {
            (at_ms.saturating_add(self.lower_ms), at_ms.saturating_add(self.upper_ms))
        }
    }

    /// When a row is over: its last partner came before.
    pub(super) fn over_ms(self, is_left: bool, at_ms: i64) -> i64 {
        self.of_other(is_left, at_ms).1.saturating_add(1)
    }

    /// How long pairs may come behind the watermark.
    pub(super) fn delay_ms(self) -> i64 {
        if self.is_empty() { 0 } else { self.upper_ms.max(self.lower_ms.saturating_neg()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_left_is_between_the_bounds_around_the_right() {
        let bounds = Bounds { lower_ms: -10, upper_ms: 2 };
        assert_eq!(bounds.of_other(true, 100), (98, 110));
        assert_eq!(bounds.of_other(false, 100), (90, 102));
        assert_eq!((bounds.over_ms(true, 100), bounds.over_ms(false, 100)), (111, 103));
        assert_eq!((bounds.delay_ms(), bounds.is_empty()), (10, false));
        assert_eq!(Bounds { lower_ms: 5, upper_ms: 9 }.delay_ms(), 9);
        assert!(Bounds { lower_ms: 1, upper_ms: 0 }.is_empty());
        assert_eq!(bounds.over_ms(true, i64::MAX), i64::MAX);
    }
}
