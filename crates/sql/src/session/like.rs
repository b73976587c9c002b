//! `CREATE TABLE .. LIKE`: what the new table takes over.
//!
//! Flink's default is `INCLUDING ALL OVERWRITING OPTIONS`. Physical columns are always taken over, first
//! those of the source, and it is an error if both tables have one of a name.

use flott_api::{Error, Result};

use crate::catalog::{CatalogTable, Column, ColumnKind};
use crate::parser::ast::{ColumnDef, LikeFeature, LikeMerge, TableLike, ident_location, name_location};

/// The new table, with what it takes over.
///
/// # Errors
/// If both tables have something that only one may have.
pub(super) fn merge_like(
    new: CatalogTable,
    source: CatalogTable,
    like: &TableLike,
    columns: &[ColumnDef],
) -> Result<CatalogTable> {
    let how = Strategies { like, columns };
    merge(new, source, &how).map_err(|e| e.at(name_location(&like.source)))
}

struct Strategies<'a> {
    like: &'a TableLike,
    /// The new table's own columns, for their places in the text.
    columns: &'a [ColumnDef],
}

impl Strategies<'_> {
    /// How one feature is merged: what was said of it, else of `ALL`, else the default.
    fn of_feature(&self, feature: LikeFeature) -> LikeMerge {
        let said = |wanted| self.like.options.iter().rev().find(|o| o.feature == wanted).map(|o| o.merge);
        let default = match feature {
            LikeFeature::Options => LikeMerge::Overwriting,
            _ => LikeMerge::Including,
        };
        said(feature).or_else(|| said(LikeFeature::All)).unwrap_or(default)
    }

    fn takes(&self, feature: LikeFeature) -> bool {
        self.of_feature(feature) != LikeMerge::Excluding
    }
}

fn merge(mut new: CatalogTable, source: CatalogTable, how: &Strategies<'_>) -> Result<CatalogTable> {
    new.columns = merge_columns(std::mem::take(&mut new.columns), source.columns, how)?;
    if how.takes(LikeFeature::Watermarks) && source.watermark.is_some() {
        match (&new.watermark, how.of_feature(LikeFeature::Watermarks)) {
            (Some(_), LikeMerge::Including) => return Err(both("a watermark", "WATERMARKS")),
            (Some(_), _) => {}
            (None, _) => new.watermark = source.watermark,
        }
    }
    if how.takes(LikeFeature::Constraints) && source.primary_key.is_some() {
        if new.primary_key.is_some() {
            return Err(Error::invalid("both tables have a primary key").with_hint("Add (EXCLUDING CONSTRAINTS)."));
        }
        new.primary_key = source.primary_key;
    }
    if new.partition_keys.is_empty() {
        // As in Flink, EXCLUDING PARTITIONS only says that the new table's own ones win.
        new.partition_keys = source.partition_keys;
    } else if how.takes(LikeFeature::Partitions) && !source.partition_keys.is_empty() {
        return Err(Error::invalid("both tables have partitions").with_hint("Add (EXCLUDING PARTITIONS)."));
    }
    if how.takes(LikeFeature::Distribution) && source.distribution.is_some() {
        if new.distribution.is_some() {
            return Err(Error::invalid("both tables have a distribution").with_hint("Add (EXCLUDING DISTRIBUTION)."));
        }
        new.distribution = source.distribution;
    }
    for (key, value) in source.options.0 {
        match (how.of_feature(LikeFeature::Options), new.options.0.contains_key(&key)) {
            (LikeMerge::Excluding, _) | (LikeMerge::Overwriting, true) => {}
            (LikeMerge::Including, true) => return Err(both(&format!("option '{key}'"), "OPTIONS")),
            (_, false) => drop(new.options.0.insert(key, value)),
        }
    }
    Ok(new)
}

fn merge_columns(new: Vec<Column>, source: Vec<Column>, how: &Strategies<'_>) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = source.into_iter().filter(|c| c.is_physical() || how.takes(feature_of(c))).collect();
    for column in new {
        let Some(index) = columns.iter().position(|c| c.name == column.name) else {
            columns.push(column);
            continue;
        };
        let feature = feature_of(&column);
        let replaces = feature == feature_of(&columns[index]) && how.of_feature(feature) == LikeMerge::Overwriting;
        if column.is_physical() || !replaces {
            let name = &column.name;
            let def = how.columns.iter().find(|c| c.name.value == *name);
            return Err(Error::invalid(format!("both tables have a column '{name}'"))
                .at(def.map(|c| ident_location(&c.name)).unwrap_or_default())
                .with_hint("OVERWRITING GENERATED or METADATA lets the new table's computed or metadata column win."));
        }
        columns[index] = column;
    }
    Ok(columns)
}

/// Which option of `LIKE` decides over a column; none does over a physical one.
fn feature_of(column: &Column) -> LikeFeature {
    match column.kind {
        ColumnKind::Computed { .. } => LikeFeature::Generated,
        ColumnKind::Metadata { .. } => LikeFeature::Metadata,
        ColumnKind::Physical => LikeFeature::All,
    }
}

fn both(what: &str, feature: &str) -> Error {
    Error::invalid(format!("both tables have {what}"))
        .with_hint(format!("Add (OVERWRITING {feature}) or (EXCLUDING {feature})."))
}
