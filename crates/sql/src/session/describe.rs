//! `DESCRIBE`.

use flott_api::options::Options;
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::Ident;

use super::names::parts;
use super::{Outcome, Session, TextTable};
use crate::catalog::{CatalogTable, CatalogView, ColumnKind, Relation};
use crate::parser::ast::{Describe, ident_location, name_location};
use crate::plan::{self, TimeAttribute};
use crate::secret;

impl Session {
    /// `DESCRIBE ..`.
    pub(super) fn describe(&self, describe: &Describe) -> Result<Outcome> {
        match describe {
            Describe::Table { name, .. } => {
                let at = name_location(name);
                match self.found(&parts(name)).map_err(|e| e.at(at))?.relation {
                    Relation::Table(table) => self.describe_table(&table),
                    Relation::View(view) => self.describe_view(&view),
                }
            }
            Describe::Database { extended, name } => {
                let at = name_location(name);
                let (catalog, database) = self.database_path(name)?;
                let found = self.catalogs.database(&catalog, &database).map_err(|e| e.at(at))?;
                let mut rows = vec![info("name", Some(database)), info("comment", found.comment)];
                rows.extend(if *extended { option_rows(&found.options) } else { Vec::new() });
                Ok(Outcome::Table(TextTable::of(&INFO, rows)))
            }
            Describe::Job(id) => Ok(Outcome::DescribeJob(id.value.parse().map_err(|e: Error| e.at(id.at))?)),
            Describe::Catalog { extended, name } => self.describe_catalog(*extended, name),
            Describe::Function { extended, name } => self.describe_function(*extended, name),
            Describe::Model { name, .. } => self.describe_model(name),
            Describe::Connection { .. } => Err(Error::unsupported("DESCRIBE CONNECTION")),
        }
    }

    fn describe_catalog(&self, extended: bool, name: &Ident) -> Result<Outcome> {
        let definition = self.catalogs.definition(&name.value).map_err(|e| e.at(ident_location(name)))?;
        let mut options = definition.options.clone();
        let kind = options.0.remove("type");
        let mut rows = vec![
            info("name", Some(name.value.clone())),
            info("type", kind),
            info("comment", definition.comment.clone()),
        ];
        rows.extend(if extended { option_rows(&options) } else { Vec::new() });
        Ok(Outcome::Table(TextTable::of(&INFO, rows)))
    }

    fn describe_table(&self, table: &CatalogTable) -> Result<Outcome> {
        let columns = plan::table_columns(self, table)?;
        let key = table.primary_key.as_ref();
        let mut rows = Vec::new();
        for (column, typed) in table.columns.iter().zip(&columns) {
            let in_key = key.filter(|k| k.columns.contains(&column.name));
            let extras = match &column.kind {
                ColumnKind::Physical => None,
                ColumnKind::Metadata { key, is_virtual } => {
                    let from = key.as_ref().map(|k| format!(" FROM '{k}'")).unwrap_or_default();
                    Some(format!("METADATA{from}{}", if *is_virtual { " VIRTUAL" } else { "" }))
                }
                ColumnKind::Computed { expression } => Some(format!("AS {expression}")),
            };
            let watermark = table.watermark.as_ref().filter(|w| w.column == column.name);
            rows.push(vec![
                Some(column.name.clone()),
                Some(type_text(&typed.ty, typed.time)),
                Some(nullable_text(&typed.ty)),
                in_key.map(|k| format!("PRI({})", k.columns.join(", "))),
                extras,
                watermark.map(|w| w.expression.clone()),
                column.comment.clone(),
            ]);
        }
        Ok(Outcome::Table(described(rows)))
    }

    fn describe_view(&self, view: &CatalogView) -> Result<Outcome> {
        let query = crate::parser::parse_query(&view.expanded);
        let bound = query.and_then(|query| plan::bind_query(self, &query));
        // A place in the catalog's text is no place in the user's statement.
        let columns = bound.map_err(|e| e.with_location(None).context("the view's query"))?.columns;
        let rows = view.schema.fields.iter().zip(columns).map(|(field, typed)| {
            let text = type_text(&typed.ty, typed.time);
            vec![Some(field.name.clone()), Some(text), Some(nullable_text(&typed.ty)), None, None, None, None]
        });
        Ok(Outcome::Table(described(rows.collect())))
    }
}

/// The columns of what is told of a catalog or database.
const INFO: [&str; 2] = ["info name", "info value"];

fn info(name: &str, value: Option<String>) -> Vec<Option<String>> {
    vec![Some(name.to_owned()), value]
}

fn option_rows(options: &Options) -> Vec<Vec<Option<String>>> {
    options.0.iter().map(|(key, value)| info(&format!("option:{key}"), Some(secret::shown(key, value)))).collect()
}

/// Flink's columns; the one of comments only where there are any.
fn described(mut rows: Vec<Vec<Option<String>>>) -> TextTable {
    let mut names = vec!["name", "type", "null", "key", "extras", "watermark", "comment"];
    if rows.iter().all(|row| row[6].is_none()) {
        names.pop();
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    let mut table = TextTable::of(&names, rows);
    table.schema.fields[2].ty = LogicalType::new(TypeKind::Boolean);
    table
}

pub(super) fn type_text(ty: &LogicalType, time: Option<TimeAttribute>) -> String {
    let attribute = match time {
        Some(TimeAttribute::Rowtime) => " *ROWTIME*",
        Some(TimeAttribute::Proctime) => " *PROCTIME*",
        None => "",
    };
    format!("{}{attribute}", ty.kind)
}

pub(super) fn nullable_text(ty: &LogicalType) -> String {
    if ty.nullable { "TRUE".to_owned() } else { "FALSE".to_owned() }
}
