//! Rule: semi and anti joins move below inner joins, to the left input if that is what they choose rows of.
//!
//! Flink counterpart: `FlinkSemiAntiJoinJoinTransposeRule` and those that move them across projections and filters. As
//! there, a join that looks for rows of a right input stays, and so does `NOT IN`, which compares by more than equality;
//! a join that becomes one of several inputs is not parted.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::JoinKind;

use super::{bottom_up, conjuncts, is_immutable, remapped, through_projection};
use crate::plan::rel::{Column, Join, Multi, Op, Rel};

/// Moves them as far as they go.
pub(super) fn sink(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| Ok(sunk(rel)))
}

/// What a semi or anti join looks for the rows of.
struct Chosen {
    kind: JoinKind,
    right: Rel,
    condition: Expr,
}

impl Chosen {
    /// The columns of the left that are compared.
    fn of_left(&self, width: usize) -> Vec<usize> {
        self.condition.columns().into_iter().filter(|c| *c < width).collect()
    }

    /// Whether a column of the left must be equal to one of the right.
    fn is_by_equality(&self, width: usize) -> bool {
        let equals = |part: &Expr| match part {
            Expr::Call { function, .. } if function.name == "=" => {
                let read = part.columns();
                read.iter().any(|c| *c < width) && read.iter().any(|c| *c >= width)
            }
            _ => false,
        };
        conjuncts(self.condition.clone()).iter().any(equals)
    }

    fn over(self, left: Rel) -> Rel {
        left.join(self.right, self.kind, Some(self.condition))
    }
}

fn sunk(rel: Rel) -> Rel {
    let Rel { op: Op::Join(join), mut inputs, columns } = rel else { return rel };
    match (*join, inputs.pop(), inputs.pop()) {
        (
            Join { kind: kind @ (JoinKind::Semi | JoinKind::Anti), condition: Some(condition), .. },
            Some(right),
            Some(left),
        ) => {
            let chosen = Chosen { kind, right, condition };
            let width = left.columns.len();
            if !chosen.is_by_equality(width) || !sinks(&left, &chosen.of_left(width)) {
                return chosen.over(left);
            }
            // What may be missing behind an outer join keeps the type that others were derived from.
            Rel { columns, ..below(left, chosen) }
        }
        (join, right, left) => {
            Rel { op: Op::Join(Box::new(join)), inputs: left.into_iter().chain(right).collect(), columns }
        }
    }
}

/// Whether what compares these columns can move to an input of an inner join below.
fn sinks(left: &Rel, compared: &[usize]) -> bool {
    let Some(input) = left.inputs.first() else { return false };
    match &left.op {
        Op::Filter { condition } => is_immutable(condition) && sinks(input, compared),
        Op::Project { exprs } => {
            let mut read: Vec<usize> = compared.iter().flat_map(|c| exprs[*c].columns()).collect();
            read.sort_unstable();
            read.dedup();
            compared.iter().all(|c| is_immutable(&exprs[*c])) && sinks(input, &read)
        }
        Op::Join(join)
            if join.kind == JoinKind::Inner && join.multi == Multi::No && !is_by_time(join, &left.columns) =>
        {
            let width = input.columns.len();
            compared.iter().all(|c| *c < width)
        }
        _ => false,
    }
}

/// Whether an inner join compares times or windows, which an input would no more have behind a join.
fn is_by_time(join: &Join, columns: &[Column]) -> bool {
    let timed = |c: &usize| columns.get(*c).is_some_and(|c| c.time.is_some() || c.window.is_some());
    join.condition.iter().any(|condition| condition.columns().iter().any(timed))
}

/// The join below what [`sinks`] has found.
fn below(left: Rel, mut chosen: Chosen) -> Rel {
    let Rel { op, mut inputs, columns } = left;
    match op {
        Op::Project { exprs } => {
            let input = inputs.remove(0);
            chosen.condition = over_input(chosen.condition, &exprs, input.columns.len());
            Rel { op: Op::Project { exprs }, inputs: vec![again(input, chosen)], columns }
        }
        Op::Join(join) => {
            let input = inputs.remove(0);
            let behind = columns.len() - input.columns.len();
            let position = |c: usize| if c < columns.len() { c } else { c - behind };
            chosen.condition = remapped(chosen.condition, &position);
            inputs.insert(0, again(input, chosen));
            Rel { op: Op::Join(join), inputs, columns }
        }
        op => {
            let input = inputs.remove(0);
            Rel { op, inputs: vec![again(input, chosen)], columns }
        }
    }
}

/// As deep as it goes.
fn again(left: Rel, chosen: Chosen) -> Rel {
    let compared = chosen.of_left(left.columns.len());
    if sinks(&left, &compared) { below(left, chosen) } else { chosen.over(left) }
}

/// A condition over a projection and another input, over the projection's input and the other.
fn over_input(condition: Expr, exprs: &[Expr], input_width: usize) -> Expr {
    let mut all: Vec<Expr> = exprs.to_vec();
    let mut of_right: Vec<(usize, Expr)> = Vec::new();
    condition.visit(&mut |e| {
        if let Expr::Column { index, ty } = e
            && *index >= exprs.len()
        {
            of_right.push((*index, Expr::column(index - exprs.len() + input_width, ty.clone())));
        }
    });
    for (index, moved) in of_right {
        // Places that are not read are never looked at.
        while all.len() <= index {
            all.push(moved.clone());
        }
        all[index] = moved;
    }
    through_projection(condition, &all)
}
