//! Where a row with these bytes is: hashes to numbers. What a row is known by is not kept again; who looks
//! compares it with the row itself.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

const SEED: u64 = 0x666c_6f74_7420_726d;

/// Numbers of rows by the hash of what they are known by.
#[derive(Default)]
pub(super) struct RowIndex {
    table: HashTable<(u64, u32)>,
}

impl RowIndex {
    /// The hash of a row of a group.
    #[inline]
    pub(super) fn hash(group: u32, identity: &[u8]) -> u64 {
        let mut hasher = FixedState::with_seed(SEED).build_hasher();
        hasher.write_u32(group);
        hasher.write(identity);
        hasher.finish()
    }

    /// The row with this hash that is the one looked for.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.table.find(hash, |(h, row)| *h == hash && is_it(*row)).map(|(_, row)| *row)
    }

    pub(super) fn insert(&mut self, hash: u64, row: u32) {
        self.table.insert_unique(hash, (hash, row), |(h, _)| *h);
    }

    pub(super) fn remove(&mut self, hash: u64, row: u32) {
        if let Ok(entry) = self.table.find_entry(hash, |(_, r)| *r == row) {
            entry.remove();
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.capacity() * (size_of::<(u64, u32)>() + 1)
    }
}
