//! `EXPLAIN`, `DESCRIBE`, `USE`, `ANALYZE`, and the shell's own commands.

use std::fmt;

use sqlparser::ast::{Expr, Ident, ObjectName};

use super::print::{expr_text, joined, parens, word};
use super::{Statement, Text};

/// `EXPLAIN [PLAN FOR | detail, ..] statement`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// What is shown beside the plan.
    pub details: Vec<ExplainDetail>,
    /// A query, an insert, a statement set, or a `CREATE TABLE .. AS`.
    pub statement: Box<Statement>,
}

/// What `EXPLAIN` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainDetail {
    /// Estimated cost of every node.
    EstimatedCost,
    /// Changelog mode of every node.
    ChangelogMode,
    /// Advice about the plan.
    PlanAdvice,
    /// The job graph as JSON.
    JsonExecutionPlan,
}

/// `{DESCRIBE | DESC} ..`.
#[derive(Clone, Debug, PartialEq)]
pub enum Describe {
    /// `DESCRIBE [EXTENDED] t`.
    Table {
        /// `EXTENDED`.
        extended: bool,
        /// The table or view.
        name: ObjectName,
    },
    /// `DESCRIBE CATALOG [EXTENDED] c`.
    Catalog {
        /// `EXTENDED`.
        extended: bool,
        /// The catalog.
        name: Ident,
    },
    /// `DESCRIBE DATABASE [EXTENDED] d`.
    Database {
        /// `EXTENDED`.
        extended: bool,
        /// The database.
        name: ObjectName,
    },
    /// `DESCRIBE FUNCTION [EXTENDED] f`.
    Function {
        /// `EXTENDED`.
        extended: bool,
        /// The function.
        name: ObjectName,
    },
    /// `DESCRIBE MODEL [EXTENDED] m`.
    Model {
        /// `EXTENDED`.
        extended: bool,
        /// The model.
        name: ObjectName,
    },
    /// `DESCRIBE CONNECTION [EXTENDED] c`.
    Connection {
        /// `EXTENDED`.
        extended: bool,
        /// The connection.
        name: ObjectName,
    },
    /// `DESCRIBE JOB 'id'`.
    Job(Text),
}

/// `USE ..`.
#[derive(Clone, Debug, PartialEq)]
pub enum Use {
    /// `USE CATALOG c`.
    Catalog(Ident),
    /// `USE [c.]d`.
    Database(ObjectName),
    /// `USE MODULES m, ..`.
    Modules(Vec<Ident>),
}

/// `ANALYZE TABLE t [PARTITION (p[=v], ..)] COMPUTE STATISTICS [FOR ..]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Analyze {
    /// The table.
    pub table: ObjectName,
    /// `PARTITION (..)`.
    pub partition: Vec<AnalyzePartition>,
    /// `FOR COLUMNS ..`.
    pub columns: AnalyzeColumns,
}

/// A partition column of an `ANALYZE`: one value, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyzePartition {
    /// The column.
    pub column: Ident,
    /// Its value; all when missing.
    pub value: Option<Expr>,
}

/// Of which columns statistics are made.
#[derive(Clone, Debug, PartialEq)]
pub enum AnalyzeColumns {
    /// Of none: only of the table.
    None,
    /// `FOR COLUMNS c, ..`.
    Some(Vec<Ident>),
    /// `FOR ALL COLUMNS`.
    All,
}

/// A command that only the shell knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCommand {
    /// `HELP`: lists the commands.
    Help,
    /// `CLEAR`: clears the screen.
    Clear,
    /// `QUIT` or `EXIT`: ends the shell.
    Quit,
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EXPLAIN ")?;
        if !self.details.is_empty() {
            write!(f, "{} ", joined(&self.details, ", "))?;
        }
        match &*self.statement {
            // `EXPLAIN STATEMENT SET`, without the `EXECUTE` that the statement has alone.
            Statement::StatementSet(inserts) => super::dml::statement_set(f, inserts),
            statement => write!(f, "{statement}"),
        }
    }
}

impl fmt::Display for ExplainDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExplainDetail::EstimatedCost => "ESTIMATED_COST",
            ExplainDetail::ChangelogMode => "CHANGELOG_MODE",
            ExplainDetail::PlanAdvice => "PLAN_ADVICE",
            ExplainDetail::JsonExecutionPlan => "JSON_EXECUTION_PLAN",
        })
    }
}

impl fmt::Display for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut describe = |kind: &str, extended: bool, name: &dyn fmt::Display| {
            write!(f, "DESCRIBE {kind}")?;
            word(f, extended, "EXTENDED ")?;
            write!(f, "{name}")
        };
        match self {
            Describe::Table { extended, name } => describe("", *extended, name),
            Describe::Catalog { extended, name } => describe("CATALOG ", *extended, name),
            Describe::Database { extended, name } => describe("DATABASE ", *extended, name),
            Describe::Function { extended, name } => describe("FUNCTION ", *extended, name),
            Describe::Model { extended, name } => describe("MODEL ", *extended, name),
            Describe::Connection { extended, name } => describe("CONNECTION ", *extended, name),
            Describe::Job(id) => describe("JOB ", false, id),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Use::Catalog(name) => write!(f, "USE CATALOG {name}"),
            Use::Database(name) => write!(f, "USE {name}"),
            Use::Modules(names) => write!(f, "USE MODULES {}", joined(names, ", ")),
        }
    }
}

impl fmt::Display for Analyze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ANALYZE TABLE {}", self.table)?;
        if !self.partition.is_empty() {
            write!(f, " PARTITION {}", parens(&self.partition))?;
        }
        f.write_str(" COMPUTE STATISTICS")?;
        match &self.columns {
            AnalyzeColumns::None => Ok(()),
            AnalyzeColumns::Some(columns) => write!(f, " FOR COLUMNS {}", joined(columns, ", ")),
            AnalyzeColumns::All => f.write_str(" FOR ALL COLUMNS"),
        }
    }
}

impl fmt::Display for AnalyzePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {}", self.column, expr_text(value)),
            None => write!(f, "{}", self.column),
        }
    }
}

impl fmt::Display for ClientCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientCommand::Help => "HELP",
            ClientCommand::Clear => "CLEAR",
            ClientCommand::Quit => "QUIT",
        })
    }
}
