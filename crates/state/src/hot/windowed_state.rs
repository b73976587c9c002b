//! A state by window and key: what belongs to a window comes together and goes together.
//!
//! Flink counterpart: `WindowValueState`, whose namespace is the window. **State layout**: as
//! [`KeyedState`](super::KeyedState), the window's end being the namespace; a window that is over is one
//! write, whatever it held. Which windows are open is not known to the store: the operator keeps a list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use async_trait::async_trait;
use flott_api::operator::OpenContext;
use flott_api::state::{EntryBatch, KeyedContainer, MemoryShare, WriteKind};
use flott_api::{Error, Result};

use super::expiry::TtlOptions;
use super::keyed_state::groups_to_evict;
use super::link::{Cursor, KeyedStateOptions, Link, excess_bytes};
use super::region::{ENCODED_TOGETHER, EntryPage, GroupEntries, Region};
use crate::codec::flipped;

/// A state by window and key: a [`KeyedState`] for each open window, which goes as a whole.
pub struct WindowedState<E> {
    windows: BTreeMap<i64, Region<E>>,
    /// Windows that are over, and of which the closed epoch still needs something.
    leaving: Vec<Region<E>>,
    /// Windows of which the store must forget all, in the open epoch and in the closed one.
    cleared: [Vec<i64>; 2],
    fresh: E,
    types: Vec<DataType>,
    /// The parity of the open epoch.
    epoch: usize,
    link: Link,
    pending: EntryBatch,
    closing: bool,
    is_kept: bool,
    share: MemoryShare,
    /// What each window took when it was measured last, and all of them: there may be thousands, of which a batch
    /// touches some.
    measured: BTreeMap<i64, usize>,
    measured_bytes: usize,
    /// Windows that may take another size now.
    touched: BTreeSet<i64>,
}

impl<E: GroupEntries> WindowedState<E> {
    /// The state without any window. `entries` is empty.
    ///
    /// # Errors
    /// If the restored state is another one.
    pub fn open(cx: &OpenContext, options: &KeyedStateOptions, entries: E) -> Result<Self> {
        if options.ttl.is_on() {
            return Err(Error::internal("a window ends by its time and not by a time to live"));
        }
        Ok(WindowedState {
            windows: BTreeMap::new(),
            leaving: Vec::new(),
            cleared: [Vec::new(), Vec::new()],
            fresh: entries,
            types: options.key_types(),
            epoch: 0,
            link: Link::open(cx, options, true)?,
            pending: EntryBatch::default(),
            closing: false,
            is_kept: true,
            share: MemoryShare::new(cx.memory.clone()),
            measured: BTreeMap::new(),
            measured_bytes: 0,
            touched: BTreeSet::new(),
        })
    }

    /// Takes up a window of the checkpoint.
    ///
    /// # Errors
    /// If a type cannot be part of a key.
    pub fn restore(&mut self, window: i64) -> Result<()> {
        let region = self.region(window, self.link.restored)?;
        self.touched.insert(window);
        self.windows.entry(window).or_insert(region);
        Ok(())
    }

    /// Opens a window of which nothing is known; whether it was not open yet.
    ///
    /// # Errors
    /// If a type cannot be part of a key.
    pub fn begin(&mut self, window: i64) -> Result<bool> {
        if self.windows.contains_key(&window) {
            return Ok(false);
        }
        let region = self.region(window, false)?;
        self.touched.insert(window);
        self.windows.insert(window, region);
        Ok(true)
    }

    /// Opens a window of which the checkpoint may have something that is not to be believed.
    ///
    /// # Errors
    /// If a type cannot be part of a key.
    pub fn begin_anew(&mut self, window: i64) -> Result<()> {
        if self.link.restored {
            self.cleared[self.epoch].push(window);
        }
        self.begin(window).map(|_| ())
    }

    /// Whether checkpoints have what it holds, from the next one on; at first they have. A state that is not kept still
    /// goes to the store as far as it does not fit into memory, so a checkpoint may have some of it: what is restored
    /// has to [begin anew](WindowedState::begin_anew). Not to be changed while an epoch is being drained.
    pub fn set_kept(&mut self, is_kept: bool) {
        debug_assert!(!self.closing, "what a checkpoint has is changed between checkpoints");
        self.is_kept = is_kept;
    }

