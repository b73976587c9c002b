//! Says where mini-batches end, by watermarks: every so many milliseconds of the clock, or of event time.
//!
//! Flink counterparts: `ProcTimeMiniBatchAssignerOperator`, whose watermarks are the times at which mini-batches begin
//! and have nothing to do with the rows (those that come in are dropped, but for the last one), and
//! `RowTimeMiniBatchAssginerOperator`, which lets the watermark through whenever it has passed the end of an interval.
//!
//! **State layout**: none. After a restore the first mini-batch ends as after a start.

use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext, Stateful, TimeDomain, Timer};
use flott_api::{ChangeBatch, Error, Mark, Result, Watermark};
use flott_graph::spec::{MiniBatchAssignerSpec, MiniBatchMode};

use crate::factory::FromSpec;

/// See the module.
pub struct MiniBatchAssigner {
    spec: MiniBatchAssignerSpec,
    /// The watermark that was emitted, or in event time the one that came.
    current_ms: i64,
    /// In event time, when the next one is let through.
    next_ms: i64,
}

impl FromSpec for MiniBatchAssigner {
    type Spec = MiniBatchAssignerSpec;

    fn from_spec(spec: MiniBatchAssignerSpec) -> Result<Self> {
        if spec.interval_ms <= 0 {
            return Err(Error::internal("the interval of mini-batches is not above zero"));
        }
        let next_ms = spec.interval_ms - 1;
        Ok(MiniBatchAssigner { spec, current_ms: 0, next_ms })
    }

    /// Watermarks that it lets through stay in the batch: a batch that is cut at every one that comes would be small batches for
    /// all that follow.
    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl Stateful for MiniBatchAssigner {}

#[async_trait]
impl Operator for MiniBatchAssigner {
    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.spec.mode == MiniBatchMode::Proctime {
            self.set_timer(cx.processing_time_ms, cx);
        }
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.spec.mode == MiniBatchMode::Proctime {
            self.advance_clock(cx).await?;
        }
        let passed = |mark: &Mark| self.passed(mark.watermark).map(|watermark| Mark { watermark, ..*mark });
        let marks = batch.marks().iter().filter_map(passed).collect();
        cx.output.emit(batch.with_marks(marks)?).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        match self.passed(watermark) {
            Some(watermark) => cx.output.emit_watermark(watermark).await,
            None => Ok(()),
        }
    }

    async fn on_timers(&mut self, _: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.current_ms == Watermark::MAX.0 {
            return Ok(());
        }
        self.advance_clock(cx).await?;
        self.set_timer(begin(cx.processing_time_ms, self.spec.interval_ms), cx);
        Ok(())
    }
}

/// When the interval began that a moment is in.
fn begin(at_ms: i64, interval_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(interval_ms)
}

impl MiniBatchAssigner {
    /// What becomes of a watermark that comes.
    fn passed(&mut self, watermark: Watermark) -> Option<Watermark> {
        if watermark == Watermark::MAX {
            self.current_ms = watermark.0;
            return Some(watermark);
        }
        if self.spec.mode == MiniBatchMode::Proctime {
            return None;
        }
        self.current_ms = self.current_ms.max(watermark.0);
        if self.current_ms < self.next_ms {
            return None;
        }
        let end_ms = begin(self.current_ms, self.spec.interval_ms).saturating_add(self.spec.interval_ms - 1);
        self.next_ms = if end_ms > self.current_ms { end_ms } else { end_ms.saturating_add(self.spec.interval_ms) };
        Some(Watermark(self.current_ms))
    }

    /// Ends the mini-batch if the clock has come to the next one.
    async fn advance_clock(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let begin_ms = begin(cx.processing_time_ms, self.spec.interval_ms);
        if begin_ms <= self.current_ms {
            return Ok(());
        }
        self.current_ms = begin_ms;
        cx.output.emit_watermark(Watermark(begin_ms)).await
    }

    fn set_timer(&self, from_ms: i64, cx: &mut OperatorContext<'_>) {
        let at_ms = from_ms.saturating_add(self.spec.interval_ms);
        cx.timers.register(Timer::of_instance(at_ms, TimeDomain::Processing));
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    fn run(mode: MiniBatchMode, script: &str) -> String {
        let input = Schema::new(vec![Field::new("x", LogicalType::new(TypeKind::Int))]);
        let case = Case { input: &input, event_time: EventTime::WholeWithMarks, script };
        let spec = MiniBatchAssignerSpec { interval_ms: 1000, mode };
        check(&case, || Box::new(MiniBatchAssigner::from_spec(spec.clone()).unwrap()))
    }

    #[test]
    fn the_clock_ends_mini_batches_whatever_the_watermark_is() {
        let script =
            "+I | 1\nwm 7\ntime 999\n+I | 2\ntime 1000\n+I | 3\n+I | 4\ntime 3500\nwm 9\n-D | 5\ntime 3900\n+I | 6";
        let expected = "+I | 1\n+I | 2\nwm 1000\n+I | 3\n+I | 4\nwm 3000\n-D | 5\n+I | 6";
        assert_eq!(run(MiniBatchMode::Proctime, script), expected);
    }

    #[test]
    fn the_watermark_is_let_through_once_an_interval() {
        let script = "+I | 1\nwm 500\n+I | 2\nwm 998\nwm 999\n+I | 3\nwm 1000\n+I | 4\nwm 2500\nwm 2600\n-D | 4\nwm 2999\ntime 99999\n+I | 5";
        let expected = "+I | 1\n+I | 2\nwm 999\n+I | 3\n+I | 4\nwm 2500\n-D | 4\nwm 2999\n+I | 5";
        assert_eq!(run(MiniBatchMode::Rowtime, script), expected);
    }
}
