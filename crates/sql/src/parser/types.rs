//! What a written type means: `SqlType` to `LogicalType`, with Flink's defaults.

use flott_api::error::{Error, Result};
use flott_api::types::{DECIMAL_PRECISION_MAX, Field, LENGTH_MAX, LogicalType, TypeKind, is_class_name};

use super::ast::{RowField, SqlType, SqlTypeKind, Text, TimeZoneKind, name_location};

/// The precision of `DECIMAL` alone.
const DECIMAL_PRECISION: u32 = 10;
/// The precision of `TIMESTAMP` alone: microseconds.
const TIMESTAMP_PRECISION: u32 = 6;
/// The finest fraction of a second: nanoseconds.
const FRACTION_MAX: u32 = 9;

impl SqlType {
    /// The type that is meant. A user's type is refused by name, and so is a parameter out of range.
    pub fn to_logical(&self) -> Result<LogicalType> {
        Ok(LogicalType { kind: kind(&self.kind)?, nullable: self.nullable })
    }
}

fn kind(of: &SqlTypeKind) -> Result<TypeKind> {
    Ok(match of {
        SqlTypeKind::Char(n) => TypeKind::Char(length("CHAR", n.unwrap_or(1))?),
        SqlTypeKind::Varchar(n) => TypeKind::Varchar(length("VARCHAR", n.unwrap_or(LENGTH_MAX))?),
        SqlTypeKind::String => TypeKind::Varchar(LENGTH_MAX),
        SqlTypeKind::Binary(n) => TypeKind::Binary(length("BINARY", n.unwrap_or(1))?),
        SqlTypeKind::Varbinary(n) => TypeKind::Varbinary(length("VARBINARY", n.unwrap_or(LENGTH_MAX))?),
        SqlTypeKind::Bytes => TypeKind::Varbinary(LENGTH_MAX),
        SqlTypeKind::Boolean => TypeKind::Boolean,
        SqlTypeKind::TinyInt => TypeKind::TinyInt,
        SqlTypeKind::SmallInt => TypeKind::SmallInt,
        SqlTypeKind::Int => TypeKind::Int,
        SqlTypeKind::BigInt => TypeKind::BigInt,
        SqlTypeKind::Decimal(precision, scale) => decimal(precision.unwrap_or(DECIMAL_PRECISION), scale.unwrap_or(0))?,
        SqlTypeKind::Float => TypeKind::Float,
        SqlTypeKind::Double => TypeKind::Double,
        SqlTypeKind::Date => TypeKind::Date,
        SqlTypeKind::Time(p) => TypeKind::Time(fraction("TIME", p.unwrap_or(0))?),
        SqlTypeKind::Timestamp(p, zone) => timestamp(p.unwrap_or(TIMESTAMP_PRECISION), *zone)?,
        SqlTypeKind::Interval(qualifier) => interval(qualifier),
        SqlTypeKind::Variant => TypeKind::Variant,
        SqlTypeKind::Bitmap => TypeKind::Bitmap,
        SqlTypeKind::Null => TypeKind::Null,
        nested => return nested_kind(nested),
    })
}

fn nested_kind(of: &SqlTypeKind) -> Result<TypeKind> {
    Ok(match of {
        SqlTypeKind::Array(element) => TypeKind::Array(Box::new(element.to_logical()?)),
        SqlTypeKind::Multiset(element) => TypeKind::Multiset(Box::new(element.to_logical()?)),
        SqlTypeKind::Map(key, value) => TypeKind::Map(Box::new(key.to_logical()?), Box::new(value.to_logical()?)),
        SqlTypeKind::Row(row) => TypeKind::Row(fields(row)?),
        SqlTypeKind::Structured(class, row) => structured(class, row)?,
        SqlTypeKind::Raw(class, serializer) => {
            TypeKind::Raw { class: class.value.clone(), serializer: serializer.value.clone() }
        }
        SqlTypeKind::Named(name) => {
            return Err(Error::invalid(format!("type '{name}' does not exist"))
                .at(name_location(name))
                .with_hint("Use a built-in type, such as STRING, BIGINT or TIMESTAMP(3)."));
        }
        other => return Err(Error::internal(format!("type '{other}' has no meaning"))),
    })
}

fn structured(class: &Text, row: &[RowField]) -> Result<TypeKind> {
    if !is_class_name(&class.value) {
        return Err(Error::invalid(format!("'{}' is no name of a class", class.value))
            .with_hint("It is made of identifiers and points, as com.example.User."));
    }
    Ok(TypeKind::Structured { class: class.value.clone(), fields: fields(row)? })
}

fn fields(row: &[RowField]) -> Result<Vec<Field>> {
    row.iter().map(|f| Ok(Field::new(f.name.value.clone(), f.data_type.to_logical()?))).collect()
}

fn length(name: &str, n: u32) -> Result<u32> {
    if (1..=LENGTH_MAX).contains(&n) {
        return Ok(n);
    }
    Err(Error::invalid(format!("length {n} of type '{name}' is out of range"))
        .with_detail(format!("A length is between 1 and {LENGTH_MAX}.")))
}

fn decimal(precision: u32, scale: u32) -> Result<TypeKind> {
    let max = u32::from(DECIMAL_PRECISION_MAX);
    if !(1..=max).contains(&precision) {
        return Err(Error::invalid(format!("precision {precision} of type 'DECIMAL' is out of range"))
            .with_detail(format!("A precision is between 1 and {max}.")));
    }
    if scale > precision {
        return Err(Error::invalid(format!("scale {scale} of type 'DECIMAL' is out of range"))
            .with_detail(format!("A scale is between 0 and the precision, here {precision}.")));
    }
    // Both are at most 38.
    Ok(TypeKind::Decimal { precision: precision as u8, scale: scale as u8 })
}

fn fraction(name: &str, p: u32) -> Result<u8> {
    if p <= FRACTION_MAX {
        return Ok(p as u8);
    }
    Err(Error::invalid(format!("precision {p} of type '{name}' is out of range"))
        .with_detail(format!("A precision is between 0 and {FRACTION_MAX}.")))
}

fn timestamp(p: u32, zone: TimeZoneKind) -> Result<TypeKind> {
    Ok(match zone {
        TimeZoneKind::Without => TypeKind::Timestamp(fraction("TIMESTAMP", p)?),
        TimeZoneKind::Local => TypeKind::TimestampLtz(fraction("TIMESTAMP_LTZ", p)?),
        TimeZoneKind::With => TypeKind::TimestampTz(fraction("TIMESTAMP WITH TIME ZONE", p)?),
    })
}

/// Years, quarters and months count in months; everything finer in milliseconds.
fn interval(qualifier: &str) -> TypeKind {
    let months = ["YEAR", "QUARTER", "MONTH"].iter().any(|unit| qualifier.starts_with(unit));
    if months { TypeKind::IntervalYearMonth } else { TypeKind::IntervalDayTime }
}
