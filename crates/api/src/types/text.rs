//! Types as Flink prints them in `DESCRIBE`, `SHOW CREATE` and messages.

use std::fmt;

use super::{Field, LENGTH_MAX, LogicalType, TypeKind};

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.nullable { Ok(()) } else { f.write_str(" NOT NULL") }
    }
}

impl fmt::Debug for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeKind::Char(n) => write!(f, "CHAR({n})"),
            TypeKind::Varchar(LENGTH_MAX) => f.write_str("STRING"),
            TypeKind::Varchar(n) => write!(f, "VARCHAR({n})"),
            TypeKind::Binary(n) => write!(f, "BINARY({n})"),
            TypeKind::Varbinary(LENGTH_MAX) => f.write_str("BYTES"),
            TypeKind::Varbinary(n) => write!(f, "VARBINARY({n})"),
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(p) => write!(f, "TIME({p})"),
            TypeKind::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            TypeKind::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            TypeKind::TimestampTz(p) => write!(f, "TIMESTAMP({p}) WITH TIME ZONE"),
            TypeKind::IntervalYearMonth => f.write_str("INTERVAL MONTH"),
            TypeKind::IntervalDayTime => f.write_str("INTERVAL SECOND(3)"),
            TypeKind::Array(t) => write!(f, "ARRAY<{t}>"),
            TypeKind::Multiset(t) => write!(f, "MULTISET<{t}>"),
            TypeKind::Map(k, v) => write!(f, "MAP<{k}, {v}>"),
            TypeKind::Row(fields) => {
                f.write_str("ROW<")?;
                write_fields(f, fields)?;
                f.write_str(">")
            }
            TypeKind::Structured { class, fields } => {
                write!(f, "STRUCTURED<'{}', ", class.replace('\'', "''"))?;
                write_fields(f, fields)?;
                f.write_str(">")
            }
            TypeKind::Raw { class, serializer } => write!(f, "RAW('{class}', '{serializer}')"),
            TypeKind::Null => f.write_str("NULL"),
            TypeKind::Variant => f.write_str("VARIANT"),
            TypeKind::Bitmap => f.write_str("BITMAP"),
            TypeKind::Descriptor => f.write_str("DESCRIPTOR"),
        }
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "`{}` {}", field.name.replace('`', "``"), field.ty)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_flink_prints_them() {
        let row = TypeKind::Row(vec![
            Field::new("a", LogicalType::not_null(TypeKind::Int)),
            Field::new("b`c", LogicalType::string()),
        ]);
        let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::not_null(row)));
        assert_eq!(LogicalType::new(map).to_string(), "MAP<STRING, ROW<`a` INT NOT NULL, `b``c` STRING> NOT NULL>");
        assert_eq!(LogicalType::decimal(10, 2).to_string(), "DECIMAL(10, 2)");
        assert_eq!(LogicalType::not_null(TypeKind::TimestampLtz(3)).to_string(), "TIMESTAMP_LTZ(3) NOT NULL");
    }
}
