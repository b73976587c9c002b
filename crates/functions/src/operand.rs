//! What a kernel gets: columns and constants of one batch, with typed access by row.
//!
//! A constant is an array of one row. Typed views step by a stride of 0 or 1, so a kernel reads a
//! constant and a column alike, without a branch and without copying the constant.

mod writer;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Datum, PrimitiveArray, StringArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer, NullBufferBuilder};
use flott_api::{Error, Result};

pub(crate) use writer::TextWriter;

use crate::compile::EvalContext;

/// A column, or a constant that stands for every row.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) array: ArrayRef,
    pub(crate) constant: bool,
}

impl Operand {
    pub(crate) fn column(array: ArrayRef) -> Self {
        Operand { array, constant: false }
    }

    pub(crate) fn constant(array: ArrayRef) -> Self {
        Operand { array, constant: true }
    }

    /// The column with that many rows; a constant is repeated.
    pub(crate) fn into_array(self, rows: usize) -> Result<ArrayRef> {
        if !self.constant || rows == 1 {
            return Ok(self.array);
        }
        Ok(arrow_select::take::take(&self.array, &UInt32Array::from_value(0, rows), None)?)
    }

    /// 0 for a constant, 1 for a column.
    pub(crate) fn stride(&self) -> usize {
        usize::from(!self.constant)
    }
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.constant)
    }
}

/// The arguments of a call on one batch.
pub(crate) struct Args<'a> {
    pub(crate) operands: &'a [Operand],
    pub(crate) rows: usize,
    pub(crate) cx: &'a EvalContext,
}

impl<'a> Args<'a> {
    pub(crate) fn len(&self) -> usize {
        self.operands.len()
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        index < self.operands.len()
    }

    /// The values of a string argument.
    pub(crate) fn text(&self, index: usize) -> Result<Text<'a>> {
        let operand = self.operand(index)?;
        let array = operand.array.as_string_opt().ok_or_else(|| unexpected(index, operand))?;
        Ok(Text { array, stride: operand.stride() })
    }

    /// The values of an argument of texts or bytes, as bytes.
    pub(crate) fn bytes(&self, index: usize) -> Result<Bytes<'a>> {
        let operand = self.operand(index)?;
        let stride = operand.stride();
        if let Some(array) = operand.array.as_string_opt() {
            return Ok(Bytes::Text(Text { array, stride }));
        }
        let array = operand.array.as_binary_opt().ok_or_else(|| unexpected(index, operand))?;
        Ok(Bytes::Binary { array, stride })
    }

    /// The values of a number, date or interval argument.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(&self, index: usize) -> Result<Numbers<'a, T>> {
        let operand = self.operand(index)?;
        let array = operand.array.as_primitive_opt().ok_or_else(|| unexpected(index, operand))?;
        Ok(Numbers { array, stride: operand.stride() })
    }

    /// The values of a boolean argument.
    pub(crate) fn booleans(&self, index: usize) -> Result<&'a BooleanArray> {
        let operand = self.operand(index)?;
        operand.array.as_boolean_opt().ok_or_else(|| unexpected(index, operand))
    }

    pub(crate) fn operand(&self, index: usize) -> Result<&'a Operand> {
        self.operands.get(index).ok_or_else(|| Error::internal(format!("argument {index} is missing")))
    }

    /// The rows where no argument is null: most functions are null elsewhere.
    pub(crate) fn nulls(&self) -> Option<NullBuffer> {
        let mut all: Option<NullBuffer> = None;
        for operand in self.operands {
            if !operand.constant {
                all = NullBuffer::union(all.as_ref(), operand.array.logical_nulls().as_ref());
            } else if operand.array.is_null(0) || operand.array.logical_null_count() > 0 {
                return Some(NullBuffer::new_null(self.rows));
            }
        }
        all
    }

    /// A string for each row where no argument is null. `write` answers whether there is one; what it
    /// has written when there is none is dropped.
    #[inline]
    pub(crate) fn each_text(&self, mut write: impl FnMut(usize, &mut TextWriter) -> Result<bool>) -> Result<ArrayRef> {
        let mut out = TextWriter::new(self.rows);
        match self.nulls() {
            None => {
                for row in 0..self.rows {
                    let valid = write(row, &mut out)?;
                    out.end(valid)?;
                }
            }
            Some(nulls) => {
                for row in 0..self.rows {
                    let valid = nulls.is_valid(row) && write(row, &mut out)?;
                    out.end(valid)?;
                }
            }
        }
        out.finish()
    }

    /// A number for each row where no argument is null; none gives null.
    #[inline]
    pub(crate) fn each_number<T: ArrowPrimitiveType>(
        &self,
        mut f: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let nulls = self.nulls();
        let mut valid = NullBufferBuilder::new(self.rows);
        let mut values = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let value = if nulls.as_ref().is_none_or(|n| n.is_valid(row)) { f(row)? } else { None };
            valid.append(value.is_some());
            values.push(value.unwrap_or_default());
        }
        Ok(Arc::new(PrimitiveArray::<T>::try_new(values.into(), valid.finish())?))
    }

    /// A truth value for each row where no argument is null; none gives null.
    #[inline]
    pub(crate) fn each_boolean(&self, mut f: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
        let nulls = self.nulls();
        let mut valid = NullBufferBuilder::new(self.rows);
        let truths = BooleanBuffer::collect_bool(self.rows, |row| {
            let truth = if nulls.as_ref().is_none_or(|n| n.is_valid(row)) { f(row) } else { None };
            valid.append(truth.is_some());
            truth.unwrap_or(false)
        });
        Arc::new(BooleanArray::new(truths, valid.finish()))
    }
}

