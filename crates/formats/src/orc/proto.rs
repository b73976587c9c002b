//! The messages that describe a file, as <https://orc.apache.org/specification/ORCv1/> numbers their fields. Only what
//! is needed is read; what is not known is passed over.

use crate::protobuf::wire::{BYTES, FIXED32, FIXED64, Input, Raw, Taken, VARINT, begin, end, put_bytes, put_varint};

/// What a column is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    String,
    Binary,
    Timestamp,
    List,
    Map,
    Struct,
    Union,
    Decimal,
    Date,
    Varchar,
    Char,
    TimestampInstant,
}

const KINDS: [(Kind, &str); 19] = [
    (Kind::Boolean, "boolean"),
    (Kind::Byte, "tinyint"),
    (Kind::Short, "smallint"),
    (Kind::Int, "int"),
    (Kind::Long, "bigint"),
    (Kind::Float, "float"),
    (Kind::Double, "double"),
    (Kind::String, "string"),
    (Kind::Binary, "binary"),
    (Kind::Timestamp, "timestamp"),
    (Kind::List, "array"),
    (Kind::Map, "map"),
    (Kind::Struct, "struct"),
    (Kind::Union, "uniontype"),
    (Kind::Decimal, "decimal"),
    (Kind::Date, "date"),
    (Kind::Varchar, "varchar"),
    (Kind::Char, "char"),
    (Kind::TimestampInstant, "timestamp with local time zone"),
];

impl Kind {
    /// What ORC calls it.
    pub(super) fn name(self) -> &'static str {
        KINDS[self as usize].1
    }
}

/// A node of a file's schema; the first is the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) children: Vec<usize>,
    pub(super) names: Vec<String>,
    pub(super) length: u64,
    pub(super) precision: u64,
    pub(super) scale: u64,
}

impl Type {
    /// A type without parameters.
    pub(super) fn new(kind: Kind) -> Self {
        Type { kind, children: Vec::new(), names: Vec::new(), length: 0, precision: 0, scale: 0 }
    }
}

/// Where a stripe lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StripePlace {
    pub(super) offset: u64,
    pub(super) index: u64,
    pub(super) data: u64,
    pub(super) footer: u64,
    pub(super) rows: u64,
}

/// The end of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PostScript {
    pub(super) footer: u64,
    pub(super) codec: u64,
    pub(super) chunk: Option<u64>,
    pub(super) metadata: u64,
    pub(super) magic: Vec<u8>,
}

/// What a file has.
#[derive(Clone, Debug, Default)]
pub(super) struct Footer {
    pub(super) stripes: Vec<StripePlace>,
    pub(super) types: Vec<Type>,
    pub(super) rows: u64,
}

/// What streams a stripe has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StripeFooter {
    pub(super) streams: Vec<StreamPlace>,
    pub(super) encodings: Vec<Encoding>,
    pub(super) zone: String,
}

/// A stream, in the order of the stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamPlace {
    pub(super) kind: u64,
    pub(super) column: u64,
    pub(super) length: u64,
}

/// How a column is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) kind: u64,
    pub(super) dictionary: u64,
}

impl Encoding {
    /// Whether texts lie in a dictionary.
    pub(super) fn has_dictionary(self) -> bool {
        matches!(self.kind, encoding::DICTIONARY | encoding::DICTIONARY_V2)
    }
}

/// Kinds of streams.
pub(super) mod stream {
    pub(crate) const PRESENT: u64 = 0;
    pub(crate) const DATA: u64 = 1;
    pub(crate) const LENGTH: u64 = 2;
    pub(crate) const DICTIONARY_DATA: u64 = 3;
    pub(crate) const SECONDARY: u64 = 5;
    pub(crate) const ROW_INDEX: u64 = 6;
}

/// Kinds of encodings; those of version 2 have integers of version 2.
pub(super) mod encoding {
    pub(crate) const DIRECT: u64 = 0;
    pub(crate) const DICTIONARY: u64 = 1;
    pub(crate) const DIRECT_V2: u64 = 2;
    pub(crate) const DICTIONARY_V2: u64 = 3;
}

