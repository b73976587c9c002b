//! Files in memory, in place of a disk.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::Result;
use flott_api::env::{FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};

/// Paths and contents.
#[derive(Clone, Default)]
pub(super) struct MemoryFiles(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl MemoryFiles {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All paths.
    pub(super) fn paths(&self) -> String {
        self.all().keys().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Changes one file's text.
    pub(super) fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let mut all = self.all();
        let old = String::from_utf8(all.remove(path).unwrap()).unwrap();
        all.insert(path.to_owned(), change(old).into_bytes());
    }
}

struct Open {
    files: MemoryFiles,
    path: String,
    written: Vec<u8>,
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for Open {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.files.all().insert(self.path, self.written);
        Ok(())
    }
}

impl FileSystem for MemoryFiles {
    fn list(&self, path: &str) -> io::Result<Vec<FileStatus>> {
        let all = self.all();
        let below = all.iter().filter(|(p, _)| p.starts_with(&format!("{path}/")));
        Ok(below.map(|(p, b)| FileStatus { path: p.clone(), size: b.len() as u64, modified_ms: 0 }).collect())
    }

    fn list_hidden(&self, _: &str) -> io::Result<Vec<FileStatus>> {
        Ok(Vec::new())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>> {
        let bytes = self.all().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        match self.exists(path)? {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(Box::new(Open { files: self.clone(), path: path.to_owned(), written: Vec::new() })),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.exists(to)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut all = self.all();
        let bytes = all.remove(from).ok_or(io::ErrorKind::NotFound)?;
        all.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.all().retain(|p, _| p != path && !p.starts_with(&format!("{path}/")));
        Ok(())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        Ok(self.all().keys().any(|p| p == path || p.starts_with(&format!("{path}/"))))
    }
}

impl FileSystems for MemoryFiles {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        Ok((Arc::new(self.clone()), path.to_owned()))
    }
}
