//! Random tables and queries, by seed.

use super::model::{Call, Compare, Condition, Kind, Op, Query, Row, Scalar, WIDTH};

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
    /// Whether rows change; else each life only begins.
    pub(super) changes_rows: bool,
    pub(super) changes: Vec<Change>,
}

impl Table {
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
        Table { changes_rows, changes }
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
            if !self.changes_rows {
                let cells = after.iter().flatten().map(|v| v.map_or(String::new(), |v| v.to_string()));
                return cells.collect::<Vec<_>>().join(",") + "\n";
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

fn value(dice: &mut Dice) -> Option<i64> {
    if dice.one_in(8) { None } else { Some(dice.below(6) as i64) }
}

fn row(dice: &mut Dice) -> Row {
    (0..WIDTH).map(|_| value(dice)).collect()
}

fn condition(dice: &mut Dice, width: usize, depth: usize) -> Condition {
    let compare = |dice: &mut Dice| match dice.below(4) {
        0 => Compare::Equal,
        1 => Compare::Differs,
        2 => Compare::Less,
        _ => Compare::AtMost,
    };
    match dice.below(if depth == 0 { 5 } else { 8 }) {
        0..=2 => Condition::Constant(dice.below(width), compare(dice), dice.below(6) as i64),
        3 => Condition::Columns(dice.below(width), compare(dice), dice.below(width)),
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

fn call(dice: &mut Dice, width: usize) -> Call {
    let column = dice.below(width);
    match dice.below(8) {
        0 => Call::Count(column),
        1 => Call::CountDistinct(column),
        2 => Call::Sum(column),
        3 => Call::SumWhere(column, condition(dice, width, 1)),
        4 => Call::Avg(column),
        5 => Call::Min(column),
        6 => Call::Max(column),
        _ => Call::Rows,
    }
}

/// Columns of a table, each once.
fn some_columns(dice: &mut Dice, width: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..width).collect();
    let kept = dice.below(width.min(2)) + 1;
    (0..kept).map(|_| all.swap_remove(dice.below(all.len()))).collect()
}

/// A query of at most so many levels, with no more columns than a table.
pub(super) fn query(dice: &mut Dice, tables: usize, depth: usize) -> Query {
    if depth == 0 {
        return Query::Table(dice.below(tables));
    }
    let below = |dice: &mut Dice| {
        let less = dice.below(2);
        query(dice, tables, (depth - 1).saturating_sub(less))
    };
    let found = match dice.below(14) {
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
            let width = rows.width();
            let keys = some_columns(dice, width);
            let calls = (0..dice.below(2) + 1).map(|_| call(dice, width)).collect();
            Query::Group { rows: Box::new(rows), keys, calls }
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
        _ => {
            let rows = below(dice);
            let mut order: Vec<(usize, bool)> = (0..rows.width()).map(|c| (c, dice.one_in(2))).collect();
            let first = dice.below(order.len());
            order.swap(0, first);
            let partition = some_columns(dice, rows.width());
            Query::Top { rows: Box::new(rows), partition, order, limit: dice.below(3) + 1 }
        }
    };
    let width = found.width();
    if width <= WIDTH && !dice.one_in(4) {
        return found;
    }
    let items = (0..dice.below(WIDTH) + 1).map(|_| scalar(dice, width)).collect();
    Query::Select(Box::new(found), items)
}

fn join(dice: &mut Dice, sides: Box<[Query; 2]>) -> Query {
    let widths = [sides[0].width(), sides[1].width()];
    let kind = [Kind::Inner, Kind::Left, Kind::Right, Kind::Full, Kind::Semi, Kind::Anti][dice.below(6)];
    let equal = (0..dice.below(2) + 1).map(|_| [dice.below(widths[0]), dice.below(widths[1])]).collect();
    let more = dice.one_in(3).then(|| condition(dice, widths[0] + widths[1], 1));
    Query::Join { kind, sides, equal, more }
}
