//! The format, as Java's `Formatter` reads it, and how it treats each kind of value.

use std::fmt::Write as _;

use flott_api::{Error, Result};

use super::number;
use crate::format::number::{write_double, write_float};

/// An argument in one row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Int { value: i64, bits: u32 },
    Float(f32),
    Double(f64),
    Text(&'a str),
}

/// A format that is well formed; whether it fits the values shows when it is used.
#[derive(Debug)]
pub(super) struct Format(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Value(Spec),
}

/// Which of the arguments.
#[derive(Clone, Copy, Debug)]
enum Which {
    Next,
    Last,
    At(usize),
}

/// What stands behind a `%`.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    which: Which,
    pub(super) flags: Flags,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    /// In lower case.
    pub(super) conversion: char,
    pub(super) upper: bool,
}

/// The flags of a spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) left: bool,
    pub(super) alternate: bool,
    pub(super) plus: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) group: bool,
    pub(super) parentheses: bool,
    last: bool,
}

impl Flags {
    fn of(&mut self, c: char) -> Option<&mut bool> {
        Some(match c {
            '-' => &mut self.left,
            '#' => &mut self.alternate,
            '+' => &mut self.plus,
            ' ' => &mut self.space,
            '0' => &mut self.zero,
            ',' => &mut self.group,
            '(' => &mut self.parentheses,
            '<' => &mut self.last,
            _ => return None,
        })
    }

    /// Those that only numbers have.
    fn of_numbers(self) -> bool {
        self.plus || self.space || self.zero || self.group || self.parentheses
    }
}

/// More than this fits into no row.
const WIDTH_MAX: usize = 1 << 28;

