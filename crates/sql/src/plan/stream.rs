//! The stream plan: relational nodes with Flink's traits (changelog mode, upsert keys, distribution).
//!
//! [`plan`] optimises the relational tree, makes stream nodes of it bottom-up with the row kinds that they may give
//! (`convert`), asks top-down whether `-U` is needed (`changelog`), and puts exchanges before operators that need their
//! rows together (`distribute`).

mod changelog;
mod convert;
mod distribute;
mod keys;
mod share;

use std::collections::BTreeMap;

use flott_api::Result;
use flott_api::expr::{Expr, Value};
use flott_api::options::Options;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{AggregateCall, WindowKind};

use super::rel::{Column, Rel, Scan, WindowAggregate};
use super::{Settings, optimize};

/// Where the rows go.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    /// `catalog.database.table`, for people.
    pub(super) name: String,
    /// The connector's identifier.
    pub(super) connector: String,
    /// Its options, without `connector`.
    pub(super) options: Options,
    /// The columns as declared: physical ones, then metadata.
    pub(super) columns: Vec<Column>,
    /// Keys of the metadata columns at the end.
    pub(super) metadata: Vec<String>,
    /// Names of the partition columns.
    pub(super) partition_keys: Vec<String>,
    /// `PARTITION (k = v)`.
    pub(super) static_partition: BTreeMap<String, String>,
    /// Positions of the primary key.
    pub(super) primary_key: Vec<usize>,
    /// The row kinds it takes.
    pub(super) accepts: ChangelogMode,
    /// `sink.parallelism`
    pub(super) parallelism: Option<u32>,
    /// `INSERT OVERWRITE`
    pub(super) overwrite: bool,
    /// `table.local-time-zone`
    pub(super) session_zone: String,
}

/// The connector that takes the result of a query.
pub(super) const COLLECT: &str = "$collect";

impl Sink {
    /// The sink of a query's result.
    pub(super) fn collect(columns: &[Column], id: &str, settings: &Settings) -> Self {
        Sink {
            name: "*anonymous_collect*".to_owned(),
            connector: COLLECT.to_owned(),
            options: Options(BTreeMap::from([("id".to_owned(), id.to_owned())])),
            columns: columns.to_vec(),
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: Vec::new(),
            accepts: ChangelogMode::ALL,
            parallelism: None,
            overwrite: false,
            session_zone: settings.session_zone.clone(),
        }
    }

    /// The sink that `EXPLAIN` of a query assumes: nobody asks for `-U`.
    pub(super) fn nowhere(columns: &[Column], settings: &Settings) -> Self {
        Sink { accepts: ChangelogMode::UPSERT, ..Sink::collect(columns, "", settings) }
    }

    /// Whether it shows a query's result instead of writing a table.
    pub(super) fn is_collect(&self) -> bool {
        self.connector == COLLECT
    }
}

/// One way from sources to a sink.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// The relational tree as it was bound.
    pub(super) logical: Rel,
    /// What feeds the sink.
    pub(super) root: Node,
    /// The sink.
    pub(super) sink: Sink,
}

/// A node of the stream plan.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it does.
    pub(super) op: Op,
    /// What it reads.
    pub(super) inputs: Vec<Node>,
    /// What it gives.
    pub(super) columns: Vec<Column>,
    /// The row kinds that it gives.
    pub(super) changelog: ChangelogMode,
    /// Sets of columns whose values name a row: an update replaces the row with the same values.
    pub(super) upsert_keys: Vec<Vec<usize>>,
}

/// What a stream node does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Reads a table.
    Source(Box<Scan>),
    /// Constant rows.
    Values(Vec<Vec<Value>>),
    /// Filters, then computes columns.
    Calc {
        /// Rows where it is not true are dropped.
        condition: Option<Expr>,
        /// One expression a column.
        exprs: Vec<Expr>,
    },
    /// Computes the watermark.
    Watermark {
        /// The rowtime column.
        rowtime: usize,
        /// The watermark of a row.
        watermark: Expr,
    },
    /// Groups.
    GroupAggregate {
        /// The key columns.
        keys: Vec<usize>,
        /// The aggregates.
        calls: Vec<AggregateCall>,
    },
    /// Appends the columns of a window.
    Window {
        /// The time column.
        time: usize,
        /// The windows.
        window: WindowKind,
    },
    /// Groups by window.
    WindowAggregate(Box<WindowAggregate>),
    /// All rows of all inputs.
    Union,
    /// Some rows.
    Limit {
        /// Rows to skip.
        offset: u64,
        /// Rows to take then.
        limit: u64,
    },
    /// Makes a full changelog of upserts.
    ChangelogNormalize {
        /// The primary key.
        keys: Vec<usize>,
    },
    /// Drops `-U`.
    DropUpdateBefore,
    /// Sends each row to a subtask.
    Exchange(Distribution),
}

/// Which rows must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Distribution {
    /// Those with the same values in these columns.
    Hash(Vec<usize>),
    /// All.
    Single,
}

pub(super) use share::share;

/// Plans the way of a relation's rows to a sink.
pub(super) fn plan(settings: &Settings, rel: Rel, sink: Sink) -> Result<Pipeline> {
    let logical = rel.clone();
    let rel = optimize::optimize(rel, &settings.session_zone)?;
    let node = convert::convert(rel)?;
    let node = changelog::satisfy(node, &sink)?;
    Ok(Pipeline { logical, root: distribute::distribute(node), sink })
}
