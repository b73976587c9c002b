//! A state by key: keys to group numbers, what belongs to a number, and what of it the store must know.
//!
//! Flink counterpart: the state that a `KeyedStateBackend` keeps for an operator. The order of work for
//! each batch is [`assign`](KeyedState::assign), then [`touch`](KeyedState::touch), then change the
//! entries. Between batches the runtime calls what [`KeyedContainer`] has. **State layout**: a key is
//! described in `link`, a value in `values`. An entry is written whole, with all that its views
//! hold: a group with millions of distinct values is as dear to write as it is large.

use arrow_array::ArrayRef;
use async_trait::async_trait;
use flott_api::Result;
use flott_api::operator::OpenContext;
use flott_api::state::{EntryBatch, KeyedContainer, MemoryShare};

use super::expiry::TtlUpdate;
use super::link::{Cursor, KeyedStateOptions, Link, excess_bytes};
use super::region::{EntryPage, GroupEntries, Region};

/// The least part of all groups that is evicted at once.
const EVICTED_PART: usize = 16;

/// A state by key.
pub struct KeyedState<E> {
    region: Region<E>,
    link: Link,
    /// Images that the closed epoch needs.
    pending: EntryBatch,
    /// Whether an epoch is closed and not drained.
    closing: bool,
    share: MemoryShare,
}

impl<E: GroupEntries> KeyedState<E> {
    /// The state as it was restored, or an empty one. `entries` is empty.
    ///
    /// # Errors
    /// If the restored state is another one, or a type cannot be part of a key.
    pub fn open(cx: &OpenContext, options: &KeyedStateOptions, entries: E) -> Result<Self> {
        let link = Link::open(cx, options, false)?;
        let place = (None, 0, link.restored);
        Ok(KeyedState {
            region: Region::new(options.key_types(), entries, options.ttl, place)?,
            link,
            pending: EntryBatch::default(),
            closing: false,
            share: MemoryShare::new(cx.memory.clone()),
        })
    }

