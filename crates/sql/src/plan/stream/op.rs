//! What a kind of stream node must say of itself; each kind is a file of `nodes`.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind, Schema, TypeKind};
use flott_graph::Role;
use flott_graph::spec::{AggregateCall, WindowTime};

use super::nodes::{
    Calc, ChangelogNormalize, DropUpdateBefore, Exchange, Expand, FromChangelog, GlobalGroupAggregate,
    GlobalWindowAggregate, GroupAggregate, IncrementalGroupAggregate, IntervalJoin, Join, Limit, LocalGroupAggregate,
    LocalWindowAggregate, LookupJoin, MiniBatchAssigner, MultiJoin, Rank, TemporalJoin, TemporalSort, ToChangelog,
    Union, Values, Watermark, WindowJoin, WindowRank, WindowTableFunction,
};
use super::{Distribution, Node};
use crate::plan::lower::meaning;
use crate::plan::print::{self, Style};
use crate::plan::rel::{
    Correlate, Match, Over, Predict, Process, PythonCalc, PythonCorrelate, Scan, WindowAggregate, schema,
};
use crate::plan::{Settings, TimeAttribute};

/// What a stream node does.
#[derive(Clone, Debug)]
pub(in crate::plan) enum Op {
    /// Filters, then computes columns.
    Calc(Calc),
    /// Makes a full changelog of upserts.
    ChangelogNormalize(ChangelogNormalize),
    /// Joins rows with those of a function.
    Correlate(Box<Correlate>),
    /// Drops `-U`.
    DropUpdateBefore(DropUpdateBefore),
    /// Sends each row to a subtask.
    Exchange(Exchange),
    /// Gives each row several times.
    Expand(Expand),
    /// Makes row kinds of a column.
    FromChangelog(FromChangelog),
    /// Groups what the first phase has grouped.
    GlobalGroupAggregate(Box<GlobalGroupAggregate>),
    /// The second phase of grouping by window.
    GlobalWindowAggregate(Box<GlobalWindowAggregate>),
    /// Groups.
    GroupAggregate(GroupAggregate),
    /// Groups what the first phase has grouped, and groups that once more.
    IncrementalGroupAggregate(Box<IncrementalGroupAggregate>),
    /// Joins rows whose times are near each other.
    IntervalJoin(Box<IntervalJoin>),
    /// Pairs of rows of two inputs.
    Join(Box<Join>),
    /// Some rows.
    Limit(Limit),
    /// Groups the rows of a mini-batch, before they are sent.
    LocalGroupAggregate(Box<LocalGroupAggregate>),
    /// The first phase of grouping by window.
    LocalWindowAggregate(Box<LocalWindowAggregate>),
    /// Joins rows with what a table outside has for them.
    LookupJoin(Box<LookupJoin>),
    /// Finds patterns.
    Match(Box<Match>),
    /// Ends mini-batches.
    MiniBatchAssigner(MiniBatchAssigner),
    /// Combinations of rows of several inputs.
    MultiJoin(Box<MultiJoin>),
    /// Rows with calls over those before them.
    OverAggregate(Box<Over>),
    /// Appends what a model answers.
    Predict(Box<Predict>),
    /// What a process table function gives.
    Process(Box<Process>),
    /// Appends what functions give that run beside the job.
    PythonCalc(PythonCalc),
    /// Joins rows with those of a function that runs beside the job.
    PythonCorrelate(Box<PythonCorrelate>),
    /// The first rows of each partition.
    Rank(Box<Rank>),
    /// Reads a table.
    Source(Box<Scan>),
    /// Joins rows with what a table was at their time.
    TemporalJoin(Box<TemporalJoin>),
    /// Rows in an order that begins with a time.
    TemporalSort(TemporalSort),
    /// Makes a column of row kinds.
    ToChangelog(ToChangelog),
    /// All rows of all inputs.
    Union(Union),
    /// Constant rows.
    Values(Values),
    /// Computes the watermark.
    Watermark(Watermark),
    /// Groups by window.
    WindowAggregate(Box<WindowAggregate>),
    /// Joins the rows of equal windows.
    WindowJoin(Box<WindowJoin>),
    /// The first rows of each window.
    WindowRank(Box<WindowRank>),
    /// Appends the columns of a window.
    WindowTableFunction(WindowTableFunction),
}

