//! Lets a task finish what it is about although the channels behind it are full, because a barrier that
//! overtakes rows waits for it. A snapshot is only taken between two batches, so without this it would wait for
//! room, which is what it must not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How much a task may send beyond the credit of its channels at one checkpoint. One batch seldom gives more; if
/// it does, the barrier waits for room, as Flink's does when its overdraft buffers are used up.
const OVERDRAFT_BYTES_MAX: usize = 4 << 20;

/// What a task may send beyond credit at the moment. Only its own thread of work looks at it.
#[derive(Debug, Default)]
pub(crate) struct Overdraft {
    left: AtomicUsize,
    granted: AtomicBool,
}

impl Overdraft {
    /// A barrier waits.
    pub(crate) fn grant(&self) {
        if !self.granted.swap(true, Ordering::Relaxed) {
            self.left.store(OVERDRAFT_BYTES_MAX, Ordering::Relaxed);
        }
    }

    /// It has passed.
    pub(crate) fn end(&self) {
        self.granted.store(false, Ordering::Relaxed);
        self.left.store(0, Ordering::Relaxed);
    }

    /// Whether a batch may go although there is no credit. The last one may exceed what is left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left.saturating_sub(bytes.max(1)), Ordering::Relaxed);
        }
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_while_a_barrier_waits_and_has_an_end() {
        let overdraft = Overdraft::default();
        assert!(!overdraft.take(1));
        overdraft.grant();
        assert!(overdraft.take(OVERDRAFT_BYTES_MAX - 1));
        overdraft.grant();
        assert!(overdraft.take(1 << 20), "the last batch may exceed it");
        assert!(!overdraft.take(1), "and granting it again gives nothing");
        overdraft.end();
        overdraft.grant();
        assert!(overdraft.take(1));
    }
}
