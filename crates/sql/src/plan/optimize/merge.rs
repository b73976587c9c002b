//! Rule: neighbouring projections become one, neighbouring filters become one, projections that do nothing go.

use flott_api::Result;
use flott_api::expr::Expr;

use super::{all_of, bottom_up, conjuncts, is_identity, is_immutable, through_projection};
use crate::plan::rel::{Op, Rel};

/// Merges in the whole tree.
pub(super) fn merge(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut merge_node)
}

pub(super) fn merge_node(rel: Rel) -> Result<Rel> {
    if is_identity(&rel) {
        return Ok(without(rel));
    }
    let Rel { op, mut inputs, columns } = rel;
    let below = inputs.pop();
    match (op, below) {
        (Op::Project { exprs }, Some(Rel { op: Op::Project { exprs: inner }, inputs: lowest, .. }))
            if may_substitute(&exprs, &inner) =>
        {
            let exprs = exprs.into_iter().map(|e| through_projection(e, &inner)).collect();
            let merged = Rel { op: Op::Project { exprs }, inputs: lowest, columns };
            Ok(if is_identity(&merged) { without(merged) } else { merged })
        }
        (Op::Filter { condition }, Some(Rel { op: Op::Filter { condition: inner }, inputs: lowest, .. })) => {
            let mut all = conjuncts(inner);
            all.extend(conjuncts(condition));
            Ok(Rel { op: Op::Filter { condition: all_of(all)? }, inputs: lowest, columns })
        }
        (op, below) => {
            inputs.extend(below);
            Ok(Rel { op, inputs, columns })
        }
    }
}

/// The input of an identity. The names that it gave are lost: the sink has its own.
fn without(mut rel: Rel) -> Rel {
    match rel.inputs.pop() {
        Some(input) => input,
        None => rel,
    }
}

/// Whether no expression of `inner` would be evaluated more often, and none that must be evaluated once moves.
fn may_substitute(exprs: &[Expr], inner: &[Expr]) -> bool {
    let mut uses = vec![0usize; inner.len()];
    for expr in exprs {
        expr.visit(&mut |e| {
            if let Expr::Column { index, .. } = e {
                uses[*index] += 1;
            }
        });
    }
    inner.iter().zip(uses).all(|(expr, uses)| match expr {
        Expr::Column { .. } | Expr::Literal { .. } => true,
        // A volatile call that nobody reads may go; one that is read stays where it is.
        expr => uses == 0 || (uses == 1 && is_immutable(expr)),
    })
}
