//! Gives each row once for each grouping set: `GROUPING SETS`, `CUBE`, `ROLLUP`.
//!
//! Flink counterpart: `Expand`. A copy has null for the keys that are not in its set, and the number of the set.
//! Copies of a row follow each other in the order of the sets, with the row's kind. **State layout**: none.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_graph::spec::{ExpandColumn, ExpandSpec};

use crate::emit::{emit, record_batch, replace_marks};
use crate::factory::FromSpec;

/// See the module.
pub struct Expand {
    spec: ExpandSpec,
    output: SchemaRef,
}

impl FromSpec for Expand {
    type Spec = ExpandSpec;

    fn from_spec(spec: ExpandSpec) -> Result<Self> {
        let fits = |column: &ExpandColumn| match column {
            ExpandColumn::Input(index) => *index < spec.input.len(),
            ExpandColumn::Null | ExpandColumn::Id(_) => true,
        };
        let all_fit = spec.projections.iter().all(|p| p.len() == spec.output.len() && p.iter().all(fits));
        if spec.projections.is_empty() || !all_fit {
            return Err(Error::internal("the grouping sets of an expansion do not fit its columns"));
        }
        Ok(Expand { output: spec.output.arrow(), spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for Expand {}

#[async_trait]
impl Operator for Expand {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        // Pieces that grow to about a batch.
        let piece = (BATCH_ROWS_MAX / self.spec.projections.len()).max(1);
        let mut from = 0;
        loop {
            let rows = piece.min(batch.len() - from);
            emit(self.expand(&batch.slice(from, rows))?, cx).await?;
            from += rows;
            if from >= batch.len() {
                return Ok(());
            }
        }
    }
}

impl Expand {
    /// The copies of a specification, for who runs no operators.
    ///
    /// # Errors
    /// If the grouping sets do not fit the columns.
    pub fn new(spec: ExpandSpec) -> Result<Self> {
        Self::from_spec(spec)
    }

    /// All copies of all rows.
    ///
    /// # Errors
    /// If the rows are not of the declared types.
    pub fn expand(&self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let sets = self.spec.projections.len();
        let copies = UInt32Array::from_iter_values((0..batch.len() * sets).map(|row| (row / sets) as u32));
        let columns = (0..self.spec.output.len()).map(|column| self.column(column, batch, &copies));
        let rows = record_batch(&self.output, columns.collect::<Result<_>>()?, copies.len())?;
        let marks = replace_marks(batch.marks(), |row| row * sets);
        let kinds = batch.kinds().map(|kinds| kinds.take(copies.values().iter().map(|row| *row as usize)));
        ChangeBatch::new(rows, kinds)?.with_marks(marks)
    }

    fn column(&self, column: usize, batch: &ChangeBatch, copies: &UInt32Array) -> Result<ArrayRef> {
        let sets: Vec<&ExpandColumn> = self.spec.projections.iter().map(|p| &p[column]).collect();
        if let ExpandColumn::Input(index) = sets[0]
            && sets.iter().all(|s| *s == sets[0])
        {
            return Ok(take(batch.rows().column(*index), copies, None)?);
        }
        let ty = self.output.field(column).data_type();
        let source = |set: &&ExpandColumn| -> ArrayRef {
            match set {
                ExpandColumn::Input(index) => batch.rows().column(*index).clone(),
                ExpandColumn::Null => new_null_array(ty, 1),
                ExpandColumn::Id(id) => Arc::new(Int64Array::from(vec![*id])),
            }
        };
        let sources: Vec<ArrayRef> = sets.iter().map(source).collect();
        let place = |row: usize| {
            let set = row % sets.len();
            (set, if matches!(sets[set], ExpandColumn::Input(_)) { row / sets.len() } else { 0 })
        };
        let places: Vec<(usize, usize)> = (0..copies.len()).map(place).collect();
        Ok(interleave(&sources.iter().map(|s| s.as_ref() as &dyn Array).collect::<Vec<_>>(), &places)?)
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn each_set_has_its_keys_and_its_number() {
        let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
        let input =
            Schema::new(vec![field("a", TypeKind::Int), field("b", TypeKind::Varchar(9)), field("x", TypeKind::Int)]);
        let mut output = input.clone();
        output.fields.push(field("$e", TypeKind::BigInt));
        use ExpandColumn::{Id, Input, Null};
        let projections = vec![
            vec![Input(0), Input(1), Input(2), Id(0)],
            vec![Input(0), Null, Input(2), Id(1)],
            vec![Null, Null, Input(2), Id(3)],
        ];
        let spec = ExpandSpec { input: input.clone(), projections, output };
        let script = "+I | 1 | a | 5\nwm 7\n-U | NULL | b | 6\n+U | 2 | NULL | 6\nwm 8";
        let case = Case { input: &input, event_time: EventTime::Indifferent, script };
        let answer = check(&case, || Box::new(Expand::from_spec(spec.clone()).unwrap()));
        let expected = "+I | 1 | a | 5 | 0\n+I | 1 | NULL | 5 | 1\n+I | NULL | NULL | 5 | 3\nwm 7\n\
            -U | NULL | b | 6 | 0\n-U | NULL | NULL | 6 | 1\n-U | NULL | NULL | 6 | 3\n\
            +U | 2 | NULL | 6 | 0\n+U | 2 | NULL | 6 | 1\n+U | NULL | NULL | 6 | 3\nwm 8";
        assert_eq!(answer, expected);
        let mut wrong = spec;
        wrong.projections[1].pop();
        assert!(Expand::from_spec(wrong).is_err());
    }
}
