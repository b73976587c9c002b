//! Which folders are on the disk, and which may go again.
//!
//! A new folder is durable when the folder above it was synchronised; that is done once for each
//! folder and then remembered. Creating, synchronising and removing happen under one lock: so nobody
//! relies on a folder of which another thread has only made the name. A folder that another process
//! removes meanwhile is created anew; one that another process has just created may go with a power
//! cut of that very moment.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is remembered only saves work; beyond this all is forgotten.
const KNOWN_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Folders {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Durable with all that is above them.
    durable: BTreeSet<PathBuf>,
    /// These stay, and what is above them.
    kept: BTreeSet<PathBuf>,
}

impl Folders {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is remembered is put down after it was done, so a panic leaves nothing wrong.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a folder that must stay; one below another adds nothing.
    pub(super) fn keep(&self, folder: PathBuf) {
        let kept = &mut self.lock().kept;
        if !kept.iter().any(|above| folder.starts_with(above)) {
            kept.insert(folder);
        }
    }

    /// Creates a folder with all above it, durably.
    pub(super) fn create(&self, folder: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.durable.contains(folder) {
            return Ok(());
        }
        create_durably(folder, &inner.durable)?;
        if inner.durable.len() >= KNOWN_MAX {
            inner.durable.clear();
        }
        inner.durable.insert(folder.to_owned());
        Ok(())
    }

    /// The folder was found missing.
    pub(super) fn forget(&self, folder: &Path) {
        let missing = |known: &PathBuf| known.starts_with(folder) || folder.starts_with(known);
        self.lock().durable.retain(|known| !missing(known));
    }

    /// Removes a folder and those above it, as far as they are empty and not kept.
    pub(super) fn prune(&self, folder: &Path) {
        let mut inner = self.lock();
        for folder in folder.ancestors() {
            let below_kept = inner.kept.iter().any(|kept| folder != kept && folder.starts_with(kept));
            // Fails if it is not empty: that is how we know.
            if !below_kept || fs::remove_dir(folder).is_err() {
                return;
            }
            inner.durable.remove(folder);
        }
    }
}

/// From the topmost folder that is not known down, so that each one lies in a durable one.
fn create_durably(folder: &Path, durable: &BTreeSet<PathBuf>) -> io::Result<()> {
    let unknown: Vec<&Path> = folder.ancestors().take_while(|above| !durable.contains(*above)).collect();
    for folder in unknown.into_iter().rev() {
        let Some(above) = folder.parent() else { continue };
        match fs::create_dir(folder) {
            Ok(()) => sync(above)?,
            Err(_) if folder.is_dir() => {
                // Somebody else made it, perhaps just now. Folders above ours may not be readable.
                sync(above).or_else(|e| if e.kind() == ErrorKind::PermissionDenied { Ok(()) } else { Err(e) })?;
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(unusable(folder)),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Why a name that is taken is no folder to put something in.
fn unusable(folder: &Path) -> io::Error {
    // It was a folder, and another process has removed it since: the caller tries again.
    if !exists(folder) || folder.is_dir() {
        return ErrorKind::NotFound.into();
    }
    io::Error::new(ErrorKind::NotADirectory, format!("'{}' is no folder", folder.display()))
}

/// Also a link to nowhere is something.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot, and need not.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}
