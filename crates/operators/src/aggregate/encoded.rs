//! `FIRST_VALUE` and `LAST_VALUE` of added rows over arrays, maps and rows: the same as over bytes, once the values are
//! bytes.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use flott_api::aggregate::{Aggregate, AggregateInput, AggregateState, Running, StateShape};
use flott_api::{Error, Result};
use flott_state::hot::Encoding;

use super::extreme::{BytesExtreme, Which};

/// Over values that have no canonical form.
pub(super) struct Encoded {
    encoding: Encoding,
    bytes: BytesExtreme,
}

impl Encoded {
    pub(super) fn new(which: Which, ty: &DataType) -> Result<Self> {
        Ok(Encoded { encoding: Encoding::of(ty)?, bytes: BytesExtreme { which, ty: DataType::Binary } })
    }

    fn encoded(&self, input: &AggregateInput<'_>) -> Result<[ArrayRef; 1]> {
        match input.args {
            [column] => Ok([Arc::new(self.encoding.encode(column)?)]),
            _ => Err(Error::internal("FIRST_VALUE and LAST_VALUE take one argument")),
        }
    }

    fn decoded(&self, column: &ArrayRef) -> Result<ArrayRef> {
        self.encoding.decode(column.as_binary::<i32>().iter())
    }
}

impl Aggregate for Encoded {
    fn shape(&self) -> StateShape {
        self.bytes.shape()
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let args = self.encoded(input)?;
        self.bytes.fold(&AggregateInput { args: &args, ..*input }, state)
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let args = self.encoded(input)?;
        let running = self.bytes.running(&AggregateInput { args: &args, ..*input }, state)?;
        Ok(Running { before: self.decoded(&running.before)?, after: self.decoded(&running.after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        self.decoded(&self.bytes.value(groups, state)?)
    }
}
