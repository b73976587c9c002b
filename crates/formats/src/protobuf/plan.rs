//! How the columns of a table lie in a message: made of its descriptor once, for reading and writing.

use std::sync::Arc;

use flott_api::{Error, Field as ColumnField, LogicalType, Result, TypeKind};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MessageDescriptor, Syntax, Value};

use super::wire::{BYTES, FIXED32, FIXED64, VARINT};

/// A message, as far as columns or the rules of the encoding ask for its fields.
pub(super) struct Message {
    /// By number.
    pub(super) fields: Vec<Field>,
    /// The place of each field of a small number; `NONE` for others.
    small: Vec<u16>,
    /// Whether it is an entry of a map.
    pub(super) entry: bool,
}

const NONE: u16 = u16::MAX;
/// Numbers below are looked up in a table.
const SMALL_MAX: u32 = 256;

/// A field of a message.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) number: u32,
    /// Of one value.
    pub(super) wire: u8,
    /// Where it goes to; without it only counts whether it is there.
    pub(super) column: Option<usize>,
    pub(super) repeated: bool,
    pub(super) packed: bool,
    /// Whether a default value differs from none.
    pub(super) presence: bool,
    pub(super) required: bool,
    /// Fields of the same number here drive each other out.
    pub(super) oneof: Option<usize>,
    pub(super) kind: Kind,
    pub(super) absent: Absent,
}

/// The type of one value of a field.
pub(super) enum Kind {
    Scalar(Scalar),
    /// Whether bytes that are no UTF-8 are an error.
    Text(bool),
    Bytes,
    Enum(Arc<Enumeration>),
    Message(Box<Message>),
    /// An entry with key and value.
    Map(Box<Message>),
}

/// Numbers, by how they lie on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int32,
    Uint32,
    Sint32,
    Fixed32,
    Int64,
    Sint64,
    Fixed64,
    Float,
    Double,
}

/// What a column gets whose field is not there.
pub(super) enum Absent {
    Null,
    /// A number, as it lies on the wire.
    Bits(u64),
    Bytes(Vec<u8>),
    /// A list or map without elements.
    Empty,
    /// A message without fields.
    Message,
}

/// The values of an enum.
pub(super) struct Enumeration {
    /// By number; of aliases the first that is declared.
    names: Vec<(i32, String)>,
    /// By name.
    numbers: Vec<(String, i32)>,
    /// The first that is declared.
    pub(super) first: i32,
    /// Whether an unknown number counts as if the field were not there (proto2).
    pub(super) closed: bool,
}

impl Enumeration {
    fn new(descriptor: &EnumDescriptor, closed: bool) -> Self {
        let mut names: Vec<_> = descriptor.values().map(|v| (v.number(), v.name().to_owned())).collect();
        let first = descriptor.enum_descriptor_proto().value.first().map_or(0, |v| v.number());
        let mut numbers: Vec<_> = names.iter().map(|(number, name)| (name.clone(), *number)).collect();
        let declared: Vec<&str> = descriptor.enum_descriptor_proto().value.iter().map(|v| v.name()).collect();
        names.sort_by_key(|(number, name)| (*number, declared.iter().position(|d| d == name)));
        names.dedup_by_key(|(number, _)| *number);
        numbers.sort();
        Enumeration { names, numbers, first, closed }
    }

    /// The name of a number.
    #[inline]
    pub(super) fn name(&self, number: i32) -> Option<&str> {
        let at = self.names.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        Some(&self.names[at].1)
    }

    /// The number of a name.
    #[inline]
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        let at = self.numbers.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        Some(self.numbers[at].1)
    }
}

impl Scalar {
    /// The wire type.
    pub(super) fn wire(self) -> u8 {
        match self {
            Scalar::Fixed32 | Scalar::Float => FIXED32,
            Scalar::Fixed64 | Scalar::Double => FIXED64,
            _ => VARINT,
        }
    }