/// Numbers of codecs.
pub(super) mod codec {
    pub(crate) const NONE: u64 = 0;
    pub(crate) const ZLIB: u64 = 1;
    pub(crate) const SNAPPY: u64 = 2;
    pub(crate) const LZO: u64 = 3;
    pub(crate) const LZ4: u64 = 4;
    pub(crate) const ZSTD: u64 = 5;
}

// ---- reading

fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(u32, Raw<'a>) -> Taken<()>) -> Taken<()> {
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let (number, wire) = input.key()?;
        match wire {
            VARINT | FIXED64 | BYTES | FIXED32 => take(number, input.value(wire)?)?,
            _ => input.skip(number, wire)?,
        }
    }
    Ok(())
}

fn number(raw: Raw<'_>) -> Taken<u64> {
    match raw {
        Raw::Bits(bits) => Ok(bits),
        Raw::Bytes(_) => Err("bytes stand where a number should".to_owned()),
    }
}

fn bytes(raw: Raw<'_>) -> Taken<&[u8]> {
    match raw {
        Raw::Bytes(bytes) => Ok(bytes),
        Raw::Bits(_) => Err("a number stands where bytes should".to_owned()),
    }
}

fn text(raw: Raw<'_>) -> Taken<String> {
    String::from_utf8(bytes(raw)?.to_vec()).map_err(|_| "a name is no UTF-8".to_owned())
}

/// Numbers that may lie packed or each for itself.
fn numbers(raw: Raw<'_>, mut take: impl FnMut(u64)) -> Taken<()> {
    match raw {
        Raw::Bits(bits) => take(bits),
        Raw::Bytes(packed) => {
            let mut input = Input::new(packed);
            while !input.is_empty() {
                take(input.varint()?);
            }
        }
    }
    Ok(())
}

