//! `JSON_QUERY(input, path [RETURNING type] [wrapper] [{NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR} ON EMPTY] [.. ON
//! ERROR])`: an object or array out of a JSON text or a variant, as JSON or as an `ARRAY<STRING>`.
//!
//! `WITH UNCONDITIONAL WRAPPER` puts an array around whatever is found, `WITH CONDITIONAL WRAPPER` around what is none.
//! A text, number or truth value counts as empty in a lax path and as an error in a strict one. The names of objects
//! come out sorted. A null argument gives null.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_schema::DataType;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::lookup::{Paths, asked_error, check_input, clause};
use super::path::{Answer, Outcome};
use super::tree::{Id, Node};
use crate::operand::{Args, TextWriter};
use crate::registry::{Binding, Inference, Kernel, Signature};
use crate::variant::over_texts;

const EMPTY: &str = "the result is empty";
const SCALAR: &str = "a strict path leads to neither an object nor an array";
const NO_ARRAY: &str = "the value is no array";
const NO_EMPTY_OBJECT: &str = "an empty object is no array";

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(6, 6)?;
    check_input(call)?;
    let kind = call.args[2].kind.clone();
    let fits = match &kind {
        TypeKind::Varchar(_) => true,
        TypeKind::Array(element) => matches!(element.kind, TypeKind::Varchar(_)),
        _ => false,
    };
    if !fits {
        return Err(Error::unsupported(format!("RETURNING {kind} in JSON_QUERY"))
            .with_hint("It returns STRING or ARRAY<STRING>; cast the result."));
    }
    if matches!(kind, TypeKind::Array(_)) && (4..6).any(|place| call.literal_text(place) == Some("EMPTY OBJECT")) {
        return Err(Error::invalid(format!("JSON_QUERY returns {kind} and gives EMPTY OBJECT instead"))
            .with_hint("Give EMPTY ARRAY."));
    }
    Ok(call.unchanged(LogicalType::new(kind)))
}

/// What becomes of a row without a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Instead {
    Null,
    Error,
    EmptyArray,
    EmptyObject,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrapper {
    Without,
    Conditional,
    Unconditional,
}

struct Clauses {
    paths: Paths,
    wrapper: Wrapper,
    on_empty: Instead,
    on_error: Instead,
    returns_array: bool,
}

impl Clauses {
    fn bind(binding: &Binding<'_>) -> Result<Clauses> {
        let instead = |place: usize| {
            Ok::<_, Error>(match clause(binding, place)? {
                "NULL" => Instead::Null,
                "ERROR" => Instead::Error,
                "EMPTY ARRAY" => Instead::EmptyArray,
                _ => Instead::EmptyObject,
            })
        };
        let wrapper = match clause(binding, 3)? {
            "CONDITIONAL" => Wrapper::Conditional,
            "UNCONDITIONAL" => Wrapper::Unconditional,
            _ => Wrapper::Without,
        };
        let returns_array = matches!(binding.ty.kind, TypeKind::Array(_));
        Ok(Clauses {
            paths: Paths::bind(binding)?,
            wrapper,
            on_empty: instead(4)?,
            on_error: instead(5)?,
            returns_array,
        })
    }

