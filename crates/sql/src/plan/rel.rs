//! The relational tree between the binder and the stream plan: nodes with typed, named columns.
//!
//! **Invariant.** Time attributes and window columns are properties of columns ([`Column`]). A plain column in a
//! projection keeps them, an expression loses them.

mod changelog;
mod join;
mod match_recognize;
mod multi_join;
mod order;
mod predict;
mod process;
mod python;
mod state_ttl;
mod unordered;
mod watermark;
mod window;

use flott_api::expr::{Expr, Value};
use flott_api::lookup::LookupDescription;
use flott_api::options::Options;
use flott_api::table::SourceDescription;
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, ExpandColumn, WindowKind, WindowProperty, WindowTime};

pub use changelog::KindNames;
pub use join::{Correlate, Join, LookupHints, Multi, TemporalJoin, unnested};
pub use match_recognize::Match;
pub use multi_join::{Equality, MultiJoin, equality};
pub use order::{Over, Rank, Sort};
pub use predict::Predict;
pub use process::{Given, Invocation, Process};
pub use python::{PythonCalc, PythonCorrelate};
pub use state_ttl::StateTtl;
pub use unordered::check_orders;
pub use watermark::WatermarkOptions;
pub use window::{WindowBounds, WindowColumn, groups_by_window, property_name, window_bounds, window_join};

use crate::catalog::ObjectPath;
use window::free_name;

/// A column of a query or table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: LogicalType,
    /// Whether it carries time.
    pub time: Option<TimeAttribute>,
    /// Whether it bounds a window.
    pub window: Option<WindowColumn>,
}

/// A column that carries time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeAttribute {
    /// Event time, with watermarks.
    Rowtime,
    /// Processing time.
    Proctime,
}

impl Column {
    /// A column without properties.
    pub fn new(name: impl Into<String>, ty: LogicalType) -> Self {
        Column { name: name.into(), ty, time: None, window: None }
    }

    /// The same column under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Column { name: name.to_owned(), ..self.clone() }
    }

    /// The type as `DESCRIBE` prints it: `TIMESTAMP(3) *ROWTIME*`.
    pub fn type_text(&self) -> String {
        let mark = match self.time {
            None => return self.ty.to_string(),
            Some(TimeAttribute::Rowtime) => "*ROWTIME*",
            Some(TimeAttribute::Proctime) => "*PROCTIME*",
        };
        let not_null = if self.ty.nullable { "" } else { " NOT NULL" };
        format!("{}{not_null} {mark}", self.ty.kind)
    }
}

/// Names and types of columns.
pub fn schema(columns: &[Column]) -> Schema {
    Schema::new(columns.iter().map(|c| Field::new(&c.name, c.ty.clone())).collect())
}

/// A node: what it does, what it reads, what it gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Rel {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<Rel>,
    /// What it gives.
    pub columns: Vec<Column>,
}

