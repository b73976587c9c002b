//! `'type' = 'file', 'path' = '..'`: a catalog that outlives its session, as JSON files in a folder.
//!
//! Layout: `<path>/<database>/@database.<n>.json`, `<path>/<database>/<table>.<n>.json`,
//! `<path>/<database>/@function.<name>.<n>.json` and `<path>/<database>/@model.<name>.<n>.json`; `n` rises with each change, the highest one holds, and creating the
//! next is put-if-absent, so two writers cannot both win. Names are percent-encoded. Flink has no such catalog; there, tables of its built-in catalogs are
//! gone with the session.

use std::io::Read;
use std::sync::Arc;

use flott_api::env::{FileSystem, FileSystems};
use flott_api::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Catalog, Database, Object, ObjectKind};

const FORMAT_VERSION: u16 = 1;
/// The name of a database's own file.
const DATABASE: &str = "@database";
/// What the names of functions begin with; a dot in the name of a table is encoded.
const FUNCTION: &str = "@function.";
/// The same of models.
const MODEL: &str = "@model.";

/// Databases and tables in a folder.
pub(super) struct FileCatalog {
    files: Arc<dyn FileSystem>,
    root: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u16,
    /// Of the content as compact JSON.
    checksum: String,
    content: serde_json::Value,
}

/// An object's newest file.
struct Newest {
    /// Its name as the file has it.
    name: String,
    number: u64,
    path: String,
}

