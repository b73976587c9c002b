//! Rule: joins that are meant to be one become one, as far as all inputs share a key.
//!
//! Flink counterpart: `JoinToMultiJoinRule`. A join of intervals or of windows stays what it is; of windows Flink makes
//! one that keeps its rows for ever. Only the left of a join may be a join
//! that grows by an input: on the right an order of joins is meant.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::JoinKind;

use super::{bottom_up, conjuncts};
use crate::plan::rel::{Join, Multi, MultiJoin, Op, Rel, window_join};
use crate::plan::stream::is_interval_join;

/// Makes one of joins that are marked for it.
pub(super) fn gather(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| {
        let rel = timed_as_its_input(rel);
        match &rel.op {
            Op::Join(join) if may_be_one(join) => gathered(rel),
            _ => Ok(rel),
        }
    })
}

fn may_be_one(join: &Join) -> bool {
    let kind = matches!(join.kind, JoinKind::Inner | JoinKind::Left);
    kind && join.multi != Multi::No && join.lookup.is_none()
}

fn gathered(rel: Rel) -> Result<Rel> {
    let (Op::Join(join), [left, right]) = (&rel.op, rel.inputs.as_slice()) else { return Ok(rel) };
    let parts: Vec<Expr> = join.condition.iter().cloned().flat_map(conjuncts).collect();
    // A join by time forgets what it needs no more.
    if is_interval_join(join.kind, &parts, [&left.columns, &right.columns])?
        || window_join(&parts, &left.columns, &right.columns).is_some()
    {
        return Ok(rel);
    }
    let (op, inputs) = match grown(join, left, right) {
        Some(grown) => grown,
        None => (MultiJoin { steps: vec![join.as_ref().clone()] }, rel.inputs),
    };
    // Rows that waited for each other are in no order of time.
    let mut columns = rel.columns;
    columns.iter_mut().for_each(|column| (column.time, column.window) = (None, None));
    Ok(Rel { op: Op::MultiJoin(Box::new(op)), inputs, columns })
}

/// The join on the left with one input more, if all share a key.
fn grown(join: &Join, left: &Rel, right: &Rel) -> Option<(MultiJoin, Vec<Rel>)> {
    let Op::MultiJoin(of_left) = &left.op else { return None };
    if of_left.steps.last().is_some_and(|last| last.multi == Multi::Apart) {
        return None;
    }
    let inputs: Vec<Rel> = left.inputs.iter().chain([right]).cloned().collect();
    let grown = MultiJoin { steps: of_left.steps.iter().chain([join]).cloned().collect() };
    let widths: Vec<usize> = inputs.iter().map(|input| input.columns.len()).collect();
    grown.has_key(&widths).then_some((grown, inputs))
}

/// What is no time below is none above.
fn timed_as_its_input(mut rel: Rel) -> Rel {
    let Some(input) = rel.inputs.first() else { return rel };
    let below = |at: usize| input.columns.get(at).map(|c| (c.time, c.window.clone()));
    for (at, column) in rel.columns.iter_mut().enumerate() {
        let from = match &rel.op {
            Op::Project { exprs } => match exprs.get(at) {
                Some(Expr::Column { index, .. }) => below(*index),
                _ => None,
            },
            Op::Filter { .. } => below(at),
            _ => None,
        };
        if let Some((time, window)) = from {
            (column.time, column.window) = (time, window);
        }
    }
    rel
}

/// Says of all joins whether they become one where they can.
pub(in crate::plan) fn marked(mut rel: Rel, multi: Multi) -> Rel {
    rel.inputs = rel.inputs.into_iter().map(|input| marked(input, multi)).collect();
    if let Op::Join(join) = &mut rel.op {
        join.multi = multi;
    }
    rel
}
