//! Appends `window_start`, `window_end` and `window_time` to each row, once for each of its windows:
//! `TABLE(TUMBLE(..))`, `HOP` and `CUMULATE` without an aggregation.
//!
//! Flink counterpart: `AlignedWindowTableFunctionOperator`; sessions are
//! [`session_table_function`](crate::session_table_function). **State layout**: none. Late rows are kept, rows
//! without a time are dropped, both as in Flink; so is a row between the windows of a hop that is longer than
//! they are. Row kinds and marks stay with their rows. Copies of a row follow each other, those of a hop from its
//! last window to its first. What one batch grows to goes out in batches of the usual size.

use arrow_array::{Array, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Mark, Result};
use flott_graph::spec::{WindowProperty, WindowTableFunctionSpec};

use crate::emit::{emit, record_batch, replace_marks};
use crate::factory::FromSpec;
use crate::window::Windows;
use crate::window::property::{Bounds, property};

/// The columns that are appended, in order.
pub(crate) const PROPERTIES: [WindowProperty; 3] = [WindowProperty::Start, WindowProperty::End, WindowProperty::Time];

/// See the module.
pub struct WindowTableFunction {
    spec: WindowTableFunctionSpec,
    output: SchemaRef,
    windows: Windows,
}

impl FromSpec for WindowTableFunction {
    type Spec = WindowTableFunctionSpec;

