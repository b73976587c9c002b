//! A language of the tests, under the name of Python: functions that are closures here, and "processes" that call them.
//!
//! | function | what it gives |
//! |---|---|
//! | `sum` | the sum of its arguments, all `BIGINT`; null if one is |
//! | `counted` | its first argument |
//! | `broken` | an error |
//! | `total` | an aggregate: the sum of its argument; it remembers the sum |
//! | `spread` | an aggregate of whole columns: the largest value less the smallest; null of none |
//! | `count_down` | a table function: for n the rows n - 1 .. 0 of one `BIGINT` and its square; none for null |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

use crate::env::Environment;
use crate::function::{
    CallArgument, CallForm, Declaration, FunctionCall, FunctionCalls, FunctionHost, FunctionHosts, FunctionKind,
    FunctionProcess, Language, UserFunction,
};
use crate::{BoxFuture, Error, Field, LogicalType, Result, TypeKind};

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
        kind: FunctionKind::Scalar,
        entry: entry.to_owned(),
        artifacts: Vec::new(),
        parameters: None,
        returns,
        accumulator: None,
        form: CallForm::Row,
        deterministic: true,
        options: BTreeMap::new(),
    }
}

/// The table function of the tests.
pub fn count_down() -> UserFunction {
    let bigint = || LogicalType::new(TypeKind::BigInt);
    let row = LogicalType::not_null(TypeKind::Row(vec![Field::new("n", bigint()), Field::new("square", bigint())]));
    let returns = LogicalType::not_null(TypeKind::Array(Box::new(row)));
    UserFunction { kind: FunctionKind::Table, ..user_function("count_down", returns) }
}

/// The aggregate of the tests.
pub fn total() -> UserFunction {
    let bigint = LogicalType::not_null(TypeKind::BigInt);
    let kind = FunctionKind::Aggregate;
    UserFunction { kind, accumulator: Some(bigint.clone()), ..user_function("total", bigint) }
}

/// The aggregate of the tests that takes whole columns.
pub fn spread() -> UserFunction {
    let returns = LogicalType::new(TypeKind::BigInt);
    UserFunction { kind: FunctionKind::Aggregate, form: CallForm::Batch, ..user_function("spread", returns) }
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
        let process = Box::new(FakeProcess(calls.clone())) as Box<dyn FunctionProcess>;
        Box::pin(std::future::ready(Ok(process)))
    }
}

struct FakeProcess(FunctionCalls);

impl FunctionProcess for FakeProcess {
    fn call(&mut self, arguments: RecordBatch) -> BoxFuture<'_, Result<Vec<ArrayRef>>> {
        called(&self.0.calls[0].function.entry, |called| {
            called.rows += arguments.num_rows();
            called.columns_max = called.columns_max.max(arguments.num_columns());
        });
        let results = match self.0.aggregate() {
            true if self.0.windowed() => spreads(&self.0, &arguments),
            true => totals(&self.0, &arguments),
            false => self.0.calls.iter().map(|call| evaluate(call, &arguments)).collect(),
        };
        Box::pin(std::future::ready(results))
    }

    fn close(&mut self) -> BoxFuture<'_, Result<()>> {
        called(&self.0.calls[0].function.entry, |called| called.closed += 1);
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
        "count_down" => counted_down(arguments[0].as_primitive::<Int64Type>(), &call.function),
        _ => Err(Error::data(format!("function '{}' failed", call.name))),
    }
}

fn sum(arguments: &[ArrayRef], rows: usize) -> Int64Array {
    let value =
        |array: &ArrayRef, row: usize| array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row));
    (0..rows).map(|row| arguments.iter().map(|array| value(array, row)).sum::<Option<i64>>()).collect()
}

fn counted_down(numbers: &Int64Array, function: &UserFunction) -> Result<ArrayRef> {
    let lengths = numbers.iter().map(|n| n.unwrap_or(0).max(0) as usize);
    let DataType::List(element) = function.returns.arrow() else {
        return Err(Error::internal("a table function gives no list"));
    };
    let DataType::Struct(fields) = element.data_type().clone() else {
        return Err(Error::internal("a table function gives no rows"));
    };
    let values: Vec<i64> = numbers.iter().flat_map(|n| (0..n.unwrap_or(0)).rev()).collect();
    let squares = values.iter().map(|n| n * n).collect::<Vec<_>>();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(values)), Arc::new(Int64Array::from(squares))];
    let rows = StructArray::try_new(fields, columns, None)?;
    Ok(Arc::new(ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), Arc::new(rows), None)?))
}

/// Every aggregate is `total`.
fn totals(calls: &FunctionCalls, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let first = calls.arguments.len();
    let groups = batch.column(first).as_primitive::<Int32Type>();
    let mut given: Vec<ArrayRef> = Vec::new();
    for (at, call) in calls.calls.iter().enumerate() {
        let [CallArgument::Column(column)] = call.args[..] else {
            return Err(Error::data(format!("function '{}' takes a column", call.name)));
        };
        let numbers = batch.column(column).as_primitive::<Int64Type>();
        let changes = batch.column(first + 1 + 2 * at).as_primitive::<Int8Type>();
        let accumulators = batch.column(first + 2 + 2 * at).as_primitive::<Int64Type>();
        let (mut sums, mut before) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let group = groups.value(row) as usize;
            if group == sums.len() {
                let known = accumulators.is_valid(row).then(|| accumulators.value(row));
                before.push(known);
                sums.push(known.unwrap_or(0));
            }
            let number = if numbers.is_valid(row) { numbers.value(row) } else { 0 };
            sums[group] += i64::from(changes.value(row)) * number;
        }
        let sums: ArrayRef = Arc::new(Int64Array::from(sums));
        given.extend([Arc::clone(&sums), Arc::new(Int64Array::from(before)), sums]);
    }
    Ok(given)
}

/// Every aggregate of whole columns is `spread`.
fn spreads(calls: &FunctionCalls, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let first = calls.arguments.len();
    let bounds = |at: usize| batch.column(first + at).as_primitive::<Int32Type>().iter().map_while(|bound| bound);
    let given = calls.calls.iter().enumerate().map(|(at, call)| {
        let [CallArgument::Column(column)] = call.args[..] else {
            return Err(Error::data(format!("function '{}' takes a column", call.name)));
        };
        let numbers = batch.column(column).as_primitive::<Int64Type>();
        let counts = batch.column(first + 2 + at).as_primitive::<Int8Type>();
        let spread = |(from, to): (i32, i32)| {
            let rows = (from as usize..to as usize).filter(|row| counts.value(*row) == 1 && numbers.is_valid(*row));
            let values: Vec<i64> = rows.map(|row| numbers.value(row)).collect();
            Some(values.iter().max()? - values.iter().min()?)
        };
        Ok(Arc::new(bounds(0).zip(bounds(1)).map(spread).collect::<Int64Array>()) as ArrayRef)
    });
    given.collect()
}
