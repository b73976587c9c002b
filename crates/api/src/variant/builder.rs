//! Writes variants, value by value; what is nested gets its header when it ends.

use std::collections::HashMap;

use super::{SIZE_MAX, VERSION, basic, java_order, primitive};
use crate::{Error, Result};

/// A text up to here says its length in its first byte.
const SHORT_TEXT_MAX: usize = 63;

/// Digits of the decimals of 4, 8 and 16 bytes, and of their fractions.
const DIGITS_MAX: [u32; 3] = [9, 18, 38];

/// Writes one variant after the other; its memory is used again.
#[derive(Debug, Default)]
pub struct VariantBuilder {
    value: Vec<u8>,
    /// The names by their ids.
    names: Names,
    /// Fields and elements of what is open, the innermost last.
    fields: Vec<FieldEntry>,
    offsets: Vec<usize>,
    keep_last: bool,
}

/// A dictionary: the texts one behind the other, and where each ends.
#[derive(Debug, Default)]
struct Names {
    text: String,
    ends: Vec<usize>,
    ids: HashMap<Box<str>, u32>,
}

#[derive(Clone, Copy, Debug)]
struct FieldEntry {
    id: u32,
    offset: usize,
}

/// An array or object that is being written: where its values and its entries begin.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    start: usize,
    entries: usize,
}

impl VariantBuilder {
    /// Begins a variant. `keep_last` says whether a name may come twice in an object, and the last value counts.
    pub fn begin(&mut self, keep_last: bool) {
        self.value.clear();
        self.names.clear();
        self.fields.clear();
        self.offsets.clear();
        self.keep_last = keep_last;
    }

