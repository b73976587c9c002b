//! Typed expressions from parsed pieces: arguments are resolved and cast as a planner does it.

use crate::{
    CompileContext, common_type, compile, explicit_cast, function_names, literal_array, resolve_with_literals,
};
use arrow_array::ArrayRef;
use flott_api::expr::{Expr, Value};
use flott_api::{LogicalType, TypeKind};

/// Why an expression has no answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Flott refuses it.
    Refused(String),
    /// This reader does not know the syntax.
    Skipped(String),
}

impl From<flott_api::Error> for Stop {
    fn from(e: flott_api::Error) -> Self {
        Stop::Refused(e.to_string())
    }
}

pub(crate) type Bound = Result<Expr, Stop>;

/// Collects the values that stand as columns.
#[derive(Default)]
pub(crate) struct Binder {
    pub(crate) columns: Vec<ArrayRef>,
}

impl Binder {
    /// `V(x)`: the value of x as a column.
    pub(crate) fn column(&mut self, expr: Expr) -> Bound {
        let ty = expr.ty().clone();
        let compiled = compile(&expr, &CompileContext::default())?;
        let rows = arrow_array::RecordBatch::try_new_with_options(
            std::sync::Arc::new(arrow_schema::Schema::empty()),
            Vec::new(),
            &arrow_array::RecordBatchOptions::new().with_row_count(Some(1)),
        );
        let array = compiled.evaluate(&rows.unwrap(), &Default::default())?;
        self.columns.push(array);
        Ok(Expr::column(self.columns.len() - 1, ty))
    }

    /// A call with the casts that it needs.
    pub(crate) fn call(&self, name: &str, args: Vec<Expr>) -> Bound {
        let types: Vec<_> = args.iter().map(|a| a.ty().clone()).collect();
        let literals: Vec<_> = args.iter().map(literal).collect();
        let literals: Vec<_> = literals.iter().map(Option::as_ref).collect();
        let resolved = match resolve_with_literals(name, &types, &literals) {
            Ok(resolved) => resolved,
            Err(e) if e.message().contains("not supported yet") && !function_names().contains(&name) => {
                return Err(Stop::Skipped(e.to_string()));
            }
            Err(e) => return Err(e.into()),
        };
        let args = args.into_iter().zip(resolved.args).map(|(a, ty)| coerced(a, ty)).collect();
        Ok(Expr::Call { function: resolved.id, args, ty: resolved.ty })
    }

    pub(crate) fn cast(&self, input: Expr, to: TypeKind, try_cast: bool) -> Bound {
        let ty = LogicalType { kind: to, nullable: try_cast || input.ty().nullable };
        explicit_cast(input.ty(), &ty, try_cast)?;
        Ok(Expr::Cast { input: Box::new(input), ty, try_cast })
    }

    pub(crate) fn case(&self, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Bound {
        let otherwise = otherwise.unwrap_or_else(null);
        let types: Vec<_> = branches.iter().map(|(_, r)| r.ty()).chain([otherwise.ty()]).collect();
        let ty = common_type(&types).filter(|t| t.kind != TypeKind::Null);
        let ty = ty.ok_or_else(|| Stop::Refused("illegal mixing of types in CASE".into()))?;
        if branches.iter().any(|(c, _)| c.ty().kind != TypeKind::Boolean) {
            return Err(Stop::Refused("expected a boolean type".into()));
        }
        let branches = branches.into_iter().map(|(c, r)| (c, coerced(r, ty.clone()))).collect();
        Ok(Expr::Case { branches, otherwise: Box::new(coerced(otherwise, ty.clone())), ty })
    }
}

fn literal(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal { value, .. } => Some(value.clone()),
        Expr::Call { function, args, .. } if function.name == "negate" => match literal(&args[0]) {
            Some(Value::Int(i)) => Some(Value::Int(-i)),
            _ => None,
        },
        _ => None,
    }
}

fn coerced(expr: Expr, ty: LogicalType) -> Expr {
    if expr.ty().kind == ty.kind {
        return expr;
    }
    let ty = ty.with_nullable(expr.ty().nullable);
    Expr::Cast { input: Box::new(expr), ty, try_cast: false }
}

pub(crate) fn null() -> Expr {
    Expr::literal(Value::Null, LogicalType::new(TypeKind::Null))
}

pub(crate) fn constant(value: Value, kind: TypeKind) -> Bound {
    let ty = LogicalType::not_null(kind);
    literal_array(&value, &ty, 1)?;
    Ok(Expr::literal(value, ty))
}

/// The type as Flink's summary shows it.
pub(crate) fn shown_type(ty: &LogicalType) -> String {
    ty.to_string()
        .replace("INTERVAL DAY TO SECOND(3)", "INTERVAL SECOND(3)")
        .replace("INTERVAL YEAR TO MONTH", "INTERVAL MONTH")
}
