//! Sets of 32-bit integers: the functions of `BITMAP`.
//!
//! `BITMAP_BUILD(array)` makes one of the integers of an array, `BITMAP_FROM_BYTES(bytes)` of the portable format of
//! Roaring bitmaps; bytes that break the format are an error. `BITMAP_AND(a, b)`, `BITMAP_OR(a, b)`,
//! `BITMAP_XOR(a, b)` and `BITMAP_ANDNOT(a, b)` put two together, `BITMAP_CARDINALITY(bitmap)` says how many values
//! there are, and `BITMAP_TO_ARRAY(bitmap)`, `BITMAP_TO_BYTES(bitmap)` and `BITMAP_TO_STRING(bitmap)` give them.
//!
//! Of a null everything is null. Order is that of unsigned integers, so that -1 comes last; a text shows it as
//! 4294967295, and ends behind half a mebibyte with `...`.
//!
//! `BITMAP_TO_STRING(BITMAP_AND(BITMAP_BUILD(ARRAY[1, 2, 3]), BITMAP_BUILD(ARRAY[2, 3, 4])))` is `{2,3}`.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use flott_api::bitmap::{Bitmap, cardinality};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Body, Function, Infer, Inference, Signature};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("bitmap_and", Infer::By(infer_two), Body::Plain(|args| two(args, Bitmap::and))),
    Function::new("bitmap_andnot", Infer::By(infer_two), Body::Plain(|args| two(args, Bitmap::and_not))),
    Function::new("bitmap_build", Infer::By(infer_build), Body::Plain(build)),
    Function::new("bitmap_cardinality", Infer::By(infer_cardinality), Body::Plain(count)),
    Function::new("bitmap_from_bytes", Infer::By(infer_from_bytes), Body::Plain(from_bytes)).fallible(),
    Function::new("bitmap_or", Infer::By(infer_two), Body::Plain(|args| two(args, Bitmap::or))),
    Function::new("bitmap_to_array", Infer::By(infer_to_array), Body::Plain(to_array)).fallible(),
    Function::new("bitmap_to_bytes", Infer::By(infer_to_bytes), Body::Plain(to_bytes)),
    Function::new("bitmap_to_string", Infer::By(infer_to_string), Body::Plain(to_string)),
    Function::new("bitmap_xor", Infer::By(infer_two), Body::Plain(|args| two(args, Bitmap::xor))),
];

/// Bitmaps as they are; nullable if one of them is.
fn of_bitmaps(call: &Inference<'_>, count: usize, kind: TypeKind) -> Result<Signature> {
    call.arity(count, count)?;
    match call.args.iter().all(|arg| arg.kind == TypeKind::Bitmap) {
        true => Ok(call.unchanged(LogicalType { kind, nullable: call.nullable() })),
        false => Err(call.mismatch()),
    }
}

fn infer_two(call: &Inference<'_>) -> Result<Signature> {
    of_bitmaps(call, 2, TypeKind::Bitmap)
}

fn infer_cardinality(call: &Inference<'_>) -> Result<Signature> {
    of_bitmaps(call, 1, TypeKind::BigInt)
}

fn infer_to_array(call: &Inference<'_>) -> Result<Signature> {
    of_bitmaps(call, 1, TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int))))
}

fn infer_to_bytes(call: &Inference<'_>) -> Result<Signature> {
    of_bitmaps(call, 1, LogicalType::bytes().kind)
}

fn infer_to_string(call: &Inference<'_>) -> Result<Signature> {
    of_bitmaps(call, 1, LogicalType::string().kind)
}

/// Whole numbers of 32 bits at most; `NULL` as it stands is an array, too.
fn infer_build(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let small = |kind: &TypeKind| matches!(kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int);
    match &call.args[0].kind {
        TypeKind::Null => {}
        TypeKind::Array(element) if small(&element.kind) => {}
        _ => return Err(call.mismatch_because("It takes an array of INT.")),
    }
    let array = TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int)));
    Ok(Signature {
        args: vec![LogicalType { kind: array, nullable: call.nullable() }],
        ty: LogicalType { kind: TypeKind::Bitmap, nullable: call.nullable() },
    })
}

fn infer_from_bytes(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = match &call.args[0] {
        null if null.kind == TypeKind::Null => LogicalType::bytes(),
        bytes if bytes.kind.is_binary() => bytes.clone(),
        _ => return Err(call.mismatch_because("It takes bytes.")),
    };
    Ok(Signature { args: vec![arg], ty: LogicalType { kind: TypeKind::Bitmap, nullable: call.nullable() } })
}

/// The bitmaps of an argument, by row.
struct Bitmaps<'a> {
    array: &'a BinaryArray,
    stride: usize,
    /// The one of a constant, read once.
    constant: Option<Bitmap>,
}

impl<'a> Bitmaps<'a> {
    fn of(args: &Args<'a>, index: usize) -> Result<Self> {
        let operand = args.operand(index)?;
        let array: &BinaryArray =
            operand.array.as_binary_opt().ok_or_else(|| Error::internal("a bitmap has another layout"))?;
        let known = operand.constant && array.is_valid(0);
        let constant = known.then(|| Bitmap::read(array.value(0))).transpose()?;
        Ok(Bitmaps { array, stride: operand.stride(), constant })
    }

