//! Queries over tables of numbers, and what they mean: rows in, rows out, written as plainly as it can be.

use std::collections::BTreeMap;

use super::expr::{Call, Compare, Condition, Scalar};
use super::timed::Timed;

/// Every column is a nullable `BIGINT`.
pub(super) type Row = Vec<Option<i64>>;

/// Columns of a table.
pub(super) const WIDTH: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Query {
    Table(usize),
    /// By event time, over tables that have one.
    Timed(Box<Timed>),
    Where(Box<Query>, Condition),
    Select(Box<Query>, Vec<Scalar>),
    Join {
        kind: Kind,
        sides: Box<[Query; 2]>,
        equal: Vec<[usize; 2]>,
        more: Option<Condition>,
    },
    /// With sets of the keys' places these are grouping sets, and each row tells its own.
    Group {
        rows: Box<Query>,
        keys: Vec<usize>,
        calls: Vec<Call>,
        sets: Option<Vec<Vec<usize>>>,
    },
    Distinct(Box<Query>),
    Set {
        op: Op,
        all: bool,
        sides: Box<[Query; 2]>,
    },
    /// `column [NOT] IN`, and with `or` rows that pass this condition, too.
    In {
        sides: Box<[Query; 2]>,
        columns: [usize; 2],
        negated: bool,
        or: Option<Condition>,
    },
    /// The first rows of each partition; the order goes on over all columns, so that ties are of equal rows.
    Top {
        rows: Box<Query>,
        partition: Vec<usize>,
        order: Vec<(usize, bool)>,
        limit: usize,
        numbered: bool,
    },
    /// The first rows of all, behind some, in such an order.
    Sorted {
        rows: Box<Query>,
        order: Vec<(usize, bool)>,
        limit: usize,
        offset: usize,
    },
    /// Each row once for each of these columns.
    Unnest {
        rows: Box<Query>,
        elements: Vec<usize>,
        ordinality: bool,
    },
    /// The known values of a column, collected by key and dealt out again.
    Collected {
        rows: Box<Query>,
        key: usize,
        column: usize,
    },
    /// Rows that compare with an aggregate over all rows of the other side.
    Against {
        sides: Box<[Query; 2]>,
        column: usize,
        compare: Compare,
        call: Call,
    },
    /// Each row with an aggregate over the rows of the other side that have this in common.
    Beside {
        sides: Box<[Query; 2]>,
        equal: [usize; 2],
        call: Call,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

impl Kind {
    /// What stands between two tables; nothing for what is no join in SQL.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Kind::Inner => Some("JOIN"),
            Kind::Left => Some("LEFT JOIN"),
            Kind::Right => Some("RIGHT JOIN"),
            Kind::Full => Some("FULL JOIN"),
            Kind::Semi | Kind::Anti => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Union,
    Intersect,
    Except,
}

pub(super) fn column(index: usize) -> String {
    format!("c{index}")
}

impl Query {
    pub(super) fn width(&self) -> usize {
        match self {
            Query::Table(_) => WIDTH,
            Query::Timed(timed) => timed.width(),
            Query::Where(rows, _) | Query::Distinct(rows) | Query::Sorted { rows, .. } => rows.width(),
            Query::Top { rows, numbered, .. } => rows.width() + usize::from(*numbered),
            Query::Select(_, items) => items.len(),
            Query::Join { kind: Kind::Semi | Kind::Anti, sides, .. } => sides[0].width(),
            Query::Join { sides, .. } => sides[0].width() + sides[1].width(),
            Query::Group { keys, calls, sets, .. } => keys.len() + calls.len() + usize::from(sets.is_some()),
            Query::Set { sides, .. } | Query::In { sides, .. } | Query::Against { sides, .. } => sides[0].width(),
            Query::Unnest { rows, ordinality, .. } => rows.width() + 1 + usize::from(*ordinality),
            Query::Collected { .. } => 2,
            Query::Beside { sides, .. } => sides[0].width() + 1,
        }
    }

    /// The queries that it reads.
    pub(super) fn inputs(&self) -> Vec<&Query> {
        match self {
            Query::Table(_) | Query::Timed(_) => Vec::new(),
            Query::Where(rows, _) | Query::Select(rows, _) | Query::Distinct(rows) => vec![rows],
            Query::Group { rows, .. } | Query::Top { rows, .. } | Query::Sorted { rows, .. } => vec![rows],
            Query::Unnest { rows, .. } | Query::Collected { rows, .. } => vec![rows],
            Query::Join { sides, .. } | Query::Set { sides, .. } | Query::In { sides, .. } => sides.iter().collect(),
            Query::Against { sides, .. } | Query::Beside { sides, .. } => sides.iter().collect(),
        }
    }

    fn inputs_mut(&mut self) -> Vec<&mut Query> {
        match self {
            Query::Table(_) | Query::Timed(_) => Vec::new(),
            Query::Where(rows, _) | Query::Select(rows, _) | Query::Distinct(rows) => vec![rows],
            Query::Group { rows, .. } | Query::Top { rows, .. } | Query::Sorted { rows, .. } => vec![rows],
            Query::Unnest { rows, .. } | Query::Collected { rows, .. } => vec![rows],
            Query::Join { sides, .. } | Query::Set { sides, .. } | Query::In { sides, .. } => {
                sides.iter_mut().collect()
            }
            Query::Against { sides, .. } | Query::Beside { sides, .. } => sides.iter_mut().collect(),
        }
    }

    /// Queries that are smaller by one step.
    pub(super) fn smaller(&self) -> Vec<Query> {
        let mut all: Vec<Query> = self.inputs().into_iter().cloned().collect();
        if let Query::Timed(timed) = self {
            all.extend(timed.smaller().into_iter().map(|less| Query::Timed(Box::new(less))));
        }
        for at in 0..self.inputs().len() {
            let width = self.inputs()[at].width();
            for less in self.inputs()[at].smaller().into_iter().filter(|less| less.width() >= width) {
                let narrow = |less| Query::Select(Box::new(less), (0..width).map(Scalar::Column).collect());
                let mut copy = self.clone();
                *copy.inputs_mut()[at] = if less.width() == width { less } else { narrow(less) };
                all.push(copy);
            }
        }
        all
    }

    /// How many rows are read for it.
    pub(super) fn rows_read(&self, tables: &[Vec<Row>]) -> u64 {
        let own = match self {
            Query::Table(table) => tables[*table].len() as u64,
            Query::Timed(timed) => timed.tables().iter().map(|table| tables[*table].len() as u64).sum(),
            _ => 0,
        };
        own + self.inputs().iter().map(|input| input.rows_read(tables)).sum::<u64>()
    }

    /// Whether anything is aggregated that has no rows and no key: a row in batch mode, none in a stream.
    pub(super) fn aggregates_nothing(&self, tables: &[Vec<Row>]) -> bool {
        let own = match self {
            Query::Group { rows, keys, sets, .. } => {
                let of_all = keys.is_empty() || sets.as_ref().is_some_and(|sets| sets.iter().any(Vec::is_empty));
                of_all && rows.rows(tables).is_empty()
            }
            _ => false,
        };
        own || self.inputs().iter().any(|input| input.aggregates_nothing(tables))
    }

    /// The rows that it gives.
    pub(super) fn rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        match self {
            Query::Table(table) => tables[*table].clone(),
            Query::Timed(timed) => timed.rows(tables),
            Query::Where(rows, condition) => {
                rows.rows(tables).into_iter().filter(|row| condition.holds(row) == Some(true)).collect()
            }
            Query::Select(rows, items) => {
                let project = |row: &Row| items.iter().map(|item| item.value(row)).collect();
                rows.rows(tables).iter().map(project).collect()
            }
            Query::Join { kind, sides, equal, more } => {
                let [left, right] = [sides[0].rows(tables), sides[1].rows(tables)];
                let widths = [sides[0].width(), sides[1].width()];
                let meet = |a: &Row, b: &Row| {
                    let both: Row = a.iter().chain(b).copied().collect();
                    equal.iter().all(|[x, y]| a[*x].is_some() && a[*x] == b[*y])
                        && more.as_ref().is_none_or(|more| more.holds(&both) == Some(true))
                };
                joined(*kind, [left, right], widths, meet)
            }
            Query::Group { rows, keys, calls, sets: None } => grouped(rows.rows(tables), keys, calls),
            Query::Group { rows, keys, calls, sets: Some(sets) } => {
                let rows = rows.rows(tables);
                sets.iter().flat_map(|set| grouped_by_set(&rows, keys, calls, set)).collect()
            }
            Query::Distinct(rows) => counted(rows.rows(tables)).into_keys().collect(),
            Query::Set { op, all, sides } => set(*op, *all, [sides[0].rows(tables), sides[1].rows(tables)]),
            Query::In { sides, columns: [of, among], negated, or } => {
                let [rows, found] = [sides[0].rows(tables), sides[1].rows(tables)];
                let is_in = |value: Option<i64>| match value {
                    _ if found.is_empty() => Some(false),
                    Some(_) if found.iter().any(|row| row[*among] == value) => Some(true),
                    Some(_) if found.iter().all(|row| row[*among].is_some()) => Some(false),
                    _ => None,
                };
                let passes = |row: &Row| {
                    is_in(row[*of]).map(|is| is != *negated) == Some(true)
                        || or.as_ref().is_some_and(|or| or.holds(row) == Some(true))
                };
                rows.into_iter().filter(passes).collect()
            }
            Query::Top { .. } | Query::Sorted { .. } | Query::Unnest { .. } | Query::Collected { .. } => {
                self.dealt_rows(tables)
            }
            Query::Against { sides, column, compare, call } => {
                let against = call.value(&sides[1].rows(tables));
                let passes = |row: &Row| matches!((row[*column], against), (Some(a), Some(b)) if compare.of(a, b));
                sides[0].rows(tables).into_iter().filter(passes).collect()
            }
            Query::Beside { sides, equal: [x, y], call } => {
                let others = sides[1].rows(tables);
                let beside = |row: Row| {
                    let same = |other: &&Row| row[*x].is_some() && other[*y] == row[*x];
                    let value = call.value(&others.iter().filter(same).cloned().collect::<Vec<_>>());
                    row.into_iter().chain([value]).collect()
                };
                sides[0].rows(tables).into_iter().map(beside).collect()
            }
        }
    }

    /// The first rows, and rows from what lies in others.
    fn dealt_rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        match self {
            Query::Top { rows, partition, order, limit, numbered } => {
                let first = partitions(rows.rows(tables), partition)
                    .into_values()
                    .flat_map(|group| sorted(group, order).into_iter().take(*limit).zip(1..).collect::<Vec<_>>());
                first.map(|(row, n)| row.into_iter().chain(numbered.then_some(Some(n))).collect()).collect()
            }
            Query::Sorted { rows, order, limit, offset } => {
                sorted(rows.rows(tables), order).into_iter().skip(*offset).take(*limit).collect()
            }
            Query::Unnest { rows, elements, ordinality } => {
                let dealt = |row: Row| {
                    let one = |(e, n): (&usize, i64)| {
                        row.iter().copied().chain([row[*e]]).chain(ordinality.then_some(Some(n))).collect()
                    };
                    elements.iter().zip(1..).map(one).collect::<Vec<Row>>()
                };
                rows.rows(tables).into_iter().flat_map(dealt).collect()
            }
            Query::Collected { rows, key, column } => {
                let known = rows.rows(tables).into_iter().filter(|row| row[*column].is_some());
                known.map(|row| vec![row[*key], row[*column]]).collect()
            }
            _ => unreachable!("a query of another kind"),
        }
    }
}

