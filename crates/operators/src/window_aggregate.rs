//! Aggregation by key and tumbling window: `GROUP BY window_start, window_end, ..`.
//!
//! Flink counterpart: `WindowAggregate` over slices. A window's rows come out when the watermark
//! reaches its last millisecond (or the clock, for windows over processing time), windows in order of
//! their end, keys of a window in order of their first row (in Flink by hash); they are never
//! updated. A row is late if the watermark in force at its place has reached the last millisecond of
//! its window: it is counted and dropped. A row without a time is an error. Windows over processing
//! time that are open at the end of the input are dropped, as in Flink.
//!
//! **State layout**: per open window a group table with its aggregates' slots and views. The operator
//! gets whole batches with their marks. That gives the same rows as slices do: lateness is decided per
//! row first, so behind the mark that ends a window no row of the batch belongs to it, and all rows
//! may be folded before the first window is emitted.

mod arrivals;

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::aggregate::Change;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, TimeDomain, Timer};
use flott_api::{ChangeBatch, Error, LogicalType, Mark, Result, RowKind, TypeKind, Watermark};
use flott_graph::spec::{WindowAggregateSpec, WindowProperty, WindowTime};
use flott_state::hot::MapViewOptions;
use flott_state::snapshot::{SnapshotWriter, take_i64};

use crate::aggregate::groups::{Groups, Plan, Rows, all_entries};
use crate::emit::{emit, record_batch, replace_marks};
use crate::factory::FromSpec;
use crate::watermark_assigner::null_rowtime;
use crate::window::Windows;
use crate::window::time::from_millis;
use arrivals::{Arrivals, arrivals};

/// See the module.
pub struct WindowAggregate {
    spec: WindowAggregateSpec,
    plan: Plan,
    windows: Windows,
    output: SchemaRef,
    /// Open windows by their end, each with the moment at which it is over.
    open: BTreeMap<i64, Window>,
    max_parallelism: u32,
}

struct Window {
    due_ms: i64,
    groups: Groups,
}

impl FromSpec for WindowAggregate {
    type Spec = WindowAggregateSpec;

