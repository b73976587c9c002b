//! Arrays, maps and rows: their elements are cast, one column of elements at a time.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_schema::DataType;
use flott_api::types::arrow::arrow_fields;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use super::{Cast, Mode, arc};

/// The cast between two nested types of one kind. Under `TRY_CAST` one bad element makes the whole
/// value null.
pub(super) fn cast(from: &TypeKind, to: &TypeKind, mode: Mode) -> Result<Cast> {
    let strict = strict(from, to, Mode { lenient: false, ..mode })?;
    if !mode.lenient {
        return Ok(strict);
    }
    let arrow = to.arrow();
    Ok(Box::new(move |array| match strict(array) {
        Ok(cast) => Ok(cast),
        Err(_) => by_row(array, &strict, &arrow),
    }))
}

fn by_row(array: &ArrayRef, strict: &Cast, arrow: &DataType) -> Result<ArrayRef> {
    let null = arrow_array::new_null_array(arrow, 1);
    let one = |row| strict(&array.slice(row, 1)).unwrap_or_else(|_| null.clone());
    let rows: Vec<ArrayRef> = (0..array.len()).map(one).collect();
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    Ok(arrow_select::concat::concat(&rows)?)
}

fn strict(from: &TypeKind, to: &TypeKind, mode: Mode) -> Result<Cast> {
    use TypeKind::*;
    match (from, to) {
        (Array(a), Array(b)) => Ok(list(super::cast(&a.kind, &b.kind, mode)?, to.arrow())),
        (Map(k, v), Map(l, w)) => entries((k, v), (l, w), to, mode),
        (Multiset(a), Multiset(b)) => {
            let count = LogicalType::not_null(Int);
            entries((a, &count), (b, &count), to, mode)
        }
        (Row(a) | Structured { fields: a, .. }, Row(b) | Structured { fields: b, .. }) => row(a, b, mode),
        _ => Err(Error::internal(format!("{from} cannot become {to}"))),
    }
}

fn list(cast: Cast, arrow: DataType) -> Cast {
    Box::new(move |array| {
        let (DataType::List(field), Some(list)) = (&arrow, array.as_list_opt::<i32>()) else {
            return Err(Error::internal("an array is no list"));
        };
        let values = cast(list.values())?;
        Ok(arc(ListArray::try_new(field.clone(), list.offsets().clone(), values, list.nulls().cloned())?))
    })
}

fn entries(
    (k, v): (&LogicalType, &LogicalType),
    (l, w): (&LogicalType, &LogicalType),
    to: &TypeKind,
    mode: Mode,
) -> Result<Cast> {
    let fields = |k: &LogicalType, v: &LogicalType| vec![Field::new("key", k.clone()), Field::new("value", v.clone())];
    Ok(list(row(&fields(k, v), &fields(l, w), mode)?, to.arrow()))
}

fn row(from: &[Field], to: &[Field], mode: Mode) -> Result<Cast> {
    let casts = from.iter().zip(to).map(|(a, b)| super::cast(&a.ty.kind, &b.ty.kind, mode));
    let casts = casts.collect::<Result<Vec<_>>>()?;
    let fields = arrow_fields(to);
    Ok(Box::new(move |array| {
        let row = array.as_struct_opt().ok_or_else(|| Error::internal("a row is no struct"))?;
        let columns = row.columns().iter().zip(&casts).map(|(c, cast)| cast(c)).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(arc(StructArray::try_new_with_length(fields.clone(), columns, row.nulls().cloned(), row.len())?))
    }))
}
