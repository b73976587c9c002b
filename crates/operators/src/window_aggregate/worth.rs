//! Whether the running state of a window that slides is worth its place in checkpoints.
//!
//! It can be made anew from the slices of the window, which a checkpoint has. Where keys come in many slices it is small
//! beside them, and reading all of them would make a restart wait; where keys come once in a window it is as large as
//! they are, and is written when a slice enters and again when it leaves. So it is kept where a key has
//! [several](KEPT_FROM) slices: it adds little to a checkpoint there, and elsewhere a restart reads little more than it
//! would have read.

use std::collections::BTreeMap;

/// Kept from so many slices a key on.
const KEPT_FROM: u64 = 8;
/// And until a key has fewer than that: to begin with it again costs to write all of it.
const KEPT_UNTIL: u64 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Worth {
    is_kept: bool,
    /// Of slices that have entered the window, how many keys each has, and all of them.
    entered: BTreeMap<i64, u64>,
    held: u64,
    /// How many keys the window had when it came out last.
    keys: u64,
    /// Of slices that end here or before it is not known how many keys they have.
    unknown_until_ms: Option<i64>,
}

impl Worth {
    /// Of a state that a checkpoint had, with the slices until there.
    pub(super) fn restored(until_ms: i64) -> Self {
        Worth { is_kept: true, unknown_until_ms: Some(until_ms), ..Worth::default() }
    }

    /// A slice has entered, or a part of it, with so many keys.
    pub(super) fn entered(&mut self, slice_end_ms: i64, keys: usize) {
        *self.entered.entry(slice_end_ms).or_default() += keys as u64;
        self.held += keys as u64;
    }

    /// A slice has left.
    pub(super) fn left(&mut self, slice_end_ms: i64) {
        self.held -= self.entered.remove(&slice_end_ms).unwrap_or(0);
    }

    /// A window came out with so many keys.
    pub(super) fn emitted(&mut self, keys: usize) {
        self.keys = keys as u64;
    }

    /// Whether the next checkpoint should have it; `first_ms` is the end of the first slice that there is.
    pub(super) fn is_kept(&mut self, first_ms: Option<i64>) -> bool {
        let is_unknown = |until: i64| first_ms.is_some_and(|first| first <= until);
        self.unknown_until_ms = self.unknown_until_ms.filter(|until| is_unknown(*until));
        if self.unknown_until_ms.is_none() && self.keys > 0 {
            let least = if self.is_kept { KEPT_UNTIL } else { KEPT_FROM };
            self.is_kept = self.held >= least.saturating_mul(self.keys);
        }
        self.is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_where_keys_come_in_many_slices_and_until_they_come_in_few() {
        let mut worth = Worth::default();
        for slice in 1..=7 {
            worth.entered(slice, 10);
            worth.emitted(10);
        }
        assert!(!worth.is_kept(Some(1)));
        worth.entered(8, 10);
        assert!(worth.is_kept(Some(1)));
        (1..=4).for_each(|slice| worth.left(slice));
        assert!(worth.is_kept(Some(5)));
        worth.left(5);
        assert!(!worth.is_kept(Some(6)));
    }

    #[test]
    fn what_a_checkpoint_had_is_kept_while_its_slices_are_not_known() {
        let mut worth = Worth::restored(5);
        worth.entered(6, 10);
        worth.emitted(10);
        assert!(worth.is_kept(Some(5)));
        worth.left(5);
        assert!(!worth.is_kept(Some(6)));
    }
}
