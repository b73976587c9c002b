//! Values that bring their own type: the functions of `VARIANT`.
//!
//! `PARSE_JSON(text [, allow duplicate keys])` makes one of a JSON text; a text that is none fails, as does a key that
//! comes twice in an object unless the second argument allows it: then the last one counts. `TRY_PARSE_JSON` gives null
//! instead. Of a null argument both give null. `v['key']` is the field of an object and `v[1]` the element of an array, counted from 1; null if there is
//! none. A value of another kind fails.
//!
//! Integers stay integers, numbers with a point become decimals while they have 38 digits at most, and all others
//! doubles. The JSON null is a value, which `IS NULL` is not true of. A text shows JSON: names in the order of Java's
//! strings, decimals without zeros at their end.
//!
//! `JSON_STRING` gives the text, `JSON_VALUE(v, '$' RETURNING INTEGER)` a value of another type; `CAST` does not, as in
//! Flink. The bytes are told in [`flott_api::variant`].
//!
//! `PARSE_JSON('{"b":1.50,"a":[1,2]}')['a'][2]` is `2`.

mod read;
mod text;

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use flott_api::variant::{Node, Variant, VariantBuilder};
use flott_api::{Error, LogicalType, Result, TypeKind};

use self::read::build;
use crate::operand::{Args, Operand, TextWriter};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

pub(crate) use text::write_text;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("parse_json", Infer::By(infer_parse), Body::Plain(|args| parse(args, true))).fallible(),
    Function::new("try_parse_json", Infer::By(infer_try_parse), Body::Plain(|args| parse(args, false))),
];

fn infer_parse(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 2)?;
    let mut args = vec![call.text_or_null(0)?];
    args.extend(match call.args.get(1) {
        Some(flag) if flag.kind == TypeKind::Null => Some(LogicalType::new(TypeKind::Boolean)),
        flag => flag.cloned(),
    });
    checked(call, args, call.nullable())
}

fn infer_try_parse(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 2)?;
    checked(call, call.args.to_vec(), true)
}

fn checked(call: &Inference<'_>, args: Vec<LogicalType>, nullable: bool) -> Result<Signature> {
    let fits = args[0].kind.is_character() && args.get(1).is_none_or(|flag| flag.kind == TypeKind::Boolean);
    match fits {
        true => Ok(Signature { args, ty: LogicalType { kind: TypeKind::Variant, nullable } }),
        false => Err(call.mismatch_because("It takes a text, and whether a key may come twice.")),
    }
}

/// The element of a variant: by its name, or by its place.
pub(crate) fn infer_item(call: &Inference<'_>) -> Result<Signature> {
    let (variant, key) = (&call.args[0], &call.args[1]);
    let key = match &key.kind {
        kind if kind.is_character() => key.clone(),
        kind if kind.is_integer() => LogicalType { kind: TypeKind::Int, nullable: key.nullable },
        _ => return Err(call.mismatch_because("A variant has fields with names, or elements counted from 1.")),
    };
    Ok(Signature { args: vec![variant.clone(), key], ty: LogicalType::new(TypeKind::Variant) })
}

fn parse(args: &Args<'_>, strict: bool) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let flag = args.has(1).then(|| args.operand(1)).transpose()?;
    let (mut builder, mut out) = (VariantBuilder::default(), VariantWriter::new(args.rows));
    for row in 0..args.rows {
        let Some(may_repeat) = may_repeat(flag, row).filter(|_| !texts.is_null(row)) else {
            out.null();
            continue;
        };
        builder.begin(may_repeat);
        match build(texts.get(row), &mut builder).and_then(|()| builder.finish(&mut out.bytes)) {
            Ok(()) => out.end()?,
            Err(error) if strict => return Err(unparsed(texts.get(row), &error)),
            Err(_) => out.null(),
        }
    }
    Ok(Arc::new(out.builder.finish()))
}

/// Whether a key may come twice in the objects of that row; nothing if that is null.
fn may_repeat(flag: Option<&Operand>, row: usize) -> Option<bool> {
    let Some(flag) = flag else { return Some(false) };
    let (flags, row) = (flag.array.as_boolean(), row * flag.stride());
    flags.is_valid(row).then(|| flags.value(row))
}

fn unparsed(text: &str, why: &Error) -> Error {
    let shown: String = text.chars().take(100).collect();
    Error::data("cannot parse a text as JSON")
        .with_detail(format!("{}. The text is '{shown}'.", why.message()))
        .with_hint("Use TRY_PARSE_JSON to get NULL for such texts.")
}

