//! One instance of an operator at work: what the runtime does around it, without threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::state::{FakeSnapshot, FakeStateStore};
use super::super::text::{Line, batch_of};
use super::super::world::{Emitted, FakeTimers, FakeWorld, RecordedOutput, open_context_with, ready};
use super::answer::{push_batch, push_watermark};
use super::{Event, MAX_PARALLELISM, Plan};
use crate::ids::Subtask;
use crate::key_group::range_of_subtask;
use crate::metrics::OperatorMetrics;
use crate::operator::{EventTime, Operator, OperatorContext, TimeDomain};
use crate::state::{Redistribution, StateMemory};
use crate::{ChangeBatch, Mark, Watermark};

/// How little memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// All fits.
    None,
    /// Nothing fits, and after every batch containers are asked to give memory back.
    Total,
}

impl Pressure {
    fn memory(self) -> Arc<StateMemory> {
        StateMemory::new(if self == Pressure::Total { 1 } else { usize::MAX }, true)
    }
}

/// A complete checkpoint of one instance, with what the runtime would keep of it.
#[derive(Clone)]
pub(super) struct Checkpoint {
    state: FakeSnapshot,
    barrier: Barrier,
}

/// What an instance was like at a barrier.
#[derive(Clone)]
struct Barrier {
    watermark: Watermark,
    timers: FakeTimers,
    now_ms: i64,
}

/// A checkpoint that is being written.
struct Closing {
    barrier: Barrier,
    /// How many batches are still to come before the first entry is written.
    delay: usize,
    /// Which containers are done.
    drained: Vec<bool>,
}

