//! Names, literals and expressions as Flink prints them: every name in backticks, built-in functions in capitals.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use flott_api::Result;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, TableFactor, Visit, VisitMut,
    Visitor, VisitorMut,
};

use crate::parser::ast::view::expr_sql;
use crate::parser::parse_expression;

/// Functions whose first argument is a unit of time, not a column.
const TAKES_UNIT: [&str; 2] = ["TIMESTAMPADD", "TIMESTAMPDIFF"];

/// Words that stand in an expression like a column and are none.
const WORDS: [&str; 2] = ["UNKNOWN", "DEFAULT"];

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Names in backticks, with commas between.
pub(super) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An expression as a catalog keeps it.
pub(super) fn expression(expr: &Expr) -> String {
    let mut expr = expr.clone();
    quote_names(&mut expr);
    expr_sql(&expr)
}

/// Puts columns and aliases of a tree in backticks and its functions in capitals.
pub(super) fn quote_names<T: VisitMut>(tree: &mut T) {
    let ControlFlow::Continue(()) = tree.visit(&mut Quote);
}

/// The columns that an expression of a catalog reads.
///
/// # Errors
/// If the text is no expression.
pub(super) fn columns_of(expression: &str) -> Result<BTreeSet<String>> {
    let expr = parse_expression(expression)?;
    let mut columns = Columns(BTreeSet::new());
    let ControlFlow::Continue(()) = expr.visit(&mut columns);
    Ok(columns.0)
}

/// Whether an identifier is a name that the user wrote: words that the parser makes up have no place.
fn is_name(ident: &Ident) -> bool {
    ident.quote_style.is_some()
        || (ident.span.start.line > 0 && !WORDS.iter().any(|w| ident.value.eq_ignore_ascii_case(w)))
}

fn quote(ident: &mut Ident) {
    if is_name(ident) {
        ident.quote_style = Some('`');
    }
}

/// The unit that is the first argument of a call, if the function takes one.
pub(super) fn unit(expr: &mut Expr) -> Option<&mut Ident> {
    let Expr::Function(call) = expr else { return None };
    let name = call.name.to_string().to_uppercase();
    let FunctionArguments::List(list) = &mut call.args else { return None };
    match list.args.first_mut() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(unit)))) => {
            TAKES_UNIT.contains(&name.as_str()).then_some(unit)
        }
        _ => None,
    }
}

struct Quote;

impl VisitorMut for Quote {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                quote(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = factor
            && let Some(alias) = alias
        {
            quote(&mut alias.name);
            alias.columns.iter_mut().for_each(|column| quote(&mut column.name));
        }
        ControlFlow::Continue(())
    }

    /// After what is inside, so that a unit can be taken back.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Some(unit) = unit(expr) {
            unit.quote_style = None;
        }
        match expr {
            Expr::Identifier(ident) => quote(ident),
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(quote),
            Expr::Function(call) => {
                if let [sqlparser::ast::ObjectNamePart::Identifier(name)] = call.name.0.as_mut_slice()
                    && name.quote_style.is_none()
                {
                    name.value = name.value.to_uppercase();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

struct Columns(BTreeSet<String>);

impl Visitor for Columns {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let name = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        if let Some(name) = name.filter(|name| is_name(name)) {
            self.0.insert(name.value.clone());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_printed_as_flink_does() {
        let text = |sql: &str| expression(&parse_expression(sql).unwrap());
        assert_eq!(text("price * 2"), "`price` * 2");
        assert_eq!(text("ts - interval '5' second"), "`ts` - INTERVAL '5' SECOND");
        assert_eq!(text("upper(r.x)"), "UPPER(`r`.`x`)");
        assert_eq!(text("proctime()"), "PROCTIME()");
        assert_eq!(text("timestampdiff(DAY, a, b)"), "TIMESTAMPDIFF(DAY, `a`, `b`)");
        assert_eq!(text("cast(`odd``name` as string)"), "CAST(`odd``name` AS STRING)");
        assert_eq!(text("a is unknown"), "`a` IS UNKNOWN");
        assert_eq!(text("CASE WHEN a > 1 THEN 'x' ELSE b END"), "CASE WHEN `a` > 1 THEN 'x' ELSE `b` END");
    }

    #[test]
    fn what_is_printed_reads_back_to_the_same() {
        for sql in ["a + b * c", "UPPER(`r`.`x`) || 'it''s'", "TIMESTAMPADD(HOUR, 1, ts)", "a BETWEEN 1 AND 2"] {
            let once = expression(&parse_expression(sql).unwrap());
            assert_eq!(expression(&parse_expression(&once).unwrap()), once);
        }
    }

    #[test]
    fn columns() {
        let names = |sql: &str| columns_of(sql).unwrap().into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names("`a` + UPPER(`r`.`x`)"), "a r");
        assert_eq!(names("PROCTIME()"), "");
    }
}
