//! Tumbling windows over a time column, in the wall time of a zone.

use arrow_array::{Int64Array, RecordBatch};
use flott_api::{Error, Result, Schema};
use flott_graph::spec::{WindowKind, WindowTime};

use super::time::{WallClock, millis};

/// Cuts time into windows.
pub(crate) struct Windows {
    time: WindowTime,
    size_ms: i64,
    offset_ms: i64,
    clock: WallClock,
}

impl Windows {
    /// The windows of a specification.
    pub(crate) fn new(input: &Schema, time: WindowTime, kind: &WindowKind, zone: &str) -> Result<Self> {
        if matches!(time, WindowTime::Rowtime(column) if column >= input.len()) {
            return Err(Error::internal("the time column of a window does not exist"));
        }
        let WindowKind::Tumble { size_ms, offset_ms } = *kind;
        if size_ms <= 0 {
            return Err(Error::invalid("a tumbling window has no length")
                .with_detail(format!("Its size must be positive, but is {size_ms} ms.")));
        }
        if offset_ms.checked_abs().is_none_or(|offset| offset >= size_ms) {
            return Err(Error::invalid("the offset of a tumbling window is too large")
                .with_detail(format!("It must be shorter than the window's {size_ms} ms, but is {offset_ms} ms.")));
        }
        Ok(Windows { time, size_ms, offset_ms, clock: WallClock::new(zone)? })
    }

    /// The zone's clock.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// Whether time is that of the rows.
    pub(crate) fn is_event_time(&self) -> bool {
        matches!(self.time, WindowTime::Rowtime(_))
    }

    /// The start of the window that ends there.
    pub(crate) fn start_ms(&self, end_ms: i64) -> i64 {
        end_ms.saturating_sub(self.size_ms)
    }

    /// The wall time of each row; null where a row has no time.
    pub(crate) fn times(&self, rows: &RecordBatch, processing_time_ms: i64) -> Result<Int64Array> {
        match self.time {
            WindowTime::Proctime => {
                let now = self.clock.local(Int64Array::from(vec![processing_time_ms]))?.value(0);
                Ok(Int64Array::from(vec![now; rows.num_rows()]))
            }
            WindowTime::Rowtime(column) => self.clock.local(millis(rows.column(column))?),
        }
    }

    /// The end of the window that a wall time lies in.
    #[inline]
    pub(crate) fn end_ms(&self, time_ms: i64) -> i64 {
        let into = (time_ms.wrapping_sub(self.offset_ms)).rem_euclid(self.size_ms);
        time_ms.saturating_sub(into).saturating_add(self.size_ms)
    }

    /// The watermark that ends the window: its last millisecond.
    pub(crate) fn due_ms(&self, end_ms: i64) -> Result<i64> {
        self.clock.timer_ms(end_ms.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(size_ms: i64, offset_ms: i64) -> Result<Windows> {
        Windows::new(&Schema::default(), WindowTime::Proctime, &WindowKind::Tumble { size_ms, offset_ms }, "UTC")
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let w = windows(10, 0).unwrap();
        assert_eq!([-11, -10, -1, 0, 9, 10].map(|t| w.end_ms(t)), [-10, 0, 0, 10, 10, 20]);
        let w = windows(10, 3).unwrap();
        assert_eq!([2, 3, 12, 13].map(|t| w.end_ms(t)), [3, 13, 13, 23]);
        let w = windows(10, -3).unwrap();
        assert_eq!([6, 7].map(|t| w.end_ms(t)), [7, 17]);
        assert_eq!((w.start_ms(17), w.due_ms(17).unwrap()), (7, 16));
        assert_eq!(w.end_ms(i64::MAX), i64::MAX);
    }

    #[test]
    fn impossible_windows_are_refused() {
        assert!(windows(0, 0).is_err());
        assert!(windows(10, 10).is_err());
        assert!(windows(10, i64::MIN).is_err());
        let kind = WindowKind::Tumble { size_ms: 1, offset_ms: 0 };
        assert!(Windows::new(&Schema::default(), WindowTime::Rowtime(0), &kind, "UTC").is_err());
    }
}
