//! Statements in, plans and errors out, over tables that exist only here.

mod api;
mod batch;
mod best_pairs;
mod dead_letters;
mod explain;
mod graph;
mod hints;
mod joins_by_time;
mod lookups;
mod match_recognize;
mod mini_batch;
mod names;
mod nested;
mod optimize;
mod oracle;
mod oracle_types;
mod order_refusals;
mod orders;
mod predict;
mod refuse;
mod sinks;
mod types;
mod uids;
mod watermarks;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::model::ModelProviders;
use flott_api::options::Options;
use flott_api::sink::Sink as ApiSink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, MetadataColumn, PushDowns, SinkDescription, SinkSpec, SourceDescription,
    SourceSpec, TableContext, TableFactory,
};
use flott_api::{Error, LogicalType, Result, RowKind, TypeKind};

use super::{Models, PlanContext};
use crate::catalog::{
    CatalogModel, CatalogTable, CatalogView, Column, ColumnKind, FoundModel, ObjectPath, PrimaryKey, Relation,
    Watermark,
};
use crate::parser::ast::view::expr_sql;
use crate::parser::ast::{self, Statement};
use crate::parser::{parse_script, parse_statement};

/// A connector that reads and writes nothing. Its options say what it claims: `source` and `sink` the row kinds,
/// `written-down` that it needs `-U`, `push` the push-downs, `ends` that it is bounded, `scan` and `sink-parallelism` the parallelism,
/// `..dead-letter.table` where records go that it cannot read.
pub(super) struct Fake;

fn mode(text: Option<&str>) -> ChangelogMode {
    let kind = |k: &str| match k {
        "I" => RowKind::Insert,
        "UB" => RowKind::UpdateBefore,
        "UA" => RowKind::UpdateAfter,
        _ => RowKind::Delete,
    };
    text.map_or(ChangelogMode::INSERT_ONLY, |t| ChangelogMode::of(&t.split(',').map(kind).collect::<Vec<_>>()))
}

fn option<'t>(table: &'t TableContext, key: &str) -> Option<&'t str> {
    table.options.0.get(key).map(String::as_str)
}

fn dead_letter_table(table: &TableContext) -> Option<String> {
    table.options.0.iter().find(|(key, _)| key.ends_with(".dead-letter.table")).map(|(_, name)| name.clone())
}

fn fake_metadata() -> Vec<MetadataColumn> {
    vec![MetadataColumn { key: "offset".into(), ty: LogicalType::not_null(TypeKind::BigInt) }]
}

