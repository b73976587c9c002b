//! `RANK` and `DENSE_RANK` of rows that come in order: the arguments are the columns of the order.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, Running, SlotColumn, SlotType, StateShape,
};
use flott_api::{Error, Result};
use flott_state::key::EncodedKeys;

use super::cell::slot;

/// See the module.
pub(super) struct Ranking {
    /// Whether ranks have no gaps.
    pub(super) dense: bool,
}

struct Ranks<'a> {
    ranks: &'a mut [i64],
    rows: &'a mut [i64],
    last: &'a mut BytesColumn,
}

impl<'a> Ranks<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [SlotColumn::Int64(ranks), SlotColumn::Int64(rows), SlotColumn::Bytes(last)] => {
                Ok(Ranks { ranks, rows, last })
            }
            _ => Err(Error::internal("RANK got slots of another shape than its own")),
        }
    }

    fn add(&mut self, group: u32, key: &[u8], dense: bool) {
        let (rank, rows) = (&mut self.ranks[group as usize], &mut self.rows[group as usize]);
        *rows += 1;
        if *rows == 1 || self.last.get(group) != key {
            *rank = if dense { *rank + 1 } else { *rows };
            self.last.set(group, key);
        }
    }
}

fn keys(input: &AggregateInput<'_>) -> Result<EncodedKeys> {
    let mut keys = EncodedKeys::default();
    keys.encode(input.args, input.groups.len())?;
    Ok(keys)
}

fn adds(change: Change) -> Result<bool> {
    match change {
        Change::Add => Ok(true),
        Change::Skip => Ok(false),
        Change::Retract => Err(Error::internal("a rank cannot be taken back")),
    }
}

impl Aggregate for Ranking {
    fn shape(&self) -> StateShape {
        let slots = vec![slot("rank", SlotType::Int64), slot("rows", SlotType::Int64), slot("last", SlotType::Bytes)];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let (keys, mut ranks) = (keys(input)?, Ranks::of(state)?);
        for (row, group) in input.groups.iter().enumerate() {
            if adds(input.change(row))? {
                ranks.add(*group, keys.get(row), self.dense);
            }
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let (keys, mut ranks) = (keys(input)?, Ranks::of(state)?);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (row, group) in input.groups.iter().enumerate() {
            before.push(ranks.ranks[*group as usize]);
            if adds(input.change(row))? {
                ranks.add(*group, keys.get(row), self.dense);
            }
            after.push(ranks.ranks[*group as usize]);
        }
        Ok(Running { before: Arc::new(Int64Array::from(before)), after: Arc::new(Int64Array::from(after)) })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let ranks = Ranks::of(state)?;
        Ok(Arc::new(groups.iter().map(|g| Some(ranks.ranks[*g as usize])).collect::<Int64Array>()))
    }
}
