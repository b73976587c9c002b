//! `MATCH_RECOGNIZE`: finds patterns in the rows of each partition, in the order of time; one row a match, or all its rows.
//!
//! Flink counterpart: `Match` with its `CepOperator`. By rowtime a row waits until the watermark has reached it, so rows are
//! matched in their order; those of one time in the order of further columns, then as they came. A row that the watermark
//! has reached already is late: it is counted and dropped. By processing time a row is matched as it comes, or, with further
//! columns, when its millisecond is over (what waits for that at the end of the input is matched then; Flink drops it).
//!
//! Conditions of a row alone are evaluated in columns, before anything is matched. Those that look back at what the match has
//! taken (`LAST(A.price, 1)`, aggregates, other variables) are evaluated for all partial matches of all partitions at
//! once, row by row of a partition. A column of a variable in its own condition is that of the current row.
//!
//! `WITHIN` is judged when rows of a partition come, and when the time of its first partial match is over, for which there is
//! a timer: a match that waits for an earlier one to run out of time comes out then, and its `MATCH_ROWTIME()` says so.
//!
//! **State layout**: state `patterns`, by the partition columns: the rows that wait, in order; the time when the next of
//! them is due or a partial match is over, for which there is a timer; and the partial matches with what is kept of their rows (`flott_cep`), which is the
//! columns that measures and conditions read, with `ALL ROWS PER MATCH` also those that come out. A partition of which nothing
//! is left is forgotten; where matches are numbered (`MATCH_NUMBER()`, which Flink has not) none that had one.
//!
//! **Does not:** honour `table.exec.state.ttl`, which would break matches; Flink does not either.

mod entries;
mod expression;
mod looked;
mod pattern;
mod steps;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, TimeDomain, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, LogicalType, Result, RowKind, Schema, TypeKind};
use flott_cep::Nfa;
use flott_functions::{CompileContext, EvalContext, compile};
use flott_graph::spec::{MatchExpr, MatchOperand, MatchRecognizeSpec, MatchRows, SortField, SortTime};
use flott_state::hot::{Cursor, KeyedState, KeyedStateOptions, RowRef, TtlOptions};
use flott_state::row;

use crate::changelog_normalize::row_type;
use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use crate::key_timers::KeyTimers;
use crate::timed_rows::{NEVER, key_of_moment};
use crate::watermark_assigner::null_rowtime;
use crate::window::time::{from_millis, millis};
use entries::{DUE, MatchEntries};
use expression::{Kept, OfMatch};
use looked::Looked;
use steps::{Condition, Found, Matching, Step};

const STATE: &str = "patterns";

/// See the module.
pub struct MatchRecognize {
    spec: MatchRecognizeSpec,
    nfa: Arc<Nfa>,
    kept: Kept,
    /// The columns of rows that wait, and their order.
    waiting: Schema,
    order: Vec<SortField>,
    /// The column by which rows wait, and its type; nothing if none waits.
    time: Option<(usize, LogicalType)>,
    options: KeyedStateOptions,
    output: SchemaRef,
    /// Is there from `open` on.
    opened: Option<Opened>,
}

struct Opened {
    state: KeyedState<MatchEntries>,
    timers: KeyTimers,
    matching: Matching,
    measures: Vec<OfMatch>,
}

impl FromSpec for MatchRecognize {
    type Spec = MatchRecognizeSpec;