impl TableFactory for Fake {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("fake") }
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let push = option(table, "push").unwrap_or_default();
        Ok(SourceDescription {
            changelog: mode(option(table, "source")),
            boundedness: match option(table, "ends") {
                Some(_) => Boundedness::Bounded,
                None => Boundedness::Unbounded,
            },
            metadata: fake_metadata(),
            push_downs: PushDowns {
                projection: push.contains("projection"),
                nested_projection: push.contains("nested"),
                filter: push.contains("filter"),
                watermark: push.contains("watermark"),
                ..PushDowns::default()
            },
            parallelism: option(table, "scan").and_then(|p| p.parse().ok()),
            dead_letters: dead_letter_table(table),
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Ok(SinkDescription {
            changelog: mode(option(table, "sink")),
            needs_update_before: option(table, "written-down").is_some(),
            metadata: fake_metadata(),
            overwrite: option(table, "overwrite").is_some(),
            parallelism: option(table, "sink-parallelism").and_then(|p| p.parse().ok()),
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal("a fake reads nothing"))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn ApiSink>> {
        Err(Error::internal("a fake writes nothing"))
    }
}

/// A session of one script.
pub(super) struct World {
    relations: BTreeMap<String, Relation>,
    models: BTreeMap<String, CatalogModel>,
    configuration: Options,
}

impl PlanContext for World {
    fn relation(&self, name: &[String]) -> Result<Option<(ObjectPath, Relation)>> {
        let qualified = name[..name.len() - 1].iter().zip(["cat", "db"].iter().skip(3 - name.len()));
        if qualified.clone().any(|(a, b)| a != b) {
            return Ok(None);
        }
        let Some(object) = name.last() else { return Ok(None) };
        let path = ObjectPath { catalog: "cat".into(), database: "db".into(), object: object.clone() };
        Ok(self.relations.get(object).map(|r| (path, r.clone())))
    }

    fn models(&self) -> &dyn Models {
        self
    }

    fn relation_names(&self) -> Vec<String> {
        self.relations.keys().cloned().collect()
    }

    fn factory(&self, connector: &str) -> Result<Arc<dyn TableFactory>> {
        match connector {
            "fake" => Ok(Arc::new(Fake)),
            "lookup-test" => Ok(Arc::new(flott_api::testing::LookupTest::default())),
            other => Err(Error::invalid(format!("there is no connector '{other}'"))),
        }
    }

    fn configuration(&self) -> Options {
        self.configuration.clone()
    }
}

impl Models for World {
    fn model(&self, name: &[String]) -> Result<Option<FoundModel>> {
        let Some(object) = name.last() else { return Ok(None) };
        let path = ObjectPath { catalog: "cat".into(), database: "db".into(), object: object.clone() };
        let found = self.models.get(object);
        Ok(found.map(|model| FoundModel { path, model: model.clone(), temporary: false }))
    }

    fn providers(&self) -> ModelProviders {
        ModelProviders::default().with(Arc::new(flott_api::testing::ModelTest::default()))
    }
}

/// The tables that most tests read and write.
const TABLES: &str = "
CREATE TABLE t (a INT NOT NULL, b STRING, c BIGINT, d DECIMAL(10, 2), r ROW<x INT, y STRING>)
  WITH ('connector' = 'fake');
CREATE TABLE clicks (ts TIMESTAMP(3), who STRING, x INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'fake');
CREATE TABLE ltz (t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), p AS PROCTIME(), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'fake');
CREATE TABLE pushed (a INT, b STRING, c BIGINT, o BIGINT METADATA FROM 'offset' VIRTUAL)
  WITH ('connector' = 'fake', 'push' = 'projection,filter');
CREATE TABLE cdc (id INT NOT NULL, v STRING, w INT, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'fake', 'source' = 'I,UB,UA,D');
CREATE TABLE upserts (id INT NOT NULL, v STRING, w INT, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'fake', 'source' = 'I,UA,D');
CREATE TABLE app (a INT, b STRING) WITH ('connector' = 'fake');
CREATE TABLE ret (a INT, b STRING) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D');
CREATE TABLE ups (a INT NOT NULL, b BIGINT, PRIMARY KEY (a) NOT ENFORCED)
  WITH ('connector' = 'fake', 'sink' = 'I,UA,D');
";

impl World {
    /// The usual tables.
    pub(super) fn new() -> Self {
        World::of(TABLES)
    }

    /// The tables and views of a script; `SET` sets options.
    pub(super) fn of(script: &str) -> Self {
        let mut world =
            World { relations: BTreeMap::new(), models: BTreeMap::new(), configuration: Options::default() };
        world.and(script);
        world
    }

    /// Adds the tables, views and options of a script.
    pub(super) fn and(&mut self, script: &str) -> &mut Self {
        for parsed in parse_script(script) {
            match parsed.unwrap().statement {
                Statement::CreateTable(create) => {
                    let name = create.name.to_string().replace('`', "");
                    self.relations.insert(name, Relation::Table(table_of(self, &create)));
                }
                Statement::CreateView(view) => {
                    let columns = super::bind_query(self, &view.query).unwrap();
                    let expanded = super::expand_query(self, &view.query).unwrap().to_string();
                    let view_of =
                        CatalogView { original: String::new(), expanded, schema: columns.schema(), comment: None };
                    self.relations.insert(view.name.to_string().replace('`', ""), Relation::View(view_of));
                }
                Statement::CreateModel(create) => {
                    self.models.insert(create.name.to_string(), model_of(&create));
                }
                Statement::Set(Some(option)) => {
                    self.configuration.0.insert(option.key.value, option.value.value);
                }
                other => panic!("not for a world: {other}"),
            }
        }
        self
    }

    /// The columns of a query, or what is wrong with it.
    pub(super) fn columns(&self, sql: &str) -> String {
        self.bound(sql).unwrap_or_else(|error| shown(&error))
    }

    /// The columns of a query.
    pub(super) fn bound(&self, sql: &str) -> Result<String> {
        let Statement::Query(query) = parse_statement(sql)? else { panic!("{sql} is no query") };
        let columns = super::bind_query(self, &query)?.columns;
        Ok(columns.iter().map(|c| format!("{} {}", c.name, c.type_text())).collect::<Vec<_>>().join(", "))
    }

    /// The execution plan, or what is wrong.
    pub(super) fn plan(&self, sql: &str) -> String {
        match self.explain(sql, &[]) {
            Ok(text) => text.split("== Optimized Execution Plan ==\n").nth(1).unwrap_or_default().to_owned(),
            Err(error) => shown(&error),
        }
    }

    /// The physical plan with changelog modes, or what is wrong.
    pub(super) fn modes(&self, sql: &str) -> String {
        match self.explain(sql, &[ast::ExplainDetail::ChangelogMode]) {
            Ok(text) => {
                let plan = text.split("== Optimized Physical Plan ==\n").nth(1).unwrap_or_default();
                plan.split("\n== ").next().unwrap_or_default().to_owned()
            }
            Err(error) => shown(&error),
        }
    }

    /// All of EXPLAIN.
    pub(super) fn explain(&self, sql: &str, details: &[ast::ExplainDetail]) -> Result<String> {
        self.explain_statement(&parse_statement(sql)?, details)
    }

    /// The same of a statement that is parsed already.
    pub(super) fn explain_statement(&self, statement: &Statement, details: &[ast::ExplainDetail]) -> Result<String> {
        super::explain(self, statement, details)
    }

    /// The job of an insert, a statement set or a query.
    pub(super) fn job(&self, sql: &str) -> Result<super::PlannedJob> {
        match parse_statement(sql)? {
            Statement::Query(query) => super::plan_select(self, &query, "7"),
            Statement::Insert(insert) => super::plan_insert(self, &[*insert]),
            Statement::StatementSet(inserts) => super::plan_insert(self, &inserts),
            other => panic!("{other} is no job"),
        }
    }

    /// What is wrong with an insert or a query.
    pub(super) fn refusal(&self, sql: &str) -> String {
        match self.job(sql) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => shown(&error),
        }
    }
}

