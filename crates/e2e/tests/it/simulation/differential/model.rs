//! Queries over tables of numbers, as SQL and as what they mean: rows in, rows out, written as plainly as it can be.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Every column is a nullable `BIGINT`.
pub(super) type Row = Vec<Option<i64>>;

/// Columns of a table.
pub(super) const WIDTH: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Query {
    Table(usize),
    Where(Box<Query>, Condition),
    Select(Box<Query>, Vec<Scalar>),
    Join {
        kind: Kind,
        sides: Box<[Query; 2]>,
        equal: Vec<[usize; 2]>,
        more: Option<Condition>,
    },
    Group {
        rows: Box<Query>,
        keys: Vec<usize>,
        calls: Vec<Call>,
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

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Column(usize),
    Plus(usize, i64),
    Sum(usize, usize),
    Coalesce(usize, i64),
    Case(Condition, usize, usize),
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Constant(usize, Compare, i64),
    Columns(usize, Compare, usize),
    IsNull(usize, bool),
    And(Box<[Condition; 2]>),
    Or(Box<[Condition; 2]>),
    Not(Box<Condition>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Compare {
    Equal,
    Differs,
    Less,
    AtMost,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    Rows,
    Count(usize),
    CountDistinct(usize),
    Sum(usize),
    SumWhere(usize, Condition),
    Avg(usize),
    Min(usize),
    Max(usize),
}

impl Condition {
    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Condition::Constant(a, compare, b) => Some(compare.of(row[*a]?, *b)),
            Condition::Columns(a, compare, b) => Some(compare.of(row[*a]?, row[*b]?)),
            Condition::IsNull(a, negated) => Some(row[*a].is_none() != *negated),
            Condition::And(sides) => match [sides[0].holds(row), sides[1].holds(row)] {
                [Some(false), _] | [_, Some(false)] => Some(false),
                [Some(true), Some(true)] => Some(true),
                _ => None,
            },
            Condition::Or(sides) => match [sides[0].holds(row), sides[1].holds(row)] {
                [Some(true), _] | [_, Some(true)] => Some(true),
                [Some(false), Some(false)] => Some(false),
                _ => None,
            },
            Condition::Not(inner) => inner.holds(row).map(|holds| !holds),
        }
    }

    fn sql(&self, name: &dyn Fn(usize) -> String) -> String {
        match self {
            Condition::Constant(a, compare, b) => format!("{} {} {b}", name(*a), compare.sql()),
            Condition::Columns(a, compare, b) => format!("{} {} {}", name(*a), compare.sql(), name(*b)),
            Condition::IsNull(a, negated) => format!("{} IS {}NULL", name(*a), if *negated { "NOT " } else { "" }),
            Condition::And(sides) => format!("({} AND {})", sides[0].sql(name), sides[1].sql(name)),
            Condition::Or(sides) => format!("({} OR {})", sides[0].sql(name), sides[1].sql(name)),
            Condition::Not(inner) => format!("NOT ({})", inner.sql(name)),
        }
    }
}

impl Compare {
    fn of(self, a: i64, b: i64) -> bool {
        match self {
            Compare::Equal => a == b,
            Compare::Differs => a != b,
            Compare::Less => a < b,
            Compare::AtMost => a <= b,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Compare::Equal => "=",
            Compare::Differs => "<>",
            Compare::Less => "<",
            Compare::AtMost => "<=",
        }
    }
}

impl Scalar {
    fn value(&self, row: &Row) -> Option<i64> {
        match self {
            Scalar::Column(a) => row[*a],
            Scalar::Plus(a, more) => Some(row[*a]? + more),
            Scalar::Sum(a, b) => Some(row[*a]? + row[*b]?),
            Scalar::Coalesce(a, otherwise) => row[*a].or(Some(*otherwise)),
            Scalar::Case(condition, a, b) => row[if condition.holds(row) == Some(true) { *a } else { *b }],
        }
    }

    fn sql(&self) -> String {
        match self {
            Scalar::Column(a) => column(*a),
            Scalar::Plus(a, more) => format!("c{a} + {more}"),
            Scalar::Sum(a, b) => format!("c{a} + c{b}"),
            Scalar::Coalesce(a, otherwise) => format!("COALESCE(c{a}, {otherwise})"),
            Scalar::Case(condition, a, b) => format!("CASE WHEN {} THEN c{a} ELSE c{b} END", condition.sql(&column)),
        }
    }
}

impl Call {
    fn value(&self, rows: &[Row]) -> Option<i64> {
        let known = |column: &usize| rows.iter().filter_map(|row| row[*column]).collect::<Vec<i64>>();
        let sum = |values: Vec<i64>| (!values.is_empty()).then(|| values.iter().sum());
        match self {
            Call::Rows => Some(rows.len() as i64),
            Call::Count(column) => Some(known(column).len() as i64),
            Call::CountDistinct(column) => {
                Some(known(column).into_iter().collect::<std::collections::BTreeSet<_>>().len() as i64)
            }
            Call::Sum(column) => sum(known(column)),
            Call::SumWhere(column, condition) => {
                let passing = rows.iter().filter(|row| condition.holds(row) == Some(true));
                sum(passing.filter_map(|row| row[*column]).collect())
            }
            Call::Avg(column) => Some(sum(known(column))? / known(column).len() as i64),
            Call::Min(column) => known(column).into_iter().min(),
            Call::Max(column) => known(column).into_iter().max(),
        }
    }

    fn sql(&self) -> String {
        match self {
            Call::Rows => "COUNT(*)".to_owned(),
            Call::Count(column) => format!("COUNT(c{column})"),
            Call::CountDistinct(column) => format!("COUNT(DISTINCT c{column})"),
            Call::Sum(column) => format!("SUM(c{column})"),
            Call::SumWhere(c, condition) => format!("SUM(c{c}) FILTER (WHERE {})", condition.sql(&column)),
            Call::Avg(column) => format!("AVG(c{column})"),
            Call::Min(column) => format!("MIN(c{column})"),
            Call::Max(column) => format!("MAX(c{column})"),
        }
    }
}

fn column(index: usize) -> String {
    format!("c{index}")
}

fn columns(width: usize) -> String {
    (0..width).map(column).collect::<Vec<_>>().join(", ")
}

/// A column of two tables side by side, of which the first has so many.
fn side_by_side(width: usize) -> impl Fn(usize) -> String {
    move |index| if index < width { format!("a.c{index}") } else { format!("b.c{}", index - width) }
}

impl Query {
    pub(super) fn width(&self) -> usize {
        match self {
            Query::Table(_) => WIDTH,
            Query::Where(rows, _) | Query::Distinct(rows) | Query::Top { rows, .. } => rows.width(),
            Query::Select(_, items) => items.len(),
            Query::Join { kind: Kind::Semi | Kind::Anti, sides, .. } => sides[0].width(),
            Query::Join { sides, .. } => sides[0].width() + sides[1].width(),
            Query::Group { keys, calls, .. } => keys.len() + calls.len(),
            Query::Set { sides, .. } | Query::In { sides, .. } => sides[0].width(),
        }
    }

    /// The queries that it reads.
    pub(super) fn inputs(&self) -> Vec<&Query> {
        match self {
            Query::Table(_) => Vec::new(),
            Query::Where(rows, _) | Query::Select(rows, _) | Query::Distinct(rows) => vec![rows],
            Query::Group { rows, .. } | Query::Top { rows, .. } => vec![rows],
            Query::Join { sides, .. } | Query::Set { sides, .. } | Query::In { sides, .. } => sides.iter().collect(),
        }
    }

    fn inputs_mut(&mut self) -> Vec<&mut Query> {
        match self {
            Query::Table(_) => Vec::new(),
            Query::Where(rows, _) | Query::Select(rows, _) | Query::Distinct(rows) => vec![rows],
            Query::Group { rows, .. } | Query::Top { rows, .. } => vec![rows],
            Query::Join { sides, .. } | Query::Set { sides, .. } | Query::In { sides, .. } => {
                sides.iter_mut().collect()
            }
        }
    }

    /// Queries that are smaller by one step.
    pub(super) fn smaller(&self) -> Vec<Query> {
        let mut all: Vec<Query> = self.inputs().into_iter().cloned().collect();
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

    pub(super) fn sql(&self) -> String {
        let own = columns(self.width());
        match self {
            Query::Table(table) => format!("SELECT {own} FROM t{table}"),
            Query::Where(rows, condition) => {
                format!("SELECT {own} FROM ({}) AS a WHERE {}", rows.sql(), condition.sql(&column))
            }
            Query::Select(rows, items) => {
                let items: Vec<String> =
                    items.iter().enumerate().map(|(i, e)| format!("{} AS c{i}", e.sql())).collect();
                format!("SELECT {} FROM ({}) AS a", items.join(", "), rows.sql())
            }
            Query::Join { kind, sides, equal, more } => join_sql(*kind, sides, equal, more.as_ref()),
            Query::Group { rows, keys, calls } => {
                let items = keys.iter().map(|k| column(*k)).chain(calls.iter().map(Call::sql));
                let items: Vec<String> = items.enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
                let keys: Vec<String> = keys.iter().map(|k| column(*k)).collect();
                format!("SELECT {} FROM ({}) AS a GROUP BY {}", items.join(", "), rows.sql(), keys.join(", "))
            }
            Query::Distinct(rows) => format!("SELECT DISTINCT {own} FROM ({}) AS a", rows.sql()),
            Query::Set { op, all, sides } => {
                let op = match op {
                    Op::Union => "UNION",
                    Op::Intersect => "INTERSECT",
                    Op::Except => "EXCEPT",
                };
                let all = if *all { " ALL" } else { "" };
                let [a, b] = [sides[0].sql(), sides[1].sql()];
                format!("SELECT {own} FROM (SELECT {own} FROM ({a}) AS a {op}{all} SELECT {own} FROM ({b}) AS b) AS c")
            }
            Query::In { sides, columns: [of, among], negated, or } => {
                let not = if *negated { "NOT " } else { "" };
                let or = or.as_ref().map_or(String::new(), |c| format!(" OR {}", c.sql(&|i| format!("a.c{i}"))));
                let [a, b] = [sides[0].sql(), sides[1].sql()];
                format!("SELECT {own} FROM ({a}) AS a WHERE a.c{of} {not}IN (SELECT c{among} FROM ({b}) AS b){or}")
            }
            Query::Top { rows, partition, order, limit } => {
                let partition: Vec<String> = partition.iter().map(|p| column(*p)).collect();
                let order: Vec<String> =
                    order.iter().map(|(c, down)| format!("c{c}{}", if *down { " DESC" } else { "" })).collect();
                let number = format!("PARTITION BY {} ORDER BY {}", partition.join(", "), order.join(", "));
                format!(
                    "SELECT {own} FROM (SELECT {own}, ROW_NUMBER() OVER ({number}) AS rn FROM ({}) AS a) AS b WHERE rn <= {limit}",
                    rows.sql()
                )
            }
        }
    }

    /// The rows that it gives.
    pub(super) fn rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        match self {
            Query::Table(table) => tables[*table].clone(),
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
            Query::Group { rows, keys, calls } => {
                let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
                for row in rows.rows(tables) {
                    groups.entry(keys.iter().map(|k| row[*k]).collect()).or_default().push(row);
                }
                let result = |(key, rows): (Row, Vec<Row>)| {
                    key.into_iter().chain(calls.iter().map(|call| call.value(&rows))).collect()
                };
                groups.into_iter().map(result).collect()
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
            Query::Top { rows, partition, order, limit } => {
                let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
                for row in rows.rows(tables) {
                    groups.entry(partition.iter().map(|p| row[*p]).collect()).or_default().push(row);
                }
                for group in groups.values_mut() {
                    group.sort_by(|a, b| {
                        let by =
                            order.iter().map(|(c, down)| if *down { b[*c].cmp(&a[*c]) } else { a[*c].cmp(&b[*c]) });
                        by.reduce(std::cmp::Ordering::then).unwrap()
                    });
                    group.truncate(*limit);
                }
                groups.into_values().flatten().collect()
            }
        }
    }
}

fn join_sql(kind: Kind, sides: &[Query; 2], equal: &[[usize; 2]], more: Option<&Condition>) -> String {
    let width = sides[0].width();
    let mut on: Vec<String> = equal.iter().map(|[a, b]| format!("a.c{a} = b.c{b}")).collect();
    on.extend(more.map(|more| more.sql(&side_by_side(width))));
    let (on, [a, b]) = (on.join(" AND "), [sides[0].sql(), sides[1].sql()]);
    let named = |width| (0..width).map(|i| format!("a.c{i} AS c{i}")).collect::<Vec<_>>().join(", ");
    let word = match kind {
        Kind::Inner => "JOIN",
        Kind::Left => "LEFT JOIN",
        Kind::Right => "RIGHT JOIN",
        Kind::Full => "FULL JOIN",
        Kind::Semi | Kind::Anti => {
            let not = if kind == Kind::Anti { "NOT " } else { "" };
            return format!(
                "SELECT {} FROM ({a}) AS a WHERE {not}EXISTS (SELECT 1 FROM ({b}) AS b WHERE {on})",
                named(width)
            );
        }
    };
    let mut items = named(width);
    for i in 0..sides[1].width() {
        write!(items, ", b.c{i} AS c{}", width + i).unwrap();
    }
    format!("SELECT {items} FROM ({a}) AS a {word} ({b}) AS b ON {on}")
}

fn joined(kind: Kind, [left, right]: [Vec<Row>; 2], widths: [usize; 2], meet: impl Fn(&Row, &Row) -> bool) -> Vec<Row> {
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
