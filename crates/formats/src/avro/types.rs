//! Which Avro type a type of Flink is, and the other way round.

use flott_api::{Field, LogicalType, Result, Schema, TypeKind};
use serde_json::{Map, Value, json};

use super::schema::{AvroSchema, Kind, Logical, TypeId};
use crate::type_refused;

/// What Flink calls the records that it makes up.
pub(super) const RECORD_NAME: &str = "org.apache.flink.avro.generated.record";

/// How timestamps lie in Avro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timestamps {
    /// As before Flink 1.19: `TIMESTAMP` is Avro's `timestamp`, in milliseconds only.
    Legacy,
    /// `TIMESTAMP` is Avro's `local-timestamp`, `TIMESTAMP_LTZ` its `timestamp`.
    Correct,
}

impl Timestamps {
    /// The units of a timestamp of that precision.
    pub(super) fn per_second(self, precision: u8) -> i64 {
        match (self, precision) {
            (Timestamps::Legacy, _) | (_, 0..=3) => 1_000,
            _ => 1_000_000,
        }
    }

    fn holds(self, kind: &TypeKind) -> bool {
        match (self, kind) {
            (Timestamps::Legacy, TypeKind::Timestamp(p)) => *p <= 3,
            (Timestamps::Correct, TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => *p <= 6,
            _ => false,
        }
    }

    /// Checks that Avro can hold these columns.
    ///
    /// # Errors
    /// Names the first column that it cannot.
    pub(super) fn check(self, format: &str, schema: &Schema) -> Result<()> {
        for field in &schema.fields {
            if !holds_name(&field.name) {
                let message = format!("column '{}' cannot be a field of format '{format}'", field.name);
                return Err(flott_api::Error::invalid(message)
                    .with_detail("A name of Avro has letters, digits and '_', and begins with no digit."));
            }
            if !self.holds_type(&field.ty) {
                return Err(type_refused(format, &field.name, &field.ty).with_detail(self.limits()));
            }
        }
        Ok(())
    }

    fn limits(self) -> &'static str {
        match self {
            Timestamps::Legacy => {
                "Of timestamps it has TIMESTAMP(0) to TIMESTAMP(3) unless 'timestamp_mapping.legacy' is 'false', \
                 of times TIME(0) to TIME(3), and the keys of its maps are strings."
            }
            Timestamps::Correct => {
                "It has timestamps up to precision 6 and times up to 3, and the keys of its maps are strings."
            }
        }
    }

    fn holds_type(self, ty: &LogicalType) -> bool {
        match &ty.kind {
            TypeKind::Array(element) => self.holds_type(element),
            TypeKind::Map(key, value) => key.kind.is_character() && self.holds_type(value),
            TypeKind::Multiset(element) => element.kind.is_character(),
            TypeKind::Row(fields) => fields.iter().all(|f| holds_name(&f.name) && self.holds_type(&f.ty)),
            TypeKind::Time(p) => *p <= 3,
            kind if kind.is_timestamp() => self.holds(kind),
            kind => {
                kind.is_numeric()
                    || kind.is_character()
                    || kind.is_binary()
                    || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Null)
            }
        }
    }

    /// The schema of a record with these fields, as Flink derives it.
    pub(super) fn schema_of(self, fields: &[Field]) -> Value {
        self.record(fields, RECORD_NAME, true)
    }

    /// A type, as it stands in a schema. `name` is that of the record, if it is a row; `path` of the one around it.
    pub(super) fn type_of(self, ty: &LogicalType, name: &str) -> Value {
        let plain = match &ty.kind {
            TypeKind::Null => return json!("null"),
            TypeKind::Row(fields) => self.record(fields, name, false),
            TypeKind::Array(element) => json!({"type": "array", "items": self.type_of(element, name)}),
            TypeKind::Map(_, value) => json!({"type": "map", "values": self.type_of(value, name)}),
            TypeKind::Multiset(_) => json!({"type": "map", "values": ["null", "int"]}),
            kind => self.scalar(kind),
        };
        if ty.nullable { json!(["null", plain]) } else { plain }
    }

    fn scalar(self, kind: &TypeKind) -> Value {
        match kind {
            TypeKind::Boolean => json!("boolean"),
            TypeKind::BigInt => json!("long"),
            TypeKind::Float => json!("float"),
            TypeKind::Double => json!("double"),
            TypeKind::Char(_) | TypeKind::Varchar(_) => json!("string"),
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => json!("bytes"),
            TypeKind::Date => json!({"type": "int", "logicalType": "date"}),
            TypeKind::Time(_) => json!({"type": "int", "logicalType": "time-millis"}),
            TypeKind::Decimal { precision, scale } => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
            }
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
                let local = self == Timestamps::Correct && matches!(kind, TypeKind::Timestamp(_));
                let unit = if self.per_second(*p) == 1_000 { "millis" } else { "micros" };
                let logical = format!("{}timestamp-{unit}", if local { "local-" } else { "" });
                json!({"type": "long", "logicalType": logical})
            }
            _ => json!("int"),
        }
    }

    fn record(self, fields: &[Field], name: &str, top: bool) -> Value {
        let mut record = Map::new();
        record.insert("type".to_owned(), json!("record"));
        let (namespace, own) = name.rsplit_once('.').unwrap_or(("", name));
        record.insert("name".to_owned(), json!(own));
        if top {
            record.insert("namespace".to_owned(), json!(namespace));
        }
        let field = |field: &Field| {
            let mut json =
                json!({"name": field.name, "type": self.type_of(&field.ty, &format!("{name}_{}", field.name))});
            if let (true, Some(json)) = (field.ty.nullable, json.as_object_mut()) {
                json.insert("default".to_owned(), Value::Null);
            }
            json
        };
        record.insert("fields".to_owned(), Value::Array(fields.iter().map(field).collect()));
        Value::Object(record)
    }
}

