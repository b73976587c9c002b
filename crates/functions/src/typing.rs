//! Flink's rules of types: what type values of several types have in common, which casts exist,
//! how precise the result of decimal arithmetic is.

pub(crate) mod aggregate;
pub(crate) mod casts;
pub(crate) mod common_type;
pub(crate) mod decimal;
