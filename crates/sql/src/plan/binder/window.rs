//! Windows: the table function `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL ..)`, and the older `GROUP BY TUMBLE(ts, ..)`.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::{WindowKind, WindowProperty};
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::aggregate::GroupWindow;
use super::call::function_name;
use super::expr::ExprBinder;
use super::{Binder, refuse};
use crate::parser::ast::view::{TableArg, TableCall};
use crate::plan::rel::{Rel, TimeAttribute};
use crate::plan::scope::{Scope, at_span};

/// The parameters of `TUMBLE`, in order.
const TUMBLE_PARAMETERS: [&str; 4] = ["DATA", "TIMECOL", "SIZE", "OFFSET"];

/// The property that a function of the older syntax gives.
pub(super) fn group_property(name: &str) -> Option<WindowProperty> {
    match name {
        "tumble_start" => Some(WindowProperty::Start),
        "tumble_end" => Some(WindowProperty::End),
        "tumble_rowtime" | "tumble_proctime" => Some(WindowProperty::Time),
        _ => None,
    }
}

/// The call, if a key of GROUP BY is a window of the older syntax.
pub(super) fn group_window(ast: &Ast) -> Option<&Function> {
    let Ast::Function(function) = ast else { return None };
    let name = function_name(&function.name).ok()?;
    matches!(name.as_str(), "tumble" | "hop" | "session").then_some(function)
}

impl Binder<'_> {
    /// `GROUP BY TUMBLE(ts, INTERVAL ..)`: the rows with their window, and the window's columns.
    pub(super) fn bind_group_window(&self, rel: Rel, scope: &Scope, call: &Function) -> Result<(Rel, GroupWindow)> {
        let name = function_name(&call.name)?;
        refuse::clause(name != "tumble", &format!("GROUP BY {}", name.to_uppercase()))?;
        let FunctionArguments::List(list) = &call.args else {
            return Err(Error::invalid("TUMBLE has no arguments"));
        };
        let mut binder = ExprBinder::new(scope, "GROUP BY");
        let args = list
            .args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => binder.bind(expr),
                _ => Err(Error::invalid("TUMBLE takes a time column and an interval")),
            })
            .collect::<Result<Vec<_>>>()?;
        let [time, size] = args.as_slice() else {
            return Err(Error::invalid(format!("TUMBLE takes 2 arguments, not {}", args.len()))
                .with_hint("Write TUMBLE(ts, INTERVAL '10' MINUTE)."));
        };
        let time = match time {
            Expr::Column { index, .. } => time_column(&rel, *index)?,
            _ => return Err(no_time_attribute("the first argument of TUMBLE")),
        };
        let window = tumble(milliseconds(size, "size")?, 0)?;
        let first = rel.columns.len();
        let rel = rel.windowed(time, window);
        let columns = [rel.column(first), rel.column(first + 1), rel.column(first + 2)];
        Ok((rel, GroupWindow { args, columns }))
    }

    /// A table function in FROM.
    pub(super) fn bind_table_function(&self, call: &TableCall<'_>) -> Result<Rel> {
        let name = function_name(call.name)?.to_uppercase();
        if let Some(rel) = self.bind_changelog_function(&name, call)? {
            return Ok(rel);
        }
        if name != "TUMBLE" {
            return Err(Error::unsupported(format!("table function '{name}'")));
        }
        let [data, time, size, offset] = parameters(call.args)?;
        let missing = |parameter: &str| {
            Error::invalid(format!("TUMBLE has no argument {parameter}"))
                .with_hint("Write TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE).")
        };
        let rel = self.table_argument(data.ok_or_else(|| missing("DATA"))?)?;
        let time = self.descriptor(&rel, time.ok_or_else(|| missing("TIMECOL"))?)?;
        let size = self.interval(size.ok_or_else(|| missing("SIZE"))?, "size")?;
        let offset = offset.map_or(Ok(0), |o| self.interval(o, "offset"))?;
        Ok(rel.windowed(time, tumble(size, offset)?))
    }

    fn table_argument(&self, ast: &Ast) -> Result<Rel> {
        if let Ast::Subquery(query) = ast {
            return self.bind_query(query);
        }
        let Some(TableArg { table, partition_by, order_by }) = TableArg::of(ast) else {
            let error =
                Error::invalid("the first argument of TUMBLE is no table").with_hint("Write TABLE before its name.");
            return Err(at_span(error, ast.span()));
        };
        refuse::clause(!partition_by.is_empty(), "PARTITION BY in TUMBLE")?;
        refuse::clause(!order_by.is_empty(), "ORDER BY in TUMBLE")?;
        let rel = self.relation(&table, &[])?.0;
        let all: Vec<usize> = (0..rel.columns.len()).collect();
        Ok(rel.pick(&all))
    }

    /// The position of the time column that `DESCRIPTOR(ts)` names.
    fn descriptor(&self, rel: &Rel, ast: &Ast) -> Result<usize> {
        let wrong = || {
            let error = Error::invalid("the time column of TUMBLE must be a DESCRIPTOR of one column");
            at_span(error.with_hint("Write DESCRIPTOR(ts)."), ast.span())
        };
        let Ast::Function(Function { name, args: FunctionArguments::List(list), .. }) = ast else {
            return Err(wrong());
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(column)))] = list.args.as_slice() else {
            return Err(wrong());
        };
        if function_name(name)? != "descriptor" {
            return Err(wrong());
        }
        self.named_time_column(rel, column)
    }

    fn named_time_column(&self, rel: &Rel, column: &Ident) -> Result<usize> {
        let scope = Scope::of_columns(rel.columns.clone());
        match scope.resolve(std::slice::from_ref(column))? {
            Expr::Column { index, .. } => time_column(rel, index).map_err(|e| at_span(e, column.span)),
            _ => Err(Error::internal("a descriptor is no column")),
        }
    }

    fn interval(&self, ast: &Ast, what: &str) -> Result<i64> {
        let bound = self.expression(ast, &Scope::default(), "TUMBLE")?;
        milliseconds(&bound, what).map_err(|e| at_span(e, ast.span()))
    }
}