    fn of(kind: &ProtoKind) -> Option<Self> {
        Some(match kind {
            ProtoKind::Bool => Scalar::Bool,
            ProtoKind::Int32 => Scalar::Int32,
            ProtoKind::Uint32 => Scalar::Uint32,
            ProtoKind::Sint32 => Scalar::Sint32,
            ProtoKind::Fixed32 | ProtoKind::Sfixed32 => Scalar::Fixed32,
            ProtoKind::Int64 | ProtoKind::Uint64 => Scalar::Int64,
            ProtoKind::Sint64 => Scalar::Sint64,
            ProtoKind::Fixed64 | ProtoKind::Sfixed64 => Scalar::Fixed64,
            ProtoKind::Float => Scalar::Float,
            ProtoKind::Double => Scalar::Double,
            _ => return None,
        })
    }

    fn takes(self, kind: &TypeKind) -> bool {
        match self {
            Scalar::Bool => *kind == TypeKind::Boolean,
            Scalar::Int32 | Scalar::Uint32 | Scalar::Sint32 | Scalar::Fixed32 => *kind == TypeKind::Int,
            Scalar::Int64 | Scalar::Sint64 | Scalar::Fixed64 => *kind == TypeKind::BigInt,
            Scalar::Float => *kind == TypeKind::Float,
            Scalar::Double => *kind == TypeKind::Double,
        }
    }
}

/// Makes plans of one table.
pub(super) struct Planner {
    /// `read-default-values`
    defaults: bool,
    /// The same for what is no list, map or message.
    simple_defaults: bool,
}

impl Planner {
    /// For tables of this message.
    pub(super) fn new(message: &MessageDescriptor, defaults: bool) -> Self {
        let proto3 = message.parent_file().syntax() == Syntax::Proto3;
        Planner { defaults, simple_defaults: defaults || proto3 }
    }

    /// The plan of a message; of each column there is the place that it has, if it is asked for.
    ///
    /// # Errors
    /// If the message has no field of a column, or one of another type.
    pub(super) fn message<'a>(
        &self,
        message: &MessageDescriptor,
        columns: impl Iterator<Item = (Option<usize>, &'a ColumnField)>,
    ) -> Result<Message> {
        let mut fields = Vec::new();
        for (place, column) in columns {
            let name = &column.name;
            let found = message.get_field_by_name(name).ok_or_else(|| missing(message, name))?;
            let field = self.field(&found, &column.ty).map_err(|e| e.context(format!("column '{name}'")))?;
            if place.is_some() {
                fields.push(Field { column: place, ..field });
            }
        }
        for other in message.fields() {
            let known = |f: &Field| f.number == other.number();
            if fields.iter().any(known) {
                continue;
            }
            let rivals = fields.iter().any(|f| f.oneof.is_some() && f.oneof == oneof(&other));
            if other.is_required() || rivals {
                fields.push(unread(&other));
            }
        }
        Ok(Message::new(fields, false))
    }

    fn field(&self, field: &FieldDescriptor, ty: &LogicalType) -> Result<Field> {
        let misfit = || {
            Error::invalid(format!("the Protobuf type {} does not take {ty}", type_name(field)))
                .with_hint(format!("Declare it as {}.", fitting(field)))
        };
        if field.is_map() {
            let TypeKind::Map(key, value) = &ty.kind else { return Err(misfit()) };
            let kind = Kind::Map(Box::new(self.entry(field, key, value)?));
            return Ok(self.made(field, kind, BYTES));
        }
        let ty = match (&ty.kind, field.is_list()) {
            (TypeKind::Array(element), true) => element,
            (_, true) => return Err(misfit()),
            (_, false) => ty,
        };
        let kind = self.kind(field, ty, &misfit)?;
        let wire = wire(&field.kind());
        Ok(self.made(field, kind, wire))
    }

