//! Avro schemas: parsed from their JSON into an arena, so that a named type can stand within itself.

use std::collections::HashMap;

use flott_api::{Error, Result};
use serde_json::{Map, Value};

/// Types nested deeper are refused: what walks a schema calls itself.
const DEPTH_MAX: usize = 100;

/// A type of the arena.
pub(super) type TypeId = usize;

/// A parsed schema.
#[derive(Debug)]
pub(super) struct AvroSchema {
    types: Vec<AvroType>,
    /// How many bytes a value of each type takes.
    sizes: Vec<Size>,
    /// The type of a whole datum.
    pub(super) root: TypeId,
}

/// A type.
#[derive(Debug)]
pub(super) struct AvroType {
    pub(super) kind: Kind,
    pub(super) logical: Logical,
}

/// What a type holds.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<RecordField>),
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct RecordField {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) ty: TypeId,
    pub(super) default: Option<Value>,
}

/// What the bytes of a type mean. A logical type that does not fit its type, or is not known, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    None,
    Date,
    TimeMillis,
    Decimal {
        precision: u64,
        scale: u64,
    },
    /// Units per second.
    Timestamp(i64),
    /// Without a zone; units per second.
    LocalTimestamp(i64),
}

impl AvroSchema {
    /// Parses the JSON of a schema.
    ///
    /// # Errors
    /// If it is no schema.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let json: Value = match serde_json::from_str(text) {
            Ok(json) => json,
            // A primitive may stand without quotes in what a registry or a user gives.
            Err(_) if primitive(text.trim()).is_some() => Value::String(text.trim().to_owned()),
            Err(e) => return Err(wrong("the Avro schema is no JSON").with_source(e)),
        };
        let mut parser = Parser { types: Vec::new(), names: HashMap::new() };
        let root = parser.parse(&json, "", 0)?;
        Ok(AvroSchema { sizes: sizes(&parser.types), types: parser.types, root })
    }

    /// A type of it.
    pub(super) fn get(&self, id: TypeId) -> &AvroType {
        &self.types[id]
    }

    /// The fewest bytes that a value of the type takes.
    pub(super) fn bytes_min(&self, id: TypeId) -> usize {
        self.sizes[id].min
    }

    /// The number of bytes of every value of the type, if it is one.
    pub(super) fn bytes_fixed(&self, id: TypeId) -> Option<usize> {
        self.sizes[id].fixed
    }
}

/// How many bytes values take.
#[derive(Clone, Copy, Debug)]
struct Size {
    min: usize,
    fixed: Option<usize>,
}

impl Size {
    fn fixed(bytes: usize) -> Self {
        Size { min: bytes, fixed: Some(bytes) }
    }

    fn and(self, other: Size) -> Self {
        let both = |a: usize| other.fixed.and_then(|b| a.checked_add(b));
        Size { min: self.min.saturating_add(other.min), fixed: self.fixed.and_then(both) }
    }
}

/// The sizes of all types, each found once: a type may stand in others many times over. A named type lies before those
/// that use it from outside, so this goes no deeper than the schema's text.
fn sizes(types: &[AvroType]) -> Vec<Size> {
    let mut found = vec![None; types.len()];
    for id in 0..types.len() {
        size(types, id, &mut found);
    }
    found.into_iter().map(|size| size.unwrap_or(Size { min: 0, fixed: None })).collect()
}

fn size(types: &[AvroType], id: TypeId, found: &mut [Option<Size>]) -> Size {
    if let Some(size) = found[id] {
        return size;
    }
    // What stands within itself meets this.
    found[id] = Some(Size { min: 0, fixed: None });
    let all = match &types[id].kind {
        Kind::Null => Size::fixed(0),
        Kind::Boolean => Size::fixed(1),
        Kind::Float => Size::fixed(4),
        Kind::Double => Size::fixed(8),
        Kind::Fixed(bytes) => Size::fixed(*bytes),
        Kind::Record(fields) => fields.iter().fold(Size::fixed(0), |sum, field| sum.and(size(types, field.ty, found))),
        _ => Size { min: 1, fixed: None },
    };
    found[id] = Some(all);
    all
}

fn wrong(message: impl Into<String>) -> Error {
    Error::invalid(message)
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::Text,
        _ => return None,
    })
}

struct Parser {
    types: Vec<AvroType>,
    /// Full names of records, enums and fixeds, and aliases of none: those are the reader's business.
    names: HashMap<String, TypeId>,
}

