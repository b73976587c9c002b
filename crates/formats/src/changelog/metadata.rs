//! Metadata columns: what an event says besides its rows.

use flott_api::{Error, LogicalType, Result, TypeKind};

use super::Dialect;
use super::envelope::{Parts, each_field, mismatch, text_of};
use crate::column::{Column, Values};
use crate::json::scan::{Kind, Scanner};
use crate::json::value::{Fail, Taken, ValueReader};
use crate::text::number::integer;
use crate::text::time::{Moment, Shape, short_timestamp, timestamp};
use crate::text::{excerpt, trim};

/// A metadata column.
#[derive(Clone, Copy)]
pub(super) struct Metadata {
    pub(super) key: &'static str,
    part: usize,
    reading: Reading,
}

/// What a part becomes.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A map of texts.
    Texts,
    /// A map of numbers.
    Numbers,
    /// The moment of so many milliseconds.
    Millis,
    /// The moment of so many seconds.
    Seconds,
    /// A text inside of the part.
    Property(&'static str),
    /// The moment of so many milliseconds inside of the part.
    PropertyMillis(&'static str),
    /// The moment of a text like `2020-05-13T15:40:07.413000`; null if it is no time.
    IsoMicros,
    /// The moment of a text like `2020-05-13 15:40:07`, with any fraction.
    Sql,
}

impl Metadata {
    /// The column `key`, which is read from a part.
    pub(super) const fn new(key: &'static str, part: usize, reading: Reading) -> Self {
        Metadata { key, part, reading }
    }

    /// Which part it is read from.
    #[cfg(test)]
    pub(super) fn part(&self) -> usize {
        self.part
    }

    /// The column's type.
    pub(super) fn ty(&self) -> LogicalType {
        let map = |value| LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(value)));
        match self.reading {
            Reading::Text | Reading::Property(_) => LogicalType::string(),
            Reading::List => LogicalType::new(TypeKind::Array(Box::new(LogicalType::string()))),
            Reading::Texts => map(LogicalType::string()),
            Reading::Numbers => map(LogicalType::new(TypeKind::Int)),
            Reading::Millis | Reading::Seconds | Reading::PropertyMillis(_) => {
                LogicalType::new(TypeKind::TimestampLtz(3))
            }
            Reading::IsoMicros | Reading::Sql => LogicalType::new(TypeKind::TimestampLtz(6)),
        }
    }
}

/// Reads the metadata columns that were asked for.
pub(super) struct MetadataReader {
    wanted: Vec<Metadata>,
    number: Column,
    text: Column,
}

impl MetadataReader {
    /// A reader of these keys.
    ///
    /// # Errors
    /// If the dialect does not have one of them.
    pub(super) fn new(dialect: &Dialect, keys: &[(String, LogicalType)]) -> Result<Self> {
        let find = |(key, _): &(String, LogicalType)| {
            let found = dialect.metadata.iter().find(|m| m.key == key).copied();
            found.ok_or_else(|| Error::invalid(format!("format '{}' has no metadata '{key}'", dialect.name)))
        };
        Ok(MetadataReader {
            wanted: keys.iter().map(find).collect::<Result<_>>()?,
            number: Column::new(&LogicalType::new(TypeKind::BigInt)),
            text: Column::new(&LogicalType::string()),
        })
    }

    /// Adds the values of an event to their columns.
    pub(super) fn push(&mut self, parts: &Parts<'_>, reader: &mut ValueReader, columns: &mut [Column]) -> Taken<()> {
        for (column, metadata) in columns.iter_mut().zip(&self.wanted) {
            let Some(part) = parts.get(metadata.part) else {
                column.push_null();
                continue;
            };
            let source = Source { part, number: &mut self.number, text: &mut self.text, reader: &mut *reader };
            source.push(metadata.reading, column).map_err(|fail| within(metadata.key, fail))?;
        }
        Ok(())
    }
}

