//! Rows in order with some moments beside them: what operators remember that sort by time.

use arrow_array::ArrayRef;
use flott_api::state::StatePart;
use flott_api::{LogicalType, Result, Schema};
use flott_graph::spec::SortField;
use flott_state::codec::{damaged, put_signed, take_signed};
use flott_state::hot::{GroupEntries, SortedRows, Values, take_part};
use flott_state::key::{KeyOrder, SortKeys};
use flott_state::row;

use crate::changelog_normalize::row_type;
use crate::sorting::{key_order, shown};
use crate::window::time::from_millis;

/// A moment that is not set.
pub(crate) const NEVER: i64 = i64::MIN;

/// The entries: rows in order, and `M` moments in milliseconds, [`NEVER`] at first.
pub(crate) struct TimedRows<const M: usize> {
    pub(crate) rows: SortedRows,
    moments: Vec<[i64; M]>,
}

/// The parts of an entry with these rows in this order, and these moments.
pub(crate) fn parts(input: &Schema, order: &[SortField], moments: &[&str]) -> Vec<StatePart> {
    let rows = StatePart {
        name: format!("rows-{}", row::VERSION),
        ty: format!("{} {}", row_type(input), shown(order, input)),
    };
    let moments = moments.iter().map(|m| StatePart { name: (*m).to_owned(), ty: "milliseconds".to_owned() });
    std::iter::once(rows).chain(moments).collect()
}

impl<const M: usize> TimedRows<M> {
    pub(crate) fn new(input: &Schema, order: &[SortField]) -> Result<Self> {
        Ok(TimedRows { rows: SortedRows::new(input.arrow(), key_order(order))?, moments: Vec::new() })
    }

    pub(crate) fn moments(&self, group: u32) -> [i64; M] {
        self.moments[group as usize]
    }

    pub(crate) fn moments_mut(&mut self, group: u32) -> &mut [i64; M] {
        &mut self.moments[group as usize]
    }
}

/// The begin of the sort keys of rows whose first sort column, ascending, is this moment.
pub(crate) fn key_of_moment(at_ms: i64, ty: &LogicalType) -> Result<Vec<u8>> {
    let moment: ArrayRef = from_millis(vec![at_ms], ty)?;
    let mut keys = SortKeys::default();
    keys.encode(&[(moment, KeyOrder::default())], 1)?;
    Ok(keys.get(0).to_vec())
}

impl<const M: usize> GroupEntries for TimedRows<M> {
    fn fresh(&self) -> Result<Self> {
        Ok(TimedRows { rows: self.rows.fresh()?, moments: Vec::new() })
    }

    fn grow(&mut self, end: usize) {
        self.rows.grow(end);
        self.moments.resize(self.moments.len().max(end), [NEVER; M]);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            values.part(|out| self.rows.save_group(*group, out));
            self.moments(*group).iter().for_each(|moment| values.part(|out| put_signed(out, *moment)));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        let mut rows = Vec::with_capacity(values.len());
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            rows.push(take_part(&mut value)?);
            for moment in self.moments_mut(*group) {
                let mut part = take_part(&mut value)?;
                *moment = take_signed(&mut part)?;
                if !part.is_empty() {
                    return Err(damaged("a moment is too long"));
                }
            }
            if !value.is_empty() {
                return Err(damaged("rows by time have too many parts"));
            }
        }
        self.rows.load_groups(groups, &rows)
    }

    fn clear(&mut self, group: u32) {
        self.rows.clear(group);
        self.moments[group as usize] = [NEVER; M];
    }

    fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.moments.len() * size_of::<[i64; M]>()
    }

    fn slot_bytes(&self) -> usize {
        self.rows.slot_bytes() + size_of::<[i64; M]>()
    }
}
