//! The groups of one namespace, or of a state without: which of them have changed, and what must be
//! written of them when.
//!
//! **Invariants.** A live group always has one of the flags dirty, closed, stored or referenced; a number
//! without any is free. A group is dirty in the open epoch or in the closed one, never in both: before it
//! changes in the open one, the image that the closed one needs is written. A removed group of which
//! the store may know stays in the table, empty and `GONE`, until its tombstone is written, so that
//! nobody fetches what is no more.

mod eviction;

use arrow_array::{ArrayRef, UInt64Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use flott_api::Result;
use flott_api::state::{EntryBatch, WriteKind};

use super::GroupTable;
use super::expiry::{Expiry, TtlOptions};
use super::link::{Cursor, Link, StoreKeys};
use super::spilled::Spilled;
use super::values::{Stored, Values};
use crate::key::decode;

/// Changed and not written, by the parity of the epoch.
const DIRTY: [u8; 2] = [1, 2];
/// The store may have an entry, or will have one before the closed epoch is done.
const STORED: u8 = 4;
/// Looked at since the clock hand came by.
const REFERENCED: u8 = 8;
/// Removed, and the tombstone is not written yet.
const GONE: u8 = 16;
/// Chosen to be evicted.
const CHOSEN: u8 = 32;
/// One of the keys that are known to be spilled.
const SPILLED: u8 = 64;
/// What changed in either epoch.
const DIRTY_BITS: u8 = DIRTY[0] | DIRTY[1];
/// Groups are encoded in batches of so many,
pub(super) const ENCODED_TOGETHER: usize = 8192;
/// or of so many bytes.
const ENCODED_BYTES: usize = 1 << 20;
/// A batch with so many bytes is written before more is added.
const DRAINED_BYTES_MAX: usize = 1 << 22;
/// Fewer together cost more than the memory that they would save.
const ENCODED_TOGETHER_MIN: usize = 64;

/// A list of changed groups is never cleaned while it is shorter than this.
const CHANGED_MIN: usize = 64;

/// What belongs to groups: columns and views by their number.
///
/// A number that was never used, or was cleared, is fresh.
pub trait GroupEntries: Send {
    /// Empty entries of the same kind.
    ///
    /// # Errors
    /// If they cannot be made; a bug.
    fn fresh(&self) -> Result<Self>
    where
        Self: Sized;

    /// Makes room for numbers below `end`.
    fn grow(&mut self, end: usize);

    /// Appends the value of each of these groups, in the parts of the state's descriptor.
    ///
    /// # Errors
    /// If a value cannot be written; a bug.
    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()>;

    /// Reads values that [`save`](GroupEntries::save) wrote into fresh groups, for each of which there is
    /// room. Also called with none, after many groups were cleared: what they left behind is given back.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()>;

    /// Makes one group fresh.
    fn clear(&mut self, group: u32);

    /// Bytes of memory that they take, about. Called between batches, so it must not walk through groups.
    fn memory_bytes(&self) -> usize;

    /// Bytes of memory that a number takes also after it was cleared.
    fn slot_bytes(&self) -> usize;
}

/// Entries that were only in the store.
pub struct EntryPage<E> {
    /// The key columns.
    pub keys: Vec<ArrayRef>,
    /// The entries; their groups are 0 and up.
    pub entries: E,
    /// How many.
    pub len: usize,
}

/// What is written of a group: the row of its key, its number, and whether it is gone.
type Written = (usize, u32, bool);

/// See the module.
pub(super) struct Region<E> {
    pub(super) table: GroupTable,
    pub(super) entries: E,
    pub(super) expiry: Expiry,
    namespace: Option<i64>,
    flags: Vec<u8>,
    /// Numbers that became dirty, by the parity of the epoch. Some may be stale or come twice: the flags count.
    changed: [Vec<u32>; 2],
    /// The parity of the open epoch.
    epoch: usize,
    /// Entries that the store may have and that are not here.
    spilled: Spilled,
    /// Whether the store has, or will have, any entry.
    stored: bool,
    /// Where the clock hand of eviction is.
    hand: usize,
}

impl<E: GroupEntries> Region<E> {
    pub(super) fn new(
        types: Vec<DataType>,
        entries: E,
        ttl: TtlOptions,
        (namespace, epoch, spilled): (Option<i64>, usize, bool),
    ) -> Result<Self> {
        Ok(Region {
            table: GroupTable::new(types)?,
            entries,
            expiry: Expiry::new(ttl),
            namespace,
            flags: Vec::new(),
            changed: [Vec::new(), Vec::new()],
            epoch,
            spilled: Spilled::new(spilled),
            stored: spilled,
            hand: 0,
        })
    }

    fn open_bit(&self) -> u8 {
        DIRTY[self.epoch]
    }

    fn closed_bit(&self) -> u8 {
        DIRTY[1 - self.epoch]
    }

    /// Whether the store may know anything of it when the closed epoch is done.
    pub(super) fn may_be_stored(&self) -> bool {
        self.stored || !self.changed[1 - self.epoch].is_empty()
    }

    pub(super) fn has_spilled(&self) -> bool {
        self.spilled.is_any()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.changed[1 - self.epoch].is_empty()
    }

    pub(super) fn is_live(&self, group: u32) -> bool {
        self.flags.get(group as usize).is_some_and(|f| *f != 0 && f & GONE == 0)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists: usize = self.changed.iter().map(|l| l.capacity() * size_of::<u32>()).sum();
        let held = self.table.memory_bytes() + self.entries.memory_bytes() + self.expiry.memory_bytes();
        let known = self.flags.len() + lists + self.spilled.memory_bytes();
        (held + known).saturating_sub(self.vacant_bytes())
    }

    /// How many groups are encoded together: however large they are, what is on its way to the store is little.
    pub(super) fn encoded_together(&self) -> usize {
        let group_bytes = self.memory_bytes() / self.table.len().max(1);
        (ENCODED_BYTES / group_bytes.max(1)).clamp(ENCODED_TOGETHER_MIN, ENCODED_TOGETHER)
    }

    /// What numbers without a group take: the next keys get it, so it is not held against the others. Beyond half of
    /// all it is given back.
    fn vacant_bytes(&self) -> usize {
        let expiry = if self.expiry.options.is_on() { size_of::<i64>() } else { 0 };
        let slot = self.table.slot_bytes() + self.entries.slot_bytes() + expiry + size_of::<u8>();
        self.table.vacant() * slot
    }

    fn grow(&mut self) {
        let end = self.table.end();
        if end > self.flags.len() {
            self.flags.resize(end, 0);
            self.entries.grow(end);
        }
    }

    /// The number of each row's key; what of them is only in the store is fetched.
    pub(super) async fn assign(
        &mut self,
        link: &Link,
        columns: &[ArrayRef],
        rows: usize,
        now_ms: i64,
    ) -> Result<Vec<u32>> {
        let before = self.table.len();
        let groups = self.table.assign(columns, rows)?;
        self.grow();
        if self.spilled.is_any() && self.table.len() > before {
            self.fetch(link, columns, &groups, now_ms).await?;
        }
        Ok(groups)
    }

    /// The number of each row's key where it has an entry; what of them is only in the store is fetched.
    pub(super) async fn find(
        &mut self,
        link: &Link,
        columns: &[ArrayRef],
        rows: usize,
        now_ms: i64,
    ) -> Result<Vec<Option<u32>>> {
        let groups = self.table.find(columns, rows)?;
        let (missing, picked) = missing(&groups, columns)?;
        if !self.spilled.is_any() || missing.is_empty() {
            return Ok(groups);
        }
        let (order, keys) =
            link.keys(self.namespace, &picked, missing.len())?.sorted(|hash| self.spilled.may_have(hash));
        if order.is_empty() {
            return Ok(groups);
        }
        let values = link.store.fetch(link.number, &keys).await?;
        let found = order.iter().zip(&values).filter_map(|(row, v)| Some((*row as u64, v.as_ref()?)));
        let (there, values): (Vec<u64>, Vec<_>) = found.unzip();
        let there = UInt64Array::from(there);
        let keys = picked.iter().map(|c| take(c, &there, None)).collect::<Result<Vec<_>, _>>()?;
        let numbers = self.table.assign(&keys, there.len())?;
        self.grow();
        self.refer(&numbers);
        let found = numbers.iter().zip(&values).map(|(group, value)| (*group, &value[..]));
        self.load(link, &found.collect::<Vec<_>>(), now_ms)?;
        self.table.find(columns, rows)
    }

    async fn fetch(&mut self, link: &Link, columns: &[ArrayRef], groups: &[u32], now_ms: i64) -> Result<()> {
        let mut new = Vec::new();
        for (row, group) in groups.iter().enumerate() {
            let flags = &mut self.flags[*group as usize];
            if *flags == 0 {
                *flags = REFERENCED;
                new.push(row as u64);
            }
        }
        let rows = UInt64Array::from(new);
        let picked = columns.iter().map(|c| take(c, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let (order, keys) = link.keys(self.namespace, &picked, rows.len())?.sorted(|hash| self.spilled.may_have(hash));
        if order.is_empty() {
            return Ok(());
        }
        let values = link.store.fetch(link.number, &keys).await?;
        let number = |row: &usize| groups[rows.value(*row) as usize];
        let found: Vec<_> = order.iter().map(number).zip(&values).filter_map(|(g, v)| Some((g, v.as_ref()?))).collect();
        self.load(link, &found.iter().map(|(g, v)| (*g, &v[..])).collect::<Vec<_>>(), now_ms)
    }

    /// Takes up values from the store, without those that are over.
    fn load(&mut self, link: &Link, found: &[(u32, &[u8])], now_ms: i64) -> Result<()> {
        let (mut groups, mut values): (Vec<u32>, Vec<Stored<'_>>) = (Vec::new(), Vec::new());
        for (group, value) in found {
            let stored = self.read(link, value, now_ms)?;
            self.flags[*group as usize] |= STORED | SPILLED;
            if let Some(stored) = stored {
                self.expiry.set(*group, stored.changed_ms);
                groups.push(*group);
                values.push(stored);
            }
        }
        let values: Vec<&[u8]> = values.iter().map(|v| &*v.parts).collect();
        self.entries.load(&groups, &values, now_ms)
    }

    /// A value, unless it is over; one without a time was changed now.
    fn read<'a>(&self, link: &Link, value: &'a [u8], now_ms: i64) -> Result<Option<Stored<'a>>> {
        let mut stored = link.layouts.read(value)?;
        if stored.changed_ms == super::expiry::NOT_KNOWN {
            stored.changed_ms = now_ms;
        }
        Ok(Some(stored).filter(|s| !self.expiry.options.is_hidden(s.changed_ms, now_ms)))
    }

    /// Says that these groups are about to change. The image of those that the closed epoch still needs
    /// goes to `pending`.
    pub(super) fn touch(&mut self, link: &Link, groups: &[u32], pending: &mut EntryBatch) -> Result<()> {
        let (open, closed) = (self.open_bit(), self.closed_bit());
        let wanted = open | REFERENCED;
        let looked_at = wanted | closed | GONE;
        let mut images = Vec::new();
        for group in groups {
            let flags = &mut self.flags[*group as usize];
            if *flags & looked_at == wanted {
                continue;
            }
            if *flags & closed != 0 {
                images.push((*group, *flags & GONE != 0));
                *flags |= STORED;
            }
            if *flags & open == 0 {
                self.changed[self.epoch].push(*group);
            }
            *flags = (*flags | wanted) & !(closed | GONE);
        }
        self.forget_stale();
        self.encode(link, &images, pending)
    }

    /// Says that these groups were looked at.
    pub(super) fn refer(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.flags[*group as usize] |= REFERENCED);
    }

    /// Numbers that came and went within an epoch must not pile up where no checkpoint ever ends one.
    fn forget_stale(&mut self) {
        let (bit, list) = (DIRTY[self.epoch], &mut self.changed[self.epoch]);
        if list.len() > 2 * self.flags.len() + CHANGED_MIN {
            list.sort_unstable();
            list.dedup();
            list.retain(|group| self.flags[*group as usize] & bit != 0);
        }
    }

    /// Gives the key of a touched group a fresh number. The old one keeps its entries until it is released.
    pub(super) fn renew(&mut self, group: u32) -> u32 {
        let fresh = self.table.renew(group);
        self.grow();
        let flags = std::mem::take(&mut self.flags[group as usize]);
        debug_assert!(flags & self.open_bit() != 0, "only a touched group is renewed");
        self.flags[fresh as usize] = flags;
        self.changed[self.epoch].push(fresh);
        fresh
    }

    /// Forgets a number that has no key any more.
    pub(super) fn release(&mut self, group: u32) {
        self.entries.clear(group);
        self.table.release(group);
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, link: &Link, group: u32, pending: &mut EntryBatch) -> Result<()> {
        let (open, closed) = (self.open_bit(), self.closed_bit());
        let mut flags = self.flags[group as usize];
        if flags & closed != 0 {
            self.encode(link, &[(group, flags & GONE != 0)], pending)?;
            flags = (flags | STORED) & !closed;
        }
        self.entries.clear(group);
        if flags & STORED == 0 {
            self.free(group);
            return Ok(());
        }
        if flags & open == 0 {
            self.changed[self.epoch].push(group);
        }
        self.flags[group as usize] = (flags | open | GONE) & !REFERENCED;
        Ok(())
    }

    fn free(&mut self, group: u32) {
        self.flags[group as usize] = 0;
        self.table.remove(group);
    }

    /// Ends the epoch. What has changed in the one before it must be written by now.
    pub(super) fn close_epoch(&mut self) {
        debug_assert!(self.is_drained(), "an epoch is closed when the one before it is drained");
        self.epoch = 1 - self.epoch;
    }

    /// Encodes groups of the closed epoch until the batch has so many entries; whether that was all.
    pub(super) fn drain(&mut self, link: &Link, entries_max: usize, batch: &mut EntryBatch) -> Result<bool> {
        let parity = 1 - self.epoch;
        self.encode_changed(link, parity, entries_max, batch)
    }

    fn encode_changed(
        &mut self,
        link: &Link,
        parity: usize,
        entries_max: usize,
        batch: &mut EntryBatch,
    ) -> Result<bool> {
        let bit = DIRTY[parity];
        let together = self.encoded_together();
        while batch.len() < entries_max && batch.byte_len() < DRAINED_BYTES_MAX && !self.changed[parity].is_empty() {
            let room = together.min(entries_max - batch.len());
            let mut items = Vec::new();
            while items.len() < room {
                let Some(group) = self.changed[parity].pop() else { break };
                let flags = &mut self.flags[group as usize];
                if *flags & bit != 0 {
                    *flags = (*flags & !bit) | STORED;
                    items.push((group, *flags & GONE != 0));
                }
            }
            self.encode(link, &items, batch)?;
            items.iter().filter(|(_, gone)| *gone).for_each(|(group, _)| self.free(*group));
        }
        if self.changed[parity].is_empty() {
            // A burst must not keep its list for ever.
            self.changed[parity] = Vec::new();
        }
        Ok(self.changed[parity].is_empty())
    }

    /// Writes groups with what they hold now, or a tombstone for those that are gone.
    fn encode(&mut self, link: &Link, items: &[(u32, bool)], batch: &mut EntryBatch) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let groups: Vec<u32> = items.iter().map(|(group, _)| *group).collect();
        let keys = self.keys(link, &groups)?;
        let items: Vec<Written> = (0..).zip(items).map(|(row, (group, gone))| (row, *group, *gone)).collect();
        self.encode_keyed(link, &keys, &items, batch)
    }

    /// The store's keys of some groups.
    fn keys(&self, link: &Link, groups: &[u32]) -> Result<StoreKeys> {
        link.keys(self.namespace, &self.table.columns(groups)?, groups.len())
    }

    fn encode_keyed(&mut self, link: &Link, keys: &StoreKeys, items: &[Written], batch: &mut EntryBatch) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        self.stored = true;
        let here: Vec<u32> = items.iter().filter(|(.., gone)| !gone).map(|(_, group, _)| *group).collect();
        let mut values = Values::default();
        self.entries.save(&here, &mut values)?;
        debug_assert_eq!(values.len(), here.len(), "a value a group");
        let mut next = 0;
        for (row, group, gone) in items {
            let key = |out: &mut Vec<u8>| out.extend_from_slice(keys.get(*row));
            if *gone {
                batch.push(WriteKind::Delete, key, |_| {});
                continue;
            }
            batch.push(WriteKind::Put, key, |out| {
                link.layouts.begin(self.expiry.changed_ms(*group), out);
                out.extend_from_slice(values.get(next));
            });
            next += 1;
        }
        Ok(())
    }

    /// The live groups, in order of their numbers.
    pub(super) fn resident(&self) -> Vec<u32> {
        (0..self.flags.len() as u32).filter(|g| self.is_live(*g)).collect()
    }

    /// Some of the entries that are only in the store; nothing when there is no more.
    pub(super) async fn next_page(
        &mut self,
        link: &Link,
        cursor: &mut Cursor,
        now_ms: i64,
    ) -> Result<Option<EntryPage<E>>> {
        if !self.spilled.is_any() {
            return Ok(None);
        }
        loop {
            let Some(found) = link.next_page(self.namespace, cursor).await? else { return Ok(None) };
            let keys = found.keys();
            let resident = self.table.find(&decode(self.table.types(), &keys)?, keys.len())?;
            let (mut own, mut values) = (Vec::new(), Vec::new());
            for (row, (_, value)) in found.page.entries.iter().enumerate() {
                if let (None, Some(stored)) = (resident[row], self.read(link, value, now_ms)?) {
                    own.push(keys[row]);
                    values.push(stored);
                }
            }
            if own.is_empty() {
                continue;
            }
            let mut entries = self.entries.fresh()?;
            entries.grow(own.len());
            let values: Vec<&[u8]> = values.iter().map(|v| &*v.parts).collect();
            entries.load(&(0..own.len() as u32).collect::<Vec<_>>(), &values, now_ms)?;
            return Ok(Some(EntryPage { keys: decode(self.table.types(), &own)?, entries, len: own.len() }));
        }
    }

    /// Tells the store which of these keys will be fetched.
    pub(super) fn prefetch(&self, link: &Link, columns: &[ArrayRef], rows: usize) -> Result<()> {
        if !self.spilled.is_any() {
            return Ok(());
        }
        let (missing, picked) = missing(&self.table.find(columns, rows)?, columns)?;
        if missing.is_empty() {
            return Ok(());
        }
        let (order, keys) =
            link.keys(self.namespace, &picked, missing.len())?.sorted(|hash| self.spilled.may_have(hash));
        if !order.is_empty() {
            link.store.prefetch(link.number, keys);
        }
        Ok(())
    }
}

/// The rows whose key has no number, and their keys.
fn missing(groups: &[Option<u32>], columns: &[ArrayRef]) -> Result<(UInt64Array, Vec<ArrayRef>)> {
    let rows = groups.iter().enumerate().filter(|(_, g)| g.is_none());
    let rows: UInt64Array = rows.map(|(row, _)| Some(row as u64)).collect();
    let picked = columns.iter().map(|c| take(c, &rows, None)).collect::<Result<Vec<_>, _>>()?;
    Ok((rows, picked))
}
