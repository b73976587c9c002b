//! Computing at planning time what needs no row.

use flott_api::expr::{Expr, Value};
use flott_api::{Result, TypeKind};

use crate::compile::{CompileContext, compile};
use crate::registry::is_deterministic;
use crate::value::value_at;

/// Replaces constant sub-expressions by literals. What fails when computed (`1 / 0`) stays, to fail
/// when a row comes; what depends on the moment or on chance stays too.
///
/// # Errors
/// If the expression cannot be compiled at all.
pub fn fold_constants(expr: Expr, zone: &str) -> Result<Expr> {
    let cx = CompileContext { session_zone: zone.to_owned(), environment: None };
    let mut failure = None;
    let folded = expr.transform(&mut |e| match folded(&e, &cx) {
        Ok(Some(literal)) => literal,
        Ok(None) => e,
        Err(error) => {
            failure.get_or_insert(error);
            e
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(folded),
    }
}

/// What a comparison of something with itself is, where it is not null: Flink's planner says so
/// without looking at the values, also of `NaN`.
fn of_itself(expr: &Expr) -> Option<bool> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [a, b] = args.as_slice() else { return None };
    let holds = match function.name.as_str() {
        "=" | "<=" | ">=" => true,
        "<>" | "<" | ">" => false,
        _ => return None,
    };
    let mut deterministic = true;
    a.visit(&mut |e| {
        if let Expr::Call { function, .. } = e {
            deterministic &= is_deterministic(function);
        }
    });
    (a == b && !a.ty().nullable && deterministic).then_some(holds)
}

/// The literal that an expression amounts to, its arguments being literals.
fn folded(expr: &Expr, cx: &CompileContext) -> Result<Option<Expr>> {
    if let Some(truth) = of_itself(expr) {
        return Ok(Some(Expr::literal(Value::Boolean(truth), expr.ty().clone())));
    }
    if !is_foldable(expr) {
        return Ok(None);
    }
    let compiled = compile(expr, cx)?;
    let value = compiled.constant().and_then(|array| value_at(array, 0, expr.ty()).ok());
    Ok(value.map(|value| Expr::Literal { value, ty: expr.ty().clone() }))
}

fn is_foldable(expr: &Expr) -> bool {
    let deterministic = match expr {
        Expr::Column { .. } | Expr::Literal { .. } => return false,
        // A function of a user is called by jobs only.
        Expr::Call { function, .. } => function.user.is_none() && is_deterministic(function),
        _ => true,
    };
    deterministic
        && !expr.ty().kind.is_nested()
        && expr.ty().kind != TypeKind::Null
        && expr.children().iter().all(|c| matches!(c, Expr::Literal { .. }))
}

#[cfg(test)]
mod tests {
    use flott_api::LogicalType;

    use super::*;

    fn int(value: i64) -> Expr {
        Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::Int))
    }

    fn call(name: &str, args: Vec<Expr>) -> Expr {
        Expr::call(name, args, LogicalType::not_null(TypeKind::Int))
    }

    #[test]
    fn a_value_equals_itself() {
        let column = Expr::column(0, LogicalType::not_null(TypeKind::Double));
        let boolean = LogicalType::not_null(TypeKind::Boolean);
        let e = Expr::call("=", vec![column.clone(), column.clone()], boolean.clone());
        assert_eq!(fold_constants(e, "UTC").unwrap(), Expr::literal(Value::Boolean(true), boolean.clone()));
        let nullable = Expr::column(0, LogicalType::new(TypeKind::Double));
        let e = Expr::call("=", vec![nullable.clone(), nullable], boolean);
        assert_eq!(fold_constants(e.clone(), "UTC").unwrap(), e);
    }

    #[test]
    fn constants_fold_and_failures_stay() {
        let column = Expr::column(0, LogicalType::not_null(TypeKind::Int));
        let e = call("+", vec![column.clone(), call("*", vec![int(2), int(3)])]);
        assert_eq!(fold_constants(e, "UTC").unwrap(), call("+", vec![column, int(6)]));
        let failing = call("/", vec![int(1), int(0)]);
        assert_eq!(fold_constants(failing.clone(), "UTC").unwrap(), failing);
    }
}
