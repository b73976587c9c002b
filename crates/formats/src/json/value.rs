//! JSON values to columns, by Flink's rules for each type.

use std::collections::HashMap;
use std::ops::Range;

use flott_api::{Field, Schema, TypeKind};

use super::encode::write_string;
use super::scan::{Kind, Scanner, Syntax};
use super::tree_number::write_tree_number;
use super::{JsonOptions, has_decimal};
use crate::column::{Column, Values};
use crate::text::time::{Shape, iso_date, iso_time, timestamp};
use crate::text::{excerpt, number, trim};

/// Why a value was not taken.
pub(crate) enum Fail {
    /// The text is no JSON.
    Syntax(Syntax),
    /// The value does not fit.
    Mismatch(String),
}

impl From<Syntax> for Fail {
    fn from(syntax: Syntax) -> Self {
        Fail::Syntax(syntax)
    }
}

impl Fail {
    /// The message for the user.
    pub(crate) fn message(self) -> String {
        match self {
            Fail::Syntax(s) => format!("byte {}: {}", s.at + 1, s.what),
            Fail::Mismatch(what) => what,
        }
    }
}

/// What reading a value gives.
pub(crate) type Taken<T> = Result<T, Fail>;

/// Reads values into columns.
pub(crate) struct ValueReader {
    /// The options of the format.
    pub(crate) options: JsonOptions,
    scratch: Vec<u8>,
    /// Keys and values of the maps that are being read, the innermost last.
    entries: Vec<(Range<usize>, Range<usize>)>,
    /// Whether a value of this record became null because it did not fit.
    pub(crate) damaged: bool,
}

impl ValueReader {
    /// A reader with these options, of a table with these columns.
    pub(crate) fn new(mut options: JsonOptions, schema: &Schema) -> Self {
        options.exact_numbers = options.builds_tree && schema.fields.iter().any(|field| has_decimal(&field.ty));
        ValueReader { options, scratch: Vec::new(), entries: Vec::new(), damaged: false }
    }

    /// Reads an object into the columns of its fields, which all have `rows` rows before.
    pub(crate) fn object(
        &mut self,
        scan: &mut Scanner<'_>,
        fields: &[Field],
        columns: &mut [Column],
        rows: usize,
        top: bool,
    ) -> Taken<()> {
        self.members(scan, fields, columns, rows, top)?;
        for (field, column) in fields.iter().zip(columns) {
            if column.len() > rows {
                continue;
            }
            if self.options.fail_on_missing_field {
                return Err(Fail::Mismatch(format!("field '{}' is missing", field.name)));
            }
            if !top && !field.ty.nullable {
                return Err(Fail::Mismatch(format!("field '{}' is missing, but it is {}", field.name, field.ty)));
            }
            column.push_null();
        }
        Ok(())
    }

    /// Reads the fields that the object has into row `rows` of their columns, over what lies there.
    pub(crate) fn members(
        &mut self,
        scan: &mut Scanner<'_>,
        fields: &[Field],
        columns: &mut [Column],
        rows: usize,
        top: bool,
    ) -> Taken<()> {
        scan.open()?;
        let (mut first, mut guess) = (true, 0);
        while scan.more(first, b'}')? {
            first = false;
            let key = scan.key(&mut self.scratch)?;
            let Some(found) = find(fields, key, guess) else {
                scan.skip()?;
                continue;
            };
            guess = found + 1;
            // A key that comes twice: the last one counts.
            if columns[found].len() > rows {
                columns[found].truncate(rows);
            }
            let taken = self.value(scan, &mut columns[found], top);
            taken.map_err(|fail| if top { within(&fields[found].name, fail) } else { fail })?;
        }
        Ok(())
    }

    /// Reads any value. With `null_allowed` also one that is `NOT NULL` may be null, as at the top.
    pub(crate) fn value(&mut self, scan: &mut Scanner<'_>, column: &mut Column, null_allowed: bool) -> Taken<()> {
        let kind = scan.kind()?;
        let (start, depth, length, maps) = (scan.at(), scan.depth(), column.len(), self.entries.len());
        let null_allowed = null_allowed || column.ty.nullable;
        let taken = match kind {
            Kind::Null => {
                scan.literal("null")?;
                if null_allowed {
                    column.push_null();
                }
                Ok(null_allowed)
            }
            _ => self.typed(scan, kind, column),
        };
        let what = match taken {
            // A decimal with too many digits is null.
            Ok(true) if !null_allowed && column.is_null(length) => None,
            Ok(true) => return Ok(()),
            Err(Fail::Syntax(syntax)) => return Err(Fail::Syntax(syntax)),
            Ok(false) => None,
            Err(Fail::Mismatch(what)) => Some(what),
        };
        self.entries.truncate(maps);
        column.truncate(length);
        scan.back_to(start, depth);
        let text = scan.skip()?;
        if self.options.ignore_parse_errors && null_allowed {
            column.push_null();
            self.damaged = true;
            return Ok(());
        }
        Err(Fail::Mismatch(what.unwrap_or_else(|| format!("{} is no {}", shown(text), column.ty))))
    }