/// An error with its place, detail and hint.
pub(super) fn shown(error: &Error) -> String {
    let mut text = error.location().map(|l| format!("{l}: ")).unwrap_or_default();
    text.push_str(&error.to_string());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        text.push_str("\n  ");
        text.push_str(more);
    }
    text
}

/// A model as the session would keep it.
fn model_of(create: &ast::CreateModel) -> CatalogModel {
    let column = |column: &ast::ColumnDef| {
        let ast::ColumnKind::Physical { data_type, .. } = &column.kind else {
            panic!("{} is no plain column", column.name)
        };
        let ty = data_type.to_logical().unwrap();
        Column { name: column.name.value.clone(), kind: ColumnKind::Physical, ty, comment: None }
    };
    let options = create.options.iter().map(|o| (o.key.value.clone(), o.value.value.clone())).collect();
    CatalogModel {
        input: create.input.iter().map(column).collect(),
        output: create.output.iter().map(column).collect(),
        comment: None,
        options: Options(options),
    }
}

/// A table as the session would keep it.
fn table_of(world: &World, create: &ast::CreateTable) -> CatalogTable {
    let mut table = CatalogTable::default();
    for column in &create.schema.columns {
        let (kind, ty) = match &column.kind {
            ast::ColumnKind::Physical { data_type, .. } => (ColumnKind::Physical, data_type.to_logical().unwrap()),
            ast::ColumnKind::Metadata { data_type, key, is_virtual } => {
                let key = key.as_ref().map(|k| k.value.clone());
                (ColumnKind::Metadata { key, is_virtual: *is_virtual }, data_type.to_logical().unwrap())
            }
            ast::ColumnKind::Computed(expr) => {
                let bound = super::bind_scalar(world, expr, &table.schema()).unwrap();
                (ColumnKind::Computed { expression: expr_sql(expr) }, bound.ty().clone())
            }
        };
        table.columns.push(Column { name: column.name.value.clone(), kind, ty, comment: None });
    }
    table.watermark = create.schema.watermark.as_ref().map(|w| Watermark {
        column: w.column.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join("."),
        expression: expr_sql(&w.expr),
    });
    table.primary_key = create
        .schema
        .constraints
        .first()
        .map(|c| PrimaryKey { name: "PK".into(), columns: c.columns.iter().map(|i| i.value.clone()).collect() });
    table.partition_keys = create.partitioned_by.iter().map(|i| i.value.clone()).collect();
    table.options = Options(create.options.iter().map(|o| (o.key.value.clone(), o.value.value.clone())).collect());
    table
}
