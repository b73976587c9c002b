//! Random writes, clears, looks, scans, checkpoints and rescales against a map.

use std::collections::BTreeSet;

use flott_api::state::WriteKind;

use super::super::*;
use super::world::{GROUPS, Model, World, batch, key, keys, scan_all};

/// A job of some subtasks, and what it should know.
struct Run {
    world: World,
    random: u64,
    stores: Vec<Arc<SegmentStore>>,
    model: Model,
    /// The last complete checkpoint, and the state that it must have.
    checkpoint: (Vec<StoreSnapshot>, Model),
    discarded: BTreeSet<String>,
    compacted_bytes: u64,
    files_max: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let stores = vec![world.open(0, 1, &[])];
        Run {
            world,
            random: seed,
            stores,
            model: Model::default(),
            checkpoint: (Vec::new(), Model::default()),
            discarded: BTreeSet::new(),
            compacted_bytes: 0,
            files_max: 0,
        }
    }

    /// SplitMix64 (Sebastiano Vigna, public domain).
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn random_key(&mut self, state: u16) -> Vec<u8> {
        let group = self.random(u64::from(GROUPS)) as u32;
        let number = self.random(60);
        if state == 0 {
            return key(group, format!("k{number}").as_bytes());
        }
        let namespace = self.random(5);
        key(group, &[&namespace.to_be_bytes(), format!("{}", number % 20).as_bytes()].concat())
    }

    fn store_of(&self, key: &[u8]) -> usize {
        let group = u32::from(u16::from_be_bytes([key[0], key[1]]));
        let owns = |store: &Arc<SegmentStore>| store.shared.settings.key_groups.contains(&group);
        self.stores.iter().position(owns).unwrap()
    }

    fn write(&mut self) {
        let state = self.random(2) as u16;
        let mut writes = Vec::new();
        for _ in 0..self.random(40) {
            let key = self.random_key(state);
            let length = self.random(60) as usize;
            let value = [&0i64.to_le_bytes(), vec![self.random(256) as u8; length].as_slice()].concat();
            let kind = if self.random(4) == 0 { WriteKind::Delete } else { WriteKind::Put };
            writes.push((kind, key, value));
        }
        if state == 1 && self.random(4) == 0 {
            let at = self.random(writes.len() as u64 + 1) as usize;
            writes.insert(at, (WriteKind::ClearNamespace, self.random(5).to_be_bytes().to_vec(), Vec::new()));
        }
        self.model.write(state, &writes);
        for (index, store) in self.stores.iter().enumerate() {
            let is_own = |key: &[u8]| self.store_of(key) == index;
            let own = writes.iter().filter(|(kind, key, _)| *kind == WriteKind::ClearNamespace || is_own(key));
            let own = batch(&own.cloned().collect::<Vec<_>>());
            self.world.executor.run(store.write(StateNumber(state), &own)).unwrap();
        }
    }

    fn fetch(&mut self) {
        let state = self.random(2) as u16;
        let wanted: BTreeSet<Vec<u8>> = (0..self.random(80)).map(|_| self.random_key(state)).collect();
        for (index, store) in self.stores.iter().enumerate() {
            let own: Vec<_> = wanted.iter().filter(|key| self.store_of(key) == index).cloned().collect();
            if self.random & 1 == 0 {
                store.prefetch(StateNumber(state), keys(&own));
            }
            let found = self.world.executor.run(store.fetch(StateNumber(state), &keys(&own))).unwrap();
            for (key, value) in own.iter().zip(found) {
                let expected = self.model.states[state as usize].get(key);
                assert_eq!(value.as_deref(), expected.map(Vec::as_slice), "{key:?}");
            }
        }
    }

    fn scan(&mut self) {
        let state = self.random(2) as u16;
        let (prefix, from) = match self.random(3) {
            0 => (Vec::new(), Vec::new()),
            1 => (self.random_key(state)[..2].to_vec(), self.random_key(state)),
            _ => (self.random_key(state)[..4].to_vec(), Vec::new()),
        };
        let page = 1 + self.random(30) as usize;
        let mut found = Vec::new();
        for store in &self.stores {
            let all = scan_all(store, state, &prefix, &from, page);
            found.extend(self.world.executor.run(all).unwrap());
        }
        let entries = self.model.states[state as usize].iter();
        let inside = entries.filter(|(key, _)| key.starts_with(&prefix) && **key >= from);
        let expected: Vec<_> = inside.map(|(k, v)| (k.clone(), v.clone())).collect();
        let missing: Vec<_> = expected.iter().filter(|entry| !found.contains(entry)).map(|(key, _)| key).collect();
        let added: Vec<_> = found.iter().filter(|entry| !expected.contains(entry)).map(|(key, _)| key).collect();
        assert!(found == expected, "missing {missing:?}, added {added:?}");
    }

    fn checkpoint(&mut self) {
        let before = self.model.clone();
        let first: Vec<_> = self.stores.iter().map(|store| store.checkpoint()).collect();
        if self.random(2) == 0 {
            // The next epoch goes on before the checkpoint is complete, and perhaps the next checkpoint.
            self.write();
        }
        if self.random(3) == 0 {
            let between = self.model.clone();
            let second: Vec<_> = self.stores.iter().map(|store| store.checkpoint()).collect();
            self.write();
            let second = self.world.executor.run(futures::future::try_join_all(second)).unwrap();
            self.world.executor.run(futures::future::try_join_all(first)).unwrap();
            self.checkpoint = (second, between);
        } else {
            self.checkpoint = (self.world.executor.run(futures::future::try_join_all(first)).unwrap(), before);
        }
        self.clean();
    }

    /// Deletes what no store needs and the last checkpoint does not name, as a coordinator does.
    fn clean(&mut self) {
        self.discarded.extend(self.stores.iter().flat_map(|store| store.take_discarded()));
        let named: BTreeSet<&str> =
            self.checkpoint.0.iter().flat_map(|s| &s.files).map(|file| file.path.as_str()).collect();
        let (stay, leave) = std::mem::take(&mut self.discarded).into_iter().partition(|p| named.contains(p.as_str()));
        self.discarded = stay;
        for path in leave {
            self.world.objects.damage(&path, None);
        }
    }

    fn restore(&mut self) {
        self.note();
        if self.random(2) == 0 {
            self.world.executor.run_until_idle();
        }
        self.clean();
        self.discarded.clear();
        let parallelism = 1 + self.random(3) as u32;
        self.stores.clear();
        let (snapshots, model) = self.checkpoint.clone();
        self.model = model;
        self.stores = (0..parallelism).map(|index| self.world.open(index, parallelism, &snapshots)).collect();
    }

    fn note(&mut self) {
        for store in &self.stores {
            let metrics = store.metrics();
            self.compacted_bytes += metrics.compacted_bytes;
            self.files_max = self.files_max.max(metrics.files);
            assert!(store.shared.io.cache.used_bytes() <= 20_000);
            assert!(metrics.memtable_bytes < 4 * 3_300, "{metrics:?}");
        }
    }

    fn play(&mut self, steps: u32) {
        for _ in 0..steps {
            match self.random(20) {
                0..10 => self.write(),
                10..14 => self.fetch(),
                14..16 => self.scan(),
                16..18 => self.checkpoint(),
                18 => self.world.executor.run_until_idle(),
                _ => self.restore(),
            }
        }
        self.note();
    }
}

#[test]
fn a_store_is_a_map() {
    let (mut compacted_bytes, mut files_max) = (0, 0);
    for seed in 0..12 {
        let mut run = Run::new(seed);
        run.play(300);
        compacted_bytes += run.compacted_bytes;
        files_max = files_max.max(run.files_max);
    }
    assert!(compacted_bytes > 200_000 && files_max > 8, "{compacted_bytes} {files_max}");
}

#[test]
fn a_store_is_a_map_on_storage_that_fails_now_and_then() {
    let mut fired = 0;
    for seed in 0..8 {
        let mut run = Run::new(1000 + seed);
        run.world.faults.share.store(2, Ordering::Relaxed);
        run.play(200);
        fired += run.world.faults.fired.load(Ordering::Relaxed);
    }
    assert!(fired > 100, "{fired}");
}