    /// Reads a value that is not null; `false` if it does not fit.
    fn typed(&mut self, scan: &mut Scanner<'_>, kind: Kind, column: &mut Column) -> Taken<bool> {
        match &mut column.values {
            Values::List { .. } if matches!(column.ty.kind, TypeKind::Array(_)) => self.array(scan, kind, column),
            Values::List { .. } => self.map(scan, kind, column),
            Values::Row(_) => self.row(scan, kind, column),
            _ => self.scalar(scan, kind, column),
        }
    }

    fn array(&mut self, scan: &mut Scanner<'_>, kind: Kind, column: &mut Column) -> Taken<bool> {
        let Values::List { ends, child } = &mut column.values else { return Ok(false) };
        if kind != Kind::Array {
            return Ok(false);
        }
        scan.open()?;
        let mut first = true;
        while scan.more(first, b']')? {
            first = false;
            self.value(scan, child, false)?;
        }
        Ok(end_list(ends, child.len()) && pushed(column))
    }

    fn row(&mut self, scan: &mut Scanner<'_>, kind: Kind, column: &mut Column) -> Taken<bool> {
        if kind != Kind::Object {
            return Ok(false);
        }
        let rows = column.len();
        let (Values::Row(children), TypeKind::Row(fields) | TypeKind::Structured { fields, .. }) =
            (&mut column.values, &column.ty.kind)
        else {
            return Ok(false);
        };
        self.object(scan, fields, children, rows, false)?;
        Ok(pushed(column))
    }

    /// Maps are read twice: of a key that comes twice only the last value counts.
    fn map(&mut self, scan: &mut Scanner<'_>, kind: Kind, column: &mut Column) -> Taken<bool> {
        let Values::List { ends, child } = &mut column.values else { return Ok(false) };
        let Values::Row(entry) = &mut child.values else { return Ok(false) };
        let [keys, values] = entry.as_mut_slice() else { return Ok(false) };
        if kind != Kind::Object {
            if !self.options.builds_tree {
                return Ok(false);
            }
            scan.skip()?;
            return Ok(end_list(ends, child.len()) && pushed(column));
        }
        let (depth, base) = (scan.depth(), self.entries.len());
        self.find_entries(scan)?;
        let (behind, count) = (scan.at(), self.entries.len());
        for i in base..count {
            let (key, value) = self.entries[i].clone();
            if key.is_empty() {
                continue;
            }
            scan.back_to(key.start, depth + 1);
            let text = scan.string(&mut self.scratch)?;
            if !keys.push_bytes(text) {
                return Ok(false);
            }
            scan.back_to(value.start, depth + 1);
            self.value(scan, values, false)?;
        }
        while child.len() < entry_count(child) {
            child.pushed();
        }
        self.entries.truncate(base);
        scan.back_to(behind, depth);
        Ok(end_list(ends, child.len()) && pushed(column))
    }

    /// Puts where keys and values lie on `entries`; the key of one that comes again later is empty.
    fn find_entries(&mut self, scan: &mut Scanner<'_>) -> Taken<()> {
        let base = self.entries.len();
        scan.open()?;
        let mut first = true;
        while scan.more(first, b'}')? {
            first = false;
            let start = scan.at();
            scan.key(&mut self.scratch)?;
            // Without the colon and the blanks before it, so that equal keys have equal bytes.
            let key_end = start + scan.since(start).iter().rposition(|b| *b == b'"').map_or(0, |quote| quote + 1);
            scan.kind()?;
            let value = scan.at();
            scan.skip()?;
            self.entries.push((start..key_end, value..scan.at()));
        }
        drop_doubles(scan, &mut self.entries[base..]);
        Ok(())
    }

