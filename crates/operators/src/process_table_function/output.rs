//! What stands before and behind the columns of a function.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use flott_api::process::{ProcessOutput, ProcessShape, ProcessTable};
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, LogicalType, Result};
use flott_graph::spec::ProcessTableFunctionSpec;

use super::{Input, own_schema};
use crate::emit::record_batch;
use crate::window::time::from_millis;

/// How the rows of a function become those of the operator.
pub(super) struct Layout {
    function: String,
    own: SchemaRef,
    changelog: ChangelogMode,
    /// Whether all columns of a row are passed through.
    passes_through: bool,
    /// For how many tables the partition columns stand before.
    tables: usize,
    rowtime: Option<LogicalType>,
    output: SchemaRef,
}

impl Layout {
    pub(super) fn new(spec: &ProcessTableFunctionSpec, inputs: &[Input], shape: &ProcessShape) -> Result<Self> {
        let passes_through = inputs.iter().any(|input| input.traits.pass_columns_through);
        let before: usize = match passes_through {
            true => inputs.iter().map(|input| input.table.schema.len()).sum(),
            false => inputs.iter().map(|input| input.table.partition_by.len()).sum(),
        };
        let width = before + shape.output.len() + usize::from(spec.rowtime.is_some());
        let timed = inputs.iter().all(|input| input.table.time.is_some() == spec.rowtime.is_some());
        if spec.output.len() != width || !timed || passes_through && inputs.len() > 1 {
            return Err(Error::internal("a process table function does not give its keys, columns and time"));
        }
        Ok(Layout {
            function: spec.function.name.clone(),
            own: own_schema(shape),
            changelog: shape.changelog,
            passes_through,
            tables: inputs.len(),
            rowtime: spec.rowtime.clone(),
            output: spec.output.arrow(),
        })
    }

    pub(super) fn passes_through(&self) -> bool {
        self.passes_through
    }

    /// What was given for rows of a table.
    pub(super) fn of_rows(
        &self,
        output: ProcessOutput,
        batch: &ChangeBatch,
        table: &ProcessTable,
        times_ms: Option<&[i64]>,
    ) -> Result<ChangeBatch> {
        let before: Vec<ArrayRef> = match self.passes_through {
            true => batch.rows().columns().to_vec(),
            false => {
                let keys = table.partition_by.iter().map(|c| batch.rows().column(*c).clone());
                self.repeated(&keys.collect::<Vec<_>>())
            }
        };
        self.assembled(output, &before, (batch.len(), times_ms))
    }

    /// What was given for timers.
    pub(super) fn of_timers(&self, output: ProcessOutput, keys: &[ArrayRef], times_ms: &[i64]) -> Result<ChangeBatch> {
        self.assembled(output, &self.repeated(keys), (times_ms.len(), Some(times_ms)))
    }

    /// What was given without any table.
    pub(super) fn alone(&self, output: ProcessOutput) -> Result<ChangeBatch> {
        self.assembled(output, &[], (1, None))
    }

    /// The key, once for each table.
    fn repeated(&self, keys: &[ArrayRef]) -> Vec<ArrayRef> {
        std::iter::repeat_n(keys, self.tables).flatten().cloned().collect()
    }

    fn assembled(
        &self,
        output: ProcessOutput,
        before: &[ArrayRef],
        (rows, times_ms): (usize, Option<&[i64]>),
    ) -> Result<ChangeBatch> {
        let ProcessOutput { rows: own, origins, kinds } = output;
        let wrong = |what: &str| Error::internal(format!("process table function '{}' {what}", self.function));
        let types = |schema: &SchemaRef| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        if types(&own.schema()) != types(&self.own) || own.num_rows() != origins.len() {
            return Err(wrong("gives other columns than it says"));
        }
        if origins.iter().any(|origin| *origin as usize >= rows) {
            return Err(wrong("gives a row for none that came"));
        }
        if let Some(kind) = kinds.iter().flat_map(|k| k.iter()).find(|kind| !self.changelog.contains(*kind)) {
            let detail = format!("It says that it gives {}.", self.changelog);
            return Err(wrong(&format!("gives a change of kind {kind}")).with_detail(detail));
        }
        let mut columns = Vec::with_capacity(self.output.fields().len());
        if let (Some(ty), Some(times_ms)) = (&self.rowtime, times_ms) {
            columns.push(from_millis(origins.iter().map(|origin| times_ms[*origin as usize]).collect(), ty)?);
        }
        let origins = UInt32Array::from(origins);
        let before = before.iter().map(|column| take(column, &origins, None));
        let mut all = before.collect::<std::result::Result<Vec<_>, _>>()?;
        all.extend(own.columns().iter().cloned());
        all.append(&mut columns);
        ChangeBatch::new(record_batch(&self.output, all, own.num_rows())?, kinds)
    }
}

/// Some rows of columns.
pub(super) fn picked(columns: &[ArrayRef], rows: &[usize]) -> Result<Vec<ArrayRef>> {
    let rows: UInt32Array = rows.iter().map(|row| Some(*row as u32)).collect();
    Ok(columns.iter().map(|column| take(column, &rows, None)).collect::<std::result::Result<_, _>>()?)
}
