//! Roots, logarithms, powers and angles on doubles. Where a function is not defined the result is
//! `NaN`, as in Java.

use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array};
use flott_api::Result;

use crate::operand::Args;

/// A function of one number.
pub(super) fn one(args: &Args<'_>, f: fn(f64) -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(args.numbers::<Float64Type>(0)?.array.unary::<_, Float64Type>(f)))
}

/// A function of two numbers.
pub(super) fn two(args: &Args<'_>, f: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<Float64Type>(0)?, args.numbers::<Float64Type>(1)?);
    let values = (0..args.rows).map(|row| f(a.get(row), b.get(row))).collect();
    Ok(Arc::new(Float64Array::try_new(values, args.nulls())?))
}

/// The same number for every row.
pub(super) fn constant(args: &Args<'_>, value: f64) -> Result<ArrayRef> {
    Ok(Arc::new(Float64Array::from(vec![value; args.rows])))
}

/// The logarithm to base 2, by the quotient that Flink computes.
pub(super) fn log2(x: f64) -> f64 {
    x.ln() / 2.0_f64.ln()
}

/// `LOG(x)` is natural, `LOG(base, x)` has a base.
pub(super) fn log(args: &Args<'_>) -> Result<ArrayRef> {
    match args.len() {
        1 => one(args, f64::ln),
        _ => two(args, |base, x| x.ln() / base.ln()),
    }
}

/// Java's power: one to the `NaN` is `NaN`.
pub(super) fn power(x: f64, y: f64) -> f64 {
    if y.is_nan() || (x.abs() == 1.0 && y.is_infinite()) {
        return f64::NAN;
    }
    x.powf(y)
}
