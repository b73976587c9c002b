//! Rows as documents: values go straight into the bytes of BSON.

use arrow_array::RecordBatch;
use bson::oid::ObjectId;
use bson::{Bson, RawDocumentBuf};
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_formats::columns::{Cell, Cells, element_range};

use crate::decimal::of_unscaled;
use crate::kinds::Misfit;

/// What stands before a value in BSON.
mod tag {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const DOCUMENT: u8 = 0x03;
    pub(super) const ARRAY: u8 = 0x04;
    pub(super) const BINARY: u8 = 0x05;
    pub(super) const OBJECT_ID: u8 = 0x07;
    pub(super) const BOOLEAN: u8 = 0x08;
    pub(super) const DATE: u8 = 0x09;
    pub(super) const NULL: u8 = 0x0a;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const INT64: u8 = 0x12;
    pub(super) const DECIMAL: u8 = 0x13;
}

/// The digits of an ObjectId.
const OBJECT_ID_DIGITS: usize = 24;

/// Bytes of BSON that are being written.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// Where a document begins that is being written.
#[must_use]
pub(crate) struct Begun(usize);

impl Writer {
    /// Begins the document that is all.
    pub(crate) fn begin(&mut self) -> Begun {
        let at = self.bytes.len();
        self.bytes.extend([0; 4]);
        Begun(at)
    }

    /// Begins a document in a field.
    pub(crate) fn begin_document(&mut self, name: &str) -> Begun {
        self.head(tag::DOCUMENT, name);
        self.begin()
    }

    /// Begins an array in a field.
    pub(crate) fn begin_array(&mut self, name: &str) -> Begun {
        self.head(tag::ARRAY, name);
        self.begin()
    }

