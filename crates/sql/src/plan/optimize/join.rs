//! Rules of joins: what reads one side moves there, an outer join whose nulls nobody keeps is an inner one, and what is
//! compared becomes a column.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::JoinKind;

use super::{all_of, bottom_up, conjuncts, is_immutable, remapped};
use crate::plan::rel::{Join, Op, Rel, TemporalJoin};

/// Which columns of a pair an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Neither,
    Left,
    Right,
    Both,
}

fn side(expr: &Expr, left_width: usize) -> Side {
    let columns = expr.columns();
    match (columns.iter().any(|c| *c < left_width), columns.iter().any(|c| *c >= left_width)) {
        (false, false) => Side::Neither,
        (true, false) => Side::Left,
        (false, true) => Side::Right,
        (true, true) => Side::Both,
    }
}

fn shifted(expr: Expr, left_width: usize) -> Expr {
    remapped(expr, &|c| c - left_width)
}

fn filtered(rel: Rel, conditions: Vec<Expr>) -> Result<Rel> {
    if conditions.is_empty() { Ok(rel) } else { Ok(rel.filter(all_of(conditions)?)) }
}

/// Parts of a join's own condition that read one side only become filters of that side, where a row that fails them has
/// no other way into the result.
pub(super) fn sides_below(rel: Rel) -> Result<Rel> {
    let Rel { op: Op::Join(join), mut inputs, columns } = rel else { return Ok(rel) };
    let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
        return Ok(Rel { op: Op::Join(join), inputs, columns });
    };
    let width = left.columns.len();
    let Join { kind, condition, ttl, multi, lookup } = *join;
    let (mut of_left, mut of_right, mut of_both) = (Vec::new(), Vec::new(), Vec::new());
    for part in condition.into_iter().flat_map(conjuncts) {
        let may_move = is_immutable(&part);
        match side(&part, width) {
            Side::Left if may_move && left_may_be_filtered(kind) => of_left.push(part),
            Side::Right if may_move && right_may_be_filtered(kind) => of_right.push(shifted(part, width)),
            _ => of_both.push(part),
        }
    }
    let condition = if of_both.is_empty() { None } else { Some(all_of(of_both)?) };
    let inputs = vec![filtered(left, of_left)?, filtered(right, of_right)?];
    Ok(Rel { op: Op::Join(Box::new(Join { kind, condition, ttl, multi, lookup })), inputs, columns })
}

/// Whether a row of the left that has no pair is not in the result.
fn left_may_be_filtered(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Right | JoinKind::Semi)
}

/// Whether a row of the right that has no pair is not in the result.
fn right_may_be_filtered(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
}

/// A join or a correlation below a filter: the filter's parts that can be tested below it are; gives what is left above.
pub(super) fn filter_below(condition: Expr, rel: Rel) -> Result<(Rel, Vec<Expr>)> {
    match rel.op {
        Op::Join(_) => filter_below_join(condition, rel),
        _ => filter_below_correlate(condition, rel),
    }
}

fn filter_below_join(condition: Expr, rel: Rel) -> Result<(Rel, Vec<Expr>)> {
    let Rel { op: Op::Join(join), mut inputs, columns } = rel else { return Ok((rel, vec![condition])) };
    let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
        return Ok((Rel { op: Op::Join(join), inputs, columns }, vec![condition]));
    };
    let width = left.columns.len();
    let parts = conjuncts(condition);
    let multi = join.multi;
    let kind = without_nulls(join.kind, &parts, width);
    let (mut of_left, mut of_right, mut of_pairs, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        let may_move = is_immutable(&part);
        match side(&part, width) {
            // Rows of the left come as they are, unless they may be missing.
            Side::Left if may_move && !kind.keeps_right() => of_left.push(part),
            Side::Right if may_move && !kind.keeps_left() => of_right.push(shifted(part, width)),
            Side::Both if may_move && kind == JoinKind::Inner => of_pairs.push(part),
            _ => above.push(part),
        }
    }
    let of_pairs: Vec<Expr> = join.condition.into_iter().flat_map(conjuncts).chain(of_pairs).collect();
    let condition = if of_pairs.is_empty() { None } else { Some(all_of(of_pairs)?) };
    // What may be null no more keeps its type: others were derived from it.
    let inputs = vec![filtered(left, of_left)?, filtered(right, of_right)?];
    let join = Join { kind, condition, ttl: join.ttl, multi, lookup: join.lookup };
    Ok((Rel { op: Op::Join(Box::new(join)), inputs, columns }, above))
}

