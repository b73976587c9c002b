//! `FROM`: tables, views, queries of `WITH`, subqueries and window table functions; `join` binds what stands between
//! them.

use flott_api::error::nearest;
use flott_api::{Error, Result};
use sqlparser::ast::{
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias, TableFactor, TableWithJoins,
};

use super::query::renamed;
use super::{Binder, refuse, syntax};
use crate::catalog::{CatalogView, ObjectPath, Relation};
use crate::parser::ast::name_location;
use crate::parser::ast::view::{Hint, TableCall, table_hints};
use crate::plan::expand;
use crate::plan::rel::Rel;
use crate::plan::scope::{Scope, at_span};

/// How many views may stand on each other.
const VIEWS_MAX: usize = 64;

impl Binder<'_> {
    /// The tables of FROM; without one, a single row without columns that can be named.
    pub(super) fn bind_from(&self, from: &[TableWithJoins]) -> Result<(Rel, Scope)> {
        let mut all: Option<(Rel, Scope)> = None;
        for TableWithJoins { relation, joins } in from {
            let mut tables = match all.take() {
                None => self.table_factor(relation).map_err(|e| at_span(e, relation.span()))?,
                // A comma is a join of all pairs.
                Some(left) => self.bind_join(left, relation, &JoinOperator::CrossJoin(JoinConstraint::None))?,
            };
            for join in joins {
                let Join { relation, global, join_operator } = join;
                refuse::clause(*global, "GLOBAL in a join")?;
                tables = self.bind_join(tables, relation, join_operator)?;
            }
            all = Some(tables);
        }
        Ok(all.unwrap_or_else(|| (Rel::one_row(), Scope::default())))
    }

    pub(super) fn table_factor(&self, factor: &TableFactor) -> Result<(Rel, Scope)> {
        if let Some(call) = TableCall::of(factor) {
            if self.exprs(&Scope::default(), "TABLE").user_function(call.name)?.is_some() {
                // Over one row without columns that can be named.
                let one = (Rel::one_row(), Scope::default());
                let (rel, scope) = self.bind_user_table(one, &call, false)?;
                let own: Vec<usize> = (1..rel.columns.len()).collect();
                return Ok((rel.pick(&own), scope));
            }
            check_call(factor, &call)?;
            let rel = self.bind_table_function(&call)?;
            return scoped(rel, call.alias, Vec::new());
        }
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: _,
                with_hints: _,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                refuse::clause(version.is_some(), "FOR SYSTEM_TIME AS OF")?;
                refuse::clause(*with_ordinality, "WITH ORDINALITY")?;
                refuse::clause(!partitions.is_empty(), "PARTITION behind a table")?;
                refuse::clause(json_path.is_some(), "a path behind a table")?;
                refuse::clause(sample.is_some(), "TABLESAMPLE")?;
                refuse::clause(!index_hints.is_empty(), "an index hint")?;
                let (rel, qualifier) = self.relation(name, &table_hints(factor)?)?;
                scoped(rel, alias.as_ref(), qualifier)
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                refuse::clause(*lateral, "LATERAL")?;
                refuse::clause(sample.is_some(), "TABLESAMPLE")?;
                scoped(self.bind_query(subquery)?, alias.as_ref(), Vec::new())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let (rel, scope) = self.bind_from(std::slice::from_ref(table_with_joins))?;
                match alias {
                    Some(_) => scoped(rel, alias.as_ref(), Vec::new()),
                    None => Ok((rel, scope)),
                }
            }
            TableFactor::UNNEST { .. } => {
                let (rel, scope) = self.bind_unnest((Rel::one_row(), Scope::default()), factor, false)?;
                let own: Vec<usize> = (1..rel.columns.len()).collect();
                Ok((rel.pick(&own), scope))
            }
            TableFactor::MatchRecognize { alias, .. } => scoped(self.bind_match(factor)?, alias.as_ref(), Vec::new()),
            TableFactor::TableFunction { .. } => Err(Error::unsupported("this form of TABLE(..)")),
            other => Err(refuse::table_factor(other)),
        }
    }

    /// What a name in FROM stands for, and the parts that qualify its columns.
    pub(super) fn relation(&self, name: &ObjectName, hints: &[Hint]) -> Result<(Rel, Vec<String>)> {
        let parts = syntax::name_parts(name)?;
        if let [single] = parts.as_slice() {
            let with = self.with.borrow();
            if let Some((_, rel)) = with.iter().rev().find(|(n, _)| n == single) {
                refuse::clause(!hints.is_empty(), "a hint behind a query of WITH")?;
                return Ok((rel.clone(), parts));
            }
        }
        let Some((path, relation)) = self.cx.relation(&parts)? else { return Err(self.unknown_table(name, &parts)) };
        let qualifier = vec![path.catalog.clone(), path.database.clone(), path.object.clone()];
        let rel = match relation {
            Relation::Table(table) => {
                let hints = syntax::option_hints(hints, self.settings.dynamic_options)?;
                self.scan(&path, &table, &hints)?
            }
            Relation::View(view) => {
                refuse::clause(!hints.is_empty(), "a hint behind a view")?;
                self.view(&path, &view)?
            }
        };
        Ok((rel, qualifier))
    }

    /// An error that names what does not exist and what may have been meant.
    pub(super) fn unknown_table(&self, name: &ObjectName, parts: &[String]) -> Error {
        let error = Error::invalid(format!("table '{}' does not exist", parts.join("."))).at(name_location(name));
        let names = self.cx.relation_names();
        let wanted = parts.last().map_or("", String::as_str);
        match nearest(wanted, names.iter().map(String::as_str)) {
            Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
            None => error.with_hint("SHOW TABLES lists the tables."),
        }
    }

    fn view(&self, path: &ObjectPath, view: &CatalogView) -> Result<Rel> {
        let name = path.to_string();
        if self.views.borrow().contains(&name) {
            return Err(Error::invalid(format!("view '{name}' reads itself")));
        }
        if self.views.borrow().len() == VIEWS_MAX {
            return Err(Error::invalid(format!("view '{name}' stands on more than {VIEWS_MAX} views")));
        }
        let query = expand::parse_query(&view.expanded).map_err(|e| in_view(e, &name))?;
        // Names of the query's own WITH mean nothing inside the view.
        let with = std::mem::take(&mut *self.with.borrow_mut());
        self.views.borrow_mut().push(name.clone());
        let bound = self.bind_query(&query);
        self.views.borrow_mut().pop();
        *self.with.borrow_mut() = with;
        let rel = bound.and_then(|rel| self.bounded(rel)).map_err(|e| in_view(e, &name))?;
        if rel.columns.len() != view.schema.len() {
            return Err(Error::invalid(format!("view '{name}' has {} columns", view.schema.len()))
                .with_detail(format!("Its query has {} now.", rel.columns.len()))
                .with_hint("Create the view anew."));
        }
        let names: Vec<String> = view.schema.fields.iter().map(|f| f.name.clone()).collect();
        Ok(rel.renamed(&names))
    }
}

