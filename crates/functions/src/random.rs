//! `RAND`, `RAND_INTEGER` and `UUID`: another value for every row, from the job's source of
//! randomness.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Float64Array};
use flott_api::env::Rng;
use flott_api::{Error, Result};

use crate::format::put_fmt;
use crate::operand::Args;
use crate::registry::{Binding, Body, Function, Give, Infer, Kernel, Take};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("rand", Infer::Table(&[], 0, Give::Double), Body::Bound(|b| bind(b, rand))).volatile(),
    Function::new("rand_integer", Infer::Table(&[Take::Int], 0, Give::Int), Body::Bound(|b| bind(b, rand_integer)))
        .volatile()
        .fallible(),
    Function::new("uuid", Infer::Table(&[], 0, Give::Char(36)), Body::Bound(|b| bind(b, uuid))).volatile(),
];

fn bind(binding: &Binding<'_>, f: fn(&Args<'_>, &dyn Rng) -> Result<ArrayRef>) -> Result<Kernel> {
    let rng = binding.environment.map(|e| e.rng.clone());
    let name = binding.name.to_owned();
    Ok(Box::new(move |args| match &rng {
        Some(rng) => f(args, rng.as_ref()),
        None => Err(Error::internal(format!("function '{name}' runs where there is no environment"))),
    }))
}

/// From 0 up to but not including 1, in steps of 2^-53.
fn rand(args: &Args<'_>, rng: &dyn Rng) -> Result<ArrayRef> {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    let one = |_| (rng.next_u64() >> 11) as f64 * STEP;
    Ok(Arc::new((0..args.rows).map(one).collect::<Vec<f64>>().into_iter().collect::<Float64Array>()))
}

/// From 0 up to but not including the bound.
fn rand_integer(args: &Args<'_>, rng: &dyn Rng) -> Result<ArrayRef> {
    let bounds = args.numbers::<Int32Type>(0)?;
    args.each_number::<Int32Type>(|row| match u64::try_from(bounds.get(row)) {
        // The high bits of a product: even enough for any bound of 31 bits.
        Ok(bound @ 1..) => Ok(Some(((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as i32)),
        _ => Err(Error::data("the bound of RAND_INTEGER must be positive")),
    })
}

/// A random UUID, version 4.
fn uuid(args: &Args<'_>, rng: &dyn Rng) -> Result<ArrayRef> {
    args.each_text(|_, out| {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        let (version, variant) = (high & 0xfff | 0x4000, low >> 48 & 0x3fff | 0x8000);
        let (first, second) = (high >> 32, high >> 16 & 0xffff);
        put_fmt(
            out,
            format_args!("{first:08x}-{second:04x}-{version:04x}-{variant:04x}-{:012x}", low & 0xffff_ffff_ffff),
        );
        Ok(true)
    })
}