    fn region(&self, window: i64, spilled: bool) -> Result<Region<E>> {
        let place = (Some(window), self.epoch, spilled);
        Region::new(self.types.clone(), self.fresh.fresh()?, TtlOptions::default(), place)
    }

    /// The open windows, ascending.
    pub fn windows(&self) -> impl Iterator<Item = i64> {
        self.windows.keys().copied()
    }

    fn window(&mut self, window: i64) -> Result<&mut Region<E>> {
        self.touched.insert(window);
        self.windows.get_mut(&window).ok_or_else(|| not_open(window))
    }

    /// The open windows behind `after` that are not behind `until`, ascending.
    pub fn windows_between(&self, after: i64, until: i64) -> Vec<i64> {
        let bounds = (Bound::Excluded(after), Bound::Included(until));
        if after >= until { Vec::new() } else { self.windows.range(bounds).map(|(window, _)| *window).collect() }
    }

    /// Whether a window is open.
    pub fn is_open(&self, window: i64) -> bool {
        self.windows.contains_key(&window)
    }

    /// The group of each row's key in an open window, touched: they are about to change.
    ///
    /// # Errors
    /// If the columns are not the key's, or the store fails.
    pub async fn assign(&mut self, window: i64, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<u32>> {
        self.touched.insert(window);
        let region = self.windows.get_mut(&window).ok_or_else(|| not_open(window))?;
        let groups = region.assign(&self.link, keys, rows, now_ms).await?;
        region.touch(&self.link, &groups, &mut self.pending)?;
        Ok(groups)
    }

    /// Forgets a group of an open window, and its key.
    ///
    /// # Errors
    /// If it is not open, or its entry cannot be written; a bug.
    pub fn remove(&mut self, window: i64, group: u32) -> Result<()> {
        self.touched.insert(window);
        let region = self.windows.get_mut(&window).ok_or_else(|| not_open(window))?;
        region.remove(&self.link, group, &mut self.pending)
    }

    /// The entries of an open window, to change those of assigned groups.
    ///
    /// # Errors
    /// If it is not open.
    pub fn entries_mut(&mut self, window: i64) -> Result<&mut E> {
        self.window(window).map(|r| &mut r.entries)
    }

    /// The groups of an open window that are in memory.
    ///
    /// # Errors
    /// If it is not open.
    pub fn resident(&mut self, window: i64) -> Result<Vec<u32>> {
        self.window(window).map(|r| r.resident())
    }

    /// The key columns of groups of an open window.
    ///
    /// # Errors
    /// If it is not open.
    pub fn columns(&mut self, window: i64, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.window(window)?.table.columns(groups)
    }

    /// Some of the entries of an open window that are only in the store; nothing when there is no more.
    ///
    /// # Errors
    /// If the store fails or an entry is damaged.
    pub async fn next_page(&mut self, window: i64, cursor: &mut Cursor) -> Result<Option<EntryPage<E>>> {
        let region = self.windows.get_mut(&window).ok_or_else(|| not_open(window))?;
        region.next_page(&self.link, cursor, 0).await
    }

    /// Ends a window: all that it holds is gone.
    pub fn clear(&mut self, window: i64) {
        let Some(region) = self.windows.remove(&window) else { return };
        self.touched.insert(window);
        if region.may_be_stored() {
            self.cleared[self.epoch].push(window);
        }
        if !region.is_drained() {
            self.leaving.push(region);
        }
    }

    /// Whether the store has entries that are not in memory.
    pub fn has_spilled(&self) -> bool {
        self.windows.values().any(Region::has_spilled)
    }

    /// Tells the store which of these keys of a window will be fetched.
    ///
    /// # Errors
    /// If the columns are not the key's.
    pub fn prefetch(&self, window: i64, keys: &[ArrayRef], rows: usize) -> Result<()> {
        self.windows.get(&window).map_or(Ok(()), |r| r.prefetch(&self.link, keys, rows))
    }

    fn write_cleared(&mut self, parity: usize) -> EntryBatch {
        let mut batch = EntryBatch::default();
        for window in self.cleared[parity].drain(..) {
            let namespace = flipped(window).to_be_bytes();
            batch.push(WriteKind::ClearNamespace, |key| key.extend_from_slice(&namespace), |_| {});
        }
        batch
    }

    /// Writes of the closed epoch about so many entries; whether that was all. Windows that were cleared come
    /// first, as one may have begun again behind it.
    async fn write_closed(&mut self, entries_max: usize) -> Result<bool> {
        let mut cleared = self.write_cleared(1 - self.epoch);
        self.link.write(&mut cleared).await?;
        let mut done = true;
        for region in self.leaving.iter_mut() {
            done &= region.drain(&self.link, entries_max, &mut self.pending)?;
        }
        for (window, region) in self.windows.iter_mut().filter(|(_, region)| !region.is_drained()) {
            self.touched.insert(*window);
            done &= region.drain(&self.link, entries_max, &mut self.pending)?;
        }
        self.leaving.retain(|r| !r.is_drained());
        self.link.write(&mut self.pending).await?;
        Ok(done)
    }
}

impl<E: GroupEntries> WindowedState<E> {
    /// Measures the windows that were touched.
    fn measure(&mut self) {
        for window in std::mem::take(&mut self.touched) {
            let bytes = self.windows.get(&window).map(Region::memory_bytes);
            let before = match bytes {
                Some(bytes) => self.measured.insert(window, bytes),
                None => self.measured.remove(&window),
            };
            self.measured_bytes = self.measured_bytes - before.unwrap_or(0) + bytes.unwrap_or(0);
        }
    }

