//! Statements that carry a batch as constants, for databases that take no arrays: rows are written into one text, which is
//! as large as a server takes it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use flott_api::lookup::Found;
use flott_api::types::Field;
use flott_api::{Error, LogicalType, Result};
use flott_state::key::EncodedKeys;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::columns::Kind;
use crate::dialect::{LookupQuery, WriteTarget};
use crate::time::{date_text, time_text, timestamp_text};

/// Servers take at least this much in one statement, with room for the last row.
const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// A list of more keys than this is planned as a join with a table that is made of them.
const KEYS_MAX: usize = 900;
const MICROS_OF_MILLI: i64 = 1000;

/// How a database writes constants.
pub(crate) struct Style {
    /// Whether a backslash in a text means something.
    pub(crate) backslashes: bool,
    /// Whether there are infinite numbers.
    pub(crate) infinite: bool,
    /// Whether a list of keys of several columns is made of `VALUES`.
    pub(crate) values: bool,
}

/// A column with what its values are.
struct Column<'a> {
    array: &'a ArrayRef,
    kind: Kind,
}

fn columns<'a>(rows: &'a RecordBatch, types: impl Iterator<Item = &'a LogicalType>) -> Result<Vec<Column<'a>>> {
    let column =
        |(array, ty): (&'a ArrayRef, &LogicalType)| Ok(Column { array, kind: Kind::of(&Field::new("", ty.clone()))? });
    rows.columns().iter().zip(types).map(column).collect()
}

/// The statements that insert rows; `conflict` is how each of them ends.
pub(crate) fn inserts(style: &Style, target: &WriteTarget, rows: &RecordBatch, conflict: &str) -> Result<Vec<String>> {
    let names: Vec<&str> = target.columns.iter().map(|c| c.quoted.as_str()).collect();
    let head = format!("INSERT INTO {} ({}) VALUES ", target.table, names.join(", "));
    let columns = columns(rows, target.schema.fields.iter().map(|f| &f.ty))?;
    let mut statements = Vec::new();
    let mut row = 0;
    while row < rows.num_rows() {
        let mut sql = head.clone();
        row = tuples(style, &columns, row..rows.num_rows(), &mut sql)?;
        sql.push_str(conflict);
        statements.push(sql);
    }
    Ok(statements)
}

/// The statements that delete the rows with these keys.
pub(crate) fn deletes(style: &Style, target: &WriteTarget, keys: &RecordBatch) -> Result<Vec<String>> {
    let (names, _) = target.key_and_others();
    let columns = columns(keys, target.keys.iter().map(|key| &target.schema.fields[*key].ty))?;
    let mut statements = Vec::new();
    let mut row = 0;
    while row < keys.num_rows() {
        let mut sql = format!("DELETE FROM {} WHERE ", target.table);
        let end = keys.num_rows().min(row + KEYS_MAX);
        row = key_list(style, &names, &columns, row..end, &mut sql)?;
        statements.push(sql);
    }
    Ok(statements)
}

/// The questions for keys, each with those that it asks for. A database may take more for equal than we do, and give rows of
/// another question's keys.
pub(crate) fn lookups(style: &Style, query: &LookupQuery, keys: &RecordBatch) -> Result<Vec<(String, RecordBatch)>> {
    let names: Vec<String> = query.keys.iter().map(|(column, _)| format!("flott_t.{}", column.quoted)).collect();
    // In two statements, a key would have its rows twice.
    let keys = &distinct(keys)?;
    let columns = columns(keys, query.keys.iter().map(|(_, ty)| ty))?;
    let selected: Vec<String> = query.selected.iter().map(|s| format!("flott_t.{s}")).collect();
    let mut statements = Vec::new();
    let mut row = 0;
    while row < keys.num_rows() {
        let mut sql = format!("SELECT {} FROM {} AS flott_t WHERE ", selected.join(", "), query.table);
        let (from, end) = (row, keys.num_rows().min(row + KEYS_MAX));
        row = key_list(style, &names, &columns, row..end, &mut sql)?;
        if let Some(filter) = &query.filter {
            sql.push_str(" AND ");
            sql.push_str(filter);
        }
        statements.push((sql, keys.slice(from, row - from)));
    }
    Ok(statements)
}

/// Each key once.
fn distinct(keys: &RecordBatch) -> Result<RecordBatch> {
    let mut encoded = EncodedKeys::default();
    encoded.encode(keys.columns(), keys.num_rows())?;
    let mut seen: HashSet<&[u8], RandomState> = HashSet::default();
    let first =
        (0..keys.num_rows()).filter(|row| seen.insert(encoded.get(*row))).map(|row| row as u32).collect::<Vec<_>>();
    if first.len() == keys.num_rows() {
        return Ok(keys.clone());
    }
    Ok(take_record_batch(keys, &UInt32Array::from(first))?)
}

/// `(a, b) IN ((1, 2), ..)`; where it had to end.
fn key_list(
    style: &Style,
    names: &[String],
    columns: &[Column<'_>],
    rows: Range<usize>,
    sql: &mut String,
) -> Result<usize> {
    match names {
        [name] => sql.push_str(name),
        names => write!(sql, "({})", names.join(", ")).map_err(written)?,
    }
    sql.push_str(" IN (");
    if style.values && names.len() > 1 {
        sql.push_str("VALUES ");
    }
    let mut end = rows.start;
    for row in rows {
        if sql.len() >= STATEMENT_BYTES_MAX {
            break;
        }
        sql.push_str(if end == row && sql.ends_with([' ', '(']) { "" } else { ", " });
        match columns {
            [column] => literal(style, column, row, sql)?,
            columns => tuple(style, columns, row, sql)?,
        }
        end = row + 1;
    }
    sql.push(')');
    Ok(end)
}

/// `(1, 'a'), (2, 'b')`; where it had to end.
fn tuples(style: &Style, columns: &[Column<'_>], rows: Range<usize>, sql: &mut String) -> Result<usize> {
    let mut end = rows.start;
    for row in rows.clone() {
        if sql.len() >= STATEMENT_BYTES_MAX {
            break;
        }
        if row > rows.start {
            sql.push_str(", ");
        }
        tuple(style, columns, row, sql)?;
        end = row + 1;
    }
    Ok(end)
}

fn tuple(style: &Style, columns: &[Column<'_>], row: usize, sql: &mut String) -> Result<()> {
    for (at, column) in columns.iter().enumerate() {
        sql.push_str(if at == 0 { "(" } else { ", " });
        literal(style, column, row, sql)?;
    }
    sql.push(')');
    Ok(())
}

fn written(e: std::fmt::Error) -> Error {
    Error::internal("a text cannot be written").with_source(e)
}

/// One value.
fn literal(style: &Style, column: &Column<'_>, row: usize, sql: &mut String) -> Result<()> {
    let array = column.array;
    if array.is_null(row) {
        sql.push_str("NULL");
        return Ok(());
    }
    match column.kind {
        Kind::Bool => sql.push(if array.as_boolean().value(row) { '1' } else { '0' }),
        Kind::I8 => write!(sql, "{}", array.as_primitive::<Int8Type>().value(row)).map_err(written)?,
        Kind::I16 => write!(sql, "{}", array.as_primitive::<Int16Type>().value(row)).map_err(written)?,
        Kind::I32 => write!(sql, "{}", array.as_primitive::<Int32Type>().value(row)).map_err(written)?,
        Kind::I64 => write!(sql, "{}", array.as_primitive::<Int64Type>().value(row)).map_err(written)?,
        Kind::F32 => float(style, f64::from(array.as_primitive::<Float32Type>().value(row)), true, sql)?,
        Kind::F64 => float(style, array.as_primitive::<Float64Type>().value(row), false, sql)?,
        Kind::Decimal { .. } => sql.push_str(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        Kind::Text => text(style, array.as_string::<i32>().value(row), sql)?,
        Kind::Bytes => bytes(array.as_binary::<i32>().value(row), sql),
        Kind::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            write!(sql, "'{}'", date_text(days.into())).map_err(written)?;
        }
        Kind::Time => {
            let millis = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            write!(sql, "'{}'", time_text(millis * MICROS_OF_MILLI)).map_err(written)?;
        }
        Kind::Timestamp { micros } | Kind::Ltz { micros } => {
            let micros = match micros {
                true => array.as_primitive::<TimestampMicrosecondType>().value(row),
                false => array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(MICROS_OF_MILLI),
            };
            write!(sql, "'{}'", timestamp_text(micros)).map_err(written)?;
        }
    }
    Ok(())
}

/// In the shortest digits that are read as the same number.
fn float(style: &Style, value: f64, single: bool, sql: &mut String) -> Result<()> {
    if !value.is_finite() {
        return match (style.infinite, value.is_nan()) {
            (true, false) => write!(sql, "{}9e999", if value < 0.0 { "-" } else { "" }).map_err(written),
            _ => Err(Error::data(format!("the value {value} has no place in a column of this database"))),
        };
    }
    match single {
        true => write!(sql, "{:e}", value as f32),
        false => write!(sql, "{value:e}"),
    }
    .map_err(written)
}

fn text(style: &Style, value: &str, sql: &mut String) -> Result<()> {
    if !style.backslashes && value.contains('\0') {
        return Err(Error::data("a text with the character 0 has no place in a column of this database"));
    }
    sql.push('\'');
    for part in value.split_inclusive(['\'', '\\', '\0']) {
        let (plain, special) = match part.as_bytes().last() {
            Some(b'\'') => (&part[..part.len() - 1], "''"),
            Some(b'\\') if style.backslashes => (&part[..part.len() - 1], "\\\\"),
            Some(0) if style.backslashes => (&part[..part.len() - 1], "\\0"),
            _ => (part, ""),
        };
        sql.push_str(plain);
        sql.push_str(special);
    }
    sql.push('\'');
    Ok(())
}

fn bytes(value: &[u8], sql: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    sql.push_str("X'");
    for byte in value {
        sql.push(DIGITS[usize::from(byte >> 4)].into());
        sql.push(DIGITS[usize::from(byte & 15)].into());
    }
    sql.push('\'');
}

/// Which of the keys each row of an answer is for. A row of a key that was asked for twice is there for both; one whose key
/// only the database takes for equal (it may not tell cases apart) is for none.
pub(crate) fn matched(rows: &RecordBatch, places: &[usize], keys: &RecordBatch) -> Result<Found> {
    let hasher = RandomState::default();
    let mut of_rows = EncodedKeys::default();
    let columns: Vec<ArrayRef> = places.iter().map(|at| rows.column(*at).clone()).collect();
    of_rows.encode(&columns, rows.num_rows())?;
    // Rows of one key hang together, the later before the earlier.
    let mut next: Vec<Option<u32>> = vec![None; rows.num_rows()];
    let mut last: HashTable<u32> = HashTable::with_capacity(rows.num_rows());
    let hash = |row: &u32| hasher.hash_one(of_rows.get(*row as usize));
    for row in (0..rows.num_rows() as u32).rev() {
        let key = of_rows.get(row as usize);
        match last.find_mut(hash(&row), |other| of_rows.get(*other as usize) == key) {
            Some(first) => next[row as usize] = Some(std::mem::replace(first, row)),
            None => drop(last.insert_unique(hash(&row), row, hash)),
        }
    }
    let mut asked = EncodedKeys::default();
    asked.encode(keys.columns(), keys.num_rows())?;
    let (mut found, mut of) = (Vec::new(), Vec::new());
    for key in 0..keys.num_rows() {
        let bytes = asked.get(key);
        let mut row = last.find(hasher.hash_one(bytes), |other| of_rows.get(*other as usize) == bytes).copied();
        while let Some(at) = row {
            found.push(at);
            of.push(key as u32);
            row = next[at as usize];
        }
    }
    let rows = take_record_batch(rows, &UInt32Array::from(found))?;
    Ok(Found { rows, keys: of })
}
