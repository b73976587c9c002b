//! The names that an expression may use: columns, and the tables they come from. Case-sensitive, as in Flink.

use flott_api::error::{Location, nearest};
use flott_api::expr::Expr;
use flott_api::{Error, Field, Result, TypeKind};
use sqlparser::ast::Ident;

use super::rel::Column;
use crate::parser::ast::ident_location;

/// The columns of `FROM`.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The columns, in the order of the input.
    pub(super) columns: Vec<Column>,
    /// What qualifies them: the parts of the table's name, or its alias. Empty for a query without an alias.
    pub(super) qualifier: Vec<String>,
}

impl Scope {
    /// Columns behind a qualifier.
    pub(super) fn new(columns: Vec<Column>, qualifier: Vec<String>) -> Self {
        Scope { columns, qualifier }
    }

    /// Columns without any table.
    pub(super) fn of_columns(columns: Vec<Column>) -> Self {
        Scope::new(columns, Vec::new())
    }

    /// The expression of `a`, `t.a`, `t.a.field` or `a.field`.
    pub(super) fn resolve(&self, parts: &[Ident]) -> Result<Expr> {
        let Some(first) = parts.first() else { return Err(Error::internal("an identifier has no parts")) };
        if let Some(rest) = self.strip_qualifier(parts) {
            return self.path(rest);
        }
        if self.positions(&first.value).next().is_some() || parts.len() == 1 {
            return self.path(parts);
        }
        let text = parts[..parts.len() - 1].iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
        let error = Error::invalid(format!("table '{text}' is not in FROM")).at(ident_location(first));
        Err(match self.qualifier.last() {
            Some(name) => error.with_hint(format!("FROM has '{name}'.")),
            None => error,
        })
    }

    /// Whether `parts` names the table of this scope: by its alias, or the end of its name.
    pub(super) fn is_qualifier(&self, parts: &[&str]) -> bool {
        !parts.is_empty() && parts.len() <= self.qualifier.len() && {
            let own = &self.qualifier[self.qualifier.len() - parts.len()..];
            own.iter().map(String::as_str).eq(parts.iter().copied())
        }
    }

    /// What follows the table's name, with the longest table's name that leaves a column.
    fn strip_qualifier<'p>(&self, parts: &'p [Ident]) -> Option<&'p [Ident]> {
        (1..parts.len()).rev().find_map(|n| {
            let prefix: Vec<&str> = parts[..n].iter().map(|p| p.value.as_str()).collect();
            let column = self.positions(&parts[n].value).next().is_some();
            (self.is_qualifier(&prefix) && (column || n == 1)).then(|| &parts[n..])
        })
    }

    fn path(&self, parts: &[Ident]) -> Result<Expr> {
        let (first, fields) = (&parts[0], &parts[1..]);
        let column = self.column(first)?;
        fields.iter().try_fold(column, field_access)
    }

    fn column(&self, name: &Ident) -> Result<Expr> {
        let mut found = self.positions(&name.value);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(Expr::column(index, self.columns[index].ty.clone())),
            (Some(_), Some(_)) => {
                Err(Error::invalid(format!("column '{}' is ambiguous", name.value)).at(ident_location(name)))
            }
            (None, _) => Err(self.unknown_column(name)),
        }
    }

    fn positions<'s>(&'s self, name: &'s str) -> impl Iterator<Item = usize> + 's {
        self.columns.iter().enumerate().filter(move |(_, c)| c.name == name).map(|(i, _)| i)
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
    let Some(index) = fields.iter().position(|f| f.name == name.value) else {
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
