//! `INSERT`: which query column goes into which column of the sink, with the casts of store assignment.

use std::collections::BTreeMap;

use flott_api::expr::{Expr, Value};
use flott_api::table::SinkDescription;
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{Ident, Spanned};

use super::expr::coerce;
use super::table::{connector_of, offered, table_context};
use super::{Binder, refuse, syntax};
use crate::catalog::{CatalogTable, Column as TableColumn, ColumnKind, ObjectPath, Relation};
use crate::parser::ast::{Insert, InsertKind, Partition, ident_location, name_location};
use crate::plan::optimize::merge_top;
use crate::plan::rel::{Column, Rel};
use crate::plan::scope::{Scope, at_span};
use crate::plan::stream::Sink;

/// A sink, as the statement names it.
struct Target<'a> {
    path: &'a ObjectPath,
    table: &'a CatalogTable,
    description: SinkDescription,
    /// `PARTITION (k = v)`.
    fixed: BTreeMap<String, Expr>,
    /// The columns that the query fills, in the query's order.
    columns: Vec<&'a TableColumn>,
}

impl Binder<'_> {
    /// Binds an INSERT: gives the rows that the sink takes, and the sink.
    pub(super) fn bind_insert(&self, insert: &Insert) -> Result<(Rel, Sink)> {
        let Insert { kind, table: name, hints, partition, columns, source, on_conflict } = insert;
        refuse::clause(*kind == InsertKind::Upsert, "UPSERT INTO")?;
        let parts = syntax::name_parts(name)?;
        let (path, table) = match self.cx.relation(&parts)? {
            None => return Err(self.unknown_table(name, &parts)),
            Some((path, Relation::Table(table))) => (path, table),
            Some((path, Relation::View(_))) => {
                return Err(Error::invalid(format!("view '{path}' cannot be written")).at(name_location(name)));
            }
        };
        let hints = syntax::option_hints(hints, self.settings.dynamic_options)?;
        let table = self.with_hints(&path, &table, &hints)?;
        self.check_watermark_options(&path, &table)?;
        let connector = connector_of(&path, &table)?;
        let context = table_context(&path, &table, &self.settings.session_zone);
        let described = self.cx.factory(connector)?.describe_sink(&context);
        let description = described.map_err(|e| e.context(format!("table '{path}'")))?;
        let overwrite = *kind == InsertKind::Overwrite;
        if overwrite && !description.overwrite {
            return Err(Error::invalid(format!("table '{path}' cannot be overwritten")).at(name_location(name)));
        }
        let fixed = self.static_partition(&path, &table, partition.as_ref())?;
        let columns = target_columns(&path, &table, columns, &fixed)?;
        let target = Target { path: &path, table: &table, description, fixed, columns };
        let query = self.bind_whole(source)?;
        check_width(&target, &query).map_err(|e| at_span(e, source.span()))?;
        let (rel, written) = self.assigned(&target, query).map_err(|e| at_span(e, source.span()))?;
        let sink = target.sink(&rel, written, overwrite, self.settings)?;
        Ok((rel, Sink { on_conflict: *on_conflict, ..sink }))
    }

    /// All columns of a table, by name, from a query that has them.
    pub(super) fn insert_all(&self, path: &ObjectPath, table: &CatalogTable, query: Rel) -> Result<(Rel, Sink)> {
        self.check_watermark_options(path, table)?;
        let context = table_context(path, table, &self.settings.session_zone);
        let described = self.cx.factory(connector_of(path, table)?)?.describe_sink(&context);
        let description = described.map_err(|e| e.context(format!("table '{path}'")))?;
        let columns = table.columns.iter().collect();
        let target = Target { path, table, description, fixed: BTreeMap::new(), columns };
        let (rel, written) = self.assigned(&target, query)?;
        let sink = target.sink(&rel, written, false, self.settings)?;
        Ok((rel, sink))
    }

    fn static_partition(
        &self,
        path: &ObjectPath,
        table: &CatalogTable,
        partition: Option<&Partition>,
    ) -> Result<BTreeMap<String, Expr>> {
        let mut fixed = BTreeMap::new();
        for (name, value) in partition.iter().flat_map(|p| &p.0) {
            let column = table.columns.iter().find(|c| c.name == name.value);
            let (true, Some(column)) = (table.partition_keys.contains(&name.value), column) else {
                return Err(Error::invalid(format!("table '{path}' is not partitioned by '{}'", name.value))
                    .at(ident_location(name)));
            };
            let bound = self.expression(value, &Scope::default(), "PARTITION")?;
            let cast = self.folded(assign(bound, column)?)?;
            if fixed.insert(name.value.clone(), cast).is_some() {
                return Err(Error::invalid(format!("partition '{}' is set twice", name.value)).at(ident_location(name)));
            }
        }
        Ok(fixed)
    }

    /// The query's rows as the sink takes them: physical columns, then metadata.
    fn assigned(&self, target: &Target<'_>, query: Rel) -> Result<(Rel, Vec<Written>)> {
        let persisted = || target.table.columns.iter().filter(|c| c.is_persisted());
        let physical = persisted().filter(|c| c.is_physical());
        let metadata = persisted().filter(|c| !c.is_physical());
        let (mut exprs, mut written) = (Vec::new(), Vec::new());
        for column in physical.chain(metadata) {
            let value = target.value(column, &query)?;
            let (value, ty, key) = match &column.kind {
                ColumnKind::Metadata { key, is_virtual: _ } => {
                    let offered = offered(target.path, column, key.as_deref(), &target.description.metadata)?;
                    (coerce(value, &offered.ty), offered.ty, Some(offered.key))
                }
                ColumnKind::Physical | ColumnKind::Computed { .. } => (value, column.ty.clone(), None),
            };
            exprs.push((value, column.name.clone()));
            written.push(Written { column: Column::new(&column.name, ty), metadata: key });
        }
        let unchanged = exprs.len() == query.columns.len()
            && exprs.iter().enumerate().all(|(i, (e, _))| matches!(e, Expr::Column { index, .. } if *index == i));
        let rel = if unchanged { query } else { merge_top(query.project(exprs))? };
        Ok((rel, written))
    }
}

