//! Single promises of the store.

use flott_api::ErrorKind;
use flott_api::env::Clock;
use flott_api::state::WriteKind;
use flott_api::testing::{FakeWorld, ready};

use super::super::*;
use super::world::{CACHE_BYTES, World, batch, descriptor, key, keys, noise, put, scan_all};

fn write(world: &World, store: &SegmentStore, state: u16, writes: &[(WriteKind, Vec<u8>, Vec<u8>)]) {
    world.executor.run(store.write(StateNumber(state), &batch(writes))).unwrap();
}

fn checkpoint(world: &World, store: &SegmentStore) -> StoreSnapshot {
    world.executor.run(store.checkpoint()).unwrap()
}

fn get(world: &World, store: &SegmentStore, state: u16, key: Vec<u8>) -> Option<Vec<u8>> {
    let found = world.executor.run(store.fetch(StateNumber(state), &keys(&[key]))).unwrap();
    found[0].as_ref().map(|value| value.to_vec())
}

#[test]
fn a_checkpoint_without_writes_names_the_same_files() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let empty = checkpoint(&world, &store);
    assert!(empty.files.is_empty() && empty.inline.is_none());
    let entries: Vec<_> = (0..12).map(|n| put(key(n, b"a"), &noise(7, 100))).collect();
    write(&world, &store, 0, &entries);
    let first = checkpoint(&world, &store);
    assert_eq!((first.files.len(), first.inline.is_some()), (1, false));
    assert_eq!(checkpoint(&world, &store), first);
    write(&world, &store, 0, &[put(key(3, b"b"), b"small")]);
    let second = checkpoint(&world, &store);
    assert_eq!((&second.files, second.inline.is_some()), (&first.files, true));
    assert_eq!(checkpoint(&world, &store), second);
    write(&world, &store, 0, &[put(key(3, b"c"), b"small")]);
    let third = checkpoint(&world, &store);
    assert_eq!(third.files, first.files);
    let store = world.open(0, 1, &[third]);
    for (rest, value) in [(b"a".as_slice(), noise(7, 100)), (b"b", b"small".to_vec()), (b"c", b"small".to_vec())] {
        assert_eq!(get(&world, &store, 0, key(3, rest)), Some(value));
    }
    assert_eq!(world.objects.all().len(), 1);
}

#[test]
fn an_open_reads_nothing() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(7, 100))).collect::<Vec<_>>());
    let snapshot = checkpoint(&world, &store);
    world.objects.damage(&snapshot.files[0].path, None);
    let store = world.open(0, 1, std::slice::from_ref(&snapshot));
    assert_eq!(checkpoint(&world, &store), snapshot);
}

#[test]
fn a_clear_counts_for_the_key_groups_of_whoever_cleared() {
    let world = World::new(1);
    let namespace = b"12345678";
    let own = |n: u32| key(n, &[namespace.as_slice(), b"k"].concat());
    let store = world.open(0, 1, &[]);
    write(&world, &store, 1, &(0..12).map(|n| put(own(n), &noise(7, 100))).collect::<Vec<_>>());
    let all = checkpoint(&world, &store);
    let halves: Vec<StoreSnapshot> = (0..2)
        .map(|index| {
            let store = world.open(index, 2, std::slice::from_ref(&all));
            if index == 0 {
                let clear = (WriteKind::ClearNamespace, namespace.to_vec(), Vec::new());
                write(&world, &store, 1, &[clear, put(own(2), b"new")]);
            }
            checkpoint(&world, &store)
        })
        .collect();
    for order in [[0, 1], [1, 0]] {
        let united = order.map(|i: usize| halves[i].clone());
        let store = world.open(0, 1, &united);
        let left = |n| get(&world, &store, 1, own(n)).map(|value| value.len());
        assert_eq!([left(0), left(2), left(5), left(6), left(11)], [None, Some(3), None, Some(100), Some(100)]);
        let scanned = world.executor.run(scan_all(&store, 1, &[], &[], 3)).unwrap();
        assert_eq!(scanned.len(), 7);
        write(&world, &store, 1, &[put(own(0), &noise(1, 900))]);
        let merged = checkpoint(&world, &store);
        let store = world.open(0, 1, &[merged]);
        assert_eq!(world.executor.run(scan_all(&store, 1, &[], &[], 3)).unwrap().len(), 8);
    }
}

