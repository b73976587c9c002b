//! Files that real Flink 2.3.0 has read, and the rows it made of them: one case a line in `recorded/FORMAT.jsonl`.
//!
//! Left out are the cases in which Flott differs on purpose; the module docs of the formats name them.

use std::collections::BTreeMap;

use flott_api::testing::ready;
use flott_api::{ChangeBatch, Field, LogicalType, Result, Schema, TypeKind};
use flott_functions::{TextStyle, format_value};
use serde::Deserialize;

use super::FileSystemTable;
use super::tests::{source_spec, table};
use crate::testing::{environment, reader_context};
use flott_api::source::ReadEvent;
use flott_api::table::TableFactory;

#[derive(Deserialize)]
struct Case {
    schema: String,
    select: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    content: Option<String>,
    hex: Option<String>,
    rows: serde_json::Value,
}

/// Splits at commas outside of brackets.
fn parts(text: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in text.chars() {
        depth += i32::from(c == '<' || c == '(') - i32::from(c == '>' || c == ')');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(c),
        }
    }
    parts.into_iter().map(|p| p.trim().to_owned()).collect()
}

fn fields(text: &str) -> Vec<Field> {
    let field = |part: &String| part.split_once(' ').map(|(name, ty)| Field::new(name, logical_type(ty))).unwrap();
    parts(text).iter().map(field).collect()
}

fn logical_type(text: &str) -> LogicalType {
    let text = text.trim();
    let (name, inner) = match text.find(['<', '(']) {
        Some(i) => (&text[..i], &text[i + 1..text.len() - 1]),
        None => (text, ""),
    };
    let number = |i: usize, default: u32| parts(inner).get(i).and_then(|p| p.parse().ok()).unwrap_or(default);
    LogicalType::new(match name {
        "TINYINT" => TypeKind::TinyInt,
        "INT" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "BOOLEAN" => TypeKind::Boolean,
        "FLOAT" => TypeKind::Float,
        "DOUBLE" => TypeKind::Double,
        "DECIMAL" => TypeKind::Decimal { precision: number(0, 10) as u8, scale: number(1, 0) as u8 },
        "DATE" => TypeKind::Date,
        "TIME" => TypeKind::Time(number(0, 0) as u8),
        "TIMESTAMP" => TypeKind::Timestamp(number(0, 6) as u8),
        "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(number(0, 6) as u8),
        "STRING" => return LogicalType::string(),
        "BYTES" => return LogicalType::bytes(),
        "CHAR" => TypeKind::Char(number(0, 1)),
        "VARCHAR" => TypeKind::Varchar(number(0, 1)),
        "BINARY" => TypeKind::Binary(number(0, 1)),
        "ARRAY" => TypeKind::Array(Box::new(logical_type(inner))),
        "MULTISET" => TypeKind::Multiset(Box::new(logical_type(inner))),
        "MAP" => {
            let both = parts(inner);
            TypeKind::Map(Box::new(logical_type(&both[0])), Box::new(logical_type(&both[1])))
        }
        "ROW" => TypeKind::Row(fields(inner)),
        other => panic!("no type {other}"),
    })
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The rows as the SQL client prints them.
fn printed(batch: &ChangeBatch, schema: &Schema) -> Vec<String> {
    let row = |r: usize| {
        let cells = batch.rows().columns().iter().zip(&schema.fields).map(|(array, field)| {
            let mut text = String::new();
            format_value(array, r, &field.ty, "UTC", TextStyle::Cell, &mut text).unwrap();
            if array.is_null(r) { "<NULL>".to_owned() } else { text }
        });
        format!("{}[{}]", batch.kind(r), cells.collect::<Vec<_>>().join(", "))
    };
    (0..batch.len()).map(row).collect()
}

fn rows(case: &Case, format: &str) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.txt");
    std::fs::write(&path, case.content.clone().map_or_else(|| hex(case.hex.as_ref().unwrap()), String::into_bytes))
        .unwrap();
    let mut options = table(&path, format, &[]);
    options.0.extend(case.options.clone());
    let schema = Schema::new(fields(&case.schema));
    let mut spec = source_spec(schema.clone(), options);
    if let Some(select) = &case.select {
        let name = |name: &String| schema.index_of(name.trim_matches('`')).unwrap();
        spec.projection = parts(select).iter().map(name).collect();
    }
    let world = environment();
    let source = FileSystemTable.source(&spec)?;
    let splits = ready(source.enumerator(&world, None)?.discover())?.splits;
    let mut reader = source.reader(reader_context(&world, &Default::default()))?;
    reader.add_splits(splits)?;
    let mut found = Vec::new();
    while let ReadEvent::Batch { batch, .. } = ready(reader.next())? {
        found.extend(printed(&batch, &spec.output_schema()));
    }
    Ok(found)
}

fn check(format: &str, cases: &str) {
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let found = rows(&case, format);
        let expected: Option<Vec<String>> = serde_json::from_value(case.rows.clone()).ok();
        let same = match (&found, &expected) {
            (Ok(found), Some(expected)) => found == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if !same {
            wrong.push(format!("{line}\n  gives {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn csv_reads_as_flink_reads_it() {
    check("csv", include_str!("recorded/csv.jsonl"));
}

#[test]
fn json_reads_as_flink_reads_it() {
    check("json", include_str!("recorded/json.jsonl"));
}

#[test]
fn raw_reads_as_flink_reads_it() {
    check("raw", include_str!("recorded/raw.jsonl"));
}

#[test]
fn debezium_reads_as_flink_reads_it() {
    check("debezium-json", include_str!("recorded/debezium-json.jsonl"));
}

#[test]
fn canal_reads_as_flink_reads_it() {
    check("canal-json", include_str!("recorded/canal-json.jsonl"));
}

#[test]
fn maxwell_reads_as_flink_reads_it() {
    check("maxwell-json", include_str!("recorded/maxwell-json.jsonl"));
}

#[test]
fn ogg_reads_as_flink_reads_it() {
    check("ogg-json", include_str!("recorded/ogg-json.jsonl"));
}
