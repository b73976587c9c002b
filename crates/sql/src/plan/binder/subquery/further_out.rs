//! Conditions of a subquery with queries of their own, which may read columns of the query further out.
//!
//! The distinct outer values that they read are joined with the subquery's rows: so they are columns of the next query,
//! which nobody has to look further for. What the outer row and its rows have in common is then these values.

use std::ops::ControlFlow;

use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::JoinKind;
use sqlparser::ast::{Expr as Ast, visit_expressions};

use super::{Tables, combined, shifted};
use crate::plan::binder::{Binder, call, combine};
use crate::plan::rel::Rel;
use crate::plan::scope::Scope;

/// Rows that pass conditions, and what must hold of them and the outer row.
pub(super) struct Filtered {
    pub(super) tables: Tables,
    pub(super) conditions: Vec<Expr>,
}

impl Binder<'_> {
    /// The own rows that pass the conditions with queries. Of the other conditions those are applied, too, and taken out,
    /// that read the same outer values.
    pub(super) fn filtered_by_queries(
        &self,
        (left, outer): (&Rel, &Scope),
        (rel, scope): Tables,
        with_queries: &[&Ast],
        own: &mut Vec<&Ast>,
    ) -> Result<Filtered> {
        let Some(condition) = combined(with_queries) else {
            return Ok(Filtered { tables: (rel, scope), conditions: Vec::new() });
        };
        let error = match self.bind_where((rel.clone(), scope.clone()), &condition) {
            Ok(tables) => return Ok(Filtered { tables, conditions: Vec::new() }),
            Err(error) => error,
        };
        let read = read_further_out(&condition, outer);
        if read.is_empty() {
            return Err(error);
        }
        let values = left.clone().pick(&read).aggregate((0..read.len()).collect(), Vec::new());
        let both = scope.clone().within(&outer.picked(&read));
        let mut applied = Vec::new();
        own.retain(|ast| match self.exprs(&both, "WHERE").condition(ast) {
            Ok(condition) => {
                applied.push(condition);
                false
            }
            Err(_) => true,
        });
        let joined_by = if applied.is_empty() { None } else { Some(combine("and", applied)?) };
        let (width, own_width) = (left.columns.len(), rel.columns.len());
        let joined = values.join(rel, JoinKind::Inner, joined_by);
        let (joined, _) = self.bind_where((joined, both), &condition)?;
        let own_first: Vec<usize> = (read.len()..read.len() + own_width).chain(0..read.len()).collect();
        let rel = joined.pick(&own_first);
        let same = |(place, column): (usize, &usize)| {
            let (outer, own) = (left.column(*column), shifted(rel.column(own_width + place), width));
            call(if outer.ty().nullable { "is not distinct from" } else { "=" }, vec![outer, own])
        };
        let conditions = read.iter().enumerate().map(same).collect::<Result<_>>()?;
        Ok(Filtered { tables: (rel, scope), conditions })
    }
}

/// The outer columns that have a name which stands in the condition. A name of a table in between may be among them: that
/// costs a column, and changes no row.
fn read_further_out(condition: &Ast, outer: &Scope) -> Vec<usize> {
    let mut read = Vec::new();
    let visited: ControlFlow<()> = visit_expressions(condition, |ast| {
        let parts = match ast {
            Ast::Identifier(name) => std::slice::from_ref(name),
            Ast::CompoundIdentifier(parts) => parts.as_slice(),
            _ => return ControlFlow::Continue(()),
        };
        if let Ok(found) = outer.resolve(parts) {
            read.extend(found.columns());
        }
        ControlFlow::Continue(())
    });
    debug_assert!(visited.is_continue(), "it never breaks off");
    read.sort_unstable();
    read.dedup();
    read
}
