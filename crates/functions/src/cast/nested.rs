//! Arrays, maps and rows: their elements are cast, one column of elements at a time.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, StructArray, UInt64Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};
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
        let DataType::List(field) = &arrow else { return Err(Error::internal("an array is no list")) };
        let (values, offsets, nulls) = reached(array)?;
        Ok(arc(ListArray::try_new(field.clone(), offsets, cast(&values)?, nulls)?))
    })
}

/// The elements that the rows of a list have, and where those of each end: what lies outside of a slice, or under a null,
/// is nobody's and must not fail.
fn reached(array: &ArrayRef) -> Result<(ArrayRef, OffsetBuffer<i32>, Option<NullBuffer>)> {
    let list = array.as_list_opt::<i32>().ok_or_else(|| Error::internal("an array is no list"))?;
    let nulls = list.nulls().cloned();
    let is_hidden = |row: usize| list.is_null(row) && list.value_length(row) > 0;
    if list.null_count() > 0 && (0..list.len()).any(is_hidden) {
        let lengths = (0..list.len()).map(|row| if list.is_null(row) { 0 } else { list.value_length(row) as usize });
        let places = |row: usize| list.value_offsets()[row]..list.value_offsets()[row + 1];
        let kept = (0..list.len()).filter(|row| list.is_valid(*row)).flat_map(places);
        let kept: Int32Array = kept.collect();
        let values = arrow_select::take::take(list.values(), &kept, None)?;
        return Ok((values, OffsetBuffer::from_lengths(lengths), nulls));
    }
    let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
    let values = list.values().slice(first as usize, (last - first) as usize);
    let offsets = list.value_offsets().iter().map(|offset| offset - first);
    Ok((values, OffsetBuffer::new(offsets.collect()), nulls))
}

fn entries(
    (k, v): (&LogicalType, &LogicalType),
    (l, w): (&LogicalType, &LogicalType),
    to: &TypeKind,
    mode: Mode,
) -> Result<Cast> {
    let fields = |k: &LogicalType, v: &LogicalType| vec![Field::new("key", k.clone()), Field::new("value", v.clone())];
    let cast = list(row(&fields(k, v), &fields(l, w), mode)?, to.arrow());
    // Flink compares bytes by where they lie, so that none are equal.
    if k.kind == l.kind || l.kind.is_binary() {
        return Ok(cast);
    }
    Ok(Box::new(move |array| one_of_equals(cast(array)?)))
}

/// Maps in which no key stands twice: keys that a cast made equal are one, with the value of the last.
fn one_of_equals(array: ArrayRef) -> Result<ArrayRef> {
    let maps = array.as_list::<i32>();
    let entries = maps.values().as_struct();
    let compare = make_comparator(entries.column(0), entries.column(0), SortOptions::default())?;
    let (mut order, mut last_of) = (Vec::new(), vec![None; entries.len()]);
    for ends in maps.value_offsets().windows(2) {
        order.clear();
        order.extend(ends[0] as usize..ends[1] as usize);
        order.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        for equal in order.chunk_by(|a, b| compare(*a, *b).is_eq()) {
            last_of[equal[0]] = equal.last().copied();
        }
    }
    if last_of.iter().all(Option::is_some) {
        return Ok(array);
    }
    let kept = |row: &[i32]| last_of[row[0] as usize..row[1] as usize].iter().flatten().count();
    let offsets = OffsetBuffer::from_lengths(maps.value_offsets().windows(2).map(kept));
    let keys = last_of.iter().enumerate().filter(|(_, last)| last.is_some()).map(|(first, _)| first as u64);
    let values = last_of.iter().flatten().map(|last| *last as u64);
    let take = |column, places: UInt64Array| arrow_select::take::take(entries.column(column), &places, None);
    let columns = vec![take(0, keys.collect())?, take(1, values.collect())?];
    let entries = StructArray::try_new(entries.fields().clone(), columns, None)?;
    let DataType::List(field) = maps.data_type() else { return Err(Error::internal("a map is no list")) };
    Ok(arc(ListArray::try_new(field.clone(), offsets, arc(entries), maps.nulls().cloned())?))
}

fn row(from: &[Field], to: &[Field], mode: Mode) -> Result<Cast> {
    let casts = from.iter().zip(to).map(|(a, b)| super::cast(&a.ty.kind, &b.ty.kind, mode));
    let casts = casts.collect::<Result<Vec<_>>>()?;
    let fields = arrow_fields(to);
    Ok(Box::new(move |array| {
        let row = array.as_struct_opt().ok_or_else(|| Error::internal("a row is no struct"))?;
        let columns = row.columns().iter().zip(&casts).map(|(c, cast)| cast(&under(c, row.nulls())?));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        Ok(arc(StructArray::try_new_with_length(fields.clone(), columns, row.nulls().cloned(), row.len())?))
    }))
}