    fn from_spec(spec: WindowTableFunctionSpec) -> Result<Self> {
        if spec.output.len() != spec.input.len() + PROPERTIES.len() {
            return Err(Error::internal("a window table function does not append three columns"));
        }
        let windows = Windows::new(&spec.input, spec.time.clone(), &spec.window, &spec.zone)?;
        Ok(WindowTableFunction { output: spec.output.arrow(), windows, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for WindowTableFunction {}

/// A batch whose rows are being given their windows.
pub struct Expansion {
    batch: ChangeBatch,
    times: Int64Array,
    row: usize,
    mark: usize,
    is_done: bool,
}

impl Expansion {
    /// The marks in front of what comes next.
    fn copy_marks(&mut self, copies: &mut Copies) {
        while let Some(mark) = self.batch.marks().get(self.mark).filter(|m| m.row as usize <= self.row) {
            copies.marks.push(Mark { row: copies.rows.len() as u32, ..*mark });
            self.mark += 1;
        }
    }
}

/// Rows on their way out: which input row each is of, and the end of its window.
#[derive(Default)]
struct Copies {
    rows: Vec<u32>,
    ends: Vec<i64>,
    marks: Vec<Mark>,
}

#[async_trait]
impl Operator for WindowTableFunction {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut expansion = self.begin(batch, cx.processing_time_ms)?;
        while let Some(rows) = self.next(&mut expansion)? {
            emit(rows, cx).await?;
        }
        Ok(())
    }
}

impl WindowTableFunction {
    /// The windows of a specification, for who runs no operators.
    ///
    /// # Errors
    /// If the windows are impossible.
    pub fn new(spec: WindowTableFunctionSpec) -> Result<Self> {
        Self::from_spec(spec)
    }

    /// Begins with a batch, of which [`next`](Self::next) gives the rows.
    ///
    /// # Errors
    /// If the batch is not of the declared types.
    pub fn begin(&self, batch: ChangeBatch, processing_time_ms: i64) -> Result<Expansion> {
        let times = self.windows.times(batch.rows(), processing_time_ms)?;
        Ok(Expansion { times, batch, row: 0, mark: 0, is_done: false })
    }

    /// The next rows of a batch with the columns of their windows; nothing behind the last ones.
    ///
    /// # Errors
    /// If the batch is not of the declared types.
    pub fn next(&self, of: &mut Expansion) -> Result<Option<ChangeBatch>> {
        if of.is_done {
            return Ok(None);
        }
        let mut copies = Copies::default();
        while of.row < of.batch.len() && copies.rows.len() < BATCH_ROWS_MAX {
            of.copy_marks(&mut copies);
            if of.times.is_valid(of.row) {
                self.windows.aligned().windows(of.times.value(of.row), |end| {
                    copies.rows.push(of.row as u32);
                    copies.ends.push(end);
                });
            }
            of.row += 1;
        }
        // The marks behind the last row go with what may be an empty batch.
        if of.row == of.batch.len() && copies.rows.len() < BATCH_ROWS_MAX {
            of.copy_marks(&mut copies);
            of.is_done = true;
        }
        self.append(&of.batch, copies).map(Some)
    }

    fn append(&self, batch: &ChangeBatch, copies: Copies) -> Result<ChangeBatch> {
        let is_each_once =
            copies.rows.len() == batch.len() && copies.rows.iter().enumerate().all(|(i, r)| i == *r as usize);
        let rows =
            if is_each_once { batch.clone().without_marks() } else { batch.take(&UInt32Array::from(copies.rows))? };
        let mut columns = rows.rows().columns().to_vec();
        let appended = &self.spec.output.fields[columns.len()..];
        let starts: Vec<i64> = copies.ends.iter().map(|end| self.windows.aligned().start(*end)).collect();
        let bounds = Bounds { starts: &starts, ends: &copies.ends };
        for (kind, field) in PROPERTIES.iter().zip(appended) {
            columns.push(property(*kind, &bounds, self.windows.clock(), &field.ty)?);
        }
        let appended = record_batch(&self.output, columns, rows.len())?;
        rows.with_rows(appended)?.with_marks(replace_marks(&copies.marks, |row| row))
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};
    use flott_graph::spec::{WindowKind, WindowTime};

    use super::*;

    fn spec(time: TypeKind, zone: &str, window: WindowKind) -> WindowTableFunctionSpec {
        let input = Schema::new(vec![Field::new("ts", LogicalType::new(time.clone()))]);
        let mut output = input.clone();
        for kind in [TypeKind::Timestamp(3), TypeKind::Timestamp(3), time] {
            output.fields.push(Field::new("w", LogicalType::not_null(kind)));
        }
        WindowTableFunctionSpec { input, time: WindowTime::Rowtime(0), window, zone: zone.to_owned(), output }
    }

    fn tumble() -> WindowKind {
        WindowKind::Tumble { size_ms: 10_000, offset_ms: 0 }
    }

    fn run(spec: &WindowTableFunctionSpec, script: &str) -> String {
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
        check(&case, || Box::new(WindowTableFunction::from_spec(spec.clone()).unwrap()))
    }

    #[test]
    fn late_rows_stay_and_rows_without_time_go() {
        let spec = spec(TypeKind::Timestamp(3), "UTC", tumble());
        let answer = run(&spec, "+I | 10500\nwm 30000\n-D | 9999\n+I | NULL\nwm 40000");
        assert_eq!(answer, "+I | 10500 | 10000 | 20000 | 19999\nwm 30000\n-D | 9999 | 0 | 10000 | 9999\nwm 40000");
    }

    #[test]
    fn with_a_local_time_zone_start_and_end_are_wall_time_and_window_time_is_a_moment() {
        let answer = run(&spec(TypeKind::TimestampLtz(3), "GMT+01:00", tumble()), "+I | 500");
        assert_eq!(answer, "+I | 500 | 3600000 | 3610000 | 9999");
    }

    #[test]
    fn a_row_is_in_all_windows_of_a_hop() {
        let window = WindowKind::Hop { size_ms: 10_000, slide_ms: 4000, offset_ms: 0 };
        let spec = spec(TypeKind::Timestamp(3), "UTC", window);
        let expected = "+U | 9000 | 8000 | 18000 | 17999\n+U | 9000 | 4000 | 14000 | 13999\n\
            +U | 9000 | 0 | 10000 | 9999\nwm 5\n+I | 10000 | 8000 | 18000 | 17999\n+I | 10000 | 4000 | 14000 | 13999";
        assert_eq!(run(&spec, "+U | 9000\n+I | NULL\nwm 5\n+I | 10000"), expected);
    }

    #[test]
    fn a_row_is_in_the_rest_of_the_windows_that_grow() {
        let window = WindowKind::Cumulate { max_size_ms: 15_000, step_ms: 5000, offset_ms: 1000 };
        let answer = run(&spec(TypeKind::Timestamp(3), "UTC", window), "+I | 7000\n+I | 11000");
        let expected = "+I | 7000 | 1000 | 11000 | 10999\n+I | 7000 | 1000 | 16000 | 15999\n\
            +I | 11000 | 1000 | 16000 | 15999";
        assert_eq!(answer, expected);
    }

    #[test]
    fn many_windows_go_out_in_batches_of_the_usual_size() {
        use flott_api::testing::world::Emitted;
        use flott_api::testing::{FakeTimers, RecordedOutput, batch, ready};
        let window = WindowKind::Hop { size_ms: 10_000_000, slide_ms: 1000, offset_ms: 0 };
        let spec = spec(TypeKind::Timestamp(3), "UTC", window);
        let rows = batch(&spec.input, "+I | 1\n+I | 2");
        let mark = Mark { row: 1, watermark: flott_api::Watermark(7) };
        let rows = rows.with_marks(vec![mark]).unwrap();
        let mut operator = WindowTableFunction::from_spec(spec).unwrap();
        let (mut output, mut timers) = (RecordedOutput::default(), FakeTimers::default());
        let mut cx = OperatorContext {
            output: &mut output,
            timers: &mut timers,
            processing_time_ms: 0,
            watermark: flott_api::Watermark::MIN,
            metrics: &Default::default(),
        };
        ready(operator.process_batch(0, rows, &mut cx)).unwrap();
        let batches: Vec<_> = output
            .emitted
            .iter()
            .map(|e| match e {
                Emitted::Batch(b) => (b.len(), b.marks().len()),
                Emitted::Watermark(_) => panic!("the mark stays with its row"),
            })
            .collect();
        assert_eq!(batches, [(8192, 0), (1808, 0), (8192, 1), (1808, 0)]);
    }
}