    /// Appends what was written, as a column holds it.
    ///
    /// # Errors
    /// If it is larger than a variant may be.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Names { text, ends, .. } = &self.names;
        let width = width(text.len().max(ends.len()))?;
        if 1 + (ends.len() + 2) * width + text.len() > SIZE_MAX {
            return Err(too_large());
        }
        self.fits(0)?;
        out.push(VERSION | (width as u8 - 1) << 6);
        put(out, ends.len(), width);
        put(out, 0, width);
        ends.iter().for_each(|end| put(out, *end, width));
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&self.value);
        Ok(())
    }

    /// JSON's null.
    pub fn null(&mut self) {
        self.header(primitive::NULL);
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) {
        self.header(if value { primitive::TRUE } else { primitive::FALSE });
    }

    /// An integer, in as few bytes as it needs.
    pub fn integer(&mut self, value: i64) {
        let (kind, bytes) = match value {
            _ if i8::try_from(value).is_ok() => (primitive::INT8, 1),
            _ if i16::try_from(value).is_ok() => (primitive::INT16, 2),
            _ if i32::try_from(value).is_ok() => (primitive::INT32, 4),
            _ => (primitive::INT64, 8),
        };
        self.header(kind);
        self.value.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }

    /// A binary floating-point number.
    pub fn double(&mut self, value: f64) {
        self.header(primitive::DOUBLE);
        self.value.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// `unscaled * 10^-scale`, in as few bytes as it needs. Both fit into 38 digits: so its caller has checked.
    pub fn decimal(&mut self, unscaled: i128, scale: u8) {
        let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1).max(scale.into());
        let (kind, bytes) = match digits {
            _ if digits <= DIGITS_MAX[0] => (primitive::DECIMAL4, 4),
            _ if digits <= DIGITS_MAX[1] => (primitive::DECIMAL8, 8),
            _ => (primitive::DECIMAL16, 16),
        };
        debug_assert!(digits <= DIGITS_MAX[2], "a decimal of {digits} digits");
        self.header(kind);
        self.value.push(scale);
        self.value.extend_from_slice(&unscaled.to_le_bytes()[..bytes]);
    }

    /// A text.
    ///
    /// # Errors
    /// If it is larger than a variant may be.
    pub fn text(&mut self, text: &str) -> Result<()> {
        self.fits(text.len())?;
        if text.len() <= SHORT_TEXT_MAX {
            self.value.push((text.len() as u8) << 2 | basic::SHORT_TEXT);
        } else {
            self.header(primitive::TEXT);
            put(&mut self.value, text.len(), 4);
        }
        self.value.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Begins an array: [`VariantBuilder::element`] and a value for each element follow, then
    /// [`VariantBuilder::end_array`].
    pub fn begin_array(&mut self) -> Open {
        Open { start: self.value.len(), entries: self.offsets.len() }
    }

    /// Says that an element follows.
    pub fn element(&mut self, array: Open) {
        self.offsets.push(self.value.len() - array.start);
    }

    /// Ends the array.
    ///
    /// # Errors
    /// If it is larger than a variant may be.
    pub fn end_array(&mut self, array: Open) -> Result<()> {
        let count = self.offsets.len() - array.entries;
        let size = self.value.len() - array.start;
        let (count_width, width) = (count_width(count), width(size)?);
        let at = self.open_header(array.start, 1 + count_width + (count + 1) * width)?;
        let large = u8::from(count_width > 1) << 4;
        self.value[at] = basic::ARRAY | (width as u8 - 1) << 2 | large;
        let mut header = Header { bytes: &mut self.value, at: at + 1 };
        header.put(count, count_width);
        self.offsets[array.entries..].iter().for_each(|offset| header.put(*offset, width));
        header.put(size, width);
        self.offsets.truncate(array.entries);
        Ok(())
    }

    /// Begins an object: [`VariantBuilder::field`] and a value for each field follow, then
    /// [`VariantBuilder::end_object`].
    pub fn begin_object(&mut self) -> Open {
        Open { start: self.value.len(), entries: self.fields.len() }
    }

    /// Says that the value of a name follows.
    pub fn field(&mut self, object: Open, name: &str) {
        let id = self.names.id(name);
        self.fields.push(FieldEntry { id, offset: self.value.len() - object.start });
    }

    /// Ends the object.
    ///
    /// # Errors
    /// If a name came twice and may not, or the object is larger than a variant may be.
    pub fn end_object(&mut self, object: Open) -> Result<()> {
        let names = &self.names;
        let entries = &mut self.fields[object.entries..];
        // Of equal names the order is kept: the last one counts.
        entries.sort_by(|a, b| java_order(names.get(a.id), names.get(b.id)));
        if let Some(twice) = entries.windows(2).find(|two| two[0].id == two[1].id) {
            if !self.keep_last {
                let name: String = names.get(twice[0].id).chars().take(100).collect();
                return Err(Error::data(format!("the key '{name}' comes twice in an object")));
            }
            self.drop_overwritten(object);
        }
        self.write_object(object)
    }

    /// Takes out the values of names that came again, and moves the others together.
    fn drop_overwritten(&mut self, object: Open) {
        let ends = {
            let mut starts: Vec<usize> = self.fields[object.entries..].iter().map(|f| f.offset).collect();
            starts.sort_unstable();
            starts.push(self.value.len() - object.start);
            starts
        };
        let end_of = |offset: usize| ends[ends.partition_point(|start| *start <= offset)];
        let entries = &self.fields[object.entries..];
        let last = |i: &usize| entries.get(i + 1).is_none_or(|next| next.id != entries[*i].id);
        let mut kept: Vec<FieldEntry> = (0..entries.len()).filter(last).map(|i| entries[i]).collect();
        let mut by_place: Vec<usize> = (0..kept.len()).collect();
        by_place.sort_unstable_by_key(|i| kept[*i].offset);
        let mut to = object.start;
        for i in by_place {
            let from = object.start + kept[i].offset..object.start + end_of(kept[i].offset);
            let size = from.len();
            kept[i].offset = to - object.start;
            self.value.copy_within(from, to);
            to += size;
        }
        self.value.truncate(to);
        self.fields.truncate(object.entries);
        self.fields.extend(kept);
    }

    fn write_object(&mut self, object: Open) -> Result<()> {
        let entries = &self.fields[object.entries..];
        let count = entries.len();
        let size = self.value.len() - object.start;
        let id_width = width(entries.iter().map(|f| f.id).max().unwrap_or(0) as usize)?;
        let (count_width, width) = (count_width(count), width(size)?);
        let at = self.open_header(object.start, 1 + count_width + count * id_width + (count + 1) * width)?;
        let large = u8::from(count_width > 1) << 6;
        self.value[at] = basic::OBJECT | (width as u8 - 1) << 2 | (id_width as u8 - 1) << 4 | large;
        let mut header = Header { bytes: &mut self.value, at: at + 1 };
        header.put(count, count_width);
        let entries = &self.fields[object.entries..];
        entries.iter().for_each(|field| header.put(field.id as usize, id_width));
        entries.iter().for_each(|field| header.put(field.offset, width));
        header.put(size, width);
        self.fields.truncate(object.entries);
        Ok(())
    }

    /// Makes room for a header before the values that begin there.
    fn open_header(&mut self, start: usize, size: usize) -> Result<usize> {
        self.fits(size)?;
        let end = self.value.len();
        self.value.resize(end + size, 0);
        self.value.copy_within(start..end, start + size);
        Ok(start)
    }

    fn header(&mut self, kind: u8) {
        self.value.push(kind << 2 | basic::PRIMITIVE);
    }

    /// That a value of so many bytes more is none too large.
    fn fits(&self, more: usize) -> Result<()> {
        match self.value.len() + more <= SIZE_MAX {
            true => Ok(()),
            false => Err(too_large()),
        }
    }
}

impl Names {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.ids.clear();
    }

    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        self.ids.insert(name.into(), id);
        id
    }

    fn get(&self, id: u32) -> &str {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.text[start..self.ends[id]]
    }
}

/// Numbers that are written over bytes that are there.
struct Header<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Header<'_> {
    fn put(&mut self, number: usize, width: usize) {
        self.bytes[self.at..self.at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        self.at += width;
    }
}

fn put(out: &mut Vec<u8>, number: usize, width: usize) {
    out.extend_from_slice(&number.to_le_bytes()[..width]);
}

/// How many bytes the number of elements takes.
fn count_width(count: usize) -> usize {
    if count > 0xff { 4 } else { 1 }
}

/// How many bytes hold a number.
fn width(largest: usize) -> Result<usize> {
    match largest {
        0..=0xff => Ok(1),
        0x100..=0xffff => Ok(2),
        0x1_0000..=0xff_ffff => Ok(3),
        _ => Err(too_large()),
    }
}

fn too_large() -> Error {
    Error::data("a variant is larger than 16 MiB")
}
