//! Functions of users in other languages than SQL.
//!
//! A plan carries a [`UserFunction`] in each call of it ([`crate::expr::FunctionId`]): what it is called there, the files it comes
//! from, what it takes and gives. So a subtask finds all it needs in its own bytes. A [`FunctionHost`] knows one language: it says
//! what a declaration means while a statement is planned, and runs calls by the batch while a job runs, either within an
//! expression ([`FunctionKernel`]: the code runs here, in a sandbox) or in a process beside the job ([`FunctionProcess`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};

use crate::env::Environment;
use crate::ids::Subtask;
use crate::{BoxFuture, Error, Field, LogicalType, Result, TypeKind};

/// A language that a function can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Python, in a process beside the job.
    Python,
    /// WebAssembly, in a sandbox within the job.
    WebAssembly,
}

impl Language {
    /// Whether its functions run in a process beside the job, and not within expressions.
    pub fn runs_beside(self) -> bool {
        self == Language::Python
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Python => "Python",
            Language::WebAssembly => "WebAssembly",
        })
    }
}

/// A file that a job needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it is.
    pub uri: String,
    /// What it must hash to, in hex.
    pub sha256: String,
}

/// What a user has said of a function, before its host has looked at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its language.
    pub language: Language,
    /// What the language calls it: `module.f`, or what a module exports.
    pub entry: String,
    /// Where its files are (`USING ARTIFACT`).
    pub artifacts: Vec<String>,
    /// Its parameters, if they were written.
    pub parameters: Option<Vec<Field>>,
    /// Its result, if it was written.
    pub returns: Option<LogicalType>,
    /// `WITH (..)`.
    pub options: BTreeMap<String, String>,
}

/// How a function takes its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallForm {
    /// One row a call.
    Row,
    /// A batch a call: columns in, a column out.
    Batch,
    /// One row a call, many calls at once.
    Async,
}

/// What a function gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FunctionKind {
    /// A value for a row.
    #[default]
    Scalar,
    /// Rows for a row: a call gives the array of them.
    Table,
    /// A value for the rows of a group.
    Aggregate,
}

/// A function as its host has found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserFunction {
    /// Its language.
    pub language: Language,
    /// What it gives.
    #[serde(default)]
    pub kind: FunctionKind,
    /// What the language calls it.
    pub entry: String,
    /// Its files.
    pub artifacts: Vec<Artifact>,
    /// Its parameters; none if it takes whatever it is given.
    pub parameters: Option<Vec<Field>>,
    /// Its result; of a table function an array of rows, neither of which is null.
    pub returns: LogicalType,
    /// What an aggregate function remembers of a group; nothing if it is none, or takes all rows at once.
    #[serde(default)]
    pub accumulator: Option<LogicalType>,
    /// How it takes its rows.
    pub form: CallForm,
    /// Whether it is called with nulls; otherwise a null argument gives null.
    pub null_call: bool,
    /// Whether it gives the same for the same arguments, always.
    pub deterministic: bool,
    /// What its host was told, with defaults left out.
    pub options: BTreeMap<String, String>,
}

/// A call of a function by a process: which columns of the batch are its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// How users call it, for messages.
    pub name: String,
    /// The function.
    pub function: UserFunction,
    /// Its arguments.
    pub args: Vec<CallArgument>,
}

/// An argument of a [`FunctionCall`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallArgument {
    /// A column of the batch.
    Column(usize),
    /// What another call gives: it never leaves the process.
    Call(Box<FunctionCall>),
}

/// A language.
pub trait FunctionHost: Send + Sync {
    /// What a declaration means. May block: it reads files, and asks the language.
    ///
    /// # Errors
    /// If there is no such function, or it is not as declared.
    fn describe(&self, declaration: &Declaration, environment: &Environment) -> Result<UserFunction>;

    /// A function that is called within expressions. May block: it reads files.
    ///
    /// # Errors
    /// If its files are gone or have changed, or the language runs in a process of its own.
    fn kernel(
        &self,
        name: &str,
        function: &UserFunction,
        environment: &Environment,
    ) -> Result<Box<dyn FunctionKernel>> {
        let _: &Environment = environment;
        Err(Error::internal(format!("function '{name}' in {} was called within an expression", function.language)))
    }

    /// A process that makes calls.
    ///
    /// # Errors
    /// If it cannot be started or a function cannot be found, or the language needs no process.
    fn start<'a>(
        &'a self,
        calls: &'a FunctionCalls,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Box<dyn FunctionProcess>>> {
        let _: &Environment = environment;
        let named = calls.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ");
        Box::pin(async move { Err(Error::internal(format!("no process runs {named}"))) })
    }
}