    fn kind(&self, field: &FieldDescriptor, ty: &LogicalType, misfit: &dyn Fn() -> Error) -> Result<Kind> {
        if field.is_group() {
            return Err(Error::unsupported("a group of Protobuf as a column").with_hint("Leave the column out."));
        }
        let proto2 = field.parent_message().parent_file().syntax() == Syntax::Proto2;
        match (field.kind(), &ty.kind) {
            (ProtoKind::String, kind) if kind.is_character() => Ok(Kind::Text(!proto2)),
            (ProtoKind::Bytes, TypeKind::Binary(_) | TypeKind::Varbinary(_)) => Ok(Kind::Bytes),
            (ProtoKind::Enum(values), kind)
                if kind.is_character() || matches!(kind, TypeKind::Int | TypeKind::BigInt) =>
            {
                Ok(Kind::Enum(Arc::new(Enumeration::new(&values, proto2))))
            }
            (ProtoKind::Message(message), TypeKind::Row(fields)) => {
                let columns = fields.iter().enumerate().map(|(i, f)| (Some(i), f));
                Ok(Kind::Message(Box::new(self.message(&message, columns)?)))
            }
            (kind, ty) => match Scalar::of(&kind).filter(|scalar| scalar.takes(ty)) {
                Some(scalar) => Ok(Kind::Scalar(scalar)),
                None => Err(misfit()),
            },
        }
    }

    /// The entry of a map: key and value are always there.
    fn entry(&self, field: &FieldDescriptor, key: &LogicalType, value: &LogicalType) -> Result<Message> {
        let ProtoKind::Message(entry) = field.kind() else {
            return Err(Error::internal("a map of Protobuf has no entries"));
        };
        let mut fields = Vec::new();
        for (place, field, ty) in [(0, entry.map_entry_key_field(), key), (1, entry.map_entry_value_field(), value)] {
            let mut made = self.field(&field, ty).map_err(|e| e.context(format!("the map's {}", field.name())))?;
            if let Kind::Text(strict) = &mut made.kind {
                // In maps Google's library for Java asks for UTF-8 whatever the syntax.
                *strict = true;
            }
            fields.push(Field { column: Some(place), presence: true, absent: default(&field, &made.kind), ..made });
        }
        Ok(Message::new(fields, true))
    }

    fn made(&self, field: &FieldDescriptor, kind: Kind, wire: u8) -> Field {
        let simple = !field.is_list() && !matches!(kind, Kind::Message(_) | Kind::Map(_));
        // A field whose absence cannot be told from its default is never null.
        let shown = if simple { self.simple_defaults || !field.supports_presence() } else { self.defaults };
        let absent = if shown { default(field, &kind) } else { Absent::Null };
        Field { wire, packed: is_packed(field, wire), kind, absent, ..unread(field) }
    }
}

impl Message {
    fn new(mut fields: Vec<Field>, entry: bool) -> Self {
        fields.sort_by_key(|f| f.number);
        let mut small = Vec::new();
        for (at, field) in fields.iter().enumerate().filter(|(_, f)| f.number < SMALL_MAX) {
            small.resize(field.number as usize + 1, NONE);
            small[field.number as usize] = at as u16;
        }
        Message { fields, small, entry }
    }

    /// The place of a field.
    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<usize> {
        if number < SMALL_MAX {
            let at = *self.small.get(number as usize)?;
            return (at != NONE).then_some(usize::from(at));
        }
        self.fields.binary_search_by_key(&number, |f| f.number).ok()
    }
}

/// A field of which only counts whether it is there.
fn unread(field: &FieldDescriptor) -> Field {
    Field {
        name: field.name().to_owned(),
        number: field.number(),
        wire: wire(&field.kind()),
        column: None,
        repeated: field.is_list() || field.is_map(),
        packed: false,
        presence: field.supports_presence(),
        required: field.is_required(),
        oneof: oneof(field),
        kind: Kind::Bytes,
        absent: Absent::Null,
    }
}

/// Whether numbers are written behind each other without keys. The pool's own answer was made before it read options.
fn is_packed(field: &FieldDescriptor, wire: u8) -> bool {
    let option = field.field_descriptor_proto().options.as_ref().and_then(|options| options.packed);
    let proto3 = field.parent_message().parent_file().syntax() == Syntax::Proto3;
    field.is_list() && wire != BYTES && option.unwrap_or(proto3)
}

