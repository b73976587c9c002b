//! Subqueries in conditions and lists, as joins: `IN` and `EXISTS` are semi joins, `NOT` makes them anti joins, and a
//! query that stands for a value is joined on the left.
//!
//! A subquery that reads columns of the query around it is bound over both: its own tables come first where a name is
//! looked up. What it compares with the outer query becomes part of the join's condition; where the subquery groups or
//! limits, it becomes a key to group by ([`correlated`]).
//! A query in a condition of a subquery may read columns further out ([`further_out`]).
//! **Does not:** correlation in a subquery that unites or numbers rows, or through a query in `FROM`.

mod correlated;
mod further_out;
mod lateral;
mod quantified;
mod truth;
mod value;

use std::borrow::Cow;
use std::ops::ControlFlow;

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::JoinKind;
use sqlparser::ast::{
    BinaryOperator, Expr as Ast, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Spanned, UnaryOperator, Visit,
    VisitMut, Visitor, VisitorMut, visit_expressions,
};

use self::further_out::Filtered;
use self::quantified::Quantified;
use super::aggregate_call::is_aggregate;
use super::select::{clauses, default_name};
use super::{Binder, DEPTH_MAX, call, combine};
use crate::plan::rel::{Column, Rel};
use crate::plan::scope::{Scope, at_span};

/// Tables with what they are called.
pub(super) type Tables = (Rel, Scope);

/// What the column of a value is called; nobody writes such a name.
const VALUE: &str = "$value";

/// Whether a name is that of a query's value.
pub(super) fn is_value(name: &Ident) -> bool {
    name.value.starts_with(VALUE)
}

/// A subquery that reads its own tables and the outer ones.
struct Inner {
    /// Its own tables.
    rel: Rel,
    /// What they are called.
    scope: Scope,
    /// What must hold, over the outer columns and its own.
    conditions: Vec<Expr>,
    /// What it selects, over the same.
    items: Vec<Expr>,
}

