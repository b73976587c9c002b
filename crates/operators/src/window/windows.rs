//! The windows of an operator over the rows of its input, in the wall time of a zone.

use arrow_array::{Int64Array, RecordBatch};
use flott_api::{Error, Result, Schema};
use flott_graph::spec::{WindowKind, WindowTime};

use super::aligned::Aligned;
use super::time::{WallClock, millis};

/// Cuts time into windows.
pub(crate) struct Windows {
    time: WindowTime,
    aligned: Aligned,
    clock: WallClock,
}

/// Fails if the time column does not exist.
pub(crate) fn check_time(input: &Schema, time: &WindowTime) -> Result<()> {
    match time {
        WindowTime::Rowtime(column) | WindowTime::Attached(column) if *column >= input.len() => {
            Err(Error::internal("the time column of a window does not exist"))
        }
        _ => Ok(()),
    }
}

/// The wall time of each row; null where a row has no time.
pub(crate) fn times(time: &WindowTime, clock: &WallClock, rows: &RecordBatch, now_ms: i64) -> Result<Int64Array> {
    match time {
        WindowTime::Proctime => {
            let now = clock.local(Int64Array::from(vec![now_ms]))?.value(0);
            Ok(Int64Array::from(vec![now; rows.num_rows()]))
        }
        WindowTime::Rowtime(column) => clock.local(millis(rows.column(*column))?),
        // The end of a window is wall time already.
        WindowTime::Attached(column) => millis(rows.column(*column)),
    }
}

impl Windows {
    /// The windows of a specification.
    ///
    /// # Errors
    /// If there are no such windows, or they are sessions.
    pub(crate) fn new(input: &Schema, time: WindowTime, kind: &WindowKind, zone: &str) -> Result<Self> {
        check_time(input, &time)?;
        let aligned = Aligned::new(kind)?.ok_or_else(|| Error::internal("sessions have no place of their own"))?;
        Ok(Windows { time, aligned, clock: WallClock::new(zone)? })
    }

    /// The zone's clock.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// How they lie.
    pub(crate) fn aligned(&self) -> &Aligned {
        &self.aligned
    }

    /// Whether time is that of the rows.
    pub(crate) fn is_event_time(&self) -> bool {
        self.time != WindowTime::Proctime
    }

    /// Whether rows lie in slices that several windows have. Rows that come with their window do not: it alone
    /// has them.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.time, WindowTime::Attached(_)) && self.aligned.is_shared()
    }

    /// See [`times`].
    pub(crate) fn times(&self, rows: &RecordBatch, processing_time_ms: i64) -> Result<Int64Array> {
        times(&self.time, &self.clock, rows, processing_time_ms)
    }

    /// The end of the slice of a row with this time; nothing if it lies in no window.
    #[inline]
    pub(crate) fn slice_end(&self, time_ms: i64) -> Option<i64> {
        match self.time {
            WindowTime::Attached(_) => Some(time_ms),
            _ => self.aligned.slice_end(time_ms),
        }
    }

    /// The first and the last time that rows of a slice have. Of rows that come with their window it is its end.
    pub(crate) fn slice_times(&self, slice_end_ms: i64) -> (i64, i64) {
        match self.time {
            WindowTime::Attached(_) => (slice_end_ms, slice_end_ms),
            _ => (self.aligned.slice_start(slice_end_ms), slice_end_ms.saturating_sub(1)),
        }
    }

    /// The end of the first window that holds a slice.
    pub(crate) fn first_window_end(&self, slice_end_ms: i64) -> i64 {
        if self.is_shared() { self.aligned.first_window_end(slice_end_ms) } else { slice_end_ms }
    }

    /// The end of the first slice behind a window.
    pub(crate) fn slice_behind(&self, end_ms: i64) -> i64 {
        self.aligned.slice_behind(end_ms)
    }

    /// The end of the last window that holds a slice.
    pub(crate) fn last_window_end(&self, slice_end_ms: i64) -> i64 {
        if self.is_shared() { self.aligned.last_window_end(slice_end_ms) } else { slice_end_ms }
    }

    /// The watermark that ends the window: its last millisecond.
    pub(crate) fn due_ms(&self, end_ms: i64) -> Result<i64> {
        due_ms(&self.clock, end_ms)
    }

    /// The end of the last window that a watermark ends, of those that share slices; nothing at the ends of time.
    pub(crate) fn last_over(&self, watermark_ms: i64) -> Result<Option<i64>> {
        let next_ms = watermark_ms.saturating_add(1);
        if next_ms == i64::MAX || watermark_ms == i64::MIN {
            return Ok(None);
        }
        let local_ms = self.clock.local(Int64Array::from(vec![next_ms]))?.value(0);
        // Where the clock is moved the wall time may be ahead of the windows that are over.
        let mut end_ms = self.aligned.window_end_at(local_ms);
        while self.due_ms(end_ms)? > watermark_ms {
            end_ms = end_ms.saturating_sub(self.aligned.every_ms());
        }
        Ok(Some(end_ms))
    }
}

/// The watermark that ends a window: its last millisecond.
pub(crate) fn due_ms(clock: &WallClock, end_ms: i64) -> Result<i64> {
    clock.timer_ms(end_ms.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_column_must_exist_and_sessions_are_no_aligned_windows() {
        let kind = WindowKind::Tumble { size_ms: 1, offset_ms: 0 };
        assert!(Windows::new(&Schema::default(), WindowTime::Rowtime(0), &kind, "UTC").is_err());
        assert!(Windows::new(&Schema::default(), WindowTime::Attached(0), &kind, "UTC").is_err());
        let session = WindowKind::Session { gap_ms: 1, keys: Vec::new() };
        assert!(Windows::new(&Schema::default(), WindowTime::Proctime, &session, "UTC").is_err());
    }

    #[test]
    fn a_window_is_due_at_its_last_millisecond() {
        let kind = WindowKind::Tumble { size_ms: 10, offset_ms: 0 };
        let windows = Windows::new(&Schema::default(), WindowTime::Proctime, &kind, "UTC").unwrap();
        assert_eq!(windows.due_ms(20).unwrap(), 19);
    }
}