    fn scalar(&mut self, scan: &mut Scanner<'_>, kind: Kind, column: &mut Column) -> Taken<bool> {
        if self.options.builds_tree && push_of_tree(column, kind) {
            scan.skip()?;
            return Ok(true);
        }
        match kind {
            Kind::String => {
                let text = scan.string(&mut self.scratch)?;
                Ok(push_string(column, text, &self.options))
            }
            Kind::Number => {
                let (text, integer) = scan.number()?;
                if self.options.builds_tree && matches!(column.values, Values::Bytes { utf8: true, .. }) {
                    self.scratch.clear();
                    write_tree_number(text, self.options.exact_numbers, false, &mut self.scratch);
                    return Ok(column.push_bytes(&self.scratch));
                }
                let signed_zero = !self.options.builds_tree || !(integer || self.options.exact_numbers);
                Ok(push_number(column, text, integer, signed_zero))
            }
            Kind::True => {
                scan.literal("true")?;
                Ok(push_word(column, b"true"))
            }
            Kind::False => {
                scan.literal("false")?;
                Ok(push_word(column, b"false"))
            }
            Kind::Object | Kind::Array | Kind::Null => {
                if !matches!(column.values, Values::Bytes { utf8: true, .. }) {
                    return Ok(false);
                }
                let text = scan.skip()?;
                let mut compact = std::mem::take(&mut self.scratch);
                compact.clear();
                write_compact(text, &self.options, &mut compact);
                let good = column.push_bytes(&compact);
                self.scratch = compact;
                Ok(good)
            }
        }
    }
}

/// Empties the keys that come again later. Small maps, nearly all, are compared pair by pair.
fn drop_doubles(scan: &Scanner<'_>, entries: &mut [(Range<usize>, Range<usize>)]) {
    const PAIRWISE_MAX: usize = 16;
    if entries.len() <= PAIRWISE_MAX {
        for i in 1..entries.len() {
            let (earlier, rest) = entries.split_at_mut(i);
            let key = scan.bytes(&rest[0].0);
            earlier.iter_mut().filter(|(k, _)| scan.bytes(k) == key).for_each(|(k, _)| *k = 0..0);
        }
        return;
    }
    let mut seen = HashMap::with_capacity(entries.len());
    for i in 0..entries.len() {
        if let Some(earlier) = seen.insert(scan.bytes(&entries[i].0), i) {
            let earlier: usize = earlier;
            entries[earlier].0 = 0..0;
        }
    }
}

fn entry_count(entry: &Column) -> usize {
    match &entry.values {
        Values::Row(children) => children.iter().map(Column::len).min().unwrap_or(0),
        _ => 0,
    }
}

fn pushed(column: &mut Column) -> bool {
    column.pushed();
    true
}

fn end_list(ends: &mut Vec<i32>, length: usize) -> bool {
    let end = i32::try_from(length);
    end.map(|end| ends.push(end)).is_ok()
}

fn within(name: &str, fail: Fail) -> Fail {
    match fail {
        Fail::Mismatch(what) => Fail::Mismatch(format!("field '{name}': {what}")),
        syntax => syntax,
    }
}

/// A value in a message: strings in single quotes, as in the other formats.
fn shown(text: &[u8]) -> String {
    match text {
        [b'"', inner @ .., b'"'] => format!("'{}'", excerpt(inner)),
        _ => excerpt(text),
    }
}

/// The field of that name; most often it is the one behind the last.
fn find(fields: &[Field], key: &[u8], guess: usize) -> Option<usize> {
    if fields.get(guess).is_some_and(|f| f.name.as_bytes() == key) {
        return Some(guess);
    }
    fields.iter().position(|f| f.name.as_bytes() == key)
}

fn push_some<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|v| values.push(v)).is_some()
}

/// A JSON string, which the scanner has seen to be UTF-8, as a value of the column's type.
fn push_string(column: &mut Column, text: &[u8], options: &JsonOptions) -> bool {
    let iso = options.iso_timestamps;
    let separator = if iso { b'T' } else { b' ' };
    let good = match (&mut column.values, &column.ty.kind) {
        (Values::Bytes { utf8: true, .. }, _) => return column.push_bytes(text),
        (Values::Bytes { .. }, _) => return column.push_base64(text),
        (Values::Boolean(v), _) => push_some(v, Some(trim(text).eq_ignore_ascii_case(b"true"))),
        (Values::Int8(v), _) => push_some(v, number::integer(trim(text))),
        (Values::Int16(v), _) => push_some(v, number::integer(trim(text))),
        (Values::Int32(v), TypeKind::Int) => push_some(v, number::integer(trim(text))),
        (Values::Int64(v), TypeKind::BigInt) => push_some(v, number::integer(trim(text))),
        (Values::Float32(v), _) => push_some(v, number::float32(trim(text))),
        (Values::Float64(v), _) => push_some(v, number::float64(trim(text))),
        (Values::Decimal(_), TypeKind::Decimal { precision, scale }) => {
            // A tree leaves the blanks to BigDecimal, which has none.
            let text = if options.builds_tree { text } else { trim(text) };
            let value = number::decimal(text, *precision, *scale);
            return column.push_decimal(value);
        }
        (Values::Int32(v), TypeKind::Date) => push_some(v, iso_date(text)),
        (Values::Int32(v), TypeKind::Time(p)) => push_some(v, time_of_day(text, *p)),
        (_, TypeKind::Timestamp(p)) => {
            let precision = *p;
            let moment = timestamp(text, Shape { separator, zulu: false, strict: iso });
            return moment.is_some_and(|m| column.push_moment(m, precision));
        }
        (_, TypeKind::TimestampLtz(p)) => {
            let precision = *p;
            let moment = timestamp(text, Shape { separator, zulu: true, strict: iso });
            return moment.is_some_and(|m| column.push_moment(m, precision));
        }
        _ => false,
    };
    good && pushed(column)
}

