//! What a temporal join remembers of an input: rows that wait, or versions.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use flott_api::operator::OpenContext;
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Result};
use flott_graph::spec::TimedJoinSide;
use flott_state::hot::{
    GroupTable, KeyedState, KeyedStateOptions, NO_ROW, RowIdentity, RowMultiMap, RowMultiMapOptions, TtlOptions,
};

use super::{not_open, tag_of};
use crate::join::side::clear;
use crate::joined::without_equal;
use crate::window::time::millis;

/// A version's tag: it retracts.
const RETRACTS: i32 = 1;

/// See the module.
pub(super) struct Side {
    keys: Vec<usize>,
    time: usize,
    nulls_meet: Vec<bool>,
    rows: RowMultiMapOptions,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<KeyedState<RowMultiMap>>,
}

/// Rows that come.
pub(super) struct Arrival {
    pub(super) keys: Vec<ArrayRef>,
    /// Those that are remembered: the row, its group and its time.
    known: Vec<(usize, u32, i64)>,
    rows: usize,
}

impl Arrival {
    /// The rows that are not remembered.
    pub(super) fn timeless(&self) -> Vec<u32> {
        let mut known = self.known.iter().map(|(row, ..)| *row).peekable();
        (0..self.rows).filter(|row| known.next_if_eq(row).is_none()).map(|row| row as u32).collect()
    }
}

