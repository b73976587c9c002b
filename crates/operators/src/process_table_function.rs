//! Hosts a process table function: tables in, a table out, with state and timers by key.
//!
//! Flink counterpart: `ProcessSetTableOperator` and `ProcessRowTableOperator`. Rows of a table with set semantics are worked on
//! by their partition columns; those of several tables meet where these are equal. The function gets the rows of a batch at
//! once, and no watermark is between them. Late rows come as any others. A timer fires when the watermark reaches it; one that
//! a fired timer sets for a time that has come fires before later ones of its key.
//!
//! Before what the function gives for a row or a timer stand the partition columns of each table, or all columns of the row
//! where they are passed through; behind it, with `on_time`, the row's or the timer's time.
//!
//! **State layout**: state `process`, by the partition columns of the first table; its parts are the function's states
//! ([`StateViews`]) and `$timers`, the timers of the key. A timer's payload is its name and its key. A key of which nothing is
//! left is forgotten; one whose rows are all over and that has no timer, too.
//!
//! **Does not:** sort what comes (`ORDER BY`), or tell a function the watermark of one of its tables.

mod call;
mod output;
mod timers;

use std::collections::BTreeSet;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, Timer};
use flott_api::process::{
    FiredTimers, ProcessArgument, ProcessContext, ProcessFunctions, ProcessOutput, ProcessRows, ProcessShape,
    ProcessTable, ProcessTableFunction as Function, TableTraits,
};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, LogicalType, Result, Watermark};
use flott_graph::spec::ProcessTableFunctionSpec;
use flott_state::hot::{KeyedState, KeyedStateOptions, StateViews, TtlOptions};

use crate::emit::emit;
use crate::watermark_assigner::null_rowtime;
use crate::window::time::millis;
use call::{Keys, Lent};
use output::Layout;
use timers::{Fired, KeyedTimers, Recorded};

const STATE: &str = "process";

/// See the module.
pub struct ProcessTableFunction {
    function: Box<dyn Function>,
    shape: ProcessShape,
    /// The tables, by input.
    inputs: Vec<Input>,
    layout: Layout,
    options: KeyedStateOptions,
    job_ttl_ms: i64,
    /// Is there from `open` on, where a table has set semantics.
    keyed: Option<Keyed>,
}

/// A table.
struct Input {
    /// Which argument it is.
    argument: usize,
    table: ProcessTable,
    traits: TableTraits,
}

/// What there is of keys.
struct Keyed {
    state: KeyedState<StateViews>,
    timers: KeyedTimers,
    /// Which state has the timers: the one behind the function's.
    timers_at: usize,
}

impl ProcessTableFunction {
    /// The operator of a specification, with the function of this process.
    ///
    /// # Errors
    /// If there is no such function here, or the arguments are not what it takes.
    pub fn new(spec: ProcessTableFunctionSpec, functions: &ProcessFunctions) -> Result<Self> {
        let known = functions.get(&spec.function)?;
        let shape = known.shape(&spec.arguments)?;
        let inputs = inputs(&spec.arguments, &known.parameters())?;
        let is_keyed = inputs.iter().any(|input| input.traits.is_set());
        if !is_keyed && !shape.state.is_empty() {
            return Err(Error::internal(format!("function '{}' has state and no keys", spec.function.name)));
        }
        let keys = inputs.first().map(Input::key_types).unwrap_or_default();
        let states = [shape.state.as_slice(), &[timers::shape()]].concat();
        let views = StateViews::new(&shape.state, spec.state_ttl_ms)?;
        Ok(ProcessTableFunction {
            function: known.instance(&spec.arguments)?,
            layout: Layout::new(&spec, &inputs, &shape)?,
            options: KeyedStateOptions {
                name: STATE.to_owned(),
                keys,
                parts: StateViews::parts(&states),
                ttl: TtlOptions::after(views.longest_ttl_ms()),
            },
            inputs,
            shape,
            job_ttl_ms: spec.state_ttl_ms,
            keyed: None,
        })
    }

    /// How it wants rows and watermarks.
    pub fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }

    fn is_keyed(&self) -> bool {
        self.inputs.iter().any(|input| input.traits.is_set())
    }
}

