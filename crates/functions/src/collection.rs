//! Arrays, maps and rows: their constructors, access to their elements, `CARDINALITY`, and `TYPEOF`.
//! The functions of arrays and maps lie in files of their own.

mod equal;
mod extend;
mod join;
mod lists;
mod maps;
mod order;
mod search;
mod sets;
mod split;
mod str_to_map;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, StringArray, StructArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef};
use flott_api::types::arrow::arrow_fields;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use self::lists::{Lists, beside};
use crate::compare::{Comparison, compare};
use crate::operand::{Args, Operand};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};
use crate::typing::common_type::common_type;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("array", Infer::By(infer_array), Body::Bound(bind_array)),
    Function::new("array_append", Infer::By(extend::infer_append), Body::Bound(extend::bind_append)),
    Function::new("array_concat", Infer::By(extend::infer_concat), Body::Bound(extend::bind_concat)),
    Function::new("array_contains", Infer::By(search::infer_contains), Body::Plain(search::contains)),
    Function::new("array_distinct", Infer::By(extend::infer_same), Body::Bound(sets::bind_distinct)),
    Function::new("array_except", Infer::By(sets::infer_pair), Body::Bound(sets::bind_pair)),
    Function::new("array_intersect", Infer::By(sets::infer_pair), Body::Bound(sets::bind_pair)),
    Function::new("array_join", Infer::By(join::infer), Body::Plain(join::join)),
    Function::new("array_max", Infer::By(order::infer_extreme), Body::Plain(order::max)),
    Function::new("array_min", Infer::By(order::infer_extreme), Body::Plain(order::min)),
    Function::new("array_position", Infer::By(search::infer_position), Body::Plain(search::position)),
    Function::new("array_prepend", Infer::By(extend::infer_append), Body::Bound(extend::bind_append)),
    Function::new("array_remove", Infer::By(search::infer_remove), Body::Bound(search::bind_remove)),
    Function::new("array_reverse", Infer::By(extend::infer_same), Body::Bound(extend::bind_reverse)),
    Function::new("array_slice", Infer::By(extend::infer_slice), Body::Bound(extend::bind_slice)),
    Function::new("array_sort", Infer::By(order::infer_sort), Body::Bound(order::bind_sort)),
    Function::new("array_union", Infer::By(sets::infer_pair), Body::Bound(sets::bind_pair)),
    Function::new("element", Infer::By(infer_element), Body::Plain(element_alone)).fallible(),
    Function::new("map", Infer::By(infer_map), Body::Bound(bind_map)),
    Function::new("map_entries", Infer::By(maps::infer_parts), Body::Bound(maps::bind_parts)),
    Function::new("map_from_arrays", Infer::By(maps::infer_from_arrays), Body::Bound(maps::bind_from_arrays))
        .fallible(),
    Function::new("map_keys", Infer::By(maps::infer_parts), Body::Bound(maps::bind_parts)),
    Function::new("map_union", Infer::By(maps::infer_union), Body::Bound(maps::bind_union)),
    Function::new("map_values", Infer::By(maps::infer_parts), Body::Bound(maps::bind_parts)),
    Function::new("row", Infer::By(infer_row), Body::Bound(bind_row)),
    Function::new("item", Infer::By(infer_item), Body::Bound(bind_item)),
    Function::new("cardinality", Infer::By(infer_cardinality), Body::Plain(cardinality)),
    Function::new("split", Infer::By(split::infer), Body::Bound(split::bind)),
    Function::new("str_to_map", Infer::By(str_to_map::infer), Body::Bound(str_to_map::bind)).fallible(),
    Function::new("typeof", Infer::By(infer_typeof), Body::Bound(bind_typeof)),
];

fn infer_array(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    let element = common(call, call.args.iter())?;
    if element.kind == TypeKind::Null {
        return Err(call.mismatch());
    }
    let args = vec![element.clone(); call.args.len()];
    Ok(Signature { args, ty: LogicalType::not_null(TypeKind::Array(Box::new(element))) })
}

