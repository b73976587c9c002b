//! The hint `MULTI_JOIN(a, b, ..)`: which joins of a query's `FROM` may become one.
//!
//! Flink counterpart: `QueryHintsResolver` and `JoinToMultiJoinRule`. A join is meant if a table right at one of its sides
//! is named; what the side calls it counts: its alias, else its name. The joins of subqueries and views are not meant.

use flott_api::{Error, Result};
use sqlparser::ast::{Select, TableAlias, TableFactor, TableWithJoins};

use super::from::alias_name;
use super::{Binder, refuse};
use crate::parser::ast::view::{Hint, HintArgs, select_hints};
use crate::plan::rel::{Op, Rel};
use crate::plan::scope::Scope;

const NAME: &str = "MULTI_JOIN";

impl Binder<'_> {
    /// The tables of a SELECT, with the joins that its hints mean marked.
    pub(super) fn bind_tables(&self, select: &Select) -> Result<(Rel, Scope)> {
        let names = hinted(select)?;
        if let Some(unknown) = names.as_deref().map(|names| unknown(names, &select.from)).filter(|u| !u.is_empty()) {
            return Err(Error::invalid(format!("hint {NAME} names '{}', which is no table here", unknown.join(", ")))
                .with_detail("The options of hints must match the names of input tables or views.")
                .with_hint("Name the tables of FROM by their aliases, where they have one."));
        }
        let outer = self.multi_joins.replace(names.unwrap_or_default());
        let tables = self.bind_from(&select.from);
        self.multi_joins.replace(outer);
        tables
    }

    /// Marks the join that is the relation if a table at one of its sides is named.
    pub(super) fn marked(&self, mut rel: Rel, sides: [Option<&str>; 2]) -> Rel {
        let names = self.multi_joins.borrow();
        let is_named = |side: Option<&str>| side.is_some_and(|side| names.iter().any(|name| name == side));
        if let Op::Join(join) = &mut rel.op {
            join.multi |= sides.into_iter().any(is_named);
        }
        rel
    }
}

/// The names in the hints of a SELECT; nothing without one. Other hints are refused.
fn hinted(select: &Select) -> Result<Option<Vec<String>>> {
    let mut names: Option<Vec<String>> = None;
    for hint in select_hints(select)? {
        refuse::clause(!hint.name.value.eq_ignore_ascii_case(NAME), "a hint behind SELECT")?;
        names.get_or_insert_default().extend(names_of(&hint)?);
    }
    Ok(names)
}

fn names_of(hint: &Hint) -> Result<Vec<String>> {
    match &hint.args {
        HintArgs::Names(names) if !names.is_empty() => Ok(names.iter().map(|name| name.value.clone()).collect()),
        _ => Err(Error::invalid(format!("hint '{hint}' names no table"))
            .with_detail(format!("Hint {NAME} expects at least one table or view."))
            .with_hint(format!("Write {NAME}(a, b)."))),
    }
}

/// The names that no table of FROM has.
fn unknown(names: &[String], from: &[TableWithJoins]) -> Vec<String> {
    let mut known = Vec::new();
    from.iter().for_each(|tables| collect(tables, &mut known));
    names.iter().filter(|name| !known.contains(name)).cloned().collect()
}

fn collect(tables: &TableWithJoins, known: &mut Vec<String>) {
    for factor in [&tables.relation].into_iter().chain(tables.joins.iter().map(|join| &join.relation)) {
        known.extend(table_name(factor));
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            collect(table_with_joins, known);
        }
    }
}

/// What a table is called in a query.
pub(super) fn table_name(factor: &TableFactor) -> Option<String> {
    let of_alias = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias_name(&alias.name));
    match factor {
        TableFactor::Table { name, alias, .. } => {
            of_alias(alias).or_else(|| name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.clone()))
        }
        TableFactor::Derived { alias, .. } | TableFactor::NestedJoin { alias, .. } => of_alias(alias),
        _ => None,
    }
}
