//! What several expressions of a calc have in common is computed once, as a column beside those that they read.
//!
//! Only what every row needs anyway is shared: the right side of `AND` and `OR` and a later condition of `CASE` count if no
//! row can make them fail, a result of `CASE` does not. Calls of users' functions and of what never gives the same again
//! (`RAND`) are left alone.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};
use flott_api::Result;
use flott_api::expr::Expr;
use flott_functions::{CompileContext, CompiledExpr, EvalContext, Volatility, compile, volatility};

use crate::emit::record_batch;

/// Common expressions, each over the columns before it.
pub(super) struct Repeated {
    expressions: Vec<Expr>,
    compiled: Vec<CompiledExpr>,
    /// How many columns are before the first.
    columns: usize,
}

impl Repeated {
    /// What is common to expressions of which each row of a batch with so many columns needs the `sure` ones.
    pub(super) fn of(sure: &[Expr], others: &[Expr], columns: usize, cx: &CompileContext) -> Result<Self> {
        let mut counts = HashMap::new();
        sure.iter().chain(others).for_each(|e| count(e, &mut counts));
        let mut found = Vec::new();
        for expr in sure {
            find(expr, false, &mut found, &|e: &Expr, guarded: bool| {
                let common = counts.get(e).is_some_and(|count| *count > 1);
                Ok(common && is_shareable(e) && !(guarded && compile(e, cx)?.is_fallible()))
            })?;
        }
        let mut shared = Repeated { expressions: Vec::new(), compiled: Vec::new(), columns };
        for expr in found {
            shared.compiled.push(compile(&shared.put_into(expr), cx)?);
            shared.expressions.push(expr.clone());
        }
        Ok(shared)
    }

    /// How many columns there are with the common ones.
    pub(super) fn width(&self) -> usize {
        self.columns + self.compiled.len()
    }

    /// An expression that reads the common ones.
    pub(super) fn put_into(&self, expr: &Expr) -> Expr {
        let place = |e: &Expr| self.expressions.iter().position(|shared| shared == e);
        expr.clone().replace(&mut |e| place(e).map(|place| Expr::column(self.columns + place, e.ty().clone())))
    }

    /// The batch with the common columns.
    pub(super) fn extend(&self, mut rows: RecordBatch, cx: &EvalContext) -> Result<RecordBatch> {
        for expr in &self.compiled {
            let column = expr.evaluate(&rows, cx)?;
            let mut fields = rows.schema().fields().to_vec();
            fields.push(Arc::new(Field::new("", column.data_type().clone(), true)));
            let columns = rows.columns().iter().cloned().chain([column]).collect();
            rows = record_batch(&Arc::new(Schema::new(fields)), columns, rows.num_rows())?;
        }
        Ok(rows)
    }
}

/// Counts how often each expression is there; what is in one that was seen before is not counted again.
fn count<'e>(expr: &'e Expr, counts: &mut HashMap<&'e Expr, usize>) {
    let seen = counts.entry(expr).or_default();
    *seen += 1;
    if *seen == 1 {
        expr.children().into_iter().for_each(|child| count(child, counts));
    }
}

/// Finds the wanted expressions among those that every row needs, inner ones first, each once. Those that only some rows
/// need, as long as none can fail, are `guarded`.
fn find<'e>(
    expr: &'e Expr,
    guarded: bool,
    found: &mut Vec<&'e Expr>,
    wanted: &impl Fn(&Expr, bool) -> Result<bool>,
) -> Result<()> {
    for (i, child) in needed(expr).into_iter().enumerate() {
        find(child, guarded || (i > 0 && stops_early(expr)), found, wanted)?;
    }
    if !found.contains(&expr) && wanted(expr, guarded)? {
        found.push(expr);
    }
    Ok(())
}

/// What is evaluated for all rows, unless it is not the first and the expression stops early.
fn needed(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Case { branches, .. } => branches.iter().map(|(condition, _)| condition).collect(),
        Expr::Call { function, args, .. } if matches!(function.name.as_str(), "if" | "coalesce" | "ifnull") => {
            args.iter().take(1).collect()
        }
        _ => expr.children(),
    }
}

fn stops_early(expr: &Expr) -> bool {
    match expr {
        Expr::Case { .. } => true,
        Expr::Call { function, .. } => matches!(function.name.as_str(), "and" | "or"),
        _ => false,
    }
}