fn wire(kind: &ProtoKind) -> u8 {
    match kind {
        ProtoKind::Enum(_) => VARINT,
        other => Scalar::of(other).map_or(BYTES, Scalar::wire),
    }
}

/// Which group of rivals a field is in; the group that an `optional` field makes for itself has no others.
fn oneof(field: &FieldDescriptor) -> Option<usize> {
    let oneof = field.containing_oneof()?;
    oneof.parent_message().oneofs().position(|o| o == oneof)
}

fn default(field: &FieldDescriptor, kind: &Kind) -> Absent {
    if field.is_list() || field.is_map() {
        return Absent::Empty;
    }
    match (field.default_value(), kind) {
        (_, Kind::Message(_)) => Absent::Message,
        (Value::String(text), _) => Absent::Bytes(text.into_bytes()),
        (Value::Bytes(bytes), _) => Absent::Bytes(bytes.to_vec()),
        (Value::Bool(b), _) => Absent::Bits(u64::from(b)),
        (Value::I32(v), Kind::Scalar(Scalar::Sint32)) => Absent::Bits(u64::from(((v << 1) ^ (v >> 31)) as u32)),
        (Value::I64(v), Kind::Scalar(Scalar::Sint64)) => Absent::Bits(((v << 1) ^ (v >> 63)) as u64),
        (Value::I32(v) | Value::EnumNumber(v), _) => Absent::Bits(i64::from(v) as u64),
        (Value::I64(v), _) => Absent::Bits(v as u64),
        (Value::U32(v), _) => Absent::Bits(u64::from(v)),
        (Value::U64(v), _) => Absent::Bits(v),
        (Value::F32(v), _) => Absent::Bits(u64::from(v.to_bits())),
        (Value::F64(v), _) => Absent::Bits(v.to_bits()),
        _ => Absent::Null,
    }
}

fn missing(message: &MessageDescriptor, column: &str) -> Error {
    let names: Vec<String> = message.fields().map(|f| f.name().to_owned()).collect();
    let error = Error::invalid(format!("message '{}' has no field for column '{column}'", message.full_name()));
    match flott_api::error::nearest(column, names.iter().map(String::as_str)) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error.with_hint(format!("Its fields are: {}.", names.join(", "))),
    }
}

fn type_name(field: &FieldDescriptor) -> String {
    match (field.kind(), field.is_map(), field.is_list()) {
        (_, true, _) => "map".to_owned(),
        (ProtoKind::Message(m), _, true) => format!("repeated {}", m.full_name()),
        (ProtoKind::Message(m), _, false) => m.full_name().to_owned(),
        (ProtoKind::Enum(e), _, true) => format!("repeated {}", e.full_name()),
        (ProtoKind::Enum(e), _, false) => e.full_name().to_owned(),
        (kind, _, true) => format!("repeated {kind:?}").to_lowercase(),
        (kind, _, false) => format!("{kind:?}").to_lowercase(),
    }
}

/// What a column of this field is to be, for a hint.
fn fitting(field: &FieldDescriptor) -> String {
    if let (true, ProtoKind::Message(entry)) = (field.is_map(), field.kind()) {
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return format!("MAP<{}, {}>", fitting(&key), fitting(&value));
    }
    let one = match field.kind() {
        ProtoKind::Message(_) => "ROW<..>",
        ProtoKind::Enum(_) => "STRING or INT",
        ProtoKind::String => "STRING",
        ProtoKind::Bytes => "BYTES",
        ProtoKind::Bool => "BOOLEAN",
        ProtoKind::Float => "FLOAT",
        ProtoKind::Double => "DOUBLE",
        other if Scalar::of(&other).is_some_and(|s| s.takes(&TypeKind::Int)) => "INT",
        _ => "BIGINT",
    };
    if field.is_list() { format!("ARRAY<{one}>") } else { one.to_owned() }
}
