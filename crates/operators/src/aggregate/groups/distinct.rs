//! Values under `DISTINCT`: which calls share what was seen of them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field};
use flott_api::aggregate::{AggregateInput, Change, MergeInput};
use flott_api::{Error, LogicalType, Result, Schema};
use flott_graph::spec::AggregateCall;
use flott_state::hot::{
    By, Changed, DistinctEntries, DistinctRows, DistinctShape, DistinctView, FILTERS_MAX, SeenEntries,
};

use super::{Groups, Plan, Rows, all_named, filter_of};
use crate::aggregate::takes_nulls;

/// Values that are told apart, for all calls over the same columns.
pub(super) struct Distinct {
    /// Several are told apart as one row.
    columns: Vec<usize>,
    ty: DataType,
    /// Whether a null is a value.
    nulls: bool,
    /// Whether it must be known how often a value came.
    counted: bool,
    /// Behind which of [`Plan::filters`] calls look at them.
    filters: Vec<Option<usize>>,
}

/// What was seen of values behind one filter: a part of the state.
pub(super) struct SeenPart {
    /// Which of [`Plan::distinct`].
    pub(super) view: usize,
    /// Which of its filters.
    pub(super) filter: usize,
    /// Names the part.
    pub(super) fingerprint: String,
}

impl SeenPart {
    /// What the rows do behind it.
    pub(super) fn of(&self, changed: &[Changed]) -> Vec<Change> {
        changed[self.view].under(self.filter)
    }
}

impl Plan {
    /// Which of [`Plan::seen`] decides for a call.
    pub(super) fn share(
        &mut self,
        input: &Schema,
        call: &AggregateCall,
        (args, counted): (&[LogicalType], bool),
        filter: Option<usize>,
    ) -> Result<usize> {
        if call.args.is_empty() {
            return Err(Error::internal("a DISTINCT of no column"));
        }
        let (ty, nulls) = told_apart(call, args);
        let view = Distinct { columns: call.args.clone(), ty, nulls, counted, filters: vec![filter] };
        let shared = |part: &SeenPart| {
            let of = &self.distinct[part.view];
            of.is_over_same(&view) && of.filters[part.filter] == filter
        };
        if let Some(part) = self.seen.iter().position(shared) {
            return Ok(part);
        }
        let has_room = |of: &Distinct| of.filters.len() < FILTERS_MAX;
        let place = match self.distinct.iter().position(|of| of.is_over_same(&view) && has_room(of)) {
            Some(place) => {
                self.distinct[place].filters.push(filter);
                place
            }
            None => {
                self.distinct.push(view);
                self.distinct.len() - 1
            }
        };
        let fingerprint = format!("distinct({}){}", all_named(input, &call.args), filter_of(input, call));
        self.seen.push(SeenPart { view: place, filter: self.distinct[place].filters.len() - 1, fingerprint });
        Ok(self.seen.len() - 1)
    }
}

/// The values that a `DISTINCT` tells apart, those of one argument or rows of several, and whether a null is one.
fn told_apart(call: &AggregateCall, args: &[LogicalType]) -> (DataType, bool) {
    match args {
        [arg] => (arg.arrow(), takes_nulls(call)),
        args => {
            let fields = args.iter().enumerate().map(|(i, ty)| Field::new(i.to_string(), ty.arrow(), true));
            (DataType::Struct(fields.collect()), false)
        }
    }
}

impl Distinct {
    fn is_over_same(&self, other: &Distinct) -> bool {
        self.columns == other.columns && self.ty == other.ty && self.nulls == other.nulls
    }

    /// The shape of its view.
    pub(super) fn shape(&self) -> DistinctShape {
        let (ty, nulls, counted) = (self.ty.clone(), self.nulls, self.counted);
        DistinctShape { ty, nulls, filters: self.filters.len(), counted }
    }

    /// Lets the view see the values of rows.
    pub(super) fn see(
        &self,
        view: &mut dyn DistinctView,
        rows: &Rows<'_>,
        filtered: &[Vec<Change>],
    ) -> Result<Changed> {
        let mut passed = vec![0_u8; rows.groups.len()];
        for (bit, filter) in self.filters.iter().enumerate() {
            match filter {
                None => passed.iter_mut().for_each(|passed| *passed |= 1 << bit),
                Some(filter) => {
                    for (passed, change) in passed.iter_mut().zip(&filtered[*filter]) {
                        *passed |= u8::from(*change != Change::Skip) << bit;
                    }
                }
            }
        }
        let by = By::Rows(&passed, rows.changes);
        view.count(&DistinctRows { values: &self.values(rows.columns)?, groups: rows.groups, by }, rows.now_ms)
    }

    /// What the view tells apart.
    fn values(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        match (&self.ty, self.columns.as_slice()) {
            (_, [column]) => Ok(Arc::clone(rows.column(*column))),
            (DataType::Struct(fields), columns) => {
                let columns = columns.iter().map(|c| Arc::clone(rows.column(*c))).collect();
                Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
            }
            _ => Err(Error::internal("a DISTINCT of several columns is over no rows")),
        }
    }

