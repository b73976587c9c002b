//! Random tables and queries, by seed.

use super::expr::{Call, Compare, Condition, Function, Scalar};
use super::model::{Kind, Op, Query, Row, WIDTH};
use super::timed::Timed;

/// SplitMix64: a case is its seed, for ever.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What happens to a table: each row has a life, which begins, may change and may end.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) life: usize,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
}

/// A table that is read.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) kind: TableKind,
    pub(super) changes: Vec<Change>,
}

/// What happens to the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TableKind {
    /// Each life only begins.
    Inserted,
    Changing,
    /// Each life only begins, and has a time.
    Timed,
}

/// How late a row with a time may come, in seconds: less than its watermark allows.
const DELAY: usize = 5;
/// The watermark is so many seconds behind.
pub(super) const LAG: usize = 5;

impl Table {
    /// Rows of numbers, which may change.
    pub(super) fn random(dice: &mut Dice) -> Table {
        let changes_rows = dice.one_in(2);
        let mut alive: Vec<(usize, Row)> = Vec::new();
        let (mut lives, mut changes) = (0, Vec::new());
        for _ in 0..dice.below(30) + 1 {
            let chosen = if alive.is_empty() { 0 } else { dice.below(alive.len()) };
            let (life, before, after) = match dice.below(10) {
                0..=1 if changes_rows && !alive.is_empty() => {
                    let (life, row) = alive.swap_remove(chosen);
                    (life, Some(row), None)
                }
                2..=4 if changes_rows && !alive.is_empty() => {
                    let row = row(dice);
                    let before = std::mem::replace(&mut alive[chosen].1, row.clone());
                    (alive[chosen].0, Some(before), Some(row))
                }
                _ => {
                    lives += 1;
                    alive.push((lives, row(dice)));
                    (lives, None, Some(alive[alive.len() - 1].1.clone()))
                }
            };
            changes.push(Change { life, before, after });
        }
        Table { kind: if changes_rows { TableKind::Changing } else { TableKind::Inserted }, changes }
    }

    /// Rows with a time, each second once at most.
    pub(super) fn timed(dice: &mut Dice, in_order: bool) -> Table {
        let mut rows: Vec<(usize, Row)> = Vec::new();
        let mut time = dice.below(10);
        for _ in 0..dice.below(25) + 1 {
            let comes = time + if in_order { 0 } else { dice.below(DELAY) };
            rows.push((comes, row(dice).into_iter().chain([Some(time as i64)]).collect()));
            time += 1 + if dice.one_in(8) { dice.below(15) } else { dice.below(3) };
        }
        rows.sort_by_key(|(comes, _)| *comes);
        let change = |((_, row), life)| Change { life, before: None, after: Some(row) };
        Table { kind: TableKind::Timed, changes: rows.into_iter().zip(1..).map(change).collect() }
    }

    /// What is there in the end.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for Change { before, after, .. } in &self.changes {
            if let Some(before) = before {
                rows.swap_remove(rows.iter().position(|row| row == before).unwrap());
            }
            rows.extend(after.clone());
        }
        rows
    }

    /// As debezium-json, or as csv.
    pub(super) fn text(&self) -> String {
        let object = |row: &Option<Row>| match row {
            None => "null".to_owned(),
            Some(row) => {
                let value = |v: &Option<i64>| v.map_or("null".to_owned(), |v| v.to_string());
                let cells: Vec<String> =
                    row.iter().enumerate().map(|(i, v)| format!("\"c{i}\":{}", value(v))).collect();
                format!("{{{}}}", cells.join(","))
            }
        };
        let line = |Change { before, after, .. }: &Change| {
            if self.kind != TableKind::Changing {
                let number = |v: &Option<i64>| v.map_or(String::new(), |v| v.to_string());
                let mut cells: Vec<String> = after.iter().flatten().map(number).collect();
                if let Some(time) = cells.get_mut(WIDTH) {
                    *time = clock(time.parse().unwrap());
                }
                return cells.join(",") + "\n";
            }
            let op = match (before, after) {
                (None, _) => "c",
                (_, None) => "d",
                _ => "u",
            };
            format!("{{\"before\":{},\"after\":{},\"op\":\"{op}\"}}\n", object(before), object(after))
        };
        self.changes.iter().map(line).collect()
    }
}

/// So many seconds behind 2024-01-01.
fn clock(seconds: usize) -> String {
    format!("2024-01-01 00:{:02}:{:02}", seconds / 60, seconds % 60)
}

fn value(dice: &mut Dice) -> Option<i64> {
    if dice.one_in(8) { None } else { Some(dice.below(6) as i64) }
}

