//! Queries and inserts: from a statement to a [`JobGraph`], and the text of `EXPLAIN`.
//!
//! Reading order: [`context`] (what the planner is given), [`rel`] (the relational tree), `scope` and `binder` (a
//! statement becomes that tree, with Flink's types from the first expression on), `optimize` (an allow-list of rules),
//! `beside` (calls that run in a process), `stream` (changelog modes, keys, exchanges) or `batch` (bounded jobs), `lower` (the
//! job graph), `explain` and `print` (text).
//!
//! **Invariant.** What is not built is refused by name and place: the binder takes every struct of the syntax tree apart
//! field by field, so that a clause is planned or an error, never dropped.

mod batch;
mod beside;
mod binder;
pub mod context;
mod dead_letters;
mod expand;
mod explain;
mod lower;
mod optimize;
mod print;
pub mod rel;
mod scope;
mod stream;
#[cfg(test)]
mod tests;

use flott_api::expr::Expr;
use flott_api::{Error, LogicalType, Result, Schema};
use flott_graph::JobGraph;
use sqlparser::ast::{Expr as AstExpr, Query};

pub(crate) use binder::{is_for_python, python_configuration};
pub use context::{Models, PlanContext, Settings};
pub use rel::{Column, TimeAttribute};

use crate::catalog::CatalogTable;
use crate::parser::ast::{ExplainDetail, Insert, Statement};
use binder::Binder;
use stream::Pipeline;

/// Queries stand in each other up to a limit, and each level costs stack: more in a debug build than a thread has.
const STACK_BYTES: usize = 64 << 20;

fn with_stack<T>(plan: impl FnOnce() -> Result<T>) -> Result<T> {
    stacker::grow(STACK_BYTES, plan)
}

/// What a query gives, without a job: for views, `CREATE TABLE .. AS` and `DESCRIBE`.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundQuery {
    /// Its columns.
    pub columns: Vec<Column>,
}

impl BoundQuery {
    /// Names and types of its columns.
    pub fn schema(&self) -> Schema {
        rel::schema(&self.columns)
    }
}

/// A job, ready to run.
#[derive(Clone, Debug)]
pub struct PlannedJob {
    /// What the runtime takes.
    pub graph: JobGraph,
    /// The columns of a query's result; of the first sink for inserts.
    pub schema: Schema,
    /// Sentences that the user should read.
    pub warnings: Vec<String>,
}

/// Checks a query and says what columns it has. Asks no connector, as in Flink: a view may be made over a table that
/// cannot be read.
///
/// # Errors
/// If the query is wrong or not supported.
pub fn bind_query(cx: &dyn PlanContext, query: &Query) -> Result<BoundQuery> {
    let settings = Settings::read(&cx.configuration())?;
    let rel = with_stack(|| Binder::of_columns(cx, &settings).query(query))?;
    Ok(BoundQuery { columns: rel.columns })
}

/// Types an expression over columns: for computed columns and watermarks.
///
/// # Errors
/// If the expression is wrong, not supported, or no scalar.
pub fn bind_scalar(cx: &dyn PlanContext, expr: &AstExpr, schema: &Schema) -> Result<Expr> {
    let settings = Settings::read(&cx.configuration())?;
    Binder::new(cx, &settings).scalar(expr, schema)
}

/// [`bind_scalar`] of an expression as text.
///
/// # Errors
/// If the text is no expression, or the expression is wrong.
pub fn bind_scalar_text(cx: &dyn PlanContext, text: &str, schema: &Schema) -> Result<Expr> {
    bind_scalar(cx, &expand::parse_expression(text)?, schema)
}

/// The type of what a function in SQL returns; `said` is what it says of that.
///
/// # Errors
/// If its expression is wrong, or of another type.
pub fn function_type(
    cx: &dyn PlanContext,
    body: &AstExpr,
    parameters: &Schema,
    said: Option<&LogicalType>,
) -> Result<LogicalType> {
    let settings = Settings::read(&cx.configuration())?;
    let bound = with_stack(|| Binder::new(cx, &settings).function_body(body, parameters))?;
    binder::returned(&bound, said)
}

/// Whether a function of that lower-case name is built in.
pub fn is_built_in(name: &str) -> bool {
    binder::is_built_in(name)
}

/// Whether Flink has a function of that lower-case name and it is not built yet.
pub fn is_later_function(name: &str) -> bool {
    binder::is_later(name)
}

/// Whether it is one of those that a function of a user cannot stand for: aggregates, window functions and the like.
pub fn is_special_function(name: &str) -> bool {
    binder::is_special(name)
}

/// An expression with every function of a catalog in full.
///
/// # Errors
/// If a catalog cannot be read.
pub fn expand_expression(cx: &dyn PlanContext, expr: &AstExpr) -> Result<AstExpr> {
    expand::expand_expression(cx, expr)
}

