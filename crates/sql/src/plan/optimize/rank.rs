//! Rule: rows whose number in their partition is limited are the first rows of it.
//!
//! `ROW_NUMBER` alone in an `OVER`, and above it a filter with an upper bound for it: a constant, or a column of the
//! rows. A number that can be only one becomes a constant, so that no row is updated because its neighbour is.

use std::cmp::{max, min};

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::RankRange;

use super::{all_of, bottom_up, conjuncts};
use crate::plan::rel::{Column, Op, Over, Rank, Rel};

/// Replaces every limit of a row number.
pub(super) fn top_n(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| match (&rel.op, rel.inputs.as_slice()) {
        (Op::Filter { .. }, [Rel { op: Op::Over(over), .. }]) if numbers_rows(over) => limited(rel),
        _ => Ok(rel),
    })
}

/// Of bounded rows any numbers may be limited: where they are not the first rows of a partition, they are just filtered.
pub(super) fn top_n_of_bounded(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| match (&rel.op, rel.inputs.as_slice()) {
        (Op::Filter { .. }, [Rel { op: Op::Over(over), .. }])
            if numbers_rows(over) && over.calls[0].function.name == "row_number" =>
        {
            Ok(limited(rel.clone()).ok().filter(|limited| !has_variable_rank(limited)).unwrap_or(rel))
        }
        _ => Ok(rel),
    })
}

fn has_variable_rank(rel: &Rel) -> bool {
    match &rel.op {
        Op::Rank(rank) => matches!(rank.range, RankRange::Variable { .. }),
        _ => rel.inputs.iter().any(has_variable_rank),
    }
}

fn numbers_rows(over: &Over) -> bool {
    matches!(over.calls.as_slice(), [call] if matches!(call.function.name.as_str(), "row_number" | "rank" | "dense_rank"))
}

/// What a condition says of the number of a row.
#[derive(Debug, PartialEq)]
enum Bound {
    From(i64),
    To(i64),
    Exactly(i64),
    ToColumn(usize),
}

/// The bounds of all conditions together.
#[derive(Debug, Default, PartialEq)]
struct Bounds {
    from: Option<i64>,
    to: Option<i64>,
    to_column: Option<usize>,
}

impl Bounds {
    fn add(&mut self, bound: &Bound) -> bool {
        match *bound {
            // One column at most, and no other bound beside it.
            Bound::ToColumn(_) if *self != Bounds::default() => return false,
            _ if self.to_column.is_some() => return false,
            Bound::ToColumn(column) => self.to_column = Some(column),
            Bound::From(rank) => self.from = Some(self.from.map_or(rank, |from| max(from, rank))),
            Bound::To(rank) => self.to = Some(self.to.map_or(rank, |to| min(to, rank))),
            Bound::Exactly(rank) => {
                self.add(&Bound::From(rank));
                self.add(&Bound::To(rank));
            }
        }
        true
    }

    fn range(&self) -> Result<RankRange> {
        if let Some(end_column) = self.to_column {
            return Ok(RankRange::Variable { end_column });
        }
        let start = self.from.map_or(1, |from| max(from, 1));
        let Some(end) = self.to else {
            return Err(Error::unsupported("a limit of ROW_NUMBER without an upper bound")
                .with_detail(format!("All rows from the number {start} on would come, and change with every row."))
                .with_hint("Add an upper bound: rn <= 10."));
        };
        if end < start {
            return Err(Error::invalid(format!("no row has a number from {start} to {end}"))
                .with_detail("ROW_NUMBER begins with 1."));
        }
        Ok(RankRange::Constant { start: start as u64, end: end as u64 })
    }
}

