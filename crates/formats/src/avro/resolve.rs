//! The writer's schema and the table's columns: which value goes where, by Avro's rules of resolution.
//!
//! Fields are found by name, then by the aliases of the reader's schema, where a user gave one. What does not fit is an
//! error once there is such a value, as in Flink: a union may have branches that never come.

use std::cell::Cell;

use flott_api::{Field, LogicalType, TypeKind};

use super::json::datum;
use super::read::{Missing, Read, RecordRead, Step};
use super::schema::{AvroSchema, Kind, Logical, RecordField, TypeId};
use super::types::{Timestamps, non_null};

/// A plan of more parts is not made: unions within unions multiply.
const PARTS_MAX: usize = 1 << 16;

/// Makes plans of reading.
pub(super) struct Resolver<'a> {
    writer: &'a AvroSchema,
    /// The user's schema, for defaults and aliases; it says the same types as the columns.
    reader: Option<&'a AvroSchema>,
    timestamps: Timestamps,
    parts: Cell<usize>,
}

/// The reader's type, where there is one.
type Wanted = Option<TypeId>;

impl<'a> Resolver<'a> {
    /// A resolver of a writer's schema.
    pub(super) fn new(writer: &'a AvroSchema, reader: Option<&'a AvroSchema>, timestamps: Timestamps) -> Self {
        Resolver { writer, reader, timestamps, parts: Cell::new(0) }
    }

    /// How a record of the writer goes into columns of these fields.
    pub(super) fn record(&self, writer: &[RecordField], fields: &[Field], wanted: Wanted) -> RecordRead {
        let reader = wanted.and_then(|id| self.reader_fields(id)).unwrap_or_default();
        let of_reader = |name: &str| reader.iter().find(|f| f.name == name);
        let place = |field: &Field| {
            let by_name = writer.iter().position(|w| w.name == field.name);
            let aliases = of_reader(&field.name).map(|f| f.aliases.as_slice()).unwrap_or_default();
            by_name.or_else(|| writer.iter().position(|w| aliases.contains(&w.name)))
        };
        let places: Vec<Option<usize>> = fields.iter().map(place).collect();
        let step = |(i, w): (usize, &RecordField)| match places.iter().position(|place| *place == Some(i)) {
            None => Step::Skip(w.ty),
            Some(column) => {
                let field = &fields[column];
                Step::Read(column, self.value(w.ty, &field.ty, of_reader(&field.name).map(|f| f.ty)))
            }
        };
        let steps: Vec<Step> = writer.iter().enumerate().map(step).collect();
        let read = |column: usize| steps.iter().any(|s| matches!(s, Step::Read(c, _) if *c == column));
        let missing = (0..fields.len()).filter(|column| !read(*column));
        let missing = missing.map(|column| (column, self.missing(&fields[column], of_reader(&fields[column].name))));
        let missing = missing.collect();
        RecordRead { steps, missing, names: fields.iter().map(|f| f.name.clone()).collect() }
    }

    fn reader_fields(&self, id: TypeId) -> Option<&[RecordField]> {
        let reader = self.reader?;
        match &reader.get(non_null(reader, id)).kind {
            Kind::Record(fields) => Some(fields),
            _ => None,
        }
    }

    fn missing(&self, field: &Field, wanted: Option<&RecordField>) -> Missing {
        let Some((reader, wanted)) = self.reader.zip(wanted) else {
            return match field.ty.nullable {
                true => Missing::Null,
                false => Missing::Refused(format!(
                    "field '{}' is missing in the writer's schema, but it is {}",
                    field.name, field.ty
                )),
            };
        };
        let none = || Missing::Refused(format!("field '{}' is missing and has no default", field.name));
        let Some(default) = &wanted.default else { return none() };
        match datum(reader, wanted.ty, default) {
            Ok(data) => {
                let own = Resolver::new(reader, self.reader, self.timestamps);
                Missing::Default(data, own.value(wanted.ty, &field.ty, Some(wanted.ty)))
            }
            Err(what) => Missing::Refused(format!("the default of field '{}': {what}", field.name)),
        }
    }

