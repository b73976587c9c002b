//! `ALTER TABLE` and `ALTER VIEW`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName, Query};

use super::print::{if_exists, if_not_exists, joined, parens, query_text, with_options};
use super::{ColumnDef, Distribution, Partition, SqlOption, TableConstraint, Text, WatermarkDef};

/// `ALTER TABLE [IF EXISTS] t ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// The change.
    pub action: AlterTableAction,
}

/// A change of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterTableAction {
    /// `ADD (..)`: columns, constraints, a watermark.
    Add(AlterSchema),
    /// `ADD [IF NOT EXISTS] PARTITION (..) [WITH (..)] ..`.
    AddPartitions {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The partitions.
        partitions: Vec<PartitionAdd>,
    },
    /// `ADD DISTRIBUTION ..`.
    AddDistribution(Distribution),
    /// `MODIFY (..)`: columns, constraints, the watermark.
    Modify(AlterSchema),
    /// `MODIFY DISTRIBUTION ..`.
    ModifyDistribution(Distribution),
    /// `DROP c`, `DROP (c, ..)`; several parts for a nested field.
    DropColumns(Vec<Vec<Ident>>),
    /// `DROP PRIMARY KEY`.
    DropPrimaryKey,
    /// `DROP CONSTRAINT n`.
    DropConstraint(Ident),
    /// `DROP WATERMARK`.
    DropWatermark,
    /// `DROP DISTRIBUTION`.
    DropDistribution,
    /// `DROP [IF EXISTS] PARTITION (..), ..`.
    DropPartitions {
        /// `IF EXISTS`.
        if_exists: bool,
        /// The partitions.
        partitions: Vec<Partition>,
    },
    /// `RENAME old[.nested] TO new`.
    RenameColumn {
        /// The column, or nested field.
        from: Vec<Ident>,
        /// Its new name.
        to: Ident,
    },
    /// `RENAME TO t`.
    RenameTo(ObjectName),
    /// `SET ('k' = 'v', ..)`.
    Set(Vec<SqlOption>),
    /// `RESET ('k', ..)`.
    Reset(Vec<Text>),
}

/// What `ADD` and `MODIFY` name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterSchema {
    /// Columns with their place.
    pub columns: Vec<AddColumn>,
    /// The watermark.
    pub watermark: Option<WatermarkDef>,
    /// Constraints.
    pub constraints: Vec<TableConstraint>,
}

/// `[parent.]c type .. [FIRST | AFTER c2]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddColumn {
    /// The rows that hold a nested field; empty for a column.
    pub parents: Vec<Ident>,
    /// The column.
    pub column: ColumnDef,
    /// Its place; at the end when not said.
    pub position: Option<ColumnPosition>,
}

/// Where a column goes.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnPosition {
    /// `FIRST`.
    First,
    /// `AFTER c`; several parts for a nested field.
    After(Vec<Ident>),
}

/// `PARTITION (k = v) [WITH (..)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionAdd {
    /// Its values.
    pub partition: Partition,
    /// Its options.
    pub options: Vec<SqlOption>,
}

/// `ALTER VIEW v ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterView {
    /// The view.
    pub name: ObjectName,
    /// The change.
    pub action: AlterViewAction,
}

/// A change of a view.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterViewAction {
    /// `RENAME TO w`.
    RenameTo(ObjectName),
    /// `AS query`.
    As(Box<Query>),
}

impl fmt::Display for AlterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ALTER TABLE ")?;
        if_exists(f, self.if_exists)?;
        write!(f, "{} {}", self.name, self.action)
    }
}

impl fmt::Display for AlterTableAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AlterTableAction::Add(schema) => write!(f, "ADD ({schema})"),
            AlterTableAction::AddPartitions { if_not_exists: said, partitions } => {
                f.write_str("ADD ")?;
                if_not_exists(f, *said)?;
                write!(f, "{}", joined(partitions, " "))
            }
            AlterTableAction::AddDistribution(distribution) => write!(f, "ADD DISTRIBUTION{distribution}"),
            AlterTableAction::Modify(schema) => write!(f, "MODIFY ({schema})"),
            AlterTableAction::ModifyDistribution(distribution) => write!(f, "MODIFY DISTRIBUTION{distribution}"),
            AlterTableAction::DropColumns(columns) => write!(f, "DROP {}", column_list(columns)),
            AlterTableAction::DropPrimaryKey => f.write_str("DROP PRIMARY KEY"),
            AlterTableAction::DropConstraint(name) => write!(f, "DROP CONSTRAINT {name}"),
            AlterTableAction::DropWatermark => f.write_str("DROP WATERMARK"),
            AlterTableAction::DropDistribution => f.write_str("DROP DISTRIBUTION"),
            AlterTableAction::DropPartitions { if_exists: said, partitions } => {
                f.write_str("DROP ")?;
                if_exists(f, *said)?;
                write!(f, "{}", joined(partitions, ", "))
            }
            AlterTableAction::RenameColumn { from, to } => write!(f, "RENAME {} TO {to}", joined(from, ".")),
            AlterTableAction::RenameTo(name) => write!(f, "RENAME TO {name}"),
            AlterTableAction::Set(options) => write!(f, "SET {}", parens(options)),
            AlterTableAction::Reset(keys) => write!(f, "RESET {}", parens(keys)),
        }
    }
}

/// `(a, b.c)`.
pub(super) fn column_list(columns: &[Vec<Ident>]) -> String {
    let columns: Vec<String> = columns.iter().map(|c| joined(c, ".").to_string()).collect();
    parens(&columns)
}

impl fmt::Display for AlterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.iter().map(ToString::to_string);
        let watermark = self.watermark.iter().map(ToString::to_string);
        let constraints = self.constraints.iter().map(ToString::to_string);
        let parts: Vec<String> = columns.chain(watermark).chain(constraints).collect();
        write!(f, "{}", joined(&parts, ", "))
    }
}

impl fmt::Display for AddColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for parent in &self.parents {
            write!(f, "{parent}.")?;
        }
        write!(f, "{}", self.column)?;
        match &self.position {
            Some(ColumnPosition::First) => f.write_str(" FIRST"),
            Some(ColumnPosition::After(column)) => write!(f, " AFTER {}", joined(column, ".")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PartitionAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.partition)?;
        with_options(f, &self.options)
    }
}

impl fmt::Display for AlterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            AlterViewAction::RenameTo(name) => write!(f, "ALTER VIEW {} RENAME TO {name}", self.name),
            AlterViewAction::As(query) => write!(f, "ALTER VIEW {} AS {}", self.name, query_text(query)),
        }
    }
}
