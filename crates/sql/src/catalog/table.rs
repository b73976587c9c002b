//! Tables and views as catalogs keep them. Expressions lie here as SQL text, as in Flink's
//! `CatalogTable`, and are bound anew when the table is used.

use std::fmt;

use flott_api::options::Options;
use flott_api::{Field, LogicalType, Schema};
use serde::{Deserialize, Serialize};

/// `catalog.database.object`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectPath {
    /// The catalog.
    pub catalog: String,
    /// The database.
    pub database: String,
    /// The table, view or function.
    pub object: String,
}

impl fmt::Display for ObjectPath {
    /// `catalog.database.object`, without quotes: for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.object)
    }
}

/// What a name in `FROM` stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Relation {
    /// A table of a connector.
    Table(CatalogTable),
    /// A view.
    View(CatalogView),
}

/// A table.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct CatalogTable {
    /// All columns, in the order of their declaration.
    pub columns: Vec<Column>,
    /// `WATERMARK FOR`.
    pub watermark: Option<Watermark>,
    /// `PRIMARY KEY .. NOT ENFORCED`.
    pub primary_key: Option<PrimaryKey>,
    /// `PARTITIONED BY`.
    pub partition_keys: Vec<String>,
    /// `DISTRIBUTED ..`, as canonical SQL.
    pub distribution: Option<String>,
    /// `WITH`, with `connector`.
    pub options: Options,
    /// `COMMENT`.
    pub comment: Option<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub kind: ColumnKind,
    /// Its type; for a computed column the type of its expression.
    #[serde(rename = "type")]
    pub ty: LogicalType,
    /// `COMMENT`.
    pub comment: Option<String>,
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// The rows.
    Physical,
    /// The connector: `METADATA [FROM 'key'] [VIRTUAL]`.
    Metadata {
        /// The key, if it is not the column's name.
        key: Option<String>,
        /// Whether it is read only.
        is_virtual: bool,
    },
    /// An expression over the other columns, as SQL.
    Computed {
        /// The expression, canonical SQL with quoted identifiers.
        expression: String,
    },
}

/// `WATERMARK FOR column AS expression`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The rowtime column.
    pub column: String,
    /// The expression, canonical SQL with quoted identifiers.
    pub expression: String,
}

/// `[CONSTRAINT name] PRIMARY KEY (columns) NOT ENFORCED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryKey {
    /// The constraint's name; Flink makes `PK_a_b` where the user gives none.
    pub name: String,
    /// The key's columns.
    pub columns: Vec<String>,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogView {
    /// The query as the user wrote it.
    pub original: String,
    /// The query with every name fully qualified, so that it means the same in any session.
    pub expanded: String,
    /// Its columns.
    pub schema: Schema,
    /// `COMMENT`.
    pub comment: Option<String>,
}

impl Column {
    /// Whether a sink writes it.
    pub fn is_persisted(&self) -> bool {
        match self.kind {
            ColumnKind::Physical => true,
            ColumnKind::Metadata { is_virtual, .. } => !is_virtual,
            ColumnKind::Computed { .. } => false,
        }
    }

    /// Whether it is part of the connector's rows.
    pub fn is_physical(&self) -> bool {
        self.kind == ColumnKind::Physical
    }
}

/// How a table emits its watermark.
pub const EMIT_STRATEGY: &str = "scan.watermark.emit.strategy";
/// When a split without rows is idle.
pub const IDLE_TIMEOUT: &str = "scan.watermark.idle-timeout";
/// Which sources wait for each other.
pub const ALIGNMENT_GROUP: &str = "scan.watermark.alignment.group";
/// How far the others may be ahead.
pub const ALIGNMENT_MAX_DRIFT: &str = "scan.watermark.alignment.max-drift";
/// How often it is looked at.
pub const ALIGNMENT_UPDATE_INTERVAL: &str = "scan.watermark.alignment.update-interval";

/// Options that every table has beside those of its connector.
const WATERMARK_OPTIONS: [&str; 5] =
    [EMIT_STRATEGY, IDLE_TIMEOUT, ALIGNMENT_GROUP, ALIGNMENT_MAX_DRIFT, ALIGNMENT_UPDATE_INTERVAL];

impl CatalogTable {
    /// The connector's identifier.
    pub fn connector(&self) -> Option<&str> {
        self.options.0.get("connector").map(String::as_str)
    }

    /// The options that the connector reads: all but those that are the planner's.
    pub fn connector_options(&self) -> Options {
        let is_of_connector = |key: &String| key != "connector" && !WATERMARK_OPTIONS.contains(&key.as_str());
        let mut options = self.options.clone();
        options.0.retain(|key, _| is_of_connector(key));
        options
    }

    /// The options that say how the table's watermark comes.
    pub fn watermark_options(&self) -> Options {
        let mut options = self.options.clone();
        options.0.retain(|key, _| WATERMARK_OPTIONS.contains(&key.as_str()));
        options
    }

    /// The physical columns.
    pub fn physical_schema(&self) -> Schema {
        Schema::new(self.columns.iter().filter(|c| c.is_physical()).map(as_field).collect())
    }

    /// All columns: what a query sees.
    pub fn schema(&self) -> Schema {
        Schema::new(self.columns.iter().map(as_field).collect())
    }
}

fn as_field(column: &Column) -> Field {
    Field::new(&column.name, column.ty.clone())
}