impl Op {
    fn kind(&self) -> &dyn StreamOp {
        match self {
            Op::Calc(op) => op,
            Op::ChangelogNormalize(op) => op,
            Op::Correlate(op) => op.as_ref(),
            Op::DropUpdateBefore(op) => op,
            Op::Exchange(op) => op,
            Op::Expand(op) => op,
            Op::FromChangelog(op) => op,
            Op::GlobalGroupAggregate(op) => op.as_ref(),
            Op::GlobalWindowAggregate(op) => op.as_ref(),
            Op::GroupAggregate(op) => op,
            Op::IncrementalGroupAggregate(op) => op.as_ref(),
            Op::IntervalJoin(op) => op.as_ref(),
            Op::Join(op) => op.as_ref(),
            Op::Limit(op) => op,
            Op::LocalGroupAggregate(op) => op.as_ref(),
            Op::LocalWindowAggregate(op) => op.as_ref(),
            Op::LookupJoin(op) => op.as_ref(),
            Op::Match(op) => op.as_ref(),
            Op::MiniBatchAssigner(op) => op,
            Op::MultiJoin(op) => op.as_ref(),
            Op::OverAggregate(op) => op.as_ref(),
            Op::Predict(op) => op.as_ref(),
            Op::Process(op) => op.as_ref(),
            Op::PythonCalc(op) => op,
            Op::PythonCorrelate(op) => op.as_ref(),
            Op::Rank(op) => op.as_ref(),
            Op::Source(op) => op.as_ref(),
            Op::TemporalJoin(op) => op.as_ref(),
            Op::TemporalSort(op) => op,
            Op::ToChangelog(op) => op,
            Op::Union(op) => op,
            Op::Values(op) => op,
            Op::Watermark(op) => op,
            Op::WindowAggregate(op) => op.as_ref(),
            Op::WindowJoin(op) => op.as_ref(),
            Op::WindowRank(op) => op.as_ref(),
            Op::WindowTableFunction(op) => op,
        }
    }
}

/// Which updates a reader wants: Flink's `UpdateKind`. Where there are none it does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Updates {
    /// `+U` alone, which replaces the row with the same upsert key.
    OnlyAfter,
    /// `-U` and `+U`.
    BeforeAndAfter,
}

/// One way in which a node can give the updates that were asked of it.
pub(in crate::plan) struct Alternative {
    /// What it asks of each input.
    pub(in crate::plan) asks: Vec<Updates>,
    /// What it becomes then; nothing for what it is.
    pub(in crate::plan) becomes: Option<Op>,
}

/// A kind of stream node. Inputs have their exchanges already.
pub(in crate::plan) trait StreamOp {
    /// The row kinds that it gives over these inputs, `-U` wherever there is `+U`, unless it only passes on what comes.
    ///
    /// # Errors
    /// If it cannot work on an input's changes.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode>;

    /// The ways to give its updates as wanted, best first; none if there is no way. By default it makes them as asked, and
    /// must be told what to retract.
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let _: Updates = wanted;
        vec![Alternative::asking(inputs, Updates::BeforeAndAfter)]
    }

    /// Sets of columns whose values name a row: an update replaces the row with the same values.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>>;

    /// Which rows of each input must meet; nothing for inputs behind the last one.
    fn distribution(&self) -> Vec<Distribution> {
        Vec::new()
    }

    /// Its line in `EXPLAIN`, which is also its name in the job.
    fn describe(&self, text: &Text<'_>) -> String;

    /// What the runtime is told.
    ///
    /// # Errors
    /// If its specification cannot be written; a bug.
    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired>;

    /// Its expressions: with a volatile one among them, equal nodes are not one.
    fn expressions(&self) -> Vec<&Expr> {
        Vec::new()
    }
}

impl StreamOp for Op {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        self.kind().provides(inputs)
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        self.kind().alternatives(inputs, wanted)
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        self.kind().upsert_keys(inputs)
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.kind().distribution()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        self.kind().describe(text)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        self.kind().wire(wiring)
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.kind().expressions()
    }
}

impl Alternative {
    /// Asks the same of all inputs.
    pub(in crate::plan) fn asking(inputs: &[Node], updates: Updates) -> Self {
        Alternative { asks: vec![updates; inputs.len()], becomes: None }
    }
}

/// All that the inputs may hold.
pub(in crate::plan) fn united(inputs: &[Node]) -> ChangelogMode {
    inputs.iter().fold(ChangelogMode::INSERT_ONLY, |mode, node| mode.union(node.changelog))
}

/// What `EXPLAIN` has to show a node: its names and those of its inputs.
pub(in crate::plan) struct Text<'a> {
    /// The node.
    pub(in crate::plan) node: &'a Node,
    /// How expressions are written.
    pub(in crate::plan) style: Style,
    /// Names of its columns.
    pub(in crate::plan) own: Vec<String>,
    /// Names of the columns of each input.
    pub(in crate::plan) inputs: Vec<Vec<String>>,
}

impl<'a> Text<'a> {
    /// The names around a node.
    pub(in crate::plan) fn of(node: &'a Node, style: Style) -> Self {
        let inputs = node.inputs.iter().map(|input| print::names(&input.columns)).collect();
        Text { node, style, own: print::names(&node.columns), inputs }
    }