/// One instance at work: what the runtime does around an operator, without threads.
pub(super) struct Run<'a> {
    plan: &'a Plan<'a>,
    subtask: Subtask,
    pressure: Pressure,
    world: Arc<FakeWorld>,
    store: Arc<FakeStateStore>,
    output: RecordedOutput,
    timers: FakeTimers,
    watermark: Watermark,
    metrics: OperatorMetrics,
    operator: Box<dyn Operator>,
    closing: Option<Closing>,
    /// The lists at the last barrier.
    lists: BTreeMap<String, (Redistribution, Vec<Bytes>)>,
    complete: Option<Checkpoint>,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, operator: Box<dyn Operator>, subtask: Subtask, pressure: Pressure) -> Self {
        Self::restored(plan, operator, subtask, (&[], pressure))
    }

    /// An instance with its part of these checkpoints.
    pub(super) fn restored(
        plan: &'a Plan<'a>,
        operator: Box<dyn Operator>,
        subtask: Subtask,
        (checkpoints, pressure): (&[Checkpoint], Pressure),
    ) -> Self {
        let mut run = Run {
            plan,
            subtask,
            pressure,
            world: FakeWorld::at(0),
            store: FakeStateStore::new(),
            output: RecordedOutput::default(),
            timers: FakeTimers::default(),
            watermark: Watermark::MIN,
            metrics: OperatorMetrics::default(),
            operator,
            closing: None,
            lists: BTreeMap::new(),
            complete: None,
        };
        run.take_up(checkpoints);
        run.open();
        run
    }

    fn key_groups(&self) -> Range<u32> {
        range_of_subtask(MAX_PARALLELISM, self.subtask.parallelism, self.subtask.index)
    }

    fn take_up(&mut self, checkpoints: &[Checkpoint]) {
        let Some(first) = checkpoints.first() else { return };
        let states: Vec<FakeSnapshot> = checkpoints.iter().map(|c| c.state.clone()).collect();
        let place = (self.subtask.index, self.subtask.parallelism);
        let own = FakeSnapshot::redistributed(&states, &self.key_groups(), place);
        self.store = FakeStateStore::restored(own);
        let timers: Vec<&FakeTimers> = checkpoints.iter().map(|c| &c.barrier.timers).collect();
        self.timers = FakeTimers::restored(&timers, &self.key_groups());
        self.watermark = first.barrier.watermark;
        self.world.set_now(first.barrier.now_ms);
    }

    fn open(&mut self) {
        let mut cx = open_context_with(&self.world, self.subtask, MAX_PARALLELISM, self.store.clone());
        cx.memory = self.pressure.memory();
        self.operator.open(&cx).expect("the operator opens");
        let (operator, mut cx) = self.parts();
        ready(operator.start(&mut cx)).expect("the operator starts");
    }

    /// Goes on with a new instance that has the state of this one.
    pub(super) fn restart(&mut self, operator: Box<dyn Operator>) {
        self.barrier(0);
        let checkpoint = self.complete();
        self.operator = operator;
        self.take_up(&[checkpoint]);
        self.open();
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.world.environment().clock.now_ms()
    }

    /// Begins a checkpoint; its first entry is written so many batches later.
    pub(super) fn barrier(&mut self, delay: usize) {
        let (operator, mut cx) = self.parts();
        ready(operator.before_checkpoint(&mut cx)).expect("the operator is ready for a checkpoint");
        let mut containers = self.operator.containers();
        containers.iter_mut().for_each(|c| c.close_epoch());
        let drained = vec![false; containers.len()];
        let barrier = Barrier { watermark: self.watermark, timers: self.timers.clone(), now_ms: self.now_ms() };
        // The runtime takes the lists at the barrier: what is set from now on belongs to the next one.
        self.lists = self.store.snapshot().lists;
        self.closing = Some(Closing { barrier, delay, drained });
    }

    /// Writes an entry of each container; takes the checkpoint when all have written all.
    pub(super) fn drain(&mut self) {
        let Some(mut closing) = self.closing.take() else { return };
        for (container, done) in self.operator.containers().into_iter().zip(&mut closing.drained) {
            *done = *done || ready(container.drain(1)).expect("a container is drained");
        }
        if closing.drained.iter().all(|done| *done) {
            let state = FakeSnapshot { lists: std::mem::take(&mut self.lists), ..self.store.snapshot() };
            self.complete = Some(Checkpoint { state, barrier: closing.barrier });
        } else {
            self.closing = Some(closing);
        }
    }

    /// The checkpoint that was begun last.
    pub(super) fn complete(&mut self) -> Checkpoint {
        while self.closing.is_some() {
            self.drain();
        }
        self.complete.take().expect("a checkpoint was begun")
    }

    /// What the runtime does between two callbacks.
    pub(super) fn between(&mut self) {
        if self.pressure == Pressure::Total {
            let drained = self.closing.as_ref().map_or(&[] as &[bool], |c| &c.drained);
            for (number, container) in self.operator.containers().into_iter().enumerate() {
                if !drained.get(number).is_some_and(|done| *done) {
                    ready(container.relieve()).expect("a container gives memory back");
                }
            }
        }
        match &mut self.closing {
            Some(closing) if closing.delay > 0 => closing.delay -= 1,
            _ => self.drain(),
        }
    }

    pub(super) fn play(&mut self, events: &[Event], rows_max: usize) {
        let mut open: Vec<&Event> = Vec::new();
        for event in events {
            if let Event::Row(input, _) = event
                && open.iter().any(|e| matches!(e, Event::Row(other, _) if other != input))
            {
                self.flush(&mut open);
            }
            match event {
                Event::Time(at) => {
                    self.flush(&mut open);
                    self.world.set_now(*at);
                    self.fire(TimeDomain::Processing, *at);
                }
                // In batches of one the watermarks come between the batches, else inside.
                Event::Watermark(w) if open.is_empty() => self.advance(*w),
                event => open.push(event),
            }
            if open.iter().filter(|e| matches!(e, Event::Row(..))).count() >= rows_max {
                self.flush(&mut open);
            }
        }
        self.flush(&mut open);
    }

    fn flush(&mut self, open: &mut Vec<&Event>) {
        let (mut rows, mut marks): (Vec<Line>, Vec<Mark>) = (Vec::new(), Vec::new());
        let mut input = 0;
        for event in open.drain(..) {
            match event {
                Event::Row(of, line) => {
                    input = *of;
                    rows.push(line.clone());
                }
                Event::Watermark(w) => marks.push(Mark { row: rows.len() as u32, watermark: *w }),
                Event::Time(_) => unreachable!("time ends a batch"),
            }
        }
        if rows.is_empty() {
            return;
        }
        let batch = batch_of(self.plan.inputs[input], &rows).with_marks(marks).expect("watermarks rise");
        match self.plan.event_time {
            EventTime::Sliced => self.sliced(input, &batch),
            EventTime::Indifferent | EventTime::WholeWithMarks => self.whole(input, batch),
        }
    }

    fn whole(&mut self, input: usize, batch: ChangeBatch) {
        let last = batch.last_watermark();
        self.process(input, batch);
        self.watermark = last.unwrap_or(self.watermark);
    }

    fn sliced(&mut self, input: usize, batch: &ChangeBatch) {
        let mut from = 0;
        for mark in batch.marks().to_vec() {
            let to = mark.row as usize;
            if to > from {
                self.process(input, batch.slice(from, to - from).without_marks());
            }
            self.advance(mark.watermark);
            from = to;
        }
        if from < batch.len() {
            self.process(input, batch.slice(from, batch.len() - from).without_marks());
        }
    }

    pub(super) fn process(&mut self, input: usize, batch: ChangeBatch) {
        self.operator.prefetch(input, &batch).expect("the operator looks ahead");
        let (operator, mut cx) = self.parts();
        ready(operator.process_batch(input, batch, &mut cx)).expect("the operator takes a batch");
        self.between();
    }

    pub(super) fn advance(&mut self, watermark: Watermark) {
        // As the runtime does: timers know the watermark that fires them, and `process_watermark` the one before it.
        let before = std::mem::replace(&mut self.watermark, watermark);
        self.fire(TimeDomain::Event, watermark.0);
        self.watermark = before;
        let (operator, mut cx) = self.parts();
        ready(operator.process_watermark(watermark, &mut cx)).expect("the operator takes a watermark");
        self.watermark = watermark;
        self.between();
    }

    fn fire(&mut self, domain: TimeDomain, at_ms: i64) {
        while let Some(timer) = self.timers.due(domain, at_ms) {
            let (operator, mut cx) = self.parts();
            ready(operator.on_timers(&[timer], &mut cx)).expect("the operator takes a timer");
            self.between();
        }
    }

    pub(super) fn end(&mut self) {
        self.advance(Watermark::MAX);
        let (operator, mut cx) = self.parts();
        ready(operator.finish(&mut cx)).expect("the operator finishes");
    }

    fn parts(&mut self) -> (&mut dyn Operator, OperatorContext<'_>) {
        let processing_time_ms = self.now_ms();
        let cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms,
            watermark: self.watermark,
            metrics: &self.metrics,
        };
        (self.operator.as_mut(), cx)
    }

    /// What was emitted, an event a line; that of the last watermark, which every run has, is left out.
    pub(super) fn answer(&self) -> Vec<String> {
        let mut answer = Vec::new();
        for emitted in &self.output.emitted {
            match emitted {
                Emitted::Watermark(w) => push_watermark(&mut answer, *w),
                Emitted::Batch(batch) => push_batch(&mut answer, batch),
            }
        }
        answer
    }
}