    /// The group of each row's key; a new key gets one. What of them is only in the store is loaded.
    ///
    /// # Errors
    /// If the columns are not the key's, or the store fails.
    pub async fn assign(&mut self, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<u32>> {
        self.region.assign(&self.link, keys, rows, now_ms).await
    }

    /// The group of each row's key, where it has an entry: a key that is only looked up takes no place. What of
    /// them is only in the store is loaded.
    ///
    /// # Errors
    /// If the columns are not the key's, or the store fails.
    pub async fn find(&mut self, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<Option<u32>>> {
        self.region.find(&self.link, keys, rows, now_ms).await
    }

    /// Says that these groups are about to change, before they do.
    ///
    /// # Errors
    /// If an entry cannot be written; a bug.
    pub fn touch(&mut self, groups: &[u32]) -> Result<()> {
        self.region.touch(&self.link, groups, &mut self.pending)
    }

    /// Says that these groups were read and will not be touched: they stay in memory for longer, and a time to
    /// live that reading starts anew does so.
    ///
    /// # Errors
    /// If an entry cannot be written; a bug.
    pub fn read(&mut self, groups: &[u32], now_ms: i64) -> Result<()> {
        self.region.refer(groups);
        let options = self.region.expiry.options;
        if !options.is_on() || options.update != TtlUpdate::OnReadAndWrite {
            return Ok(());
        }
        let alive: Vec<u32> = groups.iter().copied().filter(|g| !self.is_expired(*g, now_ms)).collect();
        self.touch(&alive)?;
        alive.iter().for_each(|group| self.set_changed(*group, now_ms));
        Ok(())
    }

    /// The entries.
    pub fn entries(&self) -> &E {
        &self.region.entries
    }

    /// The entries, to change those of touched groups.
    pub fn entries_mut(&mut self) -> &mut E {
        &mut self.region.entries
    }

    /// Gives the key of a touched group a fresh group, whose entry counts from now on. The old one keeps its
    /// entry until it is [released](KeyedState::release).
    pub fn renew(&mut self, group: u32) -> u32 {
        self.region.renew(group)
    }

    /// Forgets a group whose key was given another one.
    pub fn release(&mut self, group: u32) {
        self.region.release(group);
    }

    /// Forgets a group and its key.
    ///
    /// # Errors
    /// If its entry cannot be written; a bug.
    pub fn remove(&mut self, group: u32) -> Result<()> {
        self.region.remove(&self.link, group, &mut self.pending)
    }

    /// Whether anything expires.
    pub fn expires(&self) -> bool {
        self.region.expiry.options.is_on()
    }

    /// Whether a group is over, and not to be seen any more.
    pub fn is_expired(&self, group: u32, now_ms: i64) -> bool {
        self.region.expiry.is_hidden(group, now_ms)
    }

    /// Notes that a touched group has changed: its time to live starts anew.
    pub fn set_changed(&mut self, group: u32, now_ms: i64) {
        self.region.expiry.set(group, now_ms);
    }

    /// Forgets some of the groups that are over. Called once a batch, it comes round to all.
    ///
    /// # Errors
    /// If an entry cannot be written; a bug.
    pub fn expire(&mut self, now_ms: i64) -> Result<()> {
        for group in self.region.expiry.sweep(now_ms) {
            if self.region.is_live(group) {
                self.remove(group)?;
            }
        }
        Ok(())
    }

    /// How many keys are in memory.
    pub fn len(&self) -> usize {
        self.region.table.len()
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The groups in memory: the first part of a walk through all entries.
    pub fn resident(&self) -> Vec<u32> {
        self.region.resident()
    }

    /// The key columns of groups in memory.
    ///
    /// # Errors
    /// If a key cannot be read; a bug.
    pub fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.region.table.columns(groups)
    }

    /// Some of the entries that are only in the store: the second part of a walk; nothing at its end. The
    /// state may not be changed in between.
    ///
    /// # Errors
    /// If the store fails or an entry is damaged.
    pub async fn next_page(&mut self, cursor: &mut Cursor, now_ms: i64) -> Result<Option<EntryPage<E>>> {
        self.region.next_page(&self.link, cursor, now_ms).await
    }

    /// Tells the store which of these keys will be fetched.
    ///
    /// # Errors
    /// If the columns are not the key's.
    pub fn prefetch(&self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        self.region.prefetch(&self.link, keys, rows)
    }
}

/// Of `live` groups in `bytes`, how many to evict to give `excess` back: at least a part, so that there is peace for
/// some batches.
pub(super) fn groups_to_evict(live: usize, bytes: usize, excess: usize) -> usize {
    let kept = live as f64 * bytes.saturating_sub(excess) as f64 / bytes.max(1) as f64;
    live - (kept as usize).min(live - live / EVICTED_PART)
}

#[async_trait]
impl<E: GroupEntries> KeyedContainer for KeyedState<E> {
    fn close_epoch(&mut self) {
        self.region.close_epoch();
        self.closing = true;
    }

    async fn drain(&mut self, entries_max: usize) -> Result<bool> {
        let done = self.region.drain(&self.link, entries_max, &mut self.pending)?;
        self.link.write(&mut self.pending).await?;
        self.closing &= !done;
        Ok(done)
    }

    async fn relieve(&mut self) -> Result<()> {
        self.share.set(self.memory_bytes());
        let excess = excess_bytes(&self.share)?;
        if excess == 0 || self.is_empty() {
            return Ok(());
        }
        if self.closing {
            while !self.region.drain(&self.link, usize::MAX, &mut self.pending)? {
                self.link.write(&mut self.pending).await?;
            }
            self.link.write(&mut self.pending).await?;
        }
        let wanted = groups_to_evict(self.len(), self.region.memory_bytes(), excess);
        self.region.evict(&self.link, wanted, self.closing).await?;
        self.share.set(self.memory_bytes());
        Ok(())
    }

    async fn shed(&mut self) -> Result<()> {
        self.share.set(self.memory_bytes());
        let excess = self.share.excess_bytes();
        if excess > 0 && self.share.memory().spills() {
            self.region.shed(&self.link, excess)?;
            self.share.set(self.memory_bytes());
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.region.memory_bytes() + self.pending.byte_len()
    }
}

#[cfg(test)]
mod tests;
