//! What a connector tells the planner, and what the planner tells a connector.
//!
//! It goes in two steps: *describe* (no I/O beyond what the schema needs) gives changelog mode,
//! metadata columns and the push-downs that are accepted; the planner then ships a specification,
//! from which each subtask builds its reader or writer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expr::Expr;
use crate::lookup::LookupFactory;
use crate::options::{OptionReader, OptionTable, Options};
use crate::sink::Sink;
use crate::source::{Boundedness, Source};
use crate::types::LENGTH_MAX;
use crate::{LogicalType, Result, RowKind, Schema, TypeKind};

/// Which row kinds a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangelogMode {
    bits: u8,
}

impl ChangelogMode {
    /// `+I` only.
    pub const INSERT_ONLY: ChangelogMode = ChangelogMode { bits: 0b0001 };
    /// `+I`, `+U`, `-D`: needs a key.
    pub const UPSERT: ChangelogMode = ChangelogMode { bits: 0b1101 };
    /// All four.
    pub const ALL: ChangelogMode = ChangelogMode { bits: 0b1111 };

    /// These kinds.
    pub fn of(kinds: &[RowKind]) -> Self {
        ChangelogMode { bits: kinds.iter().fold(0, |bits, k| bits | 1 << *k as u8) }
    }

    /// Whether rows of this kind may come.
    pub fn contains(self, kind: RowKind) -> bool {
        self.bits & (1 << kind as u8) != 0
    }

    /// Whether every kind of `other` may come here too.
    pub fn covers(self, other: ChangelogMode) -> bool {
        other.bits & !self.bits == 0
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: ChangelogMode) -> Self {
        ChangelogMode { bits: self.bits | other.bits }
    }

    /// Without one kind.
    #[must_use]
    pub fn without(self, kind: RowKind) -> Self {
        ChangelogMode { bits: self.bits & !(1 << kind as u8) }
    }

    /// Whether only `+I` may come.
    pub fn is_insert_only(self) -> bool {
        self == ChangelogMode::INSERT_ONLY
    }
}

impl std::fmt::Display for ChangelogMode {
    /// As Flink's EXPLAIN: `[I,UB,UA,D]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (RowKind::Insert, "I"),
            (RowKind::UpdateBefore, "UB"),
            (RowKind::UpdateAfter, "UA"),
            (RowKind::Delete, "D"),
        ];
        let kinds: Vec<&str> = names.iter().filter(|(k, _)| self.contains(*k)).map(|(_, n)| *n).collect();
        write!(f, "[{}]", kinds.join(","))
    }
}

/// A table as its connector sees it.
#[derive(Clone, Debug)]
pub struct TableContext {
    /// `catalog.database.table`, for messages.
    pub path: String,
    /// The physical columns.
    pub schema: Schema,
    /// Names of the columns it is partitioned by.
    pub partition_keys: Vec<String>,
    /// Names of the primary key's columns; empty if there is none.
    pub primary_key: Vec<String>,
    /// What stands in `WITH`, without `connector`.
    pub options: Options,
    /// `table.local-time-zone`, an IANA name.
    pub session_zone: String,
}

/// A metadata column that a connector offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataColumn {
    /// Its key.
    pub key: String,
    /// Its type.
    pub ty: LogicalType,
}

/// Metadata columns of dead letters, for the planner alone: what a source gives whose
/// [`dead_letters`](SourceDescription::dead_letters) are asked for. The bytes of a record that the format cannot read.
pub const DEAD_LETTER_RAW: &str = "dead-letter.raw";
/// What is wrong with it; null for records that can be read.
pub const DEAD_LETTER_CAUSE: &str = "dead-letter.cause";
/// Where it lies.
pub const DEAD_LETTER_ORIGIN: &str = "dead-letter.origin";

/// The metadata columns of dead letters.
pub fn dead_letter_columns() -> [MetadataColumn; 3] {
    let column = |key: &str, ty| MetadataColumn { key: key.to_owned(), ty };
    [
        column(DEAD_LETTER_RAW, LogicalType::new(TypeKind::Varbinary(LENGTH_MAX))),
        column(DEAD_LETTER_CAUSE, LogicalType::string()),
        column(DEAD_LETTER_ORIGIN, LogicalType::string()),
    ]
}

/// What the planner may leave to the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushDowns {
    /// Reads only the columns asked for.
    pub projection: bool,
    /// Leaves out fields of rows that nobody reads.
    pub nested_projection: bool,
    /// Reads no more rows than asked for, per reader.
    pub limit: bool,
    /// Drops rows by the filters it accepted; the planner keeps the filter as well.
    pub filter: bool,
    /// Makes watermarks per split.
    pub watermark: bool,
}

/// What a source is like.
#[derive(Clone, Debug)]
pub struct SourceDescription {
    /// What it emits.
    pub changelog: ChangelogMode,
    /// Whether it ends.
    pub boundedness: Boundedness,
    /// The metadata it offers.
    pub metadata: Vec<MetadataColumn>,
    /// What it accepts.
    pub push_downs: PushDowns,
    /// A parallelism that its options fix (`scan.parallelism`).
    pub parallelism: Option<u32>,
    /// The table, as its options name it, that records go to which its format cannot read. If one of
    /// [`dead_letter_columns`] is asked for, such a record is a row that is null in all other columns.
    pub dead_letters: Option<String>,
}

