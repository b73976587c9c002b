//! Calls by name: scalar functions, and the few functions whose arguments are words; aggregates are in
//! `aggregate_call`.

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::WindowProperty;
use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, ObjectName,
};

use super::expr::{ExprBinder, call};
use super::grouping_sets::is_grouping;
use super::over::needs_over;
use super::{aggregate_call, json, literal, refuse, syntax};
use crate::plan::rel::TimeAttribute;

/// Aggregates that Flink has and we do not.
const UNBUILT: &[&str] = &["approx_count_distinct"];

/// Functions whose first argument is a unit of time.
const TAKES_UNIT: [&str; 2] = ["timestampadd", "timestampdiff"];

impl ExprBinder<'_> {
    /// Types a call.
    pub(super) fn function(&mut self, function: &Function) -> Result<Expr> {
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } =
            function;
        if let Some(found) = self.user_function(name)? {
            return self.user_call(function, &found);
        }
        let name = function_name(name)?;
        refuse::clause(*uses_odbc_syntax, "the ODBC syntax of functions")?;
        refuse::clause(*parameters != FunctionArguments::None, "a call with parameters")?;
        refuse::clause(!within_group.is_empty(), "WITHIN GROUP")?;
        let (args, distinct, clauses) = arguments(args)?;
        if over.is_some() || aggregate_call::is_aggregate(&name) {
            let filter = filter.as_deref();
            let written = aggregate_call::Written { args, distinct, filter, clauses, nulls: *null_treatment };
            return match over {
                Some(over) => self.over(&name, &written, over),
                None => self.aggregate(&name, &written),
            };
        }
        if needs_over(&name) {
            return Err(Error::invalid(format!("function '{}' needs OVER", name.to_uppercase())));
        }
        refuse::clause(null_treatment.is_some(), "IGNORE NULLS and RESPECT NULLS")?;
        if json::has_clauses(&name) && !distinct && filter.is_none() {
            return self.json_call(&name, function, args, clauses);
        }
        if let Some(clause) = clauses.first() {
            return Err(Error::unsupported(clause_name(clause)));
        }
        if is_grouping(&name) {
            return self.grouping(&name, args);
        }
        if UNBUILT.contains(&name.as_str()) {
            return Err(Error::unsupported(format!("function '{}'", name.to_uppercase())));
        }
        if distinct || filter.is_some() {
            return Err(Error::invalid(format!("function '{}' is no aggregate", name.to_uppercase()))
                .with_hint("Only aggregates take DISTINCT and FILTER."));
        }
        if let Some(property) = super::window::group_property(&name) {
            return self.window_property(&name, property, args);
        }
        if TAKES_UNIT.contains(&name.as_str()) {
            return self.call_with_unit(&name, args);
        }
        let args = args.iter().map(|a| argument(a, &name)).collect::<Result<Vec<_>>>()?;
        match name.as_str() {
            "if" => self.if_call(&args),
            "current_watermark" => self.current_watermark(&args),
            _ => self.call_on(&name, &args),
        }
    }

    /// `CURRENT_WATERMARK(ts)`.
    fn current_watermark(&mut self, args: &[&Ast]) -> Result<Expr> {
        let args = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>>>()?;
        let rowtime = |e: &Expr| match e {
            Expr::Column { index, .. } => {
                self.scope.columns.get(*index).is_some_and(|c| c.time == Some(TimeAttribute::Rowtime))
            }
            _ => false,
        };
        if args.len() != 1 || !args.iter().all(rowtime) {
            return Err(Error::invalid("CURRENT_WATERMARK takes a rowtime column")
                .with_hint("Name the column of the table's WATERMARK."));
        }
        call("current_watermark", args)
    }

    /// `TIMESTAMPADD(DAY, 1, t)`.
    fn call_with_unit(&mut self, name: &str, args: &[FunctionArg]) -> Result<Expr> {
        let mut bound = Vec::with_capacity(args.len());
        for (i, arg) in args.iter().enumerate() {
            let ast = argument(arg, name)?;
            bound.push(match ast {
                Ast::Identifier(unit) if i == 0 => literal::string(&unit.value.to_ascii_uppercase()),
                ast => self.bind(ast)?,
            });
        }
        call(name, bound)
    }

    /// `TUMBLE_START(ts, INTERVAL ..)`.
    fn window_property(&mut self, name: &str, property: WindowProperty, args: &[FunctionArg]) -> Result<Expr> {
        let function = name.split('_').next().unwrap_or_default().to_uppercase();
        let args = args.iter().map(|a| self.bind(argument(a, &function)?)).collect::<Result<Vec<_>>>()?;
        let window = self.aggregates.as_ref().and_then(|a| a.group_window.as_ref());
        let Some(window) = window.filter(|w| w.function == function && w.args == args) else {
            return Err(Error::invalid("the window's property has no window")
                .with_hint(format!("GROUP BY {function}(..) with the same arguments.")));
        };
        Ok(window.property(property))
    }
}

