//! What a statement comes to.

use flott_api::ids::JobId;
use flott_api::{LogicalType, Schema};
use flott_graph::JobGraph;

use crate::parser::ast::ClientCommand;
use crate::plan::PlannedJob;

/// What a statement comes to.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done {
        /// A sentence that the user should read.
        warning: Option<String>,
    },
    /// An answer in rows.
    Table(TextTable),
    /// An answer in lines: a plan, a definition.
    Text(String),
    /// A job to be run.
    Job(Box<Job>),
    /// A job to be stopped.
    StopJob {
        /// Which.
        job: JobId,
        /// The directory for a savepoint of it, if there is to be one.
        savepoint: Option<String>,
        /// With a savepoint: whether it is to finish as if its input had ended.
        drain: bool,
    },
    /// The jobs are to be listed.
    ShowJobs,
    /// A job is to be described.
    DescribeJob(JobId),
    /// The shell is to do something.
    Client(ClientCommand),
}

/// A job to be run.
#[derive(Debug)]
pub struct Job {
    /// What the runtime takes.
    pub graph: JobGraph,
    /// Why.
    pub kind: JobKind,
    /// The columns of a query's result.
    pub schema: Schema,
    /// Sentences that the user should read.
    pub warnings: Vec<String>,
}

/// Why a job is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// To show a query's rows.
    Select {
        /// The option `id` of its `$collect` sink.
        result: String,
    },
    /// To write tables.
    Insert {
        /// Their full names.
        tables: Vec<String>,
    },
}

/// Rows of text: the answer to `SHOW` and `DESCRIBE`.
#[derive(Clone, Debug, PartialEq)]
pub struct TextTable {
    /// Names and types of the columns.
    pub schema: Schema,
    /// The cells; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}

impl TextTable {
    /// A table of text columns.
    pub fn of(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let fields = columns.iter().map(|name| flott_api::Field::new(*name, LogicalType::string()));
        TextTable { schema: Schema::new(fields.collect()), rows }
    }

    /// A table of one text column.
    pub fn column(name: &str, values: impl IntoIterator<Item = String>) -> Self {
        TextTable::of(&[name], values.into_iter().map(|v| vec![Some(v)]).collect())
    }
}

impl Outcome {
    /// A planned job.
    pub(super) fn job(planned: PlannedJob, kind: JobKind) -> Self {
        let PlannedJob { graph, schema, warnings } = planned;
        Outcome::Job(Box::new(Job { graph, kind, schema, warnings }))
    }
}
