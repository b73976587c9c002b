//! The operator harness: plays a script of rows, watermarks and moments to an operator and compares
//! what it emits with what is expected, in batches of 1, of 7 and of all rows.
//!
//! A script has a line per event: `+I | 1 | a` is a row, `wm 1000` a watermark behind it, `time 5000`
//! moves the clock. The answer has the same form. [`check_restorable`] also does to the operator what
//! checkpoints, restores, rescales and full memory do to it. [`check_join`] does all of that to an
//! operator of two inputs, with `L +I | 1 | a` for a row of the first and `R +I | 2` for one of the second;
//! [`check_inputs`] to one of any number of inputs, with `#2 +I | 1` for a row of the third.

mod answer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::state::{FakeSnapshot, FakeStateStore};
use super::text::{Line, batch_of};
use super::world::{Emitted, FakeTimers, FakeWorld, RecordedOutput, open_context_with, ready};

use crate::ids::Subtask;
use crate::key_group::{hash_keys, key_group, range_of_subtask, subtask_of};
use crate::metrics::OperatorMetrics;
use crate::operator::{EventTime, Operator, OperatorContext, TimeDomain};
use crate::state::{Redistribution, StateMemory};
use crate::{ChangeBatch, Mark, Schema, Watermark};

use answer::{joined, per_key, push_batch, push_watermark};

const MAX_PARALLELISM: u32 = 128;
const ONE: Subtask = Subtask { index: 0, parallelism: 1 };

/// What to play to an operator.
pub struct Case<'a> {
    /// The columns of its input.
    pub input: &'a Schema,
    /// How it wants rows and watermarks.
    pub event_time: EventTime,
    /// The events.
    pub script: &'a str,
}

/// What to play to an operator of two inputs.
pub struct JoinCase<'a> {
    /// The columns of its inputs.
    pub inputs: [&'a Schema; 2],
    /// How it wants rows and watermarks.
    pub event_time: EventTime,
    /// The events.
    pub script: &'a str,
}

/// What to play to an operator of any number of inputs.
pub struct InputsCase<'a> {
    /// The columns of its inputs.
    pub inputs: &'a [&'a Schema],
    /// How it wants rows and watermarks.
    pub event_time: EventTime,
    /// The events.
    pub script: &'a str,
}

/// What to play, to however many inputs.
struct Plan<'a> {
    inputs: Vec<&'a Schema>,
    event_time: EventTime,
    script: &'a str,
}

impl<'a> Plan<'a> {
    fn of(case: &Case<'a>) -> Self {
        Plan { inputs: vec![case.input], event_time: case.event_time, script: case.script }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A row on an input.
    Row(usize, Line),
    Watermark(Watermark),
    Time(i64),
}

fn parse(script: &str) -> Vec<Event> {
    let number = |text: &str| match text.trim() {
        "max" => i64::MAX,
        number => number.parse().unwrap_or_else(|_| panic!("'{number}' is no number of milliseconds")),
    };
    let event = |line: &str| match line.split_once(' ') {
        Some(("wm", at)) => Event::Watermark(Watermark(number(at))),
        Some(("time", at)) => Event::Time(number(at)),
        Some(("L", row)) => Event::Row(0, Line::parse(row)),
        Some(("R", row)) => Event::Row(1, Line::parse(row)),
        Some((input, row)) if input.starts_with('#') => Event::Row(number(&input[1..]) as usize, Line::parse(row)),
        _ => Event::Row(0, Line::parse(line)),
    };
    script.lines().map(str::trim).filter(|l| !l.is_empty()).map(event).collect()
}

/// Plays the script in batches of 1, of 7 and of all rows, each time to a new operator, and answers
/// what was emitted.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check(case: &Case<'_>, make: impl Fn() -> Box<dyn Operator>) -> String {
    check_batches(&Plan::of(case), make)
}

fn check_batches(plan: &Plan<'_>, make: impl Fn() -> Box<dyn Operator>) -> String {
    let events = parse(plan.script);
    let play = |rows: usize| {
        let mut run = Run::new(plan, make(), ONE, Pressure::None);
        run.play(&events, rows);
        run.end();
        run.answer()
    };
    let all = play(usize::MAX);
    assert_eq!(play(1), all, "batches of 1 (left) and of all rows (right)");
    assert_eq!(play(7), all, "batches of 7 (left) and of all rows (right)");
    all.join("\n")
}

