//! Object storage in memory, and with faults: for tests, and the ground under a simulation.

mod faulty;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use crate::{BoxFuture, Error, Result};

pub use faulty::{Crash, Fault, FaultKind, FaultRates, FaultRule, FaultyObjects, Hook, ObjectCall};

/// Objects in memory. All URIs are paths in one store: `memory://a/b` and `/a/b` are `a/b`.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryObjects {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All objects, for a look at them and for damage.
    pub fn all(&self) -> BTreeMap<String, Bytes> {
        self.lock().clone()
    }

    /// Replaces an object behind everybody's back; nothing removes it.
    pub fn damage(&self, path: &str, bytes: Option<Bytes>) {
        let mut objects = self.lock();
        match bytes {
            Some(bytes) => drop(objects.insert(path.to_owned(), bytes)),
            None => drop(objects.remove(path)),
        }
    }
}

fn cut(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = (range.end as usize).min(bytes.len());
    bytes.slice((range.start as usize).min(end)..end)
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl ObjectStore for MemoryObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        let mut objects = self.lock();
        if mode == PutMode::Create && objects.contains_key(path) {
            return done(PutOutcome::Exists);
        }
        objects.insert(path.to_owned(), bytes);
        done(PutOutcome::Stored)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        done(self.lock().get(path).cloned())
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        let object = self.lock().get(path).cloned();
        done(object.map(|bytes| ranges.iter().map(|r| cut(&bytes, r)).collect()))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        let objects = self.lock();
        let found = objects.range(prefix.to_owned()..).take_while(|(path, _)| path.starts_with(prefix));
        let status = |(path, bytes): (&String, &Bytes)| ObjectStatus {
            path: path.clone(),
            size: bytes.len() as u64,
            modified_ms: 0,
        };
        done(found.map(status).collect())
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.lock().remove(path);
        done(())
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        let mut objects = self.lock();
        let Some(bytes) = objects.get(from).cloned() else {
            let missing = Error::external(format!("object '{from}' does not exist"));
            return Box::pin(std::future::ready(Err(missing)));
        };
        objects.insert(to.to_owned(), bytes);
        done(())
    }
}

/// Finds this store for every URI.
impl ObjectStores for Arc<MemoryObjects> {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        Ok((Arc::clone(self) as _, path_of(uri)))
    }
}

fn path_of(uri: &str) -> String {
    uri.split_once("://").map_or(uri, |(_, path)| path).trim_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ready;

    #[test]
    fn an_object_is_created_once_and_read_in_parts() {
        let store = MemoryObjects::new();
        let put =
            |text: &'static str, mode| ready(store.put("a/b", Bytes::from_static(text.as_bytes()), mode)).unwrap();
        assert_eq!(put("one", PutMode::Create), PutOutcome::Stored);
        assert_eq!(put("two", PutMode::Create), PutOutcome::Exists);
        assert_eq!(ready(store.get_ranges("a/b", &[0..1, 2..9])).unwrap().unwrap(), ["o", "e"]);
        assert_eq!(put("two", PutMode::Overwrite), PutOutcome::Stored);
        assert_eq!(ready(store.list("a/")).unwrap()[0].size, 3);
        ready(store.delete("a/b")).unwrap();
        assert_eq!(ready(store.get("a/b")).unwrap(), None);
    }
}
