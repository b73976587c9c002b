//! Values of type `VARIANT`: a value that brings its own type, as JSON values do.
//!
//! Flink counterpart: `BinaryVariant`. The encoding is the one of
//! <https://github.com/apache/parquet-format/blob/master/VariantEncoding.md>, version 1: *metadata* (a dictionary of all
//! names of fields) and a *value*. A column holds both, one behind the other: the metadata says where it ends.
//!
//! What [`VariantBuilder`] writes is what Flink writes, byte for byte. Names have ids in the order in which they came,
//! so that `{"a":1,"b":2}` and `{"b":2,"a":1}` have other bytes; and a value that was taken out of another ([`Fields`],
//! [`Elements`]) keeps the dictionary of the whole. Variants are equal, as keys and for
//! `DISTINCT`, exactly if their bytes are: so it is in Flink.
//!
//! The encoding has dates, timestamps, floats and bytes, too. No function of Flink makes them, and none is read here.

mod builder;

use std::cmp::Ordering;

use crate::{Error, Result};

pub use builder::{Open, VariantBuilder};

/// The most that metadata and value may take, in bytes each.
pub const SIZE_MAX: usize = 1 << 24;

const VERSION: u8 = 1;

/// The lower two bits of a value's first byte.
mod basic {
    pub(super) const PRIMITIVE: u8 = 0;
    pub(super) const SHORT_TEXT: u8 = 1;
    pub(super) const OBJECT: u8 = 2;
    pub(super) const ARRAY: u8 = 3;
}

/// The upper six bits, if the lower ones say `PRIMITIVE`.
mod primitive {
    pub(super) const NULL: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const INT8: u8 = 3;
    pub(super) const INT16: u8 = 4;
    pub(super) const INT32: u8 = 5;
    pub(super) const INT64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const DECIMAL4: u8 = 8;
    pub(super) const DECIMAL8: u8 = 9;
    pub(super) const DECIMAL16: u8 = 10;
    pub(super) const TEXT: u8 = 16;
}

/// From so many fields on a name is searched for by halving.
const HALVING_FROM: usize = 32;

/// A value, as it lies in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    metadata: &'a [u8],
    /// Begins with the value and may go on behind it.
    value: &'a [u8],
}

/// What a variant is.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// JSON's null.
    Null,
    /// A truth value.
    Boolean(bool),
    /// An integer, in as few bytes as it needs.
    Integer(i64),
    /// A binary floating-point number.
    Double(f64),
    /// `unscaled * 10^-scale`
    Decimal {
        /// The digits.
        unscaled: i128,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// A text.
    Text(&'a str),
    /// Values in an order.
    Array(Elements<'a>),
    /// Values with names.
    Object(Fields<'a>),
}

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    metadata: &'a [u8],
    offsets: Integers<'a>,
    data: &'a [u8],
}

/// The fields of an object, by name in the order of Java's strings.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    ids: Integers<'a>,
    values: Elements<'a>,
}

/// Unsigned integers of 1 to 4 bytes each.
#[derive(Clone, Copy, Debug)]
struct Integers<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl Integers<'_> {
    fn get(&self, index: usize) -> Result<usize> {
        let start = index * self.width;
        unsigned(self.bytes.get(start..start + self.width).ok_or_else(damaged)?)
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.width
    }
}

