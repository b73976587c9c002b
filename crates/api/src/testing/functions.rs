//! A language of the tests, under the name of Python: functions that are closures here, and "processes" that call them.
//!
//! | function | what it gives |
//! |---|---|
//! | `sum` | the sum of its arguments, all `BIGINT`; null if one is |
//! | `counted` | its first argument |
//! | `broken` | an error |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};

use crate::env::Environment;
use crate::function::{
    CallArgument, CallForm, Declaration, FunctionCall, FunctionCalls, FunctionHost, FunctionHosts, FunctionProcess,
    Language, UserFunction,
};
use crate::{BoxFuture, Error, LogicalType, Result};

/// What was called so far in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// Rows of all batches.
    pub rows: usize,
    /// The most columns of a batch.
    pub columns_max: usize,
    /// Processes that were closed.
    pub closed: usize,
}

/// By the first function of a process.
static CALLED: Mutex<BTreeMap<String, Called>> = Mutex::new(BTreeMap::new());

fn called<T>(entry: &str, change: impl FnOnce(&mut Called) -> T) -> T {
    let mut called = CALLED.lock().unwrap_or_else(PoisonError::into_inner);
    change(called.entry(entry.to_owned()).or_default())
}

/// What was called of processes that began with this function.
pub fn calls_of(entry: &str) -> Called {
    called(entry, |called| *called)
}

/// The hosts of a world of tests.
pub fn function_hosts() -> FunctionHosts {
    FunctionHosts::default().with(Language::Python, Arc::new(FakeHost))
}

/// A function of the tests.
pub fn user_function(entry: &str, returns: LogicalType) -> UserFunction {
    UserFunction {
        null_call: true,
        language: Language::Python,
        entry: entry.to_owned(),
        artifacts: Vec::new(),
        parameters: None,
        returns,
        form: CallForm::Row,
        deterministic: true,
        options: BTreeMap::new(),
    }
}

/// See the module.
struct FakeHost;

impl FunctionHost for FakeHost {
    fn describe(&self, declaration: &Declaration, _: &Environment) -> Result<UserFunction> {
        let returns = declaration.returns.clone();
        let returns = returns.ok_or_else(|| Error::invalid("a function of the tests needs its result type"))?;
        Ok(UserFunction { parameters: declaration.parameters.clone(), ..user_function(&declaration.entry, returns) })
    }

    fn start<'a>(
        &'a self,
        calls: &'a FunctionCalls,
        _: &'a Environment,
    ) -> BoxFuture<'a, Result<Box<dyn FunctionProcess>>> {
        let process = Box::new(FakeProcess(calls.calls.clone())) as Box<dyn FunctionProcess>;
        Box::pin(std::future::ready(Ok(process)))
    }
}

struct FakeProcess(Vec<FunctionCall>);

impl FunctionProcess for FakeProcess {
    fn call(&mut self, arguments: RecordBatch) -> BoxFuture<'_, Result<Vec<ArrayRef>>> {
        called(&self.0[0].function.entry, |called| {
            called.rows += arguments.num_rows();
            called.columns_max = called.columns_max.max(arguments.num_columns());
        });
        let results = self.0.iter().map(|call| evaluate(call, &arguments)).collect();
        Box::pin(std::future::ready(results))
    }

    fn close(&mut self) -> BoxFuture<'_, Result<()>> {
        called(&self.0[0].function.entry, |called| called.closed += 1);
        Box::pin(std::future::ready(Ok(())))
    }
}

fn evaluate(call: &FunctionCall, batch: &RecordBatch) -> Result<ArrayRef> {
    let argument = |argument: &CallArgument| match argument {
        CallArgument::Column(column) => Ok(Arc::clone(batch.column(*column))),
        CallArgument::Call(inner) => evaluate(inner, batch),
    };
    let arguments = call.args.iter().map(argument).collect::<Result<Vec<_>>>()?;
    match call.function.entry.as_str() {
        "sum" => Ok(Arc::new(sum(&arguments, batch.num_rows()))),
        "counted" => Ok(Arc::clone(&arguments[0])),
        _ => Err(Error::data(format!("function '{}' failed", call.name))),
    }
}

fn sum(arguments: &[ArrayRef], rows: usize) -> Int64Array {
    let value =
        |array: &ArrayRef, row: usize| array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row));
    (0..rows).map(|row| arguments.iter().map(|array| value(array, row)).sum::<Option<i64>>()).collect()
}
