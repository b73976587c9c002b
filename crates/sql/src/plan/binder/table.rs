//! A table of the catalog as a relation: the scan, then computed columns, then the watermark.

use std::ops::ControlFlow;

use flott_api::expr::Expr;
use flott_api::lookup::LookupDescription;
use flott_api::options::Options;
use flott_api::table::{MetadataColumn, PushDowns, SourceDescription, TableContext, dead_letter_columns};
use flott_api::{Error, Result, Schema, TypeKind};
use sqlparser::ast::{Expr as Ast, visit_expressions};

use super::Binder;
use super::call::function_name;
use super::dead_letters::without_dead_letters;
use super::expr::coerce;
use crate::catalog::{CatalogTable, Column as TableColumn, ColumnKind, ObjectPath, Watermark};
use crate::plan::expand::parse_expression;
use crate::plan::rel::{Column, Op, PROCTIME, Rel, Scan, TimeAttribute, WatermarkOptions};
use crate::plan::scope::Scope;

/// The finest timestamp that can be a rowtime.
const ROWTIME_PRECISION_MAX: u8 = 3;

/// The function that says that a source makes its watermarks.
const SOURCE_WATERMARK: &str = "source_watermark";

impl Binder<'_> {
    /// The rows of a table.
    pub(super) fn scan(&self, path: &ObjectPath, table: &CatalogTable, hints: &Options) -> Result<Rel> {
        let table = self.with_hints(path, table, hints)?;
        if self.columns_only {
            return self.unread(&table).map_err(|e| e.context(format!("table '{path}'")));
        }
        let factory = self.cx.factory(connector_of(path, &table)?)?;
        let context = table_context(path, &table, &self.settings.session_zone);
        let description = factory.describe_source(&context).map_err(|e| e.context(format!("table '{path}'")))?;
        let rel = self.described((path, &table), context, (description, None))?;
        let watermarked = || {
            no_source_watermark(&table)?;
            self.watermarked(rel, &table)
        };
        watermarked().map_err(|e| e.context(format!("table '{path}'")))
    }

    /// The rows of a table that is looked up in. Its watermark means nothing there.
    pub(super) fn looked_up(&self, path: &ObjectPath, table: &CatalogTable, hints: &Options) -> Result<Rel> {
        let table = self.with_hints(path, table, hints)?;
        if self.columns_only {
            return self.unread(&table).map_err(|e| e.context(format!("table '{path}'")));
        }
        self.check_watermark_options(path, &table)?;
        let factory = self.cx.factory(connector_of(path, &table)?)?;
        let Some(lookup) = factory.lookup() else {
            return Err(Error::unsupported(format!("a temporal join by processing time with table '{path}'"))
                .with_detail("Its connector cannot look up keys.")
                .with_hint("Join by event time, or without FOR SYSTEM_TIME AS OF."));
        };
        let context = table_context(path, &table, &self.settings.session_zone);
        let description = lookup.describe(&context).map_err(|e| e.context(format!("table '{path}'")))?;
        self.described((path, &table), context, (description.rows.clone(), Some(description)))
    }

    fn described(
        &self,
        (path, table): (&ObjectPath, &CatalogTable),
        context: TableContext,
        (mut description, lookup): (SourceDescription, Option<LookupDescription>),
    ) -> Result<Rel> {
        self.check_dead_letters(path, &description, lookup.is_some())?;
        let connector = connector_of(path, table)?;
        let schema = context.schema;
        let metadata = metadata_columns(path, table, &description)?;
        let primary_key = key_positions(table, &schema)?;
        let projection: Vec<usize> = (0..schema.len()).collect();
        let columns = schema.fields.iter().map(|f| Column::new(&f.name, f.ty.clone()));
        let mut columns: Vec<Column> =
            columns.chain(metadata.iter().map(|m| Column::new(&m.column.name, m.offered.ty.clone()))).collect();
        let mut read: Vec<_> = metadata.iter().map(|m| (m.offered.key.clone(), m.offered.ty.clone())).collect();
        let declared = columns.clone();
        let has_dead_letters = description.dead_letters.is_some();
        if has_dead_letters {
            // A limit would count dead letters, and scans with other filters are read twice.
            description.push_downs = PushDowns { limit: false, filter: false, ..description.push_downs };
            read.extend(dead_letter_columns().map(|c| (c.key, c.ty)));
            columns.extend(dead_letter_columns().map(|c| Column::new(c.key, c.ty)));
            columns.iter_mut().for_each(|c| c.ty.nullable = true);
        }
        let scan = Scan {
            path: path.clone(),
            connector: connector.to_owned(),
            options: context.options,
            schema,
            projection,
            read_fields: Vec::new(),
            metadata: read,
            filters: Vec::new(),
            limit: None,
            partition_keys: context.partition_keys,
            primary_key,
            description,
            lookup,
        };
        let rel = Rel { op: Op::Scan(Box::new(scan)), inputs: Vec::new(), columns };
        let rel = if has_dead_letters { without_dead_letters(rel, declared)? } else { rel };
        self.declared_columns(rel, table)
    }

    /// The table with the options of hints, and with its connector's columns where it declares none.
    pub(super) fn with_hints(&self, path: &ObjectPath, table: &CatalogTable, hints: &Options) -> Result<CatalogTable> {
        let mut table = table.clone();
        table.options.0.extend(hints.0.clone());
        if table.columns.is_empty() {
            let factory = self.cx.factory(connector_of(path, &table)?)?;
            let Some(schema) = factory.default_schema() else {
                return Err(Error::invalid(format!("table '{path}' has no columns")));
            };
            let column =
                |f: flott_api::Field| TableColumn { name: f.name, kind: ColumnKind::Physical, ty: f.ty, comment: None };
            table.columns = schema.fields.into_iter().map(column).collect();
        }
        Ok(table)
    }

    /// See [`Binder::table_columns`].
    pub(super) fn columns_of_table(&self, table: &CatalogTable) -> Result<Vec<Column>> {
        Ok(self.unread(table)?.columns)
    }

    /// A table's columns over nothing that could be read.
    fn unread(&self, table: &CatalogTable) -> Result<Rel> {
        let stored = table.columns.iter().filter(|c| !matches!(c.kind, ColumnKind::Computed { .. }));
        let columns = stored.map(|c| Column::new(&c.name, c.ty.clone())).collect();
        let rel = self.declared_columns(Rel::values(Vec::new(), columns), table)?;
        self.watermarked(rel, table)
    }

    /// Refuses wrong options of a watermark also where a table is not read.
    pub(super) fn check_watermark_options(&self, path: &ObjectPath, table: &CatalogTable) -> Result<()> {
        let read = WatermarkOptions::read(table, self.settings.watermark_interval_ms);
        read.map(drop).map_err(|e| e.context(format!("table '{path}'")))
    }

    /// All columns in the order of their declaration, over an input with the physical and metadata columns.
    fn declared_columns(&self, rel: Rel, table: &CatalogTable) -> Result<Rel> {
        let scope = Scope::of_columns(rel.columns.clone());
        let mut exprs = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let expr = match &column.kind {
                ColumnKind::Physical | ColumnKind::Metadata { .. } => {
                    let Some(index) = rel.columns.iter().position(|c| c.name == column.name) else {
                        return Err(Error::internal(format!("column '{}' is not read", column.name)));
                    };
                    coerce(rel.column(index), &column.ty)
                }
                ColumnKind::Computed { expression } => self.computed(&column.name, expression, &scope)?,
            };
            exprs.push((expr, column.name.clone()));
        }
        let unchanged = exprs.len() == rel.columns.len()
            && exprs.iter().enumerate().all(|(i, (e, _))| matches!(e, Expr::Column { index, .. } if *index == i));
        Ok(if unchanged { rel } else { rel.project(exprs) })
    }

    /// A computed column; it sees the physical and metadata columns, not other computed ones.
    fn computed(&self, name: &str, expression: &str, scope: &Scope) -> Result<Expr> {
        let bound = parse_expression(expression).and_then(|ast| self.exprs(scope, "a computed column").bind(&ast));
        // A place in the catalog's text is no place in the user's statement.
        bound.map_err(|e| e.with_location(None).context(format!("computed column '{name}'")))
    }

    fn watermarked(&self, rel: Rel, table: &CatalogTable) -> Result<Rel> {
        let options = Box::new(WatermarkOptions::read(table, self.settings.watermark_interval_ms)?);
        let Some(Watermark { column, expression }) = &table.watermark else { return Ok(rel) };
        let Some(rowtime) = rel.columns.iter().position(|c| c.name == *column) else {
            return Err(Error::invalid(format!("column '{column}' of the watermark does not exist")));
        };
        check_rowtime(&rel.columns[rowtime])?;
        let scope = Scope::of_columns(rel.columns.clone());
        let mut bound = parse_expression(expression)
            .and_then(|ast| self.exprs(&scope, "a watermark").bind(&ast))
            .map_err(|e| e.with_location(None).context(format!("watermark of column '{column}'")))?;
        // Alone it is of the type that is asked for.
        if let Expr::Call { function, ty, .. } = &mut bound
            && function.name == SOURCE_WATERMARK
        {
            *ty = rel.columns[rowtime].ty.clone();
        }
        if !bound.ty().kind.is_timestamp()
            || std::mem::discriminant(&bound.ty().kind) != std::mem::discriminant(&rel.columns[rowtime].ty.kind)
        {
            return Err(Error::invalid(format!("the watermark of column '{column}' has type {}", bound.ty().kind))
                .with_hint(format!("It must be of type {}.", rel.columns[rowtime].ty.kind)));
        }
        let watermark = coerce(bound, &rel.columns[rowtime].ty.clone());
        let mut columns = rel.columns.clone();
        columns[rowtime].time = Some(TimeAttribute::Rowtime);
        Ok(Rel { op: Op::Watermark { rowtime, watermark, options }, inputs: vec![rel], columns })
    }
}

