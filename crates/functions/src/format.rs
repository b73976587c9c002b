//! The text of a value: what `CAST(x AS STRING)` gives, what a result cell shows, and what the print
//! connector writes.

pub(crate) mod number;
pub(crate) mod time;

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow_array::{Array, ListArray};
use flott_api::{Field, LogicalType, Result, TypeKind};

use crate::time::moments::Moments;
use crate::time::zone::{Zone, ZoneCache};

/// For whom a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextStyle {
    /// `CAST(x AS STRING)`: `TRUE`, `[1, NULL]`, `{a=1}`, `(1, x)`, bytes as UTF-8.
    Cast,
    /// A cell of a result table: the same with bytes as `x'0aff'`.
    Cell,
    /// The print connector, where Flink shows Java objects: `true`, `2024-01-01T00:00`, `+I[1, x]`,
    /// bytes as `[97, 98]`, nulls as `null`.
    Print,
}

/// Appends the text of one value. `zone` is the session's; null is `NULL` or, for print, `null`.
///
/// # Errors
/// If the column is not of this type, or the zone does not exist.
pub fn format_value(
    array: &dyn Array,
    row: usize,
    ty: &LogicalType,
    zone: &str,
    style: TextStyle,
    out: &mut String,
) -> Result<()> {
    let zone = if matches!(ty.kind, TypeKind::TimestampLtz(_)) || ty.kind.is_nested() { zone } else { "UTC" };
    let mut writer = ValueWriter::new(Zone::parse(zone)?, style);
    writer.write(array, row, &ty.kind, out)
}

/// Writes values, one after the other.
pub(crate) struct ValueWriter {
    zone: ZoneCache,
    style: TextStyle,
}

impl ValueWriter {
    pub(crate) fn new(zone: Zone, style: TextStyle) -> Self {
        ValueWriter { zone: ZoneCache::new(zone), style }
    }

    /// Writes the value of one row.
    pub(crate) fn write(&mut self, array: &dyn Array, row: usize, kind: &TypeKind, out: &mut dyn Write) -> Result<()> {
        if *kind == TypeKind::Null || array.is_null(row) {
            put(out, if self.style == TextStyle::Print { "null" } else { "NULL" });
            return Ok(());
        }
        match kind {
            TypeKind::Array(element) => self.list(array, row, &element.kind, out),
            TypeKind::Map(key, value) => self.entries(array, row, (&key.kind, &value.kind), out),
            TypeKind::Multiset(element) => self.entries(array, row, (&element.kind, &TypeKind::Int), out),
            TypeKind::Row(fields) => self.fields(array, row, (fields, false), out),
            // Java's text of an object does not name its fields.
            TypeKind::Structured { fields, .. } => {
                self.fields(array, row, (fields, self.style != TextStyle::Print), out)
            }
            TypeKind::Timestamp(p) => self.moment(array, row, *p, false, out),
            TypeKind::TimestampLtz(p) => self.moment(array, row, *p, true, out),
            _ => self.scalar(array, row, kind, out),
        }
    }

