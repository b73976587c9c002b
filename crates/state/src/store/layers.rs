//! What the parts of a store share: its layers from the newest to the oldest, and who waits for what.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::{BoxFuture, Error, Result};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{AbortHandle, Abortable};

use super::io::Io;
use super::memtable::Memtable;
use super::prefetch::{LANES, Prefetches};
use super::restore::{Lists, States};
use super::segment::{Discarded, Segment};
use crate::handle::{InlineState, ListState, NamedState, StateFile, StoreSnapshot};

/// What the names of state files end with, and no other names: they are never changed in place.
pub const SEGMENT_SUFFIX: &str = ".seg";

/// What of the options is needed after the opening.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) file_prefix: String,
    pub(super) key_groups: Range<u32>,
    pub(super) memtable_bytes: usize,
    pub(super) inline_bytes_max: usize,
    pub(super) block_bytes: usize,
    pub(super) segment_bytes_max: usize,
}

pub(super) struct Shared {
    pub(super) io: Io,
    pub(super) settings: Settings,
    pub(super) discarded: Discarded,
    files: AtomicU64,
    layers: Mutex<Layers>,
}

/// All under one lock, which is never held over an await.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) states: States,
    pub(super) lists: Lists,
    /// Takes the writes.
    pub(super) active: Memtable,
    /// The memory of a memtable that was flushed: for the next one, as long as writes come fast.
    pub(super) spare: Option<Memtable>,
    /// Memtables that wait to be flushed, the newest first.
    pub(super) sealed: VecDeque<Sealed>,
    /// The number of the memtable that was sealed last.
    pub(super) last_sealed: u64,
    /// The newest first. Those in memory are newer than all files.
    pub(super) segments: Arc<Vec<Arc<Segment>>>,
    pub(super) checkpoints: VecDeque<PendingCheckpoint>,
    /// Whether there is a checkpoint: files count as what the next one writes.
    pub(super) is_checkpointed: bool,
    /// Writers that wait for memory.
    pub(super) waiters: Vec<oneshot::Sender<()>>,
    /// Why a flush was given up, until somebody is told.
    pub(super) failure: Option<Error>,
    pub(super) flush: Background,
    pub(super) compaction: Background,
    pub(super) prefetch: [Background; LANES],
    pub(super) prefetches: Prefetches,
}

/// A memtable that nobody writes to any more.
#[derive(Clone)]
pub(super) struct Sealed {
    /// Rises with every one.
    pub(super) number: u64,
    pub(super) table: Arc<Memtable>,
}

/// A checkpoint that waits for its writes to be stored.
pub(super) struct PendingCheckpoint {
    /// The last memtable that belongs to it.
    pub(super) upto: u64,
    pub(super) states: Vec<NamedState>,
    pub(super) lists: Vec<ListState>,
    pub(super) reply: oneshot::Sender<Result<StoreSnapshot>>,
}

/// A task that works beside the callers, while there is anything to do.
#[derive(Default)]
pub(super) struct Background {
    running: Option<AbortHandle>,
    /// Whether there may be something new to do.
    wanted: bool,
}

impl Background {
    /// Whether to look for work once more; if not, the task is over.
    pub(super) fn goes_on(&mut self) -> bool {
        let wanted = std::mem::take(&mut self.wanted);
        if !wanted {
            self.running = None;
        }
        wanted
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Says that there may be work, also for a task that is about to end.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// The task is over, whatever there may be to do.
    pub(super) fn give_up(&mut self) {
        (self.running, self.wanted) = (None, false);
    }

    fn stop(&mut self) {
        if let Some(task) = self.running.take() {
            task.abort();
        }
    }
}

impl Shared {
    pub(super) fn new(io: Io, settings: Settings, discarded: Discarded, layers: Layers) -> Arc<Self> {
        Arc::new(Shared { io, settings, discarded, files: AtomicU64::new(0), layers: Mutex::new(layers) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path that no other file of any instance or attempt has.
    pub(super) fn next_path(&self) -> String {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        format!("{}{number:06}{SEGMENT_SUFFIX}", self.settings.file_prefix)
    }

    /// Starts a background task, unless it runs already; then it looks for work once more.
    pub(super) fn start(
        self: &Arc<Self>,
        name: &str,
        which: impl Fn(&mut Layers) -> &mut Background,
        task: impl FnOnce(Arc<Shared>) -> BoxFuture<'static, ()>,
    ) {
        let registration = {
            let mut layers = self.lock();
            let background = which(&mut layers);
            background.wanted = true;
            if background.running.is_some() {
                return;
            }
            let (handle, registration) = AbortHandle::new_pair();
            background.running = Some(handle);
            registration
        };
        // The store stops it by the abort handle, which is known before the task can end.
        let task = Abortable::new(task(Arc::clone(self)), registration).map(drop);
        self.io.environment.spawner.spawn(name, Box::pin(task)).detach();
    }

    /// Stops all background tasks.
    pub(super) fn stop(&self) {
        let mut layers = self.lock();
        layers.flush.stop();
        layers.compaction.stop();
        layers.prefetch.iter_mut().for_each(Background::stop);
        layers.checkpoints.clear();
        layers.waiters.clear();
    }
}

impl Layers {
    /// Closes the active memtable; what is written from now on goes to a new one.
    pub(super) fn seal(&mut self) {
        if !self.active.is_empty() {
            self.last_sealed += 1;
            let next = self.spare.take().unwrap_or_default();
            let table = Arc::new(std::mem::replace(&mut self.active, next));
            self.sealed.push_front(Sealed { number: self.last_sealed, table });
        }
    }

    pub(super) fn sealed_bytes(&self) -> usize {
        self.sealed.iter().map(|sealed| sealed.table.memory_bytes()).sum()
    }

    /// Wakes whoever waits for memory.
    pub(super) fn wake_writers(&mut self) {
        for waiter in self.waiters.drain(..) {
            // A writer that has gone needs no memory.
            _ = waiter.send(());
        }
    }

    /// The state as the segments have it. At most one of them lies in memory.
    pub(super) fn snapshot(&self, key_groups: &Range<u32>, pending: &PendingCheckpoint) -> StoreSnapshot {
        let inline = self.segments.iter().find_map(|segment| {
            let (bytes, key_groups) = (segment.bytes()?.clone(), segment.groups().clone());
            Some(InlineState { bytes, key_groups })
        });
        let files: Vec<StateFile> = self.segments.iter().filter_map(|segment| segment.file().cloned()).collect();
        let (states, lists) = (pending.states.clone(), pending.lists.clone());
        StoreSnapshot { key_groups: key_groups.clone(), states, files, inline, lists }
    }
}

/// The same error once more: several may have to be told.
pub(super) fn again(error: &Error) -> Error {
    let mut again = Error::new(error.kind(), error.to_string());
    if let Some(detail) = error.detail() {
        again = again.with_detail(detail);
    }
    if let Some(hint) = error.hint() {
        again = again.with_hint(hint);
    }
    again
}
