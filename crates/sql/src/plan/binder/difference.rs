//! `INTERSECT` and `EXCEPT`, as Flink plans them: a semi or anti join by all columns; with `ALL` a count of each row on
//! both sides, and the row so often again.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, JoinKind, TableFunction};

use super::expr::{coerce, common};
use super::{call, combine, select, setop};
use crate::plan::rel::{Correlate, Rel};

/// Which rows of the left are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Those that are on the right too.
    Intersect,
    /// Those that are not.
    Except,
}

impl Difference {
    /// The rows, each once or as often as it is left.
    pub(super) fn of(self, left: Rel, right: Rel, all: bool) -> Result<Rel> {
        let (left, right) = self.sides(left, right)?;
        if all { self.counted(left, right) } else { self.joined(left, right) }
    }

    fn name(self) -> &'static str {
        match self {
            Difference::Intersect => "INTERSECT",
            Difference::Except => "EXCEPT",
        }
    }

    /// Both sides with the types that they have in common, under the names of the left.
    fn sides(self, left: Rel, right: Rel) -> Result<(Rel, Rel)> {
        let (width, other) = (left.columns.len(), right.columns.len());
        if width != other {
            return Err(Error::invalid(format!("the queries of {} have {width} and {other} columns", self.name())));
        }
        let names: Vec<String> = left.columns.iter().map(|c| c.name.clone()).collect();
        let mut types = Vec::with_capacity(width);
        for (i, (a, b)) in left.columns.iter().zip(&right.columns).enumerate() {
            types.push(common(&[&a.ty, &b.ty], &format!("column {} of {}", i + 1, self.name()))?);
        }
        let side = |rel: Rel| {
            let exprs = types.iter().enumerate().map(|(i, ty)| (coerce(rel.column(i), ty), names[i].clone()));
            let exprs = exprs.collect();
            rel.project(exprs)
        };
        Ok((side(left), side(right)))
    }

    fn joined(self, left: Rel, right: Rel) -> Result<Rel> {
        let width = left.columns.len();
        let same = (0..width).map(|i| {
            let other = Expr::column(width + i, right.columns[i].ty.clone());
            call("is not distinct from", vec![left.column(i), other])
        });
        let condition = combine("and", same.collect::<Result<Vec<_>>>()?)?;
        let kind = match self {
            Difference::Intersect => JoinKind::Semi,
            Difference::Except => JoinKind::Anti,
        };
        Ok(select::distinct(left.join(right, kind, Some(condition))))
    }

    fn counted(self, left: Rel, right: Rel) -> Result<Rel> {
        let width = left.columns.len();
        let union = setop::union(vec![self.marked(left, true), self.marked(right, false)])?;
        let keys: Vec<usize> = (0..width).collect();
        let calls = match self {
            Difference::Intersect => vec![aggregate("count", &union, width)?, aggregate("count", &union, width + 1)?],
            Difference::Except => vec![aggregate("sum", &union, width)?],
        };
        let named = calls.into_iter().zip(["left_count", "right_count"]).map(|(call, name)| (call, name.to_owned()));
        let counts = union.aggregate(keys.clone(), named.collect());
        let at_least = |column: usize, least: i64| {
            let least = Expr::literal(Value::Int(least), LogicalType::not_null(TypeKind::BigInt));
            call(">=", vec![counts.column(column), least])
        };
        let (condition, times) = match self {
            Difference::Intersect => {
                let (ours, theirs) = (counts.column(width), counts.column(width + 1));
                let fewer = call(">", vec![ours.clone(), theirs.clone()])?;
                let ty = ours.ty().clone();
                let times = Expr::Case { branches: vec![(fewer, theirs)], otherwise: Box::new(ours), ty };
                (combine("and", vec![at_least(width, 1)?, at_least(width + 1, 1)?])?, times)
            }
            Difference::Except => (at_least(width, 1)?, counts.column(width)),
        };
        let repeat = Correlate { function: TableFunction::Repeat { times }, condition: None, outer: false };
        Ok(counts.filter(condition).correlate(repeat, Vec::new()).pick(&keys))
    }

    /// The rows with what they count for.
    fn marked(self, rel: Rel, is_left: bool) -> Rel {
        let own = (0..rel.columns.len()).map(|i| (rel.column(i), rel.columns[i].name.clone()));
        let bigint = |value: i64| Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::BigInt));
        let mark = |is_set: bool| {
            let value = if is_set { Value::Boolean(true) } else { Value::Null };
            Expr::literal(value, LogicalType::new(TypeKind::Boolean))
        };
        let marks = match self {
            Difference::Intersect => vec![mark(is_left), mark(!is_left)],
            Difference::Except => vec![bigint(if is_left { 1 } else { -1 })],
        };
        let marks = marks.into_iter().enumerate().map(|(i, mark)| (mark, format!("$mark{i}")));
        let exprs = own.chain(marks).collect();
        rel.project(exprs)
    }
}

fn aggregate(name: &str, rel: &Rel, column: usize) -> Result<AggregateCall> {
    let resolved = flott_functions::aggregate_type(name, &[rel.columns[column].ty.clone()], false)?;
    let function = resolved.id;
    Ok(AggregateCall { function, args: vec![column], filter: None, distinct: false, ty: resolved.ty })
}