fn within(key: &str, fail: Fail) -> Fail {
    match fail {
        Fail::Mismatch(what) => Fail::Mismatch(format!("metadata '{key}': {what}")),
        syntax => syntax,
    }
}

/// A part, and what it is read with.
struct Source<'a> {
    part: &'a [u8],
    number: &'a mut Column,
    text: &'a mut Column,
    reader: &'a mut ValueReader,
}

impl Source<'_> {
    fn push(self, reading: Reading, column: &mut Column) -> Taken<()> {
        match reading {
            Reading::Text | Reading::List | Reading::Texts | Reading::Numbers => {
                self.reader.value(&mut Scanner::new(self.part), column, true)
            }
            Reading::Millis => push_millis(column, self.whole_number()?),
            Reading::Seconds => push_millis(column, self.whole_number()?.map(|n| n.wrapping_mul(1000))),
            Reading::Property(key) => match property(self.part, key)? {
                Some(value) => self.reader.value(&mut Scanner::new(value), column, true),
                None => push_null(column),
            },
            Reading::PropertyMillis(key) => {
                let Some(value) = property(self.part, key)? else { return push_null(column) };
                let mut scratch = Vec::new();
                let text = text_of(value, &mut scratch)?;
                match integer::<i64>(text) {
                    Some(millis) => push_millis(column, Some(millis)),
                    None => mismatch(format!("'{}' is no BIGINT", excerpt(text))),
                }
            }
            Reading::IsoMicros | Reading::Sql => self.moment(matches!(reading, Reading::Sql), column),
        }
    }

    /// The part as a number, read like a column of type BIGINT.
    fn whole_number(self) -> Taken<Option<i64>> {
        self.number.truncate(0);
        self.reader.value(&mut Scanner::new(self.part), self.number, true)?;
        Ok(match &self.number.values {
            Values::Int64(values) if !self.number.is_null(0) => values.first().copied(),
            _ => None,
        })
    }

    /// The part as a time, read from what it is as a column of type STRING.
    fn moment(self, sql: bool, column: &mut Column) -> Taken<()> {
        self.text.truncate(0);
        self.reader.value(&mut Scanner::new(self.part), self.text, true)?;
        let text = match &self.text.values {
            Values::Bytes { data, .. } if !self.text.is_null(0) => data.as_slice(),
            _ => return push_null(column),
        };
        let moment = if sql { short_timestamp(text) } else { iso_micros(text) };
        match moment {
            Some(moment) if column.push_moment(moment, 6) => Ok(()),
            None if !sql => push_null(column),
            _ => mismatch(format!("'{}' is no TIMESTAMP", excerpt(text))),
        }
    }
}

/// A time with six digits of a second behind a `T`, or as [`short_timestamp`] reads it.
fn iso_micros(text: &[u8]) -> Option<Moment> {
    const LENGTH: usize = "2020-05-13T15:40:07.413000".len();
    let iso = timestamp(text, Shape { separator: b'T', zulu: false, strict: false });
    iso.filter(|_| text.len() == LENGTH).or_else(|| short_timestamp(trim(text)))
}

/// A value inside of an object that is not null; what is no object has none.
fn property<'a>(text: &'a [u8], wanted: &str) -> Taken<Option<&'a [u8]>> {
    if Scanner::new(text).kind()? != Kind::Object {
        return Ok(None);
    }
    let mut found = None;
    each_field(text, |key, value| {
        if key == wanted.as_bytes() {
            found = Some(value);
        }
    })?;
    Ok(found.filter(|value| *value != b"null"))
}

fn push_null(column: &mut Column) -> Taken<()> {
    column.push_null();
    Ok(())
}

fn push_millis(column: &mut Column, millis: Option<i64>) -> Taken<()> {
    let Some(millis) = millis else { return push_null(column) };
    let Values::Int64(values) = &mut column.values else { return mismatch("the column holds no times") };
    values.push(millis);
    column.pushed();
    Ok(())
}
