//! `ABS`, `SIGN`, `BIN` and `HEX`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use flott_api::{LogicalType, Result, TypeKind};

use crate::arithmetic::power_of_ten;
use crate::format::put_fmt;
use crate::operand::Args;
use crate::registry::{Binding, Inference, Kernel, Signature};

/// A number in, the same type out.
pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    match arg.kind.is_numeric() {
        true => Ok(call.unchanged(arg.clone())),
        false => Err(call.mismatch()),
    }
}

fn map<T: ArrowPrimitiveType>(args: &Args<'_>, f: impl Fn(T::Native) -> T::Native) -> Result<ArrayRef> {
    let array = args.numbers::<T>(0)?.array;
    let mapped: PrimitiveArray<T> = array.unary(f);
    // A decimal keeps its precision and scale.
    Ok(Arc::new(mapped.with_data_type(array.data_type().clone())))
}

/// The smallest integer stays negative, as in Java.
pub(super) fn bind_abs(binding: &Binding<'_>) -> Result<Kernel> {
    Ok(match &binding.ty.kind {
        TypeKind::TinyInt => Box::new(|a| map::<Int8Type>(a, i8::wrapping_abs)),
        TypeKind::SmallInt => Box::new(|a| map::<Int16Type>(a, i16::wrapping_abs)),
        TypeKind::Int => Box::new(|a| map::<Int32Type>(a, i32::wrapping_abs)),
        TypeKind::BigInt => Box::new(|a| map::<Int64Type>(a, i64::wrapping_abs)),
        TypeKind::Float => Box::new(|a| map::<Float32Type>(a, f32::abs)),
        TypeKind::Double => Box::new(|a| map::<Float64Type>(a, f64::abs)),
        _ => Box::new(|a| map::<Decimal128Type>(a, i128::wrapping_abs)),
    })
}

pub(super) fn bind_sign(binding: &Binding<'_>) -> Result<Kernel> {
    // Zero and NaN stay what they are.
    let of_double = |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() };
    Ok(match &binding.ty.kind {
        TypeKind::TinyInt => Box::new(|a| map::<Int8Type>(a, i8::signum)),
        TypeKind::SmallInt => Box::new(|a| map::<Int16Type>(a, i16::signum)),
        TypeKind::Int => Box::new(|a| map::<Int32Type>(a, i32::signum)),
        TypeKind::BigInt => Box::new(|a| map::<Int64Type>(a, i64::signum)),
        TypeKind::Float => Box::new(move |a| map::<Float32Type>(a, |x| of_double(f64::from(x)) as f32)),
        TypeKind::Double => Box::new(move |a| map::<Float64Type>(a, of_double)),
        TypeKind::Decimal { scale, .. } => {
            let one = power_of_ten(u32::from(*scale));
            Box::new(move |a| map::<Decimal128Type>(a, |x| x.signum() * one))
        }
        other => return Err(flott_api::Error::internal(format!("{other} has no sign"))),
    })
}

pub(super) fn bin(args: &Args<'_>) -> Result<ArrayRef> {
    let values = args.numbers::<Int64Type>(0)?;
    args.each_text(|row, out| {
        put_fmt(out, format_args!("{:b}", values.get(row)));
        Ok(true)
    })
}

/// An integer or a text.
pub(super) fn infer_hex(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    let taken = match &arg.kind {
        kind if kind.is_integer() => LogicalType { kind: TypeKind::BigInt, nullable: arg.nullable },
        kind if kind.is_character() => arg.clone(),
        _ => return Err(call.mismatch()),
    };
    Ok(Signature { args: vec![taken], ty: LogicalType::string().with_nullable(arg.nullable) })
}

pub(super) fn hex(args: &Args<'_>) -> Result<ArrayRef> {
    if let Some(numbers) = args.operand(0)?.array.as_primitive_opt::<Int64Type>() {
        return args.each_text(|row, out| {
            put_fmt(out, format_args!("{:X}", numbers.value(row)));
            Ok(true)
        });
    }
    let texts = args.text(0)?;
    args.each_text(|row, out| {
        texts.get(row).bytes().for_each(|b| put_fmt(out, format_args!("{b:02X}")));
        Ok(true)
    })
}