impl Side {
    pub(super) fn new(name: &str, side: &TimedJoinSide, (nulls_meet, ttl_ms): (&[bool], i64)) -> Result<Self> {
        if side.keys.iter().chain([&side.time]).any(|column| *column >= side.input.len()) {
            return Err(flott_api::Error::internal(format!("the {name} side of a temporal join has no such column")));
        }
        let schema = side.input.arrow();
        // Refuses what cannot be compared now and not with the first row.
        GroupTable::new(side.keys.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        let rows = RowMultiMapOptions { schema, identity: RowIdentity::None, tagged: true, timed: true, ttl_ms: 0 };
        Ok(Side {
            options: KeyedStateOptions {
                name: name.to_owned(),
                keys: side.keys.iter().map(|k| side.input.fields[*k].ty.clone()).collect(),
                parts: vec![rows.part(if name == "left" { "waiting" } else { "versions" })?],
                ttl: TtlOptions::after(ttl_ms),
            },
            keys: side.keys.clone(),
            time: side.time,
            nulls_meet: nulls_meet.to_vec(),
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

    pub(super) fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(|k| self.rows.schema.field(*k).data_type().clone()).collect()
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(super) fn prefetch(&self, batch: &ChangeBatch) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.keys(batch), batch.len())
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

    /// Rows that come, with their groups, which are about to change.
    pub(super) async fn arrive(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<Arrival> {
        let keys = self.keys(batch);
        let parted = without_equal(&keys, &self.nulls_meet, batch.len());
        let times = millis(batch.rows().column(self.time))?;
        let known: Vec<usize> = (0..batch.len()).filter(|row| !parted[*row] && times.is_valid(*row)).collect();
        let picked = UInt32Array::from_iter_values(known.iter().map(|row| *row as u32));
        let picked = keys.iter().map(|key| take(key, &picked, None)).collect::<std::result::Result<Vec<_>, _>>()?;
        let state = self.opened()?;
        let groups = state.assign(&picked, known.len(), now_ms).await?;
        state.touch(&groups)?;
        for group in &groups {
            if state.is_expired(*group, now_ms) {
                clear(state.entries_mut(), *group);
            }
            state.set_changed(*group, now_ms);
        }
        let known = known.into_iter().zip(groups).map(|(row, group)| (row, group, times.value(row))).collect();
        Ok(Arrival { keys, known, rows: batch.len() })
    }

    /// What comes for a key on the other side keeps alive what is known of it on this one.
    pub(super) async fn keep_alive(&mut self, arrival: &Arrival, now_ms: i64) -> Result<()> {
        let state = self.opened()?;
        if !state.expires() {
            return Ok(());
        }
        let groups = state.find(&arrival.keys, arrival.rows, now_ms).await?;
        let alive: Vec<u32> = groups.into_iter().flatten().filter(|g| !state.is_expired(*g, now_ms)).collect();
        state.touch(&alive)?;
        alive.into_iter().for_each(|group| state.set_changed(group, now_ms));
        Ok(())
    }

    /// The groups of keys, where there are any.
    pub(super) async fn find(&mut self, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<Option<u32>>> {
        let state = self.opened()?;
        let mut found = state.find(keys, rows, now_ms).await?;
        found.iter_mut().for_each(|group| *group = group.filter(|g| !state.is_expired(*g, now_ms)));
        Ok(found)
    }

    pub(super) fn expire(&mut self, now_ms: i64) -> Result<()> {
        self.opened()?.expire(now_ms)
    }

    /// Rows begin to wait; gives those by whose times their keys get a timer.
    ///
    /// There is always one for a time that is not behind the earliest of those that wait: a row that is not before the
    /// last one needs none.
    pub(super) fn wait(&mut self, batch: &ChangeBatch, arrival: &Arrival) -> Result<Vec<(usize, i64)>> {
        let mut adding = self.opened()?.entries_mut().adding(batch.rows())?;
        let mut due = Vec::new();
        for (row, group, at) in arrival.known.iter().copied() {
            let last = adding.map().last(group);
            if last == NO_ROW || at < adding.map().time(last) {
                due.push((row, at));
            }
            adding.add_last(group, row, tag_of(batch.kind(row)), at);
        }
        adding.finish()?;
        Ok(due)
    }

    /// New versions; gives the times at which older ones are no longer needed.
    pub(super) fn version(&mut self, batch: &ChangeBatch, arrival: &Arrival) -> Result<Vec<(usize, i64)>> {
        let mut adding = self.opened()?.entries_mut().adding(batch.rows())?;
        let mut due = Vec::new();
        for (row, group, at) in arrival.known.iter().copied() {
            let tag = if batch.kind(row).is_retract() { RETRACTS } else { 0 };
            let number = adding.add_by_time(group, row, tag, at);
            let before = adding.map().previous(number);
            if before != NO_ROW && adding.map().time(before) == at {
                adding.remove(before);
            }
            let second = adding.map().next(adding.map().first(group));
            // A timer is set for the second version, also if that became the second by an earlier one.
            if second != NO_ROW && (second == number || adding.map().first(group) == number) {
                due.push((row, adding.map().time(second)));
            }
        }
        adding.finish()?;
        Ok(due)
    }

    /// Shows the rows of a group that are due at a watermark; gives the earliest time of the others.
    pub(super) fn due(&self, group: u32, watermark_ms: i64, mut show: impl FnMut(u32, i64)) -> Option<i64> {
        let rows = self.rows().ok()?;
        let (mut row, mut next) = (rows.first(group), None);
        while row != NO_ROW {
            let at = rows.time(row);
            if at <= watermark_ms {
                show(row, at);
            } else {
                next = Some(next.map_or(at, |next: i64| next.min(at)));
            }
            row = rows.next(row);
        }
        next
    }

    /// The version of a group that is valid at a time; none if there is none or it retracts.
    pub(super) fn version_at(&self, group: u32, at_ms: i64) -> u32 {
        let Ok(rows) = self.rows() else { return NO_ROW };
        let mut version = rows.last(group);
        while version != NO_ROW && rows.time(version) > at_ms {
            version = rows.previous(version);
        }
        if version != NO_ROW && rows.tag(version) == RETRACTS { NO_ROW } else { version }
    }

    /// Forgets the rows of a group that were due.
    pub(super) fn forget_due(&mut self, group: u32, watermark_ms: i64, now_ms: i64) -> Result<()> {
        let mut gone = Vec::new();
        self.due(group, watermark_ms, |row, _| gone.push(row));
        let state = self.opened()?;
        state.touch(&[group])?;
        let rows = state.entries_mut();
        gone.into_iter().for_each(|row| rows.remove(row));
        if rows.first(group) == NO_ROW {
            return state.remove(group);
        }
        state.set_changed(group, now_ms);
        Ok(())
    }

    /// Forgets the versions that were over before the watermark; gives the time of the second that is left.
    pub(super) fn forget_old(&mut self, group: u32, watermark_ms: i64, now_ms: i64) -> Result<Option<i64>> {
        let rows = self.rows()?;
        let (mut first, mut gone) = (rows.first(group), Vec::new());
        let second = loop {
            let second = if first == NO_ROW { NO_ROW } else { rows.next(first) };
            if second == NO_ROW || rows.time(second) > watermark_ms {
                break second;
            }
            gone.push(first);
            first = second;
        };
        let next = (second != NO_ROW).then(|| rows.time(second));
        if gone.is_empty() {
            return Ok(next);
        }
        let state = self.opened()?;
        state.touch(&[group])?;
        state.set_changed(group, now_ms);
        let rows = state.entries_mut();
        gone.into_iter().for_each(|row| rows.remove(row));
        Ok(next)
    }
}
