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
pub(super) struct Side {
    keys: Vec<usize>,
    /// For each key whether a null has no equal.
    nulls_part: Vec<bool>,
    rows: RowMultiMapOptions,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<KeyedState<RowMultiMap>>,
}

/// The groups of a batch's rows.
pub(super) struct Arrival {
    groups: Vec<u32>,
    /// Which rows can have no partner.
    parted: Vec<bool>,
}

impl Arrival {
    /// The group of a row; nothing if it can have no partner.
    pub(super) fn group(&self, row: usize) -> Option<u32> {
        (!self.parted[row]).then_some(self.groups[row])
    }
}

fn not_open() -> Error {
    Error::internal("a join was not opened")
}

impl Side {
    pub(super) fn new(name: &str, side: &JoinSide, nulls_meet: &[bool], counts_partners: bool) -> Result<Self> {
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
        let rows =
            RowMultiMapOptions { schema, identity, tagged: counts_partners, timed: false, ttl_ms: side.state_ttl_ms };
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

    pub(super) fn rows_mut(&mut self) -> Result<&mut RowMultiMap> {
        Ok(self.opened()?.entries_mut())
    }

    /// The groups of rows that come on this side; they are about to change.
    pub(super) async fn arrive(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<Arrival> {
        let keys = self.keys(batch);
        let parted = self.parted(&keys, batch.len());
        let state = self.opened()?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&groups)?;
        groups.iter().for_each(|group| state.set_changed(*group, now_ms));
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
    pub(super) async fn partners(
        &mut self,
        keys: &[ArrayRef],
        arrival: &Arrival,
        now_ms: i64,
    ) -> Result<Vec<Option<u32>>> {
        let tagged = self.rows.tagged;
        let state = self.opened()?;
        let mut found = state.find(keys, arrival.groups.len(), now_ms).await?;
        for (found, parted) in found.iter_mut().zip(&arrival.parted) {
            *found = found.filter(|_| !parted);
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
    pub(super) fn set_changed(&mut self, group: u32, now_ms: i64) {
        if let Some(state) = self.state.as_mut().filter(|_| self.rows.tagged) {
            state.set_changed(group, now_ms);
        }
    }

    /// Begins to change the rows by those of a batch.
    pub(super) fn changing(&mut self, batch: &ChangeBatch) -> Result<Adding<'_>> {
        self.opened()?.entries_mut().adding(batch.rows())
    }

    /// Keys without rows are no keys.
    pub(super) fn forget_empty(&mut self, arrival: &Arrival) -> Result<()> {
        let state = self.opened()?;
        let mut empty: Vec<u32> =
            arrival.groups.iter().copied().filter(|g| state.entries().first(*g) == NO_ROW).collect();
        empty.sort_unstable();
        empty.dedup();
        empty.into_iter().try_for_each(|group| state.remove(group))
    }

    pub(super) fn expire(&mut self, now_ms: i64) -> Result<()> {
        self.opened()?.expire(now_ms)
    }
}
