//! Queries over the rows of another one, without the correlation: their rows, and what makes them those of an outer row.
//!
//! Where outer values are only compared by `=`, the other side of each comparison tells for which outer rows a row is.
//! Otherwise the distinct outer values are joined with the rows, and tell it themselves. Either way these are columns,
//! which the query groups by, beside its own keys.

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::{JoinKind, RankRange};
use sqlparser::ast::{
    Expr as Ast, GroupByExpr, Ident, LimitClause, OrderByExpr, Query, Select, SelectItem, SetExpr, Spanned,
};

use super::{Inner, aggregates, has_over, shifted, unshifted};
use crate::plan::binder::order::{Ordered, sort_keys};
use crate::plan::binder::{Binder, call, combine, refuse};
use crate::plan::optimize::remapped;
use crate::plan::rel::{Rank, Rel};
use crate::plan::scope::{Scope, at_span};

/// What a column is called that tells for which outer rows a row is; nobody writes such a name.
const KEY: &str = "$key";

/// What an outer row and its rows have in common.
pub(super) struct Pair {
    /// Of the outer row.
    pub(super) outer: Expr,
    /// Of its rows.
    pub(super) own: Expr,
    /// Whether it is the outer value itself, so that a null is one, too.
    is_outer: bool,
}

impl Pair {
    /// A pair by equality.
    pub(super) fn equal(outer: Expr, own: Expr) -> Self {
        Pair { outer, own, is_outer: false }
    }

    /// The comparison of the outer row with a column that has the value of its rows.
    pub(super) fn compared(&self, column: Expr) -> Result<Expr> {
        let equal = if self.is_outer && self.outer.ty().nullable { "is not distinct from" } else { "=" };
        call(equal, vec![self.outer.clone(), column])
    }
}

/// Rows, and by what they belong to outer ones.
pub(super) struct Paired {
    pub(super) rel: Rel,
    pub(super) pairs: Vec<Pair>,
}

/// What a query answers to all outer rows.
pub(in crate::plan::binder) struct Answers {
    /// What it selects, then what tells for which outer rows.
    pub(in crate::plan::binder) rel: Rel,
    /// How many columns it selects.
    pub(in crate::plan::binder) items: usize,
    /// Whether an outer row has one answer at most.
    pub(super) is_single: bool,
    pub(super) pairs: Vec<Pair>,
}

impl Answers {
    /// What must hold of an outer row and its answer, over both.
    pub(in crate::plan::binder) fn conditions(&self, outer_width: usize) -> Result<Vec<Expr>> {
        let column = |k: usize| shifted(self.rel.column(self.items + k), outer_width);
        self.pairs.iter().enumerate().map(|(k, pair)| pair.compared(column(k))).collect()
    }
}

/// A SELECT and which of its rows come.
struct Limited<'q> {
    select: &'q Select,
    order_by: &'q [OrderByExpr],
    /// The numbers of the first and the last row.
    limit: Option<(u64, u64)>,
}

/// The rows without the conditions that read outer columns, with those; all others have been applied.
pub(super) fn own_applied(rel: Rel, conditions: Vec<Expr>, outer_width: usize) -> Result<(Rel, Vec<Expr>)> {
    let reads_outer = |e: &Expr| e.columns().iter().any(|c| *c < outer_width);
    let (of_both, own): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(reads_outer);
    let rel = if own.is_empty() { rel } else { rel.filter(unshifted(combine("and", own)?, outer_width)) };
    Ok((rel, of_both))
}

/// The rows of a query, by what they belong to outer ones; the conditions are over the outer columns and its own.
pub(super) fn paired(left: &Rel, rel: Rel, conditions: Vec<Expr>) -> Result<Paired> {
    let width = left.columns.len();
    let equated = |e: &Expr| equated(e, width);
    if let Some(pairs) = conditions.iter().map(equated).collect::<Option<Vec<_>>>() {
        let pair = |(outer, own, is_outer)| Pair { outer, own: unshifted(own, width), is_outer };
        return Ok(Paired { rel, pairs: pairs.into_iter().map(pair).collect() });
    }
    let mut outer: Vec<usize> = conditions.iter().flat_map(Expr::columns).filter(|c| *c < width).collect();
    outer.sort_unstable();
    outer.dedup();
    let values = left.clone().pick(&outer).aggregate((0..outer.len()).collect(), Vec::new());
    let first = rel.columns.len();
    let place = |c: usize| outer.iter().position(|o| *o == c).map_or(c.saturating_sub(width), |i| first + i);
    let condition = remapped(combine("and", conditions)?, &place);
    let rel = rel.join(values, JoinKind::Inner, Some(condition));
    let pair = |(i, c): (usize, &usize)| Pair { outer: left.column(*c), own: rel.column(first + i), is_outer: true };
    let pairs = outer.iter().enumerate().map(pair).collect();
    Ok(Paired { rel, pairs })
}

