//! Rule: constants are computed once.

use flott_api::Result;
use flott_api::expr::Expr;

use super::bottom_up;
use crate::plan::rel::{Op, Rel};

/// Folds every expression of the tree.
pub(super) fn fold(rel: Rel, zone: &str) -> Result<Rel> {
    let fold = |expr: Expr| flott_functions::fold_constants(expr, zone);
    bottom_up(rel, &mut |mut rel| {
        rel.op = match rel.op {
            Op::Filter { condition } => Op::Filter { condition: fold(condition)? },
            Op::Project { exprs } => Op::Project { exprs: exprs.into_iter().map(fold).collect::<Result<_>>()? },
            Op::Watermark { rowtime, watermark, options } => {
                Op::Watermark { rowtime, watermark: fold(watermark)?, options }
            }
            Op::Join(mut join) => {
                join.condition = join.condition.map(fold).transpose()?;
                Op::Join(join)
            }
            Op::TemporalJoin(mut join) => {
                join.condition = join.condition.map(fold).transpose()?;
                Op::TemporalJoin(join)
            }
            Op::Correlate(mut correlate) => {
                correlate.condition = correlate.condition.map(fold).transpose()?;
                let argument = fold(correlate.function.argument().clone())?;
                correlate.function = correlate.function.with_argument(argument);
                Op::Correlate(correlate)
            }
            other => other,
        };
        Ok(rel)
    })
}