    /// What a row gives.
    fn got<'a>(&self, answer: &mut Answer<'a>, text: &'a str, outcome: Outcome, strict: bool) -> Result<Got> {
        match outcome {
            Outcome::Empty => return self.other(self.on_empty, EMPTY),
            Outcome::Failed(why) => return self.other(self.on_error, why),
            Outcome::At(..) | Outcome::Node(_) => {}
        }
        let Some(id) = answer.node(text, outcome) else { return self.other(self.on_error, NO_ARRAY) };
        let node = answer.tree.node(id);
        let is_list = matches!(node, Node::Array(_) | Node::Names(_));
        let wrapped = match self.wrapper {
            Wrapper::Without => false,
            Wrapper::Conditional => !is_list,
            Wrapper::Unconditional => true,
        };
        let scalar = answer.tree.is_scalar(id) && !wrapped;
        let no_array = self.returns_array && !wrapped && !matches!(node, Node::Array(_));
        match (scalar, strict) {
            (true, true) => self.other(self.on_error, SCALAR),
            (true, false) => self.other(self.on_empty, EMPTY),
            _ if no_array => self.other(self.on_error, NO_ARRAY),
            _ => Ok(Got::Value(id, wrapped)),
        }
    }

    fn other(&self, instead: Instead, why: &str) -> Result<Got> {
        match instead {
            Instead::Null => Ok(Got::Null),
            Instead::Error => Err(asked_error("json_query", why)),
            Instead::EmptyArray => Ok(Got::EmptyArray),
            Instead::EmptyObject if self.returns_array => Err(asked_error("json_query", NO_EMPTY_OBJECT)),
            Instead::EmptyObject => Ok(Got::EmptyObject),
        }
    }
}

/// What a row gives.
enum Got {
    Null,
    EmptyArray,
    EmptyObject,
    /// A value, and whether an array is put around it.
    Value(Id, bool),
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let clauses = Clauses::bind(binding)?;
    let ty = binding.ty.arrow();
    let kernel: Kernel = match clauses.returns_array {
        true => Box::new(move |args| arrays(&clauses, &ty, args)),
        false => Box::new(move |args| texts(&clauses, args)),
    };
    Ok(over_texts(binding, kernel))
}

fn each<'a>(clauses: &'a Clauses, args: &Args<'a>, mut take: impl FnMut(Got, &Answer<'a>) -> Result<()>) -> Result<()> {
    let (texts, mut paths, mut answer) = (args.text(0)?, clauses.paths.of(args)?, Answer::default());
    let null = |place: usize, row: usize| args.operands.get(place).is_some_and(|o| o.array.is_null(row * o.stride()));
    for row in 0..args.rows {
        if null(0, row) || null(1, row) {
            take(Got::Null, &answer)?;
            continue;
        }
        let path = paths.get(row)?;
        let outcome = answer.of(texts.get(row), path);
        let got = clauses.got(&mut answer, texts.get(row), outcome, path.strict)?;
        take(got, &answer)?;
    }
    Ok(())
}

fn texts(clauses: &Clauses, args: &Args<'_>) -> Result<ArrayRef> {
    let (mut out, mut text) = (TextWriter::new(args.rows), String::new());
    each(clauses, args, |got, answer| {
        match got {
            Got::Null => return out.end(false),
            Got::EmptyArray => out.push("[]"),
            Got::EmptyObject => out.push("{}"),
            Got::Value(id, wrapped) => {
                text.clear();
                answer.tree.write(id, &mut text);
                out.push(if wrapped { "[" } else { "" });
                out.push(&text);
                out.push(if wrapped { "]" } else { "" });
            }
        }
        out.end(true)
    })?;
    out.finish()
}

fn arrays(clauses: &Clauses, ty: &DataType, args: &Args<'_>) -> Result<ArrayRef> {
    let (mut out, mut text) = (ListBuilder::new(StringBuilder::new()), String::new());
    each(clauses, args, |got, answer| {
        let Got::Value(id, wrapped) = got else {
            out.append(!matches!(got, Got::Null));
            return Ok(());
        };
        let one = [id];
        for item in if wrapped { &one } else { answer.tree.items(id) } {
            if answer.tree.is_null(*item) {
                out.values().append_null();
                continue;
            }
            text.clear();
            answer.tree.write_plain(*item, &mut text);
            out.values().append_value(&text);
        }
        out.append(true);
        Ok(())
    })?;
    typed(&out.finish(), ty)
}

/// The list with the field that its type says.
fn typed(list: &ListArray, ty: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = ty else { return Err(Error::internal("JSON_QUERY returns an array")) };
    let (offsets, values, nulls) = (list.offsets().clone(), list.values().clone(), list.nulls().cloned());
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, nulls)?))
}
