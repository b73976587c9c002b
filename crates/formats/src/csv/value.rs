//! The text of a CSV field as a value, by Flink's rules for each type.

use flott_api::{LogicalType, TypeKind};

use super::CsvOptions;
use crate::column::{Column, Values};
use crate::text::time::{Moment, Shape, iso_time, sql_date, timestamp};
use crate::text::{base64, number, trim};

const LOCAL: Shape = Shape { separator: b' ', zulu: false, strict: false };
const INSTANT: Shape = Shape { separator: b' ', zulu: true, strict: false };

/// Whether a field's text stands for NULL.
#[inline]
pub(super) fn is_null(text: &[u8], options: &CsvOptions) -> bool {
    (options.empty_as_null && text.is_empty()) || options.null_literal.as_deref().is_some_and(|literal| literal == text)
}

/// Adds the value of `text`; `false` if it is none of the column's type. The column is then to be cut back if the type
/// is nested.
#[inline]
pub(super) fn push(column: &mut Column, text: &[u8], options: &CsvOptions) -> bool {
    match (&mut column.values, &column.ty.kind) {
        (Values::Bytes { utf8: true, .. }, _) => return std::str::from_utf8(text).is_ok() && column.push_bytes(text),
        (Values::Int32(v), TypeKind::Date) => push_some(v, sql_date(text)),
        (Values::Int32(v), TypeKind::Time(p)) => push_some(v, iso_time(text, *p, false)),
        (Values::Int32(v), _) => push_some(v, number::integer(trim(text))),
        (Values::Int64(v), TypeKind::BigInt) => push_some(v, number::integer(trim(text))),
        (Values::Float64(v), _) => push_some(v, number::float64(trim(text))),
        (Values::Float32(v), _) => push_some(v, number::float32(trim(text))),
        (Values::Int8(v), _) => push_some(v, number::integer(trim(text))),
        (Values::Int16(v), _) => push_some(v, number::integer(trim(text))),
        (Values::Boolean(v), _) => push_some(v, Some(trim(text).eq_ignore_ascii_case(b"true"))),
        (Values::Decimal(_), TypeKind::Decimal { precision, scale }) => {
            let value = number::decimal(text, *precision, *scale);
            return column.push_decimal(value);
        }
        (_, TypeKind::Timestamp(p)) => {
            let precision = *p;
            return timestamp(trim(text), LOCAL).is_some_and(|m| column.push_moment(m, precision));
        }
        (_, TypeKind::TimestampLtz(p)) => {
            let precision = *p;
            return timestamp(trim(text), INSTANT).is_some_and(|m| column.push_moment(m, precision));
        }
        (Values::Bytes { .. }, _) => return column.push_base64(text),
        (Values::List { .. }, _) => return push_array(column, text, options),
        (Values::Row(_), _) => return push_row(column, text, options),
        _ => {
            column.push_null();
            return true;
        }
    }
    .then(|| column.pushed())
    .is_some()
}

#[inline]
fn push_some<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|v| values.push(v)).is_some()
}

/// The elements of a field. An empty one has none.
fn elements<'a>(text: &'a [u8], options: &'a CsvOptions) -> impl Iterator<Item = &'a [u8]> {
    let delimiter = options.array_delimiter.as_slice();
    let mut rest = (!trim(text).is_empty()).then_some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let found = memchr::memmem::find(current, delimiter).filter(|_| !delimiter.is_empty());
        rest = found.map(|i| &current[i + delimiter.len()..]);
        let element = found.map_or(current, |i| &current[..i]);
        Some(if options.trim_spaces { trim(element) } else { element })
    })
}

fn push_array(column: &mut Column, text: &[u8], options: &CsvOptions) -> bool {
    let Values::List { ends, child } = &mut column.values else { return false };
    for element in elements(text, options) {
        if !push_element(child, element, options) {
            return false;
        }
    }
    let Ok(end) = i32::try_from(child.len()) else { return false };
    ends.push(end);
    column.pushed();
    true
}

fn push_element(child: &mut Column, text: &[u8], options: &CsvOptions) -> bool {
    let null = is_null(text, options);
    if !null && push(child, text, options) {
        return true;
    }
    if null || options.ignore_parse_errors {
        child.push_null();
    }
    null || options.ignore_parse_errors
}

/// A row without any field is null; one with too many loses the last ones.
fn push_row(column: &mut Column, text: &[u8], options: &CsvOptions) -> bool {
    let mut elements = elements(text, options).peekable();
    if elements.peek().is_none() {
        column.push_null();
        return true;
    }
    let Values::Row(children) = &mut column.values else { return false };
    for child in children {
        match elements.next() {
            Some(element) => {
                if !push_element(child, element, options) {
                    return false;
                }
            }
            None if options.ignore_parse_errors => child.push_null(),
            None => return false,
        }
    }
    column.pushed();
    true
}

impl Column {
    /// Adds a decimal; one that is too large is null.
    pub(crate) fn push_decimal(&mut self, value: number::Decimal) -> bool {
        let Values::Decimal(values) = &mut self.values else { return false };
        match value {
            number::Decimal::Value(v) => {
                values.push(v);
                self.pushed();
            }
            number::Decimal::Overflow => self.push_null(),
            number::Decimal::Malformed => return false,
        }
        true
    }

    /// Adds a timestamp, cut to the precision; one too far away for 64 bits does not fit.
    pub(crate) fn push_moment(&mut self, moment: Moment, precision: u8) -> bool {
        let moment = moment.cut(precision);
        match (&mut self.values, moment.millis(), moment.micros()) {
            (Values::Int64(v), Some(value), _) if precision <= 3 => v.push(value),
            (Values::Int64(v), _, Some(value)) => v.push(value),
            (Values::Nanos { millis, nanos }, Some(value), _) => {
                millis.push(value);
                nanos.push((moment.nanos % 1_000_000) as i32);
            }
            _ => return false,
        }
        self.pushed();
        true
    }

    /// Adds bytes that are written as Base64.
    pub(crate) fn push_base64(&mut self, text: &[u8]) -> bool {
        let Values::Bytes { ends, data, .. } = &mut self.values else { return false };
        if data.len() + text.len() > i32::MAX as usize || !base64::decode(text, data) {
            return false;
        }
        ends.push(data.len() as i32);
        self.pushed();
        true
    }
}

/// Why a text is no value of a type, for messages.
pub(crate) fn mismatch(text: &[u8], ty: &LogicalType) -> String {
    let text = crate::text::excerpt(text);
    let ty = ty.clone().with_nullable(true);
    format!("'{text}' is no {ty}")
}
