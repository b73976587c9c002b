//! What the first phase of an aggregation sends to the second one: the state of a group in bytes that are cheap to write and
//! to read, group by group. It lies in a checkpoint only as rows that are between the two (unaligned checkpoints).
//!
//! Layout, version 0 in the first byte: the number of rows, each call's slots (behind them its views, if it has any, then all
//! with its length), the values that each distinct view has seen. Older versions of Flott sent the parts of an entry, which
//! begin with a length that is not 0; they are read, too.

use arrow_array::{Array, BinaryArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use flott_api::aggregate::MergeInput;
use flott_api::{Error, Result};
use flott_state::codec::{damaged, put_bytes, put_signed, take_bytes, take_signed};
use flott_state::hot::{DistinctEntries, GroupEntries, MapViewOptions, distinct_reader};

use super::entries::ended;
use super::{Groups, Plan};

/// The version of the layout. The bytes of an entry begin with the length of a number, 1 to 10.
const VERSION: u8 = 0;

/// States that were read: a group for each.
pub struct Partial {
    /// All but the values under `DISTINCT`.
    groups: Groups,
    /// The values that each view has seen.
    distinct: Vec<Vec<DistinctEntries>>,
}

impl Groups {
    /// The states of these groups.
    ///
    /// # Errors
    /// If they are too long for a column.
    pub fn partial(&self, groups: &[u32]) -> Result<BinaryArray> {
        let (mut bytes, mut of_call) = (Vec::new(), Vec::new());
        let mut ends = vec![0_i32];
        for group in groups {
            bytes.push(VERSION);
            put_signed(&mut bytes, self.rows[*group as usize]);
            for call in &self.calls {
                if call.views.is_empty() {
                    call.save(*group, &mut bytes);
                } else {
                    of_call.clear();
                    call.save(*group, &mut of_call);
                    put_bytes(&mut bytes, &of_call);
                }
            }
            self.distinct.iter().for_each(|view| view.write(*group, &mut bytes));
            ends.push(i32::try_from(bytes.len()).map_err(|_| too_long())?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        Ok(BinaryArray::try_new(offsets, Buffer::from_vec(bytes), None)?)
    }

    /// Takes up states that were read. `groups` has the group of each, `rounds` which of them are taken up together: a group
    /// comes once in a round.
    ///
    /// # Errors
    /// If an aggregate cannot be merged.
    pub fn take_up(
        &mut self,
        plan: &Plan,
        partial: &mut Partial,
        (groups, rounds): (&[u32], &[Vec<u32>]),
        now_ms: i64,
    ) -> Result<()> {
        let all = MergeInput { from: &[], groups, retract: false };
        for (view, entries) in partial.distinct.iter().enumerate() {
            entries.iter().try_for_each(|entries| self.take_up_values(plan, view, entries, (&all, now_ms)))?;
        }
        for from in rounds {
            let groups: Vec<u32> = from.iter().map(|row| groups[*row as usize]).collect();
            let input = MergeInput { from, groups: &groups, retract: false };
            self.merge_rows_and_calls(plan, &mut partial.groups, &input)?;
        }
        Ok(())
    }
}

impl Plan {
    /// Reads states.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn read_partial(&self, bytes: &BinaryArray, now_ms: i64) -> Result<Partial> {
        let mut groups = self.groups()?;
        groups.grow(bytes.len());
        // Nothing expires within a mini-batch.
        let options = MapViewOptions { ttl_ms: 0, ..self.options };
        let readers = groups.kind.distinct.iter().map(|shape| distinct_reader(shape, options));
        let (mut readers, mut old) = (readers.collect::<Result<Vec<_>>>()?, Vec::new());
        for (row, value) in (0..).zip(bytes.iter()) {
            let value = value.ok_or_else(no_bytes)?;
            let Some((&VERSION, mut input)) = value.split_first() else {
                groups.load(&[row], &[value], now_ms)?;
                old.push(row);
                continue;
            };
            groups.rows[row as usize] = take_signed(&mut input)?;
            for call in &mut groups.calls {
                if call.views.is_empty() {
                    call.load(row, &mut input, now_ms)?;
                } else {
                    let mut of_call = take_bytes(&mut input)?;
                    call.load(row, &mut of_call, now_ms)?;
                    ended(of_call)?;
                }
            }
            readers.iter_mut().try_for_each(|reader| reader.read(row, &mut input))?;
            ended(input)?;
        }
        let mut distinct = readers.into_iter().map(|reader| Ok(vec![reader.end()?])).collect::<Result<Vec<_>>>()?;
        if !old.is_empty() {
            for (view, entries) in groups.distinct.iter().zip(&mut distinct) {
                let mut of_old = view.entries(&old)?;
                of_old.places.iter_mut().for_each(|place| *place = old[*place as usize]);
                entries.push(of_old);
            }
        }
        Ok(Partial { groups, distinct })
    }
}

fn too_long() -> Error {
    damaged("the states of a mini-batch are too long for a column")
}

fn no_bytes() -> Error {
    Error::internal("the first phase of an aggregation gave no bytes")
}