    /// Ends a document or an array.
    pub(crate) fn end(&mut self, begun: Begun) {
        self.bytes.push(0);
        let length = (self.bytes.len() - begun.0) as i32;
        self.bytes[begun.0..begun.0 + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The fields of a document or an array that were written before.
    pub(crate) fn fields(&mut self, fields: &[u8]) {
        self.bytes.extend_from_slice(fields);
    }

    /// Goes on behind bytes.
    pub(crate) fn behind(bytes: Vec<u8>) -> Self {
        Writer { bytes }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that were written.
    /// Takes what was written back, from there on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The tag of a document without a name.
    pub(crate) fn document_tag(&mut self) {
        self.bytes.push(tag::DOCUMENT);
    }

    /// All that was written.
    ///
    /// # Errors
    /// If it is no document.
    pub(crate) fn finish(self) -> Result<RawDocumentBuf> {
        RawDocumentBuf::from_bytes(self.bytes).map_err(|e| Error::internal("a document is damaged").with_source(e))
    }

    fn head(&mut self, tag: u8, name: &str) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.head(tag::STRING, name);
        self.bytes.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.head(tag::BOOLEAN, name);
        self.bytes.push(u8::from(value));
    }

    pub(crate) fn int(&mut self, name: &str, value: i32) {
        self.head(tag::INT32, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, name: &str, value: i64) {
        self.head(tag::INT64, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn double(&mut self, name: &str, value: f64) {
        self.head(tag::DOUBLE, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn object_id(&mut self, name: &str, id: ObjectId) {
        self.head(tag::OBJECT_ID, name);
        self.bytes.extend_from_slice(&id.bytes());
    }

    /// A document that was written before, in a field.
    pub(crate) fn document(&mut self, name: &str, document: &bson::RawDocument) {
        self.head(tag::DOCUMENT, name);
        self.bytes.extend_from_slice(document.as_bytes());
    }

    /// A value that was encoded before ([`encoded`]), in a field.
    pub(crate) fn value(&mut self, name: &str, encoded: &[u8]) {
        let [tag, value @ ..] = encoded else { return };
        self.head(*tag, name);
        self.bytes.extend_from_slice(value);
    }
}

/// Appends the tag and the bytes of a value, which its name has not parted.
fn encoded(cell: &Cell, ty: &LogicalType, row: usize, into: &mut Vec<u8>) -> std::result::Result<(), Misfit> {
    let start = into.len();
    let mut writer = Writer { bytes: std::mem::take(into) };
    let done = put(&mut writer, "", (cell, ty), row);
    *into = writer.bytes;
    done?;
    // The end of an empty name.
    into.remove(start + 1);
    Ok(())
}

/// A text as an ObjectId, if it looks like one.
pub(crate) fn as_object_id(text: &str) -> Option<ObjectId> {
    if text.len() == OBJECT_ID_DIGITS { ObjectId::parse_str(text).ok() } else { None }
}

/// An encoded text that begins there and looks like an ObjectId becomes one, as in Flink.
pub(crate) fn restore_object_id(bytes: &mut Vec<u8>, start: usize) {
    // Tag, length, digits, zero.
    let Some([tag::STRING, _, _, _, _, text @ .., 0]) = bytes.get(start..) else { return };
    let id = std::str::from_utf8(text).ok().and_then(as_object_id);
    if let Some(id) = id {
        bytes.truncate(start);
        bytes.push(tag::OBJECT_ID);
        bytes.extend_from_slice(&id.bytes());
    }
}

/// An encoded value by itself.
///
/// # Errors
/// If it is none.
pub(crate) fn decoded(encoded: &[u8]) -> Result<Bson> {
    let mut writer = Writer::default();
    let begun = writer.begin();
    writer.value("v", encoded);
    writer.end(begun);
    let document = writer.finish()?;
    let value = document.get("v").ok().flatten().and_then(|v| Bson::try_from(v).ok());
    value.ok_or_else(|| Error::internal("a value is damaged"))
}

/// The columns of a batch, with their names.
pub(crate) struct Rows {
    cells: Vec<Cell>,
    fields: Vec<Field>,
}

impl Rows {
    /// The view of a batch.
    ///
    /// # Errors
    /// If it is not laid out as the schema says.
    pub(crate) fn new(batch: &RecordBatch, schema: &Schema) -> Result<Self> {
        let columns = batch.columns().iter().zip(&schema.fields);
        let cells = columns.map(|(array, field)| Cell::new(array, &field.ty)).collect::<Result<_>>()?;
        Ok(Rows { cells, fields: schema.fields.clone() })
    }

    /// Writes the fields of a row, without those that are left out.
    ///
    /// # Errors
    /// Names the column whose value has no place in BSON.
    pub(crate) fn put(&self, writer: &mut Writer, row: usize, left_out: &[usize]) -> Result<()> {
        for (at, (cell, field)) in self.cells.iter().zip(&self.fields).enumerate() {
            if left_out.contains(&at) {
                continue;
            }
            if !field.ty.nullable && cell.is_null(row) {
                let message = format!("column '{}' is NOT NULL, but a null is written into it", field.name);
                return Err(Error::data(message));
            }
            put(writer, &field.name, (cell, &field.ty), row)
                .map_err(|misfit| Error::data(misfit.within(&field.name).told()))?;
        }
        Ok(())
    }

    /// Writes the fields of these columns of a row, none of which may be null.
    ///
    /// # Errors
    /// Names the column whose value is null or has no place in BSON.
    pub(crate) fn put_only(&self, writer: &mut Writer, row: usize, columns: &[usize]) -> Result<()> {
        for at in columns {
            let (cell, field) = (&self.cells[*at], &self.fields[*at]);
            if cell.is_null(row) {
                return Err(null_in_key(field));
            }
            put(writer, &field.name, (cell, &field.ty), row)
                .map_err(|misfit| Error::data(misfit.within(&field.name).told()))?;
        }
        Ok(())
    }

    /// Appends the encoded value of a column, which may not be null.
    ///
    /// # Errors
    /// Names the column whose value is null or has no place in BSON.
    pub(crate) fn encode(&self, column: usize, row: usize, into: &mut Vec<u8>) -> Result<()> {
        let (cell, field) = (&self.cells[column], &self.fields[column]);
        if cell.is_null(row) {
            return Err(null_in_key(field));
        }
        encoded(cell, &field.ty, row, into).map_err(|misfit| Error::data(misfit.within(&field.name).told()))
    }
}

fn null_in_key(field: &Field) -> Error {
    Error::data(format!("column '{}' of the key is null", field.name))
}

/// Writes a value into a field.
fn put(
    writer: &mut Writer,
    name: &str,
    (cell, ty): (&Cell, &LogicalType),
    row: usize,
) -> std::result::Result<(), Misfit> {
    if cell.is_null(row) {
        writer.head(tag::NULL, name);
        return Ok(());
    }
    match &cell.cells {
        Cells::Boolean(a) => writer.boolean(name, a.value(row)),
        Cells::Int8(a) => writer.int(name, a.value(row).into()),
        Cells::Int16(a) => writer.int(name, a.value(row).into()),
        Cells::Int32(a) => writer.int(name, a.value(row)),
        Cells::Int64(a) => writer.long(name, a.value(row)),
        Cells::Float32(a) => writer.double(name, a.value(row).into()),
        Cells::Float64(a) => writer.double(name, a.value(row)),
        Cells::Decimal(a, scale) => {
            let value = of_unscaled(a.value(row), *scale);
            let value = value.ok_or_else(|| Misfit::new("has more than the 34 digits of a Decimal128"))?;
            writer.head(tag::DECIMAL, name);
            writer.bytes.extend_from_slice(&value.bytes());
        }
        Cells::Moment(a, _) => {
            let millis = a.get(row).millis().ok_or_else(|| Misfit::new("is beyond the dates of BSON"))?;
            writer.head(tag::DATE, name);
            writer.bytes.extend_from_slice(&millis.to_le_bytes());
        }
        Cells::Text(a) => writer.text(name, a.value(row)),
        Cells::Bytes(a) => {
            writer.head(tag::BINARY, name);
            writer.bytes.extend_from_slice(&(a.value(row).len() as i32).to_le_bytes());
            // The generic kind.
            writer.bytes.push(0);
            writer.bytes.extend_from_slice(a.value(row));
        }
        _ => put_nested(writer, name, (cell, ty), row)?,
    }
    Ok(())
}

fn put_nested(
    writer: &mut Writer,
    name: &str,
    (cell, ty): (&Cell, &LogicalType),
    row: usize,
) -> std::result::Result<(), Misfit> {
    match (&cell.cells, &ty.kind) {
        (Cells::Array(list, child), TypeKind::Array(element)) => {
            let begun = writer.begin_array(name);
            for (at, value) in element_range(list, row).enumerate() {
                let mut digits = itoa::Buffer::new();
                let name = digits.format(at);
                put(writer, name, (child, element), value).map_err(|misfit| misfit.within(name))?;
            }
            writer.end(begun);
        }
        (Cells::Map(list, keys, values), TypeKind::Map(_, value)) => {
            let begun = writer.begin_document(name);
            for entry in element_range(list, row) {
                let key = key_of(keys, entry)?;
                put(writer, key, (values, value), entry).map_err(|misfit| misfit.within(key))?;
            }
            writer.end(begun);
        }
        (Cells::Row(children), TypeKind::Row(fields)) => {
            let begun = writer.begin_document(name);
            for (child, field) in children.iter().zip(fields) {
                put(writer, &field.name, (child, &field.ty), row).map_err(|misfit| misfit.within(&field.name))?;
            }
            writer.end(begun);
        }
        _ => return Err(Misfit::new("is of a type that BSON does not have")),
    }
    Ok(())
}

/// The key of an entry as the name of a field.
fn key_of(keys: &Cell, entry: usize) -> std::result::Result<&str, Misfit> {
    match &keys.cells {
        _ if keys.is_null(entry) => Err(Misfit::new("has a key that is null, and the names of fields are none")),
        Cells::Text(a) if a.value(entry).contains('\0') => {
            Err(Misfit::new("has a key with a zero byte, which no name of a field has"))
        }
        Cells::Text(a) => Ok(a.value(entry)),
        _ => Err(Misfit::new("has keys that are no texts")),
    }
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};
    use flott_api::testing::batch;

    use super::*;

    fn documents(schema: &Schema, table: &str) -> Result<Vec<Document>> {
        let batch = batch(schema, table);
        let rows = Rows::new(batch.rows(), schema)?;
        let one = |row| {
            let mut writer = Writer::default();
            let begun = writer.begin();
            rows.put(&mut writer, row, &[])?;
            writer.end(begun);
            Document::try_from(writer.finish()?).map_err(|e| Error::internal(e.to_string()))
        };
        (0..batch.len()).map(one).collect()
    }

    #[test]
    fn values_have_the_types_of_flinks_table() {
        let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
        let schema = Schema::new(vec![
            field("b", TypeKind::Boolean),
            field("t", TypeKind::TinyInt),
            field("l", TypeKind::BigInt),
            field("f", TypeKind::Float),
            field("d", TypeKind::Decimal { precision: 5, scale: 2 }),
            Field::new("s", LogicalType::string()),
            field("ts", TypeKind::TimestampLtz(6)),
        ]);
        let found = documents(
            &schema,
            "+I | true | -1 | 5 | 1.5 | 3.10 | x | -1\n+I | NULL | NULL | NULL | NULL | NULL | NULL | NULL",
        );
        let decimal: bson::Decimal128 = "3.10".parse().unwrap();
        let time = bson::DateTime::from_millis(-1);
        assert_eq!(
            found.unwrap(),
            [
                doc! { "b": true, "t": -1, "l": 5_i64, "f": 1.5, "d": decimal, "s": "x", "ts": time },
                doc! { "b": null, "t": null, "l": null, "f": null, "d": null, "s": null, "ts": null },
            ]
        );
    }

    #[test]
    fn what_has_no_place_is_told() {
        let digits = Field::new("d", LogicalType::decimal(38, 0));
        let told = documents(&Schema::new(vec![digits]), &format!("+I | {}", "7".repeat(38))).unwrap_err();
        assert_eq!(told.message(), "field 'd' has more than the 34 digits of a Decimal128");
    }

    #[test]
    fn keys_that_look_like_an_object_id_become_one() {
        let key = |text: &str| {
            let schema = Schema::new(vec![Field::new("k", LogicalType::string())]);
            let batch = batch(&schema, &format!("+I | {text}"));
            let mut key = Vec::new();
            Rows::new(batch.rows(), &schema).unwrap().encode(0, 0, &mut key).unwrap();
            restore_object_id(&mut key, 0);
            decoded(&key).unwrap()
        };
        assert_eq!(key("63932a00da01604af329e33c"), ObjectId::parse_str("63932a00da01604af329e33c").unwrap().into());
        assert_eq!(key("63932a00da01604af329e33x"), "63932a00da01604af329e33x".into());
        assert_eq!(key("1"), "1".into());
    }
}