    /// The arguments that are in the view's values.
    fn arguments(&self, values: &ArrayRef) -> Vec<ArrayRef> {
        match self.columns.as_slice() {
            [_, _, ..] => values.as_struct().columns().to_vec(),
            _ => vec![Arc::clone(values)],
        }
    }
}

impl Groups {
    /// Takes up values that other groups have seen, or takes them back, and folds those that are new or gone into the
    /// calls. The places of `entries` are those in `input`.
    pub(super) fn take_up_values(
        &mut self,
        plan: &Plan,
        view: usize,
        entries: &DistinctEntries,
        (input, now_ms): (&MergeInput<'_>, i64),
    ) -> Result<()> {
        let groups: Vec<u32> = entries.places.iter().map(|place| input.groups[*place as usize]).collect();
        let rows = |by| DistinctRows { values: &entries.values, groups: &groups, by };
        let of_view = &mut self.distinct[view];
        let changed = match &entries.seen {
            SeenEntries::Bits(bits) if input.retract => {
                let all = vec![Change::Retract; bits.len()];
                of_view.count(&rows(By::Rows(bits, Some(&all))), now_ms)?
            }
            SeenEntries::Bits(bits) => of_view.count(&rows(By::Rows(bits, None)), now_ms)?,
            SeenEntries::Counts(counts) if input.retract => {
                let taken: Vec<i64> = counts.iter().map(|count| -count).collect();
                of_view.count(&rows(By::Counts(&taken)), now_ms)?
            }
            SeenEntries::Counts(counts) => of_view.count(&rows(By::Counts(counts)), now_ms)?,
        };
        let args = plan.distinct[view].arguments(&entries.values);
        for (call, state) in plan.calls.iter().zip(&mut self.calls) {
            let Some(part) = call.distinct.map(|part| &plan.seen[part]).filter(|part| part.view == view) else {
                continue;
            };
            let changes = changed.under(part.filter);
            let input = AggregateInput { args: &args, groups: &groups, changes: Some(&changes) };
            call.function.fold(&input, &mut state.lend())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flott_api::expr::FunctionId;
    use flott_api::testing::{batch, lines};
    use flott_api::{ChangeBatch, Field as ApiField, TypeKind};
    use flott_state::hot::{GroupEntries, MapViewOptions};

    use super::*;

    const FOR_EVER: MapViewOptions = MapViewOptions { retract: false, ttl_ms: 0 };

    /// `x INT` and more filters than a view can have.
    fn input() -> Schema {
        let filters = (0..=FILTERS_MAX).map(|i| ApiField::new(format!("f{i}"), LogicalType::new(TypeKind::Boolean)));
        let x = ApiField::new("x", LogicalType::new(TypeKind::Int));
        Schema::new([x].into_iter().chain(filters).collect())
    }

    fn count(filter: Option<usize>) -> AggregateCall {
        let ty = LogicalType::new(TypeKind::BigInt);
        AggregateCall { function: FunctionId::new("count"), args: vec![0], filter, distinct: true, ty }
    }

    #[test]
    fn calls_behind_any_filters_share_views_of_bounded_width() {
        let filters = [None].into_iter().chain((1..=FILTERS_MAX + 1).map(Some)).chain([None, Some(1)]);
        let calls: Vec<AggregateCall> = filters.map(count).collect();
        let plan = Plan::new(&input(), &[], &calls, FOR_EVER).unwrap();
        assert_eq!((plan.distinct.len(), plan.seen.len()), (2, FILTERS_MAX + 2));
        let names: Vec<String> = plan.state("s", Default::default()).parts.into_iter().map(|part| part.name).collect();
        assert_eq!(names[calls.len() + 1..][..2], ["distinct(x INT)", "distinct(x INT) FILTER f0 BOOLEAN"]);
        let row = |x: i32, passed: usize| {
            let passed = (0..=FILTERS_MAX).map(|i| if i < passed { "true" } else { "NULL" }).collect::<Vec<_>>();
            format!("+I | {x} | {}", passed.join(" | "))
        };
        let rows = batch(&input(), &[row(1, 0), row(1, 1), row(2, 9), row(2, 9), row(3, 2)].join("\n"));
        let mut groups = plan.groups().unwrap();
        groups.grow(1);
        let rows = Rows { columns: rows.rows(), groups: &[0; 5], changes: None, now_ms: 0 };
        groups.fold(&plan, &rows).unwrap();
        let values = groups.values(&plan, &[0]).unwrap();
        let output = Schema::new(calls.iter().map(|call| ApiField::new("n", call.ty.clone())).collect());
        let shown = lines(&ChangeBatch::inserts(RecordBatch::try_new(output.arrow(), values).unwrap()));
        assert_eq!(shown, ["+I | 3 | 3 | 2 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 3 | 3"]);
    }

    #[test]
    fn of_equal_calls_one_part_is_kept() {
        let plan = Plan::new(&input(), &[], &[count(Some(1)), count(Some(2)), count(Some(1))], FOR_EVER).unwrap();
        assert_eq!((plan.distinct.len(), plan.seen.len(), plan.calls[2].distinct), (1, 2, Some(0)));
    }
}
