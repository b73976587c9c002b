//! Files that are not what they were: every one is named, and none is believed.

use flott_api::ErrorKind;
use flott_api::state::WriteKind;

use super::super::*;
use super::world::{World, batch, key, noise, put, scan_all};
use crate::handle::StateFile;

/// A checkpoint of one small file of several parts and blocks.
fn small(world: &World) -> StoreSnapshot {
    let options = StoreOptions { inline_bytes_max: 0, block_bytes: 60, ..world.options(0, 1) };
    let store = SegmentStore::open(options, &[]).unwrap();
    for state in 0..2 {
        store.declare(&super::world::descriptor(state)).unwrap();
    }
    let entries: Vec<_> = (0..12u32).map(|n| put(key(n, &n.to_be_bytes()), &[n as u8; 40])).collect();
    world.executor.run(store.write(StateNumber(0), &batch(&entries))).unwrap();
    let clear = batch(&[(WriteKind::ClearNamespace, b"12345678".to_vec(), Vec::new())]);
    world.executor.run(store.write(StateNumber(1), &clear)).unwrap();
    let snapshot = world.executor.run(store.checkpoint()).unwrap();
    assert_eq!(snapshot.files.len(), 1);
    snapshot
}

fn read_all(world: &World, snapshot: &StoreSnapshot) -> Result<usize> {
    let store = world.open(0, 1, std::slice::from_ref(snapshot));
    let read = async {
        let (a, b) = (scan_all(&store, 0, &[], &[], 100).await?, scan_all(&store, 1, &[], &[], 100).await?);
        Ok(a.len() + b.len())
    };
    world.executor.run(read)
}

#[test]
fn every_flipped_byte_of_a_file_is_seen() {
    let world = World::new(1);
    let snapshot = small(&world);
    let path = &snapshot.files[0].path;
    let good = world.objects.all()[path].clone();
    assert_eq!(read_all(&world, &snapshot).unwrap(), 12);
    for at in 0..good.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = good.to_vec();
            bytes[at] ^= flip;
            world.objects.damage(path, Some(bytes.into()));
            // Filters are not read by a scan, but lie with the indexes that are.
            let error = read_all(&world, &snapshot).expect_err(&format!("byte {at} of {}", good.len()));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
            assert!(error.message().contains(path.as_str()), "{error}");
        }
    }
}

#[test]
fn a_file_that_is_cut_off_gone_or_another_is_seen() {
    let world = World::new(1);
    let snapshot = small(&world);
    let path = &snapshot.files[0].path;
    let good = world.objects.all()[path].clone();
    let expect_corrupt = |snapshot: &StoreSnapshot, what: &str| {
        let error = read_all(&world, snapshot).expect_err(what);
        assert!(error.kind() == ErrorKind::Corrupt && error.message().contains(path.as_str()), "{what}: {error}");
    };
    for length in 0..good.len() {
        world.objects.damage(path, Some(good.slice(..length)));
        expect_corrupt(&snapshot, &format!("cut off at {length}"));
        // The checkpoint believes it, too.
        let size = length as u64;
        let file = StateFile { size, ..snapshot.files[0].clone() };
        expect_corrupt(&StoreSnapshot { files: vec![file], ..snapshot.clone() }, &format!("short by name, {length}"));
    }
    world.objects.damage(path, None);
    expect_corrupt(&snapshot, "gone");
    world.objects.damage(path, Some(good));
    let file = StateFile { checksum: snapshot.files[0].checksum ^ 1, ..snapshot.files[0].clone() };
    expect_corrupt(&StoreSnapshot { files: vec![file], ..snapshot.clone() }, "another");
}

#[test]
fn inline_state_that_is_damaged_is_seen() {
    let world = World::new(1);
    let store = world.open(0, 1, &[]);
    let entries: Vec<_> = (0..5u32).map(|n| put(key(n, &n.to_be_bytes()), &[n as u8; 20])).collect();
    world.executor.run(store.write(StateNumber(0), &batch(&entries))).unwrap();
    let snapshot = world.executor.run(store.checkpoint()).unwrap();
    let inline = snapshot.inline.clone().unwrap();
    for at in 0..inline.bytes.len() {
        let mut bytes = inline.bytes.to_vec();
        bytes[at] ^= 0x10;
        let inline = Some(crate::handle::InlineState { bytes: bytes.into(), ..inline.clone() });
        let error = read_all(&world, &StoreSnapshot { inline, ..snapshot.clone() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
    }
}

#[test]
fn a_damaged_file_stops_the_job_when_a_compaction_meets_it() {
    let world = World::new(1);
    let mut store = world.open(0, 1, &[]);
    for round in 0..3u32 {
        let entries: Vec<_> = (0..12).map(|n| put(key(n, &round.to_be_bytes()), &noise(n, 90))).collect();
        world.executor.run(store.write(StateNumber(0), &batch(&entries))).unwrap();
        let snapshot = world.executor.run(store.checkpoint()).unwrap();
        world.executor.run_until_idle();
        assert_eq!(snapshot.files.len() as u32, round + 1);
        if round == 2 {
            let path = &snapshot.files[1].path;
            let mut bytes = world.objects.all()[path].to_vec();
            bytes[20] ^= 1;
            world.objects.damage(path, Some(bytes.into()));
        }
        store = world.open(0, 1, &[snapshot]);
    }
    let entries: Vec<_> = (0..12).map(|n| put(key(n, b"last"), &noise(n, 90))).collect();
    world.executor.run(store.write(StateNumber(0), &batch(&entries))).unwrap();
    world.executor.run(store.checkpoint()).unwrap();
    world.executor.run_until_idle();
    let error = world.executor.run(store.checkpoint()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}
