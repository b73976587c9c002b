//! `JSON_VALUE(input, path [RETURNING type] [{NULL | ERROR | DEFAULT x} ON EMPTY] [.. ON ERROR])`: a text, number or
//! truth value out of a JSON text or a variant.
//!
//! The type is `STRING` unless said, else `BOOLEAN`, `INTEGER` or `DOUBLE`; a value of another kind fails, `DOUBLE`
//! taking numbers with a point or an exponent only, as in Flink. An object or array counts as empty in a lax path and
//! as an error in a strict one. A null argument, and be it a default, gives null.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder};
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::lookup::{Paths, asked_error, check_input, clause};
use super::path::{Answer, Outcome};
use super::scan::Kind;
use super::tree::{Id, Node};
use crate::operand::{Args, TextWriter};
use crate::registry::{Binding, Inference, Kernel, Signature};
use crate::variant::over_texts;

const EMPTY: &str = "the result is empty";
const NO_SCALAR: &str = "a strict path leads to an object or array";

/// Where the defaults stand among the arguments.
const ON_EMPTY: usize = 4;
const ON_ERROR: usize = 6;

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(7, 7)?;
    check_input(call)?;
    let kind = call.args[2].kind.clone();
    let fits = matches!(kind, TypeKind::Varchar(_) | TypeKind::Boolean | TypeKind::Int | TypeKind::Double);
    if !fits {
        return Err(Error::unsupported(format!("RETURNING {kind} in JSON_VALUE"))
            .with_hint("It returns STRING, BOOLEAN, INTEGER or DOUBLE; cast the result."));
    }
    let mut args = call.args.to_vec();
    for place in [ON_EMPTY, ON_ERROR] {
        if args[place].kind == TypeKind::Null {
            return Err(Error::invalid("a default of JSON_VALUE is NULL without a type")
                .with_hint("Say NULL ON EMPTY or NULL ON ERROR, or cast it."));
        }
        args[place].kind = kind.clone();
    }
    Ok(Signature { args, ty: LogicalType::new(kind) })
}

/// What becomes of a row without a value.
#[derive(Clone, Copy)]
enum Instead {
    Null,
    Error,
    Default(usize),
}

struct Clauses {
    paths: Paths,
    on_empty: Instead,
    on_error: Instead,
}

fn instead(binding: &Binding<'_>, place: usize) -> Result<Instead> {
    Ok(match clause(binding, place - 1)? {
        "NULL" => Instead::Null,
        "ERROR" => Instead::Error,
        _ => Instead::Default(place),
    })
}

/// What a row gives.
enum Got {
    Null,
    Default(usize),
    Value(Id),
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let clauses = Clauses {
        paths: Paths::bind(binding)?,
        on_empty: instead(binding, ON_EMPTY)?,
        on_error: instead(binding, ON_ERROR)?,
    };
    let kernel: Kernel = match binding.ty.kind {
        TypeKind::Boolean => Box::new(move |args| booleans(&clauses, args)),
        TypeKind::Int => Box::new(move |args| numbers::<Int32Type>(&clauses, args, integer)),
        TypeKind::Double => Box::new(move |args| numbers::<Float64Type>(&clauses, args, double)),
        _ => Box::new(move |args| texts(&clauses, args)),
    };
    Ok(over_texts(binding, kernel))
}

