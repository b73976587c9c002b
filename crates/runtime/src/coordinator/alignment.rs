//! Watermark alignment: how far the sources of a group have come, and how far they may read.
//!
//! Flink counterpart: `SourceCoordinator` with its `WatermarkAggregator`s. A reader says how far its rows have come; the
//! least of those that have said anything is its source's, the least of a group's sources the group's. Each source tells
//! its readers once per interval of its own that they may read up to that and its drift. Who is idle or at its end holds
//! nobody back, and a group in which nobody has a watermark has no bound. A source that starts, also anew after a
//! failure, counts from its first watermark on.
//!
//! [`Group`] is pure; [`Aligner`] drives it beside the enumerator of each source. Both lines to a reader hold the newest
//! value alone, so neither side ever waits for the other, and old news never queue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::env::Clock;
use flott_graph::WatermarkAlignment;
use tokio::sync::watch;

/// What a reader has said before its first watermark.
const NOT_YET_MS: i64 = i64::MIN;
/// How far one has come that nobody has to wait for, and how far one may read that waits for nobody.
pub(crate) const UNBOUND_MS: i64 = i64::MAX;

/// The watermarks of the sources of one group.
#[derive(Debug, Default)]
struct Group {
    /// By member; of those that have one.
    watermarks: BTreeMap<u64, i64>,
    members: u64,
}

impl Group {
    /// A member has come this far, or has said nothing yet.
    fn report(&mut self, member: u64, watermark_ms: Option<i64>) {
        match watermark_ms {
            Some(watermark_ms) => drop(self.watermarks.insert(member, watermark_ms)),
            None => drop(self.watermarks.remove(&member)),
        }
    }

    /// How far a member may read.
    fn bound_ms(&self, max_drift_ms: i64) -> i64 {
        self.watermarks.values().min().map_or(UNBOUND_MS, |least| least.saturating_add(max_drift_ms))
    }
}

/// The groups of one job. Its regions share them: they fail and start by themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(Arc<Mutex<BTreeMap<String, Group>>>);

impl Groups {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new member, until it is dropped.
    fn join(&self, group: &str) -> Membership {
        let mut groups = self.lock();
        let of_name = groups.entry(group.to_owned()).or_default();
        of_name.members += 1;
        Membership { groups: self.clone(), group: group.to_owned(), member: of_name.members }
    }
}

/// A source in its group.
struct Membership {
    groups: Groups,
    group: String,
    member: u64,
}

impl Membership {
    /// How far the source has come; gives how far it may read.
    fn report(&self, watermark_ms: Option<i64>, max_drift_ms: i64) -> i64 {
        let mut groups = self.groups.lock();
        let group = groups.entry(self.group.clone()).or_default();
        group.report(self.member, watermark_ms);
        group.bound_ms(max_drift_ms)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(group) = self.groups.lock().get_mut(&self.group) {
            group.report(self.member, None);
        }
    }
}

/// The coordinator's end of the line to one reader.
pub(crate) struct AlignedReader {
    watermark_ms: Arc<AtomicI64>,
    bound_ms: watch::Sender<i64>,
}

/// The reader's end.
pub(crate) struct AlignmentLine {
    watermark_ms: Arc<AtomicI64>,
    bound_ms: watch::Receiver<i64>,
}

/// A line between a source's alignment and one reader.
pub(crate) fn line() -> (AlignedReader, AlignmentLine) {
    let watermark_ms = Arc::new(AtomicI64::new(NOT_YET_MS));
    let (sender, receiver) = watch::channel(UNBOUND_MS);
    let reader = AlignedReader { watermark_ms: Arc::clone(&watermark_ms), bound_ms: sender };
    (reader, AlignmentLine { watermark_ms, bound_ms: receiver })
}

impl AlignmentLine {
    /// How far the reader has come.
    pub(crate) fn report(&self, watermark_ms: Option<i64>) {
        self.watermark_ms.store(watermark_ms.unwrap_or(NOT_YET_MS), Ordering::Relaxed);
    }

    /// How far it may read.
    pub(crate) fn bound_ms(&mut self) -> i64 {
        *self.bound_ms.borrow_and_update()
    }

    /// Waits until it may read further, or less far.
    pub(crate) async fn changed(&mut self) {
        if self.bound_ms.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for AlignmentLine {
    /// A reader that has gone holds nobody back.
    fn drop(&mut self) {
        self.report(Some(UNBOUND_MS));
    }
}

/// Tells the readers of one source how far they may read.
pub(crate) struct Aligner {
    alignment: WatermarkAlignment,
    membership: Membership,
    readers: Vec<AlignedReader>,
    clock: Arc<dyn Clock>,
}

impl Aligner {
    pub(crate) fn new(
        alignment: &WatermarkAlignment,
        groups: &Groups,
        readers: Vec<AlignedReader>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Aligner { membership: groups.join(&alignment.group), alignment: alignment.clone(), readers, clock }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self) -> Infallible {
        loop {
            self.clock.sleep_ms(self.alignment.update_interval_ms).await;
            self.announce();
        }
    }

    fn announce(&self) {
        let said = self.readers.iter().map(|reader| reader.watermark_ms.load(Ordering::Relaxed));
        let least_ms = said.filter(|watermark| *watermark != NOT_YET_MS).min();
        let bound_ms = self.membership.report(least_ms, self.alignment.max_drift_ms);
        for reader in &self.readers {
            reader.bound_ms.send_if_modified(|bound| std::mem::replace(bound, bound_ms) != bound_ms);
        }
    }
}

#[cfg(test)]
mod tests;