/// The column with the nulls of the row around it: what lies under one must not fail.
fn under(column: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return Ok(column.clone()) };
    if *column.data_type() == DataType::Null {
        return Ok(column.clone());
    }
    let both = NullBuffer::union(Some(nulls), column.nulls());
    Ok(arrow_array::make_array(column.to_data().into_builder().nulls(both).build()?))
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int8Type;

    use super::*;
    use crate::time::zone::Zone;

    fn texts() -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in [["1", "2"], ["x", "3"], ["4", "5"]] {
            row.iter().for_each(|text| lists.values().append_value(text));
            lists.append(true);
        }
        arc(lists.finish())
    }

    fn to_tinyint(lenient: bool) -> Cast {
        let array = |kind| TypeKind::Array(Box::new(LogicalType::new(kind)));
        let mode = Mode { lenient, zone: Zone::Fixed(0) };
        cast(&array(TypeKind::Varchar(9)), &array(TypeKind::TinyInt), mode).unwrap()
    }

    fn numbers(array: &ArrayRef) -> Vec<Option<Vec<i8>>> {
        let values = |row: ArrayRef| row.as_primitive::<Int8Type>().values().to_vec();
        array.as_list::<i32>().iter().map(|row| row.map(values)).collect()
    }

    #[test]
    fn one_bad_element_makes_its_own_array_null_and_no_other() {
        let cast = to_tinyint(true)(&texts()).unwrap();
        assert_eq!(numbers(&cast), [Some(vec![1, 2]), None, Some(vec![4, 5])]);
    }

    #[test]
    fn what_lies_outside_of_a_slice_or_under_a_null_does_not_fail() {
        let strict = to_tinyint(false);
        assert!(strict(&texts()).is_err());
        assert_eq!(numbers(&strict(&texts().slice(2, 1)).unwrap()), [Some(vec![4, 5])]);
        let hidden = texts().to_data().into_builder().nulls(Some(NullBuffer::from(vec![true, false, true])));
        let hidden = arrow_array::make_array(hidden.build().unwrap());
        assert_eq!(numbers(&strict(&hidden).unwrap()), [Some(vec![1, 2]), None, Some(vec![4, 5])]);
        let row = |kind| TypeKind::Row(vec![Field::new("a", LogicalType::new(kind))]);
        let column: ArrayRef = arc(StringArray::from(vec!["x", "1"]));
        let nulls = Some(NullBuffer::from(vec![false, true]));
        let rows = StructArray::new(arrow_fields(&[Field::new("a", LogicalType::string())]), vec![column], nulls);
        let mode = Mode { lenient: false, zone: Zone::Fixed(0) };
        let cast = cast(&row(TypeKind::Varchar(flott_api::types::LENGTH_MAX)), &row(TypeKind::TinyInt), mode).unwrap();
        assert_eq!(cast(&arc(rows)).unwrap().null_count(), 1);
    }

    #[test]
    fn of_keys_that_become_equal_the_last_value_stays() {
        let map = |key| TypeKind::Map(Box::new(LogicalType::new(key)), Box::new(LogicalType::new(TypeKind::Int)));
        let (from, to) = (map(TypeKind::Varchar(9)), map(TypeKind::Int));
        let DataType::List(field) = from.arrow() else { panic!("a map is a list") };
        let DataType::Struct(fields) = field.data_type() else { panic!("of entries") };
        let keys: ArrayRef = arc(StringArray::from(vec!["7", "1", "2", "1.0", "1"]));
        let values: ArrayRef = arc(Int32Array::from(vec![0, 1, 2, 3, 4]));
        let entries = StructArray::new(fields.clone(), vec![keys, values], None);
        let maps = ListArray::new(field, OffsetBuffer::from_lengths([1, 3, 1]), arc(entries), None);
        let mode = Mode { lenient: false, zone: Zone::Fixed(0) };
        let cast = cast(&from, &to, mode).unwrap()(&arc(maps)).unwrap();
        let cast = cast.as_list::<i32>();
        assert_eq!(cast.value_offsets(), [0, 1, 3, 4]);
        let entries = cast.values().as_struct();
        let column = |at: usize| entries.column(at).as_primitive::<arrow_array::types::Int32Type>().values().to_vec();
        assert_eq!((column(0), column(1)), (vec![7, 1, 2, 1], vec![0, 3, 2, 4]));
    }
}