/// Refuses a table whose source is to make the watermarks: no connector says that it does.
fn no_source_watermark(table: &CatalogTable) -> Result<()> {
    let Some(Watermark { column, expression }) = &table.watermark else { return Ok(()) };
    let is_call = |expr: &Ast| match expr {
        Ast::Function(call) => function_name(&call.name).is_ok_and(|name| name == SOURCE_WATERMARK),
        _ => false,
    };
    let found = visit_expressions(&parse_expression(expression)?, |expr| match is_call(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let hint = format!("Say how they follow from the rows, as in {column} - INTERVAL '5' SECOND.");
            Err(Error::unsupported(format!("the watermark SOURCE_WATERMARK() of column '{column}'"))
                .with_detail("The connector makes no watermarks of its own.")
                .with_hint(hint))
        }
    }
}

fn check_rowtime(column: &Column) -> Result<()> {
    let precision = match column.ty.kind {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => Some(p),
        _ => None,
    };
    if column.time == Some(TimeAttribute::Proctime) {
        return Err(Error::invalid(format!(
            "column '{}' is {} and cannot have a watermark",
            column.name,
            PROCTIME.to_uppercase()
        )));
    }
    if precision.is_some_and(|p| p <= ROWTIME_PRECISION_MAX) {
        return Ok(());
    }
    Err(Error::invalid(format!("column '{}' has type {} and cannot have a watermark", column.name, column.ty.kind))
        .with_hint("A watermark needs a TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3."))
}