/// What a node does. Expressions and positions mean the columns of the input.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Reads a table.
    Scan(Box<Scan>),
    /// Constant rows.
    Values {
        /// The rows.
        rows: Vec<Vec<Value>>,
    },
    /// Keeps the rows where the condition is true.
    Filter {
        /// The condition.
        condition: Expr,
    },
    /// Computes columns.
    Project {
        /// One expression a column.
        exprs: Vec<Expr>,
    },
    /// Computes the watermark.
    Watermark {
        /// The rowtime column.
        rowtime: usize,
        /// The watermark of a row.
        watermark: Expr,
        /// How it comes.
        options: Box<WatermarkOptions>,
    },
    /// Groups; no aggregate is `DISTINCT`. Gives keys, then results.
    Aggregate {
        /// The key columns.
        keys: Vec<usize>,
        /// The aggregates.
        calls: Vec<AggregateCall>,
        /// How long groups are kept, if a hint says so.
        ttl: Option<StateTtl>,
    },
    /// Each row several times: columns of the input, some of them null, then the number of the copy.
    Expand {
        /// The columns of each copy.
        projections: Vec<Vec<ExpandColumn>>,
    },
    /// Appends `window_start`, `window_end` and `window_time`.
    Window {
        /// The time column.
        time: usize,
        /// The windows.
        window: WindowKind,
    },
    /// Groups by window. Gives keys, results, then window properties. Made by the optimiser from an aggregate.
    WindowAggregate(Box<WindowAggregate>),
    /// Finds patterns in the rows of each partition. Gives partition columns, then measures.
    Match(Box<Match>),
    /// Pairs of rows of two inputs: columns of the left, then of the right.
    Join(Box<Join>),
    /// Combinations of rows of several inputs: the columns of all. Made by the optimiser from joins.
    MultiJoin(Box<MultiJoin>),
    /// Rows of the left with what the right was at the time of each: columns of the left, then of the right.
    TemporalJoin(Box<TemporalJoin>),
    /// Rows with what a function gives for each: columns of the input, then of the function.
    Correlate(Box<Correlate>),
    /// Rows with calls over those before them: columns of the input, then the values.
    Over(Box<Over>),
    /// The first rows of each partition. Made by the optimiser from a limit of `ROW_NUMBER`.
    Rank(Box<Rank>),
    /// Rows in an order.
    Sort(Box<Sort>),
    /// Rows with what a model answers for each: columns of the input, then of the model.
    Predict(Box<Predict>),
    /// What a process table function gives for its tables.
    Process(Box<Process>),
    /// Rows with what functions give that run beside the job. Made of the optimised tree.
    PythonCalc(PythonCalc),
    /// Rows with those of a function that runs beside the job. Made of the optimised tree.
    PythonCorrelate(Box<PythonCorrelate>),
    /// Every change as a row, its kind in a column in front. Kinds without a name are dropped.
    ToChangelog {
        /// What each kind is called.
        names: KindNames,
        /// The call, for `EXPLAIN`.
        call: Invocation,
    },
    /// Every row as a change.
    FromChangelog {
        /// The column that names the kind; it goes.
        op: usize,
        /// Which kind each name stands for.
        names: KindNames,
        /// The call, for `EXPLAIN`.
        call: Invocation,
    },
    /// All rows of all inputs.
    Union,
    /// Some rows.
    Limit {
        /// Rows to skip.
        offset: u64,
        /// Rows to take then.
        limit: u64,
    },
}

/// An aggregation per window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowAggregate {
    /// The time column.
    pub time: WindowTime,
    /// The windows.
    pub window: WindowKind,
    /// Key columns besides the window.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// Window properties to emit.
    pub properties: Vec<WindowProperty>,
    /// Whether it is of the older syntax: `GROUP BY TUMBLE(..)`.
    pub of_group: bool,
}

/// A table that is read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub path: ObjectPath,
    /// Its connector.
    pub connector: String,
    /// Its options, with those of hints, without `connector`.
    pub options: Options,
    /// All physical columns.
    pub schema: Schema,
    /// The physical columns that are read.
    pub projection: Vec<usize>,
    /// Of each of them the fields of its rows that are read, or nothing where all are; empty where the source is not told.
    pub read_fields: Vec<Option<Vec<usize>>>,
    /// Metadata columns behind them: key and type.
    pub metadata: Vec<(String, LogicalType)>,
    /// Filters over the physical columns that the source may use.
    pub filters: Vec<Expr>,
    /// No more rows than this are needed from each reader.
    pub limit: Option<u64>,
    /// Names of the partition columns.
    pub partition_keys: Vec<String>,
    /// Positions of the primary key among the physical columns.
    pub primary_key: Vec<usize>,
    /// What the connector says of it.
    pub description: SourceDescription,
    /// What looking up in it is like, where it is not read but looked up in.
    pub lookup: Option<LookupDescription>,
}

impl PartialEq for Scan {
    /// Two scans are equal when they read the same; the description follows from the rest.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
            && self.options == other.options
            && self.projection == other.projection
            && self.metadata == other.metadata
            && self.filters == other.filters
            && self.limit == other.limit
    }
}

impl Rel {
    /// Constant rows.
    pub fn values(rows: Vec<Vec<Value>>, columns: Vec<Column>) -> Rel {
        Rel { op: Op::Values { rows }, inputs: Vec::new(), columns }
    }

    /// One row with the column `ZERO`: what a query without `FROM` reads.
    pub fn one_row() -> Rel {
        let zero = Column::new("ZERO", LogicalType::not_null(TypeKind::Int));
        Rel::values(vec![vec![Value::Int(0)]], vec![zero])
    }