fn limited(filter: Rel) -> Result<Rel> {
    let Rel { op: Op::Filter { condition }, mut inputs, columns } = filter else { return Ok(filter) };
    let Some(Rel { op: Op::Over(over), inputs: mut below, columns: over_columns }) = inputs.pop() else {
        return Err(Error::internal("a limit of ROW_NUMBER without an OVER"));
    };
    let number = over_columns.len() - 1;
    let (mut bounds, mut limits, mut others) = (Bounds::default(), 0, Vec::new());
    for part in conjuncts(condition.clone()) {
        if bound(&part, number).is_some_and(|bound| bounds.add(&bound)) {
            limits += 1;
        } else {
            others.push(part);
        }
    }
    if limits == 0 {
        let over = Rel { op: Op::Over(over), inputs: below, columns: over_columns };
        return Ok(Rel { op: Op::Filter { condition }, inputs: vec![over], columns });
    }
    let Some(input) = below.pop() else { return Err(Error::internal("an OVER without an input")) };
    let function = over.calls[0].function.name.to_uppercase();
    if function != "ROW_NUMBER" {
        return Err(Error::unsupported(format!("a limit of {function}"))
            .with_hint("In a stream only ROW_NUMBER can be limited."));
    }
    let range = bounds.range()?;
    let ranked = ranked(input, *over, range, columns);
    Ok(if others.is_empty() { ranked } else { ranked.filter(all_of(others)?) })
}

/// The first rows, with their number where that is not the same for all.
fn ranked(input: Rel, over: Over, range: RankRange, columns: Vec<Column>) -> Rel {
    let constant = match range {
        RankRange::Constant { start, end } if start == end => Some(start),
        RankRange::Constant { .. } | RankRange::Variable { .. } => None,
    };
    let (partition, order) = (over.partition, over.order);
    let rank = Rank { partition, order, range, emit_rank: constant.is_none() };
    let number = columns.last().cloned();
    let Some(start) = constant else { return input.ranked(rank, number) };
    let ranked = input.ranked(rank, None);
    let own = (0..ranked.columns.len()).map(|c| (ranked.column(c), ranked.columns[c].name.clone()));
    let literal = number.map(|n| (Expr::literal(Value::Int(start as i64), n.ty), n.name));
    let exprs = own.chain(literal).collect();
    ranked.project(exprs)
}

/// What a condition says of the number; nothing if it says something else.
fn bound(condition: &Expr, number: usize) -> Option<Bound> {
    let Expr::Call { function, args, .. } = condition else { return None };
    let [left, right] = args.as_slice() else { return None };
    let is_number = |e: &Expr| matches!(e, Expr::Column { index, .. } if *index == number);
    let (name, other) = match (is_number(left), is_number(right)) {
        (true, false) => (function.name.as_str(), right),
        (false, true) => (turned(&function.name)?, left),
        _ => return None,
    };
    match (name, other) {
        ("<=", other) if column_of(other).is_some_and(|c| c < number) => column_of(other).map(Bound::ToColumn),
        (name, Expr::Literal { value: Value::Int(value), .. }) => match name {
            "=" => Some(Bound::Exactly(*value)),
            "<=" => Some(Bound::To(*value)),
            "<" => Some(Bound::To(value.saturating_sub(1))),
            ">=" => Some(Bound::From(*value)),
            ">" => Some(Bound::From(value.saturating_add(1))),
            _ => None,
        },
        _ => None,
    }
}

/// The comparison with its sides changed.
fn turned(name: &str) -> Option<&'static str> {
    Some(match name {
        "=" => "=",
        "<=" => ">=",
        "<" => ">",
        ">=" => "<=",
        ">" => "<",
        _ => return None,
    })
}

/// The column of whole numbers that an expression is, be it in a wider type. A narrower one may have other numbers.
fn column_of(expr: &Expr) -> Option<usize> {
    let bytes = |kind: &TypeKind| match kind {
        TypeKind::SmallInt => Some(2),
        TypeKind::Int => Some(4),
        TypeKind::BigInt => Some(8),
        _ => None,
    };
    match expr {
        Expr::Column { index, ty } => bytes(&ty.kind).map(|_| *index),
        Expr::Cast { input, ty, .. } if bytes(&ty.kind) >= bytes(&input.ty().kind) => column_of(input),
        _ => None,
    }
}