/// The arguments in the order of [`TUMBLE_PARAMETERS`], by position or by name.
fn parameters(args: &[FunctionArg]) -> Result<[Option<&Ast>; 4]> {
    let mut found = [None; 4];
    for (position, arg) in args.iter().enumerate() {
        let (slot, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(position), expr),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), operator: _ } => {
                let slot = TUMBLE_PARAMETERS.iter().position(|p| name.value.eq_ignore_ascii_case(p));
                (slot, expr)
            }
            other => return Err(Error::invalid(format!("'{other}' is no argument of TUMBLE"))),
        };
        let Some(place) = slot.and_then(|s| found.get_mut(s)) else {
            let error = Error::invalid(format!("'{arg}' is one argument too many for TUMBLE"))
                .with_hint(format!("Its parameters are {}.", TUMBLE_PARAMETERS.join(", ")));
            return Err(at_span(error, arg.span()));
        };
        if place.replace(expr).is_some() {
            return Err(at_span(Error::invalid("an argument of TUMBLE is given twice"), arg.span()));
        }
    }
    Ok(found)
}

fn time_column(rel: &Rel, index: usize) -> Result<usize> {
    match rel.columns.get(index).and_then(|c| c.time) {
        Some(TimeAttribute::Rowtime | TimeAttribute::Proctime) => Ok(index),
        None => {
            let name = rel.columns.get(index).map_or("", |c| c.name.as_str());
            Err(no_time_attribute(&format!("column '{name}'")))
        }
    }
}

fn no_time_attribute(what: &str) -> Error {
    Error::invalid(format!("{what} is no time attribute")).with_hint(
        "A window needs a column with a WATERMARK, or one that is PROCTIME(); an expression over such a column is none.",
    )
}

/// A constant interval in milliseconds.
fn milliseconds(expr: &Expr, what: &str) -> Result<i64> {
    match expr {
        Expr::Literal { value: Value::Int(ms), ty } if ty.kind == TypeKind::IntervalDayTime => Ok(*ms),
        _ => Err(Error::invalid(format!("the {what} of a window must be an interval of days to seconds"))
            .with_hint("Write INTERVAL '10' MINUTE.")),
    }
}

fn tumble(size_ms: i64, offset_ms: i64) -> Result<WindowKind> {
    if size_ms <= 0 {
        return Err(Error::invalid("the size of a window must be positive"));
    }
    if offset_ms.checked_abs().is_none_or(|offset| offset >= size_ms) {
        return Err(Error::invalid("the offset of a window must be shorter than the window"));
    }
    Ok(WindowKind::Tumble { size_ms, offset_ms })
}
