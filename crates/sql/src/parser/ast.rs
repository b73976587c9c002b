//! What a Flink SQL statement says, as a tree.
//!
//! [`Statement`] is ours and covers Flink's whole inventory; queries and expressions inside it are sqlparser's
//! `Query` and `Expr`. `Display` prints canonical SQL that parses back to an equal tree. Places in the text (the spans
//! of identifiers, the `at` of [`Text`]) take no part in equality.
//!
//! What sqlparser's tree has no word for is written with the words it has; [`view`] reads these encodings back:
//! `TABLE t PARTITION BY k`, `MODEL m`, `MAP[..]`, `IS JSON`, the clauses of the JSON functions, hints, the `WITHIN` and
//! `SUBSET` of `MATCH_RECOGNIZE`, and the types inside `CAST`.

use std::fmt;

use flott_api::error::Location;
use sqlparser::ast::{Ident, ObjectName, Query};

mod alter;
mod create;
mod dml;
mod materialized;
mod object;
mod print;
mod show;
mod sql_type;
mod table;
mod utility;
pub mod view;

pub use alter::{
    AddColumn, AlterSchema, AlterTable, AlterTableAction, AlterView, AlterViewAction, ColumnPosition, PartitionAdd,
};
pub use create::{CreateCatalog, CreateDatabase, CreateView, Drop, DropKind};
pub use dml::{
    Call, CompilePlan, ConflictAction, Delete, Insert, InsertKind, InsertSource, Partition, PlanSource, Update,
};
pub use materialized::{
    AlterMaterializedTable, AlterMaterializedTableAction, CreateMaterializedTable, RefreshMode, StartMode,
};
pub use object::{
    AlterFunction, AlterObject, AlterObjectAction, CreateConnection, CreateFunction, CreateModel, FunctionBody,
    FunctionLanguage, FunctionParameter, FunctionSignature, ObjectKind, ResourceKind, ResourceUri, Scope,
};
pub(crate) use print::query_text;
pub use show::{Show, ShowCreateKind, ShowFilter, ShowNamespace, ShowTablesKind};
pub use sql_type::{RowField, SqlType, SqlTypeKind, TimeZoneKind};
pub use table::{
    ColumnDef, ColumnKind, ConstraintKind, CreateTable, CreateTableKind, Distribution, DistributionKind, LikeFeature,
    LikeMerge, LikeOption, TableConstraint, TableLike, TableSchema, TableTail, WatermarkDef,
};
pub use utility::{Analyze, AnalyzeColumns, AnalyzePartition, ClientCommand, Describe, Explain, ExplainDetail, Use};

/// One statement of Flink SQL.
///
/// `EXECUTE INSERT ..` and `EXECUTE SELECT ..` are the same as without `EXECUTE` and parse to [`Statement::Insert`]
/// and [`Statement::Query`].
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `SELECT ..`, `VALUES ..`, `WITH .. SELECT ..`.
    Query(Box<Query>),
    /// `INSERT INTO`, `INSERT OVERWRITE`, `UPSERT INTO`.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN ins; ins; END`, and in a script `BEGIN STATEMENT SET; ins; END;`.
    StatementSet(Vec<Insert>),
    /// `BEGIN STATEMENT SET` with nothing behind it: the gateway's form, where the inserts come one by one.
    BeginStatementSet,
    /// `END` with nothing before it: ends what [`Statement::BeginStatementSet`] began.
    EndStatementSet,
    /// `DELETE FROM t [WHERE ..]`.
    Delete(Box<Delete>),
    /// `UPDATE t SET c = e, .. [WHERE ..]`.
    Update(Box<Update>),
    /// `TRUNCATE TABLE t`.
    Truncate(ObjectName),
    /// `MERGE INTO ..`, which Flink parses and its planner refuses.
    Merge(Box<sqlparser::ast::Merge>),
    /// `CALL [c.][d.]proc(..)`.
    Call(Call),
    /// `COMPILE PLAN ..` and `COMPILE AND EXECUTE PLAN ..`.
    CompilePlan(Box<CompilePlan>),
    /// `EXECUTE PLAN 'file'`.
    ExecutePlan(Text),
    /// `CREATE TABLE`, `CREATE TABLE .. LIKE`, `CREATE TABLE .. AS`, `[CREATE OR] REPLACE TABLE .. AS`.
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `CREATE [OR ALTER] MATERIALIZED TABLE`.
    CreateMaterializedTable(Box<CreateMaterializedTable>),
    /// `CREATE FUNCTION`.
    CreateFunction(Box<CreateFunction>),
    /// `CREATE MODEL`.
    CreateModel(Box<CreateModel>),
    /// `CREATE CONNECTION`.
    CreateConnection(CreateConnection),
    /// `CREATE CATALOG`.
    CreateCatalog(CreateCatalog),
    /// `CREATE DATABASE`.
    CreateDatabase(CreateDatabase),
    /// `DROP` of anything.
    Drop(Drop),
    /// `ALTER TABLE`.
    AlterTable(Box<AlterTable>),
    /// `ALTER VIEW`.
    AlterView(AlterView),
    /// `ALTER MATERIALIZED TABLE`.
    AlterMaterializedTable(Box<AlterMaterializedTable>),
    /// `ALTER FUNCTION`.
    AlterFunction(AlterFunction),
    /// `ALTER` of a catalog, database, model or connection.
    AlterObject(AlterObject),
    /// `EXPLAIN ..`.
    Explain(Box<Explain>),
    /// `DESCRIBE ..`.
    Describe(Describe),
    /// `SHOW ..`.
    Show(Show),
    /// `USE ..`.
    Use(Use),
    /// `LOAD MODULE m [WITH (..)]`.
    LoadModule {
        /// The module's name.
        name: Ident,
        /// Its options.
        options: Vec<SqlOption>,
    },
    /// `UNLOAD MODULE m`.
    UnloadModule(Ident),
    /// `SET 'k' = 'v'`; `SET` alone lists the options.
    Set(Option<SqlOption>),
    /// `RESET 'k'`; `RESET` alone resets all.
    Reset(Option<Text>),
    /// `ADD JAR 'path'`.
    AddJar(Text),
    /// `REMOVE JAR 'path'`.
    RemoveJar(Text),
    /// `ANALYZE TABLE ..`.
    Analyze(Analyze),
    /// `STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]`.
    StopJob {
        /// The job's id.
        job: Text,
        /// `WITH SAVEPOINT`.
        savepoint: bool,
        /// `WITH DRAIN`, only after `WITH SAVEPOINT`.
        drain: bool,
    },
    /// A command of the shell: `HELP`, `CLEAR`, `QUIT`, `EXIT`.
    Client(ClientCommand),
}

/// A string literal and where it stands. Two are equal when their values are.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The string, without quotes and escapes.
    pub value: String,
    /// Where its opening quote stands.
    pub at: Location,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Text {}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.value.replace('\'', "''"))
    }
}

/// `'key' = 'value'` of a `WITH` clause or a `SET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlOption {
    /// The key.
    pub key: Text,
    /// The value.
    pub value: Text,
}

impl fmt::Display for SqlOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// Where an identifier stands.
pub fn ident_location(ident: &Ident) -> Location {
    let start = ident.span.start;
    Location { line: start.line, column: start.column }
}

/// Where a name begins.
pub fn name_location(name: &ObjectName) -> Location {
    name.0.first().and_then(|part| part.as_ident()).map(ident_location).unwrap_or_default()
}