/// A time with seconds; the end of a day is its start.
fn time_of_day(text: &[u8], precision: u8) -> Option<i32> {
    let end = text.strip_prefix(b"24:00:00").is_some_and(|rest| matches!(rest, [] | [b'.', ..]));
    let zeros = || text[8..].iter().skip(1).all(|b| *b == b'0') && text.len() <= "24:00:00.123456789".len();
    if end { zeros().then_some(0) } else { iso_time(text, precision, false).filter(|_| text.len() >= 8) }
}

/// A JSON number as a value of the column's type. Not every one has a negative zero.
fn push_number(column: &mut Column, text: &[u8], integer: bool, signed_zero: bool) -> bool {
    let positive = if signed_zero { -0.0 } else { 0.0 };
    let good = match (&mut column.values, &column.ty.kind) {
        (Values::Int32(v), TypeKind::Int) => push_some(v, whole(text, integer).and_then(|n| i32::try_from(n).ok())),
        (Values::Int64(v), TypeKind::BigInt) => push_some(v, whole(text, integer)),
        (Values::Int8(v), _) => push_some(v, number::integer(text)),
        (Values::Int16(v), _) => push_some(v, number::integer(text)),
        (Values::Float32(v), _) => push_some(v, number::float32(text).map(|x| x + positive as f32)),
        (Values::Float64(v), _) => push_some(v, number::float64(text).map(|x| x + positive)),
        (Values::Boolean(v), _) => push_some(v, Some(false)),
        (Values::Decimal(_), TypeKind::Decimal { precision, scale }) => {
            let value = number::decimal(text, *precision, *scale);
            return column.push_decimal(value);
        }
        (Values::Bytes { utf8: true, .. }, _) => return column.push_bytes(text),
        _ => false,
    };
    good && pushed(column)
}

/// A number without its fraction.
fn whole(text: &[u8], integer: bool) -> Option<i64> {
    if integer {
        return number::integer(text);
    }
    let value = number::float64(text)?;
    // 2^63 itself is out of range, and is what i64::MAX becomes as a float.
    (value >= i64::MIN as f64 && value < i64::MAX as f64).then_some(value as i64)
}

/// What a tree gives without a word where the value does not fit: FALSE for an object or array, no bytes for what is no
/// string.
fn push_of_tree(column: &mut Column, kind: Kind) -> bool {
    match (&mut column.values, kind) {
        (Values::Boolean(v), Kind::Object | Kind::Array) => v.push(false),
        (Values::Bytes { utf8: false, .. }, kind) if kind != Kind::String => {
            column.push_null();
            return true;
        }
        _ => return false,
    }
    pushed(column)
}

/// `true` or `false` as a value of the column's type.
fn push_word(column: &mut Column, word: &[u8]) -> bool {
    match &mut column.values {
        Values::Boolean(v) => v.push(word == b"true"),
        Values::Bytes { utf8: true, .. } => return column.push_bytes(word),
        _ => return false,
    }
    pushed(column)
}

/// Appends valid JSON without white space, strings written as our own encoder writes them.
fn write_compact(json: &[u8], options: &JsonOptions, out: &mut Vec<u8>) {
    let mut scan = Scanner::new(json);
    let mut scratch = Vec::new();
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => {
                scan.back_to(at, 0);
                match scan.string(&mut scratch) {
                    Ok(text) => write_string(text, out),
                    // Cannot be: the caller has checked the text.
                    Err(_) => return,
                }
                at = scan.at();
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'-' | b'0'..=b'9' if options.builds_tree => {
                scan.back_to(at, 0);
                match scan.number() {
                    Ok((number, _)) => write_tree_number(number, options.exact_numbers, true, out),
                    // Cannot be, either.
                    Err(_) => return,
                }
                at = scan.at();
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
}
