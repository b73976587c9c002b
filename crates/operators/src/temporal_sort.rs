//! `ORDER BY` a time attribute, and further columns for rows of one time.
//!
//! Flink counterpart: `TemporalSort` (`RowTimeSortOperator`, `ProcTimeSortOperator`). By rowtime, rows come out when the
//! watermark reaches them; one that is not behind the last row that came out is late and dropped, without being counted.
//! By processing time, the rows of a millisecond come out in the order of the further columns when the next one begins, and
//! what waits at the end of the input comes out then (Flink drops it).
//!
//! **State layout**: state `rows`, without a key: the rows that wait, in order ([`SortedRows`](flott_state::hot::SortedRows)),
//! and the time of the last row that came out. It runs with parallelism 1. All waiting rows are one entry of the state, so a
//! checkpoint writes them all: the watermark must not stay far behind.

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, TimeDomain, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::spec::{SortField, SortTime, TemporalSortSpec};
use flott_state::hot::{KeyedState, KeyedStateOptions, RowRef, TtlOptions};

use crate::emit::emit;
use crate::factory::FromSpec;
use crate::key_timers::KeyTimers;
use crate::timed_rows::{self, NEVER, TimedRows, key_of_moment};
use crate::watermark_assigner::null_rowtime;
use crate::window::time::millis;

const STATE: &str = "rows";

/// See the module.
pub struct TemporalSort {
    spec: TemporalSortSpec,
    schema: SchemaRef,
    order: Vec<SortField>,
    /// Both are there from `open` on.
    state: Option<KeyedState<TimedRows<1>>>,
    timers: Option<KeyTimers>,
}

impl FromSpec for TemporalSort {
    type Spec = TemporalSortSpec;

