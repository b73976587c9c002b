//! What comes into containers, and the watch.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use flott_api::{BATCH_ROWS_MAX, Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_state::hot::GroupTable;

use crate::micro::Round;
use crate::micro::rows;
use crate::micro::world::thread_nanos;

const SEED: u64 = 42;
/// Columns of the rows.
pub(super) const K: usize = 0;
pub(super) const W: usize = 1;
pub(super) const FEW: usize = 2;
pub(super) const V: usize = 3;
pub(super) const TURN: usize = 4;
pub(super) const NAME: usize = 5;
pub(super) const LINE: usize = 6;
const TS: usize = 7;
/// Groups whose rows are read at once.
pub(super) const GROUPS_TOGETHER: usize = 1024;

/// Rows, and the groups of their keys.
pub(super) struct Input {
    pub(super) batches: Vec<RecordBatch>,
    /// Of column `k`.
    pub(super) groups: Vec<Vec<u32>>,
    pub(super) groups_end: usize,
    /// Of column `few`.
    pub(super) few_groups: Vec<Vec<u32>>,
}

impl Input {
    pub(super) fn new(count: u64) -> Result<Self> {
        let numbers = ["k", "w", "few", "v", "turn"].map(|name| (name, LogicalType::not_null(TypeKind::BigInt)));
        let texts = ["name", "line"].map(|name| (name, LogicalType::string()));
        let times = [("ts", LogicalType::new(TypeKind::Timestamp(3)))];
        let fields = numbers.into_iter().chain(texts).chain(times).map(|(name, ty)| Field::new(name, ty));
        let schema = Schema::new(fields.collect());
        let rows = BATCH_ROWS_MAX as u64;
        let batch = |number: u64| rows::batch(&schema, SEED, number * rows..(number + 1) * rows);
        let batches = (0..count).map(batch).collect::<Result<Vec<_>>>()?;
        let (few_groups, _) = groups(&batches, FEW)?;
        let (groups, groups_end) = groups(&batches, K)?;
        Ok(Input { batches, groups, groups_end, few_groups })
    }

    pub(super) fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    pub(super) fn all_groups(&self) -> Vec<u32> {
        (0..self.groups_end as u32).collect()
    }

    pub(super) fn columns(batch: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
        columns.iter().map(|column| batch.column(*column).clone()).collect()
    }

    pub(super) fn types(&self, columns: &[usize]) -> Vec<DataType> {
        let schema = self.batches[0].schema();
        columns.iter().map(|column| schema.field(*column).data_type().clone()).collect()
    }

    pub(super) fn schema(&self, columns: &[usize]) -> SchemaRef {
        let schema = self.batches[0].schema();
        arrow_schema::Schema::new(columns.iter().map(|column| schema.field(*column).clone()).collect::<Vec<_>>()).into()
    }

    /// Milliseconds since the epoch.
    pub(super) fn times(batch: &RecordBatch) -> Result<&[i64]> {
        let times = batch.column(TS).as_primitive_opt::<TimestampMillisecondType>();
        times.map(|times| &times.values()[..]).ok_or_else(|| Error::internal("times are in milliseconds"))
    }
}

/// The groups of a key, and one more than the largest.
fn groups(batches: &[RecordBatch], column: usize) -> Result<(Vec<Vec<u32>>, usize)> {
    let mut table = GroupTable::new(vec![DataType::Int64])?;
    let mut assign = |batch: &RecordBatch| table.assign(&[batch.column(column).clone()], batch.num_rows());
    let groups = batches.iter().map(&mut assign).collect::<Result<_>>()?;
    Ok((groups, table.end()))
}

/// Measures from its start on.
pub(super) struct Watch {
    started: u64,
}

impl Watch {
    pub(super) fn start() -> Result<Self> {
        Ok(Watch { started: thread_nanos()? })
    }

    pub(super) fn stop(self, rows: u64, rows_out: u64) -> Result<Round> {
        Ok(Round { rows, rows_out, cpu_nanos: thread_nanos()? - self.started })
    }
}
