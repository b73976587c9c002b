//! What a multi join emits.

use arrow_schema::SchemaRef;
use flott_api::operator::OperatorContext;
use flott_api::{ChangeBatch, Mark, Result, RowKind, RowKinds, Schema};

use super::combinations::{Combinations, of_batch};
use super::{Meeting, PIECE};
use crate::emit::{emit, record_batch, replace_marks};
use crate::join::side::Side;

/// Combinations that wait until there are enough of them.
pub(super) struct Outgoing {
    schema: SchemaRef,
    waiting: Combinations,
    /// The first row of the batch before which marks have not gone out.
    begin: u32,
}

impl Outgoing {
    pub(super) fn new(output: &Schema, inputs: usize) -> Self {
        let waiting = Combinations { rows: vec![Vec::new(); inputs], ..Combinations::default() };
        Outgoing { schema: output.arrow(), waiting, begin: 0 }
    }

    pub(super) fn add(&mut self, combinations: Combinations) {
        self.waiting.append(combinations);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= PIECE
    }

    /// Emits what waits, with the marks before the rows that it is of.
    pub(super) async fn flush(
        &mut self,
        sides: &[Side],
        meeting: &Meeting<'_>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let end = self.waiting.of.last().map_or(self.begin, |last| last + 1);
        let batch = self.taken(sides, meeting, end)?;
        emit(batch, cx).await
    }

    /// Emits what is left.
    pub(super) async fn finish(
        mut self,
        sides: &[Side],
        meeting: &Meeting<'_>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let batch = self.taken(sides, meeting, u32::MAX)?;
        emit(batch, cx).await
    }

    /// What waits as a batch, with the marks before row `end`.
    fn taken(&mut self, sides: &[Side], meeting: &Meeting<'_>, end: u32) -> Result<ChangeBatch> {
        let empty = Combinations { rows: vec![Vec::new(); sides.len()], ..Combinations::default() };
        let Combinations { of, kinds, rows } = std::mem::replace(&mut self.waiting, empty);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (input, rows) in rows.iter().enumerate() {
            for column in 0..sides[input].width() {
                columns.push(match input == meeting.input {
                    true => of_batch(meeting.batch, column, rows)?,
                    false => sides[input].rows()?.column(column, rows)?,
                });
            }
        }
        let marks = meeting.batch.marks().iter().filter(|mark| (self.begin..end).contains(&mark.row));
        let marks: Vec<Mark> = marks.copied().collect();
        let marks = replace_marks(&marks, |row| of.partition_point(|of| (*of as usize) < row));
        self.begin = end;
        let rows = record_batch(&self.schema, columns, of.len())?;
        let kinds = kinds.iter().any(|kind| *kind != RowKind::Insert).then(|| RowKinds::new(kinds));
        ChangeBatch::new(rows, kinds)?.with_marks(marks)
    }
}
