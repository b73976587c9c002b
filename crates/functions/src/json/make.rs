//! `JSON_OBJECT([[KEY] k VALUE v, ..] [{NULL | ABSENT} ON NULL])` and `JSON_ARRAY([v, ..] [{NULL | ABSENT} ON NULL])`
//! make JSON of values; `JSON(text)` puts JSON into them as it is.
//!
//! Neither is ever null. An object keeps nulls unless told otherwise, an array leaves them out. The names of an object
//! come out sorted, and of equal ones the last counts. What another call of these functions gives is put in as JSON and
//! not as a text. `JSON(text)` is null of a blank text; a text that is no JSON fails.

use arrow_array::ArrayRef;
use flott_api::expr::Expr;
use flott_api::variant::java_order;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::scan::Scanner;
use super::string::{Column, check, write_json_text};
use super::tree::Tree;
use crate::operand::{Args, TextWriter};
use crate::registry::{Binding, Inference, Kernel, Signature};

/// Arguments before the first name or value: what becomes of nulls, and which values are JSON already.
const CLAUSES: usize = 2;

pub(super) fn infer_object(call: &Inference<'_>) -> Result<Signature> {
    call.arity(CLAUSES, usize::MAX)?;
    let entries = &call.args[CLAUSES..];
    if !entries.len().is_multiple_of(2) {
        return Err(call.mismatch_because("An object is made of names and values in turn."));
    }
    for entry in entries.chunks_exact(2) {
        if !entry[0].kind.is_character() {
            return Err(call.mismatch_because("The names of a JSON object are texts."));
        }
        if entry[0].nullable {
            return Err(call
                .mismatch_because("The names of a JSON object cannot be null.")
                .with_hint("Take COALESCE."));
        }
        checked(call, &entry[1])?;
    }
    Ok(call.unchanged(LogicalType::string().with_nullable(false)))
}

pub(super) fn infer_array(call: &Inference<'_>) -> Result<Signature> {
    call.arity(CLAUSES, usize::MAX)?;
    call.args[CLAUSES..].iter().try_for_each(|value| checked(call, value))?;
    Ok(call.unchanged(LogicalType::string().with_nullable(false)))
}

fn checked(call: &Inference<'_>, value: &LogicalType) -> Result<()> {
    match value.kind {
        TypeKind::Null => Err(call.mismatch()),
        ref kind => check(kind).map_err(|why| call.mismatch_because(why)),
    }
}

pub(super) fn infer_json(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    match call.args[0].kind {
        TypeKind::Null => Ok(Signature { args: vec![LogicalType::string()], ty: LogicalType::string() }),
        ref kind if kind.is_character() => Ok(call.unchanged(LogicalType::string())),
        _ => Err(call.mismatch()),
    }
}

/// Whether what an expression gives is put into another call as JSON: what `JSON_OBJECT`, `JSON_ARRAY` and `JSON` give,
/// also through what the planner takes away, as `COALESCE` around what is never null. `column` says it of a column.
pub fn is_json_call(expr: &Expr, column: &dyn Fn(usize) -> bool) -> bool {
    match expr {
        Expr::Column { index, .. } => column(*index),
        Expr::Call { function, args, .. } => match function.name.as_str() {
            "json_object" | "json_array" | "json" => true,
            "coalesce" | "ifnull" => {
                args.first().is_some_and(|first| !first.ty().nullable && is_json_call(first, column))
            }
            _ => false,
        },
        Expr::Cast { input, ty, .. } => input.ty().kind == ty.kind && is_json_call(input, column),
        _ => false,
    }
}

/// How the values of a call are written.
struct Values {
    types: Vec<LogicalType>,
    raw: Vec<bool>,
    keep_nulls: bool,
}

impl Values {
    fn bind(binding: &Binding<'_>, step: usize) -> Result<Values> {
        let missing = || Error::internal(format!("a clause of '{}' is missing", binding.name));
        let keep_nulls = binding.text(0).ok_or_else(missing)? == "NULL";
        let raw = binding.text(1).ok_or_else(missing)?.bytes().map(|b| b == b'1').collect();
        let types = binding.args[CLAUSES..].iter().skip(step - 1).step_by(step).cloned().collect();
        Ok(Values { types, raw, keep_nulls })
    }