fn infer_map(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, usize::MAX)?;
    if !call.args.len().is_multiple_of(2) {
        return Err(call.mismatch_because("A map is made of keys and values in turn."));
    }
    let key = common(call, call.args.iter().step_by(2))?;
    let value = common(call, call.args.iter().skip(1).step_by(2))?;
    let args = [key.clone(), value.clone()].into_iter().cycle().take(call.args.len()).collect();
    Ok(Signature { args, ty: LogicalType::not_null(TypeKind::Map(Box::new(key), Box::new(value))) })
}

fn common<'a>(call: &Inference<'_>, types: impl Iterator<Item = &'a LogicalType>) -> Result<LogicalType> {
    let types: Vec<_> = types.collect();
    common_type(&types).ok_or_else(|| call.mismatch_because("The elements have no common type."))
}

/// The elements' type of an argument that must be an array.
fn element_of<'a>(call: &Inference<'a>, index: usize) -> Result<&'a LogicalType> {
    element(&call.args[index]).map_err(|_| call.mismatch_because("An array is expected."))
}

fn element(array: &LogicalType) -> Result<&LogicalType> {
    match &array.kind {
        TypeKind::Array(element) => Ok(element),
        other => Err(Error::internal(format!("{other} is no array"))),
    }
}

/// What the second argument becomes beside elements of that type.
fn needle(call: &Inference<'_>, element: &LogicalType) -> Result<LogicalType> {
    let arg = &call.args[1];
    let nullable = arg.nullable || arg.kind == TypeKind::Null;
    let wanted = element.clone().with_nullable(element.nullable || nullable);
    match crate::typing::casts::implicit_cast(arg, &wanted) && nulls_fit(&arg.kind, &wanted.kind) {
        true => Ok(wanted.with_nullable(nullable)),
        false => Err(call.mismatch_because(format!("An element of type {} is expected.", element.kind))),
    }
}

/// Whether nothing within a nested value may be null where the other type has no nulls.
fn nulls_fit(from: &TypeKind, to: &TypeKind) -> bool {
    let fit = |from: &LogicalType, to: &LogicalType| (to.nullable || !from.nullable) && nulls_fit(&from.kind, &to.kind);
    match (from, to) {
        (TypeKind::Array(from), TypeKind::Array(to)) => fit(from, to),
        (TypeKind::Map(key, value), TypeKind::Map(to_key, to_value)) => fit(key, to_key) && fit(value, to_value),
        (TypeKind::Row(from), TypeKind::Row(to)) => from.iter().zip(to).all(|(from, to)| fit(&from.ty, &to.ty)),
        _ => true,
    }
}

/// Arrays, all of their common type.
fn common_arrays(call: &Inference<'_>) -> Result<Signature> {
    (0..call.args.len()).try_for_each(|index| element_of(call, index).map(|_| ()))?;
    let ty = common(call, call.args.iter())?;
    let args = call.args.iter().map(|a| ty.clone().with_nullable(a.nullable)).collect();
    Ok(Signature { args, ty })
}

fn infer_row(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    let fields = call.args.iter().enumerate().map(|(i, ty)| Field::new(format!("EXPR${i}"), ty.clone())).collect();
    Ok(call.unchanged(LogicalType::not_null(TypeKind::Row(fields))))
}

fn infer_item(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let (container, key) = (&call.args[0], &call.args[1]);
    if container.kind == TypeKind::Variant {
        return crate::variant::infer_item(call);
    }
    let (key_kind, element) = match &container.kind {
        TypeKind::Array(element) if key.kind.is_integer() => (TypeKind::Int, element),
        TypeKind::Map(k, v) if key.kind != TypeKind::Null && common_type(&[k, key]).is_some() => (k.kind.clone(), v),
        _ => return Err(call.mismatch()),
    };
    if matches!(container.kind, TypeKind::Array(_)) && call.literal_int(1).is_some_and(|i| i < 1) {
        return Err(Error::invalid("the elements of an array are counted from 1"));
    }
    let key = LogicalType { kind: key_kind, nullable: key.nullable };
    // There may be no such element.
    let ty = element.as_ref().clone().with_nullable(true);
    Ok(Signature { args: vec![container.clone(), key], ty })
}

