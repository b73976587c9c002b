//! Files of this machine: `file:///a/b`, `file:/a/b` and plain paths. Other schemes are refused by
//! name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use flott_api::env::{FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};
use flott_api::{Error, Result};

/// Large pieces: sinks write whole encoded batches.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// Finds the local file system, and refuses all others.
#[derive(Debug, Default)]
pub struct LocalFiles {
    local: Arc<LocalFileSystem>,
}

impl LocalFiles {
    /// The files of this machine.
    pub fn new() -> Self {
        LocalFiles::default()
    }
}

impl FileSystems for LocalFiles {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        let local = match scheme(path) {
            None => path,
            Some("file") => local_part(path)?,
            Some(other) => {
                return Err(Error::unsupported(format!("file system '{other}'"))
                    .with_detail(format!("The path is '{path}'."))
                    .with_hint("Use a local path, or one that begins with 'file://'."));
            }
        };
        if local.is_empty() {
            return Err(Error::invalid("a path is empty"));
        }
        Ok((Arc::clone(&self.local) as _, local.to_owned()))
    }
}

/// The scheme of `s3://b/a` and `file:/a`; a plain path has none.
pub(super) fn scheme(path: &str) -> Option<&str> {
    let (scheme, rest) = path.split_once(':')?;
    let letters = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (letters && rest.starts_with('/')).then_some(scheme)
}

/// The path of `file:///a`, `file://localhost/a` or `file:/a`.
pub(super) fn local_part(path: &str) -> Result<&str> {
    let rest = path.strip_prefix("file:").unwrap_or(path);
    let Some(after) = rest.strip_prefix("//") else { return Ok(rest) };
    let after = after.strip_prefix("localhost").filter(|p| p.starts_with('/')).unwrap_or(after);
    if !after.starts_with('/') {
        return Err(Error::invalid(format!("path '{path}' names another machine"))
            .with_hint(format!("For an absolute path write three slashes: 'file:///{after}'.")));
    }
    Ok(after)
}

/// The files of this machine.
#[derive(Debug, Default)]
pub struct LocalFileSystem {}

impl FileSystem for LocalFileSystem {
    fn list(&self, path: &str) -> io::Result<Vec<FileStatus>> {
        let root = Path::new(path);
        let mut found = Vec::new();
        match fs::metadata(root)? {
            m if m.is_dir() => list_folder(root, false, &mut found)?,
            m if m.is_file() => found.push(status(root)?),
            // A pipe or device has no length: it would seem to be empty.
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a file nor a folder")),
        }
        found.sort();
        Ok(found)
    }

    fn list_hidden(&self, path: &str) -> io::Result<Vec<FileStatus>> {
        let mut found = Vec::new();
        if fs::metadata(path).is_ok_and(|m| m.is_dir()) {
            list_folder(Path::new(path), true, &mut found)?;
        }
        found.sort();
        Ok(found)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        create_folders_above(Path::new(path))?;
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(LocalWriteFile { file: BufWriter::with_capacity(WRITE_BUFFER_BYTES, file), path: path.into() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        create_folders_above(Path::new(to))?;
        let renamed = rename_only(from, to);
        // Also if it failed: another process may have renamed the file a moment ago, and its caller goes by that.
        sync_folder_of(Path::new(to))?;
        renamed
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        let deleted = match fs::symlink_metadata(path) {
            Ok(m) if m.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(e) => Err(e),
        };
        match deleted {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        Path::new(path).try_exists()
    }
}

fn rename_only(from: &str, to: &str) -> io::Result<()> {
    if fs::metadata(from)?.is_dir() {
        return rename_folder(from, to);
    }
    // A plain rename would replace; a second name fails if the target exists, in one step.
    match fs::hard_link(from, to) {
        Ok(()) => match fs::remove_file(from) {
            // Somebody who found the target took the old name away.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        },
        Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Err(e),
        // Some file systems have no hard links.
        Err(_) => rename_folder(from, to),
    }
}

/// The check and the rename are two steps: only for folders, which have one owner.
fn rename_folder(from: &str, to: &str) -> io::Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// A folder that is new lasts only when the folder above it is durable too.
fn create_folders_above(path: &Path) -> io::Result<()> {
    let new: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| {
        // "File exists" would not say which one, nor that a folder is wanted.
        let in_the_way = path.ancestors().skip(1).find(|above| above.exists()).filter(|above| !above.is_dir());
        in_the_way.map_or(e, |file| {
            io::Error::new(io::ErrorKind::NotADirectory, format!("'{}' is no folder", file.display()))
        })
    })?;
    new.into_iter().filter(|folder| !folder.as_os_str().is_empty()).try_for_each(sync_folder_of)
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_'))
}

/// Lists the files below a folder: all but the hidden ones, or only those.
fn list_folder(folder: &Path, hidden: bool, found: &mut Vec<FileStatus>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = || entry.metadata().is_ok_and(|m| m.is_dir());
        let is_hidden = is_hidden(&entry.file_name());
        if is_hidden && (!hidden || is_folder()) {
            continue;
        }
        // A file may go between the listing and the look at it; it is then not there.
        let listed = match fs::metadata(entry.path()) {
            // A linked folder is not entered: it might lead back up.
            Ok(m) if m.is_dir() && entry.file_type()?.is_symlink() => Ok(()),
            Ok(m) if m.is_dir() => list_folder(&entry.path(), hidden, found),
            Ok(_) if hidden != is_hidden => Ok(()),
            Ok(_) => status(&entry.path()).map(|s| found.push(s)),
            Err(e) => Err(e),
        };
        listed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    }
    Ok(())
}

fn status(path: &Path) -> io::Result<FileStatus> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let path = path.to_str().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the path {} is not UTF-8", path.display()))
    })?;
    Ok(FileStatus {
        path: path.to_owned(),
        size: metadata.len(),
        modified_ms: i64::try_from(modified).unwrap_or(i64::MAX),
    })
}

/// Makes a new name durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

struct LocalWriteFile {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Write for LocalWriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for LocalWriteFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        sync_folder_of(&self.path)
    }
}

#[cfg(test)]
mod tests;
