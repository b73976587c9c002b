//! Defaults of a schema, which are JSON, as data.

use serde_json::Value;

use super::input::Taken;
use super::schema::{AvroSchema, Kind, TypeId};
use super::write::{bytes, long};

/// Defaults nested deeper are refused: a record may have itself as its default.
const DEPTH_MAX: usize = 100;

/// The data of a default. That of a union is of its first branch.
///
/// # Errors
/// If the JSON is not of that type.
pub(super) fn datum(schema: &AvroSchema, id: TypeId, json: &Value) -> Taken<Vec<u8>> {
    let mut out = Vec::new();
    put(schema, id, json, 0, &mut out)?;
    Ok(out)
}

fn put(schema: &AvroSchema, id: TypeId, json: &Value, depth: usize, out: &mut Vec<u8>) -> Taken<()> {
    if depth > DEPTH_MAX {
        return Err("it is nested too deep".to_owned());
    }
    let depth = depth + 1;
    let kind = &schema.get(id).kind;
    let wrong = || format!("{json} is no Avro {}", kind.name());
    match (kind, json) {
        (Kind::Null, Value::Null) => {}
        (Kind::Boolean, Value::Bool(value)) => out.push(u8::from(*value)),
        (Kind::Int | Kind::Long, Value::Number(number)) => long(number.as_i64().ok_or_else(wrong)?, out),
        (Kind::Float, Value::Number(n)) => {
            out.extend_from_slice(&(n.as_f64().ok_or_else(wrong)? as f32).to_le_bytes());
        }
        (Kind::Double, Value::Number(n)) => out.extend_from_slice(&n.as_f64().ok_or_else(wrong)?.to_le_bytes()),
        (Kind::Text, Value::String(text)) => bytes(text.as_bytes(), out),
        (Kind::Bytes, Value::String(text)) => bytes(&latin1(text).ok_or_else(wrong)?, out),
        (Kind::Fixed(size), Value::String(text)) => {
            let value = latin1(text).filter(|value| value.len() == *size);
            out.extend_from_slice(&value.ok_or_else(wrong)?);
        }
        (Kind::Enum(symbols), Value::String(text)) => {
            long(symbols.iter().position(|s| s == text).ok_or_else(wrong)? as i64, out);
        }
        (Kind::Array(items), Value::Array(values)) => {
            for value in values {
                long(1, out);
                put(schema, *items, value, depth, out)?;
            }
            out.push(0);
        }
        (Kind::Map(values), Value::Object(entries)) => {
            for (key, value) in entries {
                long(1, out);
                bytes(key.as_bytes(), out);
                put(schema, *values, value, depth, out)?;
            }
            out.push(0);
        }
        (Kind::Union(branches), json) => {
            long(0, out);
            put(schema, *branches.first().ok_or_else(wrong)?, json, depth, out)?;
        }
        (Kind::Record(fields), Value::Object(values)) => {
            for field in fields {
                let value = values.get(&field.name).or(field.default.as_ref()).ok_or_else(wrong)?;
                put(schema, field.ty, value, depth, out)?;
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// Each character is a byte.
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
