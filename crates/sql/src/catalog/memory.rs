//! `'type' = 'generic_in_memory'`: a catalog that lives as long as its session.

use std::collections::BTreeMap;

use flott_api::Result;

use super::{Catalog, Database, Object, ObjectKind};

type Objects = BTreeMap<(ObjectKind, String), Object>;

/// Databases and what they have in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryCatalog {
    databases: BTreeMap<String, (Database, Objects)>,
}

impl Catalog for MemoryCatalog {
    fn is_kept(&self) -> bool {
        false
    }

    fn databases(&self) -> Result<Vec<String>> {
        Ok(self.databases.keys().cloned().collect())
    }

    fn database(&self, name: &str) -> Result<Option<Database>> {
        Ok(self.databases.get(name).map(|(database, _)| database.clone()))
    }

    fn put_database(&mut self, name: &str, database: Option<Database>) -> Result<()> {
        match database {
            Some(database) => self.databases.entry(name.to_owned()).or_default().0 = database,
            None => drop(self.databases.remove(name)),
        }
        Ok(())
    }

    fn names(&self, database: &str, kind: ObjectKind) -> Result<Vec<String>> {
        let objects = self.databases.get(database).map(|(_, objects)| objects);
        let keys = objects.into_iter().flat_map(BTreeMap::keys);
        Ok(keys.filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect())
    }

    fn object(&self, database: &str, kind: ObjectKind, name: &str) -> Result<Option<Object>> {
        let objects = self.databases.get(database).map(|(_, objects)| objects);
        Ok(objects.and_then(|objects| objects.get(&(kind, name.to_owned()))).cloned())
    }

    fn put_object(&mut self, database: &str, kind: ObjectKind, name: &str, object: Option<Object>) -> Result<()> {
        let Some((_, objects)) = self.databases.get_mut(database) else { return Ok(()) };
        match object {
            Some(object) => drop(objects.insert((kind, name.to_owned()), object)),
            None => drop(objects.remove(&(kind, name.to_owned()))),
        }
        Ok(())
    }
}