/// Whether it computes something of a row, and the same for equal rows of a batch.
fn is_shareable(expr: &Expr) -> bool {
    let (mut reads, mut is_same) = (false, true);
    expr.visit(&mut |e| match e {
        Expr::Column { .. } => reads = true,
        Expr::Call { function, .. } => {
            is_same &= function.user.is_none() && volatility(function) < Volatility::Volatile;
        }
        _ => {}
    });
    reads && is_same && matches!(expr, Expr::Call { .. } | Expr::Cast { .. } | Expr::Case { .. })
}

#[cfg(test)]
mod tests {
    use flott_api::expr::Value;
    use flott_api::{LogicalType, TypeKind};

    use super::*;

    fn int() -> LogicalType {
        LogicalType::new(TypeKind::Int)
    }

    fn truth() -> LogicalType {
        LogicalType::new(TypeKind::Boolean)
    }

    fn column(index: usize) -> Expr {
        Expr::column(index, int())
    }

    fn literal(value: i64) -> Expr {
        Expr::literal(Value::Int(value), int())
    }

    fn call(name: &str, args: [Expr; 2]) -> Expr {
        let ty = if matches!(name, "+" | "/") { int() } else { truth() };
        Expr::call(name, args.to_vec(), ty)
    }

    fn shared(sure: &[Expr], others: &[Expr]) -> Vec<Expr> {
        Repeated::of(sure, others, 2, &CompileContext::default()).unwrap().expressions
    }

    #[test]
    fn the_largest_common_expressions_are_shared_inner_ones_first() {
        let sum = || call("+", [column(0), column(1)]);
        let twice = || call("+", [sum(), sum()]);
        assert!(shared(&[sum()], &[]).is_empty());
        assert_eq!(shared(&[call("=", [sum(), literal(1)])], &[sum()]), [sum()]);
        // What is shared as a whole has no shared parts, if nobody else needs them.
        let larger = || call("+", [sum(), literal(1)]);
        assert_eq!(shared(&[larger(), larger()], &[]), [larger()]);
        assert_eq!(shared(&[twice(), twice()], &[]), [sum(), twice()]);
        let found = Repeated::of(&[twice(), twice()], &[], 2, &CompileContext::default()).unwrap();
        assert_eq!(
            (found.width(), found.put_into(&call("=", [twice(), sum()]))),
            (4, call("=", [column(3), column(2)]))
        );
        // What needs no row is no column.
        let constant = || call("+", [literal(1), literal(2)]);
        assert!(shared(&[constant(), constant()], &[]).is_empty());
    }

    #[test]
    fn what_may_fail_is_shared_only_if_every_row_needs_it() {
        let quotient = || call("/", [column(0), column(1)]);
        let positive = || call(">", [quotient(), literal(0)]);
        let safe = || call(">", [call("+", [column(0), column(1)]), literal(0)]);
        let non_zero = || call("<>", [column(1), literal(0)]);
        assert_eq!(shared(&[positive()], &[quotient()]), [quotient()]);
        assert!(shared(&[call("and", [non_zero(), positive()])], &[positive()]).is_empty());
        assert_eq!(shared(&[call("and", [positive(), non_zero()])], &[positive()]), [positive()]);
        assert_eq!(shared(&[call("and", [non_zero(), safe()])], &[safe()]), [safe()]);
        let case = |condition: Expr, result: Expr| Expr::Case {
            branches: vec![(non_zero(), literal(1)), (condition, result)],
            otherwise: Box::new(quotient()),
            ty: int(),
        };
        assert!(shared(&[case(positive(), quotient())], &[]).is_empty());
        assert_eq!(shared(&[case(safe(), literal(0)), safe()], &[]), [safe()]);
        // Whoever needs it later only does not decide.
        assert!(shared(&[non_zero()], &[quotient(), quotient()]).is_empty());
    }

    #[test]
    fn what_never_gives_the_same_again_is_not_shared() {
        let random = || Expr::call("rand", Vec::new(), LogicalType::not_null(TypeKind::Double));
        let cast = || Expr::Cast { input: Box::new(random()), ty: int(), try_cast: false };
        let sum = || call("+", [column(0), cast()]);
        assert!(shared(&[sum(), sum()], &[]).is_empty());
    }
}
