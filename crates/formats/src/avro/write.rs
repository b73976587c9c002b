//! Columns to binary data, along a plan that is made of the schema once.

use arrow_array::Array;
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, TypeKind};

use super::schema::{AvroSchema, Kind, Logical, RecordField, TypeId};
use super::types::{Timestamps, nullable};
use crate::cells::{Cell, Cells, Moments, element_range};

/// How a value is written.
struct Slot {
    /// Of a union of null and another type, the place of the null.
    null: Option<usize>,
    write: Write,
}

enum Write {
    Plain,
    /// The texts of the symbols.
    Enum(Vec<String>),
    Fixed(usize),
    /// In units of so many per second.
    Moment(i64),
    /// Of an array, a map or a multiset.
    Elements(Box<Slot>),
    Fields(Vec<Slot>),
}

/// Writes rows as records of one schema.
pub(super) struct RecordWriter {
    fields: Vec<Field>,
    slots: Vec<Slot>,
}

/// `long`: zigzag, seven bits a byte, the lowest first.
#[inline]
pub(super) fn long(value: i64, out: &mut Vec<u8>) {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// `bytes` and `string`
#[inline]
pub(super) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value);
}

/// The place of what is not null beside the null.
#[inline]
pub(super) fn branch(null: usize, is_null: bool, out: &mut Vec<u8>) {
    out.push(if is_null == (null == 0) { 0 } else { 2 });
}

impl RecordWriter {
    /// A writer of these columns as the record at `id`, whose fields are theirs in order.
    ///
    /// # Errors
    /// If the record has other fields.
    pub(super) fn new(schema: &AvroSchema, id: TypeId, fields: &[Field], timestamps: Timestamps) -> Result<Self> {
        let Kind::Record(record) = &schema.get(id).kind else {
            return Err(Error::invalid("the Avro schema of a table is no record"));
        };
        let slots = slots(schema, record, fields, timestamps)?;
        Ok(RecordWriter { fields: fields.to_vec(), slots })
    }

