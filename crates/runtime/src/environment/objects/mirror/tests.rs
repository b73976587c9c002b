//! The mirror between two stores in memory; background work runs at once.

use flott_api::Error;
use flott_api::testing::{FakeWorld, MemoryObjects, object_contract, ready};

use super::*;

struct Mirrored {
    remote: Arc<MemoryObjects>,
    local: Arc<MemoryObjects>,
    mirror: MirroredObjects,
}

fn open(remote: &Arc<MemoryObjects>, local: Arc<dyn ObjectStore>, bytes_max: u64) -> MirroredObjects {
    let spawner = FakeWorld::at(0).environment().spawner;
    ready(MirroredObjects::open(Arc::clone(remote) as _, local, bytes_max, spawner)).unwrap()
}

impl Mirrored {
    fn new(bytes_max: u64) -> Self {
        let (remote, local) = (MemoryObjects::new(), MemoryObjects::new());
        let mirror = open(&remote, Arc::clone(&local) as _, bytes_max);
        Mirrored { remote, local, mirror }
    }

    fn put(&self, path: &str, text: &'static str) {
        let put = ready(self.mirror.put(path, Bytes::from_static(text.as_bytes()), PutMode::Create)).unwrap();
        assert_eq!(put, PutOutcome::Stored);
    }

    fn get(&self, path: &str) -> Option<Bytes> {
        ready(self.mirror.get(path)).unwrap()
    }

    fn copied(&self) -> Vec<String> {
        self.local.all().into_keys().collect()
    }
}

#[test]
fn it_keeps_the_contract() {
    for bytes_max in [0, 1000, 1 << 30] {
        let world = FakeWorld::at(0).environment();
        let named = |name: String| Arc::new(super::super::MemoryObjects::named(&name, Arc::clone(&world.clock)));
        let (remote, local) = (named(format!("mirror/r{bytes_max}")), named(format!("mirror/l{bytes_max}")));
        let spawner = Arc::clone(&world.spawner);
        let mirror = ready(MirroredObjects::open(remote, Arc::clone(&local) as _, bytes_max, spawner)).unwrap();
        ready(object_contract(&mirror, "a/folder"));
        assert_eq!(ready(local.list("")).unwrap(), [], "copies of what is deleted go");
        assert!(mirror.status().hits > 0);
    }
}

#[test]
fn what_was_put_or_read_once_is_read_from_the_disk() {
    let m = Mirrored::new(100);
    m.put("put", "0123456789");
    ready(m.remote.put("read", Bytes::from_static(b"abc"), PutMode::Create)).unwrap();
    ready(m.remote.put("part", Bytes::from_static(b"abcdef"), PutMode::Create)).unwrap();
    assert_eq!(m.get("read").unwrap(), "abc");
    assert_eq!(ready(m.mirror.get_ranges("part", &[1..2, 0..1])).unwrap().unwrap(), ["b", "a"]);
    assert_eq!(m.mirror.status(), MirrorStatus { objects: 3, bytes: 19, hits: 0, misses: 2 });
    // Without the remote store nothing else could answer.
    m.remote.all().into_keys().for_each(|path| m.remote.damage(&path, None));
    assert_eq!(m.get("put").unwrap(), "0123456789");
    assert_eq!(m.get("read").unwrap(), "abc");
    assert_eq!(ready(m.mirror.get_ranges("part", &[4..9, 1..2, 7..8])).unwrap().unwrap(), ["ef", "b", ""]);
    assert_eq!(m.mirror.status().hits, 3);
    assert_eq!(m.get("never put"), None);
}

#[test]
fn a_damaged_copy_is_not_used_and_made_anew() {
    for damage in [None, Some("0123"), Some("0123456789 and more"), Some("")] {
        let m = Mirrored::new(100);
        let spoil = || m.local.damage("a", damage.map(|text| Bytes::from_static(text.as_bytes())));
        m.put("a", "0123456789");
        spoil();
        assert_eq!(m.get("a").unwrap(), "0123456789", "{damage:?}");
        assert_eq!(m.local.all()["a"], "0123456789", "{damage:?}");
        spoil();
        let ranges = ready(m.mirror.get_ranges("a", &[2..4, 5..20])).unwrap().unwrap();
        assert_eq!(ranges, ["23", "56789"], "{damage:?}");
        assert_eq!(m.local.all()["a"], "0123456789", "{damage:?}");
    }
}

