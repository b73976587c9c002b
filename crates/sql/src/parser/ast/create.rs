//! `CREATE VIEW`, `CREATE CATALOG`, `CREATE DATABASE`, and every `DROP`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName, Query};

use super::print::{if_exists, if_not_exists, joined, parens, query_text, with_options, word};
use super::{Scope, SqlOption, Text};

/// `CREATE [OR REPLACE] [TEMPORARY] VIEW [IF NOT EXISTS] v [(c, ..)] [COMMENT 's'] AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The view's name.
    pub name: ObjectName,
    /// Names for the query's columns; empty when the query's own are kept.
    pub columns: Vec<Ident>,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// The query.
    pub query: Box<Query>,
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE ")?;
        word(f, self.or_replace, "OR REPLACE ")?;
        word(f, self.temporary, "TEMPORARY ")?;
        f.write_str("VIEW ")?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if !self.columns.is_empty() {
            write!(f, " {}", parens(&self.columns))?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " COMMENT {comment}")?;
        }
        write!(f, " AS {}", query_text(&self.query))
    }
}

/// `CREATE CATALOG [IF NOT EXISTS] c [COMMENT 's'] [WITH (..)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateCatalog {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The catalog's name.
    pub name: Ident,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH`.
    pub options: Vec<SqlOption>,
}

impl fmt::Display for CreateCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE CATALOG ")?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if let Some(comment) = &self.comment {
            write!(f, " COMMENT {comment}")?;
        }
        with_options(f, &self.options)
    }
}

/// `CREATE DATABASE [IF NOT EXISTS] [c.]d [COMMENT 's'] [WITH (..)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateDatabase {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The database's name, possibly with its catalog.
    pub name: ObjectName,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH`.
    pub options: Vec<SqlOption>,
}

impl fmt::Display for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE DATABASE ")?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if let Some(comment) = &self.comment {
            write!(f, " COMMENT {comment}")?;
        }
        with_options(f, &self.options)
    }
}

/// `DROP kind [IF EXISTS] name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// What is dropped.
    pub kind: DropKind,
    /// `TEMPORARY [SYSTEM]`; only tables, views, functions, models and connections have it.
    pub scope: Scope,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// `CASCADE` of a database: drop what is in it, too. `RESTRICT` is the default.
    pub cascade: bool,
}

/// What a `DROP` drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized table.
    MaterializedTable,
    /// A function.
    Function,
    /// A model.
    Model,
    /// A connection.
    Connection,
    /// A catalog.
    Catalog,
    /// A database.
    Database,
}

impl fmt::Display for DropKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropKind::Table => "TABLE",
            DropKind::View => "VIEW",
            DropKind::MaterializedTable => "MATERIALIZED TABLE",
            DropKind::Function => "FUNCTION",
            DropKind::Model => "MODEL",
            DropKind::Connection => "CONNECTION",
            DropKind::Catalog => "CATALOG",
            DropKind::Database => "DATABASE",
        })
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DROP {}{} ", self.scope, self.kind)?;
        if_exists(f, self.if_exists)?;
        write!(f, "{}", joined(&self.name.0, "."))?;
        word(f, self.cascade, " CASCADE")
    }
}
