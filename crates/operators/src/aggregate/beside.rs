//! An aggregate function of a user that runs in a process beside the job: its accumulator is kept here, as bytes, and whoever
//! owns the process folds rows into it. It has no value of its own.

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::DataType;
use flott_api::aggregate::{Aggregate, AggregateInput, AggregateState, Running, SlotShape, SlotType, StateShape};
use flott_api::{Error, Result};

/// See the module.
pub(super) struct Beside {
    /// The type of its value.
    pub(super) ty: DataType,
}

impl Aggregate for Beside {
    fn shape(&self) -> StateShape {
        StateShape { slots: vec![SlotShape { name: "accumulator", ty: SlotType::Bytes }], views: Vec::new() }
    }

    fn fold(&self, _: &AggregateInput<'_>, _: &mut AggregateState<'_>) -> Result<()> {
        Err(not_here())
    }

    fn running(&self, _: &AggregateInput<'_>, _: &mut AggregateState<'_>) -> Result<Running> {
        Err(not_here())
    }

    fn value(&self, groups: &[u32], _: &mut AggregateState<'_>) -> Result<ArrayRef> {
        Ok(new_null_array(&self.ty, groups.len()))
    }
}

fn not_here() -> Error {
    Error::internal("an aggregate function that runs beside the job was called in it")
}
