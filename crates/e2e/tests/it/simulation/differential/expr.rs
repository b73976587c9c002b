//! Conditions, projections and aggregate functions over rows of numbers, as SQL and as what they mean.

use std::collections::BTreeSet;

use super::model::{Row, column};

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

/// A call of an aggregate function.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) column: usize,
    pub(super) distinct: bool,
    pub(super) filter: Option<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Rows,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    /// How long the list of all values as text is.
    Listed,
    /// The first that is known, of rows in order.
    First,
    Last,
}

impl Condition {
    /// The same without a column of the first side that must be equal to one of the second, or must not.
    pub(super) fn without_equal_sides(self, first: usize) -> Condition {
        let each = |sides: Box<[Condition; 2]>| Box::new(sides.map(|side| side.without_equal_sides(first)));
        match self {
            Condition::Columns(a, compare, b) if (a < first) != (b < first) => {
                let compare = match compare {
                    Compare::Equal => Compare::AtMost,
                    Compare::Differs => Compare::Less,
                    other => other,
                };
                Condition::Columns(a, compare, b)
            }
            Condition::And(sides) => Condition::And(each(sides)),
            Condition::Or(sides) => Condition::Or(each(sides)),
            Condition::Not(inner) => Condition::Not(Box::new(inner.without_equal_sides(first))),
            other => other,
        }
    }

    pub(super) fn holds(&self, row: &Row) -> Option<bool> {
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

    pub(super) fn sql(&self, name: &dyn Fn(usize) -> String) -> String {
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
    pub(super) fn of(self, a: i64, b: i64) -> bool {
        match self {
            Compare::Equal => a == b,
            Compare::Differs => a != b,
            Compare::Less => a < b,
            Compare::AtMost => a <= b,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Compare::Equal => "=",
            Compare::Differs => "<>",
            Compare::Less => "<",
            Compare::AtMost => "<=",
        }
    }
}

impl Scalar {
    pub(super) fn value(&self, row: &Row) -> Option<i64> {
        match self {
            Scalar::Column(a) => row[*a],
            Scalar::Plus(a, more) => Some(row[*a]? + more),
            Scalar::Sum(a, b) => Some(row[*a]? + row[*b]?),
            Scalar::Coalesce(a, otherwise) => row[*a].or(Some(*otherwise)),
            Scalar::Case(condition, a, b) => row[if condition.holds(row) == Some(true) { *a } else { *b }],
        }
    }

    pub(super) fn sql(&self) -> String {
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
    /// The function over rows, which `First` and `Last` take in this order.
    pub(super) fn value(&self, rows: &[Row]) -> Option<i64> {
        let passes = |row: &&Row| self.filter.as_ref().is_none_or(|filter| filter.holds(row) == Some(true));
        let rows: Vec<&Row> = rows.iter().filter(passes).collect();
        let mut known: Vec<i64> = rows.iter().filter_map(|row| row[self.column]).collect();
        if self.distinct {
            known = known.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        }
        let sum = (!known.is_empty()).then(|| known.iter().sum::<i64>());
        match self.function {
            Function::Rows => Some(rows.len() as i64),
            Function::Count => Some(known.len() as i64),
            Function::Sum => sum,
            Function::Avg => Some(sum? / known.len() as i64),
            Function::Min => known.into_iter().min(),
            Function::Max => known.into_iter().max(),
            Function::Listed => {
                let texts: Vec<String> = known.iter().map(i64::to_string).collect();
                (!texts.is_empty()).then(|| texts.join(",").len() as i64)
            }
            Function::First => known.first().copied(),
            Function::Last => known.last().copied(),
        }
    }

    /// The call, over this window if there is one.
    pub(super) fn sql(&self, over: &str) -> String {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let filter = self.filter.as_ref();
        let filter = filter.map_or(String::new(), |filter| format!(" FILTER (WHERE {})", filter.sql(&column)));
        let of = |name: &str| format!("{name}({distinct}c{}){filter}{over}", self.column);
        match self.function {
            Function::Rows => format!("COUNT(*){filter}{over}"),
            Function::Count => of("COUNT"),
            Function::Sum => of("SUM"),
            Function::Avg => of("AVG"),
            Function::Min => of("MIN"),
            Function::Max => of("MAX"),
            Function::Listed => {
                let text = format!("LISTAGG({distinct}CAST(c{} AS STRING)){filter}{over}", self.column);
                format!("CAST(CHAR_LENGTH({text}) AS BIGINT)")
            }
            Function::First => of("FIRST_VALUE"),
            Function::Last => of("LAST_VALUE"),
        }
    }
}
