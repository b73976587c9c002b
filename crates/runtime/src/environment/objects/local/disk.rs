//! The blocking calls behind local objects.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flott_api::env::{Clock, Rng};
use flott_api::object::{ObjectStatus, PutMode, PutOutcome};

use super::folders::{self, Folders};
use crate::environment::objects::StoreWorld;

/// What unfinished objects are called.
const TEMPORARY: &str = ".flott-tmp-";
/// An unfinished object that nobody touched for so long is nobody's.
const ABANDONED_MS: i64 = 60 * 60 * 1000;
/// How often a folder may vanish under a put before it gives up.
const FOLDER_TRIES_MAX: u32 = 100;

pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// A folder of this machine with objects.
pub(super) struct Disk {
    root: PathBuf,
    folders: Folders,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
    temporaries: AtomicU64,
}

/// A file under a hidden name; dropping it removes that name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is gone; what cannot be removed is found by a listing.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

impl Disk {
    pub(super) fn new(root: &Path, world: &StoreWorld) -> Self {
        Disk {
            // Without a current folder there is none above a relative one either; the first call will say so.
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
            folders: Folders::default(),
            rng: Arc::clone(&world.rng),
            clock: Arc::clone(&world.clock),
            temporaries: AtomicU64::new(0),
        }
    }

    pub(super) fn keep_folder(&self, path: &str) {
        self.folders.keep(self.file_of(path));
    }

    pub(super) fn file_of(&self, path: &str) -> PathBuf {
        // Joining nothing would add a slash.
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    pub(super) fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> io::Result<PutOutcome> {
        let target = self.file_of(path);
        let temporary = self.temporary_beside(&target, &|temporary| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
            file.write_all(bytes)?;
            file.sync_all()
        })?;
        match mode {
            PutMode::Overwrite => fs::rename(&temporary.0, &target)?,
            PutMode::Create => match fs::hard_link(&temporary.0, &target) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists && target.is_dir() => {
                    return Err(ErrorKind::IsADirectory.into());
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(PutOutcome::Exists),
                linked => linked.map_err(no_links)?,
            },
        }
        self.settle(folder_of(&target))?;
        Ok(PutOutcome::Stored)
    }

    pub(super) fn get(&self, path: &str) -> io::Result<Option<Bytes>> {
        found(fs::read(self.file_of(path)).map(Bytes::from))
    }

    pub(super) fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> io::Result<Option<Vec<Bytes>>> {
        let Some((file, metadata)) = self.open(path)? else { return Ok(None) };
        let size = metadata.len();
        ranges.iter().map(|range| read_range(&file, size, range)).collect::<io::Result<_>>().map(Some)
    }

