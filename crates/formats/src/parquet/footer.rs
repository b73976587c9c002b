//! What Thrift's compact protocol says in a file, looked at before the library reads it: the footer with the schema, and
//! the headers of pages.
//!
//! The library reads a schema by recursion to any depth, so that a footer of a few kilobytes would overflow the stack,
//! which ends the process. And it passes over lists and maps of truth values, which take no bytes in it, as often as
//! they say, so that a few bytes keep it busy for hours. Neither has a place in a file that is whole.

use ::parquet::file::FOOTER_SIZE;
use ::parquet::file::metadata::FooterTail;
use ::parquet::file::reader::ChunkReader;
use bytes::Bytes;
use flott_api::{Error, Result};

use super::damaged;

/// Schemas nested deeper are refused: a list of lists takes two or three levels each.
const DEPTH_MAX: usize = 128;
/// Structs, lists and maps that nobody reads nest less than this; the library's limit.
const SKIP_DEPTH_MAX: usize = 64;

/// A field of `FileMetaData`.
const SCHEMA: i64 = 2;
/// Fields of `SchemaElement`.
const NAME: i64 = 4;
const CHILDREN: i64 = 5;
const LOGICAL_TYPE: i64 = 10;

/// Types of Thrift's compact protocol.
mod thrift {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

/// The metadata of a file, as bytes whose schema is not too deep.
///
/// # Errors
/// If it is no parquet file.
pub(super) fn metadata(file: &impl ChunkReader) -> Result<Bytes> {
    let length = file.len();
    let no_parquet = || Error::data("the file is no parquet file").with_hint("Check the format of the table.");
    let end = length.checked_sub(FOOTER_SIZE as u64).ok_or_else(no_parquet)?;
    let tail = file.get_bytes(end, FOOTER_SIZE).map_err(damaged)?;
    let tail = FooterTail::try_from(&*tail).map_err(|e| no_parquet().with_source(e))?;
    if tail.is_encrypted_footer() {
        return Err(Error::unsupported("a parquet file with an encrypted footer"));
    }
    let broken = |what: &str| Error::data(format!("the parquet file is damaged: {what}"));
    let start = end.checked_sub(tail.metadata_length() as u64);
    let start = start.ok_or_else(|| broken("its footer is longer than the file"))?;
    let bytes = file.get_bytes(start, tail.metadata_length()).map_err(damaged)?;
    match schema_depth(&bytes) {
        Err(_) => Err(broken("its footer cannot be read")),
        Ok(depth) if depth > DEPTH_MAX => Err(broken(&format!("its schema is nested {depth} levels deep"))),
        Ok(_) => Ok(bytes),
    }
}

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The bytes end within it.
    Ended,
    /// It has no place where it stands.
    Wrong,
}

type Taken<T> = std::result::Result<T, Flaw>;

/// Checks the header of a page, which these bytes begin with.
///
/// # Errors
/// If there is none, or not all of it.
pub(super) fn check_page_header(bytes: &[u8]) -> Taken<()> {
    Input { bytes }.skip(thrift::STRUCT, Shape::Page, 0)
}

/// The structs of which the library reads each field by the type that it should have. With another type it would see
/// something else than what is checked here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    File,
    Group,
    Chunk,
    Column,
    Page,
    DataPage,
    DataPage2,
    Dictionary,
    Statistics,
    /// Any other.
    Other,
}