/// The only element: of an array of more than one it fails, of one without any it is null.
fn infer_element(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let element = element_of(call, 0)?.clone();
    let nullable = element.nullable || call.args[0].nullable;
    Ok(call.unchanged(element.with_nullable(nullable)))
}

fn infer_cardinality(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    match arg.kind {
        TypeKind::Array(_) | TypeKind::Map(_, _) | TypeKind::Multiset(_) => {
            Ok(call.unchanged(LogicalType { kind: TypeKind::Int, nullable: arg.nullable }))
        }
        _ => Err(call.mismatch()),
    }
}

fn infer_typeof(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 2)?;
    // Whether the type must be one that can be written down: all can.
    match call.args.get(1).is_none_or(|serializable| serializable.kind == TypeKind::Boolean) {
        true => Ok(call.unchanged(LogicalType::string())),
        false => Err(call.mismatch()),
    }
}

fn bind_array(binding: &Binding<'_>) -> Result<Kernel> {
    let field = list_field(&binding.ty.arrow())?;
    Ok(Box::new(move |args| {
        let elements = arranged(args, &args.operands.iter().collect::<Vec<_>>())?;
        list(elements, args.len(), args.rows, &field)
    }))
}

fn bind_map(binding: &Binding<'_>) -> Result<Kernel> {
    let field = list_field(&binding.ty.arrow())?;
    let DataType::Struct(entry) = field.data_type().clone() else {
        return Err(Error::internal("a map has another layout"));
    };
    Ok(Box::new(move |args| {
        let keys = arranged(args, &args.operands.iter().step_by(2).collect::<Vec<_>>())?;
        let values = arranged(args, &args.operands.iter().skip(1).step_by(2).collect::<Vec<_>>())?;
        let per_row = args.len() / 2;
        let (picks, lengths) = distinct_keys(&keys, per_row, args.rows)?;
        let (keys, values) = match picks {
            Some((keys_at, values_at)) => {
                (arrow_select::take::take(&keys, &keys_at, None)?, arrow_select::take::take(&values, &values_at, None)?)
            }
            None => (keys, values),
        };
        let entries: ArrayRef = Arc::new(StructArray::try_new(entry.clone(), vec![keys, values], None)?);
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(field.clone(), offsets, entries, None)?))
    }))
}

/// Of equal keys the first place and the last value count.
type Picks = Option<(UInt32Array, UInt32Array)>;

/// Which entries stay, if not all do, and how many of each row.
fn distinct_keys(keys: &ArrayRef, per_row: usize, rows: usize) -> Result<(Picks, Vec<usize>)> {
    let compare = arrow_ord::ord::make_comparator(keys, keys, arrow_schema::SortOptions::default())?;
    let (mut keys_at, mut values_at) = (Vec::new(), Vec::new());
    let mut lengths = vec![0; rows];
    for (row, length) in lengths.iter_mut().enumerate() {
        let start = keys_at.len();
        for entry in row * per_row..(row + 1) * per_row {
            let same = keys_at[start..].iter().position(|&k: &u32| compare(k as usize, entry).is_eq());
            match same {
                Some(place) => values_at[start + place] = entry as u32,
                None => {
                    keys_at.push(entry as u32);
                    values_at.push(entry as u32);
                }
            }
        }
        *length = keys_at.len() - start;
    }
    let all = keys_at.len() == rows * per_row;
    Ok(((!all).then(|| (keys_at.into(), values_at.into())), lengths))
}

fn list_field(arrow: &DataType) -> Result<FieldRef> {
    match arrow {
        DataType::List(field) => Ok(field.clone()),
        other => Err(Error::internal(format!("{other} is no list"))),
    }
}

/// The operands row by row: all of the first row, then all of the second, ..
fn arranged(args: &Args<'_>, operands: &[&Operand]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = operands.iter().map(|o| o.array.as_ref()).collect();
    let of_row = |row| operands.iter().enumerate().map(move |(i, o)| (i, row * o.stride()));
    let picks: Vec<(usize, usize)> = (0..args.rows).flat_map(of_row).collect();
    Ok(arrow_select::interleave::interleave(&arrays, &picks)?)
}

