//! Materialized tables: a query whose result is kept fresh by a job that Flott runs.

use std::fmt;

use sqlparser::ast::{Expr, Ident, ObjectName, Query};

use super::alter::column_list;
use super::print::{expr_text, parens, query_text, with_options};
use super::table::properties;
use super::{AlterSchema, Distribution, Partition, SqlOption, TableSchema, Text};

/// `CREATE [OR ALTER] MATERIALIZED TABLE t .. AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateMaterializedTable {
    /// `OR ALTER`.
    pub or_alter: bool,
    /// The table's name.
    pub name: ObjectName,
    /// What stands in the parentheses.
    pub schema: TableSchema,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `DISTRIBUTED ..`.
    pub distribution: Option<Distribution>,
    /// `PARTITIONED BY`.
    pub partitioned_by: Vec<Ident>,
    /// `WITH`.
    pub options: Vec<SqlOption>,
    /// `START_MODE = ..`.
    pub start_mode: Option<StartMode>,
    /// `FRESHNESS = INTERVAL ..`; always an `Expr::Interval`.
    pub freshness: Option<Expr>,
    /// `REFRESH_MODE = ..`.
    pub refresh_mode: Option<RefreshMode>,
    /// The query.
    pub query: Box<Query>,
}

/// From where the first refresh reads.
#[derive(Clone, Debug, PartialEq)]
pub enum StartMode {
    /// `FROM_BEGINNING`, or `RESUME_OR_FROM_BEGINNING`.
    FromBeginning {
        /// `RESUME_OR_`: go on where an older version of the table stopped.
        resume: bool,
    },
    /// `FROM_NOW[(INTERVAL ..)]`, or `RESUME_OR_FROM_NOW..`.
    FromNow {
        /// `RESUME_OR_`.
        resume: bool,
        /// How long before now; an `Expr::Interval`.
        ago: Option<Expr>,
    },
    /// `FROM_TIMESTAMP(TIMESTAMP '..')`, or `RESUME_OR_FROM_TIMESTAMP(..)`.
    FromTimestamp {
        /// `RESUME_OR_`.
        resume: bool,
        /// The timestamp literal.
        timestamp: Expr,
    },
}

/// How a materialized table is kept fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshMode {
    /// By a streaming job.
    Continuous,
    /// By a batch job, again and again.
    Full,
}

/// `ALTER MATERIALIZED TABLE t ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterMaterializedTable {
    /// The table.
    pub name: ObjectName,
    /// The change.
    pub action: AlterMaterializedTableAction,
}

/// A change of a materialized table.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterMaterializedTableAction {
    /// `SUSPEND`.
    Suspend,
    /// `RESUME [WITH (..)]`.
    Resume(Vec<SqlOption>),
    /// `REFRESH [PARTITION (..)]`.
    Refresh(Option<Partition>),
    /// `SET FRESHNESS = INTERVAL ..`.
    SetFreshness(Box<Expr>),
    /// `SET REFRESH_MODE = ..`.
    SetRefreshMode(RefreshMode),
    /// `SET ('k' = 'v', ..)`.
    Set(Vec<SqlOption>),
    /// `RESET ('k', ..)`.
    Reset(Vec<Text>),
    /// `ADD (..)`.
    Add(AlterSchema),
    /// `ADD DISTRIBUTION ..`.
    AddDistribution(Distribution),
    /// `MODIFY (..)`.
    Modify(AlterSchema),
    /// `MODIFY DISTRIBUTION ..`.
    ModifyDistribution(Distribution),
    /// `DROP c`, `DROP (c, ..)`.
    DropColumns(Vec<Vec<Ident>>),
    /// `DROP PRIMARY KEY`.
    DropPrimaryKey,
    /// `DROP CONSTRAINT n`.
    DropConstraint(Ident),
    /// `DROP WATERMARK`.
    DropWatermark,
    /// `DROP DISTRIBUTION`.
    DropDistribution,
    /// `AS query`.
    As(Box<Query>),
}

impl fmt::Display for CreateMaterializedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_alter = if self.or_alter { "OR ALTER " } else { "" };
        write!(f, "CREATE {or_alter}MATERIALIZED TABLE {}", self.name)?;
        if !self.schema.is_empty() {
            write!(f, " ({})", self.schema)?;
        }
        properties(f, &self.comment, &self.distribution, &self.partitioned_by, &self.options)?;
        if let Some(mode) = &self.start_mode {
            write!(f, " START_MODE = {mode}")?;
        }
        if let Some(freshness) = &self.freshness {
            write!(f, " FRESHNESS = {}", expr_text(freshness))?;
        }
        if let Some(mode) = self.refresh_mode {
            write!(f, " REFRESH_MODE = {mode}")?;
        }
        write!(f, " AS {}", query_text(&self.query))
    }
}

impl fmt::Display for StartMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resume, name, argument) = match self {
            StartMode::FromBeginning { resume } => (resume, "FROM_BEGINNING", None),
            StartMode::FromNow { resume, ago } => (resume, "FROM_NOW", ago.as_ref()),
            StartMode::FromTimestamp { resume, timestamp } => (resume, "FROM_TIMESTAMP", Some(timestamp)),
        };
        write!(f, "{}{name}", if *resume { "RESUME_OR_" } else { "" })?;
        match argument {
            Some(argument) => write!(f, "({})", expr_text(argument)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RefreshMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RefreshMode::Continuous => "CONTINUOUS",
            RefreshMode::Full => "FULL",
        })
    }
}

impl fmt::Display for AlterMaterializedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER MATERIALIZED TABLE {} {}", self.name, self.action)
    }
}

impl fmt::Display for AlterMaterializedTableAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AlterMaterializedTableAction as Action;
        match self {
            Action::Suspend => f.write_str("SUSPEND"),
            Action::Resume(options) => {
                f.write_str("RESUME")?;
                with_options(f, options)
            }
            Action::Refresh(Some(partition)) => write!(f, "REFRESH {partition}"),
            Action::Refresh(None) => f.write_str("REFRESH"),
            Action::SetFreshness(interval) => write!(f, "SET FRESHNESS = {}", expr_text(interval)),
            Action::SetRefreshMode(mode) => write!(f, "SET REFRESH_MODE = {mode}"),
            Action::Set(options) => write!(f, "SET {}", parens(options)),
            Action::Reset(keys) => write!(f, "RESET {}", parens(keys)),
            Action::Add(schema) => write!(f, "ADD ({schema})"),
            Action::AddDistribution(distribution) => write!(f, "ADD DISTRIBUTION{distribution}"),
            Action::Modify(schema) => write!(f, "MODIFY ({schema})"),
            Action::ModifyDistribution(distribution) => write!(f, "MODIFY DISTRIBUTION{distribution}"),
            Action::DropColumns(columns) => write!(f, "DROP {}", column_list(columns)),
            Action::DropPrimaryKey => f.write_str("DROP PRIMARY KEY"),
            Action::DropConstraint(name) => write!(f, "DROP CONSTRAINT {name}"),
            Action::DropWatermark => f.write_str("DROP WATERMARK"),
            Action::DropDistribution => f.write_str("DROP DISTRIBUTION"),
            Action::As(query) => write!(f, "AS {}", query_text(query)),
        }
    }
}