    /// The columns of the values, every `step`th argument.
    fn columns(&self, args: &Args<'_>, step: usize) -> Result<Vec<Value>> {
        let column = |(i, ty): (usize, &LogicalType)| {
            let operand = args.operand(CLAUSES + i * step + step - 1)?;
            let column = Column::of(&operand.array, &ty.kind)?;
            Ok(Value { column, stride: operand.stride(), raw: self.raw.get(i).copied().unwrap_or(false) })
        };
        self.types.iter().enumerate().map(column).collect()
    }
}

struct Value {
    column: Column,
    stride: usize,
    raw: bool,
}

impl Value {
    fn is_null(&self, row: usize) -> bool {
        self.column.is_null(row * self.stride)
    }

    fn write(&self, row: usize, out: &mut String) -> Result<()> {
        match self.column.text(row * self.stride).filter(|_| self.raw) {
            Some(json) => out.push_str(json),
            None => self.column.write(row * self.stride, out)?,
        }
        Ok(())
    }
}

pub(super) fn bind_array(binding: &Binding<'_>) -> Result<Kernel> {
    let values = Values::bind(binding, 1)?;
    Ok(Box::new(move |args| {
        let columns = values.columns(args, 1)?;
        each(args, |row, out| {
            out.push('[');
            let mut first = true;
            for value in columns.iter().filter(|v| values.keep_nulls || !v.is_null(row)) {
                out.push_str(if first { "" } else { "," });
                value.write(row, out)?;
                first = false;
            }
            out.push(']');
            Ok(())
        })
    }))
}

pub(super) fn bind_object(binding: &Binding<'_>) -> Result<Kernel> {
    let values = Values::bind(binding, 2)?;
    Ok(Box::new(move |args| {
        let columns = values.columns(args, 2)?;
        let names = (0..columns.len()).map(|i| args.text(CLAUSES + 2 * i)).collect::<Result<Vec<_>>>()?;
        let all_constant = (0..columns.len()).all(|i| args.operands[CLAUSES + 2 * i].constant);
        let mut order: Vec<usize> = (0..columns.len()).collect();
        let sort = |order: &mut Vec<usize>, row: usize| {
            order.sort_by(|a, b| java_order(names[*a].get(row), names[*b].get(row)).then(a.cmp(b)));
        };
        if args.rows > 0 {
            sort(&mut order, 0);
        }
        each(args, |row, out| {
            if !all_constant {
                sort(&mut order, row);
            }
            out.push('{');
            let mut first = true;
            let present = |place: &usize| values.keep_nulls || !columns[*place].is_null(row);
            let mut entries = order.iter().filter(|p| present(p)).peekable();
            while let Some(place) = entries.next() {
                let name = names[*place].get(row);
                if entries.peek().is_some_and(|next| names[**next].get(row) == name) {
                    continue;
                }
                out.push_str(if first { "" } else { "," });
                write_json_text(name, out);
                out.push(':');
                columns[*place].write(row, out)?;
                first = false;
            }
            out.push('}');
            Ok(())
        })
    }))
}

fn each(args: &Args<'_>, mut write: impl FnMut(usize, &mut String) -> Result<()>) -> Result<ArrayRef> {
    let (mut out, mut text) = (TextWriter::new(args.rows), String::new());
    for row in 0..args.rows {
        text.clear();
        write(row, &mut text)?;
        out.push(&text);
        out.end(true)?;
    }
    out.finish()
}

/// `JSON(text)`
pub(super) fn json(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let (mut tree, mut text) = (Tree::default(), String::new());
    args.each_text(|row, out| {
        // Java trims every character up to the blank.
        let trimmed = texts.get(row).trim_matches(|c| c <= ' ');
        if trimmed.is_empty() {
            return Ok(false);
        }
        tree.clear();
        let id = tree.read(&mut Scanner::new(trimmed)).map_err(|malformed| {
            Error::data("the argument of JSON is no JSON").with_detail(format!(
                "At byte {}: {}.",
                malformed.at + 1,
                malformed.why
            ))
        })?;
        text.clear();
        tree.write(id, &mut text);
        out.push(&text);
        Ok(true)
    })
}