    /// What a window takes beyond what was measured, or below it.
    fn unmeasured(&self, window: i64) -> isize {
        let bytes = self.windows.get(&window).map_or(0, Region::memory_bytes);
        bytes as isize - self.measured.get(&window).copied().unwrap_or(0) as isize
    }
}

fn not_open(window: i64) -> Error {
    Error::internal(format!("the window that ends at {window} is not open"))
}

#[async_trait]
impl<E: GroupEntries> KeyedContainer for WindowedState<E> {
    fn close_epoch(&mut self) {
        // All that has changed stays in the open epoch, until it leaves memory or is to be kept.
        if !self.is_kept {
            return;
        }
        self.windows.values_mut().for_each(Region::close_epoch);
        self.epoch = 1 - self.epoch;
        self.closing = true;
    }

    async fn drain(&mut self, entries_max: usize) -> Result<bool> {
        if !self.is_kept {
            let mut cleared = self.write_cleared(self.epoch);
            self.link.write(&mut cleared).await?;
            return Ok(true);
        }
        let done = self.write_closed(entries_max).await?;
        self.closing &= !done;
        Ok(done)
    }

    async fn relieve(&mut self) -> Result<()> {
        self.measure();
        self.share.set(self.memory_bytes());
        let excess = excess_bytes(&self.share)?;
        if excess == 0 {
            return Ok(());
        }
        if self.closing {
            while !self.write_closed(ENCODED_TOGETHER).await? {}
        } else {
            let mut cleared = self.write_cleared(self.epoch);
            self.link.write(&mut cleared).await?;
        }
        let mut missing = excess;
        // The windows that end last are needed last.
        for (window, region) in self.windows.iter_mut().rev() {
            self.touched.insert(*window);
            let (live, bytes) = (region.table.len(), region.memory_bytes());
            if live > 0 {
                region.evict(&self.link, groups_to_evict(live, bytes, missing), self.closing).await?;
                missing = missing.saturating_sub(bytes.saturating_sub(region.memory_bytes()));
            }
            if missing == 0 {
                break;
            }
        }
        self.share.set(self.memory_bytes());
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let leaving: usize = self.leaving.iter().map(Region::memory_bytes).sum();
        let unmeasured: isize = self.touched.iter().map(|window| self.unmeasured(*window)).sum();
        self.measured_bytes.saturating_add_signed(unmeasured) + leaving + self.pending.byte_len()
    }
}

#[cfg(test)]
mod tests;