#[test]
fn compaction_drops_what_has_expired_and_nothing_comes_back() {
    let world = World::new(1);
    let store = SegmentStore::open(world.options(0, 1), &[]).unwrap();
    let state = StateDescriptor { ttl_ms: 1000, ..descriptor(0) };
    store.declare(&state).unwrap();
    let timed = |time_ms: i64| [time_ms.to_le_bytes().to_vec(), noise(9, 90)].concat();
    let now_ms = world.executor.now_ms();
    for time_ms in [0, now_ms - 2000, now_ms] {
        let entries: Vec<_> = (0..12).map(|n| put(key(n, &time_ms.to_be_bytes()), &timed(time_ms))).collect();
        write(&world, &store, 0, &entries);
        checkpoint(&world, &store);
    }
    write(&world, &store, 0, &[put(key(0, b"last"), &timed(now_ms)), put(key(1, b"last"), &timed(now_ms + 5000))]);
    write(&world, &store, 0, &(0..8).map(|n| put(key(n, b"later"), &timed(now_ms + 5000))).collect::<Vec<_>>());
    checkpoint(&world, &store);
    world.executor.run_until_idle();
    assert!(store.metrics().compacted_bytes > 0);
    let left = world.executor.run(scan_all(&store, 0, &[], &[], 100)).unwrap();
    let with = |rest: &[u8]| left.iter().filter(|(key, _)| key[2..] == *rest).count();
    assert_eq!((with(&0i64.to_be_bytes()), with(&(now_ms - 2000).to_be_bytes())), (12, 0));
    assert_eq!((with(&now_ms.to_be_bytes()), with(b"last"), with(b"later")), (12, 2, 8));
}

#[test]
fn files_that_are_merged_are_discarded_when_nobody_reads_them() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let mut last = StoreSnapshot::default();
    for round in 0..8u32 {
        let entries: Vec<_> = (0..12).map(|n| put(key(n, &(round % 2).to_be_bytes()), &noise(n, 90))).collect();
        write(&world, &store, 0, &entries);
        last = checkpoint(&world, &store);
    }
    world.executor.run_until_idle();
    let discarded = store.take_discarded();
    assert!(discarded.len() >= 8 && store.take_discarded().is_empty(), "{discarded:?}");
    let now = checkpoint(&world, &store);
    assert!(now.files.iter().all(|file| !discarded.contains(&file.path)));
    assert!(last.files.iter().any(|file| discarded.contains(&file.path)));
    // They are still there, because somebody else decides.
    assert!(discarded.iter().all(|path| world.objects.all().contains_key(path)));
    let live: u64 = now.files.iter().map(|file| file.entries).sum();
    assert_eq!(live, 24);
}

#[test]
fn a_newer_file_is_not_called_damaged() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(7, 100))).collect::<Vec<_>>());
    let mut snapshot = checkpoint(&world, &store);
    let file = &mut snapshot.files[0];
    let mut bytes = world.objects.all()[&file.path].to_vec();
    let end = bytes.len();
    bytes[end - 10] += 1;
    file.checksum = format::checksum(&bytes[end - 40..end - 4]);
    bytes[end - 4..].copy_from_slice(&file.checksum.to_le_bytes());
    world.objects.damage(&file.path, Some(bytes.into()));
    let store = world.open(0, 1, &[snapshot]);
    let error = world.executor.run(store.fetch(StateNumber(0), &keys(&[key(0, b"a")]))).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.message().contains("version 2"), "{error}");
}