    pub(super) fn delete(&self, path: &str) -> io::Result<()> {
        let file = self.file_of(path);
        match fs::remove_file(&file) {
            Ok(()) => self.folders.prune(folder_of(&file)),
            // A folder is no object.
            Err(e) if is_missing(&e) || file.is_dir() => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Whether there was something to copy.
    pub(super) fn copy(&self, from: &str, to: &str) -> io::Result<bool> {
        let Some((source, _)) = self.open(from)? else { return Ok(false) };
        let (from, target) = (self.file_of(from), self.file_of(to));
        let temporary = self.temporary_beside(&target, &|temporary| {
            // Objects are replaced and never changed, so two may share their bytes.
            match fs::hard_link(&from, temporary) {
                Err(e) if e.kind() != ErrorKind::NotFound => copy_bytes(&source, temporary),
                linked => linked,
            }
        })?;
        fs::rename(&temporary.0, &target)?;
        self.settle(folder_of(&target))?;
        Ok(true)
    }

    pub(super) fn list(&self, prefix: &str) -> io::Result<Vec<ObjectStatus>> {
        let (folder, start) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let mut listed = Vec::new();
        // A name that begins as the prefix ends counts; below it every name does.
        let mut to_list = self.list_folder(folder, start, &mut listed)?;
        while let Some(folder) = to_list.pop() {
            to_list.extend(self.list_folder(&folder, "", &mut listed)?);
        }
        listed.sort();
        Ok(listed)
    }

    /// Adds the objects right in a folder whose names begin so, and gives the folders in it.
    fn list_folder(&self, folder: &str, start: &str, listed: &mut Vec<ObjectStatus>) -> io::Result<Vec<String>> {
        let mut below = Vec::new();
        let Some(entries) = found(fs::read_dir(self.file_of(folder)))? else { return Ok(below) };
        for entry in entries {
            let entry = entry?;
            // What is not UTF-8 was never put by us.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_temporary(&name) {
                self.remove_abandoned(&entry.path());
            } else if name.starts_with(start) {
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if entry.file_type()?.is_dir() {
                    below.push(path);
                } else if let Some(metadata) = found(fs::metadata(entry.path()))?.filter(Metadata::is_file) {
                    listed.push(ObjectStatus { path, size: metadata.len(), modified_ms: modified_ms(&metadata) });
                }
            }
        }
        Ok(below)
    }

    /// Best effort: whoever lists is not concerned with it.
    fn remove_abandoned(&self, temporary: &Path) {
        let touched_ms = fs::symlink_metadata(temporary).ok().map(|metadata| modified_ms(&metadata));
        if touched_ms.is_some_and(|ms| self.clock.now_ms().saturating_sub(ms) > ABANDONED_MS) {
            fs::remove_file(temporary).unwrap_or_default();
        }
    }

    /// The file of an object, if there is one.
    fn open(&self, path: &str) -> io::Result<Option<(File, Metadata)>> {
        let opened = File::open(self.file_of(path)).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        Ok(found(opened)?.filter(|(_, metadata)| metadata.is_file()))
    }

    /// Makes a file under a new hidden name in the target's folder, which is created if need be.
    fn temporary_beside(&self, target: &Path, fill: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<Temporary> {
        let folder = folder_of(target);
        let mut tries = 1;
        loop {
            let temporary = Temporary(folder.join(self.temporary_name()));
            match self.folders.create(folder).and_then(|()| fill(&temporary.0)) {
                // The folder had become empty, and somebody removed it.
                Err(e) if e.kind() == ErrorKind::NotFound && tries < FOLDER_TRIES_MAX => self.folders.forget(folder),
                filled => return filled.map(|()| temporary),
            }
            tries += 1;
        }
    }

    fn temporary_name(&self) -> String {
        let count = self.temporaries.fetch_add(1, Ordering::Relaxed);
        format!("{TEMPORARY}{:016x}-{}-{count}", self.rng.next_u64(), std::process::id())
    }

    /// Makes a new name in a folder durable, with the folder: it may have been removed and created
    /// again since it was made sure of.
    fn settle(&self, folder: &Path) -> io::Result<()> {
        let settled = folders::sync(folder).and_then(|()| self.folders.create(folder));
        // The object was deleted again already.
        settled.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) })
    }
}

/// Every object lies in a folder: its path has a name.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

/// Also below a file there is nothing.
fn is_missing(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Nothing, if there is no such file.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_missing(&e) || e.kind() == ErrorKind::IsADirectory => Ok(None),
        Err(e) => Err(e),
    }
}

fn no_links(e: io::Error) -> io::Error {
    match e.kind() {
        ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
            io::Error::new(e.kind(), format!("{e} (its file system must have hard links)"))
        }
        _ => e,
    }
}

fn copy_bytes(mut source: &File, target: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(target)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()
}

fn read_range(file: &File, size: u64, range: &Range<u64>) -> io::Result<Bytes> {
    let end = range.end.min(size);
    let start = range.start.min(end);
    let length = usize::try_from(end - start).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}

/// When it got its bytes or its name, whichever was later: a copy is as young as one in a bucket.
fn modified_ms(metadata: &Metadata) -> i64 {
    let bytes_ms = metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000;
    let name_ms = metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000;
    bytes_ms.max(name_ms)
}