impl Shape {
    /// The type of a field, `TRUE` for truth values, and what the structs in it are.
    fn field(self, id: i64) -> Option<(u8, Shape)> {
        use thrift::{BINARY, I16, I32, I64, LIST, STRUCT, TRUE};
        let (kind, inner) = match (self, id) {
            (Shape::File, 4) => (LIST, Shape::Group),
            (Shape::Group, 1) => (LIST, Shape::Chunk),
            (Shape::Chunk, 3) => (STRUCT, Shape::Column),
            (Shape::Column, 12) | (Shape::DataPage, 5) | (Shape::DataPage2, 8) => (STRUCT, Shape::Statistics),
            (Shape::Page, 5) => (STRUCT, Shape::DataPage),
            (Shape::Page, 7) => (STRUCT, Shape::Dictionary),
            (Shape::Page, 8) => (STRUCT, Shape::DataPage2),
            (Shape::File, 2 | 5 | 7) | (Shape::Group, 4) | (Shape::Column, 2 | 3 | 8 | 13) => (LIST, Shape::Other),
            (Shape::File | Shape::Chunk, 8) | (Shape::Column, 16 | 17) | (Shape::Page, 6) => (STRUCT, Shape::Other),
            (Shape::File, 1) | (Shape::Column, 1 | 4 | 15) | (Shape::Chunk, 5 | 7) => (I32, Shape::Other),
            (Shape::Page | Shape::DataPage, 1..=4) | (Shape::DataPage2, 1..=6) => (I32, Shape::Other),
            (Shape::Dictionary, 1 | 2) => (I32, Shape::Other),
            (Shape::File, 3) | (Shape::Group, 2 | 3 | 5 | 6) | (Shape::Chunk, 2 | 4 | 6) => (I64, Shape::Other),
            (Shape::Column, 5..=7 | 9..=11 | 14) | (Shape::Statistics, 3 | 4) => (I64, Shape::Other),
            (Shape::Group, 7) => (I16, Shape::Other),
            (Shape::File | Shape::Chunk, 9) | (Shape::File, 6) | (Shape::Chunk, 1) => (BINARY, Shape::Other),
            (Shape::Statistics, 1 | 2 | 5 | 6) => (BINARY, Shape::Other),
            (Shape::Dictionary, 3) | (Shape::DataPage2, 7) | (Shape::Statistics, 7 | 8) => (TRUE, Shape::Other),
            _ => return None,
        };
        Some((kind, inner))
    }
}

/// How many levels the schema in the metadata has.
fn schema_depth(metadata: &[u8]) -> Taken<usize> {
    let mut input = Input { bytes: metadata };
    let (mut id, mut deepest) = (0, 0);
    while let Some(kind) = input.field(&mut id)? {
        if (id, kind) == (SCHEMA, thrift::LIST) {
            deepest = deepest.max(input.tree()?);
        } else {
            input.skip_field(Shape::File, id, kind, 0)?;
        }
    }
    Ok(deepest)
}

