//! `SHOW ..`: everything that lists.

use std::fmt;

use sqlparser::ast::ObjectName;

use super::print::word;
use super::{Partition, Text};

/// `SHOW ..`.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// `SHOW CATALOGS [[NOT] LIKE 'p']`.
    Catalogs(Option<ShowFilter>),
    /// `SHOW CURRENT CATALOG`.
    CurrentCatalog,
    /// `SHOW CURRENT DATABASE`.
    CurrentDatabase,
    /// `SHOW DATABASES [{FROM|IN} c] [[NOT] {LIKE|ILIKE} 'p']`.
    Databases {
        /// The catalog.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW {TABLES|VIEWS|MATERIALIZED TABLES} [{FROM|IN} [c.]d] [[NOT] LIKE 'p']`.
    Tables {
        /// Which kind.
        kind: ShowTablesKind,
        /// The database.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW COLUMNS {FROM|IN} t [[NOT] LIKE 'p']`.
    Columns {
        /// The table.
        table: ShowNamespace,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW PARTITIONS t [PARTITION (..)]`.
    Partitions {
        /// The table.
        table: ObjectName,
        /// Only those within.
        partition: Option<Partition>,
    },
    /// `SHOW [USER] FUNCTIONS [{FROM|IN} [c.]d] [[NOT] {LIKE|ILIKE} 'p']`.
    Functions {
        /// `USER`: those of catalogs and session only.
        user: bool,
        /// The database.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW PROCEDURES [{FROM|IN} [c.]d] [[NOT] {LIKE|ILIKE} 'p']`.
    Procedures {
        /// The database.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW MODELS [{FROM|IN} [c.]d] [[NOT] LIKE 'p']`.
    Models {
        /// The database.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW CONNECTIONS [{FROM|IN} [c.]d] [[NOT] LIKE 'p']`.
    Connections {
        /// The database.
        from: Option<ShowNamespace>,
        /// Which.
        filter: Option<ShowFilter>,
    },
    /// `SHOW CREATE kind name`.
    Create {
        /// What.
        kind: ShowCreateKind,
        /// Its name.
        name: ObjectName,
    },
    /// `SHOW [FULL] MODULES`.
    Modules {
        /// `FULL`: those not in use, too.
        full: bool,
    },
    /// `SHOW JARS`.
    Jars,
    /// `SHOW JOBS`.
    Jobs,
}

/// `{FROM|IN} name`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowNamespace {
    /// Whether it was `IN`; the meaning is the same.
    pub is_in: bool,
    /// The catalog, database or table.
    pub name: ObjectName,
}

/// `[NOT] {LIKE|ILIKE} 'pattern'`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowFilter {
    /// `NOT`.
    pub negated: bool,
    /// `ILIKE`: upper and lower case are one.
    pub ignore_case: bool,
    /// The SQL pattern.
    pub pattern: Text,
}

/// What `SHOW TABLES` and its kin list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowTablesKind {
    /// `TABLES`: tables and views.
    Tables,
    /// `VIEWS`.
    Views,
    /// `MATERIALIZED TABLES`.
    MaterializedTables,
}

/// What `SHOW CREATE` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowCreateKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A catalog.
    Catalog,
    /// A model.
    Model,
    /// A connection.
    Connection,
    /// A materialized table; with `or_alter`, as `CREATE OR ALTER`.
    MaterializedTable {
        /// `OR ALTER`.
        or_alter: bool,
    },
}

impl fmt::Display for ShowNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} {}", if self.is_in { "IN" } else { "FROM" }, self.name)
    }
}

impl fmt::Display for ShowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, self.negated, " NOT")?;
        write!(f, " {} {}", if self.ignore_case { "ILIKE" } else { "LIKE" }, self.pattern)
    }
}

impl fmt::Display for ShowTablesKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShowTablesKind::Tables => "TABLES",
            ShowTablesKind::Views => "VIEWS",
            ShowTablesKind::MaterializedTables => "MATERIALIZED TABLES",
        })
    }
}

impl fmt::Display for ShowCreateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShowCreateKind::Table => "TABLE",
            ShowCreateKind::View => "VIEW",
            ShowCreateKind::Catalog => "CATALOG",
            ShowCreateKind::Model => "MODEL",
            ShowCreateKind::Connection => "CONNECTION",
            ShowCreateKind::MaterializedTable { or_alter: false } => "MATERIALIZED TABLE",
            ShowCreateKind::MaterializedTable { or_alter: true } => "OR ALTER MATERIALIZED TABLE",
        })
    }
}

/// A list with its namespace and filter.
fn list(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    from: &Option<ShowNamespace>,
    filter: &Option<ShowFilter>,
) -> fmt::Result {
    write!(f, "SHOW {what}")?;
    if let Some(from) = from {
        write!(f, "{from}")?;
    }
    match filter {
        Some(filter) => write!(f, "{filter}"),
        None => Ok(()),
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Show::Catalogs(filter) => list(f, "CATALOGS", &None, filter),
            Show::CurrentCatalog => f.write_str("SHOW CURRENT CATALOG"),
            Show::CurrentDatabase => f.write_str("SHOW CURRENT DATABASE"),
            Show::Databases { from, filter } => list(f, "DATABASES", from, filter),
            Show::Tables { kind, from, filter } => list(f, &kind.to_string(), from, filter),
            Show::Columns { table, filter } => list(f, "COLUMNS", &Some(table.clone()), filter),
            Show::Partitions { table, partition: None } => write!(f, "SHOW PARTITIONS {table}"),
            Show::Partitions { table, partition: Some(partition) } => {
                write!(f, "SHOW PARTITIONS {table} {partition}")
            }
            Show::Functions { user: false, from, filter } => list(f, "FUNCTIONS", from, filter),
            Show::Functions { user: true, from, filter } => list(f, "USER FUNCTIONS", from, filter),
            Show::Procedures { from, filter } => list(f, "PROCEDURES", from, filter),
            Show::Models { from, filter } => list(f, "MODELS", from, filter),
            Show::Connections { from, filter } => list(f, "CONNECTIONS", from, filter),
            Show::Create { kind, name } => write!(f, "SHOW CREATE {kind} {name}"),
            Show::Modules { full } => f.write_str(if *full { "SHOW FULL MODULES" } else { "SHOW MODULES" }),
            Show::Jars => f.write_str("SHOW JARS"),
            Show::Jobs => f.write_str("SHOW JOBS"),
        }
    }
}
