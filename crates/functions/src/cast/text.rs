//! Every type to text; `CHAR` is padded with blanks and cut, `VARCHAR` is cut, in characters.

use arrow_array::{Array, ArrayRef};
use flott_api::types::LENGTH_MAX;
use flott_api::{Result, TypeKind};

use super::{Cast, Mode, relabelled};
use crate::format::{TextStyle, ValueWriter};
use crate::operand::TextWriter;
use crate::time::moments::Moments;

/// The length that the target asks for.
#[derive(Clone, Copy)]
struct Length {
    max: usize,
    pad: bool,
}

impl Length {
    fn of(to: &TypeKind) -> Length {
        match to {
            TypeKind::Char(n) => Length { max: *n as usize, pad: true },
            TypeKind::Varchar(n) => Length { max: *n as usize, pad: false },
            _ => Length { max: LENGTH_MAX as usize, pad: false },
        }
    }

    /// Whether every text may stay as it is.
    fn is_free(self) -> bool {
        !self.pad && self.max >= LENGTH_MAX as usize
    }

    fn write(self, text: &str, out: &mut TextWriter) {
        if self.is_free() {
            return out.push(text);
        }
        let mut count = 0;
        let end = text.char_indices().inspect(|_| count += 1).nth(self.max).map(|(end, _)| end);
        out.push(&text[..end.unwrap_or(text.len())]);
        if self.pad && end.is_none() {
            out.push_repeated(" ", self.max.saturating_sub(count));
        }
    }
}

/// The cast of any type to a text.
pub(super) fn to_text(from: &TypeKind, to: &TypeKind, mode: Mode) -> Cast {
    let length = Length::of(to);
    let widens = |from: &TypeKind| matches!((from, to), (TypeKind::Char(m) | TypeKind::Varchar(m), TypeKind::Varchar(n)) if m <= n);
    if widens(from) {
        return Box::new(|array| relabelled(array, &arrow_schema::DataType::Utf8));
    }
    let from = from.clone();
    match &from {
        TypeKind::Char(_) | TypeKind::Varchar(_) => Box::new(move |array| resized(array, length)),
        TypeKind::Timestamp(p) => {
            let precision = *p;
            Box::new(move |array| moments(array, precision, false, mode, length))
        }
        TypeKind::TimestampLtz(p) => {
            let precision = *p;
            Box::new(move |array| moments(array, precision, true, mode, length))
        }
        _ => Box::new(move |array| written(array, &from, mode, length)),
    }
}

fn resized(array: &ArrayRef, length: Length) -> Result<ArrayRef> {
    let texts = super::strings(array)?;
    let mut out = TextWriter::new(texts.len());
    for row in 0..texts.len() {
        if texts.is_valid(row) {
            length.write(texts.value(row), &mut out);
        }
        out.end(texts.is_valid(row))?;
    }
    out.finish()
}

fn written(array: &ArrayRef, from: &TypeKind, mode: Mode, length: Length) -> Result<ArrayRef> {
    let mut writer = ValueWriter::new(mode.zone, TextStyle::Cast);
    let mut out = TextWriter::new(array.len());
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_valid(row) {
            text.clear();
            writer.write(array.as_ref(), row, from, &mut text)?;
            length.write(&text, &mut out);
        }
        out.end(array.is_valid(row))?;
    }
    out.finish()
}

fn moments(array: &ArrayRef, precision: u8, ltz: bool, mode: Mode, length: Length) -> Result<ArrayRef> {
    let moments = Moments::read(array)?;
    let mut writer = ValueWriter::new(mode.zone, TextStyle::Cast);
    let mut out = TextWriter::new(moments.len());
    let mut text = String::new();
    for row in 0..moments.len() {
        if !moments.is_null(row) {
            text.clear();
            writer.write_moment((moments.millis[row], moments.nanos(row)), precision, ltz, &mut text);
            length.write(&text, &mut out);
        }
        out.end(!moments.is_null(row))?;
    }
    debug_assert_eq!(moments.len(), array.len());
    out.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::time::zone::Zone;

    #[test]
    fn lengths_count_characters() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("äöüä"), Some("a"), None]));
        let mode = Mode { lenient: false, zone: Zone::Fixed(0) };
        let cut = to_text(&TypeKind::Varchar(LENGTH_MAX), &TypeKind::Varchar(3), mode)(&array).unwrap();
        let texts = |a: &ArrayRef| a.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(texts(&cut), [Some("äöü".into()), Some("a".into()), None]);
        let padded = to_text(&TypeKind::Varchar(LENGTH_MAX), &TypeKind::Char(3), mode)(&array).unwrap();
        assert_eq!(texts(&padded), [Some("äöü".into()), Some("a  ".into()), None]);
    }
}