impl Input {
    fn key_types(&self) -> Vec<LogicalType> {
        self.table.partition_by.iter().map(|c| self.table.schema.fields[*c].ty.clone()).collect()
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.table.partition_by.iter().map(|c| batch.rows().column(*c).clone()).collect()
    }

    /// The time of each row, if there is one.
    fn times_ms(&self, batch: &ChangeBatch) -> Result<Option<Vec<i64>>> {
        let Some(time) = self.table.time else { return Ok(None) };
        let column = batch.rows().column(time);
        if column.null_count() > 0 {
            return Err(null_rowtime(&self.table.schema.fields[time].name));
        }
        Ok(Some(millis(column)?.values().to_vec()))
    }
}

/// The tables among the arguments, checked against what the function takes.
fn inputs(arguments: &[ProcessArgument], parameters: &[flott_api::process::Parameter]) -> Result<Vec<Input>> {
    let wrong = || Error::internal("a process table function has other arguments than it takes");
    if arguments.len() != parameters.len() {
        return Err(wrong());
    }
    let mut inputs: Vec<Input> = Vec::new();
    for (argument, (given, parameter)) in arguments.iter().zip(parameters).enumerate() {
        match (given, parameter.traits()) {
            (ProcessArgument::Table(table), Some(traits)) => {
                let named = table.partition_by.iter().chain(&table.time);
                if named.copied().any(|column| column >= table.schema.len()) {
                    return Err(wrong());
                }
                inputs.push(Input { argument, table: table.clone(), traits: *traits });
            }
            (ProcessArgument::Scalar(_), None) => {}
            _ => return Err(wrong()),
        }
    }
    let is_set = inputs.iter().any(|input| input.traits.is_set());
    let types = |input: &Input| input.key_types().iter().map(LogicalType::arrow).collect::<Vec<_>>();
    let fits = inputs.iter().all(|i| i.traits.is_set() == is_set && types(i) == types(&inputs[0]));
    if fits { Ok(inputs) } else { Err(wrong()) }
}

impl Stateful for ProcessTableFunction {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        match (&self.keyed, self.inputs.get(input)) {
            (Some(keyed), Some(input)) => keyed.state.prefetch(&input.keys(batch), batch.len()),
            _ => Ok(()),
        }
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.keyed.iter_mut().map(|keyed| &mut keyed.state as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for ProcessTableFunction {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let environment: &Environment = &cx.environment;
        self.function.open(environment)?;
        if self.is_keyed() {
            let states = [self.shape.state.as_slice(), &[timers::shape()]].concat();
            let types = self.options.keys.iter().map(LogicalType::arrow).collect();
            self.keyed = Some(Keyed {
                state: KeyedState::open(cx, &self.options, StateViews::new(&states, self.job_ttl_ms)?)?,
                timers: KeyedTimers::new(types, cx.max_parallelism),
                timers_at: self.shape.state.len(),
            });
        }
        Ok(())
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let Some(of) = self.inputs.get(input) else { return self.without_table(&batch, cx).await };
        let (times_ms, columns) = (of.times_ms(&batch)?, of.keys(&batch));
        let keys = match &mut self.keyed {
            Some(keyed) => Keys::of(&keyed.state.assign(&columns, batch.len(), now_ms).await?),
            None => Keys::default(),
        };
        let (argument, mut recorded) =
            (of.argument, Recorded::new(self.keyed.is_some() && !self.layout.passes_through()));
        let rows = ProcessRows { argument, batch: &batch, keys: &keys.of_rows, times_ms: times_ms.as_deref() };
        let output = self.call(&keys, &mut recorded, cx, |function, cx| function.eval(&rows, cx))?;
        let given = self.layout.of_rows(output, &batch, &self.inputs[input].table, times_ms.as_deref())?;
        if let Some(keyed) = &mut self.keyed {
            let first = keys.first_rows().into_iter().map(|row| columns_at(&columns, row));
            keyed.set_timers(&keys, first.collect::<Result<Vec<_>>>()?, recorded, (cx, None))?;
            keyed.settle(&keys, now_ms)?;
            keyed.state.expire(now_ms)?;
        }
        emit(given, cx).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut due: BTreeSet<Fired> = BTreeSet::new();
        for timer in timers {
            due.insert(Fired::of(timer)?);
        }
        while !due.is_empty() {
            let now = timers::one_a_key(&mut due);
            self.fire(&now, &mut due, cx).await?;
        }
        Ok(())
    }
}

/// A row of key columns.
fn columns_at(columns: &[ArrayRef], row: usize) -> Result<Vec<ArrayRef>> {
    Ok(columns.iter().map(|column| column.slice(row, 1)).collect())
}

impl ProcessTableFunction {
    /// A call of a function that takes no table.
    async fn without_table(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (keys, mut recorded) = (Keys::default(), Recorded::new(false));
        let rows = ProcessRows { argument: 0, batch, keys: &[], times_ms: None };
        let output = self.call(&keys, &mut recorded, cx, |function, cx| function.eval(&rows, cx))?;
        emit(self.layout.alone(output)?, cx).await
    }

