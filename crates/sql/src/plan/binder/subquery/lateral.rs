//! `LATERAL (SELECT ..)`: a query in FROM that reads columns of the tables before it.
//!
//! As in Flink an aggregate of no row gives none, unless the join is on the left: then it is null, and a count is 0.
//! **Does not:** in a join on the left, items that read both; unions.

use flott_api::expr::{Expr, Value as Constant};
use flott_api::{Error, Result};
use flott_graph::spec::JoinKind;
use sqlparser::ast::{
    Expr as Ast, FunctionArguments, GroupByExpr, JoinConstraint, Query, Select, SelectItem, TableAlias,
};

use super::{Inner, aggregates, nullable, plain_select, shifted, simple};
use crate::plan::binder::from::scoped;
use crate::plan::binder::subquery::Tables;
use crate::plan::binder::{Binder, call, combine, refuse};
use crate::plan::rel::{Column, Rel};
use crate::plan::scope::Scope;

/// The rows of the query, joined with the outer ones.
struct Joined {
    rel: Rel,
    /// What it selects, over both.
    items: Vec<(Expr, String)>,
}

impl Binder<'_> {
    /// Joins the tables so far with a query that may read their columns.
    pub(in crate::plan::binder) fn join_lateral(
        &self,
        (left, scope): Tables,
        (query, alias): (&Query, Option<&TableAlias>),
        (kind, constraint): (JoinKind, &JoinConstraint),
    ) -> Result<Tables> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(Error::invalid("LATERAL in a RIGHT or FULL join").with_detail(
                "Its query is answered for each row of the left, so only INNER and LEFT joins have a meaning.",
            ));
        }
        let on = match constraint {
            JoinConstraint::None => None,
            JoinConstraint::On(Ast::Value(value)) if value.value == sqlparser::ast::Value::Boolean(true) => None,
            JoinConstraint::On(ast) => Some(ast),
            JoinConstraint::Using(_) | JoinConstraint::Natural => {
                return Err(Error::unsupported("USING and NATURAL with LATERAL").with_hint("Write ON."));
            }
        };
        refuse::clause(on.is_some() && kind == JoinKind::Left, "a condition of a LEFT JOIN LATERAL, but TRUE,")?;
        let width = left.columns.len();
        let joined = match simple(query) {
            Some(select) => self.lateral_rows((left, &scope), select, kind)?,
            None => self.lateral_answers((left, &scope), query, kind)?,
        };
        let own = (0..width).map(|c| (joined.rel.column(c), joined.rel.columns[c].name.clone()));
        let exprs = own.chain(joined.items).collect();
        let rel = joined.rel.project(exprs);
        let (left_columns, of_query) = rel.columns.split_at(width);
        let (named, of_query) = scoped(Rel::values(Vec::new(), of_query.to_vec()), alias, Vec::new())?;
        let names: Vec<String> = left_columns.iter().chain(&named.columns).map(|c: &Column| c.name.clone()).collect();
        let rel = rel.renamed(&names);
        let mut both = scope.beside(of_query)?;
        both.retype(&rel.columns);
        match on {
            Some(ast) => self.bind_where((rel, both), ast),
            None => Ok((rel, both)),
        }
    }

    /// A query that chooses rows and computes of each.
    fn lateral_rows(&self, (left, outer): (Rel, &Scope), select: &Select, kind: JoinKind) -> Result<Joined> {
        let width = left.columns.len();
        let Inner { rel: right, scope, conditions, .. } = self.correlated((&left, outer), select, false)?;
        let items = self.named_items(select, &scope.within(outer), width)?;
        let is_own = |item: &Expr| matches!(item, Expr::Column { index, .. } if *index >= width);
        let computes = !items.iter().all(|(item, _)| is_own(item));
        refuse::clause(computes && kind == JoinKind::Left, "a computed column in a LEFT JOIN LATERAL")?;
        let condition = if conditions.is_empty() { None } else { Some(self.folded(combine("and", conditions)?)?) };
        let rel = left.join(right, kind, condition);
        let retyped = |(item, name): (Expr, String)| match item {
            Expr::Column { index, .. } => (rel.column(index), name),
            other => (other, name),
        };
        let items = items.into_iter().map(retyped).collect();
        Ok(Joined { rel, items })
    }

    /// A query that groups or limits, or reads no outer column.
    fn lateral_answers(&self, (left, outer): (Rel, &Scope), query: &Query, kind: JoinKind) -> Result<Joined> {
        let width = left.columns.len();
        let (right, items, condition) = match self.bind_query(query) {
            Ok(right) => {
                let items = right.columns.len();
                (right, items, None)
            }
            // A name that means nothing inside may be one of the query around it.
            Err(error) => {
                let Some(answers) = self.answers((&left, outer), query)? else { return Err(error) };
                let condition = combine("and", answers.conditions(width)?)?;
                (answers.rel, answers.items, Some(condition))
            }
        };
        let correlated = condition.is_some();
        let names: Vec<String> = right.columns[..items].iter().map(|c| c.name.clone()).collect();
        let types: Vec<Expr> = (0..items).map(|c| shifted(right.column(c), width)).collect();
        let rel = left.join(right, kind, condition);
        let counts = match (kind, plain_select(query)) {
            (JoinKind::Left, Some(select)) if correlated => counts_of_all(select)?,
            _ => Vec::new(),
        };
        let item = |(i, (column, name)): (usize, (Expr, String))| {
            let (zero, column) = (column.ty().clone(), rel.column(column.columns()[0]));
            if !counts.contains(&i) {
                return Ok((column, name));
            }
            let zero = Expr::literal(Constant::Int(0), zero);
            let Expr::Call { function, args, ty } = call("coalesce", vec![nullable(column), zero])? else {
                return Err(Error::internal("COALESCE is no call"));
            };
            Ok((Expr::Call { function, args, ty: ty.with_nullable(true) }, name))
        };
        let items = types.into_iter().zip(names).enumerate().map(item).collect::<Result<_>>()?;
        Ok(Joined { rel, items })
    }
}

/// The items of a SELECT that are counts of all of its rows.
fn counts_of_all(select: &Select) -> Result<Vec<usize>> {
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if groups || select.having.is_some() {
        return Ok(Vec::new());
    }
    let mut counts = Vec::new();
    for (i, item) in select.projection.iter().enumerate().filter(|(_, item)| aggregates(item)) {
        let (SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. }) = item else { continue };
        let is_count = |f: &sqlparser::ast::Function| f.name.to_string().eq_ignore_ascii_case("count");
        match ast {
            Ast::Function(f) if is_count(f) && !matches!(f.args, FunctionArguments::None) => counts.push(i),
            Ast::Function(_) => {}
            _ => refuse::clause(true, "an expression of aggregates in a LEFT JOIN LATERAL")?,
        }
    }
    Ok(counts)
}
