//! Loads what coming fetches need, beside the caller.

use std::sync::Arc;

use flott_api::BoxFuture;
use flott_api::state::{KeyBatch, StateNumber};

use super::fetch::fetch;
use super::layers::Shared;

/// More wishes than this are forgotten: the oldest first, whose batch has perhaps come already.
const WAITING_MAX: usize = 8;

/// Takes the wish for these keys.
pub(super) fn prefetch(shared: &Arc<Shared>, state: StateNumber, keys: KeyBatch) {
    {
        let mut layers = shared.lock();
        if keys.is_empty() || layers.segments.is_empty() {
            return;
        }
        layers.prefetches.push_back((state, keys));
        if layers.prefetches.len() > WAITING_MAX {
            layers.prefetches.pop_front();
        }
    }
    shared.start("state prefetch", |layers| &mut layers.prefetch, run);
}

fn run(shared: Arc<Shared>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Some((state, keys)) = next(&shared) {
            // What cannot be read is told by the fetch that needs it.
            if let Err(error) = fetch(&shared, state, &keys).await {
                tracing::debug!(%error, "state cannot be prefetched");
            }
        }
    })
}

fn next(shared: &Shared) -> Option<(StateNumber, KeyBatch)> {
    let mut layers = shared.lock();
    if let Some(wish) = layers.prefetches.pop_front() {
        return Some(wish);
    }
    // Whoever adds a wish now starts a new task.
    layers.prefetch.give_up();
    None
}