impl Parser {
    fn parse(&mut self, json: &Value, namespace: &str, depth: usize) -> Result<TypeId> {
        if depth > DEPTH_MAX {
            return Err(wrong(format!("the Avro schema is nested deeper than {DEPTH_MAX} types")));
        }
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => self.union(branches, namespace, depth),
            Value::Object(object) => self.complex(object, namespace, depth),
            _ => Err(wrong("the Avro schema has a type that is neither a name, a union nor an object")),
        }
    }

    fn add(&mut self, kind: Kind, logical: Logical) -> TypeId {
        self.types.push(AvroType { kind, logical });
        self.types.len() - 1
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<TypeId> {
        if let Some(kind) = primitive(name) {
            return Ok(self.add(kind, Logical::None));
        }
        let full = full_name(name, namespace);
        let found = self.names.get(&full).or_else(|| self.names.get(name)).copied();
        found.ok_or_else(|| wrong(format!("the Avro schema uses the type '{full}', which it does not define")))
    }

    fn union(&mut self, branches: &[Value], namespace: &str, depth: usize) -> Result<TypeId> {
        let mut ids = Vec::with_capacity(branches.len());
        for branch in branches {
            let id = self.parse(branch, namespace, depth + 1)?;
            if matches!(self.types[id].kind, Kind::Union(_)) {
                return Err(wrong("the Avro schema has a union within a union"));
            }
            ids.push(id);
        }
        Ok(self.add(Kind::Union(ids), Logical::None))
    }

    fn complex(&mut self, object: &Map<String, Value>, namespace: &str, depth: usize) -> Result<TypeId> {
        let inner = |key: &str| object.get(key).ok_or_else(|| wrong(format!("an Avro type has no '{key}'")));
        let ty = inner("type")?;
        let Value::String(name) = ty else { return self.parse(ty, namespace, depth + 1) };
        match name.as_str() {
            "record" | "error" => self.record(object, namespace, depth),
            "enum" => {
                let symbols = strings(inner("symbols")?).ok_or_else(|| wrong("an Avro enum has no list of symbols"))?;
                let id = self.add(Kind::Enum(symbols), Logical::None);
                self.define(object, namespace, id)?;
                Ok(id)
            }
            "fixed" => {
                let size = inner("size")?.as_u64().and_then(|size| i32::try_from(size).ok());
                let size = size.ok_or_else(|| wrong("an Avro fixed has a size that is no positive INT"))?;
                let id = self.add(Kind::Fixed(size as usize), Logical::None);
                self.types[id].logical = logical(object, &self.types[id].kind);
                self.define(object, namespace, id)?;
                Ok(id)
            }
            "array" => {
                let items = self.parse(inner("items")?, namespace, depth + 1)?;
                Ok(self.add(Kind::Array(items), Logical::None))
            }
            "map" => {
                let values = self.parse(inner("values")?, namespace, depth + 1)?;
                Ok(self.add(Kind::Map(values), Logical::None))
            }
            _ => {
                let id = self.named(name, namespace)?;
                if primitive(name).is_some() {
                    self.types[id].logical = logical(object, &self.types[id].kind);
                }
                Ok(id)
            }
        }
    }

    /// Gives the type its name, and says its namespace.
    fn define(&mut self, object: &Map<String, Value>, namespace: &str, id: TypeId) -> Result<String> {
        let name = object.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong("an Avro record, enum or fixed has no name"))?;
        let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let full = full_name(name, namespace);
        let own = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        if self.names.insert(full.clone(), id).is_some() {
            return Err(wrong(format!("the Avro schema defines the type '{full}' twice")));
        }
        Ok(own)
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str, depth: usize) -> Result<TypeId> {
        let id = self.add(Kind::Record(Vec::new()), Logical::None);
        let namespace = self.define(object, namespace, id)?;
        let fields = object.get("fields").and_then(Value::as_array);
        let mut parsed: Vec<RecordField> = Vec::new();
        for field in fields.ok_or_else(|| wrong("an Avro record has no list of fields"))? {
            let name = field.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| wrong("a field of an Avro record has no name"))?;
            let ty = field.get("type").ok_or_else(|| wrong(format!("Avro field '{name}' has no type")))?;
            if parsed.iter().any(|f| f.name == name) {
                return Err(wrong(format!("an Avro record has the field '{name}' twice")));
            }
            parsed.push(RecordField {
                name: name.to_owned(),
                aliases: field.get("aliases").and_then(strings).unwrap_or_default(),
                ty: self.parse(ty, &namespace, depth + 1)?,
                default: field.get("default").cloned(),
            });
        }
        self.types[id].kind = Kind::Record(parsed);
        Ok(id)
    }
}