fn filter_below_correlate(condition: Expr, rel: Rel) -> Result<(Rel, Vec<Expr>)> {
    let Rel { op: Op::Correlate(mut correlate), inputs, columns } = rel else { return Ok((rel, vec![condition])) };
    let width = inputs.first().map_or(0, |input| input.columns.len());
    let parts = conjuncts(condition);
    let (below, rest): (Vec<Expr>, Vec<Expr>) =
        parts.into_iter().partition(|part| is_immutable(part) && side(part, width) == Side::Left);
    let (of_pairs, above): (Vec<Expr>, Vec<Expr>) =
        rest.into_iter().partition(|part| is_immutable(part) && !correlate.outer);
    let of_pairs: Vec<Expr> = correlate.condition.take().into_iter().flat_map(conjuncts).chain(of_pairs).collect();
    correlate.condition = if of_pairs.is_empty() { None } else { Some(all_of(of_pairs)?) };
    let inputs = inputs.into_iter().map(|input| filtered(input, below.clone())).collect::<Result<_>>()?;
    Ok((Rel { op: Op::Correlate(correlate), inputs, columns }, above))
}

/// The kind of join that gives the same rows below a filter: a row that was filled with nulls must be able to pass it.
fn without_nulls(kind: JoinKind, parts: &[Expr], left_width: usize) -> JoinKind {
    let rejects = |is_of: &dyn Fn(usize) -> bool| parts.iter().any(|part| rejects_nulls(part, is_of));
    let keeps_left = kind.keeps_left() && !rejects(&|c| c >= left_width);
    let keeps_right = kind.keeps_right() && !rejects(&|c| c < left_width);
    match (kind, keeps_left, keeps_right) {
        (JoinKind::Semi | JoinKind::Anti | JoinKind::Inner, ..) => kind,
        (_, true, true) => JoinKind::Full,
        (_, true, false) => JoinKind::Left,
        (_, false, true) => JoinKind::Right,
        (_, false, false) => JoinKind::Inner,
    }
}

/// Functions that are not true, and null if they have a null at all.
const STRICT: [&str; 14] = ["=", "<>", "<", "<=", ">", ">=", "like", "+", "-", "*", "/", "%", "negate", "not"];

/// Whether a condition is not true if all these columns are null.
fn rejects_nulls(condition: &Expr, is_of: &dyn Fn(usize) -> bool) -> bool {
    let Expr::Call { function, args, .. } = condition else { return is_null_of(condition, is_of) };
    match function.name.as_str() {
        "and" => args.iter().any(|a| rejects_nulls(a, is_of)),
        "or" => args.iter().all(|a| rejects_nulls(a, is_of)),
        "is not null" | "is true" | "is false" => args.iter().any(|a| is_null_of(a, is_of)),
        "in" => args.first().is_some_and(|a| is_null_of(a, is_of)),
        _ => is_null_of(condition, is_of),
    }
}

/// Whether an expression is null if all these columns are.
fn is_null_of(expr: &Expr, is_of: &dyn Fn(usize) -> bool) -> bool {
    match expr {
        Expr::Column { index, .. } => is_of(*index),
        Expr::Call { function, args, .. } if STRICT.contains(&function.name.as_str()) => {
            args.iter().any(|a| is_null_of(a, is_of))
        }
        Expr::Cast { input, .. } | Expr::Field { input, .. } => is_null_of(input, is_of),
        _ => false,
    }
}

/// Each side of an equality between the sides becomes a column of its side.
pub(super) fn keys_below(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| match rel.op {
        Op::TemporalJoin(join) => {
            let TemporalJoin { kind, condition, times } = *join;
            let keyed = keys_of_join(Rel { op: Op::Join(Box::new(Join::new(kind, condition))), ..rel })?;
            Ok(timed(keyed, times))
        }
        _ => keys_of_join(rel),
    })
}