/// Whether Avro takes the name.
fn holds_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && characters.all(|c| c.is_alphanumeric() || c == '_')
}

impl Kind {
    /// What Avro calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::Text => "string",
            Kind::Fixed(_) => "fixed",
            Kind::Enum(_) => "enum",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) => "record",
        }
    }
}

/// The type without the null that it may be.
pub(super) fn non_null(schema: &AvroSchema, id: TypeId) -> TypeId {
    match nullable(schema, id) {
        Some((_, other)) => other,
        None => id,
    }
}

/// Of a union of null and another type: the place of the null, and the other type.
pub(super) fn nullable(schema: &AvroSchema, id: TypeId) -> Option<(usize, TypeId)> {
    let Kind::Union(branches) = &schema.get(id).kind else { return None };
    let null = |id: TypeId| matches!(schema.get(id).kind, Kind::Null);
    match branches.as_slice() {
        [a, b] if null(*a) && !null(*b) => Some((0, *b)),
        [a, b] if null(*b) && !null(*a) => Some((1, *a)),
        _ => None,
    }
}

/// Whether the type of a schema that a user gave is this type of the table, as Flink compares them.
pub(super) fn is_type(schema: &AvroSchema, id: TypeId, ty: &LogicalType) -> bool {
    let (nulls, id) = match nullable(schema, id) {
        Some((_, other)) => (true, other),
        None => (false, id),
    };
    let avro = schema.get(id);
    let same = match (&avro.kind, avro.logical, &ty.kind) {
        (Kind::Null, _, TypeKind::Null) => return true,
        (Kind::Boolean, _, TypeKind::Boolean) => true,
        (Kind::Int, Logical::Date, TypeKind::Date) => true,
        (Kind::Int, Logical::TimeMillis, TypeKind::Time(p)) => *p == 3,
        (Kind::Int, Logical::None, TypeKind::Int) => true,
        (Kind::Long, Logical::Timestamp(1_000), kind) => *kind == TypeKind::Timestamp(3),
        (Kind::Long, Logical::Timestamp(1_000_000), kind) => *kind == TypeKind::Timestamp(6),
        // Flink knows no other here.
        (Kind::Long, _, TypeKind::BigInt) => true,
        (Kind::Float, _, TypeKind::Float) | (Kind::Double, _, TypeKind::Double) => true,
        (Kind::Text | Kind::Enum(_), _, TypeKind::Varchar(n)) => *n == i32::MAX as u32,
        (Kind::Fixed(_) | Kind::Bytes, Logical::Decimal { precision, scale }, TypeKind::Decimal { .. }) => {
            let TypeKind::Decimal { precision: p, scale: s } = &ty.kind else { return false };
            (precision, scale) == (u64::from(*p), u64::from(*s))
        }
        (Kind::Fixed(size), _, TypeKind::Varbinary(n)) => *size == *n as usize,
        (Kind::Bytes, _, TypeKind::Varbinary(n)) => *n == i32::MAX as u32,
        (Kind::Array(items), _, TypeKind::Array(element)) => is_type(schema, *items, element),
        (Kind::Map(values), _, TypeKind::Map(key, value)) => {
            matches!(key.kind, TypeKind::Varchar(_)) && !key.nullable && is_type(schema, *values, value)
        }
        (Kind::Record(record), _, TypeKind::Row(fields)) => {
            let same = |(r, f): (&super::schema::RecordField, &Field)| r.name == f.name && is_type(schema, r.ty, &f.ty);
            record.len() == fields.len() && record.iter().zip(fields).all(same)
        }
        _ => false,
    };
    same && nulls == ty.nullable
}