#[test]
fn writes_to_what_is_not_declared_are_refused() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let writes = batch(&[put(key(0, b"a"), b"")]);
    let error = world.executor.run(store.write(StateNumber(2), &writes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn a_scan_serves_tools_over_all_subtasks() {
    let world = World::new(1);
    let parts: Vec<StoreSnapshot> = (0..3)
        .map(|index| {
            let store = world.open(index, 3, &[]);
            let groups = index * 4..index * 4 + 4;
            write(&world, &store, 0, &groups.map(|n| put(key(n, b"a"), &noise(7, 100))).collect::<Vec<_>>());
            checkpoint(&world, &store)
        })
        .collect();
    let options = StoreOptions { key_groups: 0..1 << 16, ..world.options(0, 1) };
    let store = SegmentStore::open(options, &parts).unwrap();
    let all = world.executor.run(scan_all(&store, 0, &[], &[], 5)).unwrap();
    assert_eq!(all.iter().map(|(key, _)| key[1]).collect::<Vec<_>>(), (0..12).collect::<Vec<u8>>());
}

#[test]
fn what_is_prefetched_needs_no_more_reads() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(7, 100))).collect::<Vec<_>>());
    let snapshot = checkpoint(&world, &store);
    let store = world.open(0, 1, &[snapshot]);
    store.prefetch(StateNumber(0), keys(&[key(3, b"a"), key(7, b"a")]));
    world.executor.run_until_idle();
    let before = store.metrics().read_bytes;
    assert!(before > 0);
    assert_eq!(get(&world, &store, 0, key(3, b"a")), Some(noise(7, 100)));
    assert_eq!(store.metrics().read_bytes, before);
}

#[test]
fn what_is_written_after_a_prefetch_counts() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(7, 100))).collect::<Vec<_>>());
    checkpoint(&world, &store);
    let ask = |keys_of: &[u32]| {
        store.prefetch(StateNumber(0), keys(&keys_of.iter().map(|n| key(*n, b"a")).collect::<Vec<_>>()));
        world.executor.run_until_idle();
    };
    // In the memtable.
    ask(&[3, 7]);
    write(&world, &store, 0, &[put(key(3, b"a"), &noise(8, 100)), (WriteKind::Delete, key(7, b"a"), Vec::new())]);
    assert_eq!(get(&world, &store, 0, key(3, b"a")), Some(noise(8, 100)));
    assert_eq!(get(&world, &store, 0, key(7, b"a")), None);
    // In a file that is newer.
    ask(&[3, 4, 7]);
    write(&world, &store, 0, &[put(key(4, b"a"), &noise(9, 100)), put(key(7, b"a"), &noise(9, 100))]);
    checkpoint(&world, &store);
    assert_eq!(get(&world, &store, 0, key(7, b"a")), Some(noise(9, 100)));
    assert_eq!(get(&world, &store, 0, key(4, b"a")), Some(noise(9, 100)));
    // While it is being looked up.
    store.prefetch(StateNumber(0), keys(&[key(5, b"a")]));
    assert_eq!(get(&world, &store, 0, key(5, b"a")), Some(noise(7, 100)));
}

#[test]
fn what_is_prefetched_is_kept_within_the_size_of_the_cache() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let large = CACHE_BYTES / 5;
    write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(7, large))).collect::<Vec<_>>());
    checkpoint(&world, &store);
    // A file that is being written counts, too.
    world.executor.run_until_idle();
    let before = store.memory_bytes();
    let mut kept = Vec::new();
    for n in 0..8 {
        store.prefetch(StateNumber(0), keys(&[key(n, b"a")]));
        world.executor.run_until_idle();
        kept.push(store.memory_bytes() - before);
    }
    assert!(kept[0] >= large && kept[7] <= CACHE_BYTES, "{kept:?}");
    assert!((0..8).all(|n| get(&world, &store, 0, key(n, b"a")) == Some(noise(7, large))));
    assert_eq!(store.memory_bytes(), before);
}

