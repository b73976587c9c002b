//! The operator harness: plays a script of rows, watermarks and moments to an operator and compares
//! what it emits with what is expected, in batches of 1, of 7 and of all rows.
//!
//! A script has a line per event: `+I | 1 | a` is a row, `wm 1000` a watermark behind it, `time 5000`
//! moves the clock. The answer has the same form. [`check_restorable`] also takes a snapshot after
//! every event and goes on from it, and then with two and three subtasks.

use std::ops::Range;
use std::sync::Arc;

use super::text::{Line, batch_of, lines};
use super::world::{Emitted, FakeTimers, FakeWorld, RecordedOutput, open_context, ready};
use crate::ids::Subtask;
use crate::key_group::{hash_keys, key_group, range_of_subtask, subtask_of};
use crate::metrics::OperatorMetrics;
use crate::operator::{EventTime, Operator, OperatorContext, TimeDomain};
use crate::{ChangeBatch, Mark, Result, Schema, Watermark};

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

/// An operator whose state can be taken out and put back.
pub trait Restorable: Operator {
    /// Its state as bytes.
    ///
    /// # Errors
    /// If the state cannot be written.
    fn snapshot(&self) -> Result<Vec<u8>>;

    /// Takes the keys of these key groups out of snapshots. Called after `open`, before any row.
    ///
    /// # Errors
    /// If a snapshot is damaged.
    fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()>;
}

#[derive(Clone, Debug)]
enum Event {
    Row(Line),
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
        _ => Event::Row(Line::parse(line)),
    };
    script.lines().map(str::trim).filter(|l| !l.is_empty()).map(event).collect()
}

/// Plays the script in batches of 1, of 7 and of all rows, each time to a new operator, and answers
/// what was emitted.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check(case: &Case<'_>, make: impl Fn() -> Box<dyn Operator>) -> String {
    let events = parse(case.script);
    let play = |rows: usize| {
        let mut run = Run::new(case, make(), ONE);
        run.play(&events, rows);
        run.end();
        run.answer()
    };
    let all = play(usize::MAX);
    assert_eq!(play(1), all, "batches of 1 (left) and of all rows (right)");
    assert_eq!(play(7), all, "batches of 7 (left) and of all rows (right)");
    all.join("\n")
}

/// [`check`], then with snapshot and restore after every event; with `keys` then also going on with 2
/// and 3 subtasks, which needs the columns of the key in the input, by which rows are routed, and in
/// the output, where the rows are compared as a sequence per key.
///
/// # Panics
/// If the operator fails, or if the answers differ.
pub fn check_restorable<O: Restorable + 'static>(
    case: &Case<'_>,
    keys: Option<(&[usize], &[usize])>,
    make: impl Fn() -> O,
) -> String {
    let expected = check(case, || Box::new(make()) as Box<dyn Operator>);
    let events = parse(case.script);
    let mut run = Run::new(case, Box::new(make()), ONE);
    for event in &events {
        run.play(std::slice::from_ref(event), 1);
        run.restart(make());
    }
    run.end();
    assert_eq!(run.answer().join("\n"), expected, "with restarts (left) and without (right)");
    let Some((input_keys, output_keys)) = keys else { return expected };
    for parallelism in [2, 3] {
        for at in [events.len() / 3, events.len() / 2] {
            let answer = rescaled(case, (&events, at), (input_keys, parallelism), &make);
            let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
            let (got, want) = (per_key(&answer, output_keys), per_key(&expected, output_keys));
            assert_eq!(got, want, "{parallelism} subtasks after event {at} (left) and one (right)");
        }
    }
    expected
}