/// A part of a condition.
enum Part<'a> {
    /// Without a subquery, or with values.
    Plain(&'a Ast),
    /// `[NOT] EXISTS (..)`
    Exists { query: &'a Query, negated: bool },
    /// `x [NOT] IN (..)`
    In { value: &'a Ast, query: &'a Query, negated: bool },
}

impl Binder<'_> {
    /// The rows that pass a condition of `WHERE`.
    pub(super) fn bind_where(&self, tables: Tables, condition: &Ast) -> Result<Tables> {
        let condition = negations_inside(condition);
        let mut parts = Vec::new();
        conjuncts(&condition, &mut parts);
        let ((mut rel, mut scope), mut plain, mut joins) = (tables, Vec::new(), Vec::new());
        for part in parts {
            match part_of(part) {
                Part::Plain(ast) => {
                    let (with_values, ast) = self.with_values((rel, scope), ast)?;
                    (rel, scope) = with_values;
                    plain.push(self.exprs(&scope, "WHERE").condition(&ast)?);
                }
                join => joins.push(join),
            }
        }
        if !plain.is_empty() {
            rel = rel.filter(self.folded(combine("and", plain)?)?);
        }
        for join in joins {
            rel = self.bind_semi(rel, &scope, join)?;
        }
        Ok((rel, scope))
    }

    fn bind_semi(&self, left: Rel, scope: &Scope, part: Part<'_>) -> Result<Rel> {
        let (query, negated, value) = match part {
            Part::Exists { query, negated } => (query, negated, None),
            Part::In { value, query, negated } => (query, negated, Some(value)),
            Part::Plain(_) => return Err(Error::internal("a condition without a subquery is no join")),
        };
        let kind = if negated { JoinKind::Anti } else { JoinKind::Semi };
        let located = |e| at_span(e, query.span());
        let inner = self.rows_of((&left, scope), query, value.is_some()).map_err(located)?;
        let Inner { rel: right, mut conditions, items, .. } = inner;
        if let Some(value) = value {
            conditions.extend(self.in_condition(scope, value, items, negated).map_err(located)?);
        }
        let condition = if conditions.is_empty() { None } else { Some(self.folded(combine("and", conditions)?)?) };
        Ok(left.join(right, kind, condition))
    }

    /// The rows of a query, what must hold, and, if they mean something, what it selects.
    fn rows_of(&self, (left, outer): (&Rel, &Scope), query: &Query, with_items: bool) -> Result<Inner> {
        if let Some(select) = simple(query) {
            return self.correlated((left, outer), select, with_items);
        }
        let width = left.columns.len();
        let (rel, columns, conditions) = match self.bind_query(query) {
            Ok(rel) => (rel.clone(), rel.columns.len(), Vec::new()),
            // A name that means nothing inside may be one of the query around it.
            Err(error) => match self.answers((left, outer), query)? {
                Some(answers) => (answers.rel.clone(), answers.items, answers.conditions(width)?),
                None => return Err(error),
            },
        };
        let items = (0..columns).map(|c| shifted(rel.column(c), width)).collect();
        Ok(Inner { scope: Scope::of_columns(rel.columns.clone()), rel, conditions, items })
    }

    /// A plain SELECT that may read outer columns: its tables, its conditions over the outer columns and its own, and, if
    /// they mean something, what it selects.
    fn correlated(&self, (left, outer): (&Rel, &Scope), select: &Select, with_items: bool) -> Result<Inner> {
        // Refuses the clauses that mean nothing here.
        clauses(select)?;
        let inner = self.with_hints_of(select, || self.bind_from(&select.from))?;
        let (mut own, mut with_queries): (Vec<&Ast>, Vec<&Ast>) = (Vec::new(), Vec::new());
        if let Some(condition) = &select.selection {
            check_depth(condition)?;
            let mut parts = Vec::new();
            conjuncts(condition, &mut parts);
            (with_queries, own) = parts.into_iter().partition(|part| has_query(part));
        }
        let filtered = self.filtered_by_queries((left, outer), inner, &with_queries, &mut own)?;
        let Filtered { tables: (rel, scope), conditions: further_out } = filtered;
        let both = scope.clone().within(outer);
        let bind = |ast: &&Ast| self.exprs(&both, "WHERE").condition(ast);
        let conditions = own.iter().map(bind).chain(further_out.into_iter().map(Ok)).collect::<Result<Vec<_>>>()?;
        let items = if with_items { self.named_items(select, &both, outer.columns.len())? } else { Vec::new() };
        let items = items.into_iter().map(|(item, _)| item).collect();
        Ok(Inner { rel, scope, conditions, items })
    }

    /// The expression with a column in the place of each query that stands for a value, and the tables with these columns.
    pub(super) fn with_values<'a>(&self, (mut rel, mut scope): Tables, ast: &'a Ast) -> Result<(Tables, Cow<'a, Ast>)> {
        if !has_query(ast) {
            return Ok(((rel, scope), Cow::Borrowed(ast)));
        }
        check_depth(ast)?;
        // Without FROM there is a column that nobody can name.
        for column in &rel.columns[scope.columns.len()..] {
            scope = scope.with_hidden(column.named("$none"));
        }
        let mut ast = ast.clone();
        let mut found = Values { queries: Vec::new(), first: scope.columns.len() };
        let visited = VisitMut::visit(&mut ast, &mut found);
        debug_assert!(visited.is_continue(), "it never breaks off");
        for query in found.queries {
            let (joined, column) = self.bind_value(rel, &scope, &query).map_err(|e| at_span(e, query.span()))?;
            rel = joined;
            scope = scope.with_hidden(column);
        }
        Ok(((rel, scope), Cow::Owned(ast)))
    }

    /// Joins what a query answers: the column stands right behind those that have names.
    fn bind_value(&self, left: Rel, scope: &Scope, ast: &Ast) -> Result<(Rel, Column)> {
        let name = format!("{VALUE}{}", scope.columns.len());
        let width = left.columns.len();
        let (joined, value) = match ast {
            Ast::Exists { subquery, negated } => negate(self.exists(left, scope, subquery)?, *negated)?,
            Ast::InSubquery { expr, subquery, negated } => {
                negate(self.is_in(left, scope, (expr, subquery))?, *negated)?
            }
            Ast::Subquery(query) => self.the_value(left, scope, query)?,
            other => match Quantified::of(other) {
                Some(compared) => self.is_compared(left, scope, &compared)?,
                None => return Err(Error::internal("an expression without a query")),
            },
        };
        let mut exprs: Vec<(Expr, String)> =
            (0..width).map(|c| (joined.column(c), joined.columns[c].name.clone())).collect();
        let column = Column::new(&name, value.ty().clone());
        exprs.push((value, name));
        Ok((joined.project(exprs), column))
    }
}

