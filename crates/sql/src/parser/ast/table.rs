//! `CREATE TABLE` and the parts that other statements share with it: columns, constraints, watermark, distribution.

use std::fmt;

use sqlparser::ast::{Expr, Ident, ObjectName, Query};

use super::print::{expr_text, if_not_exists, joined, parens, query_text, with_options, word};
use super::{SqlOption, SqlType, Text};

/// `CREATE TABLE` in all its forms.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// Whether it may replace a table, and must be `AS query` then.
    pub kind: CreateTableKind,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
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
    /// `LIKE` or `AS`.
    pub tail: Option<TableTail>,
}

/// What happens when the table exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateTableKind {
    /// `CREATE TABLE`: an error.
    Create,
    /// `REPLACE TABLE`: it must exist and is replaced.
    Replace,
    /// `CREATE OR REPLACE TABLE`.
    CreateOrReplace,
}

/// What follows the options of a `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub enum TableTail {
    /// `LIKE source (..)`.
    Like(TableLike),
    /// `AS query`.
    As(Box<Query>),
}

/// Columns, watermark and constraints, printed in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSchema {
    /// The columns, in order.
    pub columns: Vec<ColumnDef>,
    /// `(a, b)` before `AS query`: a new order of the query's columns. Then all the rest is empty.
    pub reorder: Vec<Ident>,
    /// `WATERMARK FOR`. Flink takes one.
    pub watermark: Option<WatermarkDef>,
    /// `PRIMARY KEY (..)` and `UNIQUE (..)`.
    pub constraints: Vec<TableConstraint>,
}

impl TableSchema {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == TableSchema::default()
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Physical, metadata or computed.
    pub kind: ColumnKind,
    /// `COMMENT`.
    pub comment: Option<Text>,
}

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnKind {
    /// `c type [constraint]`: the connector.
    Physical {
        /// Its type.
        data_type: SqlType,
        /// `PRIMARY KEY`, `UNIQUE`; its `columns` hold this column.
        constraint: Option<TableConstraint>,
    },
    /// `c type METADATA [FROM 'key'] [VIRTUAL]`: the connector's metadata.
    Metadata {
        /// Its type.
        data_type: SqlType,
        /// The metadata's key, when it is not the column's name.
        key: Option<Text>,
        /// `VIRTUAL`: read, never written.
        is_virtual: bool,
    },
    /// `c AS expr`.
    Computed(Box<Expr>),
}

/// `WATERMARK FOR c AS expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct WatermarkDef {
    /// The rowtime column; several parts for a nested field.
    pub column: Vec<Ident>,
    /// The watermark of a row.
    pub expr: Box<Expr>,
}

/// `[CONSTRAINT n] {PRIMARY KEY | UNIQUE} (c, ..) [[NOT] ENFORCED]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TableConstraint {
    /// `CONSTRAINT n`.
    pub name: Option<Ident>,
    /// Primary key or unique.
    pub kind: ConstraintKind,
    /// The columns.
    pub columns: Vec<Ident>,
    /// `ENFORCED`, `NOT ENFORCED`, or not said.
    pub enforced: Option<bool>,
}

/// What a constraint asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `UNIQUE`.
    Unique,
}

/// `DISTRIBUTED BY [HASH|RANGE] (c, ..) [INTO n BUCKETS]` or `DISTRIBUTED INTO n BUCKETS`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// `HASH` or `RANGE`.
    pub kind: Option<DistributionKind>,
    /// The columns.
    pub columns: Vec<Ident>,
    /// The number of buckets.
    pub buckets: Option<u32>,
}

/// How rows find their bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributionKind {
    /// By a hash.
    Hash,
    /// By order.
    Range,
}

/// `LIKE source (options)`.
#[derive(Clone, Debug, PartialEq)]
pub struct TableLike {
    /// The table whose definition is taken over.
    pub source: ObjectName,
    /// What is taken over, and how.
    pub options: Vec<LikeOption>,
}

/// `INCLUDING ALL`, `OVERWRITING OPTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LikeOption {
    /// How.
    pub merge: LikeMerge,
    /// What.
    pub feature: LikeFeature,
}

/// How a `LIKE` treats what both tables have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeMerge {
    /// Takes it over, and fails when both have it.
    Including,
    /// Leaves it.
    Excluding,
    /// Takes it over; the new table's wins.
    Overwriting,
}

