//! The columns of pairs, and what a join emits.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use flott_api::batch::taken_columns;
use flott_api::expr::Expr;
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds};
use flott_functions::{CompileContext, EvalContext};
use flott_graph::spec::{JoinInput, JoinKind, JoinSpec};
use flott_state::hot::{NO_ROW, RowMultiMap};

use super::best::Best;
use super::pairs::Pairs;
use crate::condition::Condition;
use crate::emit::{record_batch, replace_marks};

/// What the rows of a batch give, in order.
#[derive(Default)]
pub(super) struct Changes {
    /// A row of the batch, or [`NO_ROW`].
    own: Vec<u32>,
    /// A row of the other side, or [`NO_ROW`].
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
    pub(super) fn push(&mut self, own: u32, other: u32, kind: RowKind) {
        self.own.push(own);
        self.other.push(other);
        self.kinds.push(kind);
    }
}

/// Where the columns of a pair come from.
pub(super) struct Layout {
    output: SchemaRef,
    /// The columns of both sides, as the condition sees them.
    both: Vec<DataType>,
    /// How many of them are of the left.
    left_width: usize,
    left_only: bool,
    /// Is there from `open` on, if the join has one.
    condition: Option<Condition>,
    best: Option<Best>,
}

impl Layout {
    pub(super) fn new(spec: &JoinSpec) -> Result<Self> {
        let fields = spec.left.input.fields.iter().chain(&spec.right.input.fields);
        let both: Vec<DataType> = fields.map(|f| f.ty.arrow()).collect();
        let best = spec.best.as_ref().map(|best| Best::new(best, &both)).transpose()?;
        let inserts = [&spec.left, &spec.right].iter().all(|side| side.rows == JoinInput::InsertOnly);
        if best.is_some() && !(inserts && spec.kind == JoinKind::Inner) {
            return Err(Error::internal("only an inner join of insertions may leave pairs out"));
        }
        Ok(Layout {
            output: spec.output.arrow(),
            both,
            left_width: spec.left.input.len(),
            left_only: spec.kind.is_left_only(),
            condition: None,
            best,
        })
    }

    pub(super) fn open(&mut self, condition: Option<&Expr>, cx: &CompileContext) -> Result<()> {
        self.condition = condition.map(|c| Condition::new(c, &self.both, cx)).transpose()?;
        Ok(())
    }

    /// Keeps the pairs for which the condition holds, and of these the ones that matter.
    pub(super) fn test(
        &mut self,
        pairs: &mut Pairs,
        batch: &ChangeBatch,
        others: &RowMultiMap,
        (is_left, cx): (bool, &EvalContext),
    ) -> Result<()> {
        let of = (batch.rows(), others, is_left, self.left_width);
        if let Some(condition) = &self.condition
            && !pairs.is_empty()
        {
            let (own, partners) = pairs.both();
            let passing = condition.passing(partners.len(), pair_column(own, partners, of), cx)?;
            pairs.keep(&passing);
        }
        if let Some(best) = &mut self.best
            && !pairs.is_empty()
        {
            let (own, partners) = pairs.both();
            let passing = best.passing(partners.len(), pair_column(own, partners, of))?;
            pairs.keep(&passing);
        }
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
        let own = || taken(batch.rows(), &changes.own);
        let other = || others.columns(&changes.other);
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
}

/// Gives columns of pairs: those of the left, then of the right.
fn pair_column<'a>(
    own: Vec<u32>,
    partners: &'a [u32],
    (batch, others, is_left, left_width): (&'a RecordBatch, &'a RowMultiMap, bool, usize),
) -> impl Fn(usize) -> Result<ArrayRef> + 'a {
    let own = UInt32Array::from(own);
    move |column| {
        let (of_left, place) = match column.checked_sub(left_width) {
            None => (true, column),
            Some(place) => (false, place),
        };
        match of_left == is_left {
            true => Ok(take(batch.column(place), &own, None)?),
            false => others.column(place, partners),
        }
    }
}

/// The columns of these rows; nulls for [`NO_ROW`].
fn taken(rows: &RecordBatch, picked: &[u32]) -> Result<Vec<ArrayRef>> {
    let first = picked.first().copied().unwrap_or(0);
    // What is there in one piece need not be copied.
    if first != NO_ROW && (first..).zip(picked).all(|(row, picked)| row == *picked) {
        return Ok(rows.slice(first as usize, picked.len()).columns().to_vec());
    }
    if !picked.contains(&NO_ROW) {
        return taken_columns(rows.columns(), picked);
    }
    let picked: UInt32Array = picked.iter().map(|row| (*row != NO_ROW).then_some(*row)).collect();
    let taken = rows.columns().iter().map(|column| take(column, &picked, None));
    Ok(taken.collect::<std::result::Result<_, _>>()?)
}
