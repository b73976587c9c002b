//! Computes each row's watermark and puts marks where Flink emits them: `WATERMARK FOR ts AS ..`.
//!
//! Flink counterpart: `WatermarkAssignerOperator`. A mark comes right behind the row whose watermark
//! exceeds the last one by more than the interval, or by anything if the table wants one on every event; what is
//! smaller waits for the periodic timer of processing time. As in Flink watermarks start from 0, those from upstream
//! are swallowed but for the last one, and a null rowtime is an error. **State layout**: none; after a restore
//! watermarks start anew, as in Flink.
//!
//! Behind a source whose splits each have an order of their own (partitions of Kafka), time is kept by split, as Flink's
//! sources do it themselves: the watermark is the smallest of all splits that have not ended and are not idle, and one
//! without a row holds it back ([`SplitTimes`]).
//!
//! Idle is what has had no row for longer than the timeout; the time that reading was held back or paused does not count.
//! How far time has come is told to who drives the reader, which may have to wait for other sources ([`OpenSplits`]).

mod by_split;

use std::sync::Arc;

use arrow_array::Array;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, TimeDomain, Timer};
use flott_api::splits::{OpenSplits, SubtaskTime};
use flott_api::{ChangeBatch, Error, Mark, Result, Watermark};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::WatermarkAssignerSpec;

use crate::factory::FromSpec;
use crate::window::time::millis;
use by_split::SplitTimes;

/// How many rows are looked at together.
const STEP_ROWS: usize = 64;

/// See the module.
pub struct WatermarkAssigner {
    spec: WatermarkAssignerSpec,
    watermark: Option<CompiledExpr>,
    /// How far time has come; nothing before the first watermark of a row.
    reached_ms: Option<i64>,
    /// The same from 0 on.
    current_ms: i64,
    /// The last one emitted.
    emitted_ms: i64,
    /// When the last row came, by the clock of idleness; before the first row, when the timer was first set.
    last_row_ms: Option<i64>,
    idle: bool,
    timer_set: bool,
    /// Of the reader of the task.
    open: Arc<OpenSplits>,
    /// Is there from `open` on, where time is kept by split.
    splits: Option<SplitTimes>,
}

impl FromSpec for WatermarkAssigner {
    type Spec = WatermarkAssignerSpec;