/// What a `LIKE` takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeFeature {
    /// Everything.
    All,
    /// Primary key and unique constraints.
    Constraints,
    /// The distribution.
    Distribution,
    /// Computed columns.
    Generated,
    /// Metadata columns.
    Metadata,
    /// The `WITH` options.
    Options,
    /// The partitions.
    Partitions,
    /// The watermark.
    Watermarks,
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CreateTableKind::Create => "CREATE ",
            CreateTableKind::Replace => "REPLACE ",
            CreateTableKind::CreateOrReplace => "CREATE OR REPLACE ",
        })?;
        word(f, self.temporary, "TEMPORARY ")?;
        f.write_str("TABLE ")?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if !self.schema.is_empty() {
            write!(f, " ({})", self.schema)?;
        }
        properties(f, &self.comment, &self.distribution, &self.partitioned_by, &self.options)?;
        match &self.tail {
            Some(TableTail::Like(like)) => write!(f, " {like}"),
            Some(TableTail::As(query)) => write!(f, " AS {}", query_text(query)),
            None => Ok(()),
        }
    }
}

/// The clauses between the schema and the tail, which tables and materialized tables share.
pub(super) fn properties(
    f: &mut fmt::Formatter<'_>,
    comment: &Option<Text>,
    distribution: &Option<Distribution>,
    partitioned_by: &[Ident],
    options: &[SqlOption],
) -> fmt::Result {
    if let Some(comment) = comment {
        write!(f, " COMMENT {comment}")?;
    }
    if let Some(distribution) = distribution {
        write!(f, " DISTRIBUTED{distribution}")?;
    }
    if !partitioned_by.is_empty() {
        write!(f, " PARTITIONED BY {}", parens(partitioned_by))?;
    }
    with_options(f, options)
}

impl fmt::Display for TableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.reorder.iter().map(ToString::to_string);
        let columns = self.columns.iter().map(ToString::to_string);
        let watermark = self.watermark.iter().map(ToString::to_string);
        let constraints = self.constraints.iter().map(ToString::to_string);
        let parts: Vec<String> = names.chain(columns).chain(watermark).chain(constraints).collect();
        write!(f, "{}", joined(&parts, ", "))
    }
}

impl fmt::Display for ColumnDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name)?;
        match &self.kind {
            ColumnKind::Physical { data_type, constraint } => {
                write!(f, "{data_type}")?;
                if let Some(constraint) = constraint {
                    write!(f, " ")?;
                    constraint.fmt_head(f)?;
                    constraint.fmt_enforced(f)?;
                }
            }
            ColumnKind::Metadata { data_type, key, is_virtual } => {
                write!(f, "{data_type} METADATA")?;
                if let Some(key) = key {
                    write!(f, " FROM {key}")?;
                }
                word(f, *is_virtual, " VIRTUAL")?;
            }
            ColumnKind::Computed(expr) => write!(f, "AS {}", expr_text(expr))?,
        }
        match &self.comment {
            Some(comment) => write!(f, " COMMENT {comment}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for WatermarkDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WATERMARK FOR {} AS {}", joined(&self.column, "."), expr_text(&self.expr))
    }
}

impl TableConstraint {
    /// The constraint up to its columns.
    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "CONSTRAINT {name} ")?;
        }
        f.write_str(match self.kind {
            ConstraintKind::PrimaryKey => "PRIMARY KEY",
            ConstraintKind::Unique => "UNIQUE",
        })
    }

    /// The constraint behind its columns.
    fn fmt_enforced(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, self.enforced == Some(true), " ENFORCED")?;
        word(f, self.enforced == Some(false), " NOT ENFORCED")
    }
}

impl fmt::Display for TableConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_head(f)?;
        write!(f, " {}", parens(&self.columns))?;
        self.fmt_enforced(f)
    }
}

/// What follows `DISTRIBUTED` or `DISTRIBUTION`.
impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.columns.is_empty() {
            f.write_str(match self.kind {
                Some(DistributionKind::Hash) => " BY HASH",
                Some(DistributionKind::Range) => " BY RANGE",
                None => " BY ",
            })?;
            write!(f, "{}", parens(&self.columns))?;
        }
        match self.buckets {
            Some(buckets) => write!(f, " INTO {buckets} BUCKETS"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TableLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LIKE {}", self.source)?;
        if self.options.is_empty() { Ok(()) } else { write!(f, " ({})", joined(&self.options, " ")) }
    }
}

impl fmt::Display for LikeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let merge = match self.merge {
            LikeMerge::Including => "INCLUDING",
            LikeMerge::Excluding => "EXCLUDING",
            LikeMerge::Overwriting => "OVERWRITING",
        };
        let feature = match self.feature {
            LikeFeature::All => "ALL",
            LikeFeature::Constraints => "CONSTRAINTS",
            LikeFeature::Distribution => "DISTRIBUTION",
            LikeFeature::Generated => "GENERATED",
            LikeFeature::Metadata => "METADATA",
            LikeFeature::Options => "OPTIONS",
            LikeFeature::Partitions => "PARTITIONS",
            LikeFeature::Watermarks => "WATERMARKS",
        };
        write!(f, "{merge} {feature}")
    }
}
