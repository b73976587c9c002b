//! What an interval join remembers of one input.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use flott_api::operator::OpenContext;
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::IntervalJoinSpec;
use flott_state::hot::{
    GroupTable, KeyedState, KeyedStateOptions, NO_ROW, RowIdentity, RowMultiMap, RowMultiMapOptions, TtlOptions,
};

use super::bounds::Bounds;
use super::not_open;
use crate::joined::without_equal;
use crate::window::time::millis;

/// A row's tag: it had a partner.
const EMITTED: i32 = 1;
/// A row's tag: the timer of its key is set for it.
const TIMED: i32 = 2;

/// See the module.
pub(super) struct Cache {
    is_left: bool,
    /// Whether rows without a partner come with nulls.
    is_outer: bool,
    bounds: Bounds,
    keys: Vec<usize>,
    nulls_meet: Vec<bool>,
    /// The column with the time; nothing if it is that at which a row comes.
    time: Option<usize>,
    rows: RowMultiMapOptions,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<KeyedState<RowMultiMap>>,
}

/// Rows that come.
pub(super) struct Arrivals {
    pub(super) keys: Vec<ArrayRef>,
    /// The time of each; nothing for a row that can have no partner.
    times: Vec<Option<i64>>,
    /// Whether others that a row may meet can still come.
    stays: Vec<bool>,
    is_left: bool,
}

impl Arrivals {
    /// The times of a row's partners.
    pub(super) fn times_of_partners(&self, row: usize, bounds: Bounds) -> Option<(i64, i64)> {
        self.times[row].map(|at| bounds.of_other(self.is_left, at))
    }

    pub(super) fn stays(&self, row: usize) -> bool {
        self.stays[row]
    }
}

