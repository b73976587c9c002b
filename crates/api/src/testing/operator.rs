//! The operator harness: plays a script of rows, watermarks and moments to an operator and compares
//! what it emits with what is expected, in batches of 1, of 7 and of all rows.
//!
//! A script has a line per event: `+I | 1 | a` is a row, `wm 1000` a watermark behind it, `time 5000`
//! moves the clock. The answer has the same form. [`check_restorable`] also does to the operator what
//! checkpoints, restores, rescales and full memory do to it. [`check_join`] does all of that to an
//! operator of two inputs, with `L +I | 1 | a` for a row of the first and `R +I | 2` for one of the second;
//! [`check_inputs`] to one of any number of inputs, with `#2 +I | 1` for a row of the third.

mod answer;
mod run;

use super::text::{Line, batch_of};

use crate::ids::Subtask;
use crate::key_group::{hash_keys, key_group, subtask_of};
use crate::operator::{EventTime, Operator};
use crate::{Schema, Watermark};

use answer::{joined, per_key};
use run::{Pressure, Run};

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

#[cfg(test)]
mod tests;
