//! The names that an expression may use: columns, and the tables they come from. Case-sensitive, as in Flink.

use std::ops::Range;

use flott_api::error::{Location, nearest};
use flott_api::expr::Expr;
use flott_api::{Error, Field, Result, TypeKind};
use sqlparser::ast::Ident;

use super::rel::Column;
use crate::parser::ast::ident_location;

/// The columns of `FROM`.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The columns under their own names, in the order of the input.
    pub(super) columns: Vec<Column>,
    /// The tables that they come from.
    tables: Vec<Named>,
    /// Columns of two tables that `USING` or `NATURAL` made one, the newest last.
    shared: Vec<Shared>,
    /// Columns that `*` does not stand for.
    hidden: Vec<usize>,
    /// Where the own columns of a subquery begin, behind those of the query around it.
    own_from: usize,
}

/// A table of `FROM`.
#[derive(Clone, Debug)]
struct Named {
    /// What qualifies its columns: the parts of its name, or its alias. Empty for a query without an alias.
    qualifier: Vec<String>,
    /// Its columns.
    columns: Range<usize>,
}

/// A column of two tables.
#[derive(Clone, Debug)]
struct Shared {
    name: String,
    /// What it is.
    value: Expr,
    /// The columns that it stands for.
    of: Vec<usize>,
}

impl Scope {
    /// Columns behind a qualifier.
    pub(super) fn new(columns: Vec<Column>, qualifier: Vec<String>) -> Self {
        let named = Named { qualifier, columns: 0..columns.len() };
        Scope { columns, tables: vec![named], ..Scope::default() }
    }

    /// Columns without any table.
    pub(super) fn of_columns(columns: Vec<Column>) -> Self {
        Scope::new(columns, Vec::new())
    }

    /// The columns of this scope, then those of another one.
    ///
    /// # Errors
    /// If both have a table of one name.
    pub(super) fn beside(self, right: Scope) -> Result<Self> {
        let names = |s: &Scope| s.tables.iter().filter_map(|t| t.qualifier.last().cloned()).collect::<Vec<_>>();
        if let Some(twice) = names(&right).into_iter().find(|name| names(&self).contains(name)) {
            return Err(
                Error::invalid(format!("FROM has two tables '{twice}'")).with_hint("Give one an alias: t AS u.")
            );
        }
        Ok(self.followed_by(right))
    }

    /// Whether these are the columns of one table that is called so: by its alias, or the last parts of its name.
    pub(super) fn is_table(&self, name: &str) -> bool {
        let [table] = self.tables.as_slice() else { return false };
        (0..table.qualifier.len()).any(|first| table.qualifier[first..].join(".") == name)
    }

    fn followed_by(mut self, right: Scope) -> Self {
        let first = self.columns.len();
        let shift = |n: Named| Named { columns: n.columns.start + first..n.columns.end + first, ..n };
        self.tables.extend(right.tables.into_iter().map(shift));
        let shift = |s: Shared| Shared {
            value: s.value.transform(&mut |e| match e {
                Expr::Column { index, ty } => Expr::Column { index: index + first, ty },
                other => other,
            }),
            of: s.of.into_iter().map(|c| c + first).collect(),
            ..s
        };
        self.shared.extend(right.shared.into_iter().map(shift));
        self.hidden.extend(right.hidden.into_iter().map(|c| c + first));
        self.columns.extend(right.columns);
        self
    }

    /// The columns of the query around this one, then its own: these are meant where a name is both.
    #[must_use]
    pub(super) fn within(self, outer: &Scope) -> Self {
        let own_from = outer.columns.len();
        let mut around = outer.clone();
        // Own tables may have the names of outer ones.
        let outer_tables = std::mem::take(&mut around.tables);
        let mut both = around.followed_by(self);
        both.tables.extend(outer_tables);
        Scope { own_from, ..both }
    }

