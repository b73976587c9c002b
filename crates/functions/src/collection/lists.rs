//! Arrays of a batch as ranges of one column of elements, and the arrays that are made of them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, UInt32Array};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef};
use flott_api::{Error, LogicalType, Result};

use crate::operand::{Args, Operand};

/// The arrays (or entries of maps) of an argument, by row.
pub(super) struct Lists {
    list: ListArray,
    /// The elements that the rows reach: a slice of a large batch does not bring all of it.
    pub(super) values: ArrayRef,
    base: usize,
    stride: usize,
}

impl Lists {
    pub(super) fn of(args: &Args<'_>, index: usize) -> Result<Self> {
        Lists::read(args.operand(index)?)
    }

    /// The same with an array for every row, also where it is a constant.
    pub(super) fn spread(args: &Args<'_>, index: usize) -> Result<Self> {
        let array = args.operand(index)?.clone().into_array(args.rows)?;
        Lists::read(&Operand::column(array))
    }

    fn read(operand: &Operand) -> Result<Self> {
        let list: &ListArray =
            operand.array.as_list_opt().ok_or_else(|| Error::internal("an array or map has another layout"))?;
        let offsets = list.value_offsets();
        let (base, end) = (offsets[0] as usize, offsets[list.len()] as usize);
        let values = list.values().slice(base, end - base);
        Ok(Lists { list: list.clone(), values, base, stride: operand.stride() })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.list.is_null(row * self.stride)
    }

    /// The places of a row's elements in `values`; of a null nothing.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        let at = row * self.stride;
        if self.list.is_null(at) {
            return 0..0;
        }
        let offsets = self.list.value_offsets();
        offsets[at] as usize - self.base..offsets[at + 1] as usize - self.base
    }
}

/// The value of a row beside each of its elements. The arrays of a column of values are those of a column.
pub(super) fn beside(lists: &Lists, value: &Operand, rows: usize) -> Result<Operand> {
    if value.constant {
        return Ok(value.clone());
    }
    let mut picks = vec![0_u32; lists.values.len()];
    (0..rows).for_each(|row| picks[lists.range(row)].fill(row as u32));
    Ok(Operand::column(match rows {
        0 => arrow_array::new_null_array(value.array.data_type(), picks.len()),
        _ => arrow_select::take::take(&value.array, &UInt32Array::from(picks), None)?,
    }))
}

/// Builds a column of arrays whose elements are picked out of other columns.
pub(super) struct ListWriter {
    picks: Vec<(usize, usize)>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListWriter {
    pub(super) fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        ListWriter { picks: Vec::with_capacity(rows), offsets, nulls: NullBufferBuilder::new(rows) }
    }

    /// Appends the element at a place of the source of that number.
    pub(super) fn push(&mut self, source: usize, place: usize) {
        self.picks.push((source, place));
    }

    pub(super) fn extend(&mut self, source: usize, places: impl IntoIterator<Item = usize>) {
        self.picks.extend(places.into_iter().map(|place| (source, place)));
    }

    /// Ends the row, which is null if it is not valid.
    pub(super) fn end(&mut self, valid: bool) -> Result<()> {
        let end = i32::try_from(self.picks.len());
        self.offsets.push(end.map_err(|_| Error::data("the arrays of a batch have more than 2^31 elements"))?);
        self.nulls.append(valid);
        Ok(())
    }

    /// The column, with elements of the field's type.
    pub(super) fn finish(mut self, sources: &[&dyn Array], field: &FieldRef) -> Result<ArrayRef> {
        let values = match self.picks.is_empty() {
            true => arrow_array::new_empty_array(field.data_type()),
            false => arrow_select::interleave::interleave(sources, &self.picks)?,
        };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, self.nulls.finish())?))
    }
}

/// The field of the elements of arrays of this type.
pub(super) fn element_field(ty: &LogicalType) -> Result<FieldRef> {
    match ty.arrow() {
        DataType::List(field) => Ok(field),
        other => Err(Error::internal(format!("{other} is no list"))),
    }
}