impl Cache {
    pub(super) fn new(is_left: bool, spec: &IntervalJoinSpec, bounds: Bounds, is_outer: bool) -> Result<Self> {
        let (name, side) = if is_left { ("left", &spec.left) } else { ("right", &spec.right) };
        if side.keys.iter().chain([&side.time]).any(|column| *column >= side.input.len()) {
            return Err(Error::internal(format!("the {name} side of an interval join has no such column")));
        }
        let schema = side.input.arrow();
        // Refuses what cannot be compared now and not with the first row.
        GroupTable::new(side.keys.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        let rows = RowMultiMapOptions { schema, identity: RowIdentity::None, tagged: true, timed: true, ttl_ms: 0 };
        Ok(Cache {
            is_left,
            is_outer,
            bounds,
            options: KeyedStateOptions {
                name: name.to_owned(),
                keys: side.keys.iter().map(|k| side.input.fields[*k].ty.clone()).collect(),
                parts: vec![rows.part("rows-by-time")?],
                ttl: TtlOptions::default(),
            },
            keys: side.keys.clone(),
            nulls_meet: spec.nulls_meet.clone(),
            time: spec.is_rowtime.then_some(side.time),
            rows,
            state: None,
        })
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, RowMultiMap::new(self.rows.clone()))?);
        Ok(())
    }

    pub(super) fn container(&mut self) -> Option<&mut dyn KeyedContainer> {
        self.state.as_mut().map(|s| s as &mut dyn KeyedContainer)
    }

    pub(super) fn is_outer(&self) -> bool {
        self.is_outer
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(super) fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(|k| self.rows.schema.field(*k).data_type().clone()).collect()
    }

    /// The key columns of rows of this side.
    pub(super) fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(super) fn prefetch(&self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(keys, rows)
    }

    fn opened(&mut self) -> Result<&mut KeyedState<RowMultiMap>> {
        self.state.as_mut().ok_or_else(not_open)
    }

    /// The rows that are remembered.
    pub(super) fn rows(&self) -> Result<&RowMultiMap> {
        self.state.as_ref().map(KeyedState::entries).ok_or_else(not_open)
    }

    /// One row each of the columns; nulls for [`NO_ROW`].
    pub(super) fn columns(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        self.rows()?.columns(rows)
    }

    /// What is to be known of rows that come on this side.
    pub(super) fn arrivals(&self, batch: &ChangeBatch, operator_ms: i64, now_ms: i64) -> Result<Arrivals> {
        let keys = self.keys(batch);
        let parted = without_equal(&keys, &self.nulls_meet, batch.len());
        let times = self.time.map(|column| millis(batch.rows().column(column))).transpose()?;
        let time = |row: usize| match &times {
            Some(times) => times.is_valid(row).then(|| times.value(row)),
            None => Some(now_ms),
        };
        let may_meet = |row: &usize| !parted[*row] && !self.bounds.is_empty();
        let times: Vec<Option<i64>> = (0..batch.len()).map(|row| Some(row).filter(may_meet).and_then(time)).collect();
        let last = |at: i64| self.bounds.of_other(self.is_left, at).1;
        let stays = times.iter().map(|at| at.is_some_and(|at| operator_ms < last(at))).collect();
        Ok(Arrivals { keys, times, stays, is_left: self.is_left })
    }

    /// The groups of keys, where there are any.
    pub(super) async fn find(&mut self, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<Option<u32>>> {
        self.opened()?.find(keys, rows, now_ms).await
    }

    /// The groups of this side that rows of the other one meet. If it matters who had a partner they are about to change.
    pub(super) async fn partners(&mut self, arrivals: &Arrivals, now_ms: i64) -> Result<Vec<Option<u32>>> {
        let is_outer = self.is_outer;
        let state = self.opened()?;
        let mut found = state.find(&arrivals.keys, arrivals.times.len(), now_ms).await?;
        for (found, time) in found.iter_mut().zip(&arrivals.times) {
            *found = found.filter(|_| time.is_some());
        }
        let groups: Vec<u32> = found.iter().flatten().copied().collect();
        if is_outer {
            state.touch(&groups)?;
        } else {
            state.read(&groups, now_ms)?;
        }
        Ok(found)
    }

    /// Remembers rows for which others may come; gives those by whose times their keys get a timer, and when.
    pub(super) async fn keep(
        &mut self,
        batch: &ChangeBatch,
        arrivals: &Arrivals,
        (emitted, now_ms): (&[bool], i64),
    ) -> Result<Vec<(usize, i64)>> {
        let (is_left, bounds) = (self.is_left, self.bounds);
        let staying: Vec<u32> = (0..batch.len()).filter(|row| arrivals.stays[*row]).map(|row| row as u32).collect();
        if staying.is_empty() {
            return Ok(Vec::new());
        }
        let picked = UInt32Array::from(staying.clone());
        let keys = arrivals.keys.iter().map(|key| take(key, &picked, None));
        let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
        let state = self.opened()?;
        let groups = state.assign(&keys, staying.len(), now_ms).await?;
        state.touch(&groups)?;
        let mut adding = state.entries_mut().adding(batch.rows())?;
        let mut due = Vec::new();
        for (row, group) in staying.into_iter().map(|row| row as usize).zip(groups) {
            let Some(at) = arrivals.times[row] else { continue };
            let mut tag = if emitted[row] { EMITTED } else { 0 };
            if adding.map().first(group) == NO_ROW {
                tag |= TIMED;
                due.push((row, bounds.over_ms(is_left, at)));
            }
            adding.add_by_time(group, row, tag, at);
        }
        adding.finish()?;
        Ok(due)
    }

    /// Notes that a row of a touched group had a partner.
    pub(super) fn set_emitted(&mut self, row: u32) -> Result<()> {
        if self.is_outer {
            let rows = self.opened()?.entries_mut();
            rows.set_tag(row, rows.tag(row) | EMITTED, 0);
        }
        Ok(())
    }

    /// Whether a row that is over comes with nulls.
    pub(super) fn comes_alone(&self, row: u32) -> Result<bool> {
        Ok(self.is_outer && self.rows()?.tag(row) & EMITTED == 0)
    }

    /// Whether the timer of a group is due at this time.
    pub(super) fn is_due(&self, group: u32, operator_ms: i64) -> bool {
        let Ok(rows) = self.rows() else { return false };
        self.over(rows, group, operator_ms).any(|row| rows.tag(row) & TIMED != 0)
    }

    /// The rows of a group that are over, the earliest first.
    pub(super) fn expired(&self, group: u32, operator_ms: i64) -> Result<Vec<u32>> {
        Ok(self.over(self.rows()?, group, operator_ms).collect())
    }

    fn over<'a>(&self, rows: &'a RowMultiMap, group: u32, operator_ms: i64) -> impl Iterator<Item = u32> + 'a {
        let (bounds, is_left) = (self.bounds, self.is_left);
        let is_row = |row: u32| (row != NO_ROW).then_some(row);
        std::iter::successors(is_row(rows.first(group)), move |row| is_row(rows.next(*row)))
            .take_while(move |row| operator_ms >= bounds.over_ms(is_left, rows.time(*row)))
    }

    /// Forgets the rows of a group that are over; gives the time of its next timer if it needs one.
    pub(super) fn forget(&mut self, group: u32, operator_ms: i64) -> Result<Option<i64>> {
        let (is_left, bounds) = (self.is_left, self.bounds);
        let expired = self.expired(group, operator_ms)?;
        let state = self.opened()?;
        state.touch(&[group])?;
        let rows = state.entries_mut();
        let was_timed = expired.iter().any(|row| rows.tag(*row) & TIMED != 0);
        expired.into_iter().for_each(|row| rows.remove(row));
        let first = rows.first(group);
        if first == NO_ROW {
            state.remove(group)?;
            return Ok(None);
        }
        if !was_timed {
            return Ok(None);
        }
        rows.set_tag(first, rows.tag(first) | TIMED, 0);
        Ok(Some(bounds.over_ms(is_left, rows.time(first))))
    }
}