fn negate((rel, truth): (Rel, Expr), negated: bool) -> Result<(Rel, Expr)> {
    let truth = if negated { call("not", vec![truth])? } else { truth };
    Ok((rel, truth))
}

impl Binder<'_> {
    /// What is selected, as expressions over the outer columns and the own ones, with names.
    fn named_items(&self, select: &Select, scope: &Scope, outer_width: usize) -> Result<Vec<(Expr, String)>> {
        let mut items = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(ast) => {
                    let name = default_name(ast).unwrap_or_else(|| format!("EXPR${}", items.len()));
                    items.push((self.exprs(scope, "SELECT").bind(ast)?, name));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((self.exprs(scope, "SELECT").bind(expr)?, alias.value.clone()));
                }
                SelectItem::Wildcard(_) => {
                    let is_own = |item: &Expr| item.columns().iter().all(|c| *c >= outer_width);
                    items.extend(scope.all().into_iter().filter(|(item, _)| is_own(item)));
                }
                other => return Err(at_span(Error::unsupported("this list in a correlated subquery"), other.span())),
            }
        }
        Ok(items)
    }

    /// `value = item`; under NOT also true where it is not known, since then the row is not among those that are in.
    fn in_condition(&self, scope: &Scope, value: &Ast, items: Vec<Expr>, negated: bool) -> Result<Vec<Expr>> {
        let values: Vec<&Ast> = match value {
            Ast::Tuple(values) => values.iter().collect(),
            Ast::Nested(one) => vec![one],
            one => vec![one],
        };
        if values.len() != items.len() {
            return Err(Error::invalid(format!(
                "IN compares {} values with the {} columns of a query",
                values.len(),
                items.len()
            )));
        }
        let mut conditions = Vec::with_capacity(items.len());
        for (value, item) in values.into_iter().zip(items) {
            let value = self.exprs(scope, "IN").bind(value)?;
            let equal = call("=", vec![value.clone(), item.clone()])?;
            let mut ways = Vec::new();
            for side in [value, item].into_iter().filter(|side| negated && side.ty().nullable) {
                ways.push(call("is null", vec![side])?);
            }
            ways.push(equal);
            conditions.push(combine("or", ways)?);
        }
        Ok(conditions)
    }
}

/// The expression with a type that may be null.
fn nullable(expr: Expr) -> Expr {
    match expr {
        Expr::Column { index, ty } => Expr::Column { index, ty: ty.with_nullable(true) },
        Expr::Call { function, args, ty } => Expr::Call { function, args, ty: ty.with_nullable(true) },
        Expr::Case { branches, otherwise, ty } => Expr::Case { branches, otherwise, ty: ty.with_nullable(true) },
        Expr::Cast { input, ty, try_cast } => Expr::Cast { input, ty: ty.with_nullable(true), try_cast },
        other => other,
    }
}

fn moved(expr: Expr, position: impl Fn(usize) -> usize) -> Expr {
    expr.transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: position(index), ty },
        other => other,
    })
}

fn shifted(expr: Expr, by: usize) -> Expr {
    moved(expr, |c| c + by)
}

fn unshifted(expr: Expr, by: usize) -> Expr {
    moved(expr, |c| c - by)
}

/// The operands of `AND`, in their order.
pub(super) fn conjuncts<'a>(ast: &'a Ast, out: &mut Vec<&'a Ast>) {
    let mut open = vec![ast];
    while let Some(ast) = open.pop() {
        match ast {
            Ast::BinaryOp { left, op: BinaryOperator::And, right } => open.extend([right.as_ref(), left.as_ref()]),
            Ast::Nested(inner) => open.push(inner),
            other => out.push(other),
        }
    }
}

/// `NOT (a OR b)` as `NOT a AND NOT b` if there is a query in it: what is negated alone may be a join.
fn negations_inside(ast: &Ast) -> Cow<'_, Ast> {
    match ast {
        Ast::BinaryOp { left, op: BinaryOperator::And, right } if has_query(ast) => {
            let [left, right] = [left, right].map(|side| Box::new(negations_inside(side).into_owned()));
            Cow::Owned(Ast::BinaryOp { left, op: BinaryOperator::And, right })
        }
        Ast::Nested(inner) => negations_inside(inner),
        Ast::UnaryOp { op: UnaryOperator::Not, expr } if has_query(ast) => {
            let mut inner = expr.as_ref();
            while let Ast::Nested(nested) = inner {
                inner = nested;
            }
            let Ast::BinaryOp { left, op: BinaryOperator::Or, right } = inner else { return Cow::Borrowed(ast) };
            let [left, right] = [left, right].map(|side| {
                let negated = Ast::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Ast::Nested(side.clone())) };
                Box::new(negations_inside(&negated).into_owned())
            });
            Cow::Owned(Ast::BinaryOp { left, op: BinaryOperator::And, right })
        }
        other => Cow::Borrowed(other),
    }
}