    /// Some of the columns, under the names that lead to them.
    #[must_use]
    pub(super) fn picked(&self, columns: &[usize]) -> Self {
        let named = |(place, column): (usize, &usize)| Named {
            qualifier: self.qualifier_of(*column).to_vec(),
            columns: place..place + 1,
        };
        let picked = columns.iter().map(|c| Column { time: None, window: None, ..self.columns[*c].clone() }).collect();
        Scope { columns: picked, tables: columns.iter().enumerate().map(named).collect(), ..Scope::default() }
    }

    /// With a column behind the others that only its name leads to.
    #[must_use]
    pub(super) fn with_hidden(mut self, column: Column) -> Self {
        self.hidden.push(self.columns.len());
        self.columns.push(column);
        self
    }

    /// With a column behind the others that has a table's name before it, or none, and that `*` does not stand for.
    #[must_use]
    pub(super) fn with_qualified(self, column: Column, qualifier: Vec<String>) -> Self {
        let index = self.columns.len();
        let mut scope = self.with_hidden(column);
        scope.tables.push(Named { qualifier, columns: index..index + 1 });
        scope
    }

    /// What qualifies a column.
    pub(super) fn qualifier_of(&self, column: usize) -> &[String] {
        let table = self.tables.iter().find(|t| t.columns.contains(&column));
        table.map_or(&[], |t| t.qualifier.as_slice())
    }

    /// The types that the columns have behind a join.
    pub(super) fn retype(&mut self, columns: &[Column]) {
        for (own, column) in self.columns.iter_mut().zip(columns) {
            own.ty = column.ty.clone();
            own.time = column.time;
        }
    }

    /// Makes columns one under a name.
    pub(super) fn share(&mut self, name: &str, value: Expr, of: Vec<usize>) {
        self.shared.retain(|s| s.name != name);
        self.shared.push(Shared { name: name.to_owned(), value, of });
    }

    /// What `*` stands for: shared columns first, then the others.
    pub(super) fn all(&self) -> Vec<(Expr, String)> {
        let hidden = |c: &usize| self.hidden.contains(c) || self.shared.iter().any(|s| s.of.contains(c));
        let shared = self.shared.iter().map(|s| (s.value.clone(), s.name.clone()));
        let own = (0..self.columns.len()).filter(|c| !hidden(c)).map(|c| self.plain(c));
        shared.chain(own).collect()
    }

    /// What `t.*` stands for; nothing if there is no such table.
    pub(super) fn all_of(&self, qualifier: &[&str]) -> Option<Vec<(Expr, String)>> {
        let table = self.tables.iter().find(|t| t.is_named(qualifier))?;
        Some(table.columns.clone().map(|c| self.plain(c)).collect())
    }

    fn plain(&self, column: usize) -> (Expr, String) {
        let Column { name, ty, .. } = &self.columns[column];
        (Expr::column(column, ty.clone()), name.clone())
    }

    /// The names of the columns that can be written without a table, each once.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The expression of `a`, `t.a`, `t.a.field` or `a.field`.
    pub(super) fn resolve(&self, parts: &[Ident]) -> Result<Expr> {
        let Some(first) = parts.first() else { return Err(Error::internal("an identifier has no parts")) };
        if let Some((range, rest)) = self.strip_qualifier(parts) {
            let column = self.column_in(&rest[0], range)?;
            return rest[1..].iter().try_fold(column, field_access);
        }
        if self.is_known(&first.value) || parts.len() == 1 {
            return self.path(parts);
        }
        let text = parts[..parts.len() - 1].iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
        let error = Error::invalid(format!("table '{text}' is not in FROM")).at(ident_location(first));
        let names: Vec<String> =
            self.tables.iter().filter_map(|t| t.qualifier.last()).map(|name| format!("'{name}'")).collect();
        Err(if names.is_empty() { error } else { error.with_hint(format!("FROM has {}.", names.join(", "))) })
    }