fn rescaled<O: Restorable>(
    case: &Case<'_>,
    (events, at): (&[Event], usize),
    (keys, parallelism): (&[usize], u32),
    make: &impl Fn() -> O,
) -> Vec<String> {
    let mut first = Run::new(case, Box::new(make()), ONE);
    first.play(&events[..at], 1);
    let snapshot = vec![first.operator.snapshot().expect("a snapshot is taken")];
    let mut answer = first.answer();
    for index in 0..parallelism {
        let mut run = Run::new(case, Box::new(make()), Subtask { index, parallelism });
        (run.watermark, run.timers) = (first.watermark, first.timers.clone());
        run.world.set_now(first.now_ms());
        let groups = range_of_subtask(MAX_PARALLELISM, parallelism, index);
        run.operator.restore(&snapshot, groups).expect("a snapshot is read");
        let mine = |event: &&Event| match event {
            Event::Row(line) => subtask_of_line(case.input, keys, line, parallelism) == index,
            _ => true,
        };
        let own: Vec<Event> = events[at..].iter().filter(mine).cloned().collect();
        run.play(&own, 7);
        run.end();
        answer.extend(run.answer());
    }
    answer
}

fn subtask_of_line(schema: &Schema, keys: &[usize], line: &Line, parallelism: u32) -> u32 {
    let batch = batch_of(schema, std::slice::from_ref(line));
    let columns: Vec<_> = keys.iter().map(|k| batch.rows().column(*k).clone()).collect();
    let hash = hash_keys(&columns, 1).expect("keys have a hash")[0];
    subtask_of(key_group(hash, MAX_PARALLELISM), MAX_PARALLELISM, parallelism)
}

/// The rows, stably sorted by their key: equal means the same sequence for each key.
fn per_key(answer: &[String], keys: &[usize]) -> Vec<String> {
    let mut rows: Vec<&String> = answer.iter().filter(|l| !l.starts_with("wm ")).collect();
    let key = |row: &&String| -> Vec<String> {
        let cells = Line::parse(row).cells;
        keys.iter().map(|k| cells[*k].clone()).collect()
    };
    rows.sort_by_key(key);
    rows.into_iter().cloned().collect()
}

/// One instance at work: what the runtime does around an operator, without threads.
struct Run<'a, O: ?Sized + Operator> {
    case: &'a Case<'a>,
    subtask: Subtask,
    world: Arc<FakeWorld>,
    output: RecordedOutput,
    timers: FakeTimers,
    watermark: Watermark,
    metrics: OperatorMetrics,
    operator: Box<O>,
}

impl<'a, O: ?Sized + Operator> Run<'a, O> {
    fn new(case: &'a Case<'a>, operator: Box<O>, subtask: Subtask) -> Self {
        let world = FakeWorld::at(0);
        let (output, timers) = (RecordedOutput::default(), FakeTimers::default());
        let (watermark, metrics) = (Watermark::MIN, OperatorMetrics::default());
        let mut run = Run { case, subtask, world, output, timers, watermark, metrics, operator };
        run.open();
        run
    }

    fn open(&mut self) {
        let cx = open_context(&self.world, self.subtask, MAX_PARALLELISM);
        self.operator.open(&cx).expect("the operator opens");
    }

    fn now_ms(&self) -> i64 {
        self.world.environment().clock.now_ms()
    }

    fn play(&mut self, events: &[Event], rows_max: usize) {
        let mut open: Vec<&Event> = Vec::new();
        for event in events {
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
            if open.iter().filter(|e| matches!(e, Event::Row(_))).count() >= rows_max {
                self.flush(&mut open);
            }
        }
        self.flush(&mut open);
    }

    fn flush(&mut self, open: &mut Vec<&Event>) {
        let (mut rows, mut marks): (Vec<Line>, Vec<Mark>) = (Vec::new(), Vec::new());
        for event in open.drain(..) {
            match event {
                Event::Row(line) => rows.push(line.clone()),
                Event::Watermark(w) => marks.push(Mark { row: rows.len() as u32, watermark: *w }),
                Event::Time(_) => unreachable!("time ends a batch"),
            }
        }
        if rows.is_empty() {
            return;
        }
        let batch = batch_of(self.case.input, &rows).with_marks(marks).expect("watermarks rise");
        match self.case.event_time {
            EventTime::Sliced => self.sliced(&batch),
            EventTime::Indifferent | EventTime::WholeWithMarks => self.whole(batch),
        }
    }

    fn whole(&mut self, batch: ChangeBatch) {
        let last = batch.last_watermark();
        self.process(batch);
        self.watermark = last.unwrap_or(self.watermark);
    }

