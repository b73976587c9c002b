//! `FIRST_VALUE` and `LAST_VALUE` of rows that may be taken back: all values in the order in which they came.
//!
//! A row that is taken back is the first one with its value, as in Flink. Nulls are skipped. Looking for it begins at
//! the oldest value, which is at once where frames of `OVER` look.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, End, Running, SlotColumn, SlotShape, SlotType,
    StateShape,
};
use flott_api::{Error, Result};
use flott_state::row::RowEncoder;

use super::cell::slot;
use super::written::{NULL, Values, Written};

/// Each value has its length before it and behind it, so that both ends are found.
const LENGTH: usize = size_of::<u32>();

/// See the module.
pub(super) struct Ends {
    end: End,
    written: Written,
}

/// The values of all groups: in one buffer, with how much of its begin was taken back.
struct Lists<'a> {
    values: &'a mut BytesColumn,
    starts: &'a mut [i64],
}

fn length(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + LENGTH).and_then(|b| b.try_into().ok()).map_or(0, |b| u32::from_le_bytes(b) as usize)
}

impl<'a> Lists<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [SlotColumn::Bytes(values), SlotColumn::Int64(starts)] => Ok(Lists { values, starts }),
            _ => Err(Error::internal("FIRST_VALUE or LAST_VALUE got slots of another shape than its own")),
        }
    }

    fn list(&self, group: u32) -> &[u8] {
        let start = self.starts[group as usize] as usize;
        self.values.get(group).get(start..).unwrap_or_default()
    }

    fn end(&self, group: u32, end: End) -> Option<&[u8]> {
        let list = self.list(group);
        match end {
            _ if list.is_empty() => None,
            End::First => list.get(LENGTH..LENGTH + length(list, 0)),
            End::Last => {
                let behind = list.len().checked_sub(LENGTH)?;
                list.get(behind.checked_sub(length(list, behind))?..behind)
            }
        }
    }

    fn push(&mut self, group: u32, value: &[u8]) {
        let length = (value.len() as u32).to_le_bytes();
        let list = [self.list(group), &length, value, &length].concat();
        self.values.set(group, &list);
        self.starts[group as usize] = 0;
    }

    fn remove(&mut self, group: u32, value: &[u8]) {
        let list = self.list(group);
        let mut at = 0;
        while at < list.len() {
            let end = at + 2 * LENGTH + length(list, at);
            if list.get(at + LENGTH..end - LENGTH) == Some(value) {
                break;
            }
            at = end;
        }
        let Some(gone) = list.get(at..).filter(|rest| !rest.is_empty()).map(|_| 2 * LENGTH + length(list, at)) else {
            return;
        };
        if at == 0 {
            self.starts[group as usize] += gone as i64;
            return;
        }
        let rest = [&list[..at], list.get(at + gone..).unwrap_or_default()].concat();
        self.values.set(group, &rest);
        self.starts[group as usize] = 0;
    }
}

impl Ends {
    pub(super) fn new(end: End, ty: &DataType) -> Result<Self> {
        Ok(Ends { end, written: Written::new(ty)? })
    }

    fn encoder(&self, input: &AggregateInput<'_>) -> Result<RowEncoder> {
        match input.args {
            [arg] => self.written.encoder(arg),
            _ => Err(Error::internal("FIRST_VALUE and LAST_VALUE take one argument")),
        }
    }
}

fn apply(lists: &mut Lists<'_>, group: u32, value: &[u8], change: Change) {
    match change {
        _ if value == NULL => {}
        Change::Skip => {}
        Change::Add => lists.push(group, value),
        Change::Retract => lists.remove(group, value),
    }
}

impl Aggregate for Ends {
    fn shape(&self) -> StateShape {
        let slots: Vec<SlotShape> = vec![slot("values", SlotType::Bytes), slot("start", SlotType::Int64)];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let (encoder, mut lists) = (self.encoder(input)?, Lists::of(state)?);
        let mut value = Vec::new();
        for (row, group) in input.groups.iter().enumerate() {
            value.clear();
            encoder.encode(row, &mut value);
            apply(&mut lists, *group, &value, input.change(row));
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let (encoder, mut lists) = (self.encoder(input)?, Lists::of(state)?);
        let (mut before, mut after, mut value) = (Values::default(), Values::default(), Vec::new());
        for (row, group) in input.groups.iter().enumerate() {
            before.push(lists.end(*group, self.end));
            value.clear();
            encoder.encode(row, &mut value);
            apply(&mut lists, *group, &value, input.change(row));
            after.push(lists.end(*group, self.end));
        }
        Ok(Running { before: self.written.column(&before)?, after: self.written.column(&after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let lists = Lists::of(state)?;
        let mut values = Values::default();
        groups.iter().for_each(|group| values.push(lists.end(*group, self.end)));
        self.written.column(&values)
    }
}