/// A metadata column and what the connector offers for it.
struct Metadata<'a> {
    column: &'a TableColumn,
    offered: MetadataColumn,
}

fn metadata_columns<'a>(
    path: &ObjectPath,
    table: &'a CatalogTable,
    description: &SourceDescription,
) -> Result<Vec<Metadata<'a>>> {
    let mut found = Vec::new();
    for column in &table.columns {
        let ColumnKind::Metadata { key, is_virtual: _ } = &column.kind else { continue };
        let offered = offered(path, column, key.as_deref(), &description.metadata)?;
        flott_functions::explicit_cast(&offered.ty, &column.ty, false)
            .map_err(|e| e.context(format!("metadata column '{}' of table '{path}'", column.name)))?;
        found.push(Metadata { column, offered });
    }
    Ok(found)
}

/// What a connector offers under the key of a metadata column.
pub(super) fn offered(
    path: &ObjectPath,
    column: &TableColumn,
    key: Option<&str>,
    all: &[MetadataColumn],
) -> Result<MetadataColumn> {
    let key = key.unwrap_or(&column.name);
    all.iter().find(|m| m.key == key).cloned().ok_or_else(|| {
        let keys: Vec<&str> = all.iter().map(|m| m.key.as_str()).collect();
        let error =
            Error::invalid(format!("metadata '{key}' of column '{}' of table '{path}' does not exist", column.name));
        match keys.is_empty() {
            true => error.with_hint("The connector has no metadata."),
            false => error.with_hint(format!("The connector has: {}.", keys.join(", "))),
        }
    })
}

/// What a connector is told of a table.
pub(super) fn table_context(path: &ObjectPath, table: &CatalogTable, session_zone: &str) -> TableContext {
    TableContext {
        path: path.to_string(),
        schema: table.physical_schema(),
        partition_keys: table.partition_keys.clone(),
        primary_key: table.primary_key.as_ref().map(|k| k.columns.clone()).unwrap_or_default(),
        options: table.connector_options(),
        session_zone: session_zone.to_owned(),
    }
}

/// The connector's identifier.
pub(super) fn connector_of<'t>(path: &ObjectPath, table: &'t CatalogTable) -> Result<&'t str> {
    table.connector().ok_or_else(|| {
        Error::invalid(format!("table '{path}' has no connector")).with_hint("Add 'connector' = '..' to its options.")
    })
}

fn key_positions(table: &CatalogTable, schema: &Schema) -> Result<Vec<usize>> {
    let names = table.primary_key.as_ref().map(|k| k.columns.as_slice()).unwrap_or_default();
    names
        .iter()
        .map(|name| {
            schema.index_of(name).ok_or_else(|| {
                Error::unsupported(format!("the column '{name}' in a primary key"))
                    .with_detail("It is not a physical column.")
            })
        })
        .collect()
}