    /// Names of the columns of its first input; none if it has no input.
    pub(in crate::plan) fn input(&self) -> &[String] {
        self.inputs.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// `a, b`: columns of the first input by name.
    pub(in crate::plan) fn picked(&self, columns: &[usize]) -> String {
        print::picked(columns, self.input()).join(", ")
    }

    /// An expression over the first input.
    pub(in crate::plan) fn expr(&self, expr: &Expr) -> String {
        print::expr(expr, self.input(), self.style)
    }

    /// `groupBy=[a, b], `, or nothing where all rows are one group.
    pub(in crate::plan) fn group_by(&self, keys: &[usize]) -> String {
        if keys.is_empty() { String::new() } else { format!("groupBy=[{}], ", self.picked(keys)) }
    }

    /// `a, COUNT(*) AS n`: keys, then results under the node's own names.
    pub(in crate::plan) fn results(&self, keys: &[usize], calls: &[AggregateCall], retract: bool) -> Vec<String> {
        let input = self.input();
        let keys_shown = print::picked(keys, input).into_iter().map(str::to_owned);
        let results = calls.iter().zip(&self.own[keys.len()..]);
        keys_shown.chain(results.map(|(call, name)| print::aggregate(call, input, name, retract))).collect()
    }
}

/// What a node knows when it writes its specification.
pub(in crate::plan) struct Wiring<'a> {
    /// The session's settings.
    pub(in crate::plan) settings: &'a Settings,
    /// The node.
    pub(in crate::plan) node: &'a Node,
    /// What each column of each input means.
    pub(in crate::plan) read: &'a [Vec<String>],
}

impl Wiring<'_> {
    /// The columns of an input.
    pub(in crate::plan) fn input(&self, input: usize) -> Schema {
        self.node.inputs.get(input).map(|i| schema(&i.columns)).unwrap_or_default()
    }

    /// Its own columns.
    pub(in crate::plan) fn output(&self) -> Schema {
        schema(&self.node.columns)
    }

    /// What comes in on an input.
    pub(in crate::plan) fn input_changelog(&self, input: usize) -> ChangelogMode {
        self.node.inputs.get(input).map_or(ChangelogMode::INSERT_ONLY, |i| i.changelog)
    }

    /// Whether somebody below needs `-U`.
    pub(in crate::plan) fn emit_update_before(&self) -> bool {
        self.node.changelog.contains(RowKind::UpdateBefore)
    }

    /// `table.local-time-zone`
    pub(in crate::plan) fn session_zone(&self) -> String {
        self.settings.session_zone.clone()
    }

    /// What each column of an input means.
    pub(in crate::plan) fn meanings(&self, input: usize) -> &[String] {
        self.read.get(input).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the keys of state mean.
    pub(in crate::plan) fn keys_meaning(&self, input: usize, keys: &[usize]) -> String {
        let schema = self.input(input);
        let kinds: Vec<&TypeKind> = schema.fields.iter().map(|f| &f.ty.kind).collect();
        meaning::keys(keys, self.meanings(input), &kinds)
    }

    /// The clock that a time column of the first input stands for.
    pub(in crate::plan) fn window_time(&self, time: usize) -> WindowTime {
        let columns = self.node.inputs.first().map(|i| i.columns.as_slice()).unwrap_or_default();
        match columns.get(time).and_then(|c| c.time) {
            Some(TimeAttribute::Proctime) => WindowTime::Proctime,
            _ => WindowTime::Rowtime(time),
        }
    }

    /// Where the days of windows begin: a `TIMESTAMP` is a clock on a wall and has no zone.
    pub(in crate::plan) fn window_zone(&self, time: &WindowTime) -> String {
        let column = |i: usize| self.node.inputs.first().and_then(|input| input.columns.get(i));
        let is_local = match time {
            WindowTime::Proctime => true,
            WindowTime::Rowtime(i) => column(*i).is_some_and(|c| matches!(c.ty.kind, TypeKind::TimestampLtz(_))),
            WindowTime::Attached(i) => column(*i).and_then(|c| c.window.as_ref()).is_some_and(|w| w.is_local),
        };
        self.zone_of(is_local)
    }

    /// The zone of windows that are cut in the session's, or of those of a `TIMESTAMP`.
    pub(in crate::plan) fn zone_of(&self, is_local: bool) -> String {
        if is_local { self.session_zone() } else { "UTC".to_owned() }
    }

    /// An operator without state whose columns mean what those of its first input mean.
    pub(in crate::plan) fn passing_on(&self, role: Role) -> Wired {
        Wired { role, stateful: false, meaning: String::new(), columns: self.meanings(0).to_vec() }
    }
}

/// What the runtime is told of a node.
pub(in crate::plan) struct Wired {
    /// What runs.
    pub(in crate::plan) role: Role,
    /// Whether it has keyed state.
    pub(in crate::plan) stateful: bool,
    /// What gives its state meaning, besides what it reads.
    pub(in crate::plan) meaning: String,
    /// What each of its columns means.
    pub(in crate::plan) columns: Vec<String>,
}
