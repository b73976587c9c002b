//! Random queries by event time.

use super::super::expr::{Call, Function};
use super::super::generate::{Dice, call, condition, some_columns};
use super::super::model::Kind;
use super::{Frame, Stream, Timed, WIDTH, Window};

impl Timed {
    /// Over these tables; rows of the last one come in order.
    pub(in super::super) fn random(dice: &mut Dice, tables: &[usize]) -> Timed {
        let last = tables[tables.len() - 1];
        match dice.below(12) {
            0..=3 => {
                let stream = stream(dice, tables);
                aggregate(dice, stream)
            }
            4 => Timed::Join {
                kind: [Kind::Inner, Kind::Left, Kind::Right, Kind::Full, Kind::Semi, Kind::Anti][dice.below(6)],
                streams: [stream(dice, tables), stream(dice, tables)],
                window: fixed_window(dice),
                equal: equal(dice),
                more: dice.one_in(3).then(|| condition(dice, 2 * WIDTH, 1)),
            },
            5 => Timed::Top {
                stream: stream(dice, tables),
                window: fixed_window(dice),
                partition: partition(dice),
                order: (0..dice.below(2)).map(|_| (dice.below(WIDTH), dice.one_in(2))).collect(),
                limit: dice.below(3) + 1,
            },
            6..=7 => {
                let stream = stream(dice, tables);
                over(dice, stream)
            }
            8 => Timed::Deduplicate {
                stream: stream(dice, tables),
                partition: some_columns(dice, WIDTH),
                last: dice.one_in(2),
            },
            9 => Timed::Interval {
                kind: [Kind::Inner, Kind::Left, Kind::Right, Kind::Full][dice.below(4)],
                streams: [stream(dice, tables), stream(dice, tables)],
                equal: equal(dice),
                before: dice.below(6) as i64,
                behind: dice.below(6) as i64,
            },
            10 => Timed::AsOf {
                stream: stream(dice, tables),
                table: last,
                key: dice.below(WIDTH),
                outer: dice.one_in(2),
                // A version that was replaced is found by what else must be equal, as in Flink (oracle/join_time/versions).
                more: dice.one_in(3).then(|| condition(dice, 2 * WIDTH, 1).without_equal_sides(WIDTH)),
            },
            _ => Timed::Match {
                stream: stream(dice, tables),
                partition: dice.below(WIDTH),
                first: condition(dice, WIDTH, 0),
                middle: condition(dice, WIDTH, 1),
                times: [(0, None), (1, None), (1, Some(1)), (0, Some(1)), (1, Some(2))][dice.below(5)],
                skip_past: dice.one_in(2),
                measures: [dice.below(WIDTH), dice.below(WIDTH), dice.below(WIDTH)],
            },
        }
    }
}

fn stream(dice: &mut Dice, tables: &[usize]) -> Stream {
    let table = tables[dice.below(tables.len())];
    Stream { table, filter: dice.one_in(3).then(|| condition(dice, WIDTH, 1)) }
}

fn equal(dice: &mut Dice) -> Vec<[usize; 2]> {
    (0..dice.below(2) + 1).map(|_| [dice.below(WIDTH), dice.below(WIDTH)]).collect()
}

fn partition(dice: &mut Dice) -> Vec<usize> {
    if dice.one_in(3) { Vec::new() } else { some_columns(dice, WIDTH) }
}

/// One whose bounds are known beforehand.
fn fixed_window(dice: &mut Dice) -> Window {
    let step = [1, 2, 3, 5, 7][dice.below(5)];
    // Shorter than the step.
    let (size, offset) = (step * (dice.below(4) as i64 + 1), (dice.below(3) as i64).min(step - 1));
    match dice.below(3) {
        0 => Window::Tumble { size, offset },
        1 => Window::Hop { slide: step, size, offset },
        _ => Window::Cumulate { step, size, offset },
    }
}

fn aggregate(dice: &mut Dice, stream: Stream) -> Timed {
    let window = match dice.below(4) {
        0 => Window::Session { gap: dice.below(5) as i64 + 1 },
        _ => fixed_window(dice),
    };
    // Only a table can be partitioned.
    let filter = stream.filter.filter(|_| !matches!(window, Window::Session { .. }));
    let stream = Stream { filter, ..stream };
    let keys = partition(dice);
    let mut calls: Vec<Call> = (0..dice.below(2) + 1).map(|_| call(dice, WIDTH)).collect();
    // Elsewhere the order in which rows come does not say which one is the first.
    if matches!(window, Window::Tumble { .. }) && dice.one_in(3) {
        calls[0] = Call { function: first_or_last(dice), column: dice.below(WIDTH), distinct: false, filter: None };
    }
    // Sessions are those of the keys.
    let may_have_sets = !keys.is_empty() && !matches!(window, Window::Session { .. });
    let sets = (may_have_sets && dice.one_in(4)).then(|| vec![(0..keys.len()).collect(), vec![]]);
    Timed::Aggregate { stream, window, keys, calls, sets }
}

fn first_or_last(dice: &mut Dice) -> Function {
    if dice.one_in(2) { Function::First } else { Function::Last }
}

fn over(dice: &mut Dice, stream: Stream) -> Timed {
    let frame = match dice.below(5) {
        0 => Frame::Rows(None),
        1 => Frame::Rows(Some(dice.below(4))),
        2 => Frame::Range(None),
        3 => Frame::Range(Some(dice.below(8) as i64)),
        _ => Frame::Lag { column: dice.below(WIDTH), rows: dice.below(3) + 1 },
    };
    let aggregate = |dice: &mut Dice| {
        let mut call = Call { filter: None, ..call(dice, WIDTH) };
        if dice.one_in(4) {
            call = Call { function: first_or_last(dice), distinct: false, ..call };
        }
        call
    };
    let calls = (0..dice.below(2) + 1).map(|_| aggregate(dice)).collect();
    Timed::Over { stream, partition: partition(dice), frame, calls }
}
