//! Definitions of catalogs: what `CREATE CATALOG` said, kept in a catalog store.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use flott_api::env::FileSystems;
use flott_api::options::{OptionReader, Options};
use flott_api::{Error, Result};

use super::file::FileCatalog;
use super::memory::MemoryCatalog;
use super::{Catalog, Database};
use crate::session::Connectors;

/// What `CREATE CATALOG` said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogDefinition {
    /// `WITH`, with `type`.
    pub options: Options,
    /// `COMMENT`.
    pub comment: Option<String>,
}

impl CatalogDefinition {
    /// Opens the catalog and tells its default database, which it makes if it is missing.
    pub(super) fn open(
        &self,
        name: &str,
        files: &dyn FileSystems,
        connectors: &dyn Connectors,
    ) -> Result<(Box<dyn Catalog>, String)> {
        let reader = OptionReader::new(&self.options, format!("catalog '{name}'"));
        let kind = reader.required("type")?;
        let default_database = reader.text("default-database").unwrap_or("default").to_owned();
        let mut catalog: Box<dyn Catalog> = match kind {
            "generic_in_memory" => Box::new(MemoryCatalog::default()),
            "file" => Box::new(FileCatalog::open(files, reader.required("path")?)?),
            other => connectors.open_catalog(other, &reader)?.ok_or_else(|| unknown(other, connectors))?,
        };
        reader.finish()?;
        if catalog.database(&default_database)?.is_none() {
            catalog.put_database(&default_database, Some(Database::default()))?;
        }
        Ok((catalog, default_database))
    }
}

fn unknown(kind: &str, connectors: &dyn Connectors) -> Error {
    let others = connectors.catalog_types();
    let mut types: Vec<String> =
        ["generic_in_memory", "file"].iter().chain(&others).map(|ty| format!("'{ty}'")).collect();
    let last = types.pop().unwrap_or_default();
    Error::invalid(format!("there is no catalog of type '{kind}'"))
        .with_hint(format!("The types are {} and {last}.", types.join(", ")))
}

/// Begins the line that holds the catalog's comment, for which Flink's layout has no place; to YAML it is no data.
const COMMENT: &str = "# COMMENT ";

/// `table.catalog-store.kind`: where definitions outlive the session. Flink's layout: a YAML file each.
pub(super) struct CatalogStore {
    files: Arc<dyn FileSystems>,
    folder: String,
}

impl CatalogStore {
    /// The store in a folder.
    pub(super) fn new(files: Arc<dyn FileSystems>, folder: &str) -> Self {
        CatalogStore { files, folder: folder.trim_end_matches('/').to_owned() }
    }

    /// All definitions in it.
    pub(super) fn load(&self) -> Result<BTreeMap<String, CatalogDefinition>> {
        let (files, folder) = self.files.resolve(&self.folder)?;
        let failed = |e| self.failed("read", e);
        let mut all = BTreeMap::new();
        if !files.exists(&folder).map_err(failed)? {
            return Ok(all);
        }
        for file in files.list(&folder).map_err(failed)? {
            let Some(name) = file.path.rsplit('/').next().and_then(|n| n.strip_suffix(".yaml")) else { continue };
            let mut text = String::new();
            files.open(&file.path).and_then(|mut f| f.read_to_string(&mut text)).map_err(failed)?;
            let damaged = || Error::corrupt(format!("catalog definition '{}' is damaged", file.path));
            // The parser's own message quotes the file, which may hold secrets.
            let place = |e: serde_saphyr::Error| match e.location() {
                Some(at) => damaged().with_detail(format!("It is no YAML of options at line {}.", at.line())),
                None => damaged().with_detail("It is no YAML of options."),
            };
            let options: BTreeMap<String, String> = serde_saphyr::from_str(&text).map_err(place)?;
            let comment = text.lines().find_map(|line| line.strip_prefix(COMMENT)).map(serde_json::from_str);
            let comment = comment.transpose().map_err(|e| damaged().with_source(e))?;
            all.insert(name.to_owned(), CatalogDefinition { options: Options(options), comment });
        }
        Ok(all)
    }

    /// Keeps a definition.
    pub(super) fn store(&self, name: &str, definition: &CatalogDefinition) -> Result<()> {
        if name.contains(['/', '\\']) || name.starts_with(['.', '_']) {
            return Err(Error::invalid(format!("catalog '{name}' cannot be kept in a file of that name")));
        }
        let (files, folder) = self.files.resolve(&self.folder)?;
        // A JSON string is a YAML string.
        let lines = definition.options.0.iter().map(|(k, v)| format!("{}: {}\n", quote(k), quote(v)));
        let comment = definition.comment.iter().map(|c| format!("{COMMENT}{}\n", quote(c)));
        let text: String = comment.chain(lines).collect();
        let path = format!("{folder}/{name}.yaml");
        let new = format!("{path}.new");
        let write = || {
            files.delete(&new)?;
            let mut file = files.create(&new)?;
            file.write_all(text.as_bytes())?;
            file.finish()?;
            files.delete(&path)?;
            files.rename(&new, &path)
        };
        write().map_err(|e| self.failed("written", e))
    }

    /// Forgets a definition.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let (files, folder) = self.files.resolve(&self.folder)?;
        files.delete(&format!("{folder}/{name}.yaml")).map_err(|e| self.failed("written", e))
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Error {
        Error::external(format!("the catalog store in '{}' cannot be {what}", self.folder)).with_source(error)
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
