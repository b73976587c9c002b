//! `JSON_EXISTS(input, path [{TRUE | FALSE | UNKNOWN | ERROR} ON ERROR])`: whether a path finds something in a JSON
//! text; and what `JSON_VALUE` and `JSON_QUERY` share with it.
//!
//! A null argument gives null. What is an error gives false unless the clause says otherwise: a text that is no JSON
//! and a path that finds nothing, if the path is strict; a wrong path in any case.

use std::sync::Arc;

use arrow_array::builder::BooleanBuilder;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::path::{Answer, JsonPath, Outcome};
use crate::operand::{Args, Text};
use crate::registry::{Binding, Inference, Kernel, Signature};

/// The paths of a call: a constant one is understood once.
pub(super) struct Paths {
    constant: Option<JsonPath>,
}

impl Paths {
    pub(super) fn bind(binding: &Binding<'_>) -> Result<Paths> {
        Ok(Paths { constant: binding.text(1).map(JsonPath::parse).transpose()? })
    }

    pub(super) fn of<'p>(&'p self, args: &Args<'p>) -> Result<RowPaths<'p>> {
        Ok(RowPaths { constant: self.constant.as_ref(), texts: args.text(1)?, last: None })
    }
}

/// The paths of a batch: one that comes again is understood once.
pub(super) struct RowPaths<'p> {
    constant: Option<&'p JsonPath>,
    texts: Text<'p>,
    last: Option<(&'p str, JsonPath)>,
}

impl RowPaths<'_> {
    pub(super) fn get(&mut self, row: usize) -> Result<&JsonPath> {
        if let Some(constant) = self.constant {
            return Ok(constant);
        }
        let text = self.texts.get(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, JsonPath::parse(text)?));
        }
        self.last.as_ref().map(|(_, path)| path).ok_or_else(|| Error::internal("a path was lost"))
    }
}

/// Checks the input and the path of a call.
pub(super) fn check_texts(call: &Inference<'_>) -> Result<()> {
    match call.args[..2].iter().all(|arg| arg.kind.is_character()) {
        true => Ok(()),
        false => Err(call.mismatch()),
    }
}

/// The same, and the input may be a variant.
pub(super) fn check_input(call: &Inference<'_>) -> Result<()> {
    match call.args[0].kind == TypeKind::Variant && call.args[1].kind.is_character() {
        true => Ok(()),
        false => check_texts(call),
    }
}

/// The words of a clause.
pub(super) fn clause<'b>(binding: &'b Binding<'_>, index: usize) -> Result<&'b str> {
    binding.text(index).ok_or_else(|| Error::internal(format!("clause {index} of '{}' is missing", binding.name)))
}

/// The error that an `ERROR ON` clause asks for.
pub(super) fn asked_error(function: &str, why: &str) -> Error {
    Error::data(format!("{} failed: {why}", function.to_uppercase()))
        .with_hint("Say what is to be given instead, as in NULL ON EMPTY NULL ON ERROR.")
}

pub(super) fn infer_exists(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    check_texts(call)?;
    Ok(call.unchanged(LogicalType::new(TypeKind::Boolean)))
}

pub(super) fn bind_exists(binding: &Binding<'_>) -> Result<Kernel> {
    let paths = Paths::bind(binding)?;
    let on_error = binding.text(2).unwrap_or("FALSE").to_owned();
    Ok(Box::new(move |args| {
        let (texts, mut paths, nulls) = (args.text(0)?, paths.of(args)?, args.nulls());
        let (mut answer, mut out) = (Answer::default(), BooleanBuilder::with_capacity(args.rows));
        for row in 0..args.rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.append_null();
                continue;
            }
            match (answer.of(texts.get(row), paths.get(row)?), on_error.as_str()) {
                (Outcome::Empty, _) | (Outcome::Failed(_), "FALSE") => out.append_value(false),
                (Outcome::At(..) | Outcome::Node(_), _) | (Outcome::Failed(_), "TRUE") => out.append_value(true),
                (Outcome::Failed(_), "UNKNOWN") => out.append_null(),
                (Outcome::Failed(why), _) => return Err(asked_error("json_exists", why)),
            }
        }
        Ok(Arc::new(out.finish()))
    }))
}
