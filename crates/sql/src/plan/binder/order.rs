//! `ORDER BY`: keys by name, by number and by expression, and where nulls go.

use std::borrow::Cow;
use std::ops::ControlFlow;

use flott_api::expr::Expr;
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::SortField;
use sqlparser::ast::{
    Expr as Ast, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, SelectItem, Spanned, Value as AstValue,
    ValueWithSpan, VisitMut, VisitorMut,
};

use super::{Binder, refuse};
use crate::plan::rel::Rel;
use crate::plan::scope::{Scope, at_span};

/// A relation with the keys by which it is to be ordered.
pub(super) struct Ordered {
    pub(super) rel: Rel,
    /// So many columns are the result; those behind them are keys that it does not have.
    pub(super) width: usize,
    pub(super) keys: Vec<SortField>,
}

/// The keys of an `ORDER BY`.
pub(super) fn sort_keys(order_by: Option<&OrderBy>) -> Result<&[OrderByExpr]> {
    let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(&[]) };
    refuse::clause(interpolate.is_some(), "INTERPOLATE")?;
    match kind {
        OrderByKind::Expressions(keys) => Ok(keys),
        OrderByKind::All(_) => Err(Error::unsupported("ORDER BY ALL")),
    }
}

/// A column in the direction of a key. As in Flink, nulls are small: they come first, and last in descending order.
pub(super) fn field_of(key: &OrderByExpr, column: usize) -> Result<SortField> {
    let OrderByExpr { expr: _, options: OrderByOptions { asc, nulls_first }, with_fill } = key;
    refuse::clause(with_fill.is_some(), "WITH FILL")?;
    let descending = *asc == Some(false);
    let nulls_last = nulls_first.map_or(descending, |first| !first);
    Ok(SortField { column, descending, nulls_last })
}

/// Refuses what has no order.
pub(super) fn need_order(ty: &LogicalType, ast: &Ast) -> Result<()> {
    let has_order = ty.kind.is_numeric()
        || ty.kind.is_character()
        || ty.kind.is_interval()
        || ty.kind.is_timestamp()
        || matches!(
            ty.kind,
            TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_) | TypeKind::Binary(_) | TypeKind::Varbinary(_)
        );
    if has_order {
        return Ok(());
    }
    Err(at_span(Error::unsupported(format!("an order by values of type {}", ty.kind)), ast.span()))
}

/// The column of the result that a number stands for.
pub(super) fn ordinal(ast: &Ast, width: usize) -> Result<Option<usize>> {
    let Ast::Value(ValueWithSpan { value: AstValue::Number(text, false), .. }) = ast else { return Ok(None) };
    let number = text.parse::<usize>().ok().filter(|n| (1..=width).contains(n));
    let number = number.ok_or_else(|| {
        let error = Error::invalid(format!("ORDER BY has the number {text}, and the result {width} columns"));
        at_span(error, ast.span())
    })?;
    Ok(Some(number - 1))
}

/// What the aliases of a list stand for.
#[derive(Default)]
pub(super) struct Aliases<'a>(Vec<(&'a str, &'a Ast)>);

impl<'a> Aliases<'a> {
    pub(super) fn of(items: &'a [Cow<'_, SelectItem>]) -> Self {
        let alias = |item: &'a Cow<'_, SelectItem>| match item.as_ref() {
            SelectItem::ExprWithAlias { expr, alias } => Some((alias.value.as_str(), expr)),
            _ => None,
        };
        Aliases(items.iter().filter_map(alias).collect())
    }

    /// The expression with what the aliases in it stand for.
    pub(super) fn expanded<'e>(&self, ast: &'e Ast) -> Cow<'e, Ast> {
        if self.0.is_empty() {
            return Cow::Borrowed(ast);
        }
        let mut expanded = ast.clone();
        let mut expansion = Expansion { aliases: self };
        let visited = VisitMut::visit(&mut expanded, &mut expansion);
        debug_assert!(visited.is_continue(), "it never breaks off");
        Cow::Owned(expanded)
    }
}

struct Expansion<'a> {
    aliases: &'a Aliases<'a>,
}

impl VisitorMut for Expansion<'_> {
    type Break = ();

    /// Behind the parts of an expression, so that what is put in is not expanded again.
    fn post_visit_expr(&mut self, expr: &mut Ast) -> ControlFlow<()> {
        if let Ast::Identifier(name) = expr
            && let Some((_, meant)) = self.aliases.0.iter().find(|(alias, _)| *alias == name.value)
        {
            *expr = Ast::Nested(Box::new((*meant).clone()));
        }
        ControlFlow::Continue(())
    }
}

impl Binder<'_> {
    /// The keys of an order over the columns of a result, which gets columns for those that are computed.
    pub(super) fn ordered_result(&self, rel: Rel, keys: &[OrderByExpr]) -> Result<Ordered> {
        let (width, scope) = (rel.columns.len(), Scope::of_columns(rel.columns.clone()));
        let (mut computed, mut fields): (Vec<(Expr, String)>, Vec<SortField>) = (Vec::new(), Vec::new());
        for key in keys {
            let column = match ordinal(&key.expr, width)? {
                Some(column) => column,
                None => match self.exprs(&scope, "ORDER BY").bind(&key.expr)? {
                    Expr::Column { index, .. } => index,
                    expr => {
                        need_order(expr.ty(), &key.expr)?;
                        computed.push((expr, format!("$f{}", width + computed.len())));
                        width + computed.len() - 1
                    }
                },
            };
            if let Some(column) = rel.columns.get(column) {
                need_order(&column.ty, &key.expr)?;
            }
            fields.push(field_of(key, column)?);
        }
        if computed.is_empty() {
            return Ok(Ordered { rel, width, keys: fields });
        }
        let own = (0..width).map(|c| (rel.column(c), rel.columns[c].name.clone()));
        let exprs = own.chain(computed).collect();
        Ok(Ordered { rel: rel.project(exprs), width, keys: fields })
    }
}