/// Rows by the values of some columns.
pub(super) fn partitions(rows: Vec<Row>, by: &[usize]) -> BTreeMap<Row, Vec<Row>> {
    let mut all: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
    for row in rows {
        all.entry(by.iter().map(|k| row[*k]).collect()).or_default().push(row);
    }
    all
}

/// Null is the least.
pub(super) fn sorted(mut rows: Vec<Row>, order: &[(usize, bool)]) -> Vec<Row> {
    rows.sort_by(|a, b| {
        let by = order.iter().map(|(c, down)| if *down { b[*c].cmp(&a[*c]) } else { a[*c].cmp(&b[*c]) });
        by.reduce(std::cmp::Ordering::then).unwrap()
    });
    rows
}

/// The keys and what the calls give; no row where there are none, also without keys.
pub(super) fn grouped(rows: Vec<Row>, keys: &[usize], calls: &[Call]) -> Vec<Row> {
    let result =
        |(key, rows): (Row, Vec<Row>)| key.into_iter().chain(calls.iter().map(|call| call.value(&rows))).collect();
    partitions(rows, keys).into_iter().map(result).collect()
}

/// The same with null for keys that are not of the set, and a bit for each of them.
pub(super) fn grouped_by_set(rows: &[Row], keys: &[usize], calls: &[Call], set: &[usize]) -> Vec<Row> {
    let own: Vec<usize> = set.iter().map(|k| keys[*k]).collect();
    let id = (0..keys.len()).fold(0, |id, k| 2 * id + i64::from(!set.contains(&k)));
    let widened = |row: Row| {
        let key = (0..keys.len()).map(|k| set.iter().position(|s| *s == k).and_then(|at| row[at]));
        key.chain(row[set.len()..].iter().copied()).chain([Some(id)]).collect()
    };
    grouped(rows.to_vec(), &own, calls).into_iter().map(widened).collect()
}

