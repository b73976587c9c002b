//! Rule: what is joined does not wait for a process beside the job.
//!
//! An inner join finds its pairs by the rest of its condition, and the calls are made for the pairs, as in Flink. Another join
//! needs its whole condition: calls that read one side are made for the rows of that side, once a row instead of once a pair.
//! What is left in a condition is refused where calls are cut out ([`crate::plan::beside`]).

use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::{JoinKind, TableFunction};

use super::{all_of, bottom_up, conjuncts, is_immutable, join, remapped};
use crate::plan::beside::{calls_beside, is_beside};
use crate::plan::rel::{Column, Correlate, Join, Op, Rel};

/// The columns that are added to the left and to the right until it is known how many there are: these and their numbers.
const ADDED: [usize; 2] = [1 << 40, 1 << 41];

/// Takes such calls out of all joins.
pub(super) fn out_of_joins(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| match rel.op {
        Op::TemporalJoin(of) => {
            let (kind, condition, times) = (of.kind, of.condition, of.times);
            let op = Op::Join(Box::new(Join::new(kind, condition)));
            Ok(join::timed(out_of_join(Rel { op, ..rel })?, times))
        }
        Op::Join(_) => out_of_join(rel),
        Op::Correlate(_) => out_of_correlate(rel),
        _ => Ok(rel),
    })
}

fn condition_of(parts: Vec<Expr>) -> Result<Option<Expr>> {
    if parts.is_empty() { Ok(None) } else { all_of(parts).map(Some) }
}

fn out_of_join(rel: Rel) -> Result<Rel> {
    let Rel { op: Op::Join(join), mut inputs, columns } = rel else { return Ok(rel) };
    let parts: Vec<Expr> = join.condition.iter().cloned().flat_map(conjuncts).collect();
    let (late, early): (Vec<Expr>, Vec<Expr>) = parts.iter().cloned().partition(calls_beside);
    if late.is_empty() {
        return Ok(Rel { op: Op::Join(join), inputs, columns });
    }
    if join.kind == JoinKind::Inner {
        let op = Op::Join(Box::new(Join { condition: condition_of(early)?, ..*join }));
        return Ok(Rel { op, inputs, columns }.filter(all_of(late)?));
    }
    let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
        return Ok(Rel { op: Op::Join(join), inputs, columns });
    };
    let widths = [left.columns.len(), right.columns.len()];
    // The rows of a table that is looked up in are not there before they are asked for.
    let mut below = Below { widths, may_add: [true, join.lookup.is_none()], added: Default::default() };
    let condition = below.without_calls(all_of(parts)?);
    let moved = below.moved();
    let condition = Some(remapped(condition, &moved));
    let [of_left, of_right] = below.added;
    let wide = with(left, of_left).joined(with(right, of_right), Join { condition, ..*join });
    Ok(narrow(wide, columns, &moved))
}

fn out_of_correlate(rel: Rel) -> Result<Rel> {
    let Rel { op: Op::Correlate(correlate), mut inputs, columns } = rel else { return Ok(rel) };
    let is_user = matches!(correlate.function, TableFunction::User { .. });
    let in_argument = !is_user && calls_beside(correlate.function.argument());
    let parts: Vec<Expr> = correlate.condition.iter().cloned().flat_map(conjuncts).collect();
    let (late, early): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(calls_beside);
    if late.is_empty() && !in_argument {
        return Ok(Rel { op: Op::Correlate(correlate), inputs, columns });
    }
    let Some(input) = inputs.pop() else { return Ok(Rel { op: Op::Correlate(correlate), inputs, columns }) };
    let width = input.columns.len();
    let mut below = Below { widths: [width, columns.len() - width], may_add: [true, false], added: Default::default() };
    let Correlate { function, condition: _, outer } = *correlate;
    let (within, above) = if outer { ([early, late].concat(), Vec::new()) } else { (early, late) };
    let within: Vec<Expr> = within.into_iter().map(|part| below.without_calls(part)).collect();
    let argument = function.argument().clone();
    let argument = if in_argument { below.without_calls(argument) } else { argument };
    let moved = below.moved();
    let condition = condition_of(within)?.map(|condition| remapped(condition, &moved));
    let function = function.with_argument(remapped(argument, &moved));
    let [added, _] = below.added;
    let of_function = columns[width..].to_vec();
    let wide = with(input, added).correlate(Correlate { function, condition, outer }, of_function);
    let rel = narrow(wide, columns, &moved);
    if above.is_empty() { Ok(rel) } else { Ok(rel.filter(all_of(above)?)) }
}

/// Calls that are made below what joins two inputs.
struct Below {
    /// How many columns both have.
    widths: [usize; 2],
    /// Whether a column can be added to them.
    may_add: [bool; 2],
    added: [Vec<Expr>; 2],
}

impl Below {
    /// The expression with columns instead of the calls that read one side.
    fn without_calls(&mut self, expr: Expr) -> Expr {
        expr.replace(&mut |e| {
            let side = self.side(e).filter(|side| is_beside(e) && self.may_add[*side])?;
            let shift = if side == 0 { 0 } else { self.widths[0] };
            let own = remapped(e.clone(), &|c| c - shift);
            let added = &mut self.added[side];
            let known = added.iter().position(|known| *known == own).filter(|_| is_immutable(&own));
            let place = known.unwrap_or_else(|| {
                added.push(own);
                added.len() - 1
            });
            Some(Expr::column(ADDED[side] + place, e.ty().clone()))
        })
    }

    /// The side that an expression reads; the left if it reads none.
    fn side(&self, expr: &Expr) -> Option<usize> {
        let columns = expr.columns();
        let of_left = columns.iter().filter(|c| **c < self.widths[0]).count();
        match columns.len() - of_left {
            0 => Some(0),
            all if all == columns.len() => Some(1),
            _ => None,
        }
    }

    /// Where columns are behind the join.
    fn moved(&self) -> impl Fn(usize) -> usize + use<> {
        let ([left, right], of_left) = (self.widths, self.added[0].len());
        move |column| match column {
            added if added >= ADDED[1] => left + of_left + right + added - ADDED[1],
            added if added >= ADDED[0] => left + added - ADDED[0],
            column if column < left => column,
            column => column + of_left,
        }
    }
}

/// The input with these columns behind its own.
fn with(rel: Rel, added: Vec<Expr>) -> Rel {
    if added.is_empty() {
        return rel;
    }
    let width = rel.columns.len();
    let own = (0..width).map(|c| (rel.column(c), rel.columns[c].name.clone()));
    let added = added.into_iter().enumerate().map(|(i, e)| (e, format!("$f{}", width + i)));
    let exprs = own.chain(added).collect();
    rel.project(exprs)
}

/// The columns that there would be without those that were added.
fn narrow(wide: Rel, columns: Vec<Column>, moved: &impl Fn(usize) -> usize) -> Rel {
    if wide.columns.len() == columns.len() {
        return Rel { columns, ..wide };
    }
    let exprs = columns.iter().enumerate().map(|(c, of)| (wide.column(moved(c)), of.name.clone())).collect();
    let mut rel = wide.project(exprs);
    rel.columns = columns;
    rel
}