fn row(dice: &mut Dice) -> Row {
    (0..WIDTH).map(|_| value(dice)).collect()
}

fn comparison(dice: &mut Dice) -> Compare {
    [Compare::Equal, Compare::Differs, Compare::Less, Compare::AtMost][dice.below(4)]
}

pub(super) fn condition(dice: &mut Dice, width: usize, depth: usize) -> Condition {
    match dice.below(if depth == 0 { 5 } else { 8 }) {
        0..=2 => Condition::Constant(dice.below(width), comparison(dice), dice.below(6) as i64),
        3 => Condition::Columns(dice.below(width), comparison(dice), dice.below(width)),
        4 => Condition::IsNull(dice.below(width), dice.one_in(2)),
        5 => Condition::And(Box::new([condition(dice, width, depth - 1), condition(dice, width, depth - 1)])),
        6 => Condition::Or(Box::new([condition(dice, width, depth - 1), condition(dice, width, depth - 1)])),
        _ => Condition::Not(Box::new(condition(dice, width, depth - 1))),
    }
}

fn scalar(dice: &mut Dice, width: usize) -> Scalar {
    match dice.below(8) {
        0 => Scalar::Plus(dice.below(width), dice.below(3) as i64),
        1 => Scalar::Sum(dice.below(width), dice.below(width)),
        2 => Scalar::Coalesce(dice.below(width), dice.below(6) as i64),
        3 => Scalar::Case(condition(dice, width, 1), dice.below(width), dice.below(width)),
        _ => Scalar::Column(dice.below(width)),
    }
}

/// A call that does not depend on the order of rows.
pub(super) fn call(dice: &mut Dice, width: usize) -> Call {
    use Function::{Avg, Count, Listed, Max, Min, Rows, Sum};
    let function = [Rows, Count, Sum, Avg, Min, Max, Listed][dice.below(7)];
    Call {
        function,
        column: dice.below(width),
        distinct: dice.one_in(4) && function != Rows,
        filter: dice.one_in(4).then(|| condition(dice, width, 1)),
    }
}

/// One that gives null where there are no rows.
fn call_of_some(dice: &mut Dice, width: usize) -> Call {
    loop {
        let call = call(dice, width);
        if !matches!(call.function, Function::Rows | Function::Count) {
            return call;
        }
    }
}

/// Columns of a table, each once.
pub(super) fn some_columns(dice: &mut Dice, width: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..width).collect();
    let kept = dice.below(width.min(2)) + 1;
    (0..kept).map(|_| all.swap_remove(dice.below(all.len()))).collect()
}

/// What is read.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    /// How many tables have numbers only.
    pub(super) plain: usize,
    /// Those with a time.
    pub(super) timed: &'a [usize],
}

/// A query of at most so many levels, mostly with no more columns than a table.
pub(super) fn query(dice: &mut Dice, tables: Tables<'_>, depth: usize) -> Query {
    let found = if depth > 0 {
        over_others(dice, tables, depth)
    } else if dice.one_in(2) {
        Query::Timed(Box::new(Timed::random(dice, tables.timed)))
    } else {
        return Query::Table(dice.below(tables.plain));
    };
    let width = found.width();
    if width <= WIDTH && !dice.one_in(4) {
        return found;
    }
    let items = (0..dice.below(WIDTH) + 1).map(|_| scalar(dice, width)).collect();
    Query::Select(Box::new(found), items)
}

