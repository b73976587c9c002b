//! Queries that stand for values in a SELECT that groups: in HAVING, in its list, in QUALIFY.
//!
//! They are joined with the groups and not with the rows. So the SELECT is taken for two: one that groups and gives what
//! is computed of the groups, and one over it that has the queries.
//! A query inside an aggregate is joined with the rows.
//! **Does not:** a query that reads a key which is no column.

use std::ops::ControlFlow;

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use sqlparser::ast::{
    Expr as Ast, GroupByExpr, Ident, OrderByExpr, Query, Select, SelectItem, Spanned, Visit, VisitMut, Visitor,
    VisitorMut, visit_expressions,
};

use super::Binder;
use super::aggregate_call::is_aggregate;
use super::order::Ordered;
use super::select::{Clauses, default_name};
use super::subquery::{Tables, check_depth, combined, conjuncts, has_query};
use crate::plan::rel::Rel;
use crate::plan::scope::{Scope, at_span};

/// What a column of the groups is called; nobody writes such a name.
const OF_GROUPS: &str = "$group";

/// Whether a SELECT groups and has a query that stands for a value behind the groups.
pub(super) fn has_grouped_values(clauses: &Clauses<'_>) -> bool {
    let mut found = Found::default();
    let list = clauses.projection.iter().filter_map(expression_of);
    for ast in list.chain(clauses.having).chain(clauses.qualify) {
        let visited: ControlFlow<()> = Visit::visit(ast, &mut found);
        debug_assert!(visited.is_continue(), "it never breaks off");
    }
    found.queries && (found.aggregates || !clauses.group_by.is_empty() || clauses.having.is_some())
}

/// What expressions of a SELECT have, leaving out what the queries in them have.
#[derive(Default)]
struct Found {
    /// Aggregates of the rows.
    aggregates: bool,
    /// Queries outside of these.
    queries: bool,
    /// How many queries, and how many aggregates around here.
    depth: [usize; 2],
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth[0] += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth[0] -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, ast: &Ast) -> ControlFlow<()> {
        let is_outside = self.depth == [0, 0];
        if aggregates_rows(ast) {
            self.aggregates |= is_outside;
            self.depth[1] += 1;
        }
        self.queries |= is_outside && matches!(ast, Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. });
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, ast: &Ast) -> ControlFlow<()> {
        self.depth[1] -= usize::from(aggregates_rows(ast));
        ControlFlow::Continue(())
    }
}

impl Binder<'_> {
    /// Binds a SELECT for which [`has_grouped_values`].
    pub(super) fn select_with_grouped_values(
        &self,
        tables: Tables,
        (select, clauses): (&Select, &Clauses<'_>),
        order_by: &[OrderByExpr],
    ) -> Result<Ordered> {
        let mut parts = Parts::default();
        let mut over = select.clone();
        over.projection = clauses.projection.iter().enumerate().map(|i| parts.item(i)).collect::<Result<_>>()?;
        let (mut of_groups, mut with_queries) = (Vec::new(), Vec::new());
        if let Some(having) = clauses.having {
            let mut all = Vec::new();
            conjuncts(having, &mut all);
            (with_queries, of_groups) = all.into_iter().partition(|part| has_query(part));
        }
        over.selection = combined(&with_queries).map(|having| parts.split(having)).transpose()?;
        parts.aliases = clauses.projection.iter().filter_map(alias_of).collect();
        over.qualify = over.qualify.map(|qualify| parts.split(qualify)).transpose()?;
        for window in &mut over.named_window {
            parts.visit(window);
        }
        let mut order_by = order_by.to_vec();
        order_by.iter_mut().for_each(|key| parts.visit(&mut key.expr));
        let keys = named_keys(clauses.group_by);
        let below = grouping(select, &parts.exprs, &keys, combined(&of_groups));
        let qualifiers = keys.iter().map(|key| qualifier(&tables.1, key)).collect::<Result<Vec<_>>>()?;
        let rel = self.select_from(tables, &below, &[])?.rel;
        let scope = scope_of(&rel, qualifiers, &keys);
        over.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        over.having = None;
        self.select_from((rel, scope), &over, &order_by)
    }
}

/// The SELECT that groups.
fn grouping(select: &Select, exprs: &[Ast], keys: &[&Ast], having: Option<Ast>) -> Select {
    let named = |(i, expr): (usize, &Ast)| SelectItem::ExprWithAlias { expr: expr.clone(), alias: name_of(i) };
    let projection = exprs.iter().enumerate().map(named);
    let projection = projection.chain(keys.iter().map(|key| SelectItem::UnnamedExpr((*key).clone()))).collect();
    Select {
        projection,
        having,
        distinct: None,
        qualify: None,
        named_window: Vec::new(),
        selection: None,
        ..select.clone()
    }
}

