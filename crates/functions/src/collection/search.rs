//! Looking for an element: `ARRAY_CONTAINS`, `ARRAY_POSITION` and `ARRAY_REMOVE`.
//!
//! * `ARRAY_CONTAINS(array, element)` says whether an element is equal to the one that is looked for; a null is found
//!   where there is one.
//! * `ARRAY_POSITION(array, element)` is the place of the first such element, counted from 1, or 0. For a null it is
//!   null.
//! * `ARRAY_REMOVE(array, element)` is the array without them; a null removes the nulls.
//!
//! Elements are compared as `=` does, so nothing is equal to `NaN`. A null array gives null.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray};
use flott_api::{LogicalType, Result, TypeKind};

use super::lists::{ListWriter, Lists, beside, element_field};
use super::{element_of, needle};
use crate::compare::{Comparison, compare};
use crate::operand::{Args, Operand};
use crate::registry::{Binding, Inference, Kernel, Signature};

fn infer(call: &Inference<'_>, ty: impl Fn(bool) -> LogicalType) -> Result<Signature> {
    call.arity(2, 2)?;
    let item = needle(call, element_of(call, 0)?)?;
    let nullable = call.args[0].nullable;
    Ok(Signature { ty: ty(nullable), args: vec![call.args[0].clone(), item] })
}

pub(super) fn infer_contains(call: &Inference<'_>) -> Result<Signature> {
    infer(call, |nullable| LogicalType { kind: TypeKind::Boolean, nullable })
}

pub(super) fn infer_position(call: &Inference<'_>) -> Result<Signature> {
    let nullable = call.args.get(1).is_some_and(|a| a.nullable || a.kind == TypeKind::Null);
    infer(call, |array| LogicalType { kind: TypeKind::Int, nullable: array || nullable })
}

pub(super) fn infer_remove(call: &Inference<'_>) -> Result<Signature> {
    infer(call, |_| call.args[0].clone())
}

/// The arrays of a batch, and which of their elements their row looks for.
struct Search<'a> {
    lists: Lists,
    equal: BooleanArray,
    item: &'a Operand,
}

impl<'a> Search<'a> {
    fn new(args: &Args<'a>) -> Result<Self> {
        let item = args.operand(1)?;
        let lists = if item.constant { Lists::of(args, 0)? } else { Lists::spread(args, 0)? };
        let values = Operand::column(lists.values.clone());
        let equal = compare(Comparison::Equal, &values, &beside(&lists, item, args.rows)?)?;
        Ok(Search { lists, equal, item })
    }

    fn item_is_null(&self, row: usize) -> bool {
        self.item.array.is_null(row * self.item.stride())
    }

    fn is_found(&self, row: usize, place: usize) -> bool {
        match self.item_is_null(row) {
            true => self.lists.values.is_null(place),
            false => self.equal.is_valid(place) && self.equal.value(place),
        }
    }
}

pub(super) fn contains(args: &Args<'_>) -> Result<ArrayRef> {
    let search = Search::new(args)?;
    let found = (0..args.rows).map(|row| {
        let any = || search.lists.range(row).any(|place| search.is_found(row, place));
        (!search.lists.is_null(row)).then(any)
    });
    Ok(Arc::new(found.collect::<BooleanArray>()))
}

pub(super) fn position(args: &Args<'_>) -> Result<ArrayRef> {
    let search = Search::new(args)?;
    args.each_number::<Int32Type>(|row| {
        let place = search.lists.range(row).position(|place| search.is_found(row, place));
        Ok(Some(place.map_or(0, |place| place as i32 + 1)))
    })
}

pub(super) fn bind_remove(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let search = Search::new(args)?;
        let mut out = ListWriter::new(args.rows);
        for row in 0..args.rows {
            out.extend(0, search.lists.range(row).filter(|place| !search.is_found(row, *place)));
            out.end(!search.lists.is_null(row))?;
        }
        out.finish(&[search.lists.values.as_ref()], &field)
    }))
}