/// Bytes of the right length that are wrong are found above, by their checksum.
#[test]
fn a_copy_that_is_forgotten_is_read_from_afar() {
    let m = Mirrored::new(100);
    m.put("a", "0123456789");
    m.local.damage("a", Some(Bytes::from_static(b"0123456xxx")));
    assert_eq!(m.get("a").unwrap(), "0123456xxx");
    ready(m.mirror.forget("a"));
    assert_eq!(m.copied(), [""; 0]);
    assert_eq!(m.get("a").unwrap(), "0123456789");
    assert_eq!(m.get("a").unwrap(), "0123456789");
}

#[test]
fn copies_keep_to_their_budget() {
    let m = Mirrored::new(20);
    m.put("a", "0123456789");
    m.put("b", "0123456789");
    m.get("a");
    m.put("c", "01234");
    assert_eq!(m.copied(), ["a", "c"]);
    m.put("large", "012345678901234567890");
    assert_eq!(m.copied(), ["a", "c"], "what does not fit at all drives nothing out");
    assert_eq!(m.get("b").unwrap(), "0123456789", "the remote store has all");
    assert_eq!(m.copied(), ["b", "c"]);
    assert_eq!(m.get("large").unwrap().len(), 21);
}

#[test]
fn a_deleted_object_has_no_copy_and_a_lost_race_leaves_none() {
    let m = Mirrored::new(100);
    m.put("a", "0123456789");
    ready(m.mirror.delete("a")).unwrap();
    assert_eq!((m.get("a"), m.copied()), (None, vec![]));
    ready(m.remote.put("owner", Bytes::from_static(b"other"), PutMode::Create)).unwrap();
    let mine = ready(m.mirror.put("owner", Bytes::from_static(b"mine!"), PutMode::Create)).unwrap();
    assert_eq!((mine, m.copied()), (PutOutcome::Exists, vec![]));
    assert_eq!(m.get("owner").unwrap(), "other");
}

#[test]
fn what_an_earlier_process_left_is_used_as_far_as_it_fits() {
    let m = Mirrored::new(100);
    m.put("a", "0123456789");
    m.put("b", "0123456789");
    let again = open(&m.remote, Arc::clone(&m.local) as _, 15);
    assert_eq!(again.status(), MirrorStatus { objects: 1, bytes: 10, hits: 0, misses: 0 });
    assert_eq!(m.copied().len(), 1);
    // `b` first: reading `a` drives it out.
    for path in ["b", "a"] {
        assert_eq!(ready(again.get(path)).unwrap().unwrap(), "0123456789");
    }
    assert_eq!(again.status().hits, 1);
}

/// A disk that is full, gone, or not ours.
struct Broken;

fn broken<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T>> {
    Box::pin(async { Err(Error::external("the disk is broken")) })
}

impl ObjectStore for Broken {
    fn put<'a>(&'a self, _: &'a str, _: Bytes, _: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        broken()
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        broken()
    }

    fn get_ranges<'a>(&'a self, _: &'a str, _: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        broken()
    }

    /// It seems to have an object.
    fn list<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        let left = ObjectStatus { path: "a/folder/a".into(), size: 3, modified_ms: 0 };
        Box::pin(async { Ok(vec![left]) })
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        broken()
    }

    fn copy<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<()>> {
        broken()
    }
}

#[test]
fn a_broken_disk_never_hurts() {
    let world = FakeWorld::at(0).environment();
    let remote = Arc::new(super::super::MemoryObjects::named("mirror/broken", Arc::clone(&world.clock)));
    let mirror = ready(MirroredObjects::open(remote, Arc::new(Broken), 1 << 30, world.spawner)).unwrap();
    ready(object_contract(&mirror, "a/folder"));
    assert_eq!(mirror.status().objects, 0);
}