/// Looks the rows up one after the other.
fn each<'a>(
    clauses: &'a Clauses,
    args: &Args<'a>,
    mut take: impl FnMut(usize, Got, &Answer<'a>) -> Result<()>,
) -> Result<()> {
    let (texts, mut paths) = (args.text(0)?, clauses.paths.of(args)?);
    let mut answer = Answer::default();
    let is_null = |row: usize| {
        let counts = |place: &usize| match place {
            0 | 1 => true,
            &ON_EMPTY => matches!(clauses.on_empty, Instead::Default(_)),
            &ON_ERROR => matches!(clauses.on_error, Instead::Default(_)),
            _ => false,
        };
        let null = |place: usize| args.operands.get(place).is_some_and(|o| o.array.is_null(row * o.stride()));
        [0, 1, ON_EMPTY, ON_ERROR].iter().filter(|p| counts(p)).any(|p| null(*p))
    };
    for row in 0..args.rows {
        let got = if is_null(row) {
            Got::Null
        } else {
            let path = paths.get(row)?;
            let strict = path.strict;
            let outcome = answer.of(texts.get(row), path);
            let is_container = match outcome {
                Outcome::At(kind, _) => matches!(kind, Kind::Object | Kind::Array),
                Outcome::Node(id) => !answer.tree.is_scalar(id),
                _ => false,
            };
            match outcome {
                Outcome::Failed(why) => other(clauses.on_error, why)?,
                _ if is_container && strict => other(clauses.on_error, NO_SCALAR)?,
                Outcome::Empty => other(clauses.on_empty, EMPTY)?,
                _ if is_container => other(clauses.on_empty, EMPTY)?,
                found => answer.node(texts.get(row), found).map_or(Got::Null, Got::Value),
            }
        };
        take(row, got, &answer)?;
    }
    Ok(())
}

fn other(instead: Instead, why: &str) -> Result<Got> {
    match instead {
        Instead::Null => Ok(Got::Null),
        Instead::Error => Err(asked_error("json_value", why)),
        Instead::Default(place) => Ok(Got::Default(place)),
    }
}

fn wrong_kind(ty: &str) -> Error {
    Error::data(format!("JSON_VALUE found a value that is no {ty}"))
        .with_detail("ON EMPTY and ON ERROR say nothing about values of another kind.")
        .with_hint(format!("Return it as STRING, and cast that: TRY_CAST(JSON_VALUE(..) AS {ty})."))
}

fn texts(clauses: &Clauses, args: &Args<'_>) -> Result<ArrayRef> {
    let (mut out, mut text) = (TextWriter::new(args.rows), String::new());
    each(clauses, args, |row, got, answer| {
        match got {
            Got::Null => return out.end(false),
            Got::Default(place) => out.push(args.text(place)?.get(row)),
            Got::Value(id) => match answer.tree.node(id) {
                Node::Text(plain) => out.push(plain),
                _ => {
                    text.clear();
                    answer.tree.write_plain(id, &mut text);
                    out.push(&text);
                }
            },
        }
        out.end(true)
    })?;
    out.finish()
}

fn booleans(clauses: &Clauses, args: &Args<'_>) -> Result<ArrayRef> {
    let mut out = BooleanBuilder::with_capacity(args.rows);
    each(clauses, args, |row, got, answer| {
        match got {
            Got::Null => out.append_null(),
            Got::Default(place) => out.append_value(args.booleans(place)?.value(row * args.operand(place)?.stride())),
            Got::Value(id) => match answer.tree.node(id) {
                Node::Bool(truth) => out.append_value(*truth),
                _ => return Err(wrong_kind("BOOLEAN")),
            },
        }
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn numbers<T: ArrowPrimitiveType>(
    clauses: &Clauses,
    args: &Args<'_>,
    convert: impl Fn(&Node<'_>) -> Result<T::Native>,
) -> Result<ArrayRef> {
    let mut out = PrimitiveBuilder::<T>::with_capacity(args.rows);
    each(clauses, args, |row, got, answer| {
        match got {
            Got::Null => out.append_null(),
            Got::Default(place) => out.append_value(args.numbers::<T>(place)?.get(row)),
            Got::Value(id) => out.append_value(convert(answer.tree.node(id))?),
        }
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn integer(node: &Node<'_>) -> Result<i32> {
    match node {
        Node::Int(text) => text.parse().map_err(|_| wrong_kind("INTEGER")),
        Node::Count(count) => i32::try_from(*count).map_err(|_| wrong_kind("INTEGER")),
        _ => Err(wrong_kind("INTEGER")),
    }
}

fn double(node: &Node<'_>) -> Result<f64> {
    match node {
        Node::Decimal(text) => Ok(text.parse::<f64>().map_err(|_| wrong_kind("DOUBLE"))? + 0.0),
        _ => Err(wrong_kind("DOUBLE")),
    }
}
