//! Longer and shorter arrays: `ARRAY_APPEND`, `ARRAY_PREPEND`, `ARRAY_CONCAT`, `ARRAY_REVERSE` and `ARRAY_SLICE`.
//!
//! * `ARRAY_APPEND(array, element)` has the element behind those of the array, `ARRAY_PREPEND(array, element)` before
//!   them. A null array stays null; a null element is an element. `ARRAY_APPEND(ARRAY[1, 2], 3)` is `[1, 2, 3]`.
//! * `ARRAY_CONCAT(array, ..)` has the elements of all arrays in turn. One null array makes it null.
//! * `ARRAY_REVERSE(array)` has the last element first.
//! * `ARRAY_SLICE(array, start[, end])` has the elements from one place to another, both included and counted from 1,
//!   or from the end where they are negative. Places outside are brought inside; without an end all the rest is
//!   taken. `ARRAY_SLICE(ARRAY[1, 2, 3], -2)` is `[2, 3]`.

use arrow_array::types::Int32Type;
use flott_api::{LogicalType, Result, TypeKind};

use super::lists::{ListWriter, Lists, element_field};
use super::{common_arrays, element_of, needle};
use crate::registry::{Binding, Inference, Kernel, Signature};

/// An array, and what its elements can hold.
pub(super) fn infer_append(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let element = element_of(call, 0)?;
    let item = needle(call, element)?;
    let nullable = call.nullable() || item.kind == TypeKind::Null;
    let element = element.clone().with_nullable(element.nullable || item.nullable);
    let ty = LogicalType { kind: TypeKind::Array(Box::new(element)), nullable };
    Ok(Signature { args: vec![call.args[0].clone(), item], ty })
}

pub(super) fn bind_append(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let front = binding.name == "array_prepend";
    Ok(Box::new(move |args| {
        let (lists, item) = (Lists::of(args, 0)?, args.operand(1)?);
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            // A null that the types rule out gives a null array, as it fits into none.
            let fits = field.is_nullable() || item.array.is_valid(row * item.stride());
            let valid = fits && !lists.is_null(row);
            if valid && front {
                out.push(1, row * item.stride());
            }
            if valid {
                out.extend(0, lists.range(row));
            }
            if valid && !front {
                out.push(1, row * item.stride());
            }
            out.end(valid)?;
        }
        out.finish(&[lists.values.as_ref(), item.array.as_ref()], &field)
    }))
}

pub(super) fn infer_concat(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    common_arrays(call)
}

pub(super) fn bind_concat(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let all = (0..args.len()).map(|index| Lists::of(args, index)).collect::<Result<Vec<_>>>()?;
        let nulls = args.nulls();
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            if valid {
                all.iter().enumerate().for_each(|(source, lists)| out.extend(source, lists.range(row)));
            }
            out.end(valid)?;
        }
        let sources: Vec<_> = all.iter().map(|lists| lists.values.as_ref()).collect();
        out.finish(&sources, &field)
    }))
}

/// One array, which it gives again.
pub(super) fn infer_same(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    element_of(call, 0)?;
    Ok(call.unchanged(call.args[0].clone()))
}

pub(super) fn bind_reverse(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let lists = Lists::of(args, 0)?;
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            out.extend(0, lists.range(row).rev());
            out.end(!lists.is_null(row))?;
        }
        out.finish(&[lists.values.as_ref()], &field)
    }))
}

pub(super) fn infer_slice(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    element_of(call, 0)?;
    let mut args = vec![call.args[0].clone()];
    for place in &call.args[1..] {
        if !matches!(place.kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::Null) {
            return Err(call.mismatch_because("A place in an array is an INT."));
        }
        args.push(LogicalType { kind: TypeKind::Int, nullable: place.nullable });
    }
    let nullable = args.iter().any(|a| a.nullable);
    Ok(Signature { ty: args[0].clone().with_nullable(nullable), args })
}

pub(super) fn bind_slice(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let (lists, start) = (Lists::of(args, 0)?, args.numbers::<Int32Type>(1)?);
        let end = if args.has(2) { Some(args.numbers::<Int32Type>(2)?) } else { None };
        let nulls = args.nulls();
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            if valid {
                let all = lists.range(row);
                let end = end.as_ref().map_or(all.len() as i64, |end| end.get(row).into());
                let (from, to) = slice(all.len() as i64, start.get(row).into(), end);
                out.extend(0, all.start + from..all.start + to);
            }
            out.end(valid)?;
        }
        out.finish(&[lists.values.as_ref()], &field)
    }))
}

/// The places from 0 that a slice begins and ends at.
fn slice(length: i64, start: i64, end: i64) -> (usize, usize) {
    let from_end = |place: i64| if place < 0 { place + length + 1 } else { place };
    let start = from_end(start).max(1);
    // Flink takes an end of 0 for the first element.
    let end = match from_end(end) {
        0 => 1.min(length),
        end => end.min(length),
    };
    if end < start { (0, 0) } else { (start as usize - 1, end as usize) }
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn places_are_brought_inside() {
        for (start, end, expected) in [
            (1, 5, (0, 5)),
            (0, 2, (0, 2)),
            (-2, 9, (3, 5)),
            (-9, 0, (0, 1)),
            (3, 2, (0, 0)),
            (9, 9, (0, 0)),
            (2, -6, (0, 0)),
            (1, -6, (0, 1)),
            (i64::from(i32::MIN), i64::from(i32::MAX), (0, 5)),
        ] {
            assert_eq!(slice(5, start, end), expected, "{start}, {end}");
        }
        assert_eq!(slice(0, 1, 1), (0, 0));
    }
}