/// A column as the sink gets it.
struct Written {
    column: Column,
    /// The metadata's key.
    metadata: Option<String>,
}

impl Target<'_> {
    /// What goes into a column.
    fn value(&self, column: &TableColumn, query: &Rel) -> Result<Expr> {
        if let Some(fixed) = self.fixed.get(&column.name) {
            return Ok(fixed.clone());
        }
        if let Some(index) = self.columns.iter().position(|c| c.name == column.name) {
            return assign(query.column(index), column).map_err(|e| self.types_differ(e, query));
        }
        if !column.ty.nullable {
            return Err(Error::invalid(format!("column '{}' of table '{}' has no value", column.name, self.path))
                .with_detail("It is NOT NULL, and the INSERT does not name it."));
        }
        Ok(Expr::literal(Value::Null, column.ty.clone()))
    }

    /// Both sides, as Flink shows them.
    fn types_differ(&self, error: Error, query: &Rel) -> Error {
        let side = |columns: Vec<(&str, &LogicalType)>| {
            columns.iter().map(|(n, t)| format!("{n} {t}")).collect::<Vec<_>>().join(", ")
        };
        let gives = side(query.columns.iter().map(|c| (c.name.as_str(), &c.ty)).collect());
        let takes = side(self.columns.iter().map(|c| (c.name.as_str(), &c.ty)).collect());
        error
            .context(format!("table '{}'", self.path))
            .with_detail(format!("The query gives [{gives}]; the table takes [{takes}]."))
            .with_hint("Add a CAST.")
    }

    fn sink(&self, rel: &Rel, written: Vec<Written>, overwrite: bool, settings: &super::Settings) -> Result<Sink> {
        let position = |name: &String| written.iter().position(|w| w.metadata.is_none() && w.column.name == *name);
        let key_names = self.table.primary_key.as_ref().map(|k| k.columns.as_slice()).unwrap_or_default();
        let primary_key: Option<Vec<usize>> = key_names.iter().map(position).collect();
        let Some(primary_key) = primary_key else {
            return Err(Error::invalid(format!(
                "the primary key of table '{}' has a column that is not written",
                self.path
            )));
        };
        if rel.columns.len() != written.len() {
            return Err(Error::internal("a sink takes other columns than are written"));
        }
        Ok(Sink {
            name: self.path.to_string(),
            connector: connector_of(self.path, self.table)?.to_owned(),
            options: self.table.connector_options(),
            metadata: written.iter().filter_map(|w| w.metadata.clone()).collect(),
            columns: written.into_iter().map(|w| w.column).collect(),
            partition_keys: self.table.partition_keys.clone(),
            static_partition: self.fixed.iter().map(|(k, v)| (k.clone(), partition_text(v))).collect(),
            primary_key,
            accepts: self.description.changelog,
            needs_update_before: self.description.needs_update_before,
            parallelism: self.description.parallelism,
            overwrite,
            on_conflict: None,
            materialize: false,
            session_zone: settings.session_zone.clone(),
        })
    }
}

