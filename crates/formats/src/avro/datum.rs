//! Whole data, which are rows: a writer's schema with its plan, and the columns that rows go into.

use flott_api::{Field, Schema};

use super::input::{Input, Taken};
use super::read::{Reader, RecordRead};
use super::resolve::Resolver;
use super::schema::{AvroSchema, Kind, TypeId};
use super::types::{Timestamps, nullable};
use crate::column::Column;

/// What the columns are, as a reader sees them.
pub(super) struct Table {
    /// Those asked for.
    pub(super) fields: Vec<Field>,
    /// The schema that a user gave; its root is the record of the columns.
    pub(super) reader: Option<AvroSchema>,
    pub(super) timestamps: Timestamps,
}

impl Table {
    /// The columns of a projection of a table.
    pub(super) fn new(schema: &Schema, projection: &[usize], timestamps: Timestamps) -> Self {
        Table { fields: schema.project(projection).fields, reader: None, timestamps }
    }
}

/// Rows as one writer writes them.
pub(super) struct RowPlan {
    record: Result<RecordRead, String>,
    /// If the record is in a union: which branch it is, of how many.
    union: Option<(usize, usize)>,
}

impl RowPlan {
    /// The plan for the writer's type at `id`, which is a record, or may be one; `wanted` is the reader's type.
    pub(super) fn new(writer: &AvroSchema, id: TypeId, table: &Table, wanted: Option<TypeId>) -> Self {
        let (union, record) = match (nullable(writer, id), &writer.get(id).kind) {
            (Some((null, record)), _) => (Some((1 - null, 2)), record),
            (None, Kind::Union(branches)) => match branches.as_slice() {
                [record] => (Some((0, 1)), *record),
                _ => (None, id),
            },
            _ => (None, id),
        };
        let resolver = Resolver::new(writer, table.reader.as_ref(), table.timestamps);
        let record = match &writer.get(record).kind {
            Kind::Record(fields) => Ok(resolver.record(fields, &table.fields, wanted)),
            other => Err(format!("the writer's schema is the Avro type {} instead of a record", other.name())),
        };
        RowPlan { record, union }
    }

    /// Reads a row into the columns; `false` if it is null, which adds nothing.
    pub(super) fn row(&self, writer: &AvroSchema, input: &mut Input<'_>, columns: &mut [Column]) -> Taken<bool> {
        let record = self.record.as_ref().map_err(Clone::clone)?;
        if let Some((branch, count)) = self.union
            && input.index(count, "branch")? != branch
        {
            return Ok(false);
        }
        Reader { schema: writer }.record(record, input, columns)?;
        Ok(true)
    }
}