pub(super) fn joined(
    kind: Kind,
    [left, right]: [Vec<Row>; 2],
    widths: [usize; 2],
    meet: impl Fn(&Row, &Row) -> bool,
) -> Vec<Row> {
    let has_partner = |a: &Row| right.iter().any(|b| meet(a, b));
    if let Kind::Semi | Kind::Anti = kind {
        return left.into_iter().filter(|a| has_partner(a) == (kind == Kind::Semi)).collect();
    }
    let mut out = Vec::new();
    for a in &left {
        out.extend(right.iter().filter(|b| meet(a, b)).map(|b| a.iter().chain(b).copied().collect()));
        if matches!(kind, Kind::Left | Kind::Full) && !has_partner(a) {
            out.push(a.iter().copied().chain(std::iter::repeat_n(None, widths[1])).collect());
        }
    }
    if let Kind::Right | Kind::Full = kind {
        let lonely = right.iter().filter(|b| !left.iter().any(|a| meet(a, b)));
        out.extend(lonely.map(|b| std::iter::repeat_n(None, widths[0]).chain(b.iter().copied()).collect()));
    }
    out
}

fn counted(rows: Vec<Row>) -> BTreeMap<Row, usize> {
    let mut counts = BTreeMap::new();
    rows.into_iter().for_each(|row| *counts.entry(row).or_default() += 1);
    counts
}

fn set(op: Op, all: bool, [left, right]: [Vec<Row>; 2]) -> Vec<Row> {
    let (left, right) = (counted(left), counted(right));
    let mut every = left.clone();
    right.keys().for_each(|row| {
        every.entry(row.clone()).or_default();
    });
    let times = |row: &Row| {
        let of = |counts: &BTreeMap<Row, usize>| counts.get(row).copied().unwrap_or(0);
        match (op, all) {
            (Op::Union, true) => of(&left) + of(&right),
            (Op::Union, false) => 1,
            (Op::Intersect, true) => of(&left).min(of(&right)),
            (Op::Intersect, false) => of(&left).min(of(&right)).min(1),
            (Op::Except, true) => of(&left).saturating_sub(of(&right)),
            (Op::Except, false) => usize::from(of(&left) > 0 && of(&right) == 0),
        }
    };
    every.keys().flat_map(|row| std::iter::repeat_n(row.clone(), times(row))).collect()
}