fn name_of(part: usize) -> Ident {
    Ident::new(format!("{OF_GROUPS}{part}"))
}

/// The names behind the grouping: what was computed, and the keys for queries that read them.
fn scope_of(rel: &Rel, qualifiers: Vec<Vec<String>>, keys: &[&Ast]) -> Scope {
    let computed = rel.columns.len() - keys.len();
    let (parts, of_keys) = rel.columns.split_at(computed);
    let scope = parts.iter().fold(Scope::default(), |scope, column| scope.with_hidden(column.clone()));
    let named = of_keys.iter().zip(qualifiers);
    named.fold(scope, |scope, (column, qualifier)| scope.with_qualified(column.clone(), qualifier))
}

/// The keys that are columns.
fn named_keys(group_by: &[Ast]) -> Vec<&Ast> {
    group_by.iter().filter(|key| matches!(key, Ast::Identifier(_) | Ast::CompoundIdentifier(_))).collect()
}

/// What qualifies the column that a key names.
fn qualifier(scope: &Scope, key: &Ast) -> Result<Vec<String>> {
    let parts = match key {
        Ast::Identifier(name) => std::slice::from_ref(name),
        Ast::CompoundIdentifier(parts) => parts,
        _ => &[],
    };
    Ok(match scope.resolve(parts)? {
        Expr::Column { index, .. } => scope.qualifier_of(index).to_vec(),
        _ => Vec::new(),
    })
}

fn expression_of(item: &SelectItem) -> Option<&Ast> {
    match item {
        SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. } => Some(ast),
        _ => None,
    }
}

fn alias_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}

/// What is computed of the groups; each becomes a column.
#[derive(Default)]
struct Parts {
    exprs: Vec<Ast>,
    /// Names that mean an item of the list.
    aliases: Vec<String>,
    /// How many queries around here.
    depth: usize,
}

impl Parts {
    /// An item of the list over the groups.
    fn item(&mut self, (index, item): (usize, &SelectItem)) -> Result<SelectItem> {
        let (ast, alias) = match item {
            SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
            SelectItem::UnnamedExpr(ast) => {
                (ast, Ident::new(default_name(ast).unwrap_or_else(|| format!("EXPR${index}"))))
            }
            other => {
                let error = Error::unsupported("'*' in a query with groups, and with a query that stands for a value");
                return Err(at_span(error.with_hint("Name the columns."), other.span()));
            }
        };
        Ok(SelectItem::ExprWithAlias { expr: self.split(ast.clone())?, alias })
    }

    /// The expression over the columns of the groups.
    fn split(&mut self, ast: Ast) -> Result<Ast> {
        check_depth(&ast)?;
        let mut ast = ast;
        self.visit(&mut ast);
        Ok(ast)
    }

    fn visit(&mut self, ast: &mut impl VisitMut) {
        let visited = VisitMut::visit(ast, self);
        debug_assert!(visited.is_continue(), "it never breaks off");
    }

    fn column(&mut self, ast: Ast) -> Ast {
        let place = self.exprs.iter().position(|known| *known == ast).unwrap_or_else(|| {
            self.exprs.push(ast);
            self.exprs.len() - 1
        });
        Ast::Identifier(name_of(place))
    }

    /// Whether the groups can compute it: it reads them, and has no query, no window and no item of the list.
    fn is_of_groups(&self, ast: &Ast) -> bool {
        let mut reads = false;
        let found = visit_expressions(ast, |e| match e {
            Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. } => ControlFlow::Break(()),
            Ast::Function(f) if f.over.is_some() => ControlFlow::Break(()),
            Ast::Identifier(name) if self.aliases.contains(&name.value) => ControlFlow::Break(()),
            e => {
                reads |= aggregates_rows(e) || matches!(e, Ast::Identifier(_) | Ast::CompoundIdentifier(_));
                ControlFlow::Continue(())
            }
        });
        // The values of IN are compared one by one.
        aggregates_rows(ast) || found.is_continue() && reads && !matches!(ast, Ast::Tuple(_))
    }
}

/// Whether it is an aggregate, and not one over a window of rows.
fn aggregates_rows(ast: &Ast) -> bool {
    matches!(ast, Ast::Function(f) if f.over.is_none() && is_aggregate(&f.name.to_string().to_lowercase()))
}

impl VisitorMut for Parts {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, ast: &mut Ast) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        if self.is_of_groups(ast) {
            let of_groups = std::mem::replace(ast, Ast::Identifier(name_of(0)));
            *ast = self.column(of_groups);
        }
        ControlFlow::Continue(())
    }
}