    fn from_spec(spec: TemporalSortSpec) -> Result<Self> {
        let time = match spec.time {
            SortTime::Proctime => None,
            SortTime::Rowtime(column) => Some(SortField { column, descending: false, nulls_last: false }),
        };
        let order: Vec<SortField> = time.into_iter().chain(spec.order.iter().copied()).collect();
        // Refuses what cannot be kept now and not with the first row.
        TimedRows::<1>::new(&spec.input, &order)?;
        Ok(TemporalSort { schema: spec.input.arrow(), order, state: None, timers: None, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl flott_api::operator::Stateful for TemporalSort {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for TemporalSort {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let options = KeyedStateOptions {
            name: STATE.to_owned(),
            keys: Vec::new(),
            parts: timed_rows::parts(&self.spec.input, &self.order, &["last"]),
            ttl: TtlOptions::default(),
        };
        self.state = Some(KeyedState::open(cx, &options, TimedRows::new(&self.spec.input, &self.order)?)?);
        self.timers = Some(KeyTimers::new(cx, Vec::new(), TimeDomain::Processing));
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.kinds().is_some() {
            return Err(Error::internal("a sort by time got an update"));
        }
        self.keep(&batch, cx.processing_time_ms).await?;
        if self.spec.time == SortTime::Proctime {
            let timers = self.timers.as_ref().ok_or_else(not_open)?;
            timers.register(&[], &[(0, cx.processing_time_ms + 1)], cx.timers)?;
        }
        Ok(())
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        if let SortTime::Rowtime(column) = self.spec.time {
            let key = key_of_moment(watermark.0, &self.spec.input.fields[column].ty)?;
            self.release(Some(&key), cx).await?;
        }
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, _: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        self.release(None, cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.release(None, cx).await
    }
}

fn not_open() -> Error {
    Error::internal("a sort by time was not opened")
}

impl TemporalSort {
    /// Remembers the rows that are not late.
    async fn keep(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<()> {
        let times = match self.spec.time {
            SortTime::Proctime => None,
            SortTime::Rowtime(column) => Some(millis(batch.rows().column(column))?),
        };
        if let (Some(times), SortTime::Rowtime(column)) = (&times, self.spec.time)
            && times.null_count() > 0
        {
            return Err(null_rowtime(&self.spec.input.fields[column].name));
        }
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let group = state.assign(&[], 1, now_ms).await?[0];
        state.touch(&[group])?;
        let entries = state.entries_mut();
        let [last] = entries.moments(group);
        entries.rows.begin(batch.rows())?;
        for row in 0..batch.len() {
            if times.as_ref().is_none_or(|times| last == NEVER || times.value(row) > last) {
                entries.rows.insert(group, row)?;
            }
        }
        Ok(())
    }

    /// Emits the rows up to this sort key, or all.
    async fn release(&mut self, through: Option<&[u8]>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let group = state.assign(&[], 1, cx.processing_time_ms).await?[0];
        state.touch(&[group])?;
        let entries = state.entries_mut();
        entries.rows.begin(&RecordBatch::new_empty(self.schema.clone()))?;
        let mut released: Vec<RowRef> = Vec::new();
        match through {
            Some(key) => entries.rows.take_through(group, key, &mut released),
            None => entries.rows.take_first(group, usize::MAX, &mut released),
        }
        if released.is_empty() {
            return Ok(());
        }
        let rows = entries.rows.rows(&released)?;
        if let SortTime::Rowtime(column) = self.spec.time {
            let times = millis(rows.column(column))?;
            entries.moments_mut(group)[0] = times.value(rows.num_rows() - 1);
        }
        emit(ChangeBatch::inserts(rows), cx).await
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check_restorable};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    /// Columns `ts TIMESTAMP(3), x INT, s STRING`.
    fn spec(time: SortTime, order: &[(usize, bool)]) -> TemporalSortSpec {
        let fields = [("ts", TypeKind::Timestamp(3)), ("x", TypeKind::Int), ("s", TypeKind::Varchar(9))];
        let input = Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec());
        let field = |(column, descending): &(usize, bool)| SortField {
            column: *column,
            descending: *descending,
            nulls_last: false,
        };
        TemporalSortSpec { input, time, order: order.iter().map(field).collect() }
    }

    fn run(spec: &TemporalSortSpec, script: &str) -> String {
        let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
        check_restorable(&case, None, || TemporalSort::from_spec(spec.clone()).unwrap())
    }

    const ROWS: &str = "
        +I | 3000 | 1 | a
        +I | 1000 | 2 | b
        +I | 2000 | 7 | c
        +I | 2000 | NULL | d
        wm 2000
        +I | 2000 | 9 | late
        +I | 2001 | 9 | e
        +I | 3000 | 0 | f
        +I | 3000 | 1 | g
        wm 2999
        wm 3000
        +I | -5 | 0 | late
        +I | 9000 | 5 | h";

    #[test]
    fn rows_wait_for_the_watermark_and_keep_their_order_within_a_time() {
        let expected = "+I | 1000 | 2 | b\n+I | 2000 | 7 | c\n+I | 2000 | NULL | d\nwm 2000\n+I | 2001 | 9 | e\nwm 2999\n\
            +I | 3000 | 1 | a\n+I | 3000 | 0 | f\n+I | 3000 | 1 | g\nwm 3000\n+I | 9000 | 5 | h";
        assert_eq!(run(&spec(SortTime::Rowtime(0), &[]), ROWS), expected);
    }

    #[test]
    fn further_columns_order_the_rows_of_one_time() {
        let expected = "+I | 1000 | 2 | b\n+I | 2000 | NULL | d\n+I | 2000 | 7 | c\nwm 2000\n+I | 2001 | 9 | e\nwm 2999\n\
            +I | 3000 | 0 | f\n+I | 3000 | 1 | g\n+I | 3000 | 1 | a\nwm 3000\n+I | 9000 | 5 | h";
        assert_eq!(run(&spec(SortTime::Rowtime(0), &[(1, false), (2, true)]), ROWS), expected);
    }

    #[test]
    fn a_row_behind_the_watermark_is_not_late_before_a_later_one_came_out() {
        let script = "+I | 1000 | 1 | a\nwm 5000\n+I | 900 | 2 | late\n+I | 1001 | 3 | b\nwm 5001";
        let expected = "+I | 1000 | 1 | a\nwm 5000\n+I | 1001 | 3 | b\nwm 5001";
        assert_eq!(run(&spec(SortTime::Rowtime(0), &[]), script), expected);
    }

    #[test]
    fn rows_of_one_millisecond_of_processing_time_are_sorted() {
        let script = "time 10\n+I | NULL | 3 | a\n+I | NULL | 1 | b\ntime 11\n+I | NULL | 2 | c\ntime 12\n\
            +I | NULL | 9 | d\n+I | NULL | 8 | e";
        let expected = "+I | NULL | 1 | b\n+I | NULL | 3 | a\n+I | NULL | 2 | c\n+I | NULL | 8 | e\n+I | NULL | 9 | d";
        assert_eq!(run(&spec(SortTime::Proctime, &[(1, false)]), script), expected);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(run(&spec(SortTime::Rowtime(0), &[]), "wm 5"), "wm 5");
        assert_eq!(run(&spec(SortTime::Proctime, &[(1, true)]), "time 5"), "");
    }
}