    fn is_known(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.name == name)
    }

    /// The columns of the table that is named, and what follows its name; with the longest name that leaves a column.
    fn strip_qualifier<'p>(&self, parts: &'p [Ident]) -> Option<(Range<usize>, &'p [Ident])> {
        (1..parts.len()).rev().find_map(|n| {
            let prefix: Vec<&str> = parts[..n].iter().map(|p| p.value.as_str()).collect();
            let named = self.tables.iter().filter(|t| t.is_named(&prefix));
            let has = |t: &&Named| self.columns[t.columns.clone()].iter().any(|c| c.name == parts[n].value);
            let table = named.clone().find(has).or_else(|| named.clone().next().filter(|_| n == 1))?;
            Some((table.columns.clone(), &parts[n..]))
        })
    }

    fn path(&self, parts: &[Ident]) -> Result<Expr> {
        let (first, fields) = (&parts[0], &parts[1..]);
        let column = self.column(first)?;
        fields.iter().try_fold(column, field_access)
    }

    fn column(&self, name: &Ident) -> Result<Expr> {
        if let Some(shared) = self.shared.iter().rev().find(|s| s.name == name.value) {
            return Ok(shared.value.clone());
        }
        let own = self.own_from..self.columns.len();
        let is_own = self.columns[own.clone()].iter().any(|c| c.name == name.value);
        self.column_in(name, if is_own { own } else { 0..self.columns.len() })
    }

    fn column_in(&self, name: &Ident, range: Range<usize>) -> Result<Expr> {
        let mut found = range.filter(|c| self.columns[*c].name == name.value);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(Expr::column(index, self.columns[index].ty.clone())),
            (Some(_), Some(_)) => {
                Err(Error::invalid(format!("column '{}' is ambiguous", name.value)).at(ident_location(name)))
            }
            (None, _) => Err(self.unknown_column(name)),
        }
    }

    fn unknown_column(&self, name: &Ident) -> Error {
        let error = Error::invalid(format!("column '{}' does not exist", name.value)).at(ident_location(name));
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        match nearest(&name.value, names.iter().copied()) {
            Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
            None if names.is_empty() => error.with_hint("There is no FROM clause, so there are no columns."),
            None => error.with_hint(format!("The columns are: {}.", names.join(", "))),
        }
    }
}

impl Named {
    /// Whether `parts` is its alias, or the end of its name.
    fn is_named(&self, parts: &[&str]) -> bool {
        !parts.is_empty() && parts.len() <= self.qualifier.len() && {
            let own = &self.qualifier[self.qualifier.len() - parts.len()..];
            own.iter().map(String::as_str).eq(parts.iter().copied())
        }
    }
}

/// `input.name`.
pub(super) fn field_access(input: Expr, name: &Ident) -> Result<Expr> {
    let nullable = input.ty().nullable;
    let at = ident_location(name);
    let fields: &[Field] = match &input.ty().kind {
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => fields,
        kind => {
            return Err(Error::invalid(format!("field '{}' of a value of type {kind}", name.value))
                .with_detail("Only a ROW has fields.")
                .at(at));
        }
    };
    let place = |is: fn(&str, &str) -> bool| fields.iter().position(|f| is(&f.name, &name.value));
    let exactly = place(|a, b| a == b);
    // As in Flink, case does not count in the fields of objects, unless it tells two of them apart.
    let found = match &input.ty().kind {
        TypeKind::Structured { .. } => exactly.or_else(|| place(str::eq_ignore_ascii_case)),
        _ => exactly,
    };
    let Some(index) = found else {
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        return Err(Error::invalid(format!("field '{}' does not exist", name.value))
            .with_hint(format!("The fields are: {}.", names.join(", ")))
            .at(at));
    };
    let field = &fields[index].ty;
    // A field of a missing row is missing.
    let ty = field.clone().with_nullable(field.nullable || nullable);
    Ok(Expr::Field { input: Box::new(input), index, ty })
}

/// Where a span of the syntax tree begins; nothing for a made-up node.
pub(super) fn span_location(span: sqlparser::tokenizer::Span) -> Option<Location> {
    (span.start.line > 0).then_some(Location { line: span.start.line, column: span.start.column })
}

/// Adds a place to an error if there is one.
pub(super) fn at_span(error: Error, span: sqlparser::tokenizer::Span) -> Error {
    match span_location(span) {
        Some(location) => error.at(location),
        None => error,
    }
}
