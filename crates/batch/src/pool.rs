//! The memory of a query, shared by what runs in it.
//!
//! DataFusion's `FairSpillPool` gives each operator that could spill the same part from the beginning: five sorts one
//! behind the other have a fifth each, though two of them hold rows at a time. Here whoever can do with less (it spills, or
//! begins anew in another way) may take half of what the others leave. So there is always something left for who comes
//! next. Who is alone may take all, and so may what cannot do with less.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion_common::{DataFusionError, Result};
use datafusion_execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// Consumers that do not say that they spill, but do with less: merges of sorted files take fewer at a time, and the
/// table of a join gives way to sorts.
const MODEST: [&str; 2] = ["ExternalSorterMerge", "HashJoinInput"];

/// See the module.
#[derive(Debug)]
pub(crate) struct SharingPool {
    bytes: usize,
    /// Whether several will come.
    shared: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reserved: usize,
    /// How many consumers could spill.
    spilling: usize,
}

fn is_modest(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() || MODEST.iter().any(|name| consumer.name().starts_with(name))
}

impl SharingPool {
    /// A pool of so many bytes, for several operators or for one.
    pub(crate) fn new(bytes: usize, shared: bool) -> Self {
        SharingPool { bytes, shared, state: Mutex::default() }
    }

    /// What a consumer may have in all that holds `own` now.
    fn most(&self, state: &State, consumer: &MemoryConsumer, own: usize) -> usize {
        let left = self.bytes.saturating_sub(state.reserved.saturating_sub(own));
        // One operator may become several, as a join does that sorts.
        let shared = self.shared || state.spilling > 1;
        if shared && is_modest(consumer) { left / 2 } else { left }
    }

    /// The lock is held for a few additions.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryPool for SharingPool {
    fn name(&self) -> &str {
        "sharing"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state().spilling += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        state.spilling = state.spilling.saturating_sub(usize::from(consumer.can_spill()));
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.state().reserved += additional;
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        state.reserved = state.reserved.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let own = reservation.size();
        let most = self.most(&state, reservation.consumer(), own);
        if own.saturating_add(additional) > most {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} has {} and needs {} more of {}, of which {} are taken",
                reservation.consumer().name(),
                human_readable_size(own),
                human_readable_size(additional),
                human_readable_size(self.bytes),
                human_readable_size(state.reserved),
            )));
        }
        state.reserved += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().reserved
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl fmt::Display for SharingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), human_readable_size(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_can_spill_leaves_as_much_as_it_takes() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharingPool::new(1000, false));
        let spilling = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let first = spilling("a");
        first.try_grow(900).unwrap();
        first.shrink(900);
        let second = spilling("b");
        assert!(first.try_grow(501).is_err(), "it is no longer alone");
        first.try_grow(500).unwrap();
        second.try_grow(250).unwrap();
        assert!(second.try_grow(1).is_err());
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        assert!(merge.try_grow(126).is_err());
        merge.try_grow(125).unwrap();
        let held = MemoryConsumer::new("OverAggregate").register(&pool);
        held.try_grow(125).unwrap();
        assert_eq!((held.try_grow(1).is_err(), pool.reserved()), (true, 1000));
        drop(first);
        assert_eq!(pool.reserved(), 500);
        second.try_grow(625 - 250).unwrap();
    }
}