/// A place in the text of a view is no place in the user's statement.
fn in_view(error: Error, name: &str) -> Error {
    error.with_location(None).context(format!("view '{name}'"))
}

/// The relation and what its columns are called here.
pub(super) fn scoped(rel: Rel, alias: Option<&TableAlias>, own: Vec<String>) -> Result<(Rel, Scope)> {
    let (rel, qualifier) = match alias {
        Some(alias) => (renamed(rel, alias)?, vec![alias_name(&alias.name)]),
        None => (rel, own),
    };
    let scope = Scope::new(rel.columns.clone(), qualifier);
    Ok((rel, scope))
}

pub(super) fn alias_name(name: &Ident) -> String {
    name.value.clone()
}

/// Refuses what may stand around the call of a table function.
fn check_call(factor: &TableFactor, call: &TableCall<'_>) -> Result<()> {
    refuse::clause(call.lateral, "LATERAL TABLE")?;
    refuse::clause(call.with_ordinality, "WITH ORDINALITY")?;
    let TableFactor::Table { args, with_hints, version, partitions, json_path, sample, index_hints, .. } = factor
    else {
        return Ok(());
    };
    refuse::clause(args.as_ref().is_some_and(|a| a.settings.is_some()), "SETTINGS")?;
    refuse::clause(!with_hints.is_empty(), "a hint behind a table function")?;
    refuse::clause(version.is_some(), "FOR SYSTEM_TIME AS OF")?;
    refuse::clause(!partitions.is_empty(), "PARTITION behind a table function")?;
    refuse::clause(json_path.is_some(), "a path behind a table function")?;
    refuse::clause(sample.is_some(), "TABLESAMPLE")?;
    refuse::clause(!index_hints.is_empty(), "an index hint")
}
