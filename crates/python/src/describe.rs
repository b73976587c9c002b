//! What a declared function is: a process of Python is asked, and ends behind the answer.

use flott_api::env::Environment;
use flott_api::function::{Artifact, CallForm, Declaration, FunctionKind, Language, UserFunction};
use flott_api::{Error, Field, LogicalType, Result};
use serde::Deserialize;

use crate::connection::Connection;
use crate::frame::{answered, sent};
use crate::settings::{AsyncSettings, Defaults, Purpose, Settings};
use crate::types::{parse, to_python};

#[derive(Deserialize)]
struct Described {
    /// `scalar`, `table`, `aggregate` or `table aggregate`.
    kind: String,
    file: Option<File>,
    deterministic: bool,
    /// The types of its arguments, if it has said them.
    inputs: Option<Vec<String>>,
    /// What those have that can be called.
    result: Option<String>,
    form: Option<String>,
    /// What only an aggregate function has.
    accumulator: Option<String>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    sha256: String,
}

pub(crate) fn describe(
    declaration: &Declaration,
    defaults: &Defaults,
    environment: &Environment,
) -> Result<UserFunction> {
    check(declaration)?;
    let settings = Settings::of(&declaration.options, defaults, Purpose::Planning)?;
    AsyncSettings::of(&declaration.options)?;
    let subject = format!("function '{}'", declaration.entry);
    let mut python = Connection::start(environment.programs.as_ref(), &settings, subject.clone())?;
    python.send(sent::DESCRIBE, &declaration.entry)?;
    let answer = python.receive(answered::DESCRIBED)?;
    let described: Described = serde_json::from_slice(&answer)
        .map_err(|e| python.unclear("Python's description cannot be read".to_owned()).with_source(e))?;
    function(declaration, described).map_err(|e| e.context(subject))
}

/// What a declaration of a function in Python may not say.
fn check(declaration: &Declaration) -> Result<()> {
    if !declaration.artifacts.is_empty() {
        return Err(Error::invalid("a function in Python has no USING clause")
            .with_hint("Say where its modules are with 'python.files' or 'python.pythonpath'."));
    }
    if declaration.parameters.is_some() || declaration.returns.is_some() {
        return Err(Error::invalid("a function in Python says its types in Python")
            .with_hint("Leave out parameters and RETURNS; write @udf(result_type=...) in its module."));
    }
    Ok(())
}

fn function(declaration: &Declaration, described: Described) -> Result<UserFunction> {
    let (Some(result), Some(form)) = (described.result, described.form) else {
        return Err(Error::unsupported(format!("a {} function in Python", described.kind))
            .with_detail("Scalar functions (@udf), table functions (@udtf) and aggregate functions (@udaf) are."));
    };
    let kind = match described.kind.as_str() {
        "table" => FunctionKind::Table,
        "aggregate" => FunctionKind::Aggregate,
        _ => FunctionKind::Scalar,
    };
    let accumulator = described.accumulator.map(|accumulator| known(&accumulator)).transpose()?;
    let form = match form.as_str() {
        "general" => CallForm::Row,
        "pandas" | "arrow" => CallForm::Batch,
        "async" => CallForm::Async,
        _ => return Err(Error::unsupported(format!("func_type '{form}'"))),
    };
    let returns = known(&result)?;
    let parameters = described.inputs.map(|inputs| parameters(&inputs)).transpose()?;
    Ok(UserFunction {
        null_call: true,
        language: Language::Python,
        kind,
        entry: declaration.entry.clone(),
        artifacts: described.file.into_iter().map(|file| Artifact { uri: file.path, sha256: file.sha256 }).collect(),
        parameters,
        returns,
        accumulator,
        form,
        deterministic: described.deterministic,
        options: declaration.options.clone(),
    })
}

/// A type that Python has.
fn known(text: &str) -> Result<LogicalType> {
    let ty = parse(text)?;
    to_python(&ty)?;
    Ok(ty)
}

/// They have no names there, so they get Flink's.
fn parameters(inputs: &[String]) -> Result<Vec<Field>> {
    inputs.iter().enumerate().map(|(at, text)| Ok(Field::new(format!("f{at}"), known(text)?))).collect()
}