/// The columns of a table as a query sees them, with time attributes; checks computed columns and the watermark. Asks
/// no connector.
///
/// # Errors
/// If an expression or the watermark is wrong.
pub fn table_columns(cx: &dyn PlanContext, table: &CatalogTable) -> Result<Vec<Column>> {
    let settings = Settings::read(&cx.configuration())?;
    Binder::new(cx, &settings).table_columns(table)
}

/// The query with the names of all tables and of the functions of catalogs in full, so that it means the same in any session: `CatalogView::expanded`.
///
/// # Errors
/// If a table does not exist.
pub fn expand_query(cx: &dyn PlanContext, query: &Query) -> Result<Query> {
    expand::expand_query(cx, query)
}

/// Plans one `INSERT`, or all of a statement set, as one job.
///
/// # Errors
/// If a statement is wrong or not supported, or its sink cannot take its changes.
pub fn plan_insert(cx: &dyn PlanContext, inserts: &[Insert]) -> Result<PlannedJob> {
    let settings = Settings::read(&cx.configuration())?;
    with_stack(|| lowered(cx, &settings, insert_pipelines(cx, &settings, inserts)?))
}

/// Plans a query whose result goes to the sink `$collect` with the option `id`.
///
/// # Errors
/// If the query is wrong or not supported.
pub fn plan_select(cx: &dyn PlanContext, query: &Query, collect_id: &str) -> Result<PlannedJob> {
    let settings = Settings::read(&cx.configuration())?;
    with_stack(|| lowered(cx, &settings, select_pipeline(cx, &settings, query, collect_id)?))
}

fn lowered(cx: &dyn PlanContext, settings: &Settings, pipelines: Vec<Pipeline>) -> Result<PlannedJob> {
    let factories = batch::factories(&pipelines)?;
    let mut planned = lower::lower(cx, settings, pipelines)?;
    planned.graph.factories.extend(factories);
    planned.graph.factories.sort_unstable();
    planned.graph.factories.dedup();
    Ok(planned)
}

/// The text of `EXPLAIN`.
///
/// # Errors
/// If the statement is wrong, cannot be explained, or a detail is not supported.
pub fn explain(cx: &dyn PlanContext, statement: &Statement, details: &[ExplainDetail]) -> Result<String> {
    with_stack(|| explained(cx, statement, details))
}

fn explained(cx: &dyn PlanContext, statement: &Statement, details: &[ExplainDetail]) -> Result<String> {
    let settings = Settings::read(&cx.configuration())?;
    let pipelines = match statement {
        Statement::Query(query) => {
            let rel = Binder::new(cx, &settings).query(query)?;
            let sink = stream::Sink::nowhere(&rel.columns, &settings);
            match settings.batch.is_on {
                true => vec![batch::plan(&settings, rel, sink)?],
                false => query_pipelines(cx, &settings, stream::plan(&settings, rel, sink)?)?,
            }
        }
        Statement::Insert(insert) => insert_pipelines(cx, &settings, std::slice::from_ref(insert))?,
        Statement::StatementSet(inserts) => insert_pipelines(cx, &settings, inserts)?,
        _ => {
            return Err(Error::unsupported("EXPLAIN of this statement")
                .with_hint("EXPLAIN takes a query, an INSERT or a STATEMENT SET."));
        }
    };
    explain::explain(&settings, &pipelines, details)
}

fn insert_pipelines(cx: &dyn PlanContext, settings: &Settings, inserts: &[Insert]) -> Result<Vec<Pipeline>> {
    if inserts.is_empty() {
        return Err(Error::invalid("the statement set is empty").with_hint("Put an INSERT between BEGIN and END."));
    }
    let plan = |insert| {
        let (rel, sink) = Binder::new(cx, settings).insert(insert)?;
        if settings.batch.is_on { batch::plan(settings, rel, sink) } else { stream::plan(settings, rel, sink) }
    };
    let pipelines = inserts.iter().map(plan).collect::<Result<Vec<_>>>()?;
    if settings.batch.is_on {
        return Ok(pipelines);
    }
    let pipelines = dead_letters::with_dead_letters(cx, settings, pipelines)?;
    stream::with_mini_batches(settings, stream::with_window_phases(settings, stream::narrow(stream::share(pipelines)))?)
}

fn select_pipeline(cx: &dyn PlanContext, settings: &Settings, query: &Query, id: &str) -> Result<Vec<Pipeline>> {
    let rel = Binder::new(cx, settings).query(query)?;
    let sink = stream::Sink::collect(&rel.columns, id, settings);
    if settings.batch.is_on {
        return Ok(vec![batch::plan(settings, rel, sink)?]);
    }
    query_pipelines(cx, settings, stream::plan(settings, rel, sink)?)
}

/// The pipeline of a query, with those of the dead letters that it comes across.
fn query_pipelines(cx: &dyn PlanContext, settings: &Settings, query: Pipeline) -> Result<Vec<Pipeline>> {
    let mut pipelines = dead_letters::with_dead_letters(cx, settings, vec![query])?;
    if pipelines.len() > 1 {
        pipelines = stream::share(pipelines);
    }
    stream::with_mini_batches(settings, stream::with_window_phases(settings, stream::narrow(pipelines))?)
}