    fn from_spec(spec: MatchRecognizeSpec) -> Result<Self> {
        let columns = spec.input.len();
        let rowtime = if let SortTime::Rowtime(column) = spec.time { Some(column) } else { None };
        let named = spec.partition.iter().chain(&rowtime).chain(spec.order.iter().map(|f| &f.column));
        let has_column = |c: &usize| *c < columns;
        let is_whole = named.chain(spec.passed()).all(has_column);
        if !is_whole || spec.output.len() != spec.passed().len() + spec.measures.len() {
            return Err(Error::internal("a pattern does not give its columns and measures"));
        }
        let conditions =
            spec.variables.iter().enumerate().filter_map(|(v, variable)| Some((v, variable.condition.as_ref()?)));
        let look_back = conditions.filter(|(v, condition)| of_row(condition, *v).is_none()).map(|(_, c)| c);
        let kept = Kept::of(&spec, look_back)?;
        let mut waiting = spec.input.clone();
        let time = match rowtime {
            Some(column) => Some(column),
            None if spec.order.is_empty() => None,
            None => {
                // The time at which a row came is not in it.
                waiting.fields.push(Field::new("$arrival", LogicalType::new(TypeKind::TimestampLtz(3))));
                Some(columns)
            }
        };
        let by_time = time.iter().map(|c| SortField { column: *c, descending: false, nulls_last: false });
        let order: Vec<SortField> = by_time.chain(spec.order.iter().copied()).collect();
        let nfa = Arc::new(pattern::automaton(&spec)?);
        // Refuses what cannot be kept now and not with the first row.
        MatchEntries::new(&waiting, &order, Arc::clone(&nfa), spec.is_numbered())?;
        let matches = format!("{} of {}", pattern::shown(&spec.pattern, &spec.variables), row_type(&kept.schema));
        Ok(MatchRecognize {
            nfa,
            options: KeyedStateOptions {
                name: STATE.to_owned(),
                keys: spec.partition.iter().map(|c| spec.input.fields[*c].ty.clone()).collect(),
                parts: entries::parts(&waiting, &order, matches, spec.is_numbered()),
                ttl: TtlOptions::default(),
            },
            time: time.map(|column| (column, waiting.fields[column].ty.clone())),
            output: spec.output.arrow(),
            kept,
            waiting,
            order,
            opened: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for MatchRecognize {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let opened = self.opened.as_ref().ok_or_else(not_open)?;
        opened.state.prefetch(&self.keys(batch.rows()), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.opened.iter_mut().map(|o| &mut o.state as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for MatchRecognize {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let session_zone = self.spec.session_zone.clone();
        let compile_cx = CompileContext { session_zone, environment: Some(cx.environment.clone()) };
        let nfa = Arc::clone(&self.nfa);
        let entries = MatchEntries::new(&self.waiting, &self.order, nfa, self.spec.is_numbered())?;
        let conditions = self.conditions(&compile_cx)?;
        let measures = self.spec.measures.iter().map(|m| OfMatch::new(m, &self.kept, &compile_cx));
        let types = self.options.keys.iter().map(LogicalType::arrow).collect();
        let domain = if self.is_rowtime() { TimeDomain::Event } else { TimeDomain::Processing };
        self.opened = Some(Opened {
            state: KeyedState::open(cx, &self.options, entries)?,
            timers: KeyTimers::new(cx, types, domain),
            matching: Matching::new(Arc::clone(&self.nfa), conditions, self.kept.clone()),
            measures: measures.collect::<Result<_>>()?,
        });
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("a pattern over an insert-only stream got a retraction"));
        }
        if self.time.is_some() { self.wait(batch.rows(), cx).await } else { self.at_once(batch.rows(), cx).await }
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let keys = self.opened()?.timers.keys(timers)?;
        self.due(&keys, timers.len(), cx).await
    }

    /// What waits for a millisecond of processing time to be over.
    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.is_rowtime() || self.time.is_none() {
            return Ok(());
        }
        let (now_ms, mut cursor, mut spilled) = (cx.processing_time_ms, Cursor::default(), Vec::new());
        let state = &mut self.opened()?.state;
        let resident = state.resident();
        let keys = state.columns(&resident)?;
        while let Some(page) = state.next_page(&mut cursor, now_ms).await? {
            spilled.push((page.keys, page.len));
        }
        for (keys, rows) in std::iter::once((keys, resident.len())).chain(spilled) {
            self.due(&keys, rows, cx).await?;
        }
        Ok(())
    }
}

fn not_open() -> Error {
    Error::internal("a pattern was not opened")
}

impl MatchRecognize {
    fn opened(&mut self) -> Result<&mut Opened> {
        self.opened.as_mut().ok_or_else(not_open)
    }

    fn is_rowtime(&self) -> bool {
        matches!(self.spec.time, SortTime::Rowtime(_))
    }

    fn keys(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.spec.partition.iter().map(|c| rows.column(*c).clone()).collect()
    }

    /// What each variable asks of its rows.
    fn conditions(&self, cx: &CompileContext) -> Result<Vec<Condition>> {
        let compiled = |(position, variable): (usize, &flott_graph::spec::PatternVariable)| {
            let Some(condition) = &variable.condition else { return Ok(Condition::None) };
            if let Some(of_row) = of_row(condition, position) {
                return Ok(Condition::OfRow(compile(&of_row, cx)?));
            }
            let of_match = OfMatch::new(condition, &self.kept, cx)?;
            let reach = of_match.reach();
            Ok(Condition::OfMatch(of_match, reach))
        };
        self.spec.variables.iter().enumerate().map(compiled).collect()
    }

    /// Rows are matched as they come.
    async fn at_once(&mut self, rows: &RecordBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (keys, now_ms) = (self.keys(rows), cx.processing_time_ms);
        let opened = self.opened()?;
        let groups = opened.state.assign(&keys, rows.num_rows(), now_ms).await?;
        opened.state.touch(&groups)?;
        let step = |(row, group): (usize, &u32)| Step { group: *group, row: Some(row), at_ms: now_ms };
        let steps: Vec<Step> = groups.iter().enumerate().map(step).collect();
        self.play(rows, &steps, cx).await?;
        self.wait_for_time(&keys, &groups, cx)?;
        self.settle(groups)
    }

    /// Rows wait for their time.
    async fn wait(&mut self, rows: &RecordBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let rows = self.in_time(rows, cx)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (keys, rowtime) = (self.keys(&rows), self.is_rowtime());
        let times = millis(rows.column(self.time_column()?.0))?;
        let Opened { state, timers, .. } = self.opened()?;
        let groups = state.assign(&keys, rows.num_rows(), cx.processing_time_ms).await?;
        state.touch(&groups)?;
        let waiting = &mut state.entries_mut().waiting;
        waiting.rows.begin(&rows)?;
        let mut at = Vec::new();
        for (row, group) in groups.iter().enumerate() {
            waiting.rows.insert(*group, row)?;
            let due_ms = due_at(times.value(row), rowtime);
            let [next_ms] = waiting.moments_mut(*group);
            if *next_ms == NEVER || due_ms < *next_ms {
                *next_ms = due_ms;
                at.push((row, due_ms));
            }
        }
        timers.register(&keys, &at, cx.timers)
    }

    fn time_column(&self) -> Result<&(usize, LogicalType)> {
        self.time.as_ref().ok_or_else(|| Error::internal("rows of a pattern wait without a time"))
    }

    /// The rows that are not late, with the time by which they wait.
    fn in_time(&self, rows: &RecordBatch, cx: &mut OperatorContext<'_>) -> Result<RecordBatch> {
        let SortTime::Rowtime(column) = self.spec.time else {
            let arrival = from_millis(vec![cx.processing_time_ms; rows.num_rows()], &self.time_column()?.1)?;
            let columns = [rows.columns(), &[arrival]].concat();
            return record_batch(&self.waiting.arrow(), columns, rows.num_rows());
        };
        if rows.column(column).null_count() > 0 {
            return Err(null_rowtime(&self.spec.input.fields[column].name));
        }
        let (times, watermark) = (millis(rows.column(column))?, cx.watermark.0);
        let in_time: UInt32Array =
            (0..).zip(times.values()).filter(|(_, time)| **time > watermark).map(|(row, _)| Some(row)).collect();
        let late = rows.num_rows() - in_time.len();
        cx.metrics.num_late_records_dropped.add(late as u64);
        if late == 0 { Ok(rows.clone()) } else { Ok(take_record_batch(rows, &in_time)?) }
    }

    /// The time of these partitions has come: what is due of their rows is matched.
    async fn due(&mut self, keys: &[ArrayRef], partitions: usize, cx: &mut OperatorContext<'_>) -> Result<()> {
        let opened = self.opened()?;
        let mut groups = opened.state.assign(keys, partitions, cx.processing_time_ms).await?;
        opened.state.touch(&groups)?;
        if self.time.is_some() {
            self.play_due(&groups, cx).await?;
            self.wait_for_next(keys, &groups, cx)?;
        } else {
            let at_ms = cx.processing_time_ms;
            let steps: Vec<Step> = groups.iter().map(|group| Step { group: *group, row: None, at_ms }).collect();
            self.play(&RecordBatch::new_empty(self.spec.input.arrow()), &steps, cx).await?;
            self.wait_for_time(keys, &groups, cx)?;
        }
        groups.sort_unstable();
        groups.dedup();
        self.settle(groups)
    }

    async fn play_due(&mut self, groups: &[u32], cx: &mut OperatorContext<'_>) -> Result<()> {
        let (rowtime, time) = (self.is_rowtime(), self.time_column()?.clone());
        let until_ms = if rowtime { cx.watermark.0 } else { cx.processing_time_ms };
        let through = if rowtime { Some(key_of_moment(until_ms, &time.1)?) } else { None };
        let none = RecordBatch::new_empty(self.waiting.arrow());
        let mut due = Due::default();
        self.opened()?.state.entries_mut().waiting.rows.begin(&none)?;
        for group in groups {
            loop {
                let rows = &mut self.opened()?.state.entries_mut().waiting.rows;
                let left = through.as_ref().map_or_else(|| rows.len(*group), |t| rows.count_through(*group, t));
                let now = left.min(BATCH_ROWS_MAX - due.rows.len());
                rows.take_first(*group, now, &mut due.rows);
                due.steps.resize(due.steps.len() + now, (*group, true));
                if now == left {
                    due.steps.push((*group, false));
                }
                if due.rows.len() == BATCH_ROWS_MAX {
                    self.play_some(std::mem::take(&mut due), (time.0, until_ms), cx).await?;
                    self.opened()?.state.entries_mut().waiting.rows.begin(&none)?;
                }
                if now == left {
                    break;
                }
            }
        }
        self.play_some(due, (time.0, until_ms), cx).await
    }

    /// Matches some of the rows that are due.
    async fn play_some(
        &mut self,
        due: Due,
        (time, until_ms): (usize, i64),
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let rows = self.opened()?.state.entries().waiting.rows.rows(&due.rows)?;
        let times = millis(rows.column(time))?;
        let mut next = 0..;
        let step = |(group, is_row): (u32, bool)| {
            let row = if is_row { next.next() } else { None };
            Step { group, row, at_ms: row.map_or(until_ms, |row| times.value(row)) }
        };
        let steps: Vec<Step> = due.steps.into_iter().map(step).collect();
        self.play(&rows, &steps, cx).await
    }

    /// Takes steps, and emits what they find.
    async fn play(&mut self, rows: &RecordBatch, steps: &[Step], cx: &mut OperatorContext<'_>) -> Result<()> {
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let Opened { state, matching, .. } = self.opened()?;
        let found = matching.take(state.entries_mut(), (rows, steps), &eval_cx)?;
        if found.is_empty() {
            return Ok(());
        }
        let rows = self.measured(&found, &eval_cx)?;
        emit(ChangeBatch::inserts(rows), cx).await
    }

    /// A row a match, or all its rows.
    fn measured(&mut self, found: &[Found], cx: &EvalContext) -> Result<RecordBatch> {
        let opened = self.opened.as_mut().ok_or_else(not_open)?;
        let (mut looked, all_rows) = (Looked::default(), matches!(self.spec.rows, MatchRows::All(_)));
        for Found { group, matched } in found {
            let number = opened.state.entries_mut().number(*group);
            looked.push_match(&matched.events, (matched.found_ms, number), all_rows);
        }
        let mut columns = match &self.spec.rows {
            MatchRows::One => opened.state.columns(&found.iter().map(|f| f.group).collect::<Vec<_>>())?,
            MatchRows::All(passed) => {
                let rows = row::decode(&self.kept.arrow, &looked.rows())?;
                let column = |c: &usize| Ok(rows.column(self.kept.place(*c)?).clone());
                passed.iter().map(column).collect::<Result<_>>()?
            }
        };
        let (none, kept) = (RecordBatch::new_empty(self.spec.input.arrow()), &self.kept.arrow);
        let kept = RecordBatch::new_empty(Arc::clone(kept));
        for measure in &opened.measures {
            columns.push(measure.evaluate(&looked, (&none, &kept), cx)?);
        }
        record_batch(&self.output, columns, looked.len())
    }

    /// Sets the timers of partitions whose rows do not wait: for the end of the time of their partial matches.
    fn wait_for_time(&mut self, keys: &[ArrayRef], groups: &[u32], cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let Opened { state, timers, matching, .. } = self.opened()?;
        if !matching.nfa.has_limit() {
            return Ok(());
        }
        let entries = state.entries_mut();
        let mut at = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            let over_ms = entries.over_at(*group).filter(|over_ms| *over_ms > now_ms).unwrap_or(NEVER);
            let [due_ms] = entries.waiting.moments_mut(*group);
            if over_ms != *due_ms {
                *due_ms = over_ms;
                at.extend((over_ms != NEVER).then_some((place, over_ms)));
            }
        }
        timers.register(keys, &at, cx.timers)
    }

    /// Sets the timers of partitions that have rows left, or partial matches whose time will be over.
    fn wait_for_next(&mut self, keys: &[ArrayRef], groups: &[u32], cx: &mut OperatorContext<'_>) -> Result<()> {
        let (rowtime, time) = (self.is_rowtime(), self.time_column()?.0);
        // What is over and stays, as behind the end of all time, has no timer: it would be due again at once.
        let now_ms = if rowtime { cx.watermark.0 } else { cx.processing_time_ms };
        let none = RecordBatch::new_empty(self.waiting.arrow());
        let Opened { state, timers, .. } = self.opened()?;
        let entries = state.entries_mut();
        entries.waiting.rows.begin(&none)?;
        let (mut first, mut owners, mut due) = (Vec::new(), Vec::new(), Vec::with_capacity(groups.len()));
        for (place, group) in groups.iter().enumerate() {
            due.push(entries.over_at(*group).filter(|over_ms| *over_ms > now_ms).unwrap_or(NEVER));
            if let Some(row) = entries.waiting.rows.nth(*group, 0) {
                first.push(row);
                owners.push(place);
            }
        }
        let times = millis(entries.waiting.rows.rows(&first)?.column(time))?;
        for (place, time_ms) in owners.into_iter().zip(times.values()) {
            let due_ms = due_at(*time_ms, rowtime);
            due[place] = if due[place] == NEVER { due_ms } else { due_ms.min(due[place]) };
        }
        for (group, due_ms) in groups.iter().zip(&due) {
            entries.waiting.moments_mut(*group)[DUE] = *due_ms;
        }
        let at: Vec<(usize, i64)> = due.into_iter().enumerate().filter(|(_, due_ms)| *due_ms != NEVER).collect();
        timers.register(keys, &at, cx.timers)
    }

    /// Counts the memory of partitions that were touched, and forgets those of which nothing is left.
    fn settle(&mut self, mut groups: Vec<u32>) -> Result<()> {
        groups.sort_unstable();
        groups.dedup();
        let state = &mut self.opened()?.state;
        groups.into_iter().try_for_each(|group| {
            let is_over = state.entries_mut().settle(group);
            if is_over { state.remove(group) } else { Ok(()) }
        })
    }
}

/// Rows that are due, and the order in which they and the end of each partition's time come.
#[derive(Default)]
struct Due {
    rows: Vec<RowRef>,
    steps: Vec<(u32, bool)>,
}

/// When a row is due. A millisecond of processing time is over with the next one.
fn due_at(time_ms: i64, rowtime: bool) -> i64 {
    if rowtime { time_ms } else { time_ms.saturating_add(1) }
}

/// The condition of a variable over the input, if it looks at the current row only.
fn of_row(condition: &MatchExpr, position: usize) -> Option<flott_api::expr::Expr> {
    use flott_api::expr::Expr;
    let current = |operand: &MatchOperand| match operand {
        MatchOperand::Row { variable, from_first: false, offset: 0, column } => {
            (variable.is_none_or(|v| v == position)).then_some(*column)
        }
        _ => None,
    };
    let columns: Option<Vec<usize>> = condition.operands.iter().map(current).collect();
    let columns = columns?;
    Some(condition.expr.clone().transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: columns.get(index).copied().unwrap_or(usize::MAX), ty },
        other => other,
    }))
}

#[cfg(test)]
mod tests;