/// [`check`], then what may happen to state: a restore after every event and after the end; memory so
/// small that nothing stays in it between batches; checkpoints that are written while the operator goes
/// on. With `keys` also going on with 2 and 3 subtasks, and from those with one. That needs the columns
/// of the key in the input, by which rows are routed, and in the output, where the rows between two
/// watermarks are compared as a sequence per key.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check_restorable<O: Operator + 'static>(
    case: &Case<'_>,
    keys: Option<(&[usize], &[usize])>,
    make: impl Fn() -> O,
) -> String {
    let make = || Box::new(make()) as Box<dyn Operator>;
    check_plan(&Plan::of(case), keys.map(|(input, output)| (vec![input], output)), &make)
}

/// [`check_restorable`] for an operator of two inputs; rows of both are routed by their keys.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check_join<O: Operator + 'static>(
    case: &JoinCase<'_>,
    keys: Option<([&[usize]; 2], &[usize])>,
    make: impl Fn() -> O,
) -> String {
    let make = || Box::new(make()) as Box<dyn Operator>;
    let plan = Plan { inputs: case.inputs.to_vec(), event_time: case.event_time, script: case.script };
    check_plan(&plan, keys.map(|(inputs, output)| (inputs.to_vec(), output)), &make)
}

/// [`check_restorable`] for an operator of any number of inputs; rows of each are routed by its keys.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check_inputs<O: Operator + 'static>(
    case: &InputsCase<'_>,
    keys: Option<(&[&[usize]], &[usize])>,
    make: impl Fn() -> O,
) -> String {
    let make = || Box::new(make()) as Box<dyn Operator>;
    let plan = Plan { inputs: case.inputs.to_vec(), event_time: case.event_time, script: case.script };
    check_plan(&plan, keys.map(|(inputs, output)| (inputs.to_vec(), output)), &make)
}

fn check_plan(
    plan: &Plan<'_>,
    keys: Option<(Vec<&[usize]>, &[usize])>,
    make: &dyn Fn() -> Box<dyn Operator>,
) -> String {
    let expected = check_batches(plan, make);
    let output_keys = keys.as_ref().map(|(_, output)| *output);
    let play = Play { plan, events: parse(plan.script), output_keys, make };
    let lines: Vec<String> = expected.lines().map(str::to_owned).collect();
    for pressure in [Pressure::None, Pressure::Total] {
        play.with_restarts(&lines, pressure);
        play.with_delayed_drains(&lines, pressure);
    }
    play.under_pressure(&lines);
    if let Some((input_keys, output_keys)) = keys {
        for parallelism in [2, 3] {
            for at in [play.events.len() / 3, play.events.len() / 2, play.events.len()] {
                let got = play.rescaled(at, &input_keys, (1, parallelism));
                let (got, want) = (per_key(&got, output_keys), per_key(&lines, output_keys));
                assert_eq!(got, want, "{parallelism} subtasks after event {at} (left) and one (right)");
            }
        }
        for at in [play.events.len() / 3, play.events.len() / 2] {
            let got = play.rescaled(at, &input_keys, (3, 1));
            let (got, want) = (per_key(&got, output_keys), per_key(&lines, output_keys));
            assert_eq!(got, want, "one subtask after event {at} of three (left) and one all the time (right)");
        }
    }
    expected
}

/// A script and who plays it.
struct Play<'a> {
    plan: &'a Plan<'a>,
    events: Vec<Event>,
    output_keys: Option<&'a [usize]>,
    make: &'a dyn Fn() -> Box<dyn Operator>,
}