    /// The columns of a batch.
    ///
    /// # Errors
    /// If an array is not laid out as its type says.
    pub(super) fn cells(&self, batch: &ChangeBatch) -> Result<Vec<Cell>> {
        batch.rows().columns().iter().zip(&self.fields).map(|(array, field)| Cell::new(array, &field.ty)).collect()
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If a value does not fit the schema.
    pub(super) fn row(&self, cells: &[Cell], row: usize, out: &mut Vec<u8>) -> Result<()> {
        for ((cell, slot), field) in cells.iter().zip(&self.slots).zip(&self.fields) {
            value(cell, slot, row, out).map_err(|e| e.context(format!("column '{}'", field.name)))?;
        }
        Ok(())
    }
}

fn slots(schema: &AvroSchema, record: &[RecordField], fields: &[Field], timestamps: Timestamps) -> Result<Vec<Slot>> {
    if record.len() != fields.len() {
        return Err(Error::invalid(format!(
            "the Avro schema has {} fields, but the table {} columns",
            record.len(),
            fields.len()
        )));
    }
    record.iter().zip(fields).map(|(r, f)| slot(schema, r.ty, &f.ty, timestamps)).collect()
}

fn slot(schema: &AvroSchema, id: TypeId, ty: &LogicalType, timestamps: Timestamps) -> Result<Slot> {
    let (null, id) = match nullable(schema, id) {
        Some((null, other)) => (Some(null), other),
        None => (None, id),
    };
    let avro = schema.get(id);
    let within = |id: TypeId, ty: &LogicalType| slot(schema, id, ty, timestamps).map(Box::new);
    let write = match (&avro.kind, &ty.kind) {
        (Kind::Enum(symbols), TypeKind::Char(_) | TypeKind::Varchar(_)) => Write::Enum(symbols.clone()),
        (Kind::Fixed(size), _) => Write::Fixed(*size),
        (Kind::Long, TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => Write::Moment(match avro.logical {
            Logical::Timestamp(per_second) | Logical::LocalTimestamp(per_second) => per_second,
            _ => timestamps.per_second(*p),
        }),
        (Kind::Array(items), TypeKind::Array(element)) => Write::Elements(within(*items, element)?),
        (Kind::Map(values), TypeKind::Map(_, value)) => Write::Elements(within(*values, value)?),
        (Kind::Map(values), TypeKind::Multiset(_)) => {
            Write::Elements(within(*values, &LogicalType::new(TypeKind::Int))?)
        }
        (Kind::Record(record), TypeKind::Row(fields)) => Write::Fields(slots(schema, record, fields, timestamps)?),
        (kind, ty_kind) if plain(kind, ty_kind) => Write::Plain,
        (kind, _) => return Err(Error::invalid(format!("the Avro type {} does not take {ty}", kind.name()))),
    };
    Ok(Slot { null, write })
}

fn plain(avro: &Kind, kind: &TypeKind) -> bool {
    match avro {
        Kind::Null => *kind == TypeKind::Null,
        Kind::Boolean => *kind == TypeKind::Boolean,
        Kind::Int => {
            matches!(kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::Date | TypeKind::Time(_))
        }
        Kind::Long => *kind == TypeKind::BigInt,
        Kind::Float => *kind == TypeKind::Float,
        Kind::Double => *kind == TypeKind::Double,
        Kind::Text => kind.is_character(),
        Kind::Bytes => kind.is_binary() || matches!(kind, TypeKind::Decimal { .. }),
        _ => false,
    }
}

fn value(cell: &Cell, slot: &Slot, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let is_null = cell.is_null(row);
    match slot.null {
        Some(null) => branch(null, is_null, out),
        None if is_null && !matches!(cell.cells, Cells::Null) => {
            return Err(Error::data("a null cannot be written: its Avro type has none"));
        }
        None => {}
    }
    if is_null {
        return Ok(());
    }
    match (&cell.cells, &slot.write) {
        (Cells::Row(children), Write::Fields(slots)) => {
            children.iter().zip(slots).try_for_each(|(cell, slot)| value(cell, slot, row, out))
        }
        (Cells::Array(list, child), Write::Elements(slot)) => {
            let elements = element_range(list, row);
            begin(elements.len(), out);
            for element in elements {
                value(child, slot, element, out)?;
            }
            out.push(0);
            Ok(())
        }
        (Cells::Map(list, keys, values), Write::Elements(slot)) => {
            let entries = element_range(list, row);
            begin(entries.len(), out);
            for entry in entries {
                let Cells::Text(texts) = &keys.cells else { return Err(misfit()) };
                if texts.is_null(entry) {
                    return Err(Error::data("a map with a null key cannot be written in Avro"));
                }
                bytes(texts.value(entry).as_bytes(), out);
                value(values, slot, entry, out)?;
            }
            out.push(0);
            Ok(())
        }
        (cells, write) => scalar(cells, write, row, out),
    }
}

/// Begins the one block of an array or map; an empty one has none.
fn begin(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        long(count as i64, out);
    }
}

fn misfit() -> Error {
    Error::internal("a column does not have the layout of its Avro schema")
}

fn scalar(cells: &Cells, write: &Write, row: usize, out: &mut Vec<u8>) -> Result<()> {
    match (cells, write) {
        (Cells::Boolean(a), _) => out.push(u8::from(a.value(row))),
        (Cells::Int8(a), _) => long(i64::from(a.value(row)), out),
        (Cells::Int16(a), _) => long(i64::from(a.value(row)), out),
        (Cells::Int32(a), _) => long(i64::from(a.value(row)), out),
        (Cells::Date(a), _) => long(i64::from(a.value(row)), out),
        (Cells::Time(a), _) => long(i64::from(a.value(row)), out),
        (Cells::Int64(a), _) => long(a.value(row), out),
        (Cells::Float32(a), _) => out.extend_from_slice(&a.value(row).to_le_bytes()),
        (Cells::Float64(a), _) => out.extend_from_slice(&a.value(row).to_le_bytes()),
        (Cells::Text(a), Write::Enum(symbols)) => {
            let text = a.value(row);
            let symbol = symbols.iter().position(|s| s == text);
            let symbol = symbol.ok_or_else(|| Error::data(format!("'{text}' is no symbol of the Avro enum")))?;
            long(symbol as i64, out);
        }
        (Cells::Text(a), _) => bytes(a.value(row).as_bytes(), out),
        (Cells::Bytes(a), Write::Fixed(size)) if a.value(row).len() == *size => out.extend_from_slice(a.value(row)),
        (Cells::Bytes(a), Write::Fixed(size)) => {
            let length = a.value(row).len();
            return Err(Error::data(format!("{length} bytes do not fit an Avro fixed of {size}")));
        }
        (Cells::Bytes(a), _) => bytes(a.value(row), out),
        (Cells::Decimal(a, _), write) => decimal(a.value(row), write, out)?,
        (Cells::Moment(moments, _), Write::Moment(per_second)) => moment(moments, row, *per_second, out)?,
        _ => return Err(misfit()),
    }
    Ok(())
}

/// The two's complement, big-endian, as short as it can be.
fn decimal(unscaled: i128, write: &Write, out: &mut Vec<u8>) -> Result<()> {
    let all = unscaled.to_be_bytes();
    let sign = if unscaled < 0 { unscaled.leading_ones() } else { unscaled.leading_zeros() };
    let length = 16 - (sign as usize - 1) / 8;
    let Write::Fixed(size) = write else {
        bytes(&all[16 - length..], out);
        return Ok(());
    };
    let Some(more) = size.checked_sub(length) else {
        return Err(Error::data(format!("a decimal of {length} bytes does not fit an Avro fixed of {size}")));
    };
    out.resize(out.len() + more, if unscaled < 0 { 0xff } else { 0 });
    out.extend_from_slice(&all[16 - length..]);
    Ok(())
}

fn moment(moments: &Moments, row: usize, per_second: i64, out: &mut Vec<u8>) -> Result<()> {
    let moment = moments.get(row);
    let within = i64::from(moment.nanos) / (1_000_000_000 / per_second);
    let units = moment.seconds.checked_mul(per_second).and_then(|units| units.checked_add(within));
    long(units.ok_or_else(|| Error::data("a timestamp is out of Avro's range"))?, out);
    Ok(())
}