impl FileCatalog {
    /// The catalog in a folder, which need not exist yet.
    pub(super) fn open(files: &dyn FileSystems, path: &str) -> Result<Self> {
        let (files, root) = files.resolve(path)?;
        Ok(FileCatalog { files, root: root.trim_end_matches('/').to_owned() })
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Error {
        Error::external(format!("the catalog in '{}' cannot be {what}", self.root)).with_source(error)
    }

    /// The newest file of every object in a database's folder, by name.
    fn newest(&self, database: &str) -> Result<Vec<Newest>> {
        let folder = format!("{}/{}", self.root, encode(database));
        if !self.files.exists(&folder).map_err(|e| self.failed("read", e))? {
            return Ok(Vec::new());
        }
        let mut found: Vec<Newest> = Vec::new();
        for file in self.files.list(&folder).map_err(|e| self.failed("read", e))? {
            let Some((name, number)) = parse_file(&file.path) else { continue };
            match found.iter_mut().find(|n| n.name == name) {
                Some(newest) if newest.number < number => (newest.number, newest.path) = (number, file.path),
                Some(_) => {}
                None => found.push(Newest { name, number, path: file.path }),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let mut text = String::new();
        let mut file = self.files.open(path).map_err(|e| self.failed("read", e))?;
        file.read_to_string(&mut text).map_err(|e| self.failed("read", e))?;
        let damaged = || Error::corrupt(format!("catalog file '{path}' is damaged"));
        let document: Document = serde_json::from_str(&text).map_err(|e| damaged().with_source(e))?;
        if document.version != FORMAT_VERSION {
            return Err(Error::invalid(format!("catalog file '{path}' has version {}", document.version))
                .with_detail(format!("This Flott reads version {FORMAT_VERSION}.")));
        }
        if document.checksum != checksum(&document.content) {
            return Err(damaged().with_detail("Its content does not fit its checksum."));
        }
        serde_json::from_value(document.content).map_err(|e| damaged().with_source(e))
    }

    /// What the newest file of that name has; the name is encoded.
    fn newest_of<T: DeserializeOwned>(&self, database: &str, name: &str) -> Result<Option<T>> {
        match self.newest(database)?.into_iter().find(|n| n.name == name) {
            Some(newest) => self.read(&newest.path),
            None => Ok(None),
        }
    }

    /// Writes the newest file of that name, which is encoded.
    fn put<T: Serialize>(&self, database: &str, name: &str, content: Option<T>) -> Result<()> {
        let old = self.newest(database)?.into_iter().find(|n| n.name == name);
        let number = old.as_ref().map_or(1, |n| n.number + 1);
        let path = format!("{}/{}/{name}.{number}.json", self.root, encode(database));
        let unwritable = |e| Error::internal("a catalog file cannot be written").with_source(e);
        let content = serde_json::to_value(content).map_err(unwritable)?;
        let document = Document { version: FORMAT_VERSION, checksum: checksum(&content), content };
        let text = serde_json::to_vec_pretty(&document).map_err(unwritable)?;
        let mut file = self.files.create(&path).map_err(|e| self.failed("written", e))?;
        file.write_all(&text).map_err(|e| self.failed("written", e))?;
        file.finish().map_err(|e| self.failed("written", e))?;
        match old {
            Some(old) => self.files.delete(&old.path).map_err(|e| self.failed("written", e)),
            None => Ok(()),
        }
    }
}

impl Catalog for FileCatalog {
    fn is_kept(&self) -> bool {
        true
    }

    fn databases(&self) -> Result<Vec<String>> {
        if !self.files.exists(&self.root).map_err(|e| self.failed("read", e))? {
            return Ok(Vec::new());
        }
        let files = self.files.list(&self.root).map_err(|e| self.failed("read", e))?;
        let mut names: Vec<String> = files.iter().filter_map(|f| f.path.rsplit('/').nth(1).map(decode)).collect();
        names.dedup();
        let mut live = Vec::new();
        for name in names {
            if self.database(&name)?.is_some() {
                live.push(name);
            }
        }
        Ok(live)
    }

    fn database(&self, name: &str) -> Result<Option<Database>> {
        self.newest_of(name, DATABASE)
    }

    fn put_database(&mut self, name: &str, database: Option<Database>) -> Result<()> {
        match database {
            Some(database) => self.put(name, DATABASE, Some(database)),
            None => {
                let folder = format!("{}/{}", self.root, encode(name));
                self.files.delete(&folder).map_err(|e| self.failed("written", e))
            }
        }
    }

    fn names(&self, database: &str, kind: ObjectKind) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for newest in self.newest(database)? {
            let Some(name) = object_name(&newest.name, kind) else { continue };
            if self.read::<serde_json::Value>(&newest.path)?.is_some() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn object(&self, database: &str, kind: ObjectKind, name: &str) -> Result<Option<Object>> {
        let file = file_name(name, kind);
        Ok(match kind {
            ObjectKind::Relation => self.newest_of(database, &file)?.map(Object::Relation),
            ObjectKind::Function => self.newest_of(database, &file)?.map(Object::Function),
            ObjectKind::Model => self.newest_of(database, &file)?.map(Object::Model),
        })
    }

    fn put_object(&mut self, database: &str, kind: ObjectKind, name: &str, object: Option<Object>) -> Result<()> {
        let file = file_name(name, kind);
        match object {
            None => self.put::<()>(database, &file, None),
            Some(Object::Relation(relation)) => self.put(database, &file, Some(relation)),
            Some(Object::Function(function)) => self.put(database, &file, Some(function)),
            Some(Object::Model(model)) => self.put(database, &file, Some(model)),
        }
    }
}

/// What the file of an object begins with.
fn file_name(name: &str, kind: ObjectKind) -> String {
    match kind {
        ObjectKind::Relation => encode(name),
        ObjectKind::Function => format!("{FUNCTION}{}", encode(name)),
        ObjectKind::Model => format!("{MODEL}{}", encode(name)),
    }
}

/// The object whose file begins so, if it is of this kind.
fn object_name(file: &str, kind: ObjectKind) -> Option<String> {
    let (function, model) = (file.strip_prefix(FUNCTION), file.strip_prefix(MODEL));
    match kind {
        ObjectKind::Relation => (function.is_none() && model.is_none() && file != DATABASE).then(|| decode(file)),
        ObjectKind::Function => function.map(decode),
        ObjectKind::Model => model.map(decode),
    }
}

/// FNV-1a (Fowler, Noll, Vo; public domain) of the compact JSON: it is to find damage, not malice.
fn checksum(content: &serde_json::Value) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let text = content.to_string();
    let hash = text.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

fn parse_file(path: &str) -> Option<(String, u64)> {
    let file = path.rsplit('/').next()?.strip_suffix(".json")?;
    let (name, number) = file.rsplit_once('.')?;
    Some((name.to_owned(), number.parse().ok()?))
}

/// Percent-encodes all but letters, digits, `-`, `_` and `@`; the last two too where they lead, for file systems hide
/// files with the one, and ours begin with the other.
fn encode(name: &str) -> String {
    let plain = |i: usize, b: u8| b.is_ascii_alphanumeric() || b == b'-' || (matches!(b, b'_' | b'@') && i > 0);
    let mut out = String::new();
    for (i, b) in name.bytes().enumerate() {
        if plain(i, b) { out.push(b as char) } else { out.push_str(&format!("%{b:02x}")) }
    }
    out
}

fn decode(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_its_file() {
        let kinds = [ObjectKind::Relation, ObjectKind::Function, ObjectKind::Model];
        for name in ["orders", "@database", "@function.f", "@model.m", "a.b/c", "ünï %41", "_hidden", "", "."] {
            for kind in kinds {
                let (file, number) = parse_file(&format!("/x/{}.7.json", file_name(name, kind))).unwrap();
                assert_eq!((object_name(&file, kind).as_deref(), number), (Some(name), 7));
                for other in kinds.into_iter().filter(|other| *other != kind) {
                    assert_eq!(object_name(&file, other), None, "{name}");
                }
            }
        }
    }
}
