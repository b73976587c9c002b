//! `LAG(value, offset, default)` of rows that come in order: the value so many rows before, 1 by default.
//!
//! Flink counterpart: `LagAggFunction`. The offset and the default are columns, of which the last row counts.

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, Running, SlotColumn, SlotType, StateShape,
};
use flott_api::{Error, Result};
use flott_state::canonical::Canonical;
use flott_state::codec::{put_bytes, take_bytes};
use flott_state::row::RowEncoder;

use super::cell::slot;
use super::written::{NULL, Values, Written};

/// See the module.
pub(super) struct Lag {
    written: Written,
}

/// The last values of each group, one behind the other, and what the last row had as its default.
struct Buffers<'a> {
    values: &'a mut BytesColumn,
    /// How many there are.
    lens: &'a mut [i64],
    offsets: &'a mut [i64],
    defaults: &'a mut BytesColumn,
}

impl<'a> Buffers<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [
                SlotColumn::Bytes(values),
                SlotColumn::Int64(lens),
                SlotColumn::Int64(offsets),
                SlotColumn::Bytes(defaults),
            ] => Ok(Buffers { values, lens, offsets, defaults }),
            _ => Err(Error::internal("LAG got slots of another shape than its own")),
        }
    }

    fn push(&mut self, group: u32, value: &[u8], offset: i64, default: &[u8]) -> Result<()> {
        let mut kept = self.values.get(group);
        let len = &mut self.lens[group as usize];
        while *len > offset {
            take_bytes(&mut kept)?;
            *len -= 1;
        }
        let mut values = kept.to_vec();
        put_bytes(&mut values, value);
        *len += 1;
        self.values.set(group, &values);
        self.offsets[group as usize] = offset;
        if self.defaults.get(group) != default {
            self.defaults.set(group, default);
        }
        Ok(())
    }

    /// The value of a group, nothing for null.
    fn value(&self, group: u32) -> Result<Option<&[u8]>> {
        match self.lens[group as usize] {
            0 => Ok(None),
            len if len > self.offsets[group as usize] => take_bytes(&mut self.values.get(group)).map(Some),
            _ => Ok(Some(self.defaults.get(group))),
        }
    }
}

/// The arguments, ready to be read row by row.
struct Arguments {
    values: RowEncoder,
    offsets: Option<Int64Array>,
    defaults: Option<RowEncoder>,
    value: Vec<u8>,
    default: Vec<u8>,
}

impl Arguments {
    fn of(input: &AggregateInput<'_>, written: &Written) -> Result<Self> {
        let [values, rest @ ..] = input.args else { return Err(wrong_arguments()) };
        let offsets = match rest.first().map(Canonical::of).transpose()? {
            None => None,
            Some(Canonical::Int(offsets)) => Some(offsets),
            Some(_) => return Err(wrong_arguments()),
        };
        let defaults = rest.get(1).map(|d| written.encoder(d)).transpose()?;
        let (value, default) = (Vec::new(), Vec::new());
        Ok(Arguments { values: written.encoder(values)?, offsets, defaults, value, default })
    }

    fn push(&mut self, buffers: &mut Buffers<'_>, group: u32, row: usize) -> Result<()> {
        let offset = self.offsets.as_ref().map_or(1, |o| if o.is_valid(row) { o.value(row) } else { 0 });
        if offset < 0 {
            return Err(Error::data(format!("the offset {offset} of LAG is negative")));
        }
        self.value.clear();
        self.values.encode(row, &mut self.value);
        self.default.clear();
        match &self.defaults {
            Some(defaults) => defaults.encode(row, &mut self.default),
            None => self.default.extend_from_slice(NULL),
        }
        buffers.push(group, &self.value, offset, &self.default)
    }
}

fn wrong_arguments() -> Error {
    Error::internal("LAG takes a value, a number and a default")
}

fn is_added(change: Change) -> Result<bool> {
    match change {
        Change::Add => Ok(true),
        Change::Skip => Ok(false),
        Change::Retract => Err(Error::internal("LAG cannot take a row back")),
    }
}

impl Lag {
    pub(super) fn new(ty: &DataType) -> Result<Self> {
        Ok(Lag { written: Written::new(ty)? })
    }
}

impl Aggregate for Lag {
    fn shape(&self) -> StateShape {
        let slots = vec![
            slot("values", SlotType::Bytes),
            slot("len", SlotType::Int64),
            slot("offset", SlotType::Int64),
            slot("default", SlotType::Bytes),
        ];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let (mut arguments, mut buffers) = (Arguments::of(input, &self.written)?, Buffers::of(state)?);
        for (row, group) in input.groups.iter().enumerate() {
            if is_added(input.change(row))? {
                arguments.push(&mut buffers, *group, row)?;
            }
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let (mut arguments, mut buffers) = (Arguments::of(input, &self.written)?, Buffers::of(state)?);
        let (mut before, mut after) = (Values::default(), Values::default());
        for (row, group) in input.groups.iter().enumerate() {
            before.push(buffers.value(*group)?);
            if is_added(input.change(row))? {
                arguments.push(&mut buffers, *group, row)?;
            }
            after.push(buffers.value(*group)?);
        }
        Ok(Running { before: self.written.column(&before)?, after: self.written.column(&after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let buffers = Buffers::of(state)?;
        let mut values = Values::default();
        for group in groups {
            values.push(buffers.value(*group)?);
        }
        self.written.column(&values)
    }
}
