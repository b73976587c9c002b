//! The columns of pairs, and what a join emits.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{Field, Fields, Schema, SchemaRef};
use arrow_select::take::take;
use flott_api::{ChangeBatch, Result, RowKind, RowKinds};
use flott_functions::{CompiledExpr, EvalContext};
use flott_graph::spec::JoinSpec;
use flott_state::hot::RowMultiMap;

use super::pairs::Pairs;
use crate::emit::{record_batch, replace_marks};

/// What the rows of a batch give, in order.
#[derive(Default)]
pub(super) struct Changes {
    /// A row of the batch, or nulls.
    own: Vec<Option<u32>>,
    /// A row of the other side, or none.
    other: Vec<u32>,
    kinds: Vec<RowKind>,
    /// How many changes there are before those of each row.
    starts: Vec<usize>,
}

impl Changes {
    pub(super) fn begin_row(&mut self) {
        self.starts.push(self.kinds.len());
    }

    pub(super) fn end(&mut self) {
        self.begin_row();
    }

    #[inline]
    pub(super) fn push(&mut self, own: Option<usize>, other: u32, kind: RowKind) {
        self.own.push(own.map(|row| row as u32));
        self.other.push(other);
        self.kinds.push(kind);
    }
}

/// Where the columns of a pair come from.
pub(super) struct Layout {
    output: SchemaRef,
    /// The columns of both sides, as the condition sees them.
    both: SchemaRef,
    widths: [usize; 2],
    left_only: bool,
    /// Is there from `open` on, if the join has one.
    pub(super) condition: Option<CompiledExpr>,
}

impl Layout {
    pub(super) fn new(spec: &JoinSpec) -> Self {
        let sides = [&spec.left.input, &spec.right.input];
        let fields: Fields = (sides.iter())
            .flat_map(|side| side.arrow().fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>())
            .map(|ty| Field::new("", ty, true))
            .collect();
        Layout {
            output: spec.output.arrow(),
            both: Arc::new(Schema::new(fields)),
            widths: sides.map(flott_api::Schema::len),
            left_only: spec.kind.is_left_only(),
            condition: None,
        }
    }

    /// Keeps the pairs for which the condition holds.
    pub(super) fn test(
        &self,
        pairs: &mut Pairs,
        batch: &ChangeBatch,
        others: &RowMultiMap,
        (is_left, cx): (bool, &EvalContext),
    ) -> Result<()> {
        let Some(condition) = &self.condition else { return Ok(()) };
        let (rows, partners) = pairs.both();
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let own = UInt32Array::from(rows);
        let mut own = taken(batch.rows(), &own)?;
        let mut other = self.other_columns(others, partners, is_left)?;
        let columns = if is_left {
            own.append(&mut other);
            own
        } else {
            other.append(&mut own);
            other
        };
        let passing = condition.evaluate_predicate(&record_batch(&self.both, columns, count)?, cx)?;
        pairs.keep(&passing);
        Ok(())
    }

    /// The changes as a batch; `part` is the part of the batch whose rows they are of.
    pub(super) fn rows(
        &self,
        changes: Changes,
        (batch, part): (&ChangeBatch, &ChangeBatch),
        others: &RowMultiMap,
        is_left: bool,
    ) -> Result<ChangeBatch> {
        let count = changes.kinds.len();
        let own = || taken(batch.rows(), &UInt32Array::from(changes.own.clone()));
        let other = || self.other_columns(others, &changes.other, is_left);
        let columns = match (self.left_only, is_left) {
            (true, true) => own()?,
            (true, false) => other()?,
            (false, true) => [own()?, other()?].concat(),
            (false, false) => [other()?, own()?].concat(),
        };
        let rows = record_batch(&self.output, columns, count)?;
        let marks = replace_marks(part.marks(), |row| changes.starts[row]);
        let kinds = changes.kinds.iter().any(|k| *k != RowKind::Insert).then(|| RowKinds::new(changes.kinds));
        ChangeBatch::new(rows, kinds)?.with_marks(marks)
    }

    fn other_columns(&self, others: &RowMultiMap, rows: &[u32], is_left: bool) -> Result<Vec<ArrayRef>> {
        let width = self.widths[usize::from(is_left)];
        (0..width).map(|column| others.column(column, rows)).collect()
    }
}

fn taken(rows: &RecordBatch, picked: &UInt32Array) -> Result<Vec<ArrayRef>> {
    let taken = rows.columns().iter().map(|column| take(column, picked, None));
    Ok(taken.collect::<std::result::Result<_, _>>()?)
}