fn over_others(dice: &mut Dice, tables: Tables<'_>, depth: usize) -> Query {
    let below = |dice: &mut Dice| {
        let less = dice.below(2);
        query(dice, tables, (depth - 1).saturating_sub(less))
    };
    match dice.below(19) {
        0 => Query::Where(Box::new(below(dice)), condition(dice, 1, 0)),
        1..=2 => {
            let rows = below(dice);
            let condition = condition(dice, rows.width(), 2);
            Query::Where(Box::new(rows), condition)
        }
        3..=6 => {
            let sides = Box::new([below(dice), below(dice)]);
            join(dice, sides)
        }
        7..=9 => {
            let rows = below(dice);
            group(dice, rows)
        }
        10 => Query::Distinct(Box::new(below(dice))),
        11 => {
            let op = [Op::Union, Op::Intersect, Op::Except][dice.below(3)];
            let all = dice.one_in(2);
            let narrow = |query: Query, width| {
                let items = (0..width).map(Scalar::Column).collect();
                Query::Select(Box::new(query), items)
            };
            let sides = [below(dice), below(dice)];
            let width = sides[0].width().min(sides[1].width());
            Query::Set { op, all, sides: Box::new(sides.map(|side| narrow(side, width))) }
        }
        12 => {
            let sides = Box::new([below(dice), below(dice)]);
            let columns = [dice.below(sides[0].width()), dice.below(sides[1].width())];
            let or = dice.one_in(3).then(|| condition(dice, sides[0].width(), 1));
            Query::In { columns, negated: dice.one_in(2), or, sides }
        }
        13 => {
            let rows = Box::new(below(dice));
            let elements = (0..dice.below(3) + 1).map(|_| dice.below(rows.width())).collect();
            Query::Unnest { rows, elements, ordinality: dice.one_in(2) }
        }
        14 => {
            let rows = Box::new(below(dice));
            let (key, column) = (dice.below(rows.width()), dice.below(rows.width()));
            Query::Collected { rows, key, column }
        }
        15 => {
            let sides = Box::new([below(dice), below(dice)]);
            let (column, call) = (dice.below(sides[0].width()), call_of_some(dice, sides[1].width()));
            Query::Against { sides, column, compare: comparison(dice), call }
        }
        16 => {
            let sides = Box::new([below(dice), below(dice)]);
            let equal = [dice.below(sides[0].width()), dice.below(sides[1].width())];
            let call = call_of_some(dice, sides[1].width());
            Query::Beside { sides, equal, call }
        }
        17 => {
            let rows = Box::new(below(dice));
            let order = total_order(dice, rows.width());
            Query::Sorted { rows, order, limit: dice.below(5) + 1, offset: dice.below(4).saturating_sub(1) }
        }
        _ => {
            let rows = Box::new(below(dice));
            let (order, partition) = (total_order(dice, rows.width()), some_columns(dice, rows.width()));
            Query::Top { rows, partition, order, limit: dice.below(3) + 1, numbered: dice.one_in(3) }
        }
    }
}

/// By all columns, so that ties are of equal rows.
fn total_order(dice: &mut Dice, width: usize) -> Vec<(usize, bool)> {
    let mut order: Vec<(usize, bool)> = (0..width).map(|c| (c, dice.one_in(2))).collect();
    let first = dice.below(order.len());
    order.swap(0, first);
    order
}

fn group(dice: &mut Dice, rows: Query) -> Query {
    let width = rows.width();
    let keys = if dice.one_in(6) { Vec::new() } else { some_columns(dice, width) };
    let calls = (0..dice.below(2) + 1).map(|_| call(dice, width)).collect();
    let all: Vec<usize> = (0..keys.len()).collect();
    let sets = match (keys.len(), dice.below(4)) {
        (1, 0) => Some(vec![all, vec![]]),
        (2, 0) => Some(
            [vec![all.clone(), vec![0], vec![]], vec![vec![0], vec![1]], vec![all, vec![1]]][dice.below(3)].clone(),
        ),
        _ => None,
    };
    Query::Group { rows: Box::new(rows), keys, calls, sets }
}

fn join(dice: &mut Dice, sides: Box<[Query; 2]>) -> Query {
    let widths = [sides[0].width(), sides[1].width()];
    let kind = [Kind::Inner, Kind::Left, Kind::Right, Kind::Full, Kind::Semi, Kind::Anti][dice.below(6)];
    let equal: Vec<[usize; 2]> = if dice.one_in(10) {
        Vec::new()
    } else {
        (0..dice.below(2) + 1).map(|_| [dice.below(widths[0]), dice.below(widths[1])]).collect()
    };
    let more = (equal.is_empty() || dice.one_in(3)).then(|| condition(dice, widths[0] + widths[1], 1));
    Query::Join { kind, sides, equal, more }
}

/// Inner and left joins of three or four inputs by a key that all share; the first of them is this query.
pub(super) fn chain(dice: &mut Dice, tables: Tables<'_>, first: Query) -> Query {
    // Where the key stands in what is joined so far.
    let mut keys = vec![dice.below(first.width())];
    let mut joined = first;
    for _ in 0..2 + usize::from(dice.one_in(4)) {
        let depth = dice.below(2);
        let next = query(dice, tables, depth);
        let (width, own) = (joined.width(), dice.below(next.width()));
        let mut equal = vec![[keys[dice.below(keys.len())], own]];
        if dice.one_in(6) {
            equal.push([dice.below(width), dice.below(next.width())]);
        }
        let more = dice.one_in(3).then(|| condition(dice, width + next.width(), 1));
        let kind = [Kind::Inner, Kind::Left][dice.below(2)];
        keys.push(width + own);
        joined = Query::Join { kind, sides: Box::new([joined, next]), equal, more };
    }
    if dice.one_in(3) {
        return group(dice, joined);
    }
    let items = (0..WIDTH).map(|_| Scalar::Column(dice.below(joined.width()))).collect();
    Query::Select(Box::new(joined), items)
}
