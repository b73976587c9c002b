//! What a join remembers of one input.

use arrow_array::{Array, ArrayRef};
use flott_api::operator::OpenContext;
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::{JoinInput, JoinSide};
use flott_state::hot::{
    Adding, GroupTable, KeyedState, KeyedStateOptions, NO_ROW, RowIdentity, RowMultiMap, RowMultiMapOptions, TtlOptions,
};

/// See the module.
pub(crate) struct Side {
    keys: Vec<usize>,
    /// For each key whether a null has no equal.
    nulls_part: Vec<bool>,
    rows: RowMultiMapOptions,
    options: KeyedStateOptions,
    /// Whether the rows of a key expire only together.
    expires_together: bool,
    /// Is there from `open` on.
    state: Option<KeyedState<RowMultiMap>>,
}

/// The groups of a batch's rows.
pub(crate) struct Arrival {
    groups: Vec<u32>,
    /// Which rows can have no partner.
    parted: Vec<bool>,
}

/// What is kept beside the rows of a side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembering {
    /// Whether each row knows how many partners it has.
    pub(crate) counts_partners: bool,
    /// Whether each row expires by itself, and not only all rows of a key together.
    pub(crate) rows_expire: bool,
}

impl Arrival {
    /// The group of a row; nothing if it can have no partner.
    pub(crate) fn group(&self, row: usize) -> Option<u32> {
        (!self.parted[row]).then_some(self.groups[row])
    }
}

fn not_open() -> Error {
    Error::internal("a join was not opened")
}

impl Side {
    pub(crate) fn new(name: &str, side: &JoinSide, nulls_meet: &[bool], kept: Remembering) -> Result<Self> {
        let (schema, width) = (side.input.arrow(), side.input.len());
        let identity = match &side.rows {
            JoinInput::UniqueByJoinKey => RowIdentity::Group,
            JoinInput::Unique(columns) => RowIdentity::Columns(columns.clone()),
            JoinInput::NotUnique => RowIdentity::WholeRow,
            JoinInput::InsertOnly => RowIdentity::None,
        };
        let known_by = if let RowIdentity::Columns(columns) = &identity { columns.as_slice() } else { &[] };
        if side.keys.iter().chain(known_by).any(|k| *k >= width) {
            return Err(Error::internal(format!("the {name} side of a join has no such column")));
        }
        // Refuses what cannot be compared now and not with the first row.
        GroupTable::new(side.keys.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        let ttl_ms = if kept.rows_expire { side.state_ttl_ms } else { 0 };
        let rows = RowMultiMapOptions { schema, identity, tagged: kept.counts_partners, timed: false, ttl_ms };
        Ok(Side {
            options: KeyedStateOptions {
                name: name.to_owned(),
                keys: side.keys.iter().map(|k| side.input.fields[*k].ty.clone()).collect(),
                parts: vec![rows.part("partners")?],
                ttl: TtlOptions::after(side.state_ttl_ms),
            },
            keys: side.keys.clone(),
            nulls_part: nulls_meet.iter().map(|meet| !meet).collect(),
            rows,
            expires_together: !kept.rows_expire,
            state: None,
        })
    }

    pub(crate) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, RowMultiMap::new(self.rows.clone()))?);
        Ok(())
    }

    pub(crate) fn container(&mut self) -> Option<&mut dyn KeyedContainer> {
        self.state.as_mut().map(|s| s as &mut dyn KeyedContainer)
    }

    /// How many columns its rows have.
    pub(crate) fn width(&self) -> usize {
        self.rows.schema.fields().len()
    }

    /// The key columns of rows of this side.
    pub(crate) fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(crate) fn prefetch(&self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(keys, rows)
    }

    fn opened(&mut self) -> Result<&mut KeyedState<RowMultiMap>> {
        self.state.as_mut().ok_or_else(not_open)
    }

    /// The rows that are remembered.
    pub(crate) fn rows(&self) -> Result<&RowMultiMap> {
        self.state.as_ref().map(KeyedState::entries).ok_or_else(not_open)
    }

    pub(crate) fn rows_mut(&mut self) -> Result<&mut RowMultiMap> {
        Ok(self.opened()?.entries_mut())
    }

    /// The groups of rows that come on this side; they are about to change.
    pub(crate) async fn arrive(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<Arrival> {
        let keys = self.keys(batch);
        let parted = self.parted(&keys, batch.len());
        let together = self.expires_together;
        let state = self.opened()?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&groups)?;
        for group in &groups {
            if together && state.is_expired(*group, now_ms) {
                clear(state.entries_mut(), *group);
            }
            state.set_changed(*group, now_ms);
        }
        Ok(Arrival { groups, parted })
    }

    /// Which rows have a null that has no equal.
    fn parted(&self, keys: &[ArrayRef], rows: usize) -> Vec<bool> {
        let mut parted = vec![false; rows];
        for (key, _) in keys.iter().zip(&self.nulls_part).filter(|(key, parts)| **parts && key.null_count() > 0) {
            parted.iter_mut().enumerate().for_each(|(row, p)| *p |= key.is_null(row));
        }
        parted
    }

    /// The groups of this side that rows of the other one meet. Those whose partners are counted are about to change.
    pub(crate) async fn partners(
        &mut self,
        keys: &[ArrayRef],
        arrival: &Arrival,
        now_ms: i64,
    ) -> Result<Vec<Option<u32>>> {
        let (tagged, together) = (self.rows.tagged, self.expires_together);
        let state = self.opened()?;
        let mut found = state.find(keys, arrival.groups.len(), now_ms).await?;
        for (found, parted) in found.iter_mut().zip(&arrival.parted) {
            *found = found.filter(|group| !(*parted || together && state.is_expired(*group, now_ms)));
        }
        let groups: Vec<u32> = found.iter().flatten().copied().collect();
        if tagged {
            state.touch(&groups)?;
        } else {
            state.read(&groups, now_ms)?;
        }
        Ok(found)
    }

    /// Notes that partners of a group have changed.
    pub(crate) fn set_changed(&mut self, group: u32, now_ms: i64) {
        if let Some(state) = self.state.as_mut().filter(|_| self.rows.tagged) {
            state.set_changed(group, now_ms);
        }
    }

    /// Begins to change the rows by those of a batch.
    pub(crate) fn changing(&mut self, batch: &ChangeBatch) -> Result<Adding<'_>> {
        self.opened()?.entries_mut().adding(batch.rows())
    }

    /// Keys without rows are no keys.
    pub(crate) fn forget_empty(&mut self, arrival: &Arrival) -> Result<()> {
        let state = self.opened()?;
        let mut empty: Vec<u32> =
            arrival.groups.iter().copied().filter(|g| state.entries().first(*g) == NO_ROW).collect();
        empty.sort_unstable();
        empty.dedup();
        empty.into_iter().try_for_each(|group| state.remove(group))
    }

    pub(crate) fn expire(&mut self, now_ms: i64) -> Result<()> {
        self.opened()?.expire(now_ms)
    }
}

/// Forgets all rows of a touched group.
pub(crate) fn clear(rows: &mut RowMultiMap, group: u32) {
    let mut row = rows.first(group);
    while row != NO_ROW {
        let next = rows.next(row);
        rows.remove(row);
        row = next;
    }
}
