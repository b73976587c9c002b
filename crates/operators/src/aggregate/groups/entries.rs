//! How the state of aggregates lies in an entry.

use std::sync::Arc;

use flott_api::Result;
use flott_api::aggregate::{AggregateState, SlotColumn, View};
use flott_state::codec::{damaged, put_bytes, put_signed, take_array, take_bytes, take_signed};
use flott_state::hot::{GroupEntries, PartedEntries, Values, take_part};

use super::{CallState, Groups};

mod bitmaps;

/// The parts of an entry: the number of rows, each call's slots and views, what was seen under each `DISTINCT` and `FILTER`.
impl GroupEntries for Groups {
    fn fresh(&self) -> Result<Self> {
        Groups::new(Arc::clone(&self.kind))
    }

    fn grow(&mut self, end: usize) {
        self.rows.resize(self.rows.len().max(end), 0);
        self.calls.iter_mut().flat_map(|c| &mut c.slots).for_each(|s| s.grow(end));
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            (0..self.parts()).for_each(|part| values.part(|out| self.put_part(part, *group, out)));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            for part in 0..self.parts() {
                let mut bytes = take_part(&mut value)?;
                self.load_part(part, *group, (&mut bytes, now_ms))?;
                ended(bytes)?;
            }
            ended(value)?;
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.rows[group as usize] = 0;
        self.calls.iter_mut().for_each(|c| c.clear(group));
        self.distinct.iter_mut().for_each(|v| v.clear(group));
    }

    fn memory_bytes(&self) -> usize {
        let distinct: usize = self.distinct.iter().map(|v| v.memory_bytes()).sum();
        let calls: usize = self.calls.iter().map(CallState::memory_bytes).sum();
        self.rows.len() * size_of::<i64>() + calls + distinct
    }

    fn slot_bytes(&self) -> usize {
        let calls = self.calls.iter().flat_map(|c| &c.slots).map(SlotColumn::slot_bytes);
        size_of::<i64>() + calls.sum::<usize>()
    }
}

pub(super) fn ended(rest: &[u8]) -> Result<()> {
    if rest.is_empty() { Ok(()) } else { Err(damaged("the state of an aggregate is too long")) }
}

impl PartedEntries for Groups {
    fn parts(&self) -> usize {
        1 + self.calls.len() + self.kind.seen.len()
    }

    fn save_part(&self, part: usize, group: u32, out: &mut Vec<u8>) -> Result<()> {
        self.put_part(part, group, out);
        Ok(())
    }

    fn load_part(&mut self, part: usize, group: u32, (input, now_ms): (&mut &[u8], i64)) -> Result<()> {
        match part.checked_sub(1) {
            None => self.rows[group as usize] = take_signed(input)?,
            Some(call) if call < self.calls.len() => self.calls[call].load(group, input, now_ms)?,
            Some(part) => {
                let (view, filter) = self.kind.seen[part - self.calls.len()];
                self.distinct[view].load(group, filter, input, now_ms)?;
            }
        }
        Ok(())
    }
}

fn save_slot(slot: &SlotColumn, group: u32, out: &mut Vec<u8>) {
    match slot {
        SlotColumn::Int64(v) => put_signed(out, v[group as usize]),
        SlotColumn::Int128(v) => out.extend_from_slice(&v[group as usize].to_le_bytes()),
        SlotColumn::Float64(v) => out.extend_from_slice(&v[group as usize].to_bits().to_le_bytes()),
        SlotColumn::Bytes(v) => put_bytes(out, v.get(group)),
    }
}

fn load_slot(slot: &mut SlotColumn, group: u32, input: &mut &[u8]) -> Result<()> {
    match slot {
        SlotColumn::Int64(v) => v[group as usize] = take_signed(input)?,
        SlotColumn::Int128(v) => v[group as usize] = i128::from_le_bytes(take_array(input)?),
        SlotColumn::Float64(v) => v[group as usize] = f64::from_bits(u64::from_le_bytes(take_array(input)?)),
        SlotColumn::Bytes(v) => v.set(group, take_bytes(input)?),
    }
    Ok(())
}

impl CallState {
    pub(super) fn lend(&mut self) -> AggregateState<'_> {
        AggregateState { slots: &mut self.slots, views: &mut self.views }
    }

    pub(super) fn save(&self, group: u32, out: &mut Vec<u8>) {
        self.slots.iter().for_each(|s| save_slot(s, group, out));
        for view in &self.views {
            match view {
                View::Map(v) => v.save(group, out),
                View::Sorted(v) => v.save(group, out),
                View::List(v) => v.save(group, out),
                View::Bitmap(v) => bitmaps::save(v.get(group), out),
                View::BitmapCounts(v) => bitmaps::save_counts(v.get(group), out),
            }
        }
    }

    pub(super) fn load(&mut self, group: u32, input: &mut &[u8], now_ms: i64) -> Result<()> {
        self.slots.iter_mut().try_for_each(|s| load_slot(s, group, input))?;
        for view in &mut self.views {
            match view {
                View::Map(v) => v.load(group, input, now_ms)?,
                View::Sorted(v) => v.load(group, input)?,
                View::List(v) => v.load(group, input)?,
                View::Bitmap(v) => bitmaps::load(v, group, input)?,
                View::BitmapCounts(v) => bitmaps::load_counts(v, group, input)?,
            }
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.slots.iter_mut().for_each(|s| s.clear(group));
        for view in &mut self.views {
            match view {
                View::Map(v) => v.clear(group),
                View::Sorted(v) => v.clear(group),
                View::List(v) => v.clear(group),
                View::Bitmap(v) => v.clear(group),
                View::BitmapCounts(v) => v.clear(group),
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        let view = |v: &View| match v {
            View::Map(v) => v.memory_bytes(),
            View::Sorted(v) => v.memory_bytes().0,
            View::List(v) => v.memory_bytes().0,
            View::Bitmap(v) => v.memory_bytes().0,
            View::BitmapCounts(v) => v.memory_bytes().0,
        };
        let slots: usize = self.slots.iter().map(SlotColumn::memory_bytes).sum();
        slots + self.views.iter().map(view).sum::<usize>()
    }
}

impl Groups {
    pub(super) fn put_part(&self, part: usize, group: u32, out: &mut Vec<u8>) {
        match part.checked_sub(1) {
            None => put_signed(out, self.rows[group as usize]),
            Some(call) if call < self.calls.len() => self.calls[call].save(group, out),
            Some(part) => {
                let (view, filter) = self.kind.seen[part - self.calls.len()];
                self.distinct[view].save(group, filter, out);
            }
        }
    }
}
