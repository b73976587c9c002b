//! The expressions that are Flink's.

use sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DataType, DuplicateTreatment, ExtractSyntax, Function, FunctionArg,
    FunctionArgOperator, FunctionArgumentClause, FunctionArguments, OrderByExpr, UnaryOperator, WindowType,
};

use super::{AccessExpr, Expr, PResult, Span, Spanned, Subscript, allow, check_name, check_names, fail, refuse};
use crate::parser::check::at;

/// Refuses an expression that is not Flink's; what is inside it is looked at on its own.
pub(super) fn check_expr(expr: &Expr) -> PResult<()> {
    match expr {
        Expr::CompoundIdentifier(parts) => check_names(parts),
        Expr::CompoundFieldAccess { root, .. } if matches!(**root, Expr::Value(_)) => {
            Err(refuse("a field of a literal", expr.span()))
        }
        Expr::CompoundFieldAccess { access_chain, .. } => access_chain.iter().try_for_each(|a| check_access(a, expr)),
        Expr::BinaryOp { op, .. } if !is_binary(op) => Err(refuse(&format!("operator {op}"), expr.span())),
        Expr::UnaryOp { op, .. } if !is_unary(op) => Err(refuse(&format!("operator {op}"), expr.span())),
        Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } if !is_comparison(compare_op) => {
            Err(refuse(&format!("operator {compare_op}"), expr.span()))
        }
        Expr::Function(function) => check_function(function, &|| expr.span()),
        Expr::AtTimeZone { .. } => Err(refuse("AT TIME ZONE", expr.span())),
        Expr::Collate { .. } => Err(refuse("COLLATE", expr.span())),
        Expr::JsonAccess { .. } => Err(refuse("access with ':'", expr.span())),
        _ if is_plain(expr) => Ok(()),
        _ => Err(refuse("this expression", expr.span())),
    }
}

/// Expressions that sqlparser reads as Flink does, or that only our hooks make.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Like { any, .. } | Expr::ILike { any, .. } => !any,
        Expr::RLike { regexp, .. } => !regexp,
        Expr::Cast { data_type, array, format, .. } => {
            matches!(data_type, DataType::Custom(..)) && !array && format.is_none()
        }
        Expr::Extract { syntax, .. } => *syntax == ExtractSyntax::From,
        Expr::Ceil { field, .. } | Expr::Floor { field, .. } => matches!(field, CeilFloorKind::DateTimeField(_)),
        Expr::Trim { trim_characters, .. } => trim_characters.is_none(),
        Expr::TypedString(literal) => !literal.uses_odbc_syntax,
        Expr::BinaryOp { .. } | Expr::UnaryOp { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } => true,
        Expr::Identifier(_) | Expr::Prefixed { .. } | Expr::Value(_) | Expr::Nested(_) | Expr::Tuple(_) => true,
        Expr::IsFalse(_) | Expr::IsNotFalse(_) | Expr::IsTrue(_) | Expr::IsNotTrue(_) | Expr::IsNull(_) => true,
        Expr::IsNotNull(_) | Expr::IsUnknown(_) | Expr::IsNotUnknown(_) => true,
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) | Expr::Between { .. } | Expr::SimilarTo { .. } => true,
        Expr::InList { .. } | Expr::InSubquery { .. } | Expr::Exists { .. } | Expr::Subquery(_) => true,
        Expr::Position { .. } | Expr::Substring { .. } | Expr::Overlay { .. } | Expr::Case { .. } => true,
        Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) | Expr::Array(_) | Expr::Interval(_) => true,
        _ => false,
    }
}

fn is_unary(op: &UnaryOperator) -> bool {
    matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq)
}

fn is_binary(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    is_comparison(op)
        || matches!(op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo | Op::StringConcat)
        || matches!(op, Op::And | Op::Or | Op::Overlaps | Op::Custom(_))
}

fn check_access(access: &AccessExpr, whole: &Expr) -> PResult<()> {
    match access {
        AccessExpr::Dot(Expr::Identifier(ident)) => check_name(ident),
        AccessExpr::Subscript(Subscript::Index { .. }) => Ok(()),
        AccessExpr::Subscript(Subscript::Slice { .. }) => Err(refuse("a slice of an array", whole.span())),
        AccessExpr::Dot(Expr::Function(function)) if function.name.to_string().starts_with("__FLOTT") => {
            Err(fail("hint is not allowed here", at(whole.span()), "A hint stands behind a table or SELECT."))
        }
        AccessExpr::Dot(_) => Err(refuse("a field access that is no name", whole.span())),
    }
}

fn check_function(function: &Function, span: &dyn Fn() -> Span) -> PResult<()> {
    let name = &function.name.0;
    if name.last().and_then(|n| n.as_ident()).is_some_and(|n| n.value.starts_with("__FLOTT")) {
        return Err(fail("hint is not allowed here", at(span()), "A hint stands behind a table or SELECT."));
    }
    if name.len() > 1 {
        check_names(name.iter().filter_map(|part| part.as_ident()))?;
    }
    let odbc = function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None);
    allow(!odbc, "this form of a function call", span)?;
    check_arguments(&function.args, span)?;
    function.within_group.iter().try_for_each(|key| check_order(key, span))?;
    match &function.over {
        Some(WindowType::NamedWindow(name)) => check_name(name),
        Some(WindowType::WindowSpec(spec)) => {
            check_names(&spec.window_name)?;
            spec.order_by.iter().try_for_each(|key| check_order(key, span))
        }
        None => Ok(()),
    }
}

fn check_order(key: &OrderByExpr, span: &dyn Fn() -> Span) -> PResult<()> {
    allow(key.with_fill.is_none(), "WITH FILL", span)
}

fn check_arguments(args: &FunctionArguments, span: &dyn Fn() -> Span) -> PResult<()> {
    let list = match args {
        FunctionArguments::None => return Ok(()),
        FunctionArguments::Subquery(_) => return Err(refuse("a query as the only argument", span())),
        FunctionArguments::List(list) => list,
    };
    let treatment =
        matches!(list.duplicate_treatment, None | Some(DuplicateTreatment::Distinct | DuplicateTreatment::All));
    allow(treatment, "this modifier of arguments", span)?;
    for clause in &list.clauses {
        let good = matches!(
            clause,
            FunctionArgumentClause::OrderBy(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::IgnoreOrRespectNulls(_)
        );
        if !good {
            return Err(refuse(&format!("clause {clause} of a function"), span()));
        }
    }
    list.args.iter().try_for_each(|arg| check_argument(arg, span))
}

/// An argument by position, by name (`=>`), or a key and value of `JSON_OBJECT`.
pub(super) fn check_argument(arg: &FunctionArg, span: &dyn Fn() -> Span) -> PResult<()> {
    match arg {
        FunctionArg::Unnamed(_) => Ok(()),
        FunctionArg::Named { name, operator: FunctionArgOperator::RightArrow, .. } => check_name(name),
        FunctionArg::ExprNamed { operator: FunctionArgOperator::Value, .. } => Ok(()),
        _ => Err(refuse(&format!("argument {arg}"), span())),
    }
}
