//! Which splits the source of a task reads, for an operator chained behind it that keeps time by split.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The splits of one subtask of a source: written by who drives its reader, read by operators of its chain.
#[derive(Debug, Default)]
pub struct OpenSplits(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: BTreeSet<Arc<str>>,
    current: Option<Arc<str>>,
}

impl OpenSplits {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A split is read from now on.
    pub fn open(&self, split: &str) {
        self.inner().open.insert(split.into());
    }

    /// A split has ended.
    pub fn close(&self, split: &str) {
        self.inner().open.remove(split);
    }

    /// The batch that comes next is of this split.
    pub fn read(&self, split: &str) {
        let mut inner = self.inner();
        if inner.current.as_deref() != Some(split) {
            inner.current = Some(split.into());
        }
    }

    /// The split of the batch that is at work.
    pub fn current(&self) -> Option<Arc<str>> {
        self.inner().current.clone()
    }

    /// All splits that have not ended.
    pub fn all(&self) -> BTreeSet<Arc<str>> {
        self.inner().open.clone()
    }
}
