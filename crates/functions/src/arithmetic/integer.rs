//! Integers, which wrap around, and floats.

use std::sync::Arc;

use arrow_arith::numeric;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, ArrowNativeTypeOp, PrimitiveArray};
use flott_api::{Result, TypeKind};

use super::{Operator, division_by_zero};
use crate::operand::{Args, zipped};
use crate::registry::Kernel;

/// A kernel on two integers of one type. The remainder has the type of the divisor, which may be
/// narrower; its value always fits.
pub(super) fn bind<T: ArrowPrimitiveType>(operator: Operator, result: &TypeKind) -> Result<Kernel>
where
    T::Native: ArrowNativeTypeOp,
{
    let kernel: fn(&Args<'_>) -> Result<ArrayRef> = match operator {
        Operator::Add => |a| Ok(numeric::add_wrapping(a.operand(0)?, a.operand(1)?)?),
        Operator::Subtract => |a| Ok(numeric::sub_wrapping(a.operand(0)?, a.operand(1)?)?),
        Operator::Multiply => |a| Ok(numeric::mul_wrapping(a.operand(0)?, a.operand(1)?)?),
        Operator::Divide => |a| divide::<T>(a, |x, y| x.div_wrapping(y)),
        Operator::Remainder => |a| divide::<T>(a, |x, y| x.mod_wrapping(y)),
    };
    let arrow = result.arrow();
    if arrow == T::DATA_TYPE {
        return Ok(Box::new(kernel));
    }
    Ok(Box::new(move |args| Ok(arrow_cast::cast(&kernel(args)?, &arrow)?)))
}

fn divide<T: ArrowPrimitiveType>(args: &Args<'_>, f: fn(T::Native, T::Native) -> T::Native) -> Result<ArrayRef>
where
    T::Native: ArrowNativeTypeOp,
{
    let (a, b) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    let nulls = args.nulls();
    let divisor = b.array.values();
    if args.operand(1)?.constant && !divisor[0].is_zero() && !args.operand(0)?.constant {
        let divisor = divisor[0];
        let values = a.array.values().iter().map(|&x| f(x, divisor)).collect();
        return Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)));
    }
    let mut values = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let (x, y) = (a.get(row), b.get(row));
        if !y.is_zero() {
            values.push(f(x, y));
        } else if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            values.push(T::Native::ZERO);
        } else {
            return Err(division_by_zero());
        }
    }
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
}

/// A kernel on two floats of one type.
pub(super) fn bind_float<T: ArrowPrimitiveType>(operator: Operator) -> Kernel
where
    T::Native: ArrowNativeTypeOp,
{
    match operator {
        Operator::Add => Box::new(|a| Ok(numeric::add_wrapping(a.operand(0)?, a.operand(1)?)?)),
        Operator::Subtract => Box::new(|a| Ok(numeric::sub_wrapping(a.operand(0)?, a.operand(1)?)?)),
        Operator::Multiply => Box::new(|a| Ok(numeric::mul_wrapping(a.operand(0)?, a.operand(1)?)?)),
        Operator::Divide => Box::new(|a| float_rows::<T>(a, |x, y| x.div_wrapping(y))),
        Operator::Remainder => Box::new(|a| float_rows::<T>(a, |x, y| x.mod_wrapping(y))),
    }
}

fn float_rows<T: ArrowPrimitiveType>(
    args: &Args<'_>,
    f: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    let values = zipped(&a, &b, args.rows, f);
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), args.nulls())))
}
