//! Process table functions: tables in, a table out, with state and timers by key in between.
//!
//! Flink counterpart: `ProcessTableFunction` (FLIP-440). A [`ProcessFunction`] says what it takes and gives, and makes the
//! [`ProcessTableFunction`] that runs in a subtask; a host of user code (Python, WebAssembly, a DataStream program) implements
//! both once. The operator around it owns state and timers, and lends them for a call.
//!
//! A call has many rows of one table, in their order, and is numbered by key: key 0 is the first key of the call, and so on.
//! What a function reads of its state is a batch with a row for each thing remembered, and what it writes is one too, so a
//! call crosses a language once, not once a row. **Invariant.** A function's rows must not depend on how its input is cut
//! into calls: it goes through the rows in order, and a key may come twice in one call.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};

use crate::env::Environment;
use crate::expr::{FunctionId, Value};
use crate::table::ChangelogMode;
use crate::{ChangeBatch, LogicalType, Result, RowKinds, Schema};

/// How a function sees the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableSemantics {
    /// One by one: it has neither state nor timers.
    Row,
    /// By partition: rows with equal keys meet.
    Set {
        /// Whether `PARTITION BY` may be left out: all rows are one partition then.
        optional_partition_by: bool,
    },
}

/// What a function says of a table that it takes; Flink's `ArgumentTrait`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableTraits {
    /// How it sees the rows.
    pub semantics: TableSemantics,
    /// `PASS_COLUMNS_THROUGH`: all columns of a row stand before what the function gives for it.
    pub pass_columns_through: bool,
    /// `SUPPORT_UPDATES`: other changes than insertions may come.
    pub support_updates: bool,
    /// `REQUIRE_UPDATE_BEFORE`: an update comes with its old row.
    pub require_update_before: bool,
    /// `REQUIRE_FULL_DELETE`: a deletion has all columns. Here every deletion has.
    pub require_full_delete: bool,
    /// `REQUIRE_ON_TIME`: the call must name a time attribute.
    pub require_on_time: bool,
}

impl TableTraits {
    /// Insertions, seen so.
    pub const fn new(semantics: TableSemantics) -> Self {
        TableTraits {
            semantics,
            pass_columns_through: false,
            support_updates: false,
            require_update_before: false,
            require_full_delete: false,
            require_on_time: false,
        }
    }

    /// `ROW_SEMANTIC_TABLE`
    pub const fn rows() -> Self {
        TableTraits::new(TableSemantics::Row)
    }

    /// `SET_SEMANTIC_TABLE`
    pub const fn set() -> Self {
        TableTraits::new(TableSemantics::Set { optional_partition_by: false })
    }

    /// Whether rows with equal keys meet.
    pub fn is_set(&self) -> bool {
        matches!(self.semantics, TableSemantics::Set { .. })
    }
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A constant.
    Scalar {
        /// Its type.
        ty: LogicalType,
        /// Whether it may be left out; it is null then.
        optional: bool,
    },
    /// A table.
    Table(TableTraits),
}

/// A declared argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ParameterKind,
}

impl Parameter {
    /// A table.
    pub fn table(name: &str, traits: TableTraits) -> Self {
        Parameter { name: name.to_owned(), kind: ParameterKind::Table(traits) }
    }

    /// A constant that must be given.
    pub fn scalar(name: &str, ty: LogicalType) -> Self {
        Parameter { name: name.to_owned(), kind: ParameterKind::Scalar { ty, optional: false } }
    }

    /// A constant that may be left out.
    pub fn optional(name: &str, ty: LogicalType) -> Self {
        Parameter { name: name.to_owned(), kind: ParameterKind::Scalar { ty, optional: true } }
    }

    /// What it says of its table, if it is one.
    pub fn traits(&self) -> Option<&TableTraits> {
        match &self.kind {
            ParameterKind::Table(traits) => Some(traits),
            ParameterKind::Scalar { .. } => None,
        }
    }
}

/// A given argument, in the order of the parameters. What plans carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessArgument {
    /// A constant of the parameter's type; null where it was left out.
    Scalar(Value),
    /// A table.
    Table(ProcessTable),
}

