//! Where the parts of an event lie in its text.

use super::{Dialect, OPERATION};
use crate::json::scan::{Kind, Scanner};
use crate::json::value::{Fail, Taken};

/// As many parts as a dialect may have.
const PARTS_MAX: usize = 9;
/// Where the schema lies beside the payload, among the parts of the dialect that wraps.
const SCHEMA: usize = 3;

/// The texts of an event's parts, those that are there.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts<'a>([Option<&'a [u8]>; PARTS_MAX]);

impl<'a> Parts<'a> {
    /// The parts of the event; with `wrapped` it lies in `payload`.
    pub(super) fn read(text: &'a [u8], dialect: &Dialect, wrapped: bool) -> Taken<Self> {
        let text = if dialect.only_changed { text } else { only_event(text)? };
        let mut parts = Parts::default();
        let find = |key: &[u8]| dialect.parts.iter().position(|part| part.as_bytes() == key);
        if !wrapped {
            each_field(text, |key, value| parts.set(find(key), value))?;
            return Ok(parts);
        }
        let (mut payload, mut schema) = (None, None);
        each_field(text, |key, value| match key {
            b"payload" => payload = Some(value),
            b"schema" => schema = Some(value),
            _ => {}
        })?;
        let Some(payload) = payload.filter(|p| *p != b"null") else { return mismatch("the event has no 'payload'") };
        each_field(payload, |key, value| parts.set(find(key), value))?;
        parts.0[SCHEMA] = schema;
        Ok(parts)
    }

    fn set(&mut self, part: Option<usize>, value: &'a [u8]) {
        if let Some(part) = part {
            self.0[part] = Some(value);
        }
    }

    /// A part that is there, and may be `null`.
    pub(super) fn written(&self, part: usize) -> Option<&'a [u8]> {
        self.0[part]
    }

    /// A part that is there and not null.
    pub(super) fn get(&self, part: usize) -> Option<&'a [u8]> {
        self.written(part).filter(|text| *text != b"null")
    }

    /// The operation as a text.
    pub(super) fn operation<'b>(&self, scratch: &'b mut Vec<u8>) -> Taken<Option<&'b [u8]>>
    where
        'a: 'b,
    {
        self.get(OPERATION).map(|operation| text_of(operation, scratch)).transpose()
    }
}

/// The event of an array that has one; anything else as it is.
fn only_event(text: &[u8]) -> Taken<&[u8]> {
    let mut scan = Scanner::new(text);
    if scan.kind()? != Kind::Array {
        return Ok(text);
    }
    scan.open()?;
    let event = if scan.more(true, b']')? { Some(scan.skip()?) } else { None };
    match event {
        Some(event) if !scan.more(false, b']')? => Ok(event),
        _ => mismatch("the array has not one event"),
    }
}

/// A value as a text: a string without its quotes and escapes, anything else as it is written.
pub(super) fn text_of<'b>(value: &'b [u8], scratch: &'b mut Vec<u8>) -> Taken<&'b [u8]> {
    if value.first() == Some(&b'"') { Ok(Scanner::new(value).string(scratch)?) } else { Ok(value) }
}

/// Calls `take` with each key and value of an object.
pub(super) fn each_field<'a>(text: &'a [u8], mut take: impl FnMut(&[u8], &'a [u8])) -> Taken<()> {
    let mut scan = Scanner::new(text);
    let mut scratch = Vec::new();
    if scan.kind()? != Kind::Object {
        return mismatch("the record is no JSON object");
    }
    scan.open()?;
    let mut first = true;
    while scan.more(first, b'}')? {
        first = false;
        let key = scan.key(&mut scratch)?;
        take(key, scan.skip()?);
    }
    Ok(())
}

/// The rows of a part: the elements of an array, or the part itself.
pub(super) struct Images<'a> {
    scan: Scanner<'a>,
    many: bool,
    first: bool,
}

impl<'a> Images<'a> {
    /// The rows of the part's text, which `name` is the name of.
    pub(super) fn new(text: &'a [u8], name: &str, many: bool) -> Taken<Self> {
        let mut scan = Scanner::new(text);
        if many {
            if scan.kind()? != Kind::Array {
                return mismatch(format!("'{name}' is no JSON array"));
            }
            scan.open()?;
        }
        Ok(Images { scan, many, first: true })
    }

    /// The text of the next row.
    pub(super) fn next(&mut self) -> Taken<Option<&'a [u8]>> {
        match self.next_scan()? {
            Some(scan) => Ok(Some(scan.skip()?)),
            None => Ok(None),
        }
    }

    /// The place of the next row, which the caller reads before the one behind it.
    pub(super) fn next_scan(&mut self) -> Taken<Option<&mut Scanner<'a>>> {
        let more = if self.many { self.scan.more(self.first, b']')? } else { self.first };
        self.first = false;
        Ok(more.then_some(&mut self.scan))
    }
}

pub(super) fn mismatch<T>(what: impl Into<String>) -> Taken<T> {
    Err(Fail::Mismatch(what.into()))
}

#[cfg(test)]
mod tests {
    use super::super::{canal, debezium, maxwell, ogg};
    use super::*;

    #[test]
    fn each_dialect_has_the_parts_that_it_reads() {
        for dialect in [canal::DIALECT, debezium::DIALECT, maxwell::DIALECT, ogg::DIALECT] {
            let parts = dialect.parts.len();
            assert!((3..=PARTS_MAX).contains(&parts), "{}", dialect.name);
            assert!(dialect.metadata.iter().all(|m| m.part() < parts), "{}", dialect.name);
            assert!(dialect.filters.iter().all(|(_, part)| *part < parts), "{}", dialect.name);
            assert!(!dialect.wraps || dialect.parts[SCHEMA] == "schema", "{}", dialect.name);
        }
    }

    #[test]
    fn keys_are_found_whatever_escapes_they_have() {
        let event = br#"{"d\u0061ta":{"id":1}, "type" : "INS\u0045RT","old":null,"x":[{"type":1}]}"#;
        let parts = Parts::read(event, &canal::DIALECT, false).ok().unwrap();
        assert_eq!(parts.operation(&mut Vec::new()).ok().unwrap(), Some(b"INSERT".as_slice()));
        assert_eq!((parts.get(1), parts.written(1)), (None, Some(b"null".as_slice())));
        assert_eq!((parts.get(2), parts.get(3)), (Some(br#"{"id":1}"#.as_slice()), None));
    }
}
