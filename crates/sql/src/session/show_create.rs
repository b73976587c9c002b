//! `SHOW CREATE`: definitions as Flink prints them, without secrets.

use flott_api::options::Options;
use flott_api::{LogicalType, TypeKind};

use super::text::{literal, quoted, quoted_list};
use crate::catalog::{CatalogDefinition, CatalogModel, CatalogTable, CatalogView, Column, ColumnKind, ObjectPath};
use crate::secret;

/// `SHOW CREATE TABLE`.
pub(super) fn show_create_table(path: &ObjectPath, table: &CatalogTable, temporary: bool) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(column).collect();
    if let Some(watermark) = &table.watermark {
        lines.push(format!("WATERMARK FOR {} AS {}", quoted(&watermark.column), watermark.expression));
    }
    if let Some(key) = &table.primary_key {
        let columns = quoted_list(&key.columns);
        lines.push(format!("CONSTRAINT {} PRIMARY KEY ({columns}) NOT ENFORCED", quoted(&key.name)));
    }
    let scope = if temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {scope}TABLE {}", full(path));
    // Without columns the connector gives them.
    if !lines.is_empty() {
        text.push_str(&format!(" (\n  {}\n)", lines.join(",\n  ")));
    }
    if let Some(comment) = &table.comment {
        text.push_str(&format!("\nCOMMENT {}", literal(comment)));
    }
    if let Some(distribution) = &table.distribution {
        text.push_str(&format!("\n{distribution}"));
    }
    if !table.partition_keys.is_empty() {
        text.push_str(&format!("\nPARTITIONED BY ({})", quoted_list(&table.partition_keys)));
    }
    text.push_str(&with(&table.options));
    text.push('\n');
    text
}

/// `SHOW CREATE VIEW`.
pub(super) fn show_create_view(path: &ObjectPath, view: &CatalogView, temporary: bool) -> String {
    let columns: Vec<String> = view.schema.fields.iter().map(|f| quoted(&f.name)).collect();
    let scope = if temporary { "TEMPORARY " } else { "" };
    let comment = view.comment.as_ref().map(|c| format!("\nCOMMENT {}", literal(c))).unwrap_or_default();
    let head = format!("CREATE {scope}VIEW {} (\n  {}\n)", full(path), columns.join(",\n  "));
    format!("{head}{comment}\nAS {}\n", view.expanded)
}

/// `SHOW CREATE CATALOG`.
pub(super) fn show_create_catalog(name: &str, definition: &CatalogDefinition) -> String {
    let comment = definition.comment.as_ref().map(|c| format!("\nCOMMENT {}", literal(c))).unwrap_or_default();
    format!("CREATE CATALOG {}{comment}{}\n", quoted(name), with(&definition.options))
}

/// `SHOW CREATE MODEL`.
pub(super) fn show_create_model(path: &ObjectPath, model: &CatalogModel, temporary: bool) -> String {
    let scope = if temporary { "TEMPORARY " } else { "" };
    let side = |word: &str, columns: &[Column]| match columns {
        [] => String::new(),
        columns => format!("\n{word} ({})", columns.iter().map(column).collect::<Vec<_>>().join(", ")),
    };
    let (input, output) = (side("INPUT", &model.input), side("OUTPUT", &model.output));
    let comment = model.comment.as_ref().map(|c| format!("\nCOMMENT {}", literal(c))).unwrap_or_default();
    format!("CREATE {scope}MODEL {}{input}{output}{comment}{}\n", full(path), with(&model.options))
}

fn column(column: &Column) -> String {
    let name = quoted(&column.name);
    let mut text = match &column.kind {
        ColumnKind::Physical => format!("{name} {}", type_text(&column.ty)),
        ColumnKind::Metadata { key, is_virtual } => {
            let from = key.as_ref().map(|k| format!(" FROM {}", literal(k))).unwrap_or_default();
            let suffix = if *is_virtual { " VIRTUAL" } else { "" };
            format!("{name} {} METADATA{from}{suffix}", type_text(&column.ty))
        }
        ColumnKind::Computed { expression } => format!("{name} AS {expression}"),
    };
    if let Some(comment) = &column.comment {
        text.push_str(&format!(" COMMENT {}", literal(comment)));
    }
    text
}

/// The type as Flink prints it here: a `STRING` with its length.
fn type_text(ty: &LogicalType) -> String {
    let null = if ty.nullable { "" } else { " NOT NULL" };
    let kind = match &ty.kind {
        TypeKind::Varchar(n) => format!("VARCHAR({n})"),
        TypeKind::Varbinary(n) => format!("VARBINARY({n})"),
        TypeKind::TimestampLtz(p) => format!("TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
        TypeKind::Array(element) => format!("ARRAY<{}>", type_text(element)),
        TypeKind::Multiset(element) => format!("MULTISET<{}>", type_text(element)),
        TypeKind::Map(key, value) => format!("MAP<{}, {}>", type_text(key), type_text(value)),
        TypeKind::Row(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|f| format!("{} {}", quoted(&f.name), type_text(&f.ty))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => other.to_string(),
    };
    format!("{kind}{null}")
}

fn with(options: &Options) -> String {
    if options.0.is_empty() {
        return String::new();
    }
    let line = |(k, v): (&String, &String)| format!("  {} = {}", literal(k), literal(&secret::shown(k, v)));
    let lines: Vec<String> = options.0.iter().map(line).collect();
    format!("\nWITH (\n{}\n)", lines.join(",\n"))
}

fn full(path: &ObjectPath) -> String {
    format!("{}.{}.{}", quoted(&path.catalog), quoted(&path.database), quoted(&path.object))
}
