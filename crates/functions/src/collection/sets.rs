//! Arrays as sets: `ARRAY_DISTINCT`, `ARRAY_UNION`, `ARRAY_EXCEPT` and `ARRAY_INTERSECT`.
//!
//! * `ARRAY_DISTINCT(array)` keeps the first of equal elements.
//! * `ARRAY_UNION(array1, array2)` has the elements of both, `ARRAY_EXCEPT(array1, array2)` those of the first that the
//!   second has not, `ARRAY_INTERSECT(array1, array2)` those that the second has too.
//!
//! Elements keep their order and come once. Nulls are equal to each other here. A null array gives null.

use std::ops::Range;

use flott_api::Result;

use super::common_arrays;
use super::equal::{Equals, canonical};
use super::lists::{ListWriter, Lists, element_field};
use crate::registry::{Binding, Inference, Kernel, Signature};

pub(super) fn infer_pair(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    common_arrays(call)
}

pub(super) fn bind_distinct(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let element = super::element(binding.ty)?.kind.clone();
    Ok(Box::new(move |args| {
        let lists = Lists::of(args, 0)?;
        let mut equals = Equals::new(&canonical(&lists.values, &element)?)?;
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            let range = lists.range(row);
            equals.read(range.clone(), 0..0);
            out.extend(0, range.filter(|place| equals.is_first(*place)));
            out.end(!lists.is_null(row))?;
        }
        out.finish(&[lists.values.as_ref()], &field)
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Except,
    Intersect,
}

pub(super) fn bind_pair(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let element = super::element(binding.ty)?.kind.clone();
    let operation = match binding.name {
        "array_union" => Operation::Union,
        "array_except" => Operation::Except,
        _ => Operation::Intersect,
    };
    Ok(Box::new(move |args| {
        let (left, right) = (Lists::of(args, 0)?, Lists::of(args, 1)?);
        let values = arrow_select::concat::concat(&[left.values.as_ref(), right.values.as_ref()])?;
        let mut equals = Equals::new(&canonical(&values, &element)?)?;
        let behind = left.values.len();
        let nulls = args.nulls();
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            if valid {
                let second = right.range(row);
                write(operation, &mut equals, left.range(row), second.start + behind..second.end + behind, &mut out);
            }
            out.end(valid)?;
        }
        out.finish(&[values.as_ref()], &field)
    }))
}

fn write(op: Operation, equals: &mut Equals, left: Range<usize>, right: Range<usize>, out: &mut ListWriter) {
    equals.read(left.clone(), right.clone());
    match op {
        Operation::Union => out.extend(0, left.chain(right).filter(|place| equals.is_first(*place))),
        Operation::Except | Operation::Intersect => {
            let wanted = op == Operation::Intersect;
            out.extend(0, left.filter(|place| equals.is_first(*place) && equals.is_in_second(*place) == wanted));
        }
    }
}