impl<'a> Variant<'a> {
    /// The variant that a column holds.
    ///
    /// # Errors
    /// If the bytes have no metadata of version 1.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let header = *bytes.first().ok_or_else(damaged)?;
        if header & 0x0f != VERSION {
            return Err(damaged());
        }
        let offsets = dictionary(bytes)?;
        let strings = 1 + offsets.width + offsets.bytes.len();
        let end = strings + offsets.get(offsets.len() - 1)?;
        match bytes.split_at_checked(end) {
            Some((metadata, value)) if !value.is_empty() => Ok(Variant { metadata, value }),
            _ => Err(damaged()),
        }
    }

    /// Appends the variant, as a column holds it.
    ///
    /// # Errors
    /// If its bytes are damaged.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let size = self.size()?;
        out.extend_from_slice(self.metadata);
        out.extend_from_slice(self.value.get(..size).ok_or_else(damaged)?);
        Ok(())
    }

    /// What it is.
    ///
    /// # Errors
    /// If its bytes are damaged, or of a kind that no function makes.
    pub fn node(&self) -> Result<Node<'a>> {
        let header = *self.value.first().ok_or_else(damaged)?;
        let (basic, info) = (header & 3, header >> 2);
        match basic {
            basic::SHORT_TEXT => text(self.value.get(1..1 + usize::from(info))),
            basic::OBJECT => self.object(info),
            basic::ARRAY => self.array(info).map(Node::Array),
            _ => self.primitive(info),
        }
    }

    /// How many bytes the value takes.
    fn size(&self) -> Result<usize> {
        use primitive::{DECIMAL4, DECIMAL8, DECIMAL16, DOUBLE, INT8, INT16, INT32, INT64};
        let header = *self.value.first().ok_or_else(damaged)?;
        let nested = |elements: Elements<'_>| {
            let before = self.value.len() - elements.data.len();
            elements.offsets.get(elements.len()).map(|size| before + size)
        };
        match self.node()? {
            Node::Array(elements) => nested(elements),
            Node::Object(fields) => nested(fields.values),
            Node::Text(text) if header & 3 == basic::PRIMITIVE => Ok(5 + text.len()),
            Node::Text(text) => Ok(1 + text.len()),
            _ => Ok(match header >> 2 {
                INT8 => 2,
                INT16 => 3,
                INT32 => 5,
                DECIMAL4 => 6,
                INT64 | DOUBLE => 9,
                DECIMAL8 => 10,
                DECIMAL16 => 18,
                _ => 1,
            }),
        }
    }

    fn primitive(&self, kind: u8) -> Result<Node<'a>> {
        let bytes = |n: usize| self.value.get(1..1 + n).ok_or_else(damaged);
        Ok(match kind {
            primitive::NULL => Node::Null,
            primitive::TRUE => Node::Boolean(true),
            primitive::FALSE => Node::Boolean(false),
            primitive::INT8 => Node::Integer(signed(bytes(1)?) as i64),
            primitive::INT16 => Node::Integer(signed(bytes(2)?) as i64),
            primitive::INT32 => Node::Integer(signed(bytes(4)?) as i64),
            primitive::INT64 => Node::Integer(signed(bytes(8)?) as i64),
            primitive::DOUBLE => Node::Double(f64::from_bits(signed(bytes(8)?) as u64)),
            primitive::DECIMAL4 => decimal(bytes(5)?)?,
            primitive::DECIMAL8 => decimal(bytes(9)?)?,
            primitive::DECIMAL16 => decimal(bytes(17)?)?,
            primitive::TEXT => {
                let length = unsigned(bytes(4)?)?;
                return text(self.value[5..].get(..length));
            }
            other => return Err(Error::unsupported(format!("a variant of the primitive type {other}"))),
        })
    }

    fn array(&self, info: u8) -> Result<Elements<'a>> {
        let (count, rest) = count(&self.value[1..], info & 4 != 0)?;
        self.elements(rest, count, usize::from(info & 3) + 1)
    }

    fn object(&self, info: u8) -> Result<Node<'a>> {
        let (count, rest) = count(&self.value[1..], info & 16 != 0)?;
        let width = usize::from(info >> 2 & 3) + 1;
        let (ids, rest) = rest.split_at_checked(count.saturating_mul(width)).ok_or_else(damaged)?;
        let values = self.elements(rest, count, usize::from(info & 3) + 1)?;
        Ok(Node::Object(Fields { ids: Integers { bytes: ids, width }, values }))
    }

    /// Offsets, one more than there are values, and the values.
    fn elements(&self, bytes: &'a [u8], count: usize, width: usize) -> Result<Elements<'a>> {
        let (offsets, data) = bytes.split_at_checked((count + 1).saturating_mul(width)).ok_or_else(damaged)?;
        Ok(Elements { metadata: self.metadata, offsets: Integers { bytes: offsets, width }, data })
    }
}

