//! `(start, end) OVERLAPS (start, end)`: whether two periods have a moment in common, their ends included.
//!
//! An end may be written as an interval behind the start. A period that is written backwards is turned round. One null
//! makes the answer null, or false where the rest decides.

use flott_api::expr::Expr;
use flott_api::{Error, Result, TypeKind};
use sqlparser::ast::Expr as Ast;

use super::expr::{ExprBinder, coerce, common};
use super::{call, combine};

impl ExprBinder<'_> {
    /// The test, as Flink expands it.
    pub(super) fn overlaps(&mut self, left: &Ast, right: &Ast) -> Result<Expr> {
        let (a, b) = (self.period(left)?, self.period(right)?);
        if !is_alike(&a.0.ty().kind, &b.0.ty().kind) {
            return Err(mismatch(&[&a.0, &a.1, &b.0, &b.1]));
        }
        let (a, b) = (forward(a)?, forward(b)?);
        combine("and", vec![call(">=", vec![a.1, b.0])?, call(">=", vec![b.1, a.0])?])
    }

    fn period(&mut self, ast: &Ast) -> Result<(Expr, Expr)> {
        let Ast::Tuple(ends) = ast else {
            return Err(Error::invalid("OVERLAPS takes two periods").with_hint("A period is written as (start, end)."));
        };
        let [start, end] = ends.as_slice() else {
            return Err(Error::invalid(format!("a period of OVERLAPS has {} values, not 2", ends.len())));
        };
        let (start, end) = (self.bind(start)?, self.bind(end)?);
        if end.ty().kind.is_interval() && is_alike(&start.ty().kind, &start.ty().kind) {
            let end = call("+", vec![start.clone(), end])?;
            return Ok((start, end));
        }
        match is_alike(&start.ty().kind, &end.ty().kind) {
            true => Ok((start, end)),
            false => Err(mismatch(&[&start, &end])),
        }
    }
}

/// Whether both are dates, times of day, or timestamps of one kind.
fn is_alike(a: &TypeKind, b: &TypeKind) -> bool {
    use TypeKind::{Date, Time, Timestamp, TimestampLtz};
    matches!(
        (a, b),
        (Date, Date) | (Time(_), Time(_)) | (Timestamp(_), Timestamp(_)) | (TimestampLtz(_), TimestampLtz(_))
    )
}

fn mismatch(values: &[&Expr]) -> Error {
    let types: Vec<String> = values.iter().map(|value| value.ty().kind.to_string()).collect();
    Error::invalid(format!("cannot apply 'OVERLAPS' to values of type {}", types.join(", ")))
        .with_hint("Both periods must be of dates, of times or of timestamps.")
}

/// The period with its earlier end first.
fn forward((start, end): (Expr, Expr)) -> Result<(Expr, Expr)> {
    let is_forward = call("<=", vec![start.clone(), end.clone()])?;
    let ty = common(&[start.ty(), end.ty()], "OVERLAPS")?;
    let choose = |first: &Expr, second: &Expr| {
        let branches = vec![(is_forward.clone(), coerce(first.clone(), &ty))];
        Expr::Case { branches, otherwise: Box::new(coerce(second.clone(), &ty)), ty: ty.clone() }
    };
    Ok((choose(&start, &end), choose(&end, &start)))
}
