//! Up to which window each key group has come: its slices are in the running state until there, and its rows
//! out.
//!
//! All key groups of an instance go through windows together. But those of a checkpoint that was taken by several
//! instances without alignment may have come to different windows; behind a rescale one instance then has both,
//! and the ones that are ahead must wait until the others have caught up.

use std::ops::Range;

use arrow_array::ArrayRef;
use bytes::Bytes;
use flott_api::Result;
use flott_api::key_group::{hash_keys, key_group};
use flott_api::operator::OpenContext;
use flott_state::codec::{damaged, take_array, take_i64};

use crate::window::walk::picked;

/// Key columns with the numbers of their groups in a state.
pub(super) type Keyed = (Vec<ArrayRef>, Vec<u32>);

/// See the module. Windows are known by their end.
pub(super) struct Progress {
    key_groups: Range<u32>,
    max_parallelism: u32,
    /// How far all have come at least.
    end_ms: i64,
    /// For each key group its own, while they differ.
    ahead: Option<Vec<i64>>,
}

impl Progress {
    /// No window is out.
    pub(super) fn new(cx: &OpenContext) -> Self {
        let (key_groups, max_parallelism) = (cx.key_groups.clone(), cx.max_parallelism);
        Progress { key_groups, max_parallelism, end_ms: i64::MIN, ahead: None }
    }

    /// Takes up what [`save`](Progress::save) of all instances wrote.
    pub(super) fn restore(&mut self, items: &[Bytes]) -> Result<()> {
        let mut ends = vec![i64::MIN; self.key_groups.len()];
        for item in items {
            let mut input = &item[..];
            let (from, to) = (u32::from_le_bytes(take_array(&mut input)?), u32::from_le_bytes(take_array(&mut input)?));
            let end_ms = take_i64(&mut input)?;
            if from > to || !input.is_empty() {
                return Err(damaged("the progress of a window aggregation"));
            }
            for key_group in from.max(self.key_groups.start)..to.min(self.key_groups.end) {
                ends[(key_group - self.key_groups.start) as usize] = end_ms;
            }
        }
        self.end_ms = ends.iter().min().copied().unwrap_or(i64::MIN);
        self.ahead = ends.iter().any(|end| *end != self.end_ms).then_some(ends);
        Ok(())
    }

    /// The progress of all key groups of this instance.
    pub(super) fn save(&self) -> Vec<Bytes> {
        let item = |range: Range<u32>, end_ms: i64| {
            let mut out = Vec::with_capacity(16);
            out.extend_from_slice(&range.start.to_le_bytes());
            out.extend_from_slice(&range.end.to_le_bytes());
            out.extend_from_slice(&end_ms.to_le_bytes());
            Bytes::from(out)
        };
        match &self.ahead {
            None => vec![item(self.key_groups.clone(), self.end_ms)],
            Some(ends) => self.key_groups.clone().zip(ends).map(|(group, end)| item(group..group + 1, *end)).collect(),
        }
    }

    /// How far all have come at least.
    pub(super) fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// How far any has come.
    pub(super) fn last_end_ms(&self) -> i64 {
        self.ahead.iter().flatten().max().copied().unwrap_or(self.end_ms)
    }

    /// All have come to this window, or are ahead.
    pub(super) fn advance(&mut self, end_ms: i64) {
        self.end_ms = self.end_ms.max(end_ms);
        if let Some(ends) = &mut self.ahead {
            ends.iter_mut().for_each(|end| *end = (*end).max(end_ms));
            if ends.iter().all(|end| *end == self.end_ms) {
                self.ahead = None;
            }
        }
    }

    /// How far the key of each row has come; nothing if all have come equally far.
    pub(super) fn by_row(&self, keys: &[ArrayRef], rows: usize) -> Result<Option<Vec<i64>>> {
        let Some(ends) = &self.ahead else { return Ok(None) };
        let end = |hash: &u64| {
            let place = key_group(*hash, self.max_parallelism).0.checked_sub(self.key_groups.start);
            place.and_then(|place| ends.get(place as usize)).copied().unwrap_or(self.end_ms)
        };
        Ok(Some(hash_keys(keys, rows)?.iter().map(end).collect()))
    }

    /// Of these keys and groups those that have not come to this window; all, while all have come equally far.
    pub(super) fn before(&self, end_ms: i64, keyed: Keyed) -> Result<Keyed> {
        self.those(keyed, |end| end < end_ms)
    }

    /// Of these keys and groups those that have come to this window; all, while all have come equally far.
    pub(super) fn behind(&self, end_ms: i64, keyed: Keyed) -> Result<Keyed> {
        self.those(keyed, |end| end >= end_ms)
    }

    fn those(&self, (keys, groups): Keyed, is_one: impl Fn(i64) -> bool) -> Result<Keyed> {
        let Some(ends) = self.by_row(&keys, groups.len())? else { return Ok((keys, groups)) };
        let places: Vec<u32> = (0..groups.len() as u32).filter(|place| is_one(ends[*place as usize])).collect();
        let groups = places.iter().map(|place| groups[*place as usize]).collect();
        Ok((picked(&keys, places)?, groups))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use flott_api::ids::Subtask;
    use flott_api::testing::{FakeWorld, open_context};

    use super::*;

    fn progress(index: u32, parallelism: u32) -> Progress {
        Progress::new(&open_context(&FakeWorld::at(0), Subtask { index, parallelism }, 128))
    }

    #[test]
    fn who_is_ahead_waits_until_the_others_have_caught_up() {
        let (mut first, mut second) = (progress(0, 2), progress(1, 2));
        first.advance(10);
        second.advance(30);
        let items = [first.save(), second.save()].concat();
        let mut both = progress(0, 1);
        both.restore(&items).unwrap();
        assert_eq!(both.end_ms(), 10);
        let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..100))];
        let ends = both.by_row(&keys, 100).unwrap().unwrap();
        assert!(ends.contains(&10) && ends.contains(&30));
        let (kept, groups) = both.before(20, (keys.clone(), (0..100).collect())).unwrap();
        assert_eq!(kept[0].len(), groups.len());
        assert!(groups.iter().all(|g| ends[*g as usize] == 10) && groups.len() < 100);
        let (_, others) = both.behind(20, (keys.clone(), (0..100).collect())).unwrap();
        assert!(others.iter().all(|g| ends[*g as usize] == 30) && groups.len() + others.len() == 100);
        assert_eq!(both.last_end_ms(), 30);
        let mut again = progress(0, 1);
        again.restore(&both.save()).unwrap();
        assert_eq!(again.by_row(&keys, 100).unwrap(), Some(ends));
        both.advance(30);
        assert_eq!((both.end_ms(), both.by_row(&keys, 100).unwrap()), (30, None));
        assert!(again.restore(&[Bytes::from_static(b"short")]).is_err());
    }
}