/// The join, which may stand below a projection, as one by time.
pub(super) fn timed(rel: Rel, times: [usize; 2]) -> Rel {
    match rel.op {
        Op::Join(join) => {
            let Join { kind, condition, .. } = *join;
            Rel { op: Op::TemporalJoin(Box::new(TemporalJoin { kind, condition, times })), ..rel }
        }
        _ => Rel { inputs: rel.inputs.into_iter().map(|input| timed(input, times)).collect(), ..rel },
    }
}

fn keys_of_join(rel: Rel) -> Result<Rel> {
    let Rel { op: Op::Join(join), mut inputs, columns } = rel else { return Ok(rel) };
    let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
        return Ok(Rel { op: Op::Join(join), inputs, columns });
    };
    let width = left.columns.len();
    let parts: Vec<Expr> = join.condition.iter().cloned().flat_map(conjuncts).collect();
    let mut sides = [Computed::over(left), Computed::over(right)];
    let mut keyed = Vec::with_capacity(parts.len());
    for part in parts {
        // What is computed of the rows of a table is no key that it can be asked for.
        let is_key = |right: &Expr| join.lookup.is_none() || matches!(right, Expr::Column { .. });
        keyed.push(match equality(&part, width).filter(|(_, right)| is_key(right)) {
            Some((left_key, right_key)) => {
                let keys = (sides[0].column(left_key), sides[1].column(shifted(right_key, width)));
                (part, Some(keys))
            }
            None => (part, None),
        });
    }
    let [left, right] = sides;
    if left.added.is_empty() && right.added.is_empty() {
        return Ok(Rel { op: Op::Join(join), inputs: vec![left.rel, right.rel], columns });
    }
    let left_added = left.added.len();
    let moved = |c: usize| if c < width { c } else { c + left_added };
    let new_width = width + left_added;
    let condition = keyed.into_iter().map(|(part, keys)| match (part, keys) {
        (Expr::Call { function, ty, .. }, Some((left, right))) => {
            let right = remapped(right, &|c| c + new_width);
            Expr::Call { function, args: vec![left, right], ty }
        }
        (part, _) => remapped(part, &moved),
    });
    let condition = Some(all_of(condition.collect())?);
    let wide = left.finish().joined(right.finish(), Join { condition, ..*join });
    let order = (0..columns.len()).map(moved).map(|c| wide.column(c)).zip(&columns);
    let exprs = order.map(|(e, c)| (e, c.name.clone())).collect();
    let mut narrow = wide.project(exprs);
    narrow.columns = columns;
    Ok(narrow)
}

/// Both sides of `a = b` where each reads one input, that of the left first. One of them is not a column.
fn equality(part: &Expr, left_width: usize) -> Option<(Expr, Expr)> {
    let Expr::Call { function, args, .. } = part else { return None };
    let [a, b] = args.as_slice() else { return None };
    if !matches!(function.name.as_str(), "=" | "is not distinct from") || !is_immutable(part) {
        return None;
    }
    match (side(a, left_width), side(b, left_width)) {
        (Side::Left, Side::Right) => Some((a.clone(), b.clone())),
        (Side::Right, Side::Left) => Some((b.clone(), a.clone())),
        _ => None,
    }
}

/// An input with columns that are computed of it.
struct Computed {
    rel: Rel,
    added: Vec<Expr>,
}

impl Computed {
    fn over(rel: Rel) -> Self {
        Computed { rel, added: Vec::new() }
    }

    /// The expression as a column.
    fn column(&mut self, expr: Expr) -> Expr {
        if matches!(expr, Expr::Column { .. }) {
            return expr;
        }
        let (first, ty) = (self.rel.columns.len(), expr.ty().clone());
        let place = self.added.iter().position(|e| *e == expr).unwrap_or_else(|| {
            self.added.push(expr);
            self.added.len() - 1
        });
        Expr::column(first + place, ty)
    }

    fn finish(self) -> Rel {
        if self.added.is_empty() {
            return self.rel;
        }
        let own = (0..self.rel.columns.len()).map(|i| (self.rel.column(i), self.rel.columns[i].name.clone()));
        let added = self.added.into_iter().enumerate().map(|(i, e)| (e, format!("$f{}", self.rel.columns.len() + i)));
        let exprs = own.chain(added).collect();
        self.rel.project(exprs)
    }
}
