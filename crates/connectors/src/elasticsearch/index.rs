//! The index that a row goes to: a name, or one with a part that comes from the row or from the clock.

use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int8Type, Int32Type, Int64Type, Time32MillisecondType};
use arrow_array::{Array, RecordBatch};
use flott_api::{Error, Result, Schema, TypeKind};
use flott_functions::{LocalTimeFormat, TextStyle, TimeZone, format_value};

/// What stands for now.
const NOW: [&str; 4] = ["now()", "NOW()", "current_timestamp", "CURRENT_TIMESTAMP"];

/// Where rows go.
pub(super) enum Index {
    /// All to one.
    Fixed(String),
    /// By a column: `users-{country}`, `logs-{ts|yyyy-MM-dd}`.
    Column { around: Around, column: usize, kind: TypeKind, format: Option<LocalTimeFormat>, zone: TimeZone },
    /// By the time at which they are written: `logs-{now()|yyyy-MM-dd}`.
    Now { around: Around, format: LocalTimeFormat, zone: TimeZone },
}

/// What stands before and behind the part.
#[derive(Clone)]
pub(super) struct Around(String, String);

/// The parts of a batch.
pub(super) enum Parts {
    One(String),
    /// Null is `null`.
    Each(StringArray),
}

impl Parts {
    /// Whether a row's part is null.
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self, Parts::Each(parts) if parts.is_null(row))
    }
}

impl Index {
    /// Understands the pattern.
    ///
    /// # Errors
    /// If it has two parts, or names a column that is not there or has no such type.
    pub(super) fn parse(pattern: &str, schema: &Schema, zone: &str) -> Result<Self> {
        let Some((before, rest)) = pattern.split_once('{') else { return Ok(Index::Fixed(pattern.to_owned())) };
        let wrong = |why: &str| Err(Error::invalid(format!("option 'index' has the value '{pattern}': {why}")));
        let Some((part, behind)) = rest.split_once('}') else { return wrong("a '}' is missing") };
        if part.contains('{') || behind.contains(['{', '}']) {
            return wrong("it may have one part in braces");
        }
        let around = Around(before.to_owned(), behind.to_owned());
        let (name, format) = part.split_once('|').map_or((part, None), |(name, format)| (name, Some(format)));
        let zone = TimeZone::parse(zone)?;
        if NOW.contains(&name.replace(' ', "").as_str()) {
            let Some(format) = format else { return wrong("what is written of the time is missing behind '|'") };
            let format = time_format(format, &TypeKind::TimestampLtz(3))?;
            return Ok(Index::Now { around, format, zone });
        }
        let Some(column) = schema.fields.iter().position(|f| f.name == name) else {
            return Err(Error::invalid(format!("option 'index' names column '{name}', which table has not")));
        };
        let kind = schema.fields[column].ty.kind.clone();
        let is_time = kind.is_timestamp() || matches!(kind, TypeKind::Date | TypeKind::Time(_));
        let is_plain = kind.is_character() || matches!(kind, TypeKind::TinyInt | TypeKind::Int | TypeKind::BigInt);
        let format = match format {
            Some(format) if is_time => Some(time_format(format, &kind)?),
            None if is_time || is_plain => None,
            _ => {
                return Err(Error::invalid(format!("option 'index' names column '{name}' of type {kind}")).with_detail(
                    "A part is a text, a TINYINT, INT or BIGINT, or a date or time, which may have a pattern behind '|'.",
                ));
            }
        };
        Ok(Index::Column { around, column, kind, format, zone })
    }

    /// The parts of a batch's rows.
    ///
    /// # Errors
    /// If a column is not of its type.
    pub(super) fn parts(&self, rows: &RecordBatch, now_ms: i64) -> Result<Parts> {
        Ok(match self {
            Index::Fixed(_) => Parts::One(String::new()),
            Index::Now { format, zone, .. } => {
                let mut text = String::new();
                format.write(zone.local(now_ms), 0, &mut text);
                Parts::One(text)
            }
            Index::Column { column, kind, format: Some(format), zone, .. } => {
                Parts::Each(format.write_column(rows.column(*column).as_ref(), kind, *zone)?)
            }
            Index::Column { column, kind, format: None, .. } => {
                Parts::Each(texts(rows.column(*column).as_ref(), kind)?)
            }
        })
    }