    /// Calls the function with what it may have of these keys.
    fn call(
        &mut self,
        keys: &Keys,
        recorded: &mut Recorded,
        cx: &OperatorContext<'_>,
        call: impl FnOnce(&mut dyn Function, &mut ProcessContext<'_>) -> Result<ProcessOutput>,
    ) -> Result<ProcessOutput> {
        let keyed = self.keyed.as_mut();
        let mut state = Lent {
            state: keyed.map(|k| &mut k.state),
            states: self.shape.state.len(),
            keys,
            now_ms: cx.processing_time_ms,
        };
        let mut cx = ProcessContext {
            keys: keys.groups.len(),
            state: &mut state,
            timers: recorded,
            watermark_ms: (cx.watermark > Watermark::MIN).then_some(cx.watermark.0),
            processing_time_ms: cx.processing_time_ms,
        };
        call(self.function.as_mut(), &mut cx)
    }

    /// Timers have fired, no two of one key. What they set for a time that has come goes to `due`.
    async fn fire(&mut self, now: &[Fired], due: &mut BTreeSet<Fired>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let keyed = self.keyed.as_mut().ok_or_else(|| Error::internal("a function without keys has timers"))?;
        let columns = keyed.timers.columns(now)?;
        let groups = keyed.state.assign(&columns, now.len(), now_ms).await?;
        // One that was taken back or replaced meanwhile does not fire.
        let live = keyed.take_fired(&groups, now, now_ms)?;
        let groups: Vec<u32> = live.iter().map(|place| groups[*place]).collect();
        let keys = Keys::of(&groups);
        let times_ms: Vec<i64> = live.iter().map(|place| now[*place].at_ms).collect();
        let names: Vec<Option<String>> = live.iter().map(|place| now[*place].name.clone()).collect();
        let key_columns = output::picked(&columns, &live)?;
        let mut recorded = Recorded::new(true);
        if !live.is_empty() {
            let fired = FiredTimers { keys: &keys.of_rows, times_ms: &times_ms, names: &names };
            let output = self.call(&keys, &mut recorded, cx, |function, cx| function.on_timers(&fired, cx))?;
            let given = self.layout.of_timers(output, &key_columns, &times_ms)?;
            let keyed = self.keyed.as_mut().ok_or_else(|| Error::internal("a function has lost its keys"))?;
            let first = (0..live.len()).map(|row| columns_at(&key_columns, row)).collect::<Result<Vec<_>>>()?;
            keyed.set_timers(&keys, first, recorded, (cx, Some(due)))?;
            keyed.settle(&keys, now_ms)?;
            emit(given, cx).await?;
        }
        Ok(())
    }
}

impl Keyed {
    /// Forgets what is over, and keys of which nothing is left.
    fn settle(&mut self, keys: &Keys, now_ms: i64) -> Result<()> {
        for group in &keys.groups {
            if self.state.expires() {
                self.state.touch(&[*group])?;
                self.state.entries_mut().drop_expired(*group, now_ms)?;
                let waits = !self.state.entries().is_empty(self.timers_at, *group);
                // A key with a timer stays, whatever its rows do.
                self.state.set_changed(*group, if waits { i64::MAX / 2 } else { now_ms });
            }
            if self.state.entries().is_vacant(*group) {
                self.state.remove(*group)?;
            }
        }
        Ok(())
    }
}

/// The schema of the function's own columns.
fn own_schema(shape: &ProcessShape) -> SchemaRef {
    shape.output.arrow()
}

#[cfg(test)]
mod tests;
