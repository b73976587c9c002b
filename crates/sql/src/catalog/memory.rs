//! `'type' = 'generic_in_memory'`: a catalog that lives as long as its session.

use std::collections::BTreeMap;

use flott_api::Result;

use super::{Catalog, Database, Relation};

/// Databases and tables in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryCatalog {
    databases: BTreeMap<String, (Database, BTreeMap<String, Relation>)>,
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

    fn relations(&self, database: &str) -> Result<Vec<String>> {
        Ok(self.databases.get(database).map(|(_, r)| r.keys().cloned().collect()).unwrap_or_default())
    }

    fn relation(&self, database: &str, name: &str) -> Result<Option<Relation>> {
        Ok(self.databases.get(database).and_then(|(_, r)| r.get(name)).cloned())
    }

    fn put_relation(&mut self, database: &str, name: &str, relation: Option<Relation>) -> Result<()> {
        let Some((_, relations)) = self.databases.get_mut(database) else { return Ok(()) };
        match relation {
            Some(relation) => drop(relations.insert(name.to_owned(), relation)),
            None => drop(relations.remove(name)),
        }
        Ok(())
    }
}