/// Thrift, read from the front.
struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Taken<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(Flaw::Ended)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn pass(&mut self, count: u64) -> Taken<()> {
        let rest = usize::try_from(count).ok().and_then(|count| self.bytes.get(count..));
        self.bytes = rest.ok_or(Flaw::Ended)?;
        Ok(())
    }

    fn varint(&mut self) -> Taken<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err(Flaw::Wrong)
    }

    fn integer(&mut self) -> Taken<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// The type of the next field of a struct, whose number goes to `id`; nothing at its end.
    fn field(&mut self, id: &mut i64) -> Taken<Option<u8>> {
        let head = self.byte()?;
        if head & 15 == thrift::STOP {
            return Ok(None);
        }
        *id = if head >> 4 == 0 { self.integer()? } else { id.saturating_add(i64::from(head >> 4)) };
        Ok(Some(head & 15))
    }

    /// The type and the number of a list's elements.
    fn list(&mut self) -> Taken<(u8, u64)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((head & 15, count))
    }

    /// The depth of the list of a schema's elements, each of which is followed by its children.
    fn tree(&mut self) -> Taken<usize> {
        let (kind, count) = self.list()?;
        if count > 0 && kind != thrift::STRUCT {
            return Err(Flaw::Wrong);
        }
        // How many children are to come, of each element around.
        let mut open: Vec<i64> = Vec::new();
        let mut deepest = 0;
        for _ in 0..count {
            let children = self.children()?;
            deepest = deepest.max(open.len() + 1);
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Ok(deepest)
    }

    fn children(&mut self) -> Taken<i64> {
        let (mut id, mut children) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (CHILDREN, thrift::I32) => children = self.integer()?,
                // The library reads each by the type that it should have, so that with others it would see another tree.
                (NAME, thrift::BINARY) | (LOGICAL_TYPE, thrift::STRUCT) => self.skip(kind, Shape::Other, 0)?,
                (1..LOGICAL_TYPE, kind) if id == NAME || kind != thrift::I32 => return Err(Flaw::Wrong),
                (LOGICAL_TYPE, _) => return Err(Flaw::Wrong),
                _ => self.skip(kind, Shape::Other, 0)?,
            }
        }
        Ok(children)
    }

    /// Passes over a field of a struct.
    fn skip_field(&mut self, shape: Shape, id: i64, kind: u8, depth: usize) -> Taken<()> {
        let Some((wanted, inner)) = shape.field(id) else { return self.skip(kind, Shape::Other, depth) };
        if kind != wanted && (kind, wanted) != (thrift::FALSE, thrift::TRUE) {
            return Err(Flaw::Wrong);
        }
        self.skip(kind, inner, depth)
    }

    fn skip(&mut self, kind: u8, shape: Shape, depth: usize) -> Taken<()> {
        if depth > SKIP_DEPTH_MAX {
            return Err(Flaw::Wrong);
        }
        match kind {
            // A field's truth value lies in its type.
            thrift::TRUE | thrift::FALSE => Ok(()),
            thrift::BYTE => self.pass(1),
            thrift::I16 | thrift::I32 | thrift::I64 => self.varint().map(drop),
            thrift::DOUBLE => self.pass(8),
            thrift::UUID => self.pass(16),
            thrift::BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            thrift::LIST | thrift::SET => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(kind, shape, depth))
            }
            thrift::MAP => {
                let count = self.varint()?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, Shape::Other, depth)?;
                    self.skip_element(kinds & 15, Shape::Other, depth)
                })
            }
            thrift::STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip_field(shape, id, kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Flaw::Wrong),
        }
    }

    /// Outside of structs a truth value takes a byte, but none in the library.
    fn skip_element(&mut self, kind: u8, shape: Shape, depth: usize) -> Taken<()> {
        match kind {
            thrift::TRUE | thrift::FALSE => Err(Flaw::Wrong),
            _ => self.skip(kind, shape, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata of a version and a schema, whose elements have so many children each.
    fn metadata_of(children: &[u8]) -> Vec<u8> {
        let mut out = vec![0x15, 2, 0x19, 0xfc];
        let count = children.len();
        out.extend([count as u8 & 0x7f | 0x80, (count >> 7) as u8]);
        for children in children {
            // The name "a", then the children.
            out.extend([0x48, 1, b'a', 0x15, children * 2, 0]);
        }
        out.push(0);
        out
    }

    #[test]
    fn depth_is_that_of_the_deepest_leaf() {
        let depth = |children: &[u8]| schema_depth(&metadata_of(children));
        assert_eq!(depth(&[]), Ok(0));
        assert_eq!(depth(&[2, 0, 0]), Ok(2));
        assert_eq!(depth(&[3, 1, 0, 2, 0, 1, 0, 0]), Ok(4));
        assert_eq!(depth(&[1; 5000]), Ok(5000));
    }

    #[test]
    fn what_is_cut_or_nested_without_an_end_is_no_metadata() {
        let whole = metadata_of(&[2, 0, 0]);
        for length in 0..whole.len() {
            assert_eq!(schema_depth(&whole[..length]), Err(Flaw::Ended), "{length}");
        }
        assert_eq!(schema_depth(&[0x5c; 500]), Err(Flaw::Wrong));
        let many = [0xff, 0xff, 0xff, 0xff, 7];
        // Field 7 as a list of truth values, as a map of them, and as a list of bytes.
        assert_eq!(schema_depth(&[[0x79, 0xf1].as_slice(), &many].concat()), Err(Flaw::Wrong));
        assert_eq!(schema_depth(&[[0x7b].as_slice(), &many, &[0x21]].concat()), Err(Flaw::Wrong));
        assert_eq!(schema_depth(&[[0x79, 0xf3].as_slice(), &many].concat()), Err(Flaw::Ended));
    }

    #[test]
    fn a_schema_that_would_overflow_the_stack_is_refused() {
        let mut file = b"PAR1".to_vec();
        let metadata_bytes = metadata_of(&[1; 16_000]);
        file.extend(&metadata_bytes);
        file.extend((metadata_bytes.len() as u32).to_le_bytes());
        file.extend(b"PAR1");
        let error = metadata(&Bytes::from(file)).unwrap_err();
        assert_eq!(error.message(), "the parquet file is damaged: its schema is nested 16000 levels deep");
    }
}