impl<'a> Elements<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at a place counted from 0.
    ///
    /// # Errors
    /// If there is none, or the bytes are damaged.
    pub fn get(&self, index: usize) -> Result<Variant<'a>> {
        let value = self.data.get(self.offsets.get(index)?..).ok_or_else(damaged)?;
        Ok(Variant { metadata: self.metadata, value })
    }
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the field at a place.
    ///
    /// # Errors
    /// If there is none, or the bytes are damaged.
    pub fn name(&self, index: usize) -> Result<&'a str> {
        name(self.values.metadata, self.ids.get(index)?)
    }

    /// The value of the field at a place.
    ///
    /// # Errors
    /// If there is none, or the bytes are damaged.
    pub fn value(&self, index: usize) -> Result<Variant<'a>> {
        self.values.get(index)
    }

    /// The value of a name, if there is one.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn get(&self, name: &str) -> Result<Option<Variant<'a>>> {
        let (mut low, mut high) = (0, self.len());
        if high < HALVING_FROM {
            for index in 0..high {
                if self.name(index)? == name {
                    return self.value(index).map(Some);
                }
            }
            return Ok(None);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match java_order(self.name(middle)?, name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.value(middle).map(Some),
            }
        }
        Ok(None)
    }
}

/// The order of Java's strings: by UTF-16 units.
pub fn java_order(a: &str, b: &str) -> Ordering {
    // Below U+E000 the units are in the order of the bytes.
    let plain = |text: &str| text.bytes().all(|byte| byte < 0xee);
    match plain(a) && plain(b) {
        true => a.cmp(b),
        false => a.encode_utf16().cmp(b.encode_utf16()),
    }
}

/// Where the names of a dictionary begin: one more offset than there are names.
fn dictionary(metadata: &[u8]) -> Result<Integers<'_>> {
    let width = usize::from(metadata.first().ok_or_else(damaged)? >> 6) + 1;
    let names = unsigned(metadata.get(1..1 + width).ok_or_else(damaged)?)?;
    let end = (names + 2).saturating_mul(width).saturating_add(1);
    let bytes = metadata.get(1 + width..end).ok_or_else(damaged)?;
    Ok(Integers { bytes, width })
}

fn name(metadata: &[u8], id: usize) -> Result<&str> {
    let offsets = dictionary(metadata)?;
    let strings = metadata.get(1 + offsets.width + offsets.bytes.len()..).ok_or_else(damaged)?;
    let range = offsets.get(id)?..offsets.get(id + 1)?;
    strings.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(damaged)
}

/// How many elements there are: a number of 1 byte, or of 4.
fn count(bytes: &[u8], large: bool) -> Result<(usize, &[u8])> {
    let (count, rest) = bytes.split_at_checked(if large { 4 } else { 1 }).ok_or_else(damaged)?;
    Ok((unsigned(count)?, rest))
}

fn text(bytes: Option<&[u8]>) -> Result<Node<'_>> {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Node::Text).ok_or_else(damaged)
}

fn decimal(bytes: &[u8]) -> Result<Node<'_>> {
    match bytes.split_first() {
        Some((&scale @ 0..=38, digits)) => Ok(Node::Decimal { unscaled: signed(digits), scale }),
        _ => Err(damaged()),
    }
}

/// A number of at most 4 bytes, the lowest first.
fn unsigned(bytes: &[u8]) -> Result<usize> {
    let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).map_err(|_| damaged())
}

/// A number of 1 to 16 bytes, the lowest first, of which the highest has the sign.
fn signed(bytes: &[u8]) -> i128 {
    let mut all = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { [0xff; 16] } else { [0; 16] };
    all[..bytes.len()].copy_from_slice(bytes);
    i128::from_le_bytes(all)
}

fn damaged() -> Error {
    Error::data("bytes of a variant are damaged")
}

#[cfg(test)]
mod tests;
