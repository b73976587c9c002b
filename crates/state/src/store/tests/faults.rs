//! Storage that fails: what is tried again, what is told, and what nobody may notice.

use flott_api::ErrorKind;

use super::super::*;
use super::world::{Fault, World, batch, key, keys, noise, put};

fn fill(world: &World, store: &SegmentStore, entries: u32) {
    for n in 0..entries {
        let write = batch(&[put(key(n % 12, &n.to_be_bytes()), &noise(n, 100))]);
        world.executor.run(store.write(StateNumber(0), &write)).unwrap();
    }
}

fn plant(world: &World, faults: &[Fault]) {
    *world.faults.next.lock().unwrap() = faults.to_vec();
}

fn left(world: &World) -> usize {
    world.faults.next.lock().unwrap().len()
}

#[test]
fn a_put_that_fails_is_tried_again_before_and_after_its_effect() {
    for fault in [Fault::Before, Fault::After] {
        let world = World::new(3);
        let store = world.open(0, 1, &[]);
        plant(&world, &[fault; 4]);
        fill(&world, &store, 20);
        let snapshot = world.executor.run(store.checkpoint()).unwrap();
        assert_eq!((left(&world), snapshot.files.is_empty()), (0, false));
        for file in &snapshot.files {
            assert_eq!(world.objects.all()[&file.path].len() as u64, file.size);
        }
    }
}

#[test]
fn a_flush_that_is_given_up_is_told_once_and_then_tried_again() {
    for faults in [vec![Fault::Before; 5], vec![Fault::After; 5], vec![Fault::Final]] {
        let world = World::new(3);
        let store = world.open(0, 1, &[]);
        fill(&world, &store, 20);
        plant(&world, &faults);
        let error = world.executor.run(store.checkpoint()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::External { .. }) && error.message().contains("shared/"), "{error}");
        assert_eq!(left(&world), 0);
        let write = batch(&[put(key(0, b"x"), &noise(1, 100))]);
        let error = world.executor.run(store.write(StateNumber(0), &write)).unwrap_err();
        assert!(error.message().contains("planted fault"), "{error}");
        world.executor.run(store.write(StateNumber(0), &write)).unwrap();
        let snapshot = world.executor.run(store.checkpoint()).unwrap();
        let store = world.open(0, 1, &[snapshot]);
        let found =
            world.executor.run(store.fetch(StateNumber(0), &keys(&[key(0, &12u32.to_be_bytes()), key(0, b"x")])));
        assert!(found.unwrap().iter().all(Option::is_some));
    }
}

#[test]
fn a_writer_that_waits_for_memory_learns_of_the_failure() {
    let world = World::new(3);
    let store = world.open(0, 1, &[]);
    plant(&world, &[Fault::Final; 50]);
    let failed = (0..400u32).find_map(|n| {
        let write = batch(&[put(key(n % 12, &n.to_be_bytes()), &noise(n, 100))]);
        world.executor.run(store.write(StateNumber(0), &write)).err()
    });
    assert!(failed.unwrap().message().contains("planted fault"));
    assert!(store.metrics().memtable_bytes < 4 * 3_300);
    plant(&world, &[]);
    fill(&world, &store, 400);
    world.executor.run(store.checkpoint()).unwrap();
}

#[test]
fn a_read_that_fails_is_tried_again_and_then_told() {
    let world = World::new(3);
    let store = world.open(0, 1, &[]);
    fill(&world, &store, 100);
    let snapshot = world.executor.run(store.checkpoint()).unwrap();
    world.executor.run_until_idle();
    let store = world.open(0, 1, &[snapshot]);
    let wanted = keys(&[key(0, &12u32.to_be_bytes()), key(5, &17u32.to_be_bytes())]);
    plant(&world, &[Fault::Final]);
    let error = world.executor.run(store.fetch(StateNumber(0), &wanted)).unwrap_err();
    assert!(error.message().contains("cannot be read") && error.message().contains("shared/"), "{error}");
    plant(&world, &[Fault::Before; 4]);
    let found = world.executor.run(store.fetch(StateNumber(0), &wanted)).unwrap();
    assert!(found.iter().all(Option::is_some));
    assert_eq!(left(&world), 0);
}

#[test]
fn a_closed_store_answers_whoever_waits() {
    let world = World::new(3);
    let store = world.open(0, 1, &[]);
    fill(&world, &store, 20);
    let checkpoint = store.checkpoint();
    drop(store);
    assert_eq!(world.executor.run(checkpoint).unwrap_err().kind(), ErrorKind::Cancelled);
    world.executor.run_until_idle();
    assert_eq!(world.executor.tasks(), 0);
}