    /// Keeps the rows where the condition is true.
    #[must_use]
    pub fn filter(self, condition: Expr) -> Rel {
        Rel { columns: self.columns.clone(), op: Op::Filter { condition }, inputs: vec![self] }
    }

    /// Computes columns; plain columns keep their properties.
    #[must_use]
    pub fn project(self, exprs: Vec<(Expr, String)>) -> Rel {
        let columns = exprs.iter().map(|(expr, name)| self.column_of(expr, name)).collect();
        let exprs = exprs.into_iter().map(|(expr, _)| expr).collect();
        Rel { op: Op::Project { exprs }, inputs: vec![self], columns }
    }

    fn column_of(&self, expr: &Expr, name: &str) -> Column {
        match expr {
            Expr::Column { index, .. } => self.columns[*index].named(name),
            Expr::Call { function, ty, .. } if function.name == PROCTIME => {
                Column { time: Some(TimeAttribute::Proctime), ..Column::new(name, ty.clone()) }
            }
            other => Column::new(name, other.ty().clone()),
        }
    }

    /// Only these columns, in this order.
    #[must_use]
    pub fn pick(self, indices: &[usize]) -> Rel {
        let exprs = indices.iter().map(|&i| (self.column(i), self.columns[i].name.clone())).collect();
        self.project(exprs)
    }

    /// Groups.
    #[must_use]
    pub fn aggregate(self, keys: Vec<usize>, calls: Vec<(AggregateCall, String)>) -> Rel {
        // What comes of the older syntax has times, but is no table of windows.
        let windowed = groups_by_window(&self.columns, &keys).is_some_and(|window| !window.of_group);
        let key = |&i: &usize| {
            let key = self.columns[i].clone();
            if windowed { key } else { Column { window: None, ..key } }
        };
        let results = calls.iter().map(|(call, name)| Column::new(name, call.ty.clone()));
        let columns = keys.iter().map(key).chain(results).collect();
        let calls = calls.into_iter().map(|(call, _)| call).collect();
        Rel { op: Op::Aggregate { keys, calls, ttl: None }, inputs: vec![self], columns }
    }

    /// The aggregation with what a hint says of how long it keeps groups.
    #[must_use]
    pub fn keeping(mut self, kept: Option<StateTtl>) -> Rel {
        if let Op::Aggregate { ttl, .. } = &mut self.op {
            *ttl = kept;
        }
        self
    }

    /// Copies each row. What is null in a copy may be null, and is no time.
    #[must_use]
    pub fn expand(self, projections: Vec<Vec<ExpandColumn>>) -> Rel {
        let column = |(at, column): (usize, &Column)| match projections.iter().any(|p| p[at] == ExpandColumn::Null) {
            true => Column::new(&column.name, column.ty.clone().with_nullable(true)),
            false => column.clone(),
        };
        let mut columns: Vec<Column> = self.columns.iter().enumerate().map(column).collect();
        columns.push(Column::new(free_name("$e", &columns), LogicalType::not_null(TypeKind::BigInt)));
        Rel { op: Op::Expand { projections }, inputs: vec![self], columns }
    }

    /// Other names for the same columns.
    #[must_use]
    pub fn renamed(mut self, names: &[String]) -> Rel {
        for (column, name) in self.columns.iter_mut().zip(names) {
            column.name.clone_from(name);
        }
        self
    }

    /// Some rows.
    #[must_use]
    pub fn limit(self, offset: u64, limit: u64) -> Rel {
        Rel { columns: self.columns.clone(), op: Op::Limit { offset, limit }, inputs: vec![self] }
    }

    /// A reference to a column.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn column(&self, index: usize) -> Expr {
        Expr::column(index, self.columns[index].ty.clone())
    }

    /// How many nodes there are, and how many stand above each other.
    pub fn size(&self) -> (usize, usize) {
        self.inputs.iter().map(Rel::size).fold((1, 1), |(nodes, depth), (n, d)| (nodes + n, depth.max(d + 1)))
    }

    /// The node's columns without properties.
    pub fn schema(&self) -> Schema {
        schema(&self.columns)
    }
}

/// The function whose value is the time attribute of processing time.
pub const PROCTIME: &str = "proctime";