fn list(elements: ArrayRef, per_row: usize, rows: usize, field: &FieldRef) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(per_row, rows));
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, elements, None)?))
}

fn bind_row(binding: &Binding<'_>) -> Result<Kernel> {
    let TypeKind::Row(fields) = &binding.ty.kind else {
        return Err(Error::internal("ROW gives a row"));
    };
    let fields = arrow_fields(fields);
    Ok(Box::new(move |args| {
        let columns = args.operands.iter().map(|o| o.clone().into_array(args.rows)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, args.rows)?))
    }))
}

fn bind_item(binding: &Binding<'_>) -> Result<Kernel> {
    Ok(match binding.args[0].kind {
        TypeKind::Map(_, _) => Box::new(map_value),
        TypeKind::Variant => crate::variant::bind_item(binding),
        _ => Box::new(array_element),
    })
}

fn lists<'a>(args: &Args<'a>) -> Result<(&'a ListArray, usize)> {
    let operand = args.operand(0)?;
    let list = operand.array.as_list_opt().ok_or_else(|| Error::internal("an array or map has another layout"))?;
    Ok((list, operand.stride()))
}

fn array_element(args: &Args<'_>) -> Result<ArrayRef> {
    let (list, stride) = lists(args)?;
    let index = args.numbers::<Int32Type>(1)?;
    let nulls = args.nulls();
    let place = |row: usize| {
        let at = row * stride;
        let (start, length) = (list.value_offsets()[at], list.value_length(at));
        let nth = index.get(row);
        let found = nulls.as_ref().is_none_or(|n| n.is_valid(row)) && nth >= 1 && nth <= length;
        found.then(|| (start + nth - 1) as u32)
    };
    let places: UInt32Array = (0..args.rows).map(place).collect();
    Ok(arrow_select::take::take(list.values(), &places, None)?)
}

fn element_alone(args: &Args<'_>) -> Result<ArrayRef> {
    let (list, _) = lists(args)?;
    let mut places = Vec::with_capacity(list.len());
    for row in 0..list.len() {
        places.push(match list.value_length(row) {
            length if length == 0 || list.is_null(row) => None,
            1 => Some(list.value_offsets()[row] as u32),
            many => return Err(Error::data(format!("ELEMENT got an array of {many} elements, not of one"))),
        });
    }
    Ok(arrow_select::take::take(list.values(), &UInt32Array::from(places), None)?)
}

fn map_value(args: &Args<'_>) -> Result<ArrayRef> {
    let key = args.operand(1)?;
    let maps = if key.constant { Lists::of(args, 0)? } else { Lists::spread(args, 0)? };
    let entries = maps.values.as_struct_opt().ok_or_else(|| Error::internal("a map has another layout"))?;
    let keys = Operand::column(entries.column(0).clone());
    let equal = compare(Comparison::Equal, &keys, &beside(&maps, key, args.rows)?)?;
    let place = |row: usize| {
        if key.array.is_null(row * key.stride()) {
            return None;
        }
        // Of equal keys the last one counts.
        maps.range(row).rev().find(|&i| equal.is_valid(i) && equal.value(i)).map(|i| i as u32)
    };
    let places: UInt32Array = (0..args.rows).map(place).collect();
    Ok(arrow_select::take::take(entries.column(1), &places, None)?)
}

fn cardinality(args: &Args<'_>) -> Result<ArrayRef> {
    let (list, _) = lists(args)?;
    let lengths = (0..list.len()).map(|row| list.value_length(row)).collect();
    Ok(Arc::new(Int32Array::try_new(lengths, list.nulls().cloned())?))
}

fn bind_typeof(binding: &Binding<'_>) -> Result<Kernel> {
    let text = binding.args[0].to_string();
    Ok(Box::new(move |args| Ok(Arc::new(StringArray::from(vec![text.as_str(); args.rows])))))
}
