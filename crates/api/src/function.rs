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
use crate::{BoxFuture, Error, Field, LogicalType, Result};

/// A language that a function can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Python, in a process beside the job.
    Python,
    /// WebAssembly, in a sandbox within the job.
    WebAssembly,
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

/// A function as its host has found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserFunction {
    /// Its language.
    pub language: Language,
    /// What the language calls it.
    pub entry: String,
    /// Its files.
    pub artifacts: Vec<Artifact>,
    /// Its parameters; none if it takes whatever it is given.
    pub parameters: Option<Vec<Field>>,
    /// Its result.
    pub returns: LogicalType,
    /// How it takes its rows.
    pub form: CallForm,
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
    fn kernel(&self, name: &str, function: &UserFunction, environment: &Environment)
    -> Result<Box<dyn FunctionKernel>> {
        let _: &Environment = environment;
        Err(Error::internal(format!("function '{name}' in {} was called within an expression", function.language)))
    }

    /// A process that makes calls. `arguments` are the types of the columns that batches will have.
    ///
    /// # Errors
    /// If it cannot be started or a function cannot be found, or the language needs no process.
    fn start<'a>(
        &'a self,
        calls: &'a [FunctionCall],
        arguments: &'a [LogicalType],
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Box<dyn FunctionProcess>>> {
        let _: (&[LogicalType], &Environment) = (arguments, environment);
        let named = calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ");
        Box::pin(async move { Err(Error::internal(format!("no process runs {named}"))) })
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
    /// # Errors
    /// `Data` if a function fails on a row; `External` if the process is gone or does not answer in time.
    fn call(&mut self, arguments: RecordBatch) -> BoxFuture<'_, Result<Vec<ArrayRef>>>;
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
        self.0.get(&language).ok_or_else(|| {
            Error::unsupported(format!("a function in {language}"))
                .with_detail("This Flott was built without it.")
                .with_hint("Build it with its default features.")
        })
    }
}

impl fmt::Debug for FunctionHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
