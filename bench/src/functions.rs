//! `flott-bench functions [rows]`: rows a second that functions in Python take from one subtask, with the way there and back.
//!
//! Batches of 8192 rows go to a process as an operator sends them. Flott and Python wait for each other, so that the two together
//! keep one core busy. Every sum is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use flott_api::env::Environment;
use flott_api::function::{CallArgument, Declaration, FunctionCall, FunctionCalls, FunctionHost, Language};
use flott_api::ids::Subtask;
use flott_api::{BATCH_ROWS_MAX, Error, LogicalType, Result, TypeKind};
use flott_python::{Defaults, PythonHost};

/// Rows unless the command line says otherwise.
pub(crate) const ROWS: u64 = 5_000_000;

/// The module, and what is called of it: each adds a number and the length of a text.
const MODULE: &str = "
import pyarrow.compute as pc
from pyflink.table.udf import udf

general = udf(lambda a, s: a + len(s), result_type='BIGINT')


@udf(result_type='BIGINT')
async def coroutine(a, s):
    return a + len(s)


@udf(result_type='BIGINT', func_type='pandas')
def pandas(a, s):
    return a + s.str.len()


@udf(result_type='BIGINT', func_type='arrow')
def arrow(a, s):
    return pc.add(a, pc.utf8_length(s))


@udf(result_type='BIGINT', func_type='pandas')
def numbers(a, s):
    return a * 2 + 1
";
const CALLS: [(&str, &[usize]); 6] = [
    ("general", &[0, 1]),
    ("coroutine", &[0, 1]),
    ("pandas", &[0, 1]),
    ("pandas, 8192", &[0, 1]),
    ("numbers", &[0, 1]),
    ("arrow", &[0, 1]),
];
const TEXT: &str = "some text";

/// The table of the report.
pub(crate) async fn measure(environment: &Environment, rows: u64, folder: &Path) -> Result<String> {
    let failed = |e: std::io::Error| Error::external("the module of the measurement cannot be written").with_source(e);
    std::fs::write(folder.join("measured.py"), MODULE).map_err(failed)?;
    let mut report = format!("{rows} rows through functions in Python, parallelism 1\n\nfunction          rows/s\n");
    for (name, columns) in CALLS {
        let seconds = one(environment, name, columns, rows, folder).await?;
        report.push_str(&format!("{name:<14} {:>8.2}M\n", rows as f64 / seconds / 1e6));
    }
    Ok(report)
}

async fn one(environment: &Environment, name: &str, columns: &[usize], rows: u64, folder: &Path) -> Result<f64> {
    let mut options = BTreeMap::from([
        ("python.executable".to_owned(), python()?),
        ("python.pythonpath".to_owned(), folder.to_string_lossy().into_owned()),
    ]);
    let (entry, size) = name.split_once(", ").map_or((name, None), |(entry, size)| (entry, Some(size)));
    if let Some(size) = size {
        options.insert("python.fn-execution.arrow.batch.size".to_owned(), size.to_owned());
    }
    let host = PythonHost::new(Defaults::default());
    let (parameters, returns, artifacts) = (None, None, Vec::new());
    let entry = format!("measured.{entry}");
    let declaration = Declaration { language: Language::Python, entry, artifacts, parameters, returns, options };
    let function = host.describe(&declaration, environment)?;
    let args = columns.iter().copied().map(CallArgument::Column).collect();
    let calls = FunctionCalls {
        calls: vec![FunctionCall { name: name.to_owned(), function, args }],
        arguments: vec![LogicalType::new(TypeKind::BigInt), LogicalType::string()],
        subtask: Subtask { index: 0, parallelism: 1 },
        max_parallelism: 128,
        session_zone: "UTC".to_owned(),
    };
    let mut process = host.start(&calls, environment).await?;
    let batch = batch()?;
    process.call(batch.clone()).await?;
    let begin = environment.clock.monotonic_ns();
    let expected: i64 = batch.column(0).as_primitive::<Int64Type>().value(1);
    let expected = if name == "numbers" { expected * 2 + 1 } else { expected + TEXT.len() as i64 };
    for _ in 0..rows.div_ceil(BATCH_ROWS_MAX as u64) {
        let results = process.call(batch.clone()).await?;
        if results[0].as_primitive::<Int64Type>().value(1) != expected {
            return Err(Error::internal(format!("function '{name}' gives another result")));
        }
    }
    let seconds = (environment.clock.monotonic_ns() - begin) as f64 / 1e9;
    process.close().await?;
    Ok(seconds)
}

pub(crate) fn batch() -> Result<RecordBatch> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..BATCH_ROWS_MAX as i64));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![TEXT; BATCH_ROWS_MAX]));
    Ok(RecordBatch::try_from_iter([("a", numbers), ("s", texts)])?)
}

/// The Python of the tests.
fn python() -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../script/python");
    let failed = |e: std::io::Error| Error::external("script/python cannot be run").with_source(e);
    let found = Command::new(script).arg("path").stderr(Stdio::inherit()).output().map_err(failed)?;
    if !found.status.success() {
        return Err(Error::external("there is no Python with pyarrow and pandas"));
    }
    Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
}
