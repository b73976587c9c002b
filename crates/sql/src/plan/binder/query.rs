//! A query: `WITH`, its body, `ORDER BY`, `LIMIT`, `OFFSET` and `FETCH`.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result};
use sqlparser::ast::{
    Cte, Expr as Ast, Fetch, Ident, LimitClause, Offset, OrderByExpr, Query, SetExpr, Spanned, TableAlias,
    TableAliasColumnDef, With,
};

use super::order::{Ordered, sort_keys};
use super::{Binder, refuse};
use crate::parser::ast::ident_location;
use crate::plan::rel::{Rel, Sort};
use crate::plan::scope::{Scope, at_span};

impl Binder<'_> {
    /// Binds a query inside of another one. Its order means nothing there, but for which rows a `LIMIT` takes.
    pub(super) fn bind_query(&self, query: &Query) -> Result<Rel> {
        self.bind_within(query, false)
    }

    /// Binds the query of a statement, whose rows come in its order.
    pub(super) fn bind_whole(&self, query: &Query) -> Result<Rel> {
        self.bind_within(query, true)
    }

    /// The queries of its `WITH` are known inside only.
    fn bind_within(&self, query: &Query, keep_order: bool) -> Result<Rel> {
        let known = self.with.borrow().len();
        let bound = self.bind_with(query, keep_order);
        self.with.borrow_mut().truncate(known);
        bound
    }

    fn bind_with(&self, query: &Query, keep_order: bool) -> Result<Rel> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        refuse::clause(!locks.is_empty(), "FOR UPDATE and FOR SHARE")?;
        refuse::clause(for_clause.is_some(), "FOR XML and FOR JSON")?;
        refuse::clause(settings.is_some(), "SETTINGS")?;
        refuse::clause(format_clause.is_some(), "FORMAT")?;
        refuse::clause(!pipe_operators.is_empty(), "'|>'")?;
        if let Some(With { with_token: _, recursive, cte_tables }) = with {
            refuse::clause(*recursive, "WITH RECURSIVE")?;
            cte_tables.iter().try_for_each(|cte| self.bind_cte(cte))?;
        }
        let keys = sort_keys(order_by.as_ref())?;
        let limit = self.bind_limit(limit_clause.as_ref(), fetch.as_ref())?;
        if keys.is_empty() {
            let rel = match keep_order {
                true => self.bind_whole_body(body)?,
                false => self.bind_body(body)?,
            };
            return Ok(match limit {
                Some((offset, rows)) => rel.limit(offset, rows),
                None => rel,
            });
        }
        let Ordered { rel, width, keys } = self.bind_ordered(body, keys)?;
        let rel = if keep_order || limit.is_some() { rel.sort(Sort { order: keys, limit }) } else { rel };
        let all = rel.columns.len();
        Ok(if width == all { rel } else { rel.pick(&(0..width).collect::<Vec<_>>()) })
    }

    /// The body of the query of a statement: another query in parentheses is that query.
    fn bind_whole_body(&self, body: &SetExpr) -> Result<Rel> {
        match body {
            SetExpr::Query(query) => self.deeper(|| self.bind_whole(query)),
            body => self.bind_body(body),
        }
    }

    /// A body and the keys of its order, which may be columns that a SELECT does not give.
    fn bind_ordered(&self, body: &SetExpr, keys: &[OrderByExpr]) -> Result<Ordered> {
        match body {
            SetExpr::Select(select) => self
                .deeper(|| self.bind_ordered_select(select, keys))
                .map_err(|e| at_span(e, select.select_token.0.span)),
            body => self.ordered_result(self.bind_body(body)?, keys),
        }
    }

    fn bind_cte(&self, cte: &Cte) -> Result<()> {
        let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
        refuse::clause(from.is_some(), "FROM behind a query of WITH")?;
        refuse::clause(materialized.is_some(), "MATERIALIZED")?;
        let rel = self.bounded(renamed(self.bind_query(query)?, alias)?)?;
        self.with.borrow_mut().push((alias.name.value.clone(), rel));
        Ok(())
    }

    /// The body of a query.
    pub(super) fn bind_body(&self, body: &SetExpr) -> Result<Rel> {
        self.deeper(|| self.bind_body_here(body))
    }

    fn bind_body_here(&self, body: &SetExpr) -> Result<Rel> {
        match body {
            SetExpr::Select(select) => self.bind_select(select).map_err(|e| at_span(e, select.select_token.0.span)),
            SetExpr::Query(query) => self.bind_query(query),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                self.bind_set_operation(left, *op, *set_quantifier, right)
            }
            SetExpr::Values(values) => self.bind_values(values),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Error::unsupported("a statement that writes inside a query"))
            }
            SetExpr::Table(_) => Err(Error::unsupported("TABLE as a query").with_hint("Write SELECT * FROM.")),
        }
    }

    /// How many rows are skipped, and how many come then.
    pub(super) fn bind_limit(&self, limit: Option<&LimitClause>, fetch: Option<&Fetch>) -> Result<Option<(u64, u64)>> {
        let (mut rows, mut offset) = (None, None);
        match limit {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset: skipped, limit_by }) => {
                refuse::clause(!limit_by.is_empty(), "LIMIT BY")?;
                rows = limit.as_ref();
                offset = skipped.as_ref().map(|Offset { value, rows: _ }| value);
            }
            Some(LimitClause::OffsetCommaLimit { offset: skipped, limit }) => {
                (rows, offset) = (Some(limit), Some(skipped));
            }
        }
        if let Some(Fetch { with_ties, percent, quantity }) = fetch {
            refuse::clause(*with_ties, "WITH TIES")?;
            refuse::clause(*percent, "FETCH with PERCENT")?;
            if rows.is_some() {
                return Err(Error::invalid("LIMIT and FETCH in one query").with_hint("Use one of them."));
            }
            let Some(quantity) = quantity else { return self.limited(offset, Some(1)) };
            rows = Some(quantity);
        }
        let rows = rows.map(|r| self.row_count(r)).transpose()?;
        self.limited(offset, rows)
    }

    fn limited(&self, offset: Option<&Ast>, rows: Option<u64>) -> Result<Option<(u64, u64)>> {
        let skip = offset.map(|o| self.row_count(o)).transpose()?.unwrap_or(0);
        match (rows, offset) {
            (Some(rows), _) => Ok(Some((skip, rows))),
            (None, None) => Ok(None),
            (None, Some(offset)) => {
                Err(at_span(Error::unsupported("OFFSET without LIMIT").with_hint("Add a LIMIT."), offset.span()))
            }
        }
    }

    fn row_count(&self, ast: &Ast) -> Result<u64> {
        let bound = self.expression(ast, &Scope::default(), "LIMIT")?;
        match bound {
            Expr::Literal { value: Value::Int(rows), .. } if rows >= 0 => Ok(rows as u64),
            _ => Err(at_span(
                Error::invalid("the number of rows must be a whole number that is not negative"),
                ast.span(),
            )),
        }
    }
}

/// The relation under an alias: `AS t (a, b)` renames its columns.
pub(super) fn renamed(rel: Rel, alias: &TableAlias) -> Result<Rel> {
    let TableAlias { explicit: _, name, columns, at } = alias;
    refuse::clause(at.is_some(), "AT behind an alias")?;
    if columns.is_empty() {
        return Ok(rel);
    }
    let names = columns.iter().map(|c| column_name(c).map(|n| n.value.clone())).collect::<Result<Vec<_>>>()?;
    if names.len() != rel.columns.len() {
        return Err(Error::invalid(format!(
            "alias '{}' has {} columns, but the query has {}",
            name.value,
            names.len(),
            rel.columns.len()
        ))
        .at(ident_location(name)));
    }
    Ok(rel.renamed(&names))
}

fn column_name(column: &TableAliasColumnDef) -> Result<&Ident> {
    let TableAliasColumnDef { name, data_type } = column;
    refuse::clause(data_type.is_some(), "a type in an alias")?;
    Ok(name)
}
