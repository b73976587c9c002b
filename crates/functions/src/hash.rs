//! `HASH_CODE`: a number that is the same for equal values. The planner cuts the values under a `DISTINCT` into parts
//! by it.
//!
//! The numbers are Java's, so that a part has the same values as in Flink.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Int32Array};
use arrow_schema::DataType;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::{Args, Operand};
use crate::registry::{Body, Function, Infer, Inference, Signature};
use crate::time::moments::Moments;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[Function::new("hash_code", Infer::By(infer), Body::Plain(hash_code))];

fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    if !has_hash(&arg.kind) {
        return Err(call.mismatch_because(format!("A value of type {} has no hash.", arg.kind)));
    }
    Ok(call.unchanged(LogicalType::new(TypeKind::Int).with_nullable(call.nullable())))
}

fn has_hash(kind: &TypeKind) -> bool {
    let is_time = matches!(kind, TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_));
    is_time || kind.is_numeric() || kind.is_character() || *kind == TypeKind::Boolean
}

fn hash_code(args: &Args<'_>) -> Result<ArrayRef> {
    let operand = args.operand(0)?;
    let array = &operand.array;
    let codes: Int32Array = match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().iter().map(|v| v.map(|truth| if truth { 1231 } else { 1237 })).collect()
        }
        DataType::Int8 => each::<Int8Type>(array, i32::from),
        DataType::Int16 => each::<Int16Type>(array, i32::from),
        DataType::Int32 => each::<Int32Type>(array, |v| v),
        DataType::Int64 => each::<Int64Type>(array, of_long),
        DataType::Float32 => {
            each::<Float32Type>(array, |v| one_nan(f64::from(v)).map_or(0x7fc0_0000, |_| v.to_bits() as i32))
        }
        DataType::Float64 => {
            each::<Float64Type>(array, |v| of_long(one_nan(v).map_or(0x7ff8 << 48, |v| v.to_bits() as i64)))
        }
        DataType::Date32 => each::<Date32Type>(array, |v| v),
        DataType::Time32(_) => each::<Time32MillisecondType>(array, |v| v),
        DataType::Decimal128(_, scale) => each::<Decimal128Type>(array, |v| of_decimal(v, i32::from(*scale))),
        DataType::Utf8 => array.as_string::<i32>().iter().map(|v| v.map(of_text)).collect(),
        DataType::Timestamp(_, _) | DataType::Struct(_) => of_moments(&Moments::read(array)?),
        other => return Err(Error::internal(format!("a value of type {other} was to be hashed"))),
    };
    Operand { array: Arc::new(codes), constant: operand.constant }.into_array(args.rows)
}

fn each<T: ArrowPrimitiveType>(array: &ArrayRef, f: impl Fn(T::Native) -> i32) -> Int32Array {
    array.as_primitive::<T>().unary(f)
}

fn one_nan(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

fn of_long(value: i64) -> i32 {
    (value ^ ((value as u64) >> 32) as i64) as i32
}

fn of_moments(moments: &Moments) -> Int32Array {
    let code = |row: usize| {
        let millis = moments.millis[row];
        let folded = (millis as i32) ^ ((millis >> 32) as i32);
        folded.wrapping_mul(31).wrapping_add(moments.nanos(row))
    };
    (0..moments.len()).map(|row| (!moments.is_null(row)).then(|| code(row))).collect()
}

/// That of Java's `BigDecimal`: of the words of its digits, and the scale.
fn of_decimal(unscaled: i128, scale: i32) -> i32 {
    let mut code: i32 = 0;
    let magnitude = unscaled.unsigned_abs();
    for word in (0..4).rev() {
        code = code.wrapping_mul(31).wrapping_add((magnitude >> (32 * word)) as u32 as i32);
    }
    let signed = if unscaled < 0 { code.wrapping_neg() } else { code };
    signed.wrapping_mul(31).wrapping_add(scale)
}

/// That of Java's `String` without its sign.
fn of_text(text: &str) -> i32 {
    let code = text.encode_utf16().fold(0, |code: i32, unit| code.wrapping_mul(31).wrapping_add(i32::from(unit)));
    code.wrapping_abs()
}