impl PostScript {
    /// Reads the message.
    pub(super) fn read(message: &[u8]) -> Taken<Self> {
        let mut found = PostScript::default();
        each(message, |field, raw| {
            match field {
                1 => found.footer = number(raw)?,
                2 => found.codec = number(raw)?,
                3 => found.chunk = Some(number(raw)?),
                5 => found.metadata = number(raw)?,
                8000 => found.magic = bytes(raw)?.to_vec(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The message of a file of ours.
    pub(super) fn write(&self, writer_version: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(1, self.footer, &mut out);
        put_number(2, self.codec, &mut out);
        if let Some(chunk) = self.chunk {
            put_number(3, chunk, &mut out);
        }
        // Version 0.12 of the format.
        put_message(4, &[0, 12], &mut out);
        put_number(5, self.metadata, &mut out);
        put_number(6, writer_version, &mut out);
        put_message(8000, &self.magic, &mut out);
        out
    }
}

impl Footer {
    /// Reads the message.
    pub(super) fn read(message: &[u8]) -> Taken<Self> {
        let mut found = Footer::default();
        each(message, |field, raw| {
            match field {
                3 => found.stripes.push(StripePlace::read(bytes(raw)?)?),
                4 => found.types.push(Type::read(bytes(raw)?)?),
                6 => found.rows = number(raw)?,
                10 => return Err("the file is encrypted".to_owned()),
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }
}

impl StripePlace {
    fn read(message: &[u8]) -> Taken<Self> {
        let mut found = StripePlace::default();
        each(message, |field, raw| {
            match field {
                1 => found.offset = number(raw)?,
                2 => found.index = number(raw)?,
                3 => found.data = number(raw)?,
                4 => found.footer = number(raw)?,
                5 => found.rows = number(raw)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The message.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (field, value) in [(1, self.offset), (2, self.index), (3, self.data), (4, self.footer), (5, self.rows)] {
            put_number(field, value, &mut out);
        }
        out
    }
}

impl Type {
    fn read(message: &[u8]) -> Taken<Self> {
        let mut found = Type::new(Kind::Boolean);
        each(message, |field, raw| {
            match field {
                1 => {
                    let kind = number(raw)?;
                    let known = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind));
                    found.kind = known.ok_or_else(|| format!("type {kind} does not exist"))?.0;
                }
                2 => numbers(raw, |child| found.children.push(usize::try_from(child).unwrap_or(usize::MAX)))?,
                3 => found.names.push(text(raw)?),
                4 => found.length = number(raw)?,
                5 => found.precision = number(raw)?,
                6 => found.scale = number(raw)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The message.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(1, self.kind as u64, &mut out);
        if !self.children.is_empty() {
            let mut packed = Vec::new();
            self.children.iter().for_each(|child| put_varint(*child as u64, &mut packed));
            put_message(2, &packed, &mut out);
        }
        self.names.iter().for_each(|name| put_message(3, name.as_bytes(), &mut out));
        match self.kind {
            Kind::Char | Kind::Varchar => put_number(4, self.length, &mut out),
            Kind::Decimal => {
                put_number(5, self.precision, &mut out);
                put_number(6, self.scale, &mut out);
            }
            _ => {}
        }
        out
    }
}

impl StripeFooter {
    /// Reads the message.
    pub(super) fn read(message: &[u8]) -> Taken<Self> {
        let mut found = StripeFooter::default();
        each(message, |field, raw| {
            match field {
                1 => {
                    let mut place = StreamPlace { kind: 0, column: 0, length: 0 };
                    each(bytes(raw)?, |field, raw| {
                        match field {
                            1 => place.kind = number(raw)?,
                            2 => place.column = number(raw)?,
                            3 => place.length = number(raw)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    found.streams.push(place);
                }
                2 => {
                    let mut encoding = Encoding::default();
                    each(bytes(raw)?, |field, raw| {
                        match field {
                            1 => encoding.kind = number(raw)?,
                            2 => encoding.dictionary = number(raw)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    found.encodings.push(encoding);
                }
                3 => found.zone = text(raw)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The message.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for place in &self.streams {
            put_nested(1, &mut out, |out| {
                put_number(1, place.kind, out);
                put_number(2, place.column, out);
                put_number(3, place.length, out);
            });
        }
        for encoding in &self.encodings {
            put_nested(2, &mut out, |out| {
                put_number(1, encoding.kind, out);
                if encoding.has_dictionary() {
                    put_number(2, encoding.dictionary, out);
                }
            });
        }
        put_message(3, self.zone.as_bytes(), &mut out);
        out
    }
}

// ---- writing

/// Appends a field that is a number.
pub(super) fn put_number(field: u64, value: u64, out: &mut Vec<u8>) {
    put_varint(field << 3 | u64::from(VARINT), out);
    put_varint(value, out);
}

/// Appends a field that is a number with a sign in front of its bits (`sint64`).
pub(super) fn put_signed(field: u64, value: i64, out: &mut Vec<u8>) {
    put_number(field, super::zigzag(value), out);
}

/// Appends a field of eight bytes.
pub(super) fn put_double(field: u64, value: f64, out: &mut Vec<u8>) {
    put_varint(field << 3 | u64::from(FIXED64), out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field that is bytes, a text or a message.
pub(super) fn put_message(field: u64, message: &[u8], out: &mut Vec<u8>) {
    put_varint(field << 3 | u64::from(BYTES), out);
    put_bytes(message, out);
}

/// Appends a field that is a message.
pub(super) fn put_nested(field: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(field << 3 | u64::from(BYTES), out);
    let start = begin(out);
    write(out);
    end(start, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let types = [
            Type { children: vec![1, 2], names: vec!["a".to_owned(), "b".to_owned()], ..Type::new(Kind::Struct) },
            Type { precision: 38, scale: 3, ..Type::new(Kind::Decimal) },
            Type { length: 300, ..Type::new(Kind::Varchar) },
        ];
        for ty in types {
            assert_eq!(Type::read(&ty.write()), Ok(ty));
        }
        let place = StripePlace { offset: 3, index: 1 << 40, data: 7, footer: 300, rows: u64::MAX };
        assert_eq!(StripePlace::read(&place.write()), Ok(place));
        let footer = StripeFooter {
            streams: vec![StreamPlace { kind: 1, column: 2, length: 1000 }],
            encodings: vec![Encoding { kind: 3, dictionary: 17 }, Encoding { kind: 2, dictionary: 0 }],
            zone: "UTC".to_owned(),
        };
        assert_eq!(StripeFooter::read(&footer.write()), Ok(footer));
        let end = PostScript { footer: 1, codec: 2, chunk: Some(300), metadata: 4, magic: b"ORC".to_vec() };
        assert_eq!(PostScript::read(&end.write(6)), Ok(end));
    }

    #[test]
    fn kinds_stand_at_their_numbers() {
        for (number, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }
}