/// Writes a column of variants.
struct VariantWriter {
    builder: BinaryBuilder,
    bytes: Vec<u8>,
    written: usize,
}

impl VariantWriter {
    fn new(rows: usize) -> Self {
        VariantWriter { builder: BinaryBuilder::with_capacity(rows, rows * 32), bytes: Vec::new(), written: 0 }
    }

    /// Ends a row, whose variant lies in `bytes`.
    fn end(&mut self) -> Result<()> {
        self.written += self.bytes.len();
        if self.written > i32::MAX as usize {
            return Err(Error::data("the variants of a batch are longer than 2 GiB"));
        }
        self.builder.append_value(&self.bytes);
        self.bytes.clear();
        Ok(())
    }

    fn null(&mut self) {
        self.bytes.clear();
        self.builder.append_null();
    }
}

/// `v[key]`, by the type of the key.
pub(crate) fn bind_item(binding: &Binding<'_>) -> Kernel {
    match binding.args[1].kind.is_character() {
        true => Box::new(|args| {
            let names = args.text(1)?;
            each_item(args, |node, row| match node {
                Node::Object(fields) => fields.get(names.get(row)),
                other => Err(wrong_kind("a field", "an object", &other)),
            })
        }),
        false => Box::new(|args| {
            let places = args.numbers::<Int32Type>(1)?;
            each_item(args, |node, row| match node {
                Node::Array(elements) => match usize::try_from(i64::from(places.get(row)) - 1) {
                    Ok(place) if place < elements.len() => elements.get(place).map(Some),
                    _ => Ok(None),
                },
                other => Err(wrong_kind("an element", "an array", &other)),
            })
        }),
    }
}

fn each_item<'a>(args: &Args<'a>, item: impl Fn(Node<'a>, usize) -> Result<Option<Variant<'a>>>) -> Result<ArrayRef> {
    let (variants, stride) = variants(args.operand(0)?)?;
    let (nulls, mut out) = (args.nulls(), VariantWriter::new(args.rows));
    for row in 0..args.rows {
        let found = match nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
            true => item(Variant::read(variants.value(row * stride))?.node()?, row)?,
            false => None,
        };
        match found {
            Some(found) => {
                found.write(&mut out.bytes)?;
                out.end()?;
            }
            None => out.null(),
        }
    }
    Ok(Arc::new(out.builder.finish()))
}

fn variants(operand: &Operand) -> Result<(&BinaryArray, usize)> {
    let variants = operand.array.as_binary_opt().ok_or_else(|| Error::internal("a variant has another layout"))?;
    Ok((variants, operand.stride()))
}

fn wrong_kind(wanted: &str, container: &str, found: &Node<'_>) -> Error {
    let found = match found {
        Node::Null => "a null",
        Node::Boolean(_) => "a truth value",
        Node::Integer(_) | Node::Double(_) | Node::Decimal { .. } => "a number",
        Node::Text(_) => "a text",
        Node::Array(_) => "an array",
        Node::Object(_) => "an object",
    };
    Error::data(format!("{wanted} was asked of a variant that is not {container} but {found}"))
        .with_hint("Names are keys of objects, and integers places in arrays.")
}

/// The texts of a column of variants.
fn texts(array: &ArrayRef) -> Result<StringArray> {
    let variants: &BinaryArray =
        array.as_binary_opt().ok_or_else(|| Error::internal("a variant has another layout"))?;
    let mut out = TextWriter::new(variants.len());
    for row in 0..variants.len() {
        let valid = variants.is_valid(row);
        if valid {
            write_text(variants.value(row), &mut out)?;
        }
        out.end(valid)?;
    }
    Ok(out.finish()?.as_string::<i32>().clone())
}

/// A function whose first argument is a text, over variants where it is none.
pub(crate) fn over_texts(binding: &Binding<'_>, kernel: Kernel) -> Kernel {
    if binding.args.first().is_none_or(|first| first.kind != TypeKind::Variant) {
        return kernel;
    }
    Box::new(move |args| {
        let mut operands = args.operands.to_vec();
        operands[0].array = Arc::new(texts(&operands[0].array)?);
        kernel(&Args { operands: &operands, rows: args.rows, cx: args.cx })
    })
}

#[cfg(test)]
mod tests;
