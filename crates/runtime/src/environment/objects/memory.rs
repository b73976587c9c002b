//! Objects in the memory of this process: `memory://name/path`, for tests and for trying things out.
//!
//! Whoever asks for the same name gets the same objects, until the process ends. A job that is
//! restored from here must be restored within the same process.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome, check_path, check_prefix};
use flott_api::{BoxFuture, Error, Result};

/// An object and when it was put.
#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    modified_ms: i64,
}

type Space = Arc<Mutex<BTreeMap<String, Stored>>>;

static SPACES: Mutex<BTreeMap<String, Space>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under the locks is one step, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The objects under one name.
pub struct MemoryObjects {
    space: Space,
    clock: Arc<dyn Clock>,
}

impl MemoryObjects {
    /// The objects under this name; all that ask for it share them.
    pub fn named(name: &str, clock: Arc<dyn Clock>) -> Self {
        let space = Arc::clone(lock(&SPACES).entry(name.to_owned()).or_default());
        MemoryObjects { space, clock }
    }

    fn put_now(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<PutOutcome> {
        check_path(path)?;
        let mut objects = lock(&self.space);
        if mode == PutMode::Create && objects.contains_key(path) {
            return Ok(PutOutcome::Exists);
        }
        objects.insert(path.to_owned(), Stored { bytes, modified_ms: self.clock.now_ms() });
        Ok(PutOutcome::Stored)
    }

    fn get_now(&self, path: &str) -> Result<Option<Bytes>> {
        check_path(path)?;
        Ok(lock(&self.space).get(path).map(|stored| stored.bytes.clone()))
    }

    fn copy_now(&self, from: &str, to: &str) -> Result<()> {
        let bytes = self.get_now(from)?.ok_or_else(|| Error::external(format!("object '{from}' does not exist")))?;
        self.put_now(to, bytes, PutMode::Overwrite).map(|_| ())
    }

    fn list_now(&self, prefix: &str) -> Result<Vec<ObjectStatus>> {
        check_prefix(prefix)?;
        let objects = lock(&self.space);
        let found = objects.range(prefix.to_owned()..).take_while(|(path, _)| path.starts_with(prefix));
        Ok(found.map(status).collect())
    }
}

fn status((path, stored): (&String, &Stored)) -> ObjectStatus {
    ObjectStatus { path: path.clone(), size: stored.bytes.len() as u64, modified_ms: stored.modified_ms }
}

fn cut(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    bytes.slice(start..end)
}

impl ObjectStore for MemoryObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move { self.put_now(path, bytes, mode) })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move { self.get_now(path) })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            let object = self.get_now(path)?;
            Ok(object.map(|bytes| ranges.iter().map(|range| cut(&bytes, range)).collect()))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async move { self.list_now(prefix) })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            check_path(path)?;
            lock(&self.space).remove(path);
            Ok(())
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.copy_now(from, to) })
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{FakeWorld, object_contract, object_pages_contract, ready};

    use super::*;

    #[test]
    fn it_keeps_the_contract() {
        let store = MemoryObjects::named("contract", FakeWorld::at(7));
        ready(object_contract(&store, "a/folder"));
        ready(object_pages_contract(&store, "pages", 2500));
    }

    #[test]
    fn one_name_is_one_store_and_another_name_is_another() {
        let world = FakeWorld::at(7);
        let open = |name: &str| MemoryObjects::named(name, Arc::clone(&world) as _);
        ready(open("names/1").put("a", Bytes::from_static(b"x"), PutMode::Create)).unwrap();
        assert_eq!(ready(open("names/1").get("a")).unwrap().unwrap(), "x");
        assert_eq!(ready(open("names/2").get("a")).unwrap(), None);
        assert_eq!(ready(open("names/1").list("")).unwrap()[0].modified_ms, 7);
    }
}
