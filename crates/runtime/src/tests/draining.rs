//! A checkpoint whose state cannot be stored for the time being: rows go on meanwhile.

use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flott_api::BoxFuture;
use flott_api::env::Environment;
use flott_api::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::operator::{OpenContext, Stateful};
use flott_api::state::{EntryBatch, KeyedContainer, StateDescriptor, StateNumber, StateStore, WriteKind};
use flott_graph::Partitioning::Forward;
use futures::FutureExt;
use tokio::sync::watch;

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{Plugins, SubmitOptions, submit};

/// Several times what a store of the fakes' memory takes before it waits.
const ENTRIES: u64 = 200;
const ENTRY_BYTES: usize = 100_000;
const ROWS: usize = 5_000;

/// Object storage in which state files can be held up.
#[derive(Clone)]
struct Gated {
    stores: Arc<dyn ObjectStores>,
    open: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

struct GatedStore {
    store: Arc<dyn ObjectStore>,
    gate: Gated,
}

impl ObjectStores for Gated {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (store, path) = self.stores.resolve(uri)?;
        Ok((Arc::new(GatedStore { store, gate: self.clone() }), path))
    }
}

impl ObjectStore for GatedStore {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            if path.ends_with(flott_state::store::SEGMENT_SUFFIX) {
                self.gate.waiting.fetch_add(1, Ordering::SeqCst);
                drop(self.gate.open.subscribe().wait_for(|open| *open).await);
            }
            self.store.put(path, bytes, mode).await
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.store.get(path)
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        self.store.get_ranges(path, ranges)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        self.store.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store.delete(path)
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        self.store.copy(from, to)
    }
}

/// Hands rows on, and has much to write at every barrier.
#[derive(Default)]
struct Hoarder {
    state: Option<(Arc<dyn StateStore>, StateNumber)>,
    left: u64,
    written: Arc<AtomicUsize>,
}

impl Stateful for Hoarder {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        vec![self]
    }
}

#[async_trait]
impl KeyedContainer for Hoarder {
    fn close_epoch(&mut self) {
        self.left = ENTRIES;
    }

    async fn drain(&mut self, _: usize) -> Result<bool> {
        if self.left > 0 {
            self.left -= 1;
            let left = self.left;
            let mut entry = EntryBatch::default();
            let key = |k: &mut Vec<u8>| k.extend([&[0, 0][..], &left.to_be_bytes()].concat());
            entry.push(WriteKind::Put, key, |v| v.resize(ENTRY_BYTES, 7));
            let (store, number) = self.state.as_ref().expect("it is open");
            store.write(*number, &entry).await?;
            self.written.fetch_add(1, Ordering::SeqCst);
        }
        Ok(self.left == 0)
    }

    async fn relieve(&mut self) -> Result<()> {
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

#[async_trait]
impl Operator for Hoarder {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let declared = cx.state.declare(&StateDescriptor {
            name: "hoard".to_owned(),
            key: "BIGINT".to_owned(),
            parts: Vec::new(),
            version: 1,
            namespaced: false,
            ttl_ms: 0,
        })?;
        self.state = Some((Arc::clone(&cx.state), declared.number));
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit(batch).await
    }
}

fn gated(world: &Arc<World>) -> (Plugins, Gated) {
    let plugins = world.plugins();
    let stores = Arc::clone(&plugins.environment.objects);
    let gate = Gated { stores, open: watch::channel(false).0, waiting: Arc::default() };
    let environment = Environment { objects: Arc::new(gate.clone()), ..plugins.environment };
    (Plugins { environment, ..plugins }, gate)
}

#[tokio::test]
async fn while_a_checkpoint_waits_for_its_storage_rows_go_on() {
    let world = world();
    let written = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&written);
    let make = move || Hoarder { written: Arc::clone(&counted), ..Hoarder::default() };
    world.operator("hoarder", EventTime::Indifferent, make);
    world.script("s", vec![(0..ROWS).map(|_| batch([1], &[])).collect()], Then::Wait);
    let mut g = GraphBuilder::new();
    g.set("execution.checkpointing.dir", "memory://test/checkpoints");
    let (s, h, k) = (g.source("s", 1), g.operator("hoarder", 1), g.sink("k", 1));
    g.edge(s, h, Forward);
    g.edge(h, k, Forward);
    let (plugins, gate) = gated(&world);
    let job = submit(&g.bytes(), &plugins, SubmitOptions::default()).unwrap();
    until(|| world.written("k").len() > 100).await;
    let mut checkpoint = pin!(job.checkpoint());
    assert!(checkpoint.as_mut().now_or_never().is_none());
    until(|| gate.waiting.load(Ordering::SeqCst) > 0).await;
    assert!(world.written("k").len() < ROWS, "the barrier came before the last row");
    until(|| world.written("k").len() == ROWS).await;
    let held_up = written.load(Ordering::SeqCst);
    assert!((1..ENTRIES as usize).contains(&held_up), "{held_up} entries are written, and no file is");
    assert!(checkpoint.as_mut().now_or_never().is_none());
    gate.open.send_replace(true);
    let done = async {
        loop {
            // Whoever waits for room looks again after a while.
            world.clock.advance(1);
            if let Some(done) = checkpoint.as_mut().now_or_never() {
                return done;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(done).await.unwrap();
    assert_eq!(written.load(Ordering::SeqCst), ENTRIES as usize);
    job.cancel();
    soon(job.wait()).await.unwrap();
}