fn strings(json: &Value) -> Option<Vec<String>> {
    json.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn logical(object: &Map<String, Value>, kind: &Kind) -> Logical {
    let number = |key: &str| object.get(key).and_then(Value::as_u64);
    match (object.get("logicalType").and_then(Value::as_str), kind) {
        (Some("date"), Kind::Int) => Logical::Date,
        (Some("time-millis"), Kind::Int) => Logical::TimeMillis,
        (Some("timestamp-millis"), Kind::Long) => Logical::Timestamp(1_000),
        (Some("timestamp-micros"), Kind::Long) => Logical::Timestamp(1_000_000),
        (Some("timestamp-nanos"), Kind::Long) => Logical::Timestamp(1_000_000_000),
        (Some("local-timestamp-millis"), Kind::Long) => Logical::LocalTimestamp(1_000),
        (Some("local-timestamp-micros"), Kind::Long) => Logical::LocalTimestamp(1_000_000),
        (Some("local-timestamp-nanos"), Kind::Long) => Logical::LocalTimestamp(1_000_000_000),
        (Some("decimal"), Kind::Bytes | Kind::Fixed(_)) => match number("precision") {
            Some(precision) => Logical::Decimal { precision, scale: number("scale").unwrap_or(0) },
            None => Logical::None,
        },
        _ => Logical::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_their_namespace_and_within_themselves() {
        let text = r#"{"type":"record","name":"n.Node","fields":[
            {"name":"value","type":{"type":"enum","name":"E","symbols":["A","B"]}},
            {"name":"again","type":"E"},
            {"name":"next","type":["null","Node"],"default":null,"aliases":["tail"]}]}"#;
        let schema = AvroSchema::parse(text).unwrap();
        let Kind::Record(fields) = &schema.get(schema.root).kind else { panic!() };
        assert_eq!(fields[0].ty, fields[1].ty);
        let Kind::Union(branches) = &schema.get(fields[2].ty).kind else { panic!() };
        assert_eq!(branches[1], schema.root);
        assert_eq!((&fields[2].default, fields[2].aliases.as_slice()), (&Some(Value::Null), &["tail".to_owned()][..]));
        assert_eq!(schema.bytes_min(schema.root), 3);
    }

    #[test]
    fn logical_types_that_do_not_fit_are_none() {
        let logical = |text: &str| {
            let schema = AvroSchema::parse(text).unwrap();
            schema.get(schema.root).logical
        };
        assert_eq!(logical(r#"{"type":"int","logicalType":"date"}"#), Logical::Date);
        assert_eq!(logical(r#"{"type":"long","logicalType":"date"}"#), Logical::None);
        let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4}"#;
        assert_eq!(logical(decimal), Logical::Decimal { precision: 4, scale: 0 });
        assert_eq!(
            logical(r#"{"type":{"type":"long","logicalType":"timestamp-micros"}}"#),
            Logical::Timestamp(1_000_000)
        );
        assert_eq!(logical("int"), Logical::None);
    }

    #[test]
    fn types_that_double_each_other_have_their_size_at_once() {
        let double = |i: usize| {
            let field = |name: &str| format!(r#"{{"name":"{name}","type":"r{}"}}"#, i - 1);
            format!(r#"{{"type":"record","name":"r{i}","fields":[{},{}]}}"#, field("a"), field("b"))
        };
        let bomb = (1..90).map(double).collect::<Vec<_>>().join(",");
        let schema = AvroSchema::parse(&format!(r#"[{{"type":"record","name":"r0","fields":[]}},{bomb}]"#)).unwrap();
        let Kind::Union(branches) = &schema.get(schema.root).kind else { panic!() };
        assert_eq!(schema.bytes_fixed(branches[89]), Some(0));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        let deep = format!("{}\"int\"{}", "{\"type\":\"array\",\"items\":".repeat(110), "}".repeat(110));
        for text in [
            "",
            "7",
            "{}",
            "\"x\"",
            "[[\"int\"]]",
            "[[\"int\"],\"null\"]",
            &deep,
            r#"{"type":"record","name":"r"}"#,
            r#"{"type":"record","name":"r","fields":[{"name":"a"}]}"#,
            r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            r#"{"type":"fixed","name":"f","size":-1}"#,
            r#"{"type":"enum","name":"f","symbols":[1]}"#,
            r#"{"type":"array"}"#,
        ] {
            assert!(AvroSchema::parse(text).is_err(), "{text}");
        }
    }
}
