//! Types on their way to Python and back.

mod parse;

use flott_api::{Error, Field, LogicalType, Result, TypeKind};
use serde_json::{Value, json};

pub(crate) use parse::parse;

/// A type as our side of Python reads it.
///
/// # Errors
/// If functions in Python do not know it, as in Flink.
pub(crate) fn to_python(ty: &LogicalType) -> Result<Value> {
    let mut value = kind(&ty.kind)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("nullable".to_owned(), json!(ty.nullable));
        object.insert("text".to_owned(), json!(ty.to_string()));
    }
    Ok(value)
}

fn kind(kind: &TypeKind) -> Result<Value> {
    Ok(match kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => json!({ "kind": "VARCHAR" }),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => json!({ "kind": "VARBINARY" }),
        TypeKind::Boolean
        | TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Float
        | TypeKind::Double
        | TypeKind::Date
        | TypeKind::Null => json!({ "kind": kind.to_string() }),
        TypeKind::Decimal { precision, scale } => json!({ "kind": "DECIMAL", "precision": precision, "scale": scale }),
        TypeKind::Time(precision) => json!({ "kind": "TIME", "precision": precision }),
        TypeKind::Timestamp(precision) => json!({ "kind": "TIMESTAMP", "precision": precision }),
        TypeKind::TimestampLtz(precision) => json!({ "kind": "TIMESTAMP_LTZ", "precision": precision }),
        TypeKind::Array(element) => json!({ "kind": "ARRAY", "element": to_python(element)? }),
        TypeKind::Map(key, value) => json!({ "kind": "MAP", "key": to_python(key)?, "value": to_python(value)? }),
        TypeKind::Row(fields) => json!({ "kind": "ROW", "fields": fields_to_python(fields)? }),
        TypeKind::TimestampTz(_)
        | TypeKind::IntervalYearMonth
        | TypeKind::IntervalDayTime
        | TypeKind::Multiset(_)
        | TypeKind::Structured { .. }
        | TypeKind::Raw { .. }
        | TypeKind::Variant
        | TypeKind::Bitmap
        | TypeKind::Descriptor => {
            return Err(Error::unsupported(format!("type {kind} in functions in Python"))
                .with_hint("Cast it to a type that Python has, such as STRING or BIGINT."));
        }
    })
}

fn fields_to_python(fields: &[Field]) -> Result<Vec<Value>> {
    fields.iter().map(|f| Ok(json!({ "name": f.name, "type": to_python(&f.ty)? }))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_with_all_within_it() {
        let ty = parse("ROW<a INT NOT NULL, b ARRAY<DECIMAL(5, 2)>>").unwrap();
        let expected = r#"{"kind":"ROW","fields":[{"name":"a","type":{"kind":"INT","nullable":false,"text":"INT NOT NULL"}},{"name":"b","type":{"kind":"ARRAY","element":{"kind":"DECIMAL","precision":5,"scale":2,"nullable":true,"text":"DECIMAL(5, 2)"},"nullable":true,"text":"ARRAY<DECIMAL(5, 2)>"}}],"nullable":true,"text":"ROW<`a` INT NOT NULL, `b` ARRAY<DECIMAL(5, 2)>>"}"#;
        assert_eq!(to_python(&ty).unwrap().to_string(), expected);
    }

    #[test]
    fn types_that_python_does_not_have_are_refused_by_name() {
        let refused = |kind| to_python(&LogicalType::new(kind)).unwrap_err().message().to_owned();
        assert_eq!(refused(TypeKind::Bitmap), "type BITMAP in functions in Python is not supported yet");
        let within = TypeKind::Array(Box::new(LogicalType::new(TypeKind::Variant)));
        assert_eq!(refused(within), "type VARIANT in functions in Python is not supported yet");
    }
}
