//! The one table of how each [`LogicalType`] lies in Arrow.
//!
//! | Flink | Arrow |
//! |---|---|
//! | `CHAR`, `VARCHAR` | `Utf8` |
//! | `BINARY`, `VARBINARY`, `VARIANT`, `BITMAP`, `RAW` | `Binary` |
//! | `BOOLEAN`, integers, `FLOAT`, `DOUBLE` | the same |
//! | `DECIMAL(p, s)` | `Decimal128(p, s)` |
//! | `DATE` | `Date32` |
//! | `TIME(p)` | `Time32(ms)` |
//! | `TIMESTAMP(0..=3)`, `(4..=6)` | `Timestamp(ms)`, `Timestamp(µs)`, no zone |
//! | `TIMESTAMP_LTZ(0..=3)`, `(4..=6)` | the same with zone `UTC` |
//! | `TIMESTAMP[_LTZ](7..=9)` | `Struct { millis: Int64, nanos: Int32 }` |
//! | `INTERVAL YEAR TO MONTH`, `DAY TO SECOND` | `Int32` months, `Int64` milliseconds |
//! | `ARRAY<t>` | `List<element: t>` |
//! | `MAP<k, v>`, `MULTISET<t>` | `List<entry: Struct { key, value }>`; a multiset's value is its count, `Int32` |
//! | `ROW`, `STRUCTURED` | `Struct` |
//! | `NULL` | `Null` |
//!
//! A map is a list and not an Arrow map because Flink's keys may be null.

use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, FieldRef, Fields, SchemaRef, TimeUnit};

use super::{Field, LogicalType, Schema, TimestampUnit, TypeKind};

/// The zone that marks a `TIMESTAMP_LTZ` in Arrow.
pub const UTC: &str = "UTC";
/// The field of the milliseconds in a timestamp of precision 7 to 9.
pub const MILLIS: &str = "millis";
/// The field of the nanoseconds within the millisecond in a timestamp of precision 7 to 9.
pub const NANOS: &str = "nanos";

impl LogicalType {
    /// The Arrow type of a column of this type.
    pub fn arrow(&self) -> DataType {
        self.kind.arrow()
    }
}

impl TypeKind {
    /// The Arrow type of a column of this type.
    pub fn arrow(&self) -> DataType {
        match self {
            TypeKind::Char(_) | TypeKind::Varchar(_) => DataType::Utf8,
            TypeKind::Binary(_)
            | TypeKind::Varbinary(_)
            | TypeKind::Variant
            | TypeKind::Bitmap
            | TypeKind::Raw { .. } => DataType::Binary,
            TypeKind::Boolean => DataType::Boolean,
            TypeKind::TinyInt => DataType::Int8,
            TypeKind::SmallInt => DataType::Int16,
            TypeKind::Int | TypeKind::IntervalYearMonth => DataType::Int32,
            TypeKind::BigInt | TypeKind::IntervalDayTime => DataType::Int64,
            TypeKind::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
            TypeKind::Float => DataType::Float32,
            TypeKind::Double => DataType::Float64,
            TypeKind::Date => DataType::Date32,
            TypeKind::Time(_) => DataType::Time32(TimeUnit::Millisecond),
            TypeKind::Timestamp(p) => timestamp(*p, None),
            TypeKind::TimestampLtz(p) | TypeKind::TimestampTz(p) => timestamp(*p, Some(UTC.into())),
            TypeKind::Array(element) => DataType::List(arrow_field("element", element)),
            TypeKind::Map(key, value) => entries(key, value),
            TypeKind::Multiset(element) => entries(element, &LogicalType::not_null(TypeKind::Int)),
            TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => DataType::Struct(arrow_fields(fields)),
            TypeKind::Null | TypeKind::Descriptor => DataType::Null,
        }
    }
}