/// A given table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTable {
    /// Its columns.
    pub schema: Schema,
    /// `PARTITION BY`, as positions.
    pub partition_by: Vec<usize>,
    /// The time attribute that `on_time` names.
    pub time: Option<usize>,
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// At most one row a key.
    Value,
    /// Rows in the order in which they were put.
    List,
    /// Rows by their first columns, which are unique; without an order that means anything.
    Map {
        /// How many columns the key has.
        key_columns: usize,
    },
}

/// A state that a function keeps for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateShape {
    /// Its lasting name.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// The columns of its rows.
    pub schema: Schema,
    /// After how many milliseconds without a write a row is over, 0 for never; nothing for the job's
    /// `table.exec.state.ttl`.
    pub ttl_ms: Option<i64>,
}

/// What a call gives and remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessShape {
    /// The function's own columns: not those of keys and rows before them, nor `rowtime` behind them.
    pub output: Schema,
    /// Its states.
    pub state: Vec<StateShape>,
    /// The kinds of changes that it gives: with `+U` and without `-U` an update replaces the row with the same partition
    /// columns.
    pub changelog: ChangelogMode,
}

/// A function that can be called.
pub trait ProcessFunction: Send + Sync {
    /// Its lasting name and version.
    fn id(&self) -> FunctionId;

    /// What it takes. The names `on_time` and `uid` are the planner's.
    fn parameters(&self) -> Vec<Parameter>;

    /// What a call with these arguments gives; refuses arguments that it cannot work with.
    ///
    /// # Errors
    /// If the arguments are wrong.
    fn shape(&self, arguments: &[ProcessArgument]) -> Result<ProcessShape>;

    /// What runs in a subtask.
    ///
    /// # Errors
    /// If the arguments are wrong.
    fn instance(&self, arguments: &[ProcessArgument]) -> Result<Box<dyn ProcessTableFunction>>;
}

/// A function at work in a subtask.
pub trait ProcessTableFunction: Send {
    /// Called once, before anything else.
    ///
    /// # Errors
    /// If it cannot work here.
    fn open(&mut self, environment: &Environment) -> Result<()> {
        let _: &Environment = environment;
        Ok(())
    }

    /// Rows have come. Without any table, it is called once with one row without columns.
    ///
    /// # Errors
    /// If the rows cannot be worked on.
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput>;

    /// Timers have fired, each of another key, in the order of their times.
    ///
    /// # Errors
    /// If something goes wrong.
    fn on_timers(&mut self, timers: &FiredTimers<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let _: (&FiredTimers<'_>, &mut ProcessContext<'_>) = (timers, cx);
        Err(crate::Error::internal("a process table function has timers and takes none"))
    }
}

/// Rows for a function.
pub struct ProcessRows<'a> {
    /// Which argument they are of.
    pub argument: usize,
    /// The rows with their kinds, without marks.
    pub batch: &'a ChangeBatch,
    /// The key of each row; empty for a table with row semantics.
    pub keys: &'a [u32],
    /// The time of each row, in milliseconds; nothing without `on_time`.
    pub times_ms: Option<&'a [i64]>,
}

/// Timers that have fired.
pub struct FiredTimers<'a> {
    /// The key of each.
    pub keys: &'a [u32],
    /// The time of each.
    pub times_ms: &'a [i64],
    /// The name of each that has one.
    pub names: &'a [Option<String>],
}

/// What a function gives.
#[derive(Clone, Debug)]
pub struct ProcessOutput {
    /// Its own columns.
    pub rows: RecordBatch,
    /// Which row of the call, or which timer, each row is for: its keys, columns and time go with it.
    pub origins: Vec<u32>,
    /// The kinds; nothing if all are `+I`.
    pub kinds: Option<RowKinds>,
}

/// What a function has in a call.
pub struct ProcessContext<'a> {
    /// How many keys the call has.
    pub keys: usize,
    /// What it remembers of them.
    pub state: &'a mut dyn ProcessState,
    /// Their timers.
    pub timers: &'a mut dyn ProcessTimers,
    /// The watermark in force; nothing before the first one.
    pub watermark_ms: Option<i64>,
    /// Processing time, the same for the whole call.
    pub processing_time_ms: i64,
}

