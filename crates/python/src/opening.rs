//! What a process is told before its first batch: the calls, the types, the zone.

use std::collections::BTreeMap;

use flott_api::function::{CallArgument, CallForm, FunctionCall, FunctionCalls};
use flott_api::{Error, Result};
use serde_json::{Value, json};

use crate::settings::{AsyncSettings, Defaults, Purpose, Settings, disagreement};
use crate::types::to_python;

/// What the process of these calls is started with.
///
/// # Errors
/// If two functions want different processes.
pub(crate) fn settings(calls: &FunctionCalls, defaults: &Defaults) -> Result<Settings> {
    let mut all = Vec::new();
    calls.calls.iter().for_each(|call| gather(call, &mut all));
    let none = BTreeMap::new();
    let options = all.first().map_or(&none, |call| &call.function.options);
    for other in &all {
        if let Some(key) = disagreement(options, &other.function.options) {
            let (first, second) = (&all[0].name, &other.name);
            return Err(Error::unsupported(format!("'{first}' and '{second}' in one query with different '{key}'"))
                .with_hint("Create both functions under the same options."));
        }
    }
    Settings::of(options, defaults, Purpose::Running)
}

fn gather<'a>(call: &'a FunctionCall, all: &mut Vec<&'a FunctionCall>) {
    all.push(call);
    for argument in &call.args {
        if let CallArgument::Call(inner) = argument {
            gather(inner, all);
        }
    }
}

/// `function 'f'` or `functions 'f', 'g'`.
pub(crate) fn subject(calls: &[FunctionCall]) -> String {
    let named = calls.iter().map(|call| format!("'{}'", call.name)).collect::<Vec<_>>().join(", ");
    if calls.len() == 1 { format!("function {named}") } else { format!("functions {named}") }
}

/// All of it, as our side of Python reads it.
pub(crate) fn message(calls: &FunctionCalls) -> Result<Value> {
    let arguments = calls.arguments.iter().map(to_python).collect::<Result<Vec<_>>>()?;
    let place = json!({
        "number_of_parallel_subtasks": calls.subtask.parallelism,
        "max_number_of_parallel_subtasks": calls.max_parallelism,
        "index_of_this_subtask": calls.subtask.index,
    });
    let (zone, aggregate, windowed) = (&calls.session_zone, calls.aggregate(), calls.windowed());
    let calls = calls.calls.iter().map(call).collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "zone": zone,
        "place": place,
        "arguments": arguments,
        "calls": calls,
        "aggregate": aggregate,
        "windowed": windowed,
    }))
}

fn call(call: &FunctionCall) -> Result<Value> {
    let function = &call.function;
    let arguments = call.args.iter().map(argument).collect::<Result<Vec<_>>>()?;
    let asynchronous = match function.form {
        CallForm::Async => {
            let settings = AsyncSettings::of(&function.options)?;
            json!({
                "capacity": settings.capacity,
                "timeout_ms": settings.timeout_ms,
                "retries": settings.retries,
                "delay_ms": settings.delay_ms,
            })
        }
        CallForm::Row | CallForm::Batch => Value::Null,
    };
    Ok(json!({
        "name": call.name,
        "entry": function.entry,
        "sha256": function.artifacts.first().map(|artifact| &artifact.sha256),
        "accumulator": function.accumulator.as_ref().map(to_python).transpose()?,
        "returns": to_python(&function.returns).map_err(|e| e.context(format!("function '{}'", call.name)))?,
        "arguments": arguments,
        "async": asynchronous,
    }))
}

fn argument(argument: &CallArgument) -> Result<Value> {
    Ok(match argument {
        CallArgument::Column(column) => json!({ "column": column }),
        CallArgument::Call(inner) => json!({ "call": call(inner)? }),
    })
}