    fn bytes(&self, row: usize) -> &'a [u8] {
        self.array.value(row * self.stride)
    }

    fn get(&self, row: usize) -> Result<Bitmap> {
        match &self.constant {
            Some(bitmap) => Ok(bitmap.clone()),
            None => Bitmap::read(self.bytes(row)),
        }
    }
}

/// A bitmap for each row where no argument is null.
fn each(args: &Args<'_>, mut make: impl FnMut(usize) -> Result<Bitmap>) -> Result<ArrayRef> {
    let nulls = args.nulls();
    let mut out = BitmapWriter::new(args.rows);
    for row in 0..args.rows {
        match nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
            true => out.push(&mut make(row)?)?,
            false => out.builder.append_null(),
        }
    }
    Ok(Arc::new(out.builder.finish()))
}

/// Writes a column of bitmaps.
struct BitmapWriter {
    builder: BinaryBuilder,
    bytes: Vec<u8>,
    written: usize,
}

impl BitmapWriter {
    fn new(rows: usize) -> Self {
        BitmapWriter { builder: BinaryBuilder::with_capacity(rows, rows * 16), bytes: Vec::new(), written: 0 }
    }

    fn push(&mut self, bitmap: &mut Bitmap) -> Result<()> {
        self.bytes.clear();
        bitmap.write(&mut self.bytes);
        self.written += self.bytes.len();
        if self.written > i32::MAX as usize {
            return Err(Error::data("the bitmaps of a batch are longer than 2 GiB"));
        }
        self.builder.append_value(&self.bytes);
        Ok(())
    }
}

fn two(args: &Args<'_>, put_together: fn(&mut Bitmap, &Bitmap)) -> Result<ArrayRef> {
    let (left, right) = (Bitmaps::of(args, 0)?, Bitmaps::of(args, 1)?);
    each(args, |row| {
        let mut bitmap = left.get(row)?;
        match &right.constant {
            Some(other) => put_together(&mut bitmap, other),
            None => put_together(&mut bitmap, &Bitmap::read(right.bytes(row))?),
        }
        Ok(bitmap)
    })
}

fn build(args: &Args<'_>) -> Result<ArrayRef> {
    let operand = args.operand(0)?;
    let lists = operand.array.as_list_opt::<i32>().ok_or_else(|| Error::internal("an array has another layout"))?;
    let values = lists.values().as_primitive_opt::<Int32Type>();
    let values = values.ok_or_else(|| Error::internal("BITMAP_BUILD got an array of no INT"))?;
    let (offsets, stride) = (lists.value_offsets(), operand.stride());
    each(args, |row| {
        let (start, end) = (offsets[row * stride] as usize, offsets[row * stride + 1] as usize);
        Ok((start..end).filter(|i| values.is_valid(*i)).map(|i| values.value(i)).collect())
    })
}

fn from_bytes(args: &Args<'_>) -> Result<ArrayRef> {
    let bitmaps = Bitmaps::of(args, 0)?;
    each(args, |row| bitmaps.get(row))
}

fn count(args: &Args<'_>) -> Result<ArrayRef> {
    let operand = args.operand(0)?;
    let bitmaps = operand.array.as_binary_opt::<i32>();
    let (bitmaps, stride) = (bitmaps.ok_or_else(|| Error::internal("a bitmap has another layout"))?, operand.stride());
    args.each_number::<Int64Type>(|row| cardinality(bitmaps.value(row * stride)).map(|count| Some(count as i64)))
}

/// What a column holds is what this gives.
fn to_bytes(args: &Args<'_>) -> Result<ArrayRef> {
    args.operand(0)?.clone().into_array(args.rows)
}

fn to_string(args: &Args<'_>) -> Result<ArrayRef> {
    let bitmaps = Bitmaps::of(args, 0)?;
    args.each_text(|row, out| {
        write_text(bitmaps.bytes(row), out)?;
        Ok(true)
    })
}

/// Writes the text of the bitmap of these bytes.
pub(crate) fn write_text(bytes: &[u8], out: &mut (impl Write + ?Sized)) -> Result<()> {
    // Where it is written to holds any text: a writer that is full says so at the end of the row.
    write!(out, "{}", Bitmap::read(bytes)?).map_err(|_| Error::internal("the text of a bitmap was not taken"))
}

fn to_array(args: &Args<'_>) -> Result<ArrayRef> {
    let (bitmaps, nulls) = (Bitmaps::of(args, 0)?, args.nulls());
    let (mut values, mut lengths, mut total) = (Int32Builder::new(), Vec::with_capacity(args.rows), 0_u64);
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            lengths.push(0);
            continue;
        }
        let count = cardinality(bitmaps.bytes(row))?;
        total += count;
        if total > i32::MAX as u64 {
            return Err(Error::data("the arrays of a batch have more than 2^31 elements"));
        }
        lengths.push(count as usize);
        bitmaps.get(row)?.iter().for_each(|value| values.append_value(value));
    }
    let ty = TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int))).arrow();
    let DataType::List(field) = ty else { return Err(Error::internal("an array is no list")) };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(values.finish()), nulls)?))
}
