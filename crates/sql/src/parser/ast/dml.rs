//! Statements that write: `INSERT`, statement sets, `DELETE`, `UPDATE`, `CALL`, and compiled plans.

use std::fmt;

use sqlparser::ast::{Expr, FunctionArg, Ident, ObjectName, Query};

use super::Text;
use super::print::{expr_text, joined, parens, query_text, word};
use super::view::Hint;

/// `INSERT {INTO|OVERWRITE} t [hints] [PARTITION (..)] [(c, ..)] query [ON CONFLICT DO ..]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `INTO`, `OVERWRITE`, or `UPSERT INTO`.
    pub kind: InsertKind,
    /// The sink.
    pub table: ObjectName,
    /// `/*+ OPTIONS('k' = 'v') */` behind the sink's name.
    pub hints: Vec<Hint>,
    /// `PARTITION (k = v, ..)`: static partition values.
    pub partition: Option<Partition>,
    /// The columns written; empty for all.
    pub columns: Vec<Vec<Ident>>,
    /// The rows.
    pub source: InsertSource,
    /// `ON CONFLICT DO ..`.
    pub on_conflict: Option<ConflictAction>,
}

/// How an `INSERT` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertKind {
    /// `INSERT INTO`.
    Into,
    /// `INSERT OVERWRITE`.
    Overwrite,
    /// `UPSERT INTO`.
    Upsert,
}

/// Where the rows of an `INSERT` come from: any query; `VALUES` is one, and may hold `DEFAULT`.
pub type InsertSource = Box<Query>;

/// What a sink does when two rows have its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictAction {
    /// Keeps the first.
    Nothing,
    /// Fails.
    Error,
    /// Keeps the newest, with the sink materializer.
    Deduplicate,
}

impl fmt::Display for ConflictAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConflictAction::Nothing => "NOTHING",
            ConflictAction::Error => "ERROR",
            ConflictAction::Deduplicate => "DEDUPLICATE",
        })
    }
}

/// `PARTITION (k = v, ..)`. A value is a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition(pub Vec<(Ident, Expr)>);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(k, v)| format!("{k} = {}", expr_text(v))).collect();
        write!(f, "PARTITION {}", parens(&parts))
    }
}

/// `DELETE FROM t [WHERE ..]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: ObjectName,
    /// `[AS] alias`.
    pub alias: Option<Ident>,
    /// `WHERE`.
    pub condition: Option<Expr>,
}

/// `UPDATE t SET c = e, .. [WHERE ..]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The table.
    pub table: ObjectName,
    /// `[AS] alias`.
    pub alias: Option<Ident>,
    /// Columns and their new values.
    pub assignments: Vec<(Ident, Expr)>,
    /// `WHERE`.
    pub condition: Option<Expr>,
}

/// `CALL proc(v, ..)` or `CALL proc(name => v, ..)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The procedure.
    pub procedure: ObjectName,
    /// Its arguments.
    pub args: Vec<FunctionArg>,
}

/// `COMPILE [AND EXECUTE] PLAN 'file' [IF NOT EXISTS] FOR ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct CompilePlan {
    /// `AND EXECUTE`.
    pub execute: bool,
    /// The plan's file.
    pub file: Text,
    /// `IF NOT EXISTS`: keep a file that is there.
    pub if_not_exists: bool,
    /// What is compiled.
    pub source: PlanSource,
}

/// What a plan is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanSource {
    /// One `INSERT`.
    Insert(Box<Insert>),
    /// `STATEMENT SET BEGIN .. END`.
    StatementSet(Vec<Insert>),
}

/// `STATEMENT SET BEGIN ins; .. END`.
pub(super) fn statement_set(f: &mut fmt::Formatter<'_>, inserts: &[Insert]) -> fmt::Result {
    f.write_str("STATEMENT SET BEGIN ")?;
    for insert in inserts {
        write!(f, "{insert}; ")?;
    }
    f.write_str("END")
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            InsertKind::Into => "INSERT INTO ",
            InsertKind::Overwrite => "INSERT OVERWRITE ",
            InsertKind::Upsert => "UPSERT INTO ",
        })?;
        write!(f, "{}", self.table)?;
        if !self.hints.is_empty() {
            write!(f, " /*+ {} */", joined(&self.hints, ", "))?;
        }
        if let Some(partition) = &self.partition {
            write!(f, " {partition}")?;
        }
        if !self.columns.is_empty() {
            let columns: Vec<String> = self.columns.iter().map(|c| joined(c, ".").to_string()).collect();
            write!(f, " {}", parens(&columns))?;
        }
        write!(f, " {}", query_text(&self.source))?;
        match self.on_conflict {
            Some(action) => write!(f, " ON CONFLICT DO {action}"),
            None => Ok(()),
        }
    }
}

/// ` AS alias`, or nothing.
fn as_alias(f: &mut fmt::Formatter<'_>, alias: &Option<Ident>) -> fmt::Result {
    match alias {
        Some(alias) => write!(f, " AS {alias}"),
        None => Ok(()),
    }
}

/// ` WHERE condition`, or nothing.
fn where_clause(f: &mut fmt::Formatter<'_>, condition: &Option<Expr>) -> fmt::Result {
    match condition {
        Some(condition) => write!(f, " WHERE {}", expr_text(condition)),
        None => Ok(()),
    }
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DELETE FROM {}", self.table)?;
        as_alias(f, &self.alias)?;
        where_clause(f, &self.condition)
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UPDATE {}", self.table)?;
        as_alias(f, &self.alias)?;
        let sets: Vec<String> = self.assignments.iter().map(|(c, e)| format!("{c} = {}", expr_text(e))).collect();
        write!(f, " SET {}", joined(&sets, ", "))?;
        where_clause(f, &self.condition)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = crate::parser::encode::decode_text(joined(&self.args, ", ").to_string());
        write!(f, "CALL {}({args})", self.procedure)
    }
}

impl fmt::Display for CompilePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("COMPILE ")?;
        word(f, self.execute, "AND EXECUTE ")?;
        write!(f, "PLAN {}", self.file)?;
        word(f, self.if_not_exists, " IF NOT EXISTS")?;
        f.write_str(" FOR ")?;
        match &self.source {
            PlanSource::Insert(insert) => write!(f, "{insert}"),
            PlanSource::StatementSet(inserts) => statement_set(f, inserts),
        }
    }
}
