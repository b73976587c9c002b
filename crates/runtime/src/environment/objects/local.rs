//! Objects in folders of this machine, a file each.
//!
//! A file gets its name when it is whole and on the disk: it is written under a hidden name in the same
//! folder, and then linked (which fails if the name is taken) or renamed. The folder is synchronised
//! after that, so an object that was put is there after a power cut. What a process that was killed
//! leaves under a hidden name is no object, and a later listing removes it. A delete takes the folders
//! with it that it empties, but none that a URI named.
//!
//! Several processes may share a folder, also over a network file system that has hard links. An object
//! and a folder cannot have the same name here, as they can in a bucket: `a` and `a/b`. Links to
//! folders are followed to where a listing begins and not below.

mod disk;
mod failure;
mod folders;

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flott_api::env::Spawner;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome, check_path, check_prefix};
use flott_api::{BoxFuture, Error, Result};

use super::StoreWorld;
use disk::Disk;

/// The objects below one folder.
pub struct LocalObjects {
    disk: Arc<Disk>,
    spawner: Arc<dyn Spawner>,
}

impl LocalObjects {
    /// The objects below a folder; it is created with the first object.
    pub fn in_folder(root: &Path, world: &StoreWorld) -> Self {
        let store = LocalObjects { disk: Arc::new(Disk::new(root, world)), spawner: Arc::clone(&world.spawner) };
        store.keep_folder("");
        store
    }

    /// All files of this machine. No folder is removed but below one that is kept.
    pub fn of_machine(world: &StoreWorld) -> Self {
        LocalObjects { disk: Arc::new(Disk::new(Path::new("/"), world)), spawner: Arc::clone(&world.spawner) }
    }

    /// A folder that stays when it is empty, and the folders above it: the user named it.
    pub fn keep_folder(&self, path: &str) {
        self.disk.keep_folder(path);
    }

    /// Does blocking work that was not refused, and tells of its failure in the user's words.
    fn work<'a, T: Send + 'static>(
        &'a self,
        checked: Result<()>,
        (verb, path): (&'static str, &'a str),
        work: impl FnOnce(&Disk, &str) -> std::io::Result<T> + Send + 'static,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            checked?;
            let (disk, owned) = (Arc::clone(&self.disk), path.to_owned());
            let done = on_blocking(self.spawner.as_ref(), move || work(&disk, &owned)).await?;
            done.map_err(|e| failure::error(e, verb, &self.disk.file_of(path)))
        })
    }
}

/// The result of blocking work.
async fn on_blocking<T: Send + 'static>(spawner: &dyn Spawner, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let slot = Arc::new(Mutex::new(None));
    let filled = Arc::clone(&slot);
    let fill = move || *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(work());
    spawner.blocking(Box::new(fill)).await;
    let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.ok_or_else(|| Error::internal("blocking work ended without a result"))
}

fn check_object(path: &str) -> Result<()> {
    check_path(path)?;
    if path.rsplit('/').next().is_some_and(disk::is_temporary) {
        return Err(Error::invalid(format!("object path '{path}' is a name of unfinished objects")));
    }
    Ok(())
}

impl ObjectStore for LocalObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        self.work(check_object(path), ("written", path), move |disk, path| disk.put(path, &bytes, mode))
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.work(check_object(path), ("read", path), Disk::get)
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        let ranges = ranges.to_vec();
        self.work(check_object(path), ("read", path), move |disk, path| disk.get_ranges(path, &ranges))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        self.work(check_prefix(prefix), ("listed", prefix), Disk::list)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.work(check_object(path), ("deleted", path), Disk::delete)
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            check_object(from)?;
            let target = to.to_owned();
            let copied =
                self.work(check_object(to), ("copied", from), move |disk, from| disk.copy(from, &target)).await?;
            if copied { Ok(()) } else { Err(Error::external(format!("object '{from}' does not exist"))) }
        })
    }
}

#[cfg(test)]
mod tests;