#[test]
fn what_is_cached_of_files_does_not_outlive_them() {
    let world = World::new(1);
    let options = StoreOptions { cache: BlockCache::new(10 << 20), ..world.options(0, 1) };
    let cache = Arc::clone(&options.cache);
    let store = SegmentStore::open(options, &[]).unwrap();
    store.declare(&descriptor(0)).unwrap();
    let mut most = [0; 2];
    for round in 0..400 {
        write(&world, &store, 0, &(0..12).map(|n| put(key(n, b"a"), &noise(round, 100))).collect::<Vec<_>>());
        checkpoint(&world, &store);
        world.executor.run_until_idle();
        (0..12).for_each(|n| assert!(get(&world, &store, 0, key(n, b"a")).is_some()));
        let most = &mut most[round as usize / 200];
        *most = cache.used_bytes().max(*most);
    }
    assert!(most[0] > 0 && most[1] <= most[0], "the state is the same, and more and more is kept of it: {most:?}");
    drop(store);
    world.executor.run_until_idle();
    assert_eq!(cache.used_bytes(), 0);
}

#[test]
fn a_store_that_has_no_room_takes_some_writes_and_has_room_when_others_are_stored() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let write =
        |n: u32| ready(store.write(StateNumber(0), &batch(&[put(key(n % 12, &n.to_be_bytes()), &noise(n, 100))])));
    let upto = (0..1000).find(|n| {
        write(*n).unwrap();
        !store.has_room()
    });
    let upto = upto.unwrap();
    (1..5).for_each(|n| write(upto + n).unwrap());
    world.executor.run_until_idle();
    assert!(store.has_room());
    assert!((0..upto + 5).all(|n| get(&world, &store, 0, key(n % 12, &n.to_be_bytes())) == Some(noise(n, 100))));
}

#[test]
fn it_also_works_where_tasks_end_before_they_are_started() {
    let fake = FakeWorld::at(0);
    let cache = BlockCache::new(1 << 20);
    let instance = (Subtask { index: 0, parallelism: 1 }, 0..12);
    let objects = Arc::clone(fake.objects()) as _;
    let options = StoreOptions::new(objects, fake.environment(), "a/".to_owned(), instance, cache);
    let options = StoreOptions { memtable_bytes: 2000, inline_bytes_max: 100, ..options };
    let store = SegmentStore::open(options.clone(), &[]).unwrap();
    store.declare(&descriptor(0)).unwrap();
    for n in 0..400u32 {
        let key = key(n % 40 % 12, &(n % 40).to_be_bytes());
        ready(store.write(StateNumber(0), &batch(&[put(key, &noise(n, 100))]))).unwrap();
    }
    let snapshot = ready(store.checkpoint()).unwrap();
    assert!(store.metrics().compacted_bytes > 0);
    let store = SegmentStore::open(options, &[snapshot]).unwrap();
    let mut found = 0;
    let mut from = Some(Bytes::new());
    while let Some(next) = from {
        let page = ready(store.scan(StateNumber(0), &[], &next, 7)).unwrap();
        (found, from) = (found + page.entries.len(), page.next);
    }
    assert_eq!(found, 40);
}

#[test]
fn what_is_written_meanwhile_belongs_to_the_next_checkpoint() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    write(&world, &store, 0, &[put(key(0, b"a"), b"1")]);
    let first = store.checkpoint();
    write(&world, &store, 0, &[put(key(0, b"a"), b"2")]);
    let second = store.checkpoint();
    write(&world, &store, 0, &[put(key(0, b"a"), b"3")]);
    let second = world.executor.run(second).unwrap();
    let first = world.executor.run(first).unwrap();
    for (snapshot, value) in [(first, b"1"), (second, b"2")] {
        let store = world.open(0, 1, &[snapshot]);
        assert_eq!(get(&world, &store, 0, key(0, b"a")), Some(value.to_vec()));
    }
    assert_eq!(get(&world, &store, 0, key(0, b"a")), Some(b"3".to_vec()));
}