    /// How a value of the writer goes into a column of that type.
    pub(super) fn value(&self, id: TypeId, ty: &LogicalType, wanted: Wanted) -> Read {
        let writer = self.writer.get(id);
        self.parts.set(self.parts.get() + 1);
        match &writer.kind {
            _ if self.parts.get() > PARTS_MAX => Read::Mismatch("the writer's schema has too many unions".to_owned()),
            Kind::Union(branches) => Read::Union(branches.iter().map(|b| self.value(*b, ty, wanted)).collect()),
            Kind::Null if ty.nullable => Read::Null,
            Kind::Null => Read::Mismatch(format!("a null where the type is {ty}")),
            kind => {
                let read = self.typed(kind, writer.logical, ty, wanted);
                read.unwrap_or_else(|| Read::Mismatch(format!("an Avro {} is no {ty}", kind.name())))
            }
        }
    }

    fn typed(&self, kind: &Kind, logical: Logical, ty: &LogicalType, wanted: Wanted) -> Option<Read> {
        Some(match (&ty.kind, kind) {
            (TypeKind::Boolean, Kind::Boolean) => Read::Boolean,
            (TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::Date, Kind::Int) => Read::Int,
            (TypeKind::Time(_), Kind::Int) => Read::Time,
            (TypeKind::BigInt, Kind::Int) => Read::Int,
            (TypeKind::BigInt, Kind::Long) => Read::Long,
            (TypeKind::Float, Kind::Int | Kind::Long) => Read::IntToFloat,
            (TypeKind::Float, Kind::Float) => Read::Float,
            (TypeKind::Double, Kind::Int | Kind::Long) => Read::IntToDouble,
            (TypeKind::Double, Kind::Float) => Read::FloatToDouble,
            (TypeKind::Double, Kind::Double) => Read::Double,
            (TypeKind::Char(_) | TypeKind::Varchar(_), Kind::Text | Kind::Bytes) => Read::Bytes,
            (TypeKind::Char(_) | TypeKind::Varchar(_), Kind::Enum(symbols)) => Read::Enum(symbols.clone()),
            (TypeKind::Binary(_) | TypeKind::Varbinary(_), Kind::Text | Kind::Bytes) => Read::Bytes,
            (TypeKind::Binary(_) | TypeKind::Varbinary(_), Kind::Fixed(size)) => Read::Fixed(*size),
            (TypeKind::Decimal { precision, scale }, Kind::Bytes | Kind::Fixed(_)) => {
                return Some(decimal(kind, logical, *precision, *scale));
            }
            (TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p), Kind::Int | Kind::Long) => {
                let per_second = match logical {
                    Logical::Timestamp(per_second) | Logical::LocalTimestamp(per_second) => per_second,
                    _ => self.timestamps.per_second(*p),
                };
                Read::Moment { per_second, precision: *p }
            }
            (TypeKind::Array(element), Kind::Array(items)) => {
                let wanted = self.within(wanted);
                Read::Array(Box::new(self.value(*items, element, wanted)), self.writer.bytes_min(*items))
            }
            (TypeKind::Map(_, value), Kind::Map(values)) => {
                let read = self.value(*values, value, self.within(wanted));
                Read::Map(Box::new(read), *values, self.writer.bytes_min(*values).saturating_add(1))
            }
            (TypeKind::Multiset(_), Kind::Map(values)) => {
                let read = self.value(*values, &LogicalType::not_null(TypeKind::Int), None);
                Read::Map(Box::new(read), *values, self.writer.bytes_min(*values).saturating_add(1))
            }
            (TypeKind::Row(fields), Kind::Record(record)) => Read::Record(self.record(record, fields, wanted)),
            _ => return None,
        })
    }

    /// The type of the elements of the reader's array or map.
    fn within(&self, wanted: Wanted) -> Wanted {
        let (reader, id) = self.reader.zip(wanted)?;
        match reader.get(non_null(reader, id)).kind {
            Kind::Array(element) | Kind::Map(element) => Some(element),
            _ => None,
        }
    }
}

fn decimal(kind: &Kind, logical: Logical, precision: u8, scale: u8) -> Read {
    if let Logical::Decimal { scale: of_writer, .. } = logical
        && of_writer != u64::from(scale)
    {
        return Read::Mismatch(format!("an Avro decimal of scale {of_writer} is no DECIMAL({precision}, {scale})"));
    }
    let size = if let Kind::Fixed(size) = kind { Some(*size) } else { None };
    Read::Decimal { size, largest: 10_i128.pow(u32::from(precision.min(38))) - 1 }
}
