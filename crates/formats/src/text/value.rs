//! Single values as texts, for what keeps each by itself: a field of a hash, a string under a key.
//!
//! A text is what `csv` writes without its quotes, except that an instant has a `T` between day and time, and bytes are
//! themselves. What is written is read back as it was.

use arrow_array::ArrayRef;
use flott_api::{LogicalType, Result, TypeKind};

use crate::cells::{Cell, Cells};
use crate::column::Column;
use crate::text::constant::push;
use crate::text::time;
use crate::text::write::{DecimalStyle, decimal, float32, float64};

/// Whether values of this type are texts: no arrays, maps, rows and the like.
pub fn has_text(ty: &LogicalType) -> bool {
    let kind = &ty.kind;
    let moment = matches!(kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_));
    let other = matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_));
    kind.is_numeric() || kind.is_character() || kind.is_binary() || moment || other
}

/// A column whose values are written as texts.
pub struct TextCells(Cell);

impl TextCells {
    /// A view of a column whose type has texts.
    ///
    /// # Errors
    /// If the array is not laid out as the type says.
    pub fn new(array: &ArrayRef, ty: &LogicalType) -> Result<Self> {
        Cell::new(array, ty).map(TextCells)
    }

    /// Appends the text of a value; a null has none, and the answer is false.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        if self.0.is_null(row) {
            return false;
        }
        let mut integer = itoa::Buffer::new();
        match &self.0.cells {
            Cells::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Cells::Int8(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int16(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int32(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int64(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Float32(a) => float32(a.value(row), out),
            Cells::Float64(a) => float64(a.value(row), out),
            Cells::Decimal(a, scale) => decimal(a.value(row), *scale, DecimalStyle::Plain, out),
            Cells::Date(a) => time::write_date(i64::from(a.value(row)), out),
            Cells::Time(a) => {
                time::write_time((a.value(row) / 1000) as u32, a.value(row) as u32 % 1000 * 1_000_000, out);
            }
            Cells::Moment(a, true) => time::write_timestamp(a.get(row), b'T', true, out),
            Cells::Moment(a, false) => time::write_timestamp(a.get(row), b' ', false, out),
            Cells::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Cells::Bytes(a) => out.extend_from_slice(a.value(row)),
            Cells::Null | Cells::Array(..) | Cells::Map(..) | Cells::Row(_) => return false,
        }
        true
    }
}

/// A column that is made of texts.
pub struct TextColumn(Column);

impl TextColumn {
    /// An empty one of a type that has texts.
    pub fn new(ty: &LogicalType) -> Self {
        TextColumn(Column::new(ty))
    }

    /// Adds a value, or a null; whether the text is a value of the type. If not, nothing was added.
    pub fn push(&mut self, text: Option<&[u8]>) -> bool {
        match text {
            None => self.0.push_null(),
            Some(text) if self.0.ty.kind.is_character() && str::from_utf8(text).is_err() => return false,
            Some(text) => return push(&mut self.0, text),
        }
        true
    }

    /// The values; the column is empty then.
    ///
    /// # Errors
    /// If they make no array.
    pub fn take(&mut self) -> Result<ArrayRef> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{batch, lines};
    use flott_api::{ChangeBatch, Field, Schema};

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let kinds = [
            (TypeKind::Boolean, "true"),
            (TypeKind::TinyInt, "-7"),
            (TypeKind::BigInt, "9000000000"),
            (TypeKind::Float, "1.5"),
            (TypeKind::Double, "-2.0E-10"),
            (TypeKind::Decimal { precision: 10, scale: 2 }, "12.3"),
            (TypeKind::Date, "2024-02-29"),
            (TypeKind::Time(0), "12:30:01"),
            (TypeKind::Timestamp(3), "2024-02-29 12:30:01.123"),
            (TypeKind::TimestampLtz(3), "2024-02-29T12:30:01.123Z"),
            (TypeKind::Timestamp(9), "2024-02-29 12:30:01.123456789"),
            (TypeKind::Varchar(99), "it's, \"ok\""),
        ];
        for (kind, text) in kinds {
            let ty = LogicalType::new(kind);
            assert!(has_text(&ty), "{ty}");
            let mut column = TextColumn::new(&ty);
            assert!(column.push(Some(text.as_bytes())) && column.push(None), "{ty}");
            let array = column.take().unwrap();
            let cells = TextCells::new(&array, &ty).unwrap();
            let mut out = Vec::new();
            assert!(cells.write(0, &mut out) && !cells.write(1, &mut out), "{ty}");
            assert_eq!(String::from_utf8(out).unwrap(), text, "{ty}");
        }
    }

    #[test]
    fn what_is_no_value_adds_nothing() {
        let mut column = TextColumn::new(&LogicalType::new(TypeKind::Int));
        assert!(!column.push(Some(b"x")) && !column.push(Some(b"")) && column.push(Some(b"1")));
        let schema = Schema::new(vec![Field::new("n", LogicalType::new(TypeKind::Int))]);
        let rows = arrow_array::RecordBatch::try_new(schema.arrow(), vec![column.take().unwrap()]).unwrap();
        assert_eq!(lines(&ChangeBatch::inserts(rows)), lines(&batch(&schema, "+I | 1")));
        let mut column = TextColumn::new(&LogicalType::string());
        assert!(!column.push(Some(b"\xff")));
    }
}
