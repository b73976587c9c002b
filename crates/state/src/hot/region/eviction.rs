//! How groups leave memory: the clock hand, what is written of them before, and who remembers that the store has them.

use flott_api::Result;
use flott_api::state::EntryBatch;

use super::super::GroupTable;
use super::super::expiry::{Expiry, NOT_KNOWN};
use super::super::link::{Link, StoreKeys};
use super::super::values::Values;
use super::{CHOSEN, DIRTY_BITS, ENCODED_TOGETHER, GONE, GroupEntries, REFERENCED, Region, SPILLED, STORED, Written};

/// For each group to be evicted beside a checkpoint so many are looked at: if all are changed the rest waits.
const LOOKED_AT_PER_GROUP: usize = 16;
/// Vacant numbers that take less than this part of all are not worth that all is packed anew.
const VACANT_PART_MAX: usize = 4;

impl<E: GroupEntries> Region<E> {
    /// Evicts about so many groups, those first that were not looked at for long; what of them the store does not
    /// have is written. While an epoch is being drained (`closing`) its groups must be written already, and those
    /// of the open one stay.
    ///
    /// Their numbers are given out again, so that a state which is larger than memory evicts in place: only when most
    /// numbers are vacant, and take much, the rest is packed anew.
    pub(in crate::hot) async fn evict(&mut self, link: &Link, wanted: usize, closing: bool) -> Result<()> {
        let kept = if closing { DIRTY_BITS } else { self.closed_bit() };
        let victims = self.choose(wanted, kept, 2 * self.flags.len());
        let mut batch = EntryBatch::default();
        for victims in victims.chunks(self.encoded_together()) {
            let keys = self.keys(link, victims)?;
            let dirty = (0..).zip(victims).map(|(row, g)| (row, *g, self.flags[*g as usize]));
            let dirty = dirty.filter(|(.., flags)| flags & DIRTY_BITS != 0);
            let dirty: Vec<Written> = dirty.map(|(row, group, flags)| (row, group, flags & GONE != 0)).collect();
            self.encode_keyed(link, &keys, &dirty, &mut batch)?;
            link.write(&mut batch).await?;
            self.forget(link, victims, &keys);
        }
        self.entries.load(&[], &[], NOT_KNOWN)?;
        if self.table.vacant() > self.table.len() && self.vacant_bytes() > self.memory_bytes() / VACANT_PART_MAX {
            self.rebuild()?;
        }
        Ok(())
    }

    /// Evicts what gives so many bytes back, as far as the store has it: no more than is missing, because a checkpoint is
    /// being written and the rows wait.
    pub(in crate::hot) fn shed(&mut self, link: &Link, excess_bytes: usize) -> Result<()> {
        let (live, bytes) = (self.table.len() as f64, self.memory_bytes().max(1) as f64);
        let wanted = ((live * excess_bytes as f64 / bytes) as usize + 1).min(self.table.len());
        let victims = self.choose(wanted, DIRTY_BITS, wanted * LOOKED_AT_PER_GROUP);
        for victims in victims.chunks(ENCODED_TOGETHER) {
            let keys = self.keys(link, victims)?;
            self.forget(link, victims, &keys);
        }
        self.entries.load(&[], &[], NOT_KNOWN)
    }

    /// Forgets groups that the store has.
    fn forget(&mut self, link: &Link, groups: &[u32], keys: &StoreKeys) {
        self.note_spilled(link, groups, keys);
        for group in groups {
            if self.flags[*group as usize] & GONE == 0 {
                self.entries.clear(*group);
            }
            self.free(*group);
        }
    }

    /// Notes which groups the store has from now on, and nobody else.
    fn note_spilled(&mut self, link: &Link, groups: &[u32], keys: &StoreKeys) {
        if !self.spilled.is_known() {
            return;
        }
        let is_new = |(_, group): &(usize, &u32)| {
            let flags = self.flags[**group as usize];
            flags & (STORED | DIRTY_BITS) != 0 && flags & SPILLED == 0
        };
        let new = groups.iter().enumerate().filter(is_new).map(|(row, _)| keys.hash(row));
        self.spilled.add(new, link.filter_bytes_max);
    }

    /// Lets the clock hand go round, so many steps at most, until it has found so many groups without a flag of `kept`.
    /// Twice round is enough: the first time takes the marks of being looked at.
    fn choose(&mut self, wanted: usize, kept: u8, steps_max: usize) -> Vec<u32> {
        let end = self.flags.len();
        let mut chosen = Vec::new();
        for _ in 0..steps_max.min(2 * end) {
            if chosen.len() == wanted {
                break;
            }
            self.hand = (self.hand + 1) % end;
            let flags = &mut self.flags[self.hand];
            if *flags & REFERENCED != 0 {
                *flags &= !REFERENCED;
                if *flags != 0 {
                    continue;
                }
                // Known to nobody: a key that was looked up and never touched.
            } else if *flags == 0 || *flags & (kept | CHOSEN) != 0 {
                continue;
            }
            *flags |= CHOSEN;
            chosen.push(self.hand as u32);
        }
        chosen
    }

    /// Numbers the groups anew that have flags, so that what the others took is given back.
    fn rebuild(&mut self) -> Result<()> {
        let groups: Vec<u32> = (0..self.flags.len() as u32).filter(|g| self.flags[*g as usize] != 0).collect();
        let (mut table, mut entries) = (GroupTable::new(self.table.types().to_vec())?, self.entries.fresh()?);
        let mut expiry = Expiry::new(self.expiry.options);
        let mut flags = Vec::with_capacity(groups.len());
        let mut moved = vec![u32::MAX; self.flags.len()];
        for groups in groups.chunks(ENCODED_TOGETHER) {
            let numbers = table.assign(&self.table.columns(groups)?, groups.len())?;
            entries.grow(table.end());
            let pairs = groups.iter().zip(&numbers);
            let here = pairs.clone().filter(|(old, _)| self.flags[**old as usize] & GONE == 0);
            let (old, new): (Vec<u32>, Vec<u32>) = here.map(|(old, new)| (*old, *new)).unzip();
            let mut values = Values::default();
            self.entries.save(&old, &mut values)?;
            let values: Vec<&[u8]> = (0..values.len()).map(|i| values.get(i)).collect();
            entries.load(&new, &values, NOT_KNOWN)?;
            for (old, new) in pairs {
                expiry.set(*new, self.expiry.changed_ms(*old));
                flags.push(self.flags[*old as usize]);
                moved[*old as usize] = *new;
            }
        }
        for list in &mut self.changed {
            list.iter_mut().for_each(|group| *group = moved[*group as usize]);
            list.retain(|group| *group != u32::MAX);
        }
        (self.table, self.entries, self.expiry, self.flags, self.hand) = (table, entries, expiry, flags, 0);
        Ok(())
    }
}
