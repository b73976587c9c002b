//! Flink's built-in functions: what they are called, what types they take and give, and how they
//! are computed on batches.
//!
//! The planner asks [`resolve`] what a call means, [`common_type`] and the cast rules how types
//! meet, and [`fold_constants`] to compute what needs no row. An operator calls [`compile`] once
//! and then [`CompiledExpr::evaluate`] per batch: all work is done on whole Arrow arrays.

mod arithmetic;
mod bitmap;
mod cast;
mod collection;
mod compare;
mod compile;
mod condition;
mod fold;
mod format;
mod hash;
mod json;
mod math;
mod object;
mod operand;
#[cfg(test)]
mod oracle;
mod pattern;
mod predicate;
mod random;
mod registry;
mod text;
mod time;
mod typing;
mod value;
mod variant;

pub use cast::decimal_to_double;
pub use compile::{CompileContext, CompiledExpr, EvalContext, compile};
pub use fold::fold_constants;
pub use format::{TextStyle, format_value};
pub use json::{is_json_call, write_json_text};
pub use registry::{
    Resolved, Volatility, function_names, is_deterministic, is_known, resolve, resolve_with_literals, volatility,
};
pub use time::local::{LocalTimeFormat, TimeZone};
pub use typing::aggregate::{aggregate_type, is_null_of_nothing, is_variance};
pub use typing::casts::{explicit_cast, implicit_cast, store_assignment};
pub use typing::common_type::common_type;
pub use value::{literal_array, value_at};
