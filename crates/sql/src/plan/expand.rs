//! SQL inside other SQL: texts that catalogs keep, and queries with every table's name in full.

use std::ops::ControlFlow;

use flott_api::{Error, Result};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, ObjectNamePart, Query, TableFactor, VisitMut, VisitorMut};

use super::PlanContext;
use super::binder::is_built_in;
use crate::catalog::{FunctionPath, ObjectPath};
use crate::parser;

/// A query as text.
pub(super) fn parse_query(text: &str) -> Result<Query> {
    Ok(*parser::parse_query(text)?)
}

/// An expression as text.
pub(super) fn parse_expression(text: &str) -> Result<Ast> {
    parser::parse_expression(text)
}

/// See [`super::expand_query`].
pub(super) fn expand_query(cx: &dyn PlanContext, query: &Query) -> Result<Query> {
    let mut query = query.clone();
    let mut visitor = Qualify { cx, with: Vec::new() };
    match query.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(query),
    }
}

/// See [`super::expand_expression`].
pub(super) fn expand_expression(cx: &dyn PlanContext, expr: &Ast) -> Result<Ast> {
    let mut expr = expr.clone();
    match expr.visit(&mut Qualify { cx, with: Vec::new() }) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(expr),
    }
}

/// Writes catalog and database before each table's name, and before those of a catalog's functions.
struct Qualify<'a> {
    cx: &'a dyn PlanContext,
    /// The `WITH` of each query that is open.
    with: Vec<With>,
}

/// The names of a `WITH`, of which those can be seen whose queries were visited.
struct With {
    names: Vec<String>,
    visible: usize,
}

impl Qualify<'_> {
    fn qualified(&self, parts: &[Ident]) -> Result<Option<Vec<Ident>>> {
        let names: Vec<String> = parts.iter().map(|p| p.value.clone()).collect();
        if let [single] = names.as_slice()
            && self.with.iter().any(|with| with.names[..with.visible].contains(single))
        {
            return Ok(None);
        }
        let Some((path, _)) = self.cx.relation(&names)? else { return Ok(None) };
        Ok(Some(full(path)))
    }

    fn model(&self, parts: &[Ident]) -> Result<Option<Vec<Ident>>> {
        let names: Vec<String> = parts.iter().map(|p| p.value.clone()).collect();
        Ok(self.cx.models().model(&names)?.map(|found| full(found.path)))
    }

    /// The name of a function that is called.
    fn function(&self, name: &mut ObjectName) -> Result<()> {
        let parts: Option<Vec<String>> = name.0.iter().map(|p| p.as_ident().map(|i| i.value.clone())).collect();
        let Some(parts) = parts else { return Ok(()) };
        let is_built_in = parts.len() == 1 && is_built_in(&parts[0].to_lowercase());
        let found = self.cx.function(&parts, is_built_in)?;
        if let Some(FunctionPath::Temporary(path) | FunctionPath::Kept(path)) = found.map(|found| found.path) {
            let quoted = |name: String| ObjectNamePart::Identifier(Ident::with_quote('`', name));
            name.0 = vec![quoted(path.catalog), quoted(path.database), quoted(path.object)];
        }
        Ok(())
    }

    fn name(&self, name: &mut ObjectName) -> Result<()> {
        let parts: Option<Vec<Ident>> = name.0.iter().map(|p| p.as_ident().cloned()).collect();
        if let Some(parts) = parts
            && let Some(full) = self.qualified(&parts)?
        {
            name.0 = full.into_iter().map(ObjectNamePart::Identifier).collect();
        }
        Ok(())
    }

    /// `TABLE t` or `MODEL m` as an argument.
    fn argument(&self, ast: &mut Ast) -> Result<()> {
        let Ast::Prefixed { prefix, value } = ast else { return Ok(()) };
        let is = |word: &str| prefix.value.eq_ignore_ascii_case(word);
        if !is("TABLE") && !is("MODEL") {
            return Ok(());
        }
        let parts = match value.as_ref() {
            Ast::Identifier(name) => vec![name.clone()],
            Ast::CompoundIdentifier(parts) => parts.clone(),
            _ => return Ok(()),
        };
        let full = if is("MODEL") { self.model(&parts)? } else { self.qualified(&parts)? };
        if let Some(full) = full {
            **value = Ast::CompoundIdentifier(full);
        }
        Ok(())
    }
}

/// A name with catalog and database.
fn full(path: ObjectPath) -> Vec<Ident> {
    [path.catalog, path.database, path.object].map(|name| Ident::with_quote('`', name)).to_vec()
}

fn flow(result: Result<()>) -> ControlFlow<Box<Error>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl VisitorMut for Qualify<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let tables = query.with.iter().flat_map(|w| &w.cte_tables);
        let names = tables.map(|cte| cte.alias.name.value.clone()).collect();
        self.with.push(With { names, visible: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.with.pop();
        // The queries of WITH are visited first: until all are, this was one of them.
        if let Some(with) = self.with.last_mut()
            && with.visible < with.names.len()
        {
            with.visible += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        // With arguments the name is a function's.
        match factor {
            TableFactor::Table { name, args: None, alias, .. } => {
                let last = name.0.last().and_then(|p| p.as_ident()).cloned();
                let qualified = self.name(name);
                // The columns were qualified by the short name: it stays as an alias.
                if let (None, Some(last), true) = (&alias, last, name.0.len() == 3) {
                    *alias = Some(sqlparser::ast::TableAlias {
                        explicit: true,
                        name: Ident::with_quote('`', last.value),
                        columns: Vec::new(),
                        at: None,
                    });
                }
                flow(qualified)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Ast) -> ControlFlow<Self::Break> {
        let function = match expr {
            Ast::Function(function) => self.function(&mut function.name),
            _ => Ok(()),
        };
        flow(function.and_then(|()| self.argument(expr)))
    }
}
