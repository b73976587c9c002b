//! Process table functions to test with. Those that `crates/e2e/oracle/Functions.java` has too give what they give in Flink.
//!
//! | function | what it has |
//! |---|---|
//! | `counter`, `total` | a value; the second passes columns through and may go without partitions |
//! | `recent` | a list whose rows live for 10 ms |
//! | `repeated` | rows one by one |
//! | `idle`, `reminders` | timers with and without a name |
//! | `pairs` | two tables |
//! | `tally` | a map |
//! | `kinds`, `kinds_before`, `kinds_full`, `kinds_of_rows` | updates that come in |
//! | `latest`, `latest_retracting` | updates that go out |
//! | `numbers` | no table |

mod changes;
mod counting;
mod timed;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;

use crate::expr::{FunctionId, Value};
use crate::process::{
    Parameter, ParameterKind, ProcessArgument, ProcessContext, ProcessFunction, ProcessFunctions, ProcessOutput,
    ProcessShape, ProcessTableFunction, StateKind, StateShape, TableSemantics, TableTraits,
};
use crate::table::ChangelogMode;
use crate::{Error, Field, LogicalType, Result, RowKinds, Schema, TypeKind};

/// All of them.
pub fn process_functions() -> ProcessFunctions {
    let set = TableTraits::set;
    let loose = TableTraits {
        pass_columns_through: true,
        ..TableTraits::new(TableSemantics::Set { optional_partition_by: true })
    };
    let rows = TableTraits { pass_columns_through: true, ..TableTraits::rows() };
    let timed = TableTraits { require_on_time: true, ..set() };
    let updating = TableTraits { support_updates: true, ..set() };
    let before = TableTraits { require_update_before: true, ..updating };
    let full = TableTraits { require_full_delete: true, ..updating };
    let of_rows = TableTraits { support_updates: true, ..TableTraits::rows() };
    let input = |traits| Parameter::table("input", traits);
    let int = || LogicalType::new(TypeKind::Int);
    let count = || vec![value("counted", &[("n", TypeKind::BigInt)])];
    let last = || vec![value("last", &[("v", TypeKind::Int), ("n", TypeKind::BigInt)])];
    let kinds = [("kind", text()), ("v", text())];
    let latest = [("v", TypeKind::Int), ("n", TypeKind::BigInt)];
    let declared = [
        Declared::new("counter", vec![input(set()), Parameter::optional("step", int())], &[("n", TypeKind::BigInt)])
            .with_state(count())
            .made(|a| Box::new(counting::Counter { step: scalar(a, 1).unwrap_or(1) })),
        Declared::new("total", vec![input(loose)], &[("total", TypeKind::BigInt)])
            .with_state(count())
            .made(|_| Box::new(counting::Counter { step: 1 })),
        Declared::new("recent", vec![input(set())], &[("n", TypeKind::BigInt)])
            .with_state(vec![recent()])
            .made(|_| Box::new(counting::Recent)),
        Declared::new(
            "repeated",
            vec![input(rows), Parameter::scalar("times", int()), Parameter::optional("label", LogicalType::string())],
            &[("i", TypeKind::Int), ("label", text())],
        )
        .made(|a| Box::new(counting::Repeated { times: scalar(a, 1).unwrap_or(0), label: label(a, 2) })),
        Declared::new("idle", vec![input(timed), Parameter::scalar("gapMs", int())], &[("seen", TypeKind::BigInt)])
            .with_state(count())
            .made(|a| Box::new(timed::Idle { gap_ms: scalar(a, 1).unwrap_or(0) })),
        Declared::new("reminders", vec![input(timed)], &[("what", text()), ("late", TypeKind::Boolean)])
            .with_state(vec![value("fired", &[("n", TypeKind::BigInt)])])
            .made(|_| Box::new(timed::Reminders)),
        Declared::new(
            "pairs",
            vec![Parameter::table("l", set()), Parameter::table("r", set())],
            &[("l", text()), ("r", text())],
        )
        .with_state(vec![list("lefts"), list("rights")])
        .made(|_| Box::new(changes::Pairs)),
        Declared::new(
            "tally",
            vec![input(set()), Parameter::optional("most", int())],
            &[("v", text()), ("n", TypeKind::BigInt), ("known", TypeKind::Int)],
        )
        .with_state(vec![counts()])
        .made(|a| Box::new(counting::Tally { most: scalar(a, 1) })),
        Declared::new("kinds", vec![input(updating)], &kinds).made(|_| Box::new(changes::Kinds)),
        Declared::new("kinds_before", vec![input(before)], &kinds).made(|_| Box::new(changes::Kinds)),
        Declared::new("kinds_full", vec![input(full)], &kinds).made(|_| Box::new(changes::Kinds)),
        Declared::new("kinds_of_rows", vec![input(of_rows)], &kinds).made(|_| Box::new(changes::Kinds)),
        Declared::new("latest", vec![input(set())], &latest)
            .with_state(last())
            .giving(ChangelogMode::UPSERT)
            .made(|_| Box::new(changes::Latest { retracts: false })),
        Declared::new("latest_retracting", vec![input(set())], &latest)
            .with_state(last())
            .giving(ChangelogMode::ALL)
            .made(|_| Box::new(changes::Latest { retracts: true })),
        Declared::new("numbers", vec![Parameter::scalar("count", int())], &[("i", TypeKind::Int)])
            .made(|a| Box::new(counting::Numbers { count: scalar(a, 0).unwrap_or(0) })),
    ];
    ProcessFunctions::new(declared.into_iter().map(|d| Arc::new(d) as Arc<dyn ProcessFunction>))
}