/// What a process is started for: calls of functions that give something for each row, or of aggregate functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCalls {
    /// The calls that it makes for each batch.
    pub calls: Vec<FunctionCall>,
    /// The types of the columns that batches will have. Batches for aggregate functions have more behind them: see
    /// [`FunctionProcess::call`].
    pub arguments: Vec<LogicalType>,
    /// Which instance of the operator calls.
    pub subtask: Subtask,
    /// The number of key groups.
    pub max_parallelism: u32,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl FunctionCalls {
    /// Whether they are of aggregate functions.
    pub fn aggregate(&self) -> bool {
        self.calls.first().is_some_and(|call| call.function.kind == FunctionKind::Aggregate)
    }

    /// Whether they are of aggregate functions that take all rows of a value at once.
    pub fn windowed(&self) -> bool {
        self.aggregate() && self.calls.first().is_some_and(|call| call.function.form == CallForm::Batch)
    }

    /// The types of all columns that batches have.
    ///
    /// # Errors
    /// If an aggregate function remembers nothing.
    pub fn sent(&self) -> Result<Vec<LogicalType>> {
        let mut types = self.arguments.clone();
        if self.windowed() {
            types.extend([LogicalType::new(TypeKind::Int), LogicalType::new(TypeKind::Int)]);
            types.extend(self.calls.iter().map(|_| LogicalType::not_null(TypeKind::TinyInt)));
        } else if self.aggregate() {
            types.push(LogicalType::not_null(TypeKind::Int));
            for call in &self.calls {
                types.push(LogicalType::not_null(TypeKind::TinyInt));
                types.push(call.function.remembered()?.clone().with_nullable(true));
            }
        }
        Ok(types)
    }

    /// The types of all columns that are given.
    ///
    /// # Errors
    /// If an aggregate function remembers nothing.
    pub fn given(&self) -> Result<Vec<LogicalType>> {
        let mut types = Vec::new();
        for FunctionCall { function, .. } in &self.calls {
            if self.aggregate() && !self.windowed() {
                types.push(function.remembered()?.clone());
                types.push(function.returns.clone().with_nullable(true));
            }
            types.push(function.returns.clone());
        }
        Ok(types)
    }
}

impl UserFunction {
    /// What an aggregate function remembers of a group.
    ///
    /// # Errors
    /// If it is none.
    pub fn remembered(&self) -> Result<&LogicalType> {
        let none = || Error::internal(format!("function '{}' aggregates and remembers nothing", self.entry));
        self.accumulator.as_ref().ok_or_else(none)
    }

    /// The columns of a table function.
    ///
    /// # Errors
    /// If it is none.
    pub fn columns(&self) -> Result<&[Field]> {
        match &self.returns.kind {
            TypeKind::Array(row) if self.kind == FunctionKind::Table => match &row.kind {
                TypeKind::Row(fields) => Ok(fields),
                _ => Err(Error::internal(format!("function '{}' gives rows without fields", self.entry))),
            },
            _ => Err(Error::internal(format!("function '{}' gives no rows", self.entry))),
        }
    }
}

/// A function within an expression.
pub trait FunctionKernel: Send + Sync {
    /// The results for so many rows. An array of arguments has that many values.
    ///
    /// # Errors
    /// If the function fails on a row, or takes more time or memory than it may.
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef>;
}

/// A process that makes calls.
pub trait FunctionProcess: Send {
    /// One column for each of the calls it was started for, with a row for each row of the batch.
    ///
    /// Aggregate functions get behind the arguments the number of each row's group (`INT`; groups are numbered as they come),
    /// and for each call two more: what the row does to it (`TINYINT`: 1 added, -1 taken back, 0 nothing), and its
    /// accumulator before the batch, in the first row of each group; null if there is none yet. They give three columns for each
    /// call, with a row for each group: its accumulator, its value before the batch, which is null if there was none, and its
    /// value.
    ///
    /// Those that take whole columns ([`FunctionCalls::windowed`]) get behind the arguments the first row of a value and the row
    /// behind its last one (`INT` both; row i has them of the i-th value, and nulls where there are no more values), and for each
    /// call whether a row counts (`TINYINT`: 1 or 0). They give a column for each call, with a row for each value.
    ///
    /// # Errors
    /// `Data` if a function fails on a row; `External` if the process is gone or does not answer in time.
    fn call(&mut self, arguments: RecordBatch) -> BoxFuture<'_, Result<Vec<ArrayRef>>>;

    /// There are no more batches: functions may close what they have opened. A process that is dropped without is killed.
    ///
    /// # Errors
    /// If a function fails to.
    fn close(&mut self) -> BoxFuture<'_, Result<()>>;
}

/// The languages that this process knows.
#[derive(Clone, Default)]
pub struct FunctionHosts(BTreeMap<Language, Arc<dyn FunctionHost>>);

impl FunctionHosts {
    /// With one more.
    #[must_use]
    pub fn with(mut self, language: Language, host: Arc<dyn FunctionHost>) -> Self {
        self.0.insert(language, host);
        self
    }

    /// The host of a language.
    ///
    /// # Errors
    /// If this binary was built without it.
    pub fn get(&self, language: Language) -> Result<&Arc<dyn FunctionHost>> {
        self.0.get(&language).ok_or_else(|| Error::unsupported(format!("a function in {language}")))
    }
}

impl fmt::Debug for FunctionHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