    fn scalar(&mut self, array: &dyn Array, row: usize, kind: &TypeKind, out: &mut dyn Write) -> Result<()> {
        let print = self.style == TextStyle::Print;
        let integer = |out: &mut dyn Write, value: i64| put(out, itoa::Buffer::new().format(value));
        match kind {
            TypeKind::Char(_) | TypeKind::Varchar(_) => put(out, array.as_string::<i32>().value(row)),
            TypeKind::Boolean => put(out, boolean(array.as_boolean().value(row), print)),
            TypeKind::TinyInt => integer(out, array.as_primitive::<Int8Type>().value(row).into()),
            TypeKind::SmallInt => integer(out, array.as_primitive::<Int16Type>().value(row).into()),
            TypeKind::Int => integer(out, array.as_primitive::<Int32Type>().value(row).into()),
            TypeKind::BigInt => integer(out, array.as_primitive::<Int64Type>().value(row)),
            TypeKind::Float => number::write_float(array.as_primitive::<Float32Type>().value(row), out),
            TypeKind::Double => number::write_double(array.as_primitive::<Float64Type>().value(row), out),
            TypeKind::Decimal { scale, .. } => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                match print {
                    true => number::write_java_decimal(value, u32::from(*scale), out),
                    false => number::write_decimal(value, u32::from(*scale), out),
                }
            }
            TypeKind::Date => time::write_date(array.as_primitive::<Date32Type>().value(row).into(), out),
            TypeKind::Time(p) => {
                let millis = array.as_primitive::<Time32MillisecondType>().value(row).into();
                match print {
                    true => time::write_java_time(millis, 0, out),
                    false => time::write_time(millis, *p, out),
                }
            }
            TypeKind::IntervalYearMonth => {
                time::write_months(array.as_primitive::<Int32Type>().value(row).into(), print, out);
            }
            TypeKind::IntervalDayTime => time::write_day_time(array.as_primitive::<Int64Type>().value(row), print, out),
            TypeKind::Variant => crate::variant::write_text(array.as_binary::<i32>().value(row), out)?,
            TypeKind::Bitmap => crate::bitmap::write_text(array.as_binary::<i32>().value(row), out)?,
            _ => match array.as_binary_opt::<i32>() {
                Some(bytes) => self.bytes(bytes.value(row), out),
                None => return Err(flott_api::Error::unsupported(format!("printing a value of type {kind}"))),
            },
        }
        Ok(())
    }

    fn moment(&mut self, array: &dyn Array, row: usize, precision: u8, ltz: bool, out: &mut dyn Write) -> Result<()> {
        let one = Moments::read(array.slice(row, 1).as_ref())?;
        self.write_moment((one.millis[0], one.nanos(0)), precision, ltz, out);
        Ok(())
    }

    /// Writes a timestamp.
    pub(crate) fn write_moment(&mut self, moment: (i64, i32), precision: u8, ltz: bool, out: &mut dyn Write) {
        let (millis, nanos) = moment;
        if self.style == TextStyle::Print {
            time::write_java_timestamp(millis, nanos, ltz, out);
            return;
        }
        let millis = if ltz { self.zone.local(millis) } else { millis };
        time::write_timestamp(millis, nanos, precision, out);
    }

    fn bytes(&self, bytes: &[u8], out: &mut dyn Write) {
        match self.style {
            TextStyle::Cast => put(out, &String::from_utf8_lossy(bytes)),
            TextStyle::Cell => {
                put(out, "x'");
                bytes.iter().for_each(|b| put_fmt(out, format_args!("{b:02x}")));
                put(out, "'");
            }
            TextStyle::Print => {
                put(out, "[");
                for (i, b) in bytes.iter().enumerate() {
                    put_fmt(out, format_args!("{}{}", if i > 0 { ", " } else { "" }, *b as i8));
                }
                put(out, "]");
            }
        }
    }

    fn list(&mut self, array: &dyn Array, row: usize, element: &TypeKind, out: &mut dyn Write) -> Result<()> {
        let values = array.as_list::<i32>().value(row);
        put(out, "[");
        for i in 0..values.len() {
            put(out, if i > 0 { ", " } else { "" });
            self.write(&values, i, element, out)?;
        }
        put(out, "]");
        Ok(())
    }

    fn entries(
        &mut self,
        array: &dyn Array,
        row: usize,
        (key, value): (&TypeKind, &TypeKind),
        out: &mut dyn Write,
    ) -> Result<()> {
        let entries = entries_of(array.as_list(), row);
        let entries = entries.as_struct();
        put(out, "{");
        for i in 0..entries.len() {
            put(out, if i > 0 { ", " } else { "" });
            self.write(entries.column(0), i, key, out)?;
            put(out, "=");
            self.write(entries.column(1), i, value, out)?;
        }
        put(out, "}");
        Ok(())
    }

    /// The fields, each behind its name if they are named.
    fn fields(
        &mut self,
        array: &dyn Array,
        row: usize,
        (fields, named): (&[Field], bool),
        out: &mut dyn Write,
    ) -> Result<()> {
        let columns = array.as_struct();
        let (open, close) = if self.style == TextStyle::Print { ("+I[", "]") } else { ("(", ")") };
        put(out, open);
        for (i, (column, field)) in columns.columns().iter().zip(fields).enumerate() {
            put(out, if i > 0 { ", " } else { "" });
            if named {
                put_fmt(out, format_args!("{}=", field.name));
            }
            self.write(column, row, &field.ty.kind, out)?;
        }
        put(out, close);
        Ok(())
    }
}

fn entries_of(list: &ListArray, row: usize) -> arrow_array::ArrayRef {
    list.value(row)
}

/// `TRUE`, or Java's `true`.
pub(crate) fn boolean(value: bool, java: bool) -> &'static str {
    match (value, java) {
        (true, false) => "TRUE",
        (false, false) => "FALSE",
        (true, true) => "true",
        (false, true) => "false",
    }
}

/// Writing to memory cannot fail.
pub(crate) fn put(out: &mut dyn Write, text: &str) {
    if out.write_str(text).is_err() {
        debug_assert!(false, "a writer of memory failed");
    }
}

pub(crate) fn put_fmt(out: &mut dyn Write, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        debug_assert!(false, "a writer of memory failed");
    }
}

#[cfg(test)]
mod tests;