type Make = fn(&[ProcessArgument]) -> Box<dyn ProcessTableFunction>;

/// A function by what it declares.
struct Declared {
    name: &'static str,
    parameters: Vec<Parameter>,
    shape: ProcessShape,
    make: Make,
}

impl Declared {
    fn new(name: &'static str, parameters: Vec<Parameter>, output: &[(&str, TypeKind)]) -> Self {
        let shape = ProcessShape { output: schema(output), state: Vec::new(), changelog: ChangelogMode::INSERT_ONLY };
        Declared { name, parameters, shape, make: |_| Box::new(changes::Kinds) }
    }

    fn with_state(mut self, state: Vec<StateShape>) -> Self {
        self.shape.state = state;
        self
    }

    fn giving(mut self, changelog: ChangelogMode) -> Self {
        self.shape.changelog = changelog;
        self
    }

    fn made(self, make: Make) -> Self {
        Declared { make, ..self }
    }

    fn check(&self, arguments: &[ProcessArgument]) -> Result<()> {
        let fits = |(given, parameter): (&ProcessArgument, &Parameter)| {
            matches!(
                (given, &parameter.kind),
                (ProcessArgument::Scalar(_), ParameterKind::Scalar { .. })
                    | (ProcessArgument::Table(_), ParameterKind::Table(_))
            )
        };
        let fit = arguments.len() == self.parameters.len() && arguments.iter().zip(&self.parameters).all(fits);
        if fit { Ok(()) } else { Err(Error::internal(format!("'{}' has other arguments", self.name))) }
    }
}

impl ProcessFunction for Declared {
    fn id(&self) -> FunctionId {
        FunctionId::new(self.name)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn shape(&self, arguments: &[ProcessArgument]) -> Result<ProcessShape> {
        self.check(arguments)?;
        Ok(self.shape.clone())
    }

    fn instance(&self, arguments: &[ProcessArgument]) -> Result<Box<dyn ProcessTableFunction>> {
        self.check(arguments)?;
        Ok((self.make)(arguments))
    }
}

fn text() -> TypeKind {
    TypeKind::Varchar(crate::types::LENGTH_MAX)
}

fn schema(columns: &[(&str, TypeKind)]) -> Schema {
    Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, LogicalType::new(kind.clone()))).collect())
}

fn state(name: &str, kind: StateKind, columns: &[(&str, TypeKind)]) -> StateShape {
    StateShape { name: name.to_owned(), kind, schema: schema(columns), ttl_ms: None }
}

fn value(name: &str, columns: &[(&str, TypeKind)]) -> StateShape {
    state(name, StateKind::Value, columns)
}

fn list(name: &str) -> StateShape {
    state(name, StateKind::List, &[("value", text())])
}

fn counts() -> StateShape {
    state("counts", StateKind::Map { key_columns: 1 }, &[("value", text()), ("n", TypeKind::BigInt)])
}

fn recent() -> StateShape {
    StateShape { ttl_ms: Some(10), ..state("recent", StateKind::List, &[("n", TypeKind::BigInt)]) }
}

/// A number among the arguments; nothing if it is null.
fn scalar(arguments: &[ProcessArgument], place: usize) -> Option<i64> {
    match arguments.get(place) {
        Some(ProcessArgument::Scalar(Value::Int(number))) => Some(*number),
        _ => None,
    }
}

fn label(arguments: &[ProcessArgument], place: usize) -> Option<String> {
    match arguments.get(place) {
        Some(ProcessArgument::Scalar(Value::String(label))) => Some(label.clone()),
        _ => None,
    }
}

/// The value of a column as Java's `String.valueOf` has it.
fn text_of(column: &ArrayRef, row: usize) -> Result<String> {
    if column.is_null(row) {
        return Ok("null".to_owned());
    }
    Ok(match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        other => return Err(Error::unsupported(format!("a column of type {other} in a function for tests"))),
    })
}

/// What the first state, a value, has of each key of the call.
fn numbers(cx: &ProcessContext<'_>) -> Result<Vec<Option<i64>>> {
    let keys: Vec<u32> = (0..cx.keys as u32).collect();
    let found = cx.state.read(0, &keys)?;
    let column = found.rows.column(0).as_primitive::<Int64Type>();
    let mut numbers = vec![None; cx.keys];
    for (row, key) in found.of.iter().enumerate() {
        numbers[*key as usize] = column.is_valid(row).then(|| column.value(row));
    }
    Ok(numbers)
}

/// Writes the numbers back.
fn put_numbers(cx: &mut ProcessContext<'_>, numbers: Vec<Option<i64>>) -> Result<()> {
    let keys: Vec<u32> = (0..cx.keys as u32).collect();
    let rows = batch(&[("n", TypeKind::BigInt)], vec![Arc::new(Int64Array::from(numbers))])?;
    cx.state.put(0, &keys, &rows)
}

fn batch(columns: &[(&str, TypeKind)], arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(schema(columns).arrow(), arrays)?)
}

fn output(
    columns: &[(&str, TypeKind)],
    arrays: Vec<ArrayRef>,
    (origins, kinds): (Vec<u32>, Option<RowKinds>),
) -> Result<ProcessOutput> {
    Ok(ProcessOutput { rows: batch(columns, arrays)?, origins, kinds })
}