fn timestamp(precision: u8, zone: Option<Arc<str>>) -> DataType {
    match TimestampUnit::of(precision) {
        TimestampUnit::Millis => DataType::Timestamp(TimeUnit::Millisecond, zone),
        TimestampUnit::Micros => DataType::Timestamp(TimeUnit::Microsecond, zone),
        TimestampUnit::MillisAndNanos => DataType::Struct(nano_fields()),
    }
}

/// The two fields of a timestamp of precision 7 to 9.
pub fn nano_fields() -> Fields {
    Fields::from(vec![ArrowField::new(MILLIS, DataType::Int64, false), ArrowField::new(NANOS, DataType::Int32, false)])
}

fn entries(key: &LogicalType, value: &LogicalType) -> DataType {
    let entry = DataType::Struct(Fields::from(vec![arrow_field("key", key), arrow_field("value", value)]));
    DataType::List(Arc::new(ArrowField::new("entry", entry, false)))
}

fn arrow_field(name: &str, ty: &LogicalType) -> FieldRef {
    Arc::new(ArrowField::new(name, ty.arrow(), ty.nullable))
}

/// The Arrow fields of these fields.
pub fn arrow_fields(fields: &[Field]) -> Fields {
    fields.iter().map(|f| arrow_field(&f.name, &f.ty)).collect()
}

impl Schema {
    /// The Arrow schema of a batch with these columns.
    ///
    /// Every column is nullable there: a declared `NOT NULL` is enforced at the sink, as in Flink,
    /// and a source that breaks its promise must not make Arrow panic.
    pub fn arrow(&self) -> SchemaRef {
        let fields: Fields = self.fields.iter().map(|f| ArrowField::new(&f.name, f.ty.arrow(), true)).collect();
        Arc::new(arrow_schema::Schema::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::new_empty_array;

    use super::*;

    /// The table of the module doc, the other way: what the Arrow type says of the Flink type.
    fn family(t: &DataType) -> &'static str {
        match t {
            DataType::Utf8 => "character",
            DataType::Binary => "bytes",
            DataType::Timestamp(TimeUnit::Millisecond, None) => "timestamp ms",
            DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => "ltz ms",
            DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp us",
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "ltz us",
            DataType::Struct(f) if *f == nano_fields() => "nanos",
            DataType::Struct(_) => "row",
            DataType::List(f) if f.name() == "entry" => "entries",
            DataType::List(_) => "array",
            _ => "other",
        }
    }

    #[test]
    fn every_type_has_a_layout_that_arrow_accepts() {
        let int = Box::new(LogicalType::new(TypeKind::Int));
        let cases = [
            (TypeKind::Char(3), "character"),
            (TypeKind::Varchar(9), "character"),
            (TypeKind::Binary(3), "bytes"),
            (TypeKind::Variant, "bytes"),
            (TypeKind::Timestamp(0), "timestamp ms"),
            (TypeKind::Timestamp(3), "timestamp ms"),
            (TypeKind::Timestamp(4), "timestamp us"),
            (TypeKind::Timestamp(6), "timestamp us"),
            (TypeKind::Timestamp(7), "nanos"),
            (TypeKind::TimestampLtz(3), "ltz ms"),
            (TypeKind::TimestampLtz(6), "ltz us"),
            (TypeKind::TimestampLtz(9), "nanos"),
            (TypeKind::Array(int.clone()), "array"),
            (TypeKind::Map(int.clone(), int.clone()), "entries"),
            (TypeKind::Multiset(int.clone()), "entries"),
            (TypeKind::Row(vec![Field::new("a", *int.clone())]), "row"),
            (TypeKind::Decimal { precision: 38, scale: 38 }, "other"),
            (TypeKind::Date, "other"),
            (TypeKind::Time(9), "other"),
            (TypeKind::Null, "other"),
        ];
        for (kind, expected) in cases {
            let arrow = kind.arrow();
            assert_eq!(family(&arrow), expected, "{kind}");
            assert_eq!(new_empty_array(&arrow).data_type(), &arrow, "{kind}");
        }
    }
}