impl Format {
    /// Reads a format; nothing if it is wrong.
    pub(super) fn parse(text: &str) -> Option<Format> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            let (spec, behind) = Spec::parse(&rest[at + 1..])?;
            pieces.push(Piece::Value(spec));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Some(Format(pieces))
    }

    /// Writes the values; false if they do not fit.
    pub(super) fn write(&self, values: &[Value<'_>], out: &mut String) -> Result<bool> {
        let (mut next, mut last) = (0, None);
        for piece in &self.0 {
            let spec = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Value(spec) => spec,
            };
            if matches!(spec.conversion, '%' | 'n') {
                spec.put_padded(if spec.conversion == '%' { "%" } else { "\n" }, out);
                continue;
            }
            let index = match spec.which {
                Which::Next => {
                    next += 1;
                    Some(next - 1)
                }
                Which::Last => last,
                Which::At(index) => Some(index),
            };
            let Some(value) = index.and_then(|i| values.get(i)) else { return Ok(false) };
            last = index;
            if !spec.put(*value, out)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Spec {
    /// What stands behind `%`, and the rest: `[index$][flags][width][.precision]conversion`.
    fn parse(text: &str) -> Option<(Spec, &str)> {
        let (mut which, mut rest) = (Which::Next, text);
        let (digits, behind) = digits(rest);
        if let Some(behind) = behind.strip_prefix('$').filter(|_| !digits.is_empty()) {
            which = Which::At(digits.parse::<usize>().ok()?.checked_sub(1)?);
            rest = behind;
        }
        let mut flags = Flags::default();
        while let Some(flag) = rest.chars().next().and_then(|c| flags.of(c)) {
            if std::mem::replace(flag, true) {
                return None;
            }
            rest = &rest[1..];
        }
        if flags.last {
            which = Which::Last;
        }
        let (width, behind) = number(rest)?;
        let (precision, behind) = match behind.strip_prefix('.') {
            Some(behind) => match number(behind)? {
                (None, _) => return None,
                precision => precision,
            },
            None => (None, behind),
        };
        let letter = behind.chars().next()?;
        let conversion = letter.to_ascii_lowercase();
        let upper = letter.is_ascii_uppercase();
        let known = if upper { "bhscxegat" } else { "bhscdoxefgat%n" };
        if !known.contains(conversion) {
            return None;
        }
        let spec = Spec { which, flags, width, precision, conversion, upper };
        spec.is_whole().then_some((spec, &behind[1..]))
    }

    /// Whether the flags, the width and the precision go with the conversion.
    fn is_whole(&self) -> bool {
        let Flags { left, alternate, plus, space, zero, group, parentheses, .. } = self.flags;
        let padded = !(left || zero) || self.width.is_some();
        let numeric = padded && !(plus && space) && !(left && zero);
        let none = self.flags == Flags::default();
        match self.conversion {
            '%' => padded && self.precision.is_none() && !alternate && !self.flags.of_numbers(),
            'n' => none && self.width.is_none() && self.precision.is_none(),
            'b' | 'h' => padded && !alternate && !self.flags.of_numbers(),
            's' => padded && !self.flags.of_numbers(),
            'c' => padded && !alternate && !self.flags.of_numbers() && self.precision.is_none(),
            'd' => numeric && !alternate && self.precision.is_none(),
            'o' | 'x' => numeric && !group && self.precision.is_none(),
            'e' => numeric && !group,
            'g' => numeric && !alternate,
            'a' => numeric && !group && !parentheses,
            _ => numeric,
        }
    }

    /// Writes a value; false if the conversion is not for it.
    fn put(&self, value: Value<'_>, out: &mut String) -> Result<bool> {
        match (self.conversion, value) {
            ('h', _) => return Err(unsupported("%h")),
            ('t', Value::Int { bits: 64, .. }) => return Err(unsupported("%t")),
            ('b', value) => {
                self.put_text(if matches!(value, Value::Null | Value::Boolean(false)) { "false" } else { "true" }, out)
            }
            (_, Value::Null) if self.conversion != 's' || !self.flags.alternate => self.put_text("null", out),
            ('s', value) if !self.flags.alternate => self.put_text(&text_of(value), out),
            ('c', Value::Int { value, bits: ..=32 }) => {
                let Some(c) = u32::try_from(value).ok().and_then(char::from_u32) else { return Ok(false) };
                self.put_padded(&self.cased(c.encode_utf8(&mut [0; 4])), out);
            }
            ('d', Value::Int { value, .. }) => number::decimal(self, value, out),
            ('o' | 'x', Value::Int { value, bits }) => return Ok(number::unsigned(self, value, bits, out)),
            ('e' | 'f' | 'g' | 'a', Value::Double(value)) => return number::floating(self, value, out),
            ('e' | 'f' | 'g' | 'a', Value::Float(value)) => {
                return number::floating(self, value.into(), out);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A text, cut to the precision.
    fn put_text(&self, text: &str, out: &mut String) {
        let cut = self.precision.map_or(text, |length| first_units(text, length));
        self.put_padded(&self.cased(cut), out);
    }

    pub(super) fn cased<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        match self.upper {
            true => text.to_uppercase().into(),
            false => text.into(),
        }
    }

    /// With blanks, up to the width.
    pub(super) fn put_padded(&self, text: &str, out: &mut String) {
        let blanks = self.width.unwrap_or(0).saturating_sub(text.encode_utf16().count());
        let put_blanks = |out: &mut String| _ = write!(out, "{:blanks$}", "");
        if !self.flags.left {
            put_blanks(out);
        }
        out.push_str(text);
        if self.flags.left {
            put_blanks(out);
        }
    }
}

fn unsupported(conversion: &str) -> Error {
    Error::unsupported(format!("'{conversion}' in PRINTF"))
        .with_hint("Use DATE_FORMAT for times, and '%x' or a digest for hashes.")
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A number if there is one, and the rest; nothing if it is too large.
fn number(text: &str) -> Option<(Option<usize>, &str)> {
    let (digits, rest) = digits(text);
    if digits.is_empty() {
        return Some((None, rest));
    }
    let number = digits.parse::<usize>().ok().filter(|n| *n <= WIDTH_MAX)?;
    Some((Some(number), rest))
}

/// So many of Java's characters.
fn first_units(text: &str, units: usize) -> &str {
    let mut left = units;
    for (at, c) in text.char_indices() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

fn text_of(value: Value<'_>) -> std::borrow::Cow<'_, str> {
    let mut out = String::new();
    match value {
        Value::Null => return "null".into(),
        Value::Text(text) => return text.into(),
        Value::Boolean(truth) => return if truth { "true" } else { "false" }.into(),
        Value::Int { value, .. } => _ = write!(out, "{value}"),
        Value::Float(value) => write_float(value, &mut out),
        Value::Double(value) => write_double(value, &mut out),
    }
    out.into()
}
