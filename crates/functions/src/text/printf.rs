//! `PRINTF(format, value ...)`: values in the form that `java.util.Formatter` gives them.
//!
//! A format that is wrong, or asks for a value that is not there or of another kind (`%f` of a `DECIMAL`, `%d` of a text),
//! gives null, as in Flink. A value that is null is written `null`. What a value is is decided by Flink's own classes:
//! a `DATE` is a number of days, a `TIME` a number of milliseconds, a `TIMESTAMP` has a `T`.
//!
//! Arrays, maps, rows and bytes are refused, since Flink would show where they lie in memory; so are `%h`, whose numbers
//! are of Java, and `%t` of a number.

mod format;
mod number;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use flott_api::{LogicalType, Result, TypeKind};

use self::format::{Format, Value};
use crate::TextStyle;
use crate::format::ValueWriter;
use crate::operand::{Args, Operand, TextWriter};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};
use crate::time::zone::Zone;

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[Function::new("printf", Infer::By(infer), Body::Bound(bind)).fallible()];

fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    let mut args = vec![call.text_or_null(0)?];
    for value in &call.args[1..] {
        if value.kind.is_nested() || value.kind.is_binary() {
            return Err(
                call.mismatch_because(format!("A value of type {} has no text that means anything.", value.kind))
            );
        }
        let is_null = value.kind == TypeKind::Null;
        args.push(if is_null { LogicalType::string() } else { value.clone() });
    }
    Ok(Signature { args, ty: LogicalType::string() })
}

fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let constant = binding.text(0).map(Format::parse);
    let types: Vec<TypeKind> = binding.args.iter().map(|a| a.kind.clone()).collect();
    Ok(Box::new(move |args| write(args, constant.as_ref(), &types)))
}

/// Nothing for a format is one that is wrong.
fn write(args: &Args<'_>, constant: Option<&Option<Format>>, types: &[TypeKind]) -> Result<ArrayRef> {
    let formats = args.text(0)?;
    let values: Vec<Values<'_>> =
        args.operands.iter().zip(types).skip(1).map(|(o, ty)| Values::of(o, ty)).collect::<Result<_>>()?;
    let mut out = TextWriter::new(args.rows);
    let (mut row_values, mut line) = (Vec::with_capacity(values.len()), String::new());
    for row in 0..args.rows {
        let parsed;
        let format = match constant {
            _ if formats.is_null(row) => None,
            Some(constant) => constant.as_ref(),
            None => {
                parsed = Format::parse(formats.get(row));
                parsed.as_ref()
            }
        };
        row_values.clear();
        row_values.extend(values.iter().map(|v| v.get(row)));
        line.clear();
        let valid = match format {
            Some(format) => format.write(&row_values, &mut line)?,
            None => false,
        };
        if valid {
            out.push(&line);
        }
        out.end(valid)?;
    }
    out.finish()
}

/// An argument of all rows.
enum Values<'a> {
    Typed(&'a Operand),
    /// Values that only have a text.
    Texts(ArrayRef, usize),
}

impl<'a> Values<'a> {
    fn of(operand: &'a Operand, kind: &TypeKind) -> Result<Self> {
        use TypeKind::{Bitmap, Decimal, Timestamp, TimestampLtz, Variant};
        let only_text = matches!(kind, Bitmap | Decimal { .. } | Timestamp(_) | TimestampLtz(_) | Variant);
        if !only_text {
            return Ok(Values::Typed(operand));
        }
        // Java's text of a timestamp is the one of the print connector, in UTC.
        let mut writer = ValueWriter::new(Zone::parse("UTC")?, TextStyle::Print);
        let (mut texts, mut text) = (arrow_array::builder::StringBuilder::new(), String::new());
        for row in 0..operand.array.len() {
            if operand.array.is_null(row) {
                texts.append_null();
                continue;
            }
            text.clear();
            writer.write(operand.array.as_ref(), row, kind, &mut text)?;
            texts.append_value(text.trim_end_matches('Z'));
        }
        Ok(Values::Texts(std::sync::Arc::new(texts.finish()), operand.stride()))
    }

    fn get(&self, row: usize) -> Value<'_> {
        let (array, row) = match self {
            Values::Typed(operand) => (&operand.array, row * operand.stride()),
            Values::Texts(array, stride) => (array, row * stride),
        };
        if array.is_null(row) {
            return Value::Null;
        }
        let int = |value: i64, bits: u32| Value::Int { value, bits };
        match array.data_type() {
            DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
            DataType::Int8 => int(array.as_primitive::<Int8Type>().value(row).into(), 8),
            DataType::Int16 => int(array.as_primitive::<Int16Type>().value(row).into(), 16),
            DataType::Int32 => int(array.as_primitive::<Int32Type>().value(row).into(), 32),
            DataType::Int64 => int(array.as_primitive::<Int64Type>().value(row), 64),
            DataType::Date32 => int(array.as_primitive::<Date32Type>().value(row).into(), 32),
            DataType::Time32(_) => int(array.as_primitive::<Time32MillisecondType>().value(row).into(), 32),
            DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
            _ => array.as_string_opt::<i32>().map_or(Value::Null, |texts| Value::Text(texts.value(row))),
        }
    }
}
