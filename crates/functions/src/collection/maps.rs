//! Maps taken apart and put together: `MAP_KEYS`, `MAP_VALUES`, `MAP_ENTRIES`, `MAP_FROM_ARRAYS` and `MAP_UNION`.
//!
//! * `MAP_KEYS(map)`, `MAP_VALUES(map)` and `MAP_ENTRIES(map)` give an array of the keys, of the values, or of rows
//!   `(key, value)`, all in the same order.
//! * `MAP_FROM_ARRAYS(keys, values)` makes a map of two arrays; arrays of different lengths are an error.
//! * `MAP_UNION(map1, ..)` has the entries of all maps. Where a key comes again, the last map's value counts; entries
//!   of later maps come first.
//!
//! A null argument gives null.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, FieldRef, SortOptions};
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use super::equal::{canonical, unequal};
use super::lists::{ListWriter, Lists, element_field};
use super::{common, element_of};
use crate::operand::Args;
use crate::registry::{Binding, Inference, Kernel, Signature};

fn entry<'a>(call: &Inference<'a>, index: usize) -> Result<(&'a LogicalType, &'a LogicalType)> {
    match &call.args[index].kind {
        TypeKind::Map(key, value) => Ok((key, value)),
        _ => Err(call.mismatch_because("A map is expected.")),
    }
}

/// An array of what a map's entry gives.
pub(super) fn infer_parts(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let (key, value) = entry(call, 0)?;
    let element = match call.name {
        "map_keys" => key.clone(),
        "map_values" => value.clone(),
        _ => {
            let fields = vec![Field::new("key", key.clone()), Field::new("value", value.clone())];
            LogicalType::new(TypeKind::Row(fields))
        }
    };
    let ty = LogicalType { kind: TypeKind::Array(Box::new(element)), nullable: call.args[0].nullable };
    Ok(call.unchanged(ty))
}

pub(super) fn bind_parts(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let column = match binding.name {
        "map_keys" => Some(0),
        "map_values" => Some(1),
        _ => None,
    };
    Ok(Box::new(move |args| {
        let maps: &ListArray = args.operand(0)?.array.as_list_opt().ok_or_else(layout)?;
        let entries = maps.values().as_struct_opt().ok_or_else(layout)?;
        let elements = match (column, field.data_type()) {
            (Some(column), _) => entries.column(column).clone(),
            (None, DataType::Struct(fields)) => {
                Arc::new(StructArray::try_new(fields.clone(), entries.columns().to_vec(), None)?)
            }
            (None, _) => return Err(layout()),
        };
        Ok(Arc::new(ListArray::try_new(field.clone(), maps.offsets().clone(), elements, maps.nulls().cloned())?))
    }))
}

fn layout() -> Error {
    Error::internal("a map has another layout")
}

pub(super) fn infer_from_arrays(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let (key, value) = (element_of(call, 0)?.clone(), element_of(call, 1)?.clone());
    let kind = TypeKind::Map(Box::new(key), Box::new(value));
    Ok(call.unchanged(LogicalType { kind, nullable: call.nullable() }))
}

pub(super) fn bind_from_arrays(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let (keys, values) = (Lists::of(args, 0)?, Lists::of(args, 1)?);
        let nulls = args.nulls();
        let (mut keys_at, mut values_at) = (Vec::new(), Vec::new());
        let mut lengths = Vec::with_capacity(args.rows);
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            let (k, v) = if valid { (keys.range(row), values.range(row)) } else { (0..0, 0..0) };
            if k.len() != v.len() {
                let e = Error::data("MAP_FROM_ARRAYS got arrays of different lengths");
                return Err(e.with_detail(format!("There are {} keys and {} values.", k.len(), v.len())));
            }
            lengths.push(k.len());
            keys_at.extend(k.map(|place| place as u32));
            values_at.extend(v.map(|place| place as u32));
        }
        let keys = arrow_select::take::take(&keys.values, &UInt32Array::from(keys_at), None)?;
        let values = arrow_select::take::take(&values.values, &UInt32Array::from(values_at), None)?;
        let entries = entries(&field, keys, values)?;
        Ok(Arc::new(ListArray::try_new(field.clone(), OffsetBuffer::from_lengths(lengths), entries, nulls)?))
    }))
}

fn entries(field: &FieldRef, keys: ArrayRef, values: ArrayRef) -> Result<ArrayRef> {
    match field.data_type() {
        DataType::Struct(fields) => Ok(Arc::new(StructArray::try_new(fields.clone(), vec![keys, values], None)?)),
        _ => Err(layout()),
    }
}

pub(super) fn infer_union(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    (0..call.args.len()).try_for_each(|index| entry(call, index).map(|_| ()))?;
    let ty = common(call, call.args.iter())?;
    let args = call.args.iter().map(|a| ty.clone().with_nullable(a.nullable)).collect();
    Ok(Signature { args, ty })
}

pub(super) fn bind_union(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let TypeKind::Map(key, _) = &binding.ty.kind else { return Err(layout()) };
    let key = key.kind.clone();
    Ok(Box::new(move |args| union(args, &key, &field)))
}

fn union(args: &Args<'_>, key: &TypeKind, field: &FieldRef) -> Result<ArrayRef> {
    let maps = (0..args.len()).map(|index| Lists::of(args, index)).collect::<Result<Vec<_>>>()?;
    let arrays: Vec<&dyn Array> = maps.iter().map(|map| map.values.as_ref()).collect();
    let all = arrow_select::concat::concat(&arrays)?;
    let keys = canonical(all.as_struct_opt().ok_or_else(layout)?.column(0), key)?;
    let (compare, unequal) = (make_comparator(&keys, &keys, SortOptions::default())?, unequal(&keys));
    let nulls = args.nulls();
    let (mut out, mut kept) = (ListWriter::new(args.rows), Vec::new());
    for row in 0..args.rows {
        let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
        kept.clear();
        let mut behind = all.len();
        for map in maps.iter().rev().filter(|_| valid) {
            behind -= map.values.len();
            let later = kept.len();
            for place in map.range(row).map(|place| place + behind) {
                let is_unequal = unequal.as_ref().is_some_and(|unequal| unequal.value(place));
                if is_unequal || !kept[..later].iter().any(|known| compare(*known, place).is_eq()) {
                    kept.push(place);
                }
            }
        }
        out.extend(0, kept.iter().copied());
        out.end(valid)?;
    }
    out.finish(&[all.as_ref()], field)
}