    fn sliced(&mut self, batch: &ChangeBatch) {
        let mut from = 0;
        for mark in batch.marks().to_vec() {
            let to = mark.row as usize;
            if to > from {
                self.process(batch.slice(from, to - from).without_marks());
            }
            self.advance(mark.watermark);
            from = to;
        }
        if from < batch.len() {
            self.process(batch.slice(from, batch.len() - from).without_marks());
        }
    }

    fn process(&mut self, batch: ChangeBatch) {
        let (operator, mut cx) = self.parts();
        ready(operator.process_batch(0, batch, &mut cx)).expect("the operator takes a batch");
    }

    fn advance(&mut self, watermark: Watermark) {
        self.fire(TimeDomain::Event, watermark.0);
        let (operator, mut cx) = self.parts();
        ready(operator.process_watermark(watermark, &mut cx)).expect("the operator takes a watermark");
        self.watermark = watermark;
    }

    fn fire(&mut self, domain: TimeDomain, at_ms: i64) {
        while let Some(timer) = self.timers.due(domain, at_ms) {
            let (operator, mut cx) = self.parts();
            ready(operator.on_timers(&[timer], &mut cx)).expect("the operator takes a timer");
        }
    }

    fn end(&mut self) {
        self.advance(Watermark::MAX);
        let (operator, mut cx) = self.parts();
        ready(operator.finish(&mut cx)).expect("the operator finishes");
    }

    fn parts(&mut self) -> (&mut O, OperatorContext<'_>) {
        let processing_time_ms = self.now_ms();
        let cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms,
            watermark: self.watermark,
            metrics: &self.metrics,
        };
        (&mut self.operator, cx)
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

impl<O: Restorable> Run<'_, O> {
    /// Goes on with a new instance that has the state of this one.
    fn restart(&mut self, operator: O) {
        let snapshot = self.operator.snapshot().expect("a snapshot is taken");
        *self.operator = operator;
        self.open();
        self.operator.restore(&[snapshot], 0..MAX_PARALLELISM).expect("a snapshot is read");
    }
}

fn push_watermark(answer: &mut Vec<String>, watermark: Watermark) {
    if watermark == Watermark::MAX {
        return;
    }
    // Of watermarks without a row between them only the last one means anything.
    if answer.last().is_some_and(|l| l.starts_with("wm ")) {
        answer.pop();
    }
    answer.push(format!("wm {}", watermark.0));
}

fn push_batch(answer: &mut Vec<String>, batch: &ChangeBatch) {
    let mut marks = batch.marks().iter().peekable();
    for (row, line) in lines(batch).into_iter().enumerate() {
        while let Some(mark) = marks.next_if(|m| m.row as usize <= row) {
            push_watermark(answer, mark.watermark);
        }
        answer.push(line);
    }
    marks.for_each(|m| push_watermark(answer, m.watermark));
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{Field, LogicalType, TypeKind};

    /// Forgets, batch by batch or when restored, what it should remember.
    struct Faulty {
        rows: usize,
        remembers: bool,
    }

    #[async_trait]
    impl Operator for Faulty {
        async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
            self.rows = if self.remembers { self.rows + batch.len() } else { batch.len() };
            if self.rows < 3 { cx.output.emit(batch).await } else { Ok(()) }
        }
    }

    impl Restorable for Faulty {
        fn snapshot(&self) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn restore(&mut self, _: &[Vec<u8>], _: Range<u32>) -> Result<()> {
            Ok(())
        }
    }

    fn play(remembers: bool, script: &str) {
        let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let case = Case { input: &input, event_time: EventTime::Indifferent, script };
        check_restorable(&case, None, || Faulty { rows: 0, remembers });
    }

    #[test]
    #[should_panic(expected = "batches of 1")]
    fn an_operator_that_depends_on_its_batches_is_found() {
        play(false, "+I | 1\n+I | 2\n+I | 3");
    }

    #[test]
    #[should_panic(expected = "with restarts")]
    fn an_operator_that_forgets_at_a_restart_is_found() {
        // The clock ends each batch, so that only restarts differ.
        play(true, "+I | 1\ntime 1\n+I | 2\ntime 2\n+I | 3\ntime 3\n+I | 4");
    }
}
