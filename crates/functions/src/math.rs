//! Functions on numbers.

mod elementary;
mod rounding;
mod simple;

use crate::registry::{Body, Function, Give, Infer, Take};

const ONE: Infer = Infer::Table(&[Take::Double], 0, Give::Double);
const TWO: Infer = Infer::Table(&[Take::Double, Take::Double], 0, Give::Double);
const NONE: Infer = Infer::Table(&[], 0, Give::Double);

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("abs", Infer::By(simple::infer), Body::Bound(simple::bind_abs)),
    Function::new("sign", Infer::By(simple::infer), Body::Bound(simple::bind_sign)),
    Function::new("bin", Infer::Table(&[Take::BigInt], 0, Give::String), Body::Plain(simple::bin)),
    Function::new("hex", Infer::By(simple::infer_hex), Body::Plain(simple::hex)),
    Function::new("floor", Infer::By(rounding::infer_whole), Body::Bound(rounding::bind_floor)),
    Function::new("ceil", Infer::By(rounding::infer_whole), Body::Bound(rounding::bind_ceil)),
    Function::new("round", Infer::By(rounding::infer_digits), Body::Bound(rounding::bind_round)).fallible(),
    Function::new("truncate", Infer::By(rounding::infer_digits), Body::Bound(rounding::bind_truncate)).fallible(),
    Function::new("sqrt", ONE, Body::Plain(|a| elementary::one(a, f64::sqrt))),
    Function::new("exp", ONE, Body::Plain(|a| elementary::one(a, f64::exp))),
    Function::new("ln", ONE, Body::Plain(|a| elementary::one(a, f64::ln))),
    Function::new("log10", ONE, Body::Plain(|a| elementary::one(a, f64::log10))),
    Function::new("log2", ONE, Body::Plain(|a| elementary::one(a, elementary::log2))),
    Function::new("log", Infer::Table(&[Take::Double, Take::Double], 1, Give::Double), Body::Plain(elementary::log)),
    Function::new("power", TWO, Body::Plain(|a| elementary::two(a, elementary::power))),
    Function::new("sin", ONE, Body::Plain(|a| elementary::one(a, f64::sin))),
    Function::new("cos", ONE, Body::Plain(|a| elementary::one(a, f64::cos))),
    Function::new("tan", ONE, Body::Plain(|a| elementary::one(a, f64::tan))),
    Function::new("cot", ONE, Body::Plain(|a| elementary::one(a, |x| 1.0 / x.tan()))),
    Function::new("asin", ONE, Body::Plain(|a| elementary::one(a, f64::asin))),
    Function::new("acos", ONE, Body::Plain(|a| elementary::one(a, f64::acos))),
    Function::new("atan", ONE, Body::Plain(|a| elementary::one(a, f64::atan))),
    Function::new("atan2", TWO, Body::Plain(|a| elementary::two(a, f64::atan2))),
    Function::new("sinh", ONE, Body::Plain(|a| elementary::one(a, f64::sinh))),
    Function::new("cosh", ONE, Body::Plain(|a| elementary::one(a, f64::cosh))),
    Function::new("tanh", ONE, Body::Plain(|a| elementary::one(a, f64::tanh))),
    Function::new("degrees", ONE, Body::Plain(|a| elementary::one(a, |x| x * (180.0 / std::f64::consts::PI)))),
    Function::new("radians", ONE, Body::Plain(|a| elementary::one(a, |x| x / 180.0 * std::f64::consts::PI))),
    Function::new("pi", NONE, Body::Plain(|a| elementary::constant(a, std::f64::consts::PI))),
    Function::new("e", NONE, Body::Plain(|a| elementary::constant(a, std::f64::consts::E))),
];
