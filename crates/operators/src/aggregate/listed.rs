//! Aggregates whose state is the list of their values: `ARRAY_AGG`, `SINGLE_VALUE`, and `FIRST_VALUE` and `LAST_VALUE`
//! over a changelog.
//!
//! Flink counterparts: `ArrayAggFunction`, `SingleValueAggFunction`, `FirstValueWithRetractAggFunction`,
//! `LastValueWithRetractAggFunction`. What is taken back is the first equal value, also of `LAST_VALUE`.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, ListView, MergeInput, Part, Running, StateShape, View, ViewKind,
    ViewShape,
};
use flott_api::{Error, LogicalType, Result};

/// What a list gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    First,
    Last,
    /// An array; nothing where there is no value.
    Array,
    /// The one value; more are an error.
    Single,
}

/// Over values of type `element`, with a result of type `ty`.
pub(super) struct Listed {
    pub(super) gives: Gives,
    pub(super) element: LogicalType,
    pub(super) ty: DataType,
    /// Whether nulls are values.
    pub(super) nulls: bool,
}

/// The lists of an aggregate.
pub(super) fn view<'a>(state: &'a mut AggregateState<'_>) -> Result<&'a mut dyn ListView> {
    match state.views {
        [View::List(view)] => Ok(view.as_mut()),
        _ => Err(Error::internal("an aggregate of lists got views of another shape than its own")),
    }
}

/// The shape of a state that is a list.
pub(super) fn shape(element: &LogicalType) -> StateShape {
    let view = ViewShape { name: "values", kind: ViewKind::List, ty: element.clone() };
    StateShape { slots: Vec::new(), views: vec![view] }
}

/// What each row does if nulls do nothing; nothing where that is the same.
pub(super) fn without_nulls(input: &AggregateInput<'_>, column: &ArrayRef) -> Option<Vec<Change>> {
    let nulls = column.nulls().filter(|n| n.null_count() > 0)?;
    let change = |row| if nulls.is_null(row) { Change::Skip } else { input.change(row) };
    Some((0..input.groups.len()).map(change).collect())
}

/// Puts lists behind others, and takes out what they miss.
pub(super) fn merge_lists(input: &MergeInput<'_>, partial: &dyn ListView, into: &mut dyn ListView) -> Result<()> {
    for (part, adds) in [(Part::All, !input.retract), (Part::Missing, input.retract)] {
        let lists = partial.value(input.from, part)?;
        let lists: &ListArray = lists.as_list();
        let lengths = lists.offsets().windows(2).map(|w| (w[1] - w[0]) as usize);
        let groups: Vec<u32> =
            input.groups.iter().zip(lengths).flat_map(|(group, length)| std::iter::repeat_n(*group, length)).collect();
        let changes = vec![if adds { Change::Add } else { Change::Retract }; groups.len()];
        let args = std::slice::from_ref(lists.values());
        into.fold(&AggregateInput { args, groups: &groups, changes: Some(&changes) })?;
    }
    Ok(())
}

impl Listed {
    fn part(&self) -> Part {
        match self.gives {
            Gives::First => Part::First,
            Gives::Last => Part::Last,
            Gives::Array | Gives::Single => Part::All,
        }
    }

    fn result(&self, part: ArrayRef) -> Result<ArrayRef> {
        match self.gives {
            Gives::First | Gives::Last => Ok(part),
            Gives::Array => array(&part, &self.ty),
            Gives::Single => single(&part),
        }
    }

    fn folded<T>(&self, input: &AggregateInput<'_>, fold: impl FnOnce(&AggregateInput<'_>) -> Result<T>) -> Result<T> {
        let [column] = input.args else {
            return Err(Error::internal("an aggregate of lists takes one argument"));
        };
        let changes = if self.nulls { None } else { without_nulls(input, column) };
        fold(&AggregateInput { changes: changes.as_deref().or(input.changes), ..*input })
    }
}

/// The lists as `ty`, with a null for an empty one.
fn array(lists: &ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = ty else {
        return Err(Error::internal("ARRAY_AGG gives another type than an array"));
    };
    let (_, offsets, values, _) = lists.as_list::<i32>().clone().into_parts();
    let mut present = BooleanBufferBuilder::new(lists.len());
    offsets.windows(2).for_each(|w| present.append(w[0] < w[1]));
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, Some(NullBuffer::new(present.finish())))?))
}

fn single(lists: &ArrayRef) -> Result<ArrayRef> {
    let lists: &ListArray = lists.as_list();
    let mut places = Vec::with_capacity(lists.len());
    for w in lists.offsets().windows(2) {
        places.push(match w[1] - w[0] {
            0 => None,
            1 => Some(w[0]),
            _ => {
                return Err(Error::invalid("SINGLE_VALUE received more than one value")
                    .with_detail("A subquery that stands for a value gave more than one row.")
                    .with_hint("Limit it to one row, or aggregate it."));
            }
        });
    }
    Ok(take(lists.values(), &Int32Array::from(places), None)?)
}

impl Aggregate for Listed {
    fn shape(&self) -> StateShape {
        shape(&self.element)
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        self.folded(input, |input| view(state)?.fold(input))
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let Running { before, after } = self.folded(input, |input| view(state)?.running(input, self.part()))?;
        Ok(Running { before: self.result(before)?, after: self.result(after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        self.result(view(state)?.value(groups, self.part())?)
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        match &*state.views {
            [View::List(view)] if self.gives == Gives::Array => view.memory_bytes().1,
            _ => 0,
        }
    }

    /// First and last are so by arrival, which is not known of groups that are put together.
    fn merges(&self) -> bool {
        matches!(self.gives, Gives::Array | Gives::Single)
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        merge_lists(input, view(partial)?, view(state)?)
    }
}