    /// Why a document cannot be deleted whose part is null.
    pub(super) fn unknown(&self, schema: &Schema) -> Error {
        let name = match self {
            Index::Column { column, .. } => schema.fields.get(*column).map_or("", |field| field.name.as_str()),
            Index::Fixed(_) | Index::Now { .. } => "",
        };
        Error::data(format!("a deletion has null in column '{name}', which option 'index' names"))
            .with_detail("So nobody knows which index its document is in: many deletions have no more than the key.")
            .with_hint(format!("Make '{name}' part of the primary key, or write to one index."))
    }

    /// Writes the name of the index of a row.
    pub(super) fn write(&self, parts: &Parts, row: usize, out: &mut String) {
        let (before, behind) = match self {
            Index::Fixed(name) => (name.as_str(), ""),
            Index::Column { around, .. } | Index::Now { around, .. } => (around.0.as_str(), around.1.as_str()),
        };
        out.push_str(before);
        match parts {
            Parts::One(part) => out.push_str(part),
            Parts::Each(parts) if parts.is_null(row) => out.push_str("null"),
            Parts::Each(parts) => out.push_str(parts.value(row)),
        }
        out.push_str(behind);
    }
}

/// A pattern; without one what Flink takes for that type.
fn time_format(pattern: &str, kind: &TypeKind) -> Result<LocalTimeFormat> {
    let pattern = match (pattern, kind) {
        ("", TypeKind::Date) => "yyyy_MM_dd",
        ("", TypeKind::Time(_)) => "HH_mm_ss",
        ("", TypeKind::TimestampLtz(_)) => {
            return Err(Error::unsupported("an index by a TIMESTAMP_LTZ without a pattern")
                .with_hint("Write one behind '|', as in '{ts|yyyy-MM-dd}'."));
        }
        ("", _) => "yyyy_MM_dd_HH_mm_ss",
        (pattern, _) => pattern,
    };
    LocalTimeFormat::parse(Some(pattern)).map_err(|e| e.context("option 'index'"))
}

/// A column as texts, as Java writes the values that Flink has inside: a date is its day since 1970.
fn texts(column: &dyn Array, kind: &TypeKind) -> Result<StringArray> {
    let number = |number: Option<i64>| number.map(|n| n.to_string());
    Ok(match kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => column.as_string::<i32>().clone(),
        TypeKind::TinyInt => column.as_primitive::<Int8Type>().iter().map(|n| number(n.map(i64::from))).collect(),
        TypeKind::Int => column.as_primitive::<Int32Type>().iter().map(|n| number(n.map(i64::from))).collect(),
        TypeKind::BigInt => column.as_primitive::<Int64Type>().iter().map(number).collect(),
        TypeKind::Date => column.as_primitive::<Date32Type>().iter().map(|n| number(n.map(i64::from))).collect(),
        TypeKind::Time(_) => {
            column.as_primitive::<Time32MillisecondType>().iter().map(|n| number(n.map(i64::from))).collect()
        }
        _ => java_texts(column, kind)?,
    })
}

/// A column as Java's texts of its values.
///
/// # Errors
/// If it is not of that type.
pub(super) fn java_texts(column: &dyn Array, kind: &TypeKind) -> Result<StringArray> {
    let ty = flott_api::LogicalType::new(kind.clone());
    let text = |row: usize| {
        let mut text = String::new();
        format_value(column, row, &ty, "UTC", TextStyle::Print, &mut text)?;
        Ok((!column.is_null(row)).then_some(text))
    };
    (0..column.len()).map(text).collect()
}
