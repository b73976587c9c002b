//! Looks up beside the caller what coming fetches need.
//!
//! What was found waits for the fetch that asks for it. Meanwhile somebody may write: whatever is written after a
//! prefetch began lies in its memtable or in a later one, so what was found counts as long as all of these are still
//! in memory, and below what they say.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::BoxFuture;
use flott_api::state::{KeyBatch, StateNumber};
use futures::channel::oneshot;

use super::fetch::look_up;
use super::layers::{Layers, Shared};

/// So many wishes are looked up at the same time: storage may be far away.
pub(super) const LANES: usize = 4;
/// More wishes than this are forgotten: the oldest first, whose batch has perhaps come already.
const WISHES_MAX: usize = 8;

/// Wishes of coming fetches, the oldest first.
#[derive(Default)]
pub(super) struct Prefetches {
    wishes: VecDeque<Wish>,
    /// Of the last wish.
    number: u64,
}

struct Wish {
    number: u64,
    state: StateNumber,
    keys: Arc<KeyBatch>,
    phase: Phase,
}

enum Phase {
    Waiting,
    /// With the fetches that wait for it.
    Running(Vec<oneshot::Sender<()>>),
    Found(Arc<Prefetched>),
}

/// What a prefetch has found.
pub(super) struct Prefetched {
    keys: Arc<KeyBatch>,
    values: Vec<Option<Bytes>>,
    /// The number of the memtable that took writes when it began.
    since: u64,
}

impl Prefetches {
    /// Bytes of all that was found and waits.
    pub(super) fn memory_bytes(&self) -> usize {
        let found = self.wishes.iter().filter_map(|w| match &w.phase {
            Phase::Found(found) => Some(found.memory_bytes()),
            Phase::Waiting | Phase::Running(_) => None,
        });
        found.sum()
    }
}

impl Prefetched {
    fn memory_bytes(&self) -> usize {
        self.values.len() * size_of::<Option<Bytes>>() + self.values.iter().flatten().map(Bytes::len).sum::<usize>()
    }

    /// The place of a key from `from` on, or of the first that is above it.
    #[inline]
    pub(super) fn seek(&self, key: &[u8], from: usize) -> usize {
        (from..self.keys.len()).find(|at| self.keys.get(*at) >= key).unwrap_or(self.keys.len())
    }

    /// What was found for a key, if it was asked for at this place.
    #[inline]
    pub(super) fn get(&self, key: &[u8], at: usize) -> Option<&Option<Bytes>> {
        (at < self.keys.len() && self.keys.get(at) == key).then(|| &self.values[at])
    }
}

/// What a fetch of some keys can have of what was prefetched.
pub(super) enum Taken {
    Nothing,
    /// It is being looked up.
    Wait(oneshot::Receiver<()>),
    Found(Arc<Prefetched>),
}

impl Layers {
    /// Takes what was prefetched for these keys. What is older is of no use any more: fetches come in the order of
    /// their wishes.
    pub(super) fn take_prefetched(&mut self, state: StateNumber, keys: &KeyBatch) -> Taken {
        let (last_sealed, sealed) = (self.last_sealed, &self.sealed);
        let wishes = &mut self.prefetches.wishes;
        let Some(at) = wishes.iter().position(|w| w.state == state && have_common(&w.keys, keys)) else {
            return Taken::Nothing;
        };
        let number = wishes[at].number;
        if let Phase::Running(waiting) = &mut wishes[at].phase {
            let (sender, receiver) = oneshot::channel();
            waiting.push(sender);
            return Taken::Wait(receiver);
        }
        let wish = wishes.remove(at);
        wishes.retain(|w| w.state != state || w.number > number);
        let Some(Phase::Found(found)) = wish.map(|w| w.phase) else { return Taken::Nothing };
        let newer = sealed.iter().filter(|s| s.number >= found.since).count() as u64;
        if newer == (last_sealed + 1).saturating_sub(found.since) { Taken::Found(found) } else { Taken::Nothing }
    }
}

/// Whether two batches of ascending keys have a key in common.
fn have_common(a: &KeyBatch, b: &KeyBatch) -> bool {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a.get(i).cmp(b.get(j)) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}

/// Takes the wish for these keys.
pub(super) fn prefetch(shared: &Arc<Shared>, state: StateNumber, keys: KeyBatch) {
    let lane = {
        let mut layers = shared.lock();
        if keys.is_empty() || layers.segments.is_empty() {
            return;
        }
        let prefetches = &mut layers.prefetches;
        prefetches.number += 1;
        let wish = Wish { number: prefetches.number, state, keys: Arc::new(keys), phase: Phase::Waiting };
        prefetches.wishes.push_back(wish);
        if prefetches.wishes.len() > WISHES_MAX {
            prefetches.wishes.pop_front();
        }
        // If none is idle, one of them will come to it.
        layers.prefetch.iter().position(|lane| !lane.is_running()).unwrap_or(0)
    };
    shared.start("state prefetch", |layers| &mut layers.prefetch[lane], move |shared| run(shared, lane));
}

fn run(shared: Arc<Shared>, lane: usize) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Some((number, state, keys, since)) = next(&shared, lane) {
            let found = look_up(&shared, state, &keys).await;
            // What cannot be read is told by the fetch that needs it.
            let found = found.inspect_err(|error| tracing::debug!(%error, "state cannot be prefetched")).ok();
            done(&shared, number, found.map(|values| Prefetched { keys, values, since }));
        }
    })
}

fn next(shared: &Shared, lane: usize) -> Option<(u64, StateNumber, Arc<KeyBatch>, u64)> {
    let mut layers = shared.lock();
    let since = layers.last_sealed + 1;
    let waiting = layers.prefetches.wishes.iter_mut().find(|w| matches!(w.phase, Phase::Waiting));
    if let Some(wish) = waiting {
        wish.phase = Phase::Running(Vec::new());
        return Some((wish.number, wish.state, Arc::clone(&wish.keys), since));
    }
    // Whoever adds a wish now starts a new task.
    layers.prefetch[lane].give_up();
    None
}

/// Notes what was found, unless nobody wants it any more, or it is too much to be kept until then. Whoever waits looks
/// again.
fn done(shared: &Shared, number: u64, found: Option<Prefetched>) {
    let mut layers = shared.lock();
    let kept_bytes = layers.prefetches.memory_bytes();
    let wishes = &mut layers.prefetches.wishes;
    let Some(at) = wishes.iter().position(|w| w.number == number) else { return };
    let found = found.filter(|found| kept_bytes + found.memory_bytes() <= shared.io.cache.limit_bytes());
    let phase = match found {
        Some(found) => std::mem::replace(&mut wishes[at].phase, Phase::Found(Arc::new(found))),
        None => match wishes.remove(at) {
            Some(wish) => wish.phase,
            None => return,
        },
    };
    if let Phase::Running(waiting) = phase {
        // A fetch that has gone needs nothing.
        waiting.into_iter().for_each(|fetch| _ = fetch.send(()));
    }
}