    fn from_spec(spec: WatermarkAssignerSpec) -> Result<Self> {
        if spec.rowtime >= spec.input.len() {
            return Err(Error::internal("the rowtime column of a watermark assigner does not exist"));
        }
        Ok(WatermarkAssigner {
            spec,
            watermark: None,
            reached_ms: None,
            current_ms: 0,
            emitted_ms: 0,
            last_row_ms: None,
            idle: false,
            timer_set: false,
            open: Arc::default(),
            splits: None,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl flott_api::operator::Stateful for WatermarkAssigner {}

#[async_trait]
impl Operator for WatermarkAssigner {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let session_zone = self.spec.session_zone.clone();
        let compile_cx = CompileContext { session_zone, environment: Some(cx.environment.clone()) };
        self.watermark = Some(compile(&self.spec.watermark, &compile_cx)?);
        self.open = Arc::clone(&cx.splits);
        self.splits = self.spec.per_split.then(|| SplitTimes::new(Arc::clone(&cx.splits)));
        Ok(())
    }

    /// The timer runs from the begin: an instance that never gets a row is found idle too.
    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.set_timer(cx);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.last_row_ms = Some(self.open.clock_ms(cx.processing_time_ms));
        self.activate(cx).await?;
        let marks = self.marks(&batch, cx)?;
        let last = batch.last_watermark().filter(|w| *w == Watermark::MAX);
        cx.output.emit(batch.with_marks(marks)?).await?;
        match last {
            Some(last) => self.process_watermark(last, cx).await,
            None => Ok(()),
        }
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        if watermark != Watermark::MAX || self.emitted_ms == Watermark::MAX.0 {
            return Ok(());
        }
        self.activate(cx).await?;
        (self.current_ms, self.emitted_ms) = (watermark.0, watermark.0);
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, _: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        self.timer_set = false;
        if self.emitted_ms == Watermark::MAX.0 {
            return Ok(());
        }
        // Splits that wait, paused or held back, are not idle, and nor is who has one.
        let mut waits = false;
        if let Some(splits) = &mut self.splits {
            let least = splits.least(cx.processing_time_ms, self.spec.idle_timeout_ms);
            waits = least.is_some();
            self.reach(least.unwrap_or(i64::MIN));
        }
        if self.current_ms > self.emitted_ms {
            self.emitted_ms = self.current_ms;
            cx.output.emit_watermark(Watermark(self.current_ms)).await?;
        }
        let clock_ms = self.open.clock_ms(cx.processing_time_ms);
        let quiet_ms = self.last_row_ms.map_or(0, |at| clock_ms.saturating_sub(at));
        if self.spec.idle_timeout_ms > 0 && !self.idle && !waits && quiet_ms > self.spec.idle_timeout_ms {
            self.idle = true;
            cx.output.emit_status(true).await?;
        }
        self.tell(None);
        self.set_timer(cx);
        Ok(())
    }
}

impl WatermarkAssigner {
    fn marks(&mut self, batch: &ChangeBatch, cx: &OperatorContext<'_>) -> Result<Vec<Mark>> {
        let expr = self.watermark.as_ref().ok_or_else(|| Error::internal("a watermark assigner was not opened"))?;
        if batch.rows().column(self.spec.rowtime).null_count() > 0 {
            return Err(null_rowtime(&self.spec.input.fields[self.spec.rowtime].name));
        }
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let watermarks = millis(&expr.evaluate(batch.rows(), &eval_cx)?)?;
        let mut marks = Vec::new();
        let rise_ms = if self.spec.on_event { 0 } else { self.spec.interval_ms };
        let mut splits = self.splits.take();
        let mut of_split = splits.as_mut().and_then(|splits| splits.begin(cx.processing_time_ms));
        let mut row = 0;
        while row < watermarks.len() {
            // Where nothing is to be emitted it is enough to know the highest.
            let end = watermarks.len().min(row + STEP_ROWS);
            if of_split.is_none() && watermarks.null_count() == 0 {
                let highest = watermarks.values()[row..end].iter().copied().max().unwrap_or(i64::MIN);
                if self.current_ms.max(highest).saturating_sub(self.emitted_ms) <= rise_ms {
                    self.reach(highest);
                    row = end;
                    continue;
                }
            }
            for row in row..end {
                let mut watermark = if watermarks.is_null(row) { i64::MIN } else { watermarks.value(row) };
                if let Some(split) = &mut of_split {
                    watermark = split.advance(watermark);
                }
                self.reach(watermark);
                if self.current_ms.saturating_sub(self.emitted_ms) > rise_ms {
                    self.emitted_ms = self.current_ms;
                    marks.push(Mark { row: row as u32 + 1, watermark: Watermark(self.current_ms) });
                }
            }
            row = end;
        }
        let reached_ms = of_split.and_then(|split| split.reached_ms());
        self.splits = splits;
        self.tell(reached_ms);
        Ok(marks)
    }

    /// A watermark has come; the least of all says nothing.
    fn reach(&mut self, watermark_ms: i64) {
        if watermark_ms > self.reached_ms.unwrap_or(i64::MIN) {
            self.reached_ms = Some(watermark_ms);
            self.current_ms = self.current_ms.max(watermark_ms);
        }
    }

    /// Tells who reads how far time has come, in the split at work too.
    fn tell(&self, of_split: Option<i64>) {
        let by_split = self.splits.is_some();
        self.open.tell(of_split, SubtaskTime { watermark_ms: self.reached_ms, idle: self.idle, by_split });
    }

    async fn activate(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if std::mem::take(&mut self.idle) { cx.output.emit_status(false).await } else { Ok(()) }
    }

    /// Without an interval it runs for idleness alone.
    fn set_timer(&mut self, cx: &mut OperatorContext<'_>) {
        let periods = [self.spec.interval_ms, self.spec.idle_timeout_ms];
        let Some(period_ms) = periods.into_iter().find(|period| *period > 0).filter(|_| !self.timer_set) else {
            return;
        };
        self.timer_set = true;
        self.last_row_ms.get_or_insert(self.open.clock_ms(cx.processing_time_ms));
        let at_ms = cx.processing_time_ms.saturating_add(period_ms);
        cx.timers.register(Timer::of_instance(at_ms, TimeDomain::Processing));
    }
}

/// The error of a row that has no event time.
pub(crate) fn null_rowtime(column: &str) -> Error {
    Error::data(format!("rowtime column '{column}' is null"))
        .with_detail("RowTime field should not be null, please convert it to a non-null long value.")
        .with_hint("Drop such rows with a condition, or give the column a default with COALESCE.")
}

#[cfg(test)]
mod tests;
