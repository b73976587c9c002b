//! From the syntax tree to the relational tree: names are resolved, types derived by Flink's rules, casts made explicit.
//!
//! **Invariant.** Every struct of the syntax tree is taken apart without `..`: a clause that is not planned is refused.

mod aggregate;
mod aggregate_call;
mod call;
mod changelog;
mod dead_letters;
mod difference;
mod expr;
mod from;
mod grouped_values;
mod grouping_sets;
mod hints;
mod insert;
mod join;
mod json;
mod literal;
mod lookup;
mod match_recognize;
mod order;
mod over;
mod overlaps;
mod predict;
mod process;
mod quantified;
mod query;
mod refuse;
mod select;
mod setop;
mod subquery;
mod syntax;
mod table;
mod user_function;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use flott_api::expr::Expr;
use flott_api::{Error, Result, Schema};
use sqlparser::ast::{Expr as Ast, Query};

pub(super) use self::call::{is_built_in, is_later, is_special};
pub(super) use self::expr::{call, combine};
pub(super) use self::json::with_json_columns;
pub(super) use self::user_function::returned;
pub(crate) use self::user_function::{is_for_python, python_configuration};

use self::hints::BlockHints;
use super::rel::{Column, Rel};
use super::scope::Scope;
use super::{PlanContext, Settings, stream};
use crate::catalog::CatalogTable;
use crate::parser::ast::Insert;

/// Binds one statement.
pub(super) struct Binder<'a> {
    cx: &'a dyn PlanContext,
    settings: &'a Settings,
    /// The queries of `WITH` that can be seen here, the innermost last.
    with: RefCell<Vec<(String, Rel)>>,
    /// The views that are being expanded, for a view that names itself.
    views: RefCell<Vec<String>>,
    /// The hints of the SELECTs that are being bound, the innermost last.
    hints: RefCell<Vec<BlockHints>>,
    /// How deep the query is that is being bound.
    depth: Cell<usize>,
    /// Whether only the columns are wanted, and no connector is to be asked.
    columns_only: bool,
}

/// How deep queries may stand in each other, with views put in: each level costs stack.
const DEPTH_MAX: usize = 256;
/// How many nodes a query may have with its views and queries of `WITH` put in: each use of one is a copy.
const NODES_MAX: usize = 100_000;

impl<'a> Binder<'a> {
    /// A binder for one statement.
    pub(super) fn new(cx: &'a dyn PlanContext, settings: &'a Settings) -> Self {
        Binder {
            cx,
            settings,
            with: RefCell::default(),
            views: RefCell::default(),
            hints: RefCell::default(),
            depth: Cell::new(0),
            columns_only: false,
        }
    }

    /// A binder that asks no connector: what it binds has columns, and cannot be run.
    pub(super) fn of_columns(cx: &'a dyn PlanContext, settings: &'a Settings) -> Self {
        Binder { columns_only: true, ..Binder::new(cx, settings) }
    }

    /// A query.
    pub(super) fn query(&self, query: &Query) -> Result<Rel> {
        let rel = self.bind_whole(query).and_then(|rel| self.bounded(rel))?;
        let names = unique_names(&rel.columns);
        Ok(rel.renamed(&names))
    }

    /// An expression over columns, without aggregates.
    pub(super) fn scalar(&self, expr: &Ast, schema: &Schema) -> Result<Expr> {
        let columns = schema.fields.iter().map(|f| Column::new(&f.name, f.ty.clone())).collect();
        self.expression(expr, &Scope::of_columns(columns), "an expression of a table")
    }

    /// The body of a function over its parameters.
    pub(super) fn function_body(&self, body: &Ast, parameters: &Schema) -> Result<Expr> {
        let columns = parameters.fields.iter().map(|f| Column::new(&f.name, f.ty.clone())).collect();
        self.exprs(&Scope::of_columns(columns), "the body of a function").bind(body)
    }

    /// The columns of a table as a query sees them.
    pub(super) fn table_columns(&self, table: &CatalogTable) -> Result<Vec<Column>> {
        self.columns_of_table(table)
    }

    /// An `INSERT`: what it reads, with the columns of its sink, and the sink.
    pub(super) fn insert(&self, insert: &Insert) -> Result<(Rel, stream::Sink)> {
        self.bind_insert(insert)
    }

    /// Binds something one level deeper.
    fn deeper<T>(&self, bind: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get();
        if depth == DEPTH_MAX {
            return Err(Error::invalid(format!("the query is nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth.set(depth + 1);
        let bound = bind();
        self.depth.set(depth);
        bound
    }

    /// A relation that will be copied or walked, if it is small enough for that.
    fn bounded(&self, rel: Rel) -> Result<Rel> {
        let (nodes, depth) = rel.size();
        if nodes > NODES_MAX || depth > DEPTH_MAX {
            return Err(Error::invalid("the query is too large with its views and the queries of WITH put in")
                .with_detail(format!("It may have {NODES_MAX} nodes, {DEPTH_MAX} of them above each other.")));
        }
        Ok(rel)
    }

    /// An expression of a clause that allows no aggregates.
    fn expression(&self, expr: &Ast, scope: &Scope, clause: &'static str) -> Result<Expr> {
        let bound = self.exprs(scope, clause).bind(expr)?;
        self.folded(bound)
    }

    /// The expression with its constant parts computed.
    fn folded(&self, expr: Expr) -> Result<Expr> {
        flott_functions::fold_constants(expr, &self.settings.session_zone)
    }
}

/// The names of a result: a second `x` is called `x0`, as in Flink.
fn unique_names(columns: &[Column]) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut unique = |name: &String| {
        let numbered = (0..=columns.len()).map(|i| format!("{name}{i}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| seen.insert(name.clone()));
        free.unwrap_or_default()
    };
    columns.iter().map(|column| unique(&column.name)).collect()
}