/// The value of a static partition as the name of its folder has it.
fn partition_text(expr: &Expr) -> String {
    match expr {
        Expr::Literal { value: Value::String(text), .. } => text.clone(),
        other => crate::plan::print::literal_text(other),
    }
}

/// A value as the column takes it: cast, unless it fits as it is.
fn assign(value: Expr, column: &TableColumn) -> Result<Expr> {
    let (from, to) = (&value.ty().kind, &column.ty.kind);
    let fits = match (from, to) {
        (TypeKind::Char(have) | TypeKind::Varchar(have), TypeKind::Varchar(room)) => have <= room,
        (TypeKind::Binary(have) | TypeKind::Varbinary(have), TypeKind::Varbinary(room)) => have <= room,
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    if !flott_functions::store_assignment(value.ty(), &column.ty) {
        return Err(Error::invalid(format!("column '{}' has type {to}, but its value has type {from}", column.name)));
    }
    Ok(coerce(value, &column.ty))
}

/// The columns that the query fills.
fn target_columns<'t>(
    path: &ObjectPath,
    table: &'t CatalogTable,
    named: &[Vec<Ident>],
    fixed: &BTreeMap<String, Expr>,
) -> Result<Vec<&'t TableColumn>> {
    if named.is_empty() {
        let open = table.columns.iter().filter(|c| c.is_persisted() && !fixed.contains_key(&c.name));
        return Ok(open.collect());
    }
    let mut found: Vec<&TableColumn> = Vec::with_capacity(named.len());
    for parts in named {
        let [name] = parts.as_slice() else { return Err(Error::unsupported("a nested column in INSERT")) };
        let wrong = |text: String| Error::invalid(text).at(ident_location(name));
        let Some(column) = table.columns.iter().find(|c| c.name == name.value) else {
            let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            return Err(wrong(format!("column '{}' of table '{path}' does not exist", name.value))
                .with_hint(format!("Its columns are: {}.", names.join(", "))));
        };
        if !column.is_persisted() {
            return Err(wrong(format!("column '{}' of table '{path}' cannot be written", name.value)));
        }
        if found.iter().any(|c| c.name == column.name) || fixed.contains_key(&column.name) {
            return Err(wrong(format!("column '{}' is set twice", name.value)));
        }
        found.push(column);
    }
    Ok(found)
}

fn check_width(target: &Target<'_>, query: &Rel) -> Result<()> {
    if query.columns.len() == target.columns.len() {
        return Ok(());
    }
    let types = |columns: Vec<String>| columns.join(", ");
    let gives = types(query.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect());
    let takes = types(target.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect());
    Err(Error::invalid(format!(
        "table '{}' takes {} columns, but the query has {}",
        target.path,
        target.columns.len(),
        query.columns.len()
    ))
    .with_detail(format!("The query gives [{gives}]; the table takes [{takes}].")))
}