    fn from_spec(spec: WindowAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() + spec.properties.len() {
            return Err(Error::internal("a window aggregation does not give its keys, aggregates and properties"));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        Ok(WindowAggregate {
            plan: Plan::new(&spec.input, &spec.keys, &spec.aggregates, options)?,
            windows: Windows::new(&spec.input, spec.time.clone(), &spec.window, &spec.zone)?,
            output: spec.output.arrow(),
            open: BTreeMap::new(),
            max_parallelism: 1,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

#[async_trait]
impl Operator for WindowAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.max_parallelism = cx.max_parallelism;
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now = (cx.watermark, cx.processing_time_ms);
        let arrivals = arrivals(&batch, &self.windows, now)?.ok_or_else(|| null_rowtime(&self.time_column()))?;
        cx.metrics.num_late_records_dropped.add(arrivals.late);
        self.fold(&batch, arrivals, cx)?;
        let output = self.pass(batch.marks())?;
        emit(output, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.pass(&[Mark { row: 0, watermark }])?;
        emit(output.without_marks(), cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        for timer in timers {
            let rows = self.fire(timer.at_ms)?;
            if rows.num_rows() > 0 {
                emit(ChangeBatch::inserts(rows), cx).await?;
            }
        }
        Ok(())
    }
}

impl WindowAggregate {
    /// Folds the rows that are in time into their windows.
    fn fold(&mut self, batch: &ChangeBatch, arrivals: Arrivals, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.spec.input_changelog.is_insert_only()
            && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract))
        {
            return Err(Error::internal("a window aggregation over an insert-only stream got a retraction"));
        }
        for (end_ms, rows) in arrivals.windows {
            let rows = rows.of(batch)?;
            let keys = self.plan.keys(rows.rows());
            let window = Self::window(&mut self.open, (&self.plan, &self.windows), end_ms, cx)?;
            let groups = window.groups.table.assign(&keys, rows.len())?;
            window.groups.grow();
            let changes = rows.kinds().map(|k| k.iter().map(change).collect::<Vec<_>>());
            count(&mut window.groups.rows, &groups, changes.as_deref());
            let rows = Rows {
                columns: rows.rows(),
                groups: &groups,
                changes: changes.as_deref(),
                now_ms: cx.processing_time_ms,
            };
            window.groups.fold(&self.plan, &rows)?;
        }
        Ok(())
    }

    fn window<'a>(
        open: &'a mut BTreeMap<i64, Window>,
        (plan, windows): (&Plan, &Windows),
        end_ms: i64,
        cx: &mut OperatorContext<'_>,
    ) -> Result<&'a mut Window> {
        use std::collections::btree_map::Entry;
        match open.entry(end_ms) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let due_ms = windows.due_ms(end_ms)?;
                if !windows.is_event_time() {
                    cx.timers.register(Timer::of_instance(due_ms, TimeDomain::Processing));
                }
                Ok(entry.insert(Window { due_ms, groups: plan.groups()? }))
            }
        }
    }

    fn time_column(&self) -> String {
        match self.spec.time {
            WindowTime::Rowtime(column) => self.spec.input.fields[column].name.clone(),
            WindowTime::Proctime => "PROCTIME()".to_owned(),
        }
    }

    /// The windows that these marks end, with the marks behind them.
    fn pass(&mut self, marks: &[Mark]) -> Result<ChangeBatch> {
        let mut fired = vec![RecordBatch::new_empty(self.output.clone())];
        let mut placed = Vec::with_capacity(marks.len());
        let mut rows = 0;
        for mark in marks {
            if self.windows.is_event_time() && self.is_due(mark.watermark.0) {
                let batch = self.fire(mark.watermark.0)?;
                rows += batch.num_rows();
                fired.push(batch);
            }
            placed.push(Mark { row: rows as u32, ..*mark });
        }
        let rows = concat_batches(&self.output, &fired)?;
        ChangeBatch::inserts(rows).with_marks(replace_marks(&placed, |row| row))
    }

    fn is_due(&self, at_ms: i64) -> bool {
        self.open.first_key_value().is_some_and(|(_, w)| w.due_ms <= at_ms)
    }

    /// Takes the windows out that are over at this moment, and answers their rows.
    fn fire(&mut self, at_ms: i64) -> Result<RecordBatch> {
        let mut fired = vec![RecordBatch::new_empty(self.output.clone())];
        while let Some(entry) = self.open.first_entry().filter(|e| e.get().due_ms <= at_ms) {
            let (end_ms, window) = entry.remove_entry();
            fired.push(self.rows(end_ms, window)?);
        }
        Ok(concat_batches(&self.output, &fired)?)
    }

    fn rows(&self, end_ms: i64, mut window: Window) -> Result<RecordBatch> {
        // No group of a window is ever removed, so the numbers tell the order of the first rows.
        let mut groups = window.groups.table.groups();
        groups.retain(|g| window.groups.rows[*g as usize] != 0);
        let mut columns = window.groups.table.columns(&groups)?;
        columns.extend(window.groups.values(&self.plan, &groups)?);
        let types = &self.spec.output.fields[columns.len()..];
        for (kind, field) in self.spec.properties.iter().zip(types) {
            columns.push(property(*kind, &vec![end_ms; groups.len()], &self.windows, &field.ty)?);
        }
        record_batch(&self.output, columns, groups.len())
    }

    /// Bytes of memory that the state takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.open.values().map(|w| w.groups.memory_bytes()).sum()
    }

    /// Its state as bytes.
    ///
    /// # Errors
    /// If a key cannot be written; a bug.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let mut writer = SnapshotWriter::new(self.plan.name());
        for (end_ms, window) in &self.open {
            window.groups.save(&mut writer, self.max_parallelism, |_, out| {
                out.extend_from_slice(&end_ms.to_le_bytes());
            })?;
        }
        Ok(writer.finish())
    }

    /// Takes the keys of these key groups out of snapshots. The timers of windows over processing time
    /// are the runtime's.
    ///
    /// # Errors
    /// If a snapshot is damaged, or of other keys or aggregates.
    pub fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
        for mut entry in all_entries(&self.plan, parts, &key_groups)? {
            let end_ms = take_i64(&mut entry)?;
            if !self.open.contains_key(&end_ms) {
                let window = Window { due_ms: self.windows.due_ms(end_ms)?, groups: self.plan.groups()? };
                self.open.insert(end_ms, window);
            }
            if let Some(window) = self.open.get_mut(&end_ms) {
                window.groups.load(&self.plan, &mut entry)?;
            }
        }
        Ok(())
    }
}

fn change(kind: RowKind) -> Change {
    if kind.is_retract() { Change::Retract } else { Change::Add }
}

/// Counts the rows of each group up and down.
fn count(rows: &mut [i64], groups: &[u32], changes: Option<&[Change]>) {
    for (row, group) in groups.iter().enumerate() {
        rows[*group as usize] += if changes.is_some_and(|c| c[row] == Change::Retract) { -1 } else { 1 };
    }
}

/// A window property for windows with these ends.
pub(crate) fn property(kind: WindowProperty, ends: &[i64], windows: &Windows, ty: &LogicalType) -> Result<ArrayRef> {
    let values = match kind {
        WindowProperty::Start => ends.iter().map(|end| windows.start_ms(*end)).collect(),
        WindowProperty::End => ends.to_vec(),
        WindowProperty::Time => {
            let last: Int64Array = ends.iter().map(|end| Some(end.saturating_sub(1))).collect();
            let is_moment = matches!(ty.kind, TypeKind::TimestampLtz(_));
            let last = if is_moment { windows.clock().utc(last)? } else { last };
            last.values().to_vec()
        }
    };
    from_millis(values, ty)
}

#[cfg(test)]
mod tests;