fn unexpected(index: usize, operand: &Operand) -> Error {
    Error::internal(format!("argument {index} is of type {}", operand.array.data_type()))
}

/// Strings by row.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    array: &'a StringArray,
    stride: usize,
}

impl<'a> Text<'a> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> &'a str {
        self.array.value(row * self.stride)
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row * self.stride)
    }

    /// The whole column, if it is one.
    pub(crate) fn column(&self) -> Option<&'a StringArray> {
        (self.stride == 1).then_some(self.array)
    }

    /// The text of every row, if it is a constant.
    pub(crate) fn constant(&self) -> Option<&'a str> {
        (self.stride == 0 && self.array.is_valid(0)).then(|| self.array.value(0))
    }
}

/// Strings or bytes by row.
#[derive(Clone, Copy)]
pub(crate) enum Bytes<'a> {
    Text(Text<'a>),
    Binary { array: &'a BinaryArray, stride: usize },
}

impl<'a> Bytes<'a> {
    pub(crate) fn get(&self, row: usize) -> &'a [u8] {
        match self {
            Bytes::Text(text) => text.get(row).as_bytes(),
            Bytes::Binary { array, stride } => array.value(row * stride),
        }
    }
}

/// Primitive values by row.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a, T: ArrowPrimitiveType> {
    pub(crate) array: &'a PrimitiveArray<T>,
    stride: usize,
}

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> T::Native {
        self.array.values()[row * self.stride]
    }
}

/// A value for each of so many rows from two arguments, whether they are null or not; of a constant and a column the
/// loop has no stride.
#[inline]
pub(crate) fn zipped<A: ArrowPrimitiveType, B: ArrowPrimitiveType, R>(
    a: &Numbers<'_, A>,
    b: &Numbers<'_, B>,
    rows: usize,
    f: impl Fn(A::Native, B::Native) -> R,
) -> Vec<R> {
    let (xs, ys) = (a.array.values(), b.array.values());
    match (a.stride, b.stride) {
        (0, 1) => {
            let x = xs[0];
            ys.iter().map(|&y| f(x, y)).collect()
        }
        (1, 0) => {
            let y = ys[0];
            xs.iter().map(|&x| f(x, y)).collect()
        }
        (1, 1) => xs.iter().zip(ys.iter()).map(|(&x, &y)| f(x, y)).collect(),
        _ => (0..rows).map(|_| f(xs[0], ys[0])).collect(),
    }
}