/// Both sides of a comparison of an outer value with an own one, the outer one first, and whether nulls are equal.
fn equated(condition: &Expr, outer_width: usize) -> Option<(Expr, Expr, bool)> {
    let Expr::Call { function, args, .. } = condition else { return None };
    let [a, b] = args.as_slice() else { return None };
    let is_outer = |e: &Expr| e.columns().iter().all(|c| *c < outer_width);
    let is_own = |e: &Expr| e.columns().iter().all(|c| *c >= outer_width);
    let nulls_meet = match function.name.as_str() {
        "=" => false,
        "is not distinct from" => true,
        _ => return None,
    };
    match (is_outer(a) && is_own(b), is_own(a) && is_outer(b)) {
        (true, _) => Some((a.clone(), b.clone(), nulls_meet)),
        (_, true) => Some((b.clone(), a.clone(), nulls_meet)),
        _ => None,
    }
}

impl Binder<'_> {
    /// What a query answers to all outer rows; nothing if it reads none of their columns.
    pub(in crate::plan::binder) fn answers(
        &self,
        (left, outer): (&Rel, &Scope),
        query: &Query,
    ) -> Result<Option<Answers>> {
        let Some(Limited { select, order_by, limit }) = self.limited_select(query)? else { return Ok(None) };
        let Inner { rel, scope, conditions, .. } = self.correlated((left, outer), select, false)?;
        let (rel, of_both) = own_applied(rel, conditions, left.columns.len())?;
        if of_both.is_empty() {
            return Ok(None);
        }
        let over = select.qualify.is_some() || select.projection.iter().any(has_over);
        refuse::clause(over, "OVER in a correlated subquery")?;
        refuse::clause(!select.optimizer_hints.is_empty(), "a hint in a correlated subquery")?;
        let Paired { rel, pairs } = paired(left, rel, of_both)?;
        let own = (0..scope.columns.len()).map(|c| (rel.column(c), rel.columns[c].name.clone()));
        let keys = pairs.iter().enumerate().map(|(k, pair)| (pair.own.clone(), format!("{KEY}{k}")));
        let exprs = own.chain(keys).collect();
        let rel = rel.project(exprs);
        let first = scope.columns.len();
        let scope = rel.columns[first..].iter().fold(scope, |scope, key| scope.with_hidden(key.clone()));
        let keyed = keyed(select, pairs.len());
        let Ordered { rel, width, keys: order } =
            self.with_hints_of(&keyed, || self.select_from((rel, scope), &keyed, order_by))?;
        let items = width - pairs.len();
        let rel = match limit {
            Some((start, end)) => {
                let range = RankRange::Constant { start, end };
                rel.ranked(Rank { partition: (items..width).collect(), order, range, emit_rank: false }, None)
            }
            None => rel,
        };
        let is_single = limit.is_some_and(|(start, end)| start == end);
        Ok(Some(Answers { rel, items, is_single, pairs }))
    }

    /// A query that is a SELECT, if it is.
    fn limited_select<'q>(&self, query: &'q Query) -> Result<Option<Limited<'q>>> {
        let Query {
            with: None,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return Ok(None);
        };
        let SetExpr::Select(select) = body.as_ref() else { return Ok(None) };
        if !locks.is_empty() || !pipe_operators.is_empty() {
            return Ok(None);
        }
        let keys = sort_keys(order_by.as_ref())?;
        let limit = self.bind_limit(limit_clause.as_ref(), fetch.as_ref())?;
        if let (Some(_), []) = (limit, keys) {
            let error = Error::unsupported("LIMIT without ORDER BY in a correlated subquery");
            let at = limit_clause.as_ref().map_or_else(|| query.span(), LimitClause::span);
            return Err(at_span(error.with_hint("Say which rows: add ORDER BY."), at));
        }
        let limit = match limit {
            Some((_, 0)) => return Err(Error::unsupported("LIMIT 0 in a correlated subquery")),
            Some((skipped, rows)) => Some((skipped.saturating_add(1), skipped.saturating_add(rows))),
            None => None,
        };
        // Without a limit an order says nothing.
        Ok(Some(Limited { select, order_by: if limit.is_some() { keys } else { &[] }, limit }))
    }
}

/// The SELECT, which gives the keys behind its items and groups by them, if it groups.
fn keyed(select: &Select, keys: usize) -> Select {
    let name = |k: usize| Ident::new(format!("{KEY}{k}"));
    let mut keyed = Select { selection: None, ..select.clone() };
    let named = |k: usize| SelectItem::ExprWithAlias { expr: Ast::Identifier(name(k)), alias: name(k) };
    keyed.projection.extend((0..keys).map(named));
    if let GroupByExpr::Expressions(exprs, _) = &mut keyed.group_by
        && (!exprs.is_empty() || select.having.is_some() || select.projection.iter().any(aggregates))
    {
        exprs.extend((0..keys).map(|k| Ast::Identifier(name(k))));
    }
    keyed
}