/// Whether a name alone is a function of ours, also of those that are not built yet.
pub(in crate::plan) fn is_built_in(name: &str) -> bool {
    is_special(name) || flott_functions::is_known(name)
}

/// Whether a function is refused by name, as it comes later.
pub(in crate::plan) fn is_later(name: &str) -> bool {
    UNBUILT.contains(&name)
}

/// Whether a function is more than a scalar function that is called by name.
pub(in crate::plan) fn is_special(name: &str) -> bool {
    aggregate_call::is_aggregate(name)
        || needs_over(name)
        || is_grouping(name)
        || UNBUILT.contains(&name)
        || TAKES_UNIT.contains(&name)
        || super::window::group_property(name).is_some()
        || matches!(name, "if" | "current_watermark")
}

/// The lower-case name of a built-in function.
pub(super) fn function_name(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] => part
            .as_ident()
            .map(|ident| ident.value.to_lowercase())
            .ok_or_else(|| Error::unsupported(format!("function '{name}'"))),
        _ => Err(Error::invalid(format!("function '{name}' does not exist"))),
    }
}

/// The arguments, whether DISTINCT stands before them, and the clauses behind them.
pub(super) fn arguments(args: &FunctionArguments) -> Result<(&[FunctionArg], bool, &[FunctionArgumentClause])> {
    match args {
        FunctionArguments::None => Ok((&[], false, &[])),
        FunctionArguments::Subquery(_) => Err(Error::unsupported("a subquery as an argument")),
        FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
            let distinct = match duplicate_treatment {
                None | Some(DuplicateTreatment::All) => false,
                Some(DuplicateTreatment::Distinct) => true,
            };
            Ok((args, distinct, clauses))
        }
    }
}

/// What a clause behind the arguments is called.
pub(super) fn clause_name(clause: &FunctionArgumentClause) -> &'static str {
    match clause {
        FunctionArgumentClause::IgnoreOrRespectNulls(_) => "IGNORE NULLS and RESPECT NULLS",
        FunctionArgumentClause::OrderBy(_) => "ORDER BY in a call",
        FunctionArgumentClause::Limit(_) => "LIMIT in a call",
        FunctionArgumentClause::OnOverflow(_) => "ON OVERFLOW",
        FunctionArgumentClause::Having(_) => "HAVING in a call",
        FunctionArgumentClause::Separator(_) => "SEPARATOR",
        FunctionArgumentClause::JsonNullClause(_) => "NULL ON NULL and ABSENT ON NULL",
        FunctionArgumentClause::JsonReturningClause(_) => "RETURNING",
    }
}

/// The expression of an argument by position.
pub(super) fn argument<'a>(arg: &'a FunctionArg, function: &str) -> Result<&'a Ast> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => match syntax::table_operand(expr) {
            None => Ok(expr),
            Some(_) => Err(Error::invalid(format!("function '{}' takes no table", function.to_uppercase()))),
        },
        FunctionArg::Unnamed(_) => Err(Error::invalid(format!("'*' as an argument of '{}'", function.to_uppercase()))
            .with_hint("Only COUNT takes '*'.")),
        FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
            Err(Error::unsupported(format!("a named argument of '{}'", function.to_uppercase())))
        }
    }
}