/// Rows of a state.
#[derive(Clone, Debug)]
pub struct StateRows {
    /// The rows.
    pub rows: RecordBatch,
    /// What each is of: of [`read`](ProcessState::read) the key, of [`find`](ProcessState::find) the row that asked.
    pub of: Vec<u32>,
}

/// The states of a function, lent for a call. States are numbered as in [`ProcessShape::state`]. What is over by its time to
/// live is not there.
pub trait ProcessState {
    /// All rows of these keys, key by key; a key that comes twice is answered twice.
    ///
    /// # Errors
    /// If there is no such state, or what was kept is damaged.
    fn read(&self, state: usize, keys: &[u32]) -> Result<StateRows>;

    /// The rows of a map with these keys; `map_keys` has a row for each of `keys`.
    ///
    /// # Errors
    /// If the state is no map with such keys.
    fn find(&self, state: usize, keys: &[u32], map_keys: &[ArrayRef]) -> Result<StateRows>;

    /// Puts rows, one for each of `keys`, in order: it replaces the value, goes to the end of the list, or replaces the
    /// row of the map with the same key.
    ///
    /// # Errors
    /// If the columns are not the state's.
    fn put(&mut self, state: usize, keys: &[u32], rows: &RecordBatch) -> Result<()>;

    /// Takes rows out of a map; nothing happens for those that are not there.
    ///
    /// # Errors
    /// If the state is no map with such keys.
    fn remove(&mut self, state: usize, keys: &[u32], map_keys: &[ArrayRef]) -> Result<()>;

    /// Forgets all rows of these keys in a state.
    ///
    /// # Errors
    /// If there is no such state.
    fn clear(&mut self, state: usize, keys: &[u32]) -> Result<()>;
}

/// The timers of a function, lent for a call. They fire when the watermark reaches them; one that it has reached already
/// fires with the next watermark.
pub trait ProcessTimers {
    /// Sets a timer. One with a name takes the place of the one with that name; equal ones without are one.
    ///
    /// # Errors
    /// If the function's table has row semantics or passes columns through: there are no timers then.
    fn register(&mut self, key: u32, name: Option<&str>, at_ms: i64) -> Result<()>;

    /// Takes back the timer of this name, if there is one.
    ///
    /// # Errors
    /// See [`register`](ProcessTimers::register).
    fn clear_named(&mut self, key: u32, name: &str) -> Result<()>;

    /// Takes back the timer without a name at this time, if there is one.
    ///
    /// # Errors
    /// See [`register`](ProcessTimers::register).
    fn clear_at(&mut self, key: u32, at_ms: i64) -> Result<()>;

    /// Takes back all timers of a key.
    ///
    /// # Errors
    /// See [`register`](ProcessTimers::register).
    fn clear_all(&mut self, key: u32) -> Result<()>;
}

/// The functions that a process knows, by name. The binary fills it.
#[derive(Clone, Default)]
pub struct ProcessFunctions {
    functions: BTreeMap<String, Arc<dyn ProcessFunction>>,
}

impl std::fmt::Debug for ProcessFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

impl ProcessFunctions {
    /// These functions. Of two with one name the last counts.
    pub fn new(functions: impl IntoIterator<Item = Arc<dyn ProcessFunction>>) -> Self {
        ProcessFunctions { functions: functions.into_iter().map(|f| (f.id().name, f)).collect() }
    }

    /// The function that a user calls by this name, in any case.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn ProcessFunction>> {
        self.functions.get(&name.to_lowercase())
    }

    /// The function that a plan names.
    ///
    /// # Errors
    /// If this process has none, or another version.
    pub fn get(&self, id: &FunctionId) -> Result<&Arc<dyn ProcessFunction>> {
        let missing = || {
            crate::Error::invalid(format!(
                "there is no process table function '{}' of version {} here",
                id.name, id.version
            ))
            .with_hint("The plan was made where there is one; the process that runs it needs it too.")
        };
        self.functions.get(&id.name).filter(|f| f.id() == *id).ok_or_else(missing)
    }
}
