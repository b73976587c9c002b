//! `CAST` and `TRY_CAST` between all types.
//!
//! A cast is chosen once by its two types and then runs on whole columns. What a text or number
//! cannot become fails the job, or is null under `TRY_CAST`; a decimal that does not fit is null in
//! both, as in Flink.

mod binary;
mod nested;
mod number;
pub(crate) mod parse;
pub(crate) mod parse_number;
mod text;
mod time;

pub use number::decimal_to_double;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::registry::Kernel;
use crate::time::zone::Zone;
use crate::typing::casts::explicit_cast;

/// One column into another.
pub(crate) type Cast = Box<dyn Fn(&ArrayRef) -> Result<ArrayRef> + Send + Sync>;

/// What a cast depends on besides its types.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// Whether failures give null.
    pub(crate) lenient: bool,
    pub(crate) zone: Zone,
}

/// The cast as a kernel of one argument.
pub(crate) fn kernel(from: &TypeKind, to: &TypeKind, try_cast: bool, zone: Zone) -> Result<Kernel> {
    explicit_cast(&LogicalType::new(from.clone()), &LogicalType::new(to.clone()), try_cast)?;
    let cast = cast(from, to, Mode { lenient: try_cast, zone })?;
    Ok(Box::new(move |args| cast(&args.operand(0)?.array)))
}

/// Whether a value can make the cast fail.
pub(crate) fn fallible(from: &TypeKind, to: &TypeKind, try_cast: bool) -> bool {
    match (from, to) {
        (TypeKind::Float | TypeKind::Double, TypeKind::Decimal { .. }) => true,
        (from, to) if from.is_character() => !(try_cast || to.is_character() || to.is_binary()),
        (from, _) => from.is_nested(),
    }
}

/// The cast between two types.
pub(crate) fn cast(from: &TypeKind, to: &TypeKind, mode: Mode) -> Result<Cast> {
    use TypeKind::*;
    if from == to {
        return Ok(Box::new(|array| Ok(array.clone())));
    }
    match (from, to) {
        (Null, to) => {
            let arrow = to.arrow();
            Ok(Box::new(move |array| Ok(arrow_array::new_null_array(&arrow, array.len()))))
        }
        // No expression makes a value of another's class; a null of it may be declared.
        (Raw { .. }, to) => Ok(only_nulls(to)),
        (_, Char(_) | Varchar(_)) => Ok(text::to_text(from, to, mode)),
        // What a column of bitmaps holds are their bytes.
        (Bitmap, Varbinary(_)) => Ok(Box::new(|array| Ok(array.clone()))),
        (Char(_) | Varchar(_), Binary(_) | Varbinary(_)) | (Binary(_) | Varbinary(_), _) => binary::to_binary(to),
        (Char(_) | Varchar(_), to) => from_text(to, mode),
        (from, to) if is_number_like(from) && is_number_like(to) => number::cast(from, to),
        (from, to) if from.is_nested() => nested::cast(from, to, mode),
        (from, to) => time::cast(from, to, mode.zone),
    }
}

fn only_nulls(to: &TypeKind) -> Cast {
    let arrow = to.arrow();
    Box::new(move |array| match array.null_count() == array.len() {
        true => Ok(arrow_array::new_null_array(&arrow, array.len())),
        false => Err(Error::unsupported("a cast of values of type RAW")),
    })
}

fn is_number_like(kind: &TypeKind) -> bool {
    kind.is_numeric() || *kind == TypeKind::Boolean
}

fn from_text(to: &TypeKind, mode: Mode) -> Result<Cast> {
    if is_number_like(to) {
        return parse_number::from_text(to, mode);
    }
    parse::from_text(to, mode)
}

/// Reads each text by a function that answers none for a bad one. That is null, or a failure with
/// the sentence that `explain` gives.
pub(crate) fn parsed<T, A>(
    array: &ArrayRef,
    lenient: bool,
    read: impl Fn(&str) -> Option<T>,
    explain: impl Fn(&str) -> String,
) -> Result<A>
where
    A: FromIterator<Option<T>>,
{
    let texts = strings(array)?;
    texts
        .iter()
        .map(|text| match text.map(|t| (t, read(t))) {
            Some((text, None)) if !lenient => Err(bad_text(text, explain(text))),
            Some((_, value)) => Ok(value),
            None => Ok(None),
        })
        .collect()
}

fn bad_text(text: &str, message: String) -> Error {
    let hint = "Use TRY_CAST to get NULL for such values.";
    let shown: String = text.chars().take(100).collect();
    Error::data(message).with_detail(format!("The text is '{shown}'.")).with_hint(hint)
}

pub(crate) fn strings(array: &ArrayRef) -> Result<&StringArray> {
    array.as_string_opt().ok_or_else(|| Error::internal(format!("{} is no text", array.data_type())))
}

/// The same column under another Arrow type of the same layout.
pub(crate) fn relabelled(array: &ArrayRef, ty: &arrow_schema::DataType) -> Result<ArrayRef> {
    if array.data_type() == ty {
        return Ok(array.clone());
    }
    let data = array.to_data().into_builder().data_type(ty.clone()).build()?;
    Ok(arrow_array::make_array(data))
}

pub(crate) fn arc<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