/// What a sink is like.
#[derive(Clone, Debug)]
pub struct SinkDescription {
    /// What it takes. A sink that takes `+U` without `-U` is not sent a `-U` where the plan can do without; where it
    /// cannot, one comes and deletes the row of its key, as in Flink.
    pub changelog: ChangelogMode,
    /// Whether it takes `-U` whatever the query gives, as a changelog that is written down does: then updates by another
    /// key than the table's are no conflict. Others take what the query gives.
    pub needs_update_before: bool,
    /// The metadata it can write.
    pub metadata: Vec<MetadataColumn>,
    /// Whether `INSERT OVERWRITE` works.
    pub overwrite: bool,
    /// A parallelism that its options fix (`sink.parallelism`).
    pub parallelism: Option<u32>,
}

/// What a subtask builds a source from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The connector's identifier.
    pub connector: String,
    /// `catalog.database.table`.
    pub table: String,
    /// Its options.
    pub options: Options,
    /// All physical columns.
    pub schema: Schema,
    /// The physical columns to read, in output order.
    pub projection: Vec<usize>,
    /// Of each of them the fields of its rows that are read, or nothing where all are; what stands in the others is
    /// open. Empty unless the source takes [`nested_projection`](PushDowns::nested_projection).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_fields: Vec<Option<Vec<usize>>>,
    /// Metadata columns to append behind them: key and type.
    pub metadata: Vec<(String, LogicalType)>,
    /// Filters over the physical columns that the source may use to read less.
    pub filters: Vec<Expr>,
    /// No more rows than this are needed from each reader.
    pub limit: Option<u64>,
    /// Names of the partition columns.
    pub partition_keys: Vec<String>,
    /// Positions of the primary key's columns among the physical ones.
    pub primary_key: Vec<usize>,
    /// `table.local-time-zone`.
    pub session_zone: String,
}

impl SourceSpec {
    /// The columns that it emits. Beside dead letters all may be null.
    pub fn output_schema(&self) -> Schema {
        let mut schema = self.schema.project(&self.projection);
        schema.fields.extend(self.metadata.iter().map(|(key, ty)| crate::Field::new(key, ty.clone())));
        if self.has_dead_letters() {
            schema.fields.iter_mut().for_each(|f| f.ty.nullable = true);
        }
        schema
    }

    /// Whether records that the format cannot read are rows.
    pub fn has_dead_letters(&self) -> bool {
        let of_dead_letters = |key: &String| dead_letter_columns().iter().any(|c| c.key == *key);
        self.metadata.iter().any(|(key, _)| of_dead_letters(key))
    }
}

/// What a subtask builds a sink from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkSpec {
    /// The connector's identifier.
    pub connector: String,
    /// `catalog.database.table`.
    pub table: String,
    /// Its options.
    pub options: Options,
    /// The columns that are written, in input order; metadata columns last.
    pub schema: Schema,
    /// Keys of the metadata columns at the end of `schema`.
    pub metadata: Vec<String>,
    /// Names of the partition columns.
    pub partition_keys: Vec<String>,
    /// Values of `PARTITION (k = v)`; these columns are part of `schema` all the same.
    pub static_partition: BTreeMap<String, String>,
    /// Positions of the primary key's columns.
    pub primary_key: Vec<usize>,
    /// What comes in.
    pub changelog: ChangelogMode,
    /// `INSERT OVERWRITE`.
    pub overwrite: bool,
    /// `table.local-time-zone`.
    pub session_zone: String,
}

/// What a connector is, for its users.
#[derive(Clone, Copy, Debug)]
pub struct ConnectorDescription {
    /// What stands in `'connector'`.
    pub identifier: &'static str,
    /// What its tables are, in a few words.
    pub about: &'static str,
    /// Whether its tables can be read.
    pub source: bool,
    /// Whether its tables can be written.
    pub sink: bool,
    /// Whether they have a format, whose options come beside.
    pub format: bool,
    /// Its options.
    pub options: &'static [OptionTable],
}

impl ConnectorDescription {
    /// One that only the program itself, or a test, makes tables of.
    pub const fn internal(identifier: &'static str) -> Self {
        ConnectorDescription { identifier, about: "", source: true, sink: true, format: false, options: &[] }
    }

    /// Reads the options of a table of it; see [`OptionReader::of`].
    pub fn reader<'a>(&self, options: &'a Options) -> OptionReader<'a> {
        OptionReader::of(options, format!("connector '{}'", self.identifier), self.options)
    }
}

impl dyn TableFactory + '_ {
    /// What stands in `'connector'`.
    pub fn identifier(&self) -> &'static str {
        self.description().identifier
    }
}

/// A connector: the thing behind `'connector' = '..'`.
pub trait TableFactory: Send + Sync {
    /// What it is called, and its options.
    fn description(&self) -> &'static ConnectorDescription;

    /// What reading the table would be like. Checks all options.
    ///
    /// # Errors
    /// If it cannot be read, or an option is wrong or unknown.
    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription>;

    /// What writing the table would be like. Checks all options.
    ///
    /// # Errors
    /// If it cannot be written, or an option is wrong or unknown.
    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription>;

    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>>;

    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>>;

    /// Columns of a table that the user declared without any (`nexmark`); nothing if he must.
    fn default_schema(&self) -> Option<Schema> {
        None
    }

    /// What looks up keys in its tables; nothing if they cannot be looked up in.
    fn lookup(&self) -> Option<&dyn LookupFactory> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_print_and_compare() {
        assert_eq!(ChangelogMode::ALL.to_string(), "[I,UB,UA,D]");
        assert_eq!(ChangelogMode::UPSERT.to_string(), "[I,UA,D]");
        assert!(ChangelogMode::ALL.covers(ChangelogMode::UPSERT));
        assert!(!ChangelogMode::UPSERT.covers(ChangelogMode::ALL));
        assert!(ChangelogMode::of(&[RowKind::Insert]).is_insert_only());
        assert_eq!(ChangelogMode::ALL.without(RowKind::UpdateBefore), ChangelogMode::UPSERT);
    }
}
