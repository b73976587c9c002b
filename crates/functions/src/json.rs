//! Functions on JSON texts: `IS JSON`, `JSON_EXISTS`, `JSON_VALUE` and `JSON_QUERY` read them, `JSON_OBJECT`,
//! `JSON_ARRAY`, `JSON`, `JSON_STRING`, `JSON_QUOTE` and `JSON_UNQUOTE` write them.
//!
//! The clauses of SQL come as further arguments, all literals: `JSON_VALUE(input, path, type, on empty, default, on
//! error, default)`, where `type` is a null of the type behind `RETURNING`.

mod is;
mod lookup;
mod make;
mod path;
mod query;
mod quote;
pub(crate) mod scan;
pub(crate) mod string;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use crate::registry::{Body, Function, Infer};

pub use make::is_json_call;
pub use string::write_json_text;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("is_json_value", Infer::By(is::infer), Body::Plain(is::value)),
    Function::new("is_json_object", Infer::By(is::infer), Body::Plain(is::object)),
    Function::new("is_json_array", Infer::By(is::infer), Body::Plain(is::array)),
    Function::new("is_json_scalar", Infer::By(is::infer), Body::Plain(is::scalar)),
    Function::new("json_exists", Infer::By(lookup::infer_exists), Body::Bound(lookup::bind_exists)).fallible(),
    Function::new("json_value", Infer::By(value::infer), Body::Bound(value::bind)).fallible(),
    Function::new("json_query", Infer::By(query::infer), Body::Bound(query::bind)).fallible(),
    Function::new("json_object", Infer::By(make::infer_object), Body::Bound(make::bind_object)).fallible(),
    Function::new("json_array", Infer::By(make::infer_array), Body::Bound(make::bind_array)).fallible(),
    Function::new("json", Infer::By(make::infer_json), Body::Plain(make::json)).fallible(),
    Function::new("json_quote", Infer::By(quote::infer), Body::Plain(quote::quote)),
    Function::new("json_unquote", Infer::By(quote::infer), Body::Plain(quote::unquote)).fallible(),
    Function::new("json_string", Infer::By(string::infer_json_string), Body::Bound(string::bind_json_string)),
];