/// The conjunction of conditions; nothing of none.
pub(super) fn combined(parts: &[&Ast]) -> Option<Ast> {
    let mut parts = parts.iter().map(|part| (*part).clone());
    let first = parts.next()?;
    let and =
        |left: Ast, right: Ast| Ast::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) };
    Some(parts.fold(first, and))
}

fn part_of(ast: &Ast) -> Part<'_> {
    match ast {
        Ast::Exists { subquery, negated } => Part::Exists { query: subquery, negated: *negated },
        Ast::InSubquery { expr, subquery, negated } => Part::In { value: expr, query: subquery, negated: *negated },
        Ast::Nested(inner) => part_of(inner),
        Ast::UnaryOp { op: UnaryOperator::Not, expr } => match part_of(expr) {
            Part::Exists { query, negated } => Part::Exists { query, negated: !negated },
            Part::In { value, query, negated } => Part::In { value, query, negated: !negated },
            Part::Plain(_) => Part::Plain(ast),
        },
        other => match Quantified::of(other).and_then(|compared| compared.as_in()) {
            Some((value, query, negated)) => Part::In { value, query, negated },
            None => Part::Plain(other),
        },
    }
}

pub(super) fn has_query(ast: &Ast) -> bool {
    let found = visit_expressions(ast, |e| match e {
        Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// A copy of an expression costs stack for each of its levels.
pub(super) fn check_depth(ast: &Ast) -> Result<()> {
    let mut depth = Depth { now: 0 };
    let visited: ControlFlow<()> = Visit::visit(ast, &mut depth);
    match visited {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            Err(Error::invalid(format!("the expression is nested deeper than {DEPTH_MAX} levels")))
        }
    }
}

struct Depth {
    now: usize,
}

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Ast) -> ControlFlow<()> {
        self.now += 1;
        if self.now > DEPTH_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _: &Ast) -> ControlFlow<()> {
        self.now -= 1;
        ControlFlow::Continue(())
    }
}

/// The SELECT of a query that is nothing else, and does not group.
fn simple(query: &Query) -> Option<&Select> {
    let select = plain_select(query)?;
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let computes = select.projection.iter().any(|item| aggregates(item) || has_over(item));
    (!groups && select.having.is_none() && !computes).then_some(select)
}

/// The SELECT of a query that is nothing else, and gives one aggregate of all rows.
fn simple_aggregate(query: &Query) -> Option<&Select> {
    let select = plain_select(query)?;
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    (!groups && select.having.is_none() && select.projection.iter().all(aggregates)).then_some(select)
}

fn plain_select(query: &Query) -> Option<&Select> {
    let Query {
        with: None,
        body,
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks,
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators,
    } = query
    else {
        return None;
    };
    // What any other query has is for the binder of queries.
    match body.as_ref() {
        _ if !locks.is_empty() || !pipe_operators.is_empty() => None,
        SetExpr::Select(select) if select.distinct.is_none() && select.qualify.is_none() => Some(select),
        _ => None,
    }
}

/// Whether an item calls an aggregate function.
fn aggregates(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. }) = item else { return false };
    let found = visit_expressions(ast, |e| match e {
        Ast::Function(f) if f.over.is_none() && is_aggregate(&f.name.to_string().to_lowercase()) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Whether an item has a call with `OVER`.
fn has_over(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. }) = item else { return false };
    let found = visit_expressions(ast, |e| match e {
        Ast::Function(f) if f.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Takes out the queries that stand for values.
struct Values {
    queries: Vec<Ast>,
    /// The number of the first column that such a query becomes.
    first: usize,
}

impl VisitorMut for Values {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Ast) -> ControlFlow<()> {
        let is_query = matches!(expr, Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. });
        if is_query || Quantified::of(expr).is_some() {
            let name = Ast::Identifier(Ident::new(format!("{VALUE}{}", self.first + self.queries.len())));
            self.queries.push(std::mem::replace(expr, name));
        }
        ControlFlow::Continue(())
    }
}
