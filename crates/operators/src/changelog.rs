//! `TO_CHANGELOG` and `FROM_CHANGELOG`: row kinds become a column of an insert-only table, and the other way round.
//!
//! Flink counterpart: `ToChangelogFunction` and `FromChangelogFunction`. **State layout**: none. Rows and marks keep their
//! order. A name that stands for no kind, or is null, fails the job, as in Flink.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds};
use flott_graph::spec::{FromChangelogSpec, ToChangelogSpec};

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// Shows kinds as a column.
pub struct ToChangelog {
    spec: ToChangelogSpec,
    output: SchemaRef,
}

impl FromSpec for ToChangelog {
    type Spec = ToChangelogSpec;

    fn from_spec(spec: ToChangelogSpec) -> Result<Self> {
        Ok(ToChangelog { output: spec.output.arrow(), spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for ToChangelog {}

#[async_trait]
impl Operator for ToChangelog {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let shown = self.shown(&batch)?;
        emit(shown, cx).await
    }
}

impl ToChangelog {
    fn name(&self, kind: RowKind) -> Option<&str> {
        self.spec.names.iter().find(|(k, _)| *k == kind).map(|(_, name)| name.as_str())
    }

    fn shown(&self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let keep: Vec<bool> = (0..batch.len()).map(|row| self.name(batch.kind(row)).is_some()).collect();
        let kept = if keep.iter().all(|k| *k) { batch.clone() } else { batch.filter(&BooleanArray::from(keep))? };
        let mut names = StringBuilder::new();
        (0..kept.len()).for_each(|row| names.append_option(self.name(kept.kind(row))));
        let mut columns = vec![Arc::new(names.finish()) as _];
        columns.extend(kept.rows().columns().iter().cloned());
        let rows = record_batch(&self.output, columns, kept.len())?;
        ChangeBatch::new(rows, None)?.with_marks(kept.marks().to_vec())
    }
}

/// Makes kinds of a column.
pub struct FromChangelog {
    spec: FromChangelogSpec,
    output: SchemaRef,
}

impl FromSpec for FromChangelog {
    type Spec = FromChangelogSpec;

    fn from_spec(spec: FromChangelogSpec) -> Result<Self> {
        if spec.op >= spec.input.len() {
            return Err(Error::internal("a changelog has no column of its kinds"));
        }
        Ok(FromChangelog { output: spec.output.arrow(), spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for FromChangelog {}

#[async_trait]
impl Operator for FromChangelog {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = self.changes(&batch)?;
        emit(changes, cx).await
    }
}

impl FromChangelog {
    fn kind(&self, name: Option<&str>) -> Result<RowKind> {
        let found = name.and_then(|name| self.spec.kinds.iter().find(|(known, _)| known == name));
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let shown = name.map_or("NULL".to_owned(), |name| format!("'{name}'"));
            let known: Vec<&str> = self.spec.kinds.iter().map(|(known, _)| known.as_str()).collect();
            let column = &self.spec.input.fields[self.spec.op].name;
            Error::data(format!("column '{column}' of a changelog has the value {shown}"))
                .with_detail(format!("FROM_CHANGELOG knows {}.", known.join(", ")))
                .with_hint("Name it in op_mapping, or filter such rows out.")
        })
    }

    fn changes(&self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let names = batch.rows().column(self.spec.op);
        let names =
            names.as_string_opt::<i32>().ok_or_else(|| Error::internal("the kinds of a changelog are no text"))?;
        let kinds = (0..names.len()).map(|row| self.kind(names.is_valid(row).then(|| names.value(row))));
        let kinds = kinds.collect::<Result<Vec<_>>>()?;
        let mut columns = batch.rows().columns().to_vec();
        columns.remove(self.spec.op);
        let rows = record_batch(&self.output, columns, batch.len())?;
        ChangeBatch::new(rows, Some(RowKinds::new(kinds)))?.with_marks(batch.marks().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        let field = |name: &&str| {
            let kind = if *name == "op" { TypeKind::Varchar(20) } else { TypeKind::Int };
            Field::new(*name, LogicalType::new(kind))
        };
        Schema::new(names.iter().map(field).collect())
    }

    fn to_changelog(script: &str, names: &[(RowKind, &str)]) -> String {
        let names = names.iter().map(|(k, name)| (*k, (*name).to_owned())).collect();
        let spec = ToChangelogSpec { input: schema(&["a"]), names, output: schema(&["op", "a"]) };
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
        check(&case, || Box::new(ToChangelog::from_spec(spec.clone()).unwrap()))
    }

    fn kinds() -> Vec<(String, RowKind)> {
        let kinds =
            [("c", RowKind::Insert), ("b", RowKind::UpdateBefore), ("u", RowKind::UpdateAfter), ("d", RowKind::Delete)];
        kinds.map(|(name, kind)| (name.to_owned(), kind)).to_vec()
    }

    #[test]
    fn kinds_become_a_column_and_kinds_without_a_name_are_dropped() {
        let script = "+I | 1\nwm 1\n-U | 1\n+U | NULL\nwm 2\n-D | 3";
        let all =
            [(RowKind::Insert, "I"), (RowKind::UpdateBefore, "B"), (RowKind::UpdateAfter, "A"), (RowKind::Delete, "D")];
        let shown = "+I | I | 1\nwm 1\n+I | B | 1\n+I | A | NULL\nwm 2\n+I | D | 3";
        assert_eq!(to_changelog(script, &all), shown);
        assert_eq!(to_changelog(script, &all[..1]), "+I | I | 1\nwm 2");
    }

    #[test]
    fn a_column_becomes_kinds_and_goes() {
        let spec = FromChangelogSpec { input: schema(&["a", "op"]), op: 1, kinds: kinds(), output: schema(&["a"]) };
        let script = "+I | 1 | c\nwm 1\n+I | 1 | b\n+I | NULL | u\nwm 2\n+I | 3 | d";
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
        let changes = check(&case, || Box::new(FromChangelog::from_spec(spec.clone()).unwrap()));
        assert_eq!(changes, "+I | 1\nwm 1\n-U | 1\n+U | NULL\nwm 2\n-D | 3");
    }

    #[test]
    fn a_name_that_is_no_kind_is_told() {
        let spec = FromChangelogSpec { input: schema(&["a", "op"]), op: 1, kinds: kinds(), output: schema(&["a"]) };
        let operator = FromChangelog::from_spec(spec.clone()).unwrap();
        for (name, shown) in [(Some("x"), "'x'"), (None, "NULL")] {
            let error = operator.kind(name).unwrap_err();
            assert_eq!(error.message(), format!("column 'op' of a changelog has the value {shown}"));
        }
        assert!(FromChangelog::from_spec(FromChangelogSpec { op: 2, ..spec }).is_err());
    }
}