impl<'a> Play<'a> {
    fn run(&self, pressure: Pressure) -> Run<'a> {
        Run::new(self.plan, (self.make)(), ONE, pressure)
    }

    /// What may differ is made equal: the order of different keys between two watermarks.
    fn comparable(&self, answer: &[String]) -> Vec<String> {
        let Some(keys) = self.output_keys else { return answer.to_vec() };
        let pieces = answer.chunk_by(|a, b| a.starts_with("wm ") == b.starts_with("wm "));
        pieces.flat_map(|p| if p[0].starts_with("wm ") { p.to_vec() } else { per_key(p, keys) }).collect()
    }

    fn compare(&self, got: &[String], want: &[String], how: &str) {
        assert_eq!(self.comparable(got), self.comparable(want), "{how} (left) and plain (right)");
    }

    /// Goes on from a checkpoint after every event, and once more after the end, where nothing may come again.
    fn with_restarts(&self, expected: &[String], pressure: Pressure) {
        let mut run = self.run(pressure);
        for event in &self.events {
            run.play(std::slice::from_ref(event), 1);
            run.restart((self.make)());
        }
        run.end();
        run.restart((self.make)());
        run.end();
        self.compare(&run.answer(), expected, &format!("with restarts and {pressure:?} pressure"));
    }

    /// All state goes to the store after every batch.
    fn under_pressure(&self, expected: &[String]) {
        for rows in [1, 7, usize::MAX] {
            let mut run = self.run(Pressure::Total);
            run.play(&self.events, rows);
            run.end();
            self.compare(&run.answer(), expected, &format!("without memory in batches of {rows}"));
        }
    }

    /// A barrier after every event, whose epoch is written while the next batches run. What the store has then must
    /// be the state at the barrier.
    fn with_delayed_drains(&self, expected: &[String], pressure: Pressure) {
        for at in 0..=self.events.len() {
            for delay in [0, 1, 3] {
                let how = format!("a drain {delay} batches after event {at}, {pressure:?} pressure,");
                let mut run = self.run(pressure);
                run.play(&self.events[..at], 1);
                run.barrier(delay);
                let before = run.answer();
                run.play(&self.events[at..], 1);
                run.end();
                let checkpoint = run.complete();
                self.compare(&run.answer(), expected, &how);
                let mut restored = Run::restored(self.plan, (self.make)(), ONE, (&[checkpoint], pressure));
                restored.play(&self.events[at..], 7);
                restored.end();
                let answer = joined(before, restored.answer());
                self.compare(&answer, expected, &format!("a restore from {how}"));
            }
        }
    }

    fn rescaled(&self, at: usize, keys: &[&[usize]], (from, to): (u32, u32)) -> Vec<String> {
        let mine = |events: &[Event], index: u32, parallelism: u32| -> Vec<Event> {
            let mine = |event: &&Event| match event {
                Event::Row(input, line) => {
                    subtask_of_line(self.plan.inputs[*input], keys[*input], line, parallelism) == index
                }
                _ => true,
            };
            events.iter().filter(mine).cloned().collect()
        };
        let (mut answer, mut checkpoints) = (Vec::new(), Vec::new());
        for index in 0..from {
            let subtask = Subtask { index, parallelism: from };
            let mut run = Run::new(self.plan, (self.make)(), subtask, Pressure::None);
            run.play(&mine(&self.events[..at], index, from), 1);
            run.barrier(0);
            checkpoints.push(run.complete());
            answer.extend(run.answer());
        }
        for index in 0..to {
            let subtask = Subtask { index, parallelism: to };
            let mut run = Run::restored(self.plan, (self.make)(), subtask, (&checkpoints, Pressure::None));
            run.play(&mine(&self.events[at..], index, to), 7);
            run.end();
            answer.extend(run.answer());
        }
        answer
    }
}

fn subtask_of_line(schema: &Schema, keys: &[usize], line: &Line, parallelism: u32) -> u32 {
    let batch = batch_of(schema, std::slice::from_ref(line));
    let columns: Vec<_> = keys.iter().map(|k| batch.rows().column(*k).clone()).collect();
    let hash = hash_keys(&columns, 1).expect("keys have a hash")[0];
    subtask_of(key_group(hash, MAX_PARALLELISM), MAX_PARALLELISM, parallelism)
}

/// How little memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressure {
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
struct Checkpoint {
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
struct Run<'a> {
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
    fn new(plan: &'a Plan<'a>, operator: Box<dyn Operator>, subtask: Subtask, pressure: Pressure) -> Self {
        Self::restored(plan, operator, subtask, (&[], pressure))
    }

    /// An instance with its part of these checkpoints.
    fn restored(
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
    fn restart(&mut self, operator: Box<dyn Operator>) {
        self.barrier(0);
        let checkpoint = self.complete();
        self.operator = operator;
        self.take_up(&[checkpoint]);
        self.open();
    }

    fn now_ms(&self) -> i64 {
        self.world.environment().clock.now_ms()
    }

    /// Begins a checkpoint; its first entry is written so many batches later.
    fn barrier(&mut self, delay: usize) {
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
    fn drain(&mut self) {
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
    fn complete(&mut self) -> Checkpoint {
        while self.closing.is_some() {
            self.drain();
        }
        self.complete.take().expect("a checkpoint was begun")
    }

    /// What the runtime does between two callbacks.
    fn between(&mut self) {
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

    fn play(&mut self, events: &[Event], rows_max: usize) {
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

    fn process(&mut self, input: usize, batch: ChangeBatch) {
        self.operator.prefetch(input, &batch).expect("the operator looks ahead");
        let (operator, mut cx) = self.parts();
        ready(operator.process_batch(input, batch, &mut cx)).expect("the operator takes a batch");
        self.between();
    }

    fn advance(&mut self, watermark: Watermark) {
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

    fn end(&mut self) {
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
    fn answer(&self) -> Vec<String> {
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

#[cfg(test)]
mod tests;
