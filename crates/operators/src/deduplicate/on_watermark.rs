//! The first row of each key by rowtime, when the watermark has passed it: then no earlier one can come.

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use flott_api::operator::{OpenContext, OperatorContext, TimeDomain, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Result};
use flott_graph::spec::{DeduplicateSpec, SortField};
use flott_state::hot::{KeyedState, KeyedStateOptions, TtlOptions};

use super::first::{Seen, seen_state};
use super::not_open;
use crate::emit::emit;
use crate::key_timers::KeyTimers;
use crate::timed_rows::{self, TimedRows};
use crate::watermark_assigner::null_rowtime;
use crate::window::time::millis;

/// See the module.
pub(super) struct OnWatermark {
    spec: DeduplicateSpec,
    rowtime: usize,
    schema: SchemaRef,
    order: Vec<SortField>,
    states: Option<States>,
}

struct States {
    /// The row that waits.
    waiting: KeyedState<TimedRows<0>>,
    /// The keys whose row came out.
    emitted: KeyedState<Seen>,
    timers: KeyTimers,
}

impl OnWatermark {
    pub(super) fn new(spec: DeduplicateSpec, rowtime: usize) -> Result<Self> {
        let order = vec![SortField { column: rowtime, descending: false, nulls_last: false }];
        // Refuses what cannot be kept now and not with the first row.
        TimedRows::<0>::new(&spec.input, &order)?;
        Ok(OnWatermark { schema: spec.input.arrow(), order, rowtime, spec, states: None })
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.spec.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(super) fn prefetch(&self, batch: &ChangeBatch) -> Result<()> {
        let (states, keys) = (self.states.as_ref().ok_or_else(not_open)?, self.keys(batch));
        states.emitted.prefetch(&keys, batch.len())?;
        states.waiting.prefetch(&keys, batch.len())
    }

    pub(super) fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        let states = self.states.iter_mut();
        states.flat_map(|s| [&mut s.waiting as &mut dyn KeyedContainer, &mut s.emitted]).collect()
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let emitted = seen_state(&self.spec);
        let waiting = KeyedStateOptions {
            name: "waiting".to_owned(),
            keys: emitted.keys.clone(),
            parts: timed_rows::parts(&self.spec.input, &self.order, &[]),
            ttl: TtlOptions::default(),
        };
        let key_types = emitted.keys.iter().map(flott_api::LogicalType::arrow).collect();
        self.states = Some(States {
            waiting: KeyedState::open(cx, &waiting, TimedRows::new(&self.spec.input, &self.order)?)?,
            emitted: KeyedState::open(cx, &emitted, Seen::default())?,
            timers: KeyTimers::new(cx, key_types, TimeDomain::Event),
        });
        Ok(())
    }

    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let batch = self.in_time(batch, cx)?;
        let (keys, now_ms) = (self.keys(&batch), cx.processing_time_ms);
        let States { waiting, emitted, timers } = self.states.as_mut().ok_or_else(not_open)?;
        let known = emitted.assign(&keys, batch.len(), now_ms).await?;
        let is_open = |group: &u32| !emitted.entries().has(*group) || emitted.is_expired(*group, now_ms);
        let open: UInt32Array = (0..).zip(&known).filter(|(_, g)| is_open(g)).map(|(row, _)| Some(row)).collect();
        emitted.read(&known, now_ms)?;
        let batch = batch.take(&open)?;
        let keys = self.spec.keys.iter().map(|k| batch.rows().column(*k).clone()).collect::<Vec<_>>();
        let groups = waiting.assign(&keys, batch.len(), now_ms).await?;
        waiting.touch(&groups)?;
        let times = millis(batch.rows().column(self.rowtime))?;
        let rows = &mut waiting.entries_mut().rows;
        rows.begin(batch.rows())?;
        let mut at = Vec::new();
        for (row, group) in groups.iter().enumerate() {
            if rows.is_empty(*group) || rows.is_before_last(*group, row) {
                rows.truncate(*group, 0);
                rows.insert(*group, row)?;
                at.push((row, times.value(row)));
            }
        }
        timers.register(&keys, &at, cx.timers)?;
        emitted.expire(now_ms)
    }

    /// The rows that are not behind the watermark; the others are counted.
    fn in_time(&self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let times = millis(batch.rows().column(self.rowtime))?;
        if times.null_count() > 0 {
            return Err(null_rowtime(&self.spec.input.fields[self.rowtime].name));
        }
        let watermark = cx.watermark.0;
        let kept: UInt32Array =
            (0..).zip(times.values()).filter(|(_, time)| **time >= watermark).map(|(row, _)| Some(row)).collect();
        cx.metrics.num_late_records_dropped.add((batch.len() - kept.len()) as u64);
        if kept.len() == batch.len() { Ok(batch.clone()) } else { batch.take(&kept) }
    }

    /// Emits the rows of keys whose time has come. Behind an earlier row of its key a timer finds nothing.
    pub(super) async fn fire(&mut self, due: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let States { waiting, emitted, timers } = self.states.as_mut().ok_or_else(not_open)?;
        let keys = timers.keys(due)?;
        let groups = waiting.assign(&keys, due.len(), now_ms).await?;
        waiting.touch(&groups)?;
        waiting.entries_mut().rows.begin(&RecordBatch::new_empty(self.schema.clone()))?;
        let (mut out, mut fired) = (Vec::new(), Vec::new());
        for (row, group) in groups.iter().enumerate() {
            let before = out.len();
            waiting.entries_mut().rows.take_first(*group, 1, &mut out);
            if out.len() > before {
                fired.push(Some(row as u32));
            }
        }
        let rows = waiting.entries().rows.rows(&out)?;
        let mut done = groups;
        done.sort_unstable();
        done.dedup();
        done.into_iter().try_for_each(|group| waiting.remove(group))?;
        let fired = UInt32Array::from(fired);
        let keys = keys.iter().map(|k| arrow_select::take::take(k, &fired, None)).collect::<Result<Vec<_>, _>>()?;
        let known = emitted.assign(&keys, fired.len(), now_ms).await?;
        emitted.touch(&known)?;
        for group in known {
            emitted.entries_mut().note(group);
            emitted.set_changed(group, now_ms);
        }
        emit(ChangeBatch::inserts(rows), cx).await
    }
}
