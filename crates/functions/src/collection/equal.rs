//! Which elements of an array are equal: by sorting, so that long arrays do not cost the square of their length.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray, StructArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{DataType, SortOptions};
use flott_api::{Result, TypeKind};

/// Finds equal elements among those of one row.
pub(super) struct Equals {
    compare: DynComparator,
    unequal: Option<BooleanBuffer>,
    /// The places of the row, sorted; its memory is used again.
    sorted: Vec<usize>,
    /// By place: is it the first of its equals, and is one of them in the second range?
    first: Vec<bool>,
    in_second: Vec<bool>,
}

impl Equals {
    /// Of canonical values.
    pub(super) fn new(values: &ArrayRef) -> Result<Self> {
        let compare = make_comparator(values, values, SortOptions::default())?;
        let (first, in_second) = (vec![false; values.len()], vec![false; values.len()]);
        Ok(Equals { compare, unequal: unequal(values), sorted: Vec::new(), first, in_second })
    }

    /// Compares the elements of two ranges, of which the second comes later.
    pub(super) fn read(&mut self, one: Range<usize>, two: Range<usize>) {
        self.sorted.clear();
        self.sorted.extend(one.chain(two.clone()));
        let compare = &self.compare;
        self.sorted.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        for equal in self.sorted.chunk_by(|a, b| compare(*a, *b).is_eq()) {
            let in_second = equal.last().is_some_and(|last| two.contains(last));
            for (i, place) in equal.iter().enumerate() {
                self.first[*place] = i == 0;
                self.in_second[*place] = in_second;
            }
        }
    }

    /// Whether no element before this one is equal to it.
    pub(super) fn is_first(&self, place: usize) -> bool {
        self.first[place] || self.is_unequal(place)
    }

    /// Whether an element of the second range is equal to this one.
    pub(super) fn is_in_second(&self, place: usize) -> bool {
        self.in_second[place] && !self.is_unequal(place)
    }

    fn is_unequal(&self, place: usize) -> bool {
        self.unequal.as_ref().is_some_and(|unequal| unequal.value(place))
    }
}

/// The values that are equal to none, not even to themselves: `NaN`.
pub(super) fn unequal(values: &ArrayRef) -> Option<BooleanBuffer> {
    match values.data_type() {
        DataType::Float32 => Some(nans(values.as_primitive::<Float32Type>(), |value| value.is_nan())),
        DataType::Float64 => Some(nans(values.as_primitive::<Float64Type>(), |value| value.is_nan())),
        _ => None,
    }
}

fn nans<T: ArrowPrimitiveType>(floats: &PrimitiveArray<T>, is_nan: impl Fn(T::Native) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(floats.len(), |i| floats.is_valid(i) && is_nan(floats.value(i)))
}

/// Values that are laid out alike exactly if they are equal: one zero, one `NaN`, and maps by the order of their keys.
pub(super) fn canonical(array: &ArrayRef, kind: &TypeKind) -> Result<ArrayRef> {
    Ok(match kind {
        TypeKind::Float => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(one_float)) as ArrayRef,
        TypeKind::Double => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one_double)),
        TypeKind::Array(element) => list(array, |values| canonical(values, &element.kind))?,
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
            row(array, &fields.iter().map(|f| &f.ty.kind).collect::<Vec<_>>())?
        }
        TypeKind::Map(key, value) => by_key(&list(array, |entries| row(entries, &[&key.kind, &value.kind]))?)?,
        TypeKind::Multiset(element) => by_key(&list(array, |entries| row(entries, &[&element.kind, &TypeKind::Int]))?)?,
        _ => array.clone(),
    })
}

fn one_float(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

fn one_double(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

fn list(array: &ArrayRef, values: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<ArrayRef> {
    let list = array.as_list::<i32>();
    let field = match list.data_type() {
        DataType::List(field) => field.clone(),
        other => return Err(flott_api::Error::internal(format!("{other} is no list"))),
    };
    let values = values(list.values())?;
    Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
}

fn row(array: &ArrayRef, kinds: &[&TypeKind]) -> Result<ArrayRef> {
    let row = array.as_struct();
    let columns = row.columns().iter().zip(kinds).map(|(column, kind)| canonical(column, kind));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let fields = row.fields().clone();
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?))
}

/// The entries of each map sorted by their keys.
fn by_key(array: &ArrayRef) -> Result<ArrayRef> {
    let maps = array.as_list::<i32>();
    let keys = maps.values().as_struct().column(0);
    let compare = make_comparator(keys, keys, SortOptions::default())?;
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    for ends in maps.value_offsets().windows(2) {
        order[ends[0] as usize..ends[1] as usize].sort_unstable_by(|a, b| compare(*a as usize, *b as usize));
    }
    list(array, |entries| Ok(arrow_select::take::take(entries, &UInt32Array::from(order.clone()), None)?))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float32Array, Float64Array};

    use super::*;

    #[test]
    fn there_is_one_zero_and_no_nan_is_equal() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
        let mut equals = Equals::new(&canonical(&floats, &TypeKind::Double).unwrap()).unwrap();
        equals.read(0..3, 3..4);
        assert_eq!((0..4).map(|i| equals.is_first(i)).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!((0..4).map(|i| equals.is_in_second(i)).collect::<Vec<_>>(), [false, false, false, false]);
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![-0.0, 0.0]));
        let mut equals = Equals::new(&canonical(&floats, &TypeKind::Float).unwrap()).unwrap();
        equals.read(0..2, 0..0);
        assert!(!equals.is_first(1));
    }
}
