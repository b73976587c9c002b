//! A mirror over a remote store that counts requests; background work runs at once.

use std::collections::BTreeMap;

use flott_api::testing::objects::{FaultyObjects, ObjectCall};
use flott_api::testing::{FakeWorld, MemoryObjects, object_contract, ready};

use super::*;
use crate::environment::{Objects, StoreWorld};

const ROOT: &str = "s3://bucket/jobs/one";

/// `s3://…` is a store that counts; all else is this machine.
struct World {
    remote: Arc<FaultyObjects>,
    machine: Arc<MemoryObjects>,
}

impl ObjectStores for World {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        match uri.strip_prefix("s3://bucket/") {
            Some(path) => Ok((Arc::clone(&self.remote) as _, path.to_owned())),
            None => self.machine.resolve(uri),
        }
    }
}

fn world() -> (Arc<World>, Environment) {
    let world =
        Arc::new(World { remote: FaultyObjects::new(MemoryObjects::new(), vec![]), machine: MemoryObjects::new() });
    let environment = Environment { objects: Arc::clone(&world) as _, ..FakeWorld::at(0).environment() };
    (world, environment)
}

fn files_of(environment: &Environment) -> (Arc<Mirror>, Arc<RoutingObjects>) {
    let mirror = ready(Mirror::open(ROOT, "/tmp", environment)).unwrap();
    let files = RoutingObjects::new(Arc::clone(&mirror) as _, ROOT).unwrap();
    (mirror, files)
}

fn put(store: &dyn ObjectStore, path: &str, text: &'static str) {
    ready(store.put(path, Bytes::from_static(text.as_bytes()), PutMode::Overwrite)).unwrap();
}

impl World {
    /// How often the remote store was read.
    fn reads(&self) -> usize {
        self.remote.calls().iter().filter(|(call, _)| matches!(call, ObjectCall::Get | ObjectCall::GetRanges)).count()
    }

    fn copies(&self) -> usize {
        self.machine.all().len()
    }
}

#[test]
fn only_a_remote_store_is_worth_copies() {
    assert!(is_remote("s3://b/a") && is_remote("s3a://b"));
    for local in ["/a", "a/b", "file:///a", "file:/a", "memory://x/a"] {
        assert!(!is_remote(local), "{local}");
    }
}

#[test]
fn it_keeps_the_contract() {
    let environment = FakeWorld::at(0).environment();
    let objects = Arc::new(Objects::new(StoreWorld::of(&environment), BTreeMap::new()));
    let environment = Environment { objects, ..environment };
    let mirror = ready(Mirror::open("memory://remote/jobs/one", "memory://local", &environment)).unwrap();
    ready(object_contract(mirror.mirrored.as_ref(), "a/folder"));
}

#[test]
fn what_was_written_here_is_never_read_from_the_store() {
    let (world, environment) = world();
    let (_mirror, files) = files_of(&environment);
    put(files.as_ref(), "shared/1.seg", "0123456789");
    for _ in 0..3 {
        assert_eq!(ready(files.get_ranges("shared/1.seg", &[2..4, 0..1])).unwrap().unwrap(), ["23", "0"]);
    }
    assert_eq!((world.reads(), world.copies()), (0, 1));
    // Its reply was lost, so it is written again.
    put(files.as_ref(), "shared/1.seg", "0123456789");
    assert_eq!(ready(files.get("shared/1.seg")).unwrap().unwrap(), "0123456789");
}

#[test]
fn what_others_wrote_is_read_once_from_the_store() {
    let (world, environment) = world();
    put(world.remote.as_ref(), "jobs/one/shared/1.seg", "0123456789");
    put(world.remote.as_ref(), "saved/state/1.seg", "abc");
    let (_mirror, files) = files_of(&environment);
    for path in ["shared/1.seg", "s3://bucket/saved/state/1.seg"] {
        assert!(ready(files.get_ranges(path, &[0..1, 2..3])).unwrap().is_some());
        let reads = world.reads();
        for _ in 0..3 {
            assert!(ready(files.get_ranges(path, &[1..3, 0..1])).unwrap().is_some());
        }
        assert_eq!(world.reads(), reads, "{path}");
    }
    assert_eq!(world.copies(), 2);
}

#[test]
fn what_may_be_replaced_always_comes_from_the_store() {
    let (world, environment) = world();
    let (_mirror, files) = files_of(&environment);
    put(files.as_ref(), "epochs/1", "me");
    assert_eq!(ready(files.get("epochs/1")).unwrap().unwrap(), "me");
    put(world.remote.as_ref(), "jobs/one/epochs/1", "you");
    assert_eq!(ready(files.get("epochs/1")).unwrap().unwrap(), "you");
    assert_eq!((world.reads(), world.copies()), (2, 0));
}

#[test]
fn copies_go_with_their_files_with_the_job_and_when_it_starts() {
    let (world, environment) = world();
    put(world.machine.as_ref(), "tmp/other", "not ours");
    let (mirror, files) = files_of(&environment);
    for path in ["shared/1.seg", "shared/2.seg"] {
        put(files.as_ref(), path, "x");
    }
    ready(files.delete("shared/1.seg")).unwrap();
    assert_eq!((world.copies(), ready(files.get("shared/1.seg")).unwrap()), (2, None));
    // Killed, and its copy is damaged.
    let copy = world.machine.all().into_keys().find(|path| path.ends_with("2.seg")).unwrap();
    put(world.machine.as_ref(), &copy, "y");
    let (mirror_again, files) = files_of(&environment);
    assert_eq!(ready(files.get("shared/2.seg")).unwrap().unwrap(), "x");
    drop(mirror);
    ready(mirror_again.remove()).unwrap();
    assert_eq!(world.machine.all().into_keys().collect::<Vec<_>>(), ["tmp/other"]);
}
