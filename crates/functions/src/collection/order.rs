//! The order of elements: `ARRAY_SORT`, `ARRAY_MAX` and `ARRAY_MIN`.
//!
//! * `ARRAY_SORT(array[, ascending[, nulls_first]])` has the elements in their order, ascending unless `ascending` is
//!   false. Nulls come first where the order ascends and last where it descends, unless `nulls_first` says otherwise.
//! * `ARRAY_MAX(array)` and `ARRAY_MIN(array)` are the largest and smallest element; nulls do not count, and an array
//!   without any other element gives null.
//!
//! Elements must have an order: numbers, strings, bytes and times. A null argument gives null.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{DataType, SortOptions};
use flott_api::{LogicalType, Result, TypeKind};

use super::element_of;
use super::equal::canonical;
use super::lists::{ListWriter, Lists, element_field};
use crate::operand::Args;
use crate::registry::{Binding, Inference, Kernel, Signature};

fn ordered<'a>(call: &Inference<'a>) -> Result<&'a LogicalType> {
    let element = element_of(call, 0)?;
    let time = matches!(element.kind, TypeKind::Date | TypeKind::Time(_)) || element.kind.is_timestamp();
    let fits = time || element.kind.is_numeric() || element.kind.is_character() || element.kind.is_binary();
    match fits || element.kind == TypeKind::Null {
        true => Ok(element),
        false => Err(call.mismatch_because(format!("Elements of type {} have no order.", element.kind))),
    }
}

pub(super) fn infer_sort(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 3)?;
    ordered(call)?;
    let mut args = vec![call.args[0].clone()];
    for flag in &call.args[1..] {
        if !matches!(flag.kind, TypeKind::Boolean | TypeKind::Null) {
            return Err(call.mismatch_because("Behind the array come truth values."));
        }
        args.push(LogicalType { kind: TypeKind::Boolean, nullable: flag.nullable });
    }
    let nullable = args.iter().any(|a| a.nullable);
    Ok(Signature { ty: args[0].clone().with_nullable(nullable), args })
}

pub(super) fn bind_sort(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let element = super::element(binding.ty)?.kind.clone();
    Ok(Box::new(move |args| {
        let lists = Lists::of(args, 0)?;
        let values = canonical(&lists.values, &element)?;
        let compare = make_comparator(&values, &values, SortOptions::default())?;
        let flag = |index: usize, row: usize| -> Result<bool> {
            Ok(args.booleans(index)?.value(row * args.operand(index)?.stride()))
        };
        let nulls = args.nulls();
        let (mut out, mut order) = (ListWriter::new(args.rows), Vec::new());
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            if valid {
                let ascending = if args.has(1) { flag(1, row)? } else { true };
                let nulls_first = if args.has(2) { flag(2, row)? } else { ascending };
                order.clear();
                order.extend(lists.range(row));
                order.sort_unstable_by(|a: &usize, b: &usize| {
                    let by_value = match (values.is_null(*a), values.is_null(*b)) {
                        (false, false) if ascending => compare(*a, *b),
                        (false, false) => compare(*b, *a),
                        (a, b) if nulls_first => b.cmp(&a),
                        (a, b) => a.cmp(&b),
                    };
                    by_value.then(a.cmp(b))
                });
                out.extend(0, order.iter().copied());
            }
            out.end(valid)?;
        }
        out.finish(&[lists.values.as_ref()], &field)
    }))
}

/// The element, which may be missing.
pub(super) fn infer_extreme(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let ty = ordered(call)?.clone().with_nullable(true);
    Ok(call.unchanged(ty))
}

pub(super) fn max(args: &Args<'_>) -> Result<ArrayRef> {
    extreme(args, Ordering::Greater)
}

pub(super) fn min(args: &Args<'_>) -> Result<ArrayRef> {
    extreme(args, Ordering::Less)
}

fn extreme(args: &Args<'_>, better: Ordering) -> Result<ArrayRef> {
    let lists = Lists::of(args, 0)?;
    let values = &lists.values;
    let compare = as_java(values)?;
    let places = (0..args.rows).map(|row| {
        let known = lists.range(row).filter(|place| values.is_valid(*place));
        known.reduce(|best, next| if compare(next, best) == better { next } else { best }).map(|place| place as u32)
    });
    let places: UInt32Array = places.collect();
    match values.is_empty() {
        true => Ok(arrow_array::new_null_array(values.data_type(), args.rows)),
        false => Ok(arrow_select::take::take(values, &places, None)?),
    }
}

/// Compares as `<` and `>` do: what is beside `NaN` is neither more nor less, and there is one zero.
fn as_java(values: &ArrayRef) -> Result<DynComparator> {
    let or_equal = |ordering: Option<Ordering>| ordering.unwrap_or(Ordering::Equal);
    Ok(match values.data_type() {
        DataType::Float32 => {
            let floats = values.as_primitive::<Float32Type>().values().clone();
            Box::new(move |a, b| or_equal(floats[a].partial_cmp(&floats[b])))
        }
        DataType::Float64 => {
            let floats = values.as_primitive::<Float64Type>().values().clone();
            Box::new(move |a, b| or_equal(floats[a].partial_cmp(&floats[b])))
        }
        _ => make_comparator(values, values, SortOptions::default())?,
    })
}
