//! `SHOW ..`.

use flott_api::{Error, LogicalType, Result, TypeKind};

use super::names::{parts, passes};
use super::show_create::{show_create_catalog, show_create_model, show_create_table, show_create_view};
use super::{Outcome, Session, TextTable};
use crate::catalog::{Found, FoundModel, Relation};
use crate::parser::ast::{Show, ShowCreateKind, ShowFilter, ShowNamespace, ShowTablesKind, name_location};

impl Session {
    /// `SHOW ..`.
    pub(super) fn show(&self, show: &Show) -> Result<Outcome> {
        match show {
            Show::Catalogs(filter) => Ok(listed("catalog name", self.catalogs.catalog_names(), filter.as_ref())),
            Show::CurrentCatalog => {
                Ok(listed("current catalog name", vec![self.catalogs.current_catalog().to_owned()], None))
            }
            Show::CurrentDatabase => {
                Ok(listed("current database name", vec![self.catalogs.current_database().to_owned()], None))
            }
            Show::Databases { from, filter } => self.show_databases(from.as_ref(), filter.as_ref()),
            Show::Tables { kind, from, filter } => self.show_tables(*kind, from.as_ref(), filter.as_ref()),
            Show::Columns { table, filter } => self.show_columns(table, filter.as_ref()),
            Show::Create { kind, name } => self.show_create(*kind, name),
            Show::Functions { user, from, filter } => {
                let at = from.as_ref().map(|f| name_location(&f.name)).unwrap_or_default();
                let namespace = self.namespace(from.as_ref())?;
                self.show_functions(*user, namespace, filter.as_ref()).map_err(|e| e.at(at))
            }
            Show::Modules { full: false } => Ok(listed("module name", vec!["core".to_owned()], None)),
            Show::Modules { full: true } => {
                let row = vec![Some("core".to_owned()), Some("TRUE".to_owned())];
                let mut table = TextTable::of(&["module name", "used"], vec![row]);
                table.schema.fields[1].ty = LogicalType::new(TypeKind::Boolean);
                Ok(Outcome::Table(table))
            }
            Show::Jobs => Ok(Outcome::ShowJobs),
            Show::Partitions { table, .. } => Err(Error::unsupported("SHOW PARTITIONS")
                .at(name_location(table))
                .with_detail("The catalogs here keep no list of partitions.")),
            Show::Procedures { .. } => Err(Error::unsupported("SHOW PROCEDURES")),
            Show::Models { from, filter } => {
                let (catalog, database) = self.namespace(from.as_ref())?;
                let at = from.as_ref().map(|f| name_location(&f.name)).unwrap_or_default();
                let names = self.catalogs.model_names(&catalog, &database).map_err(|e| e.at(at))?;
                Ok(listed("model name", names, filter.as_ref()))
            }
            Show::Connections { .. } => Err(Error::unsupported("SHOW CONNECTIONS")),
            // None can be added.
            Show::Jars => Ok(listed("jars", Vec::new(), None)),
        }
    }

    /// What a name stands for, or an error that suggests another.
    pub(super) fn found(&self, name: &[String]) -> Result<Found> {
        if let Some(found) = self.catalogs.find(name)? {
            return Ok(found);
        }
        let path = self.catalogs.path(name)?;
        // A name in a catalog or database that does not exist is told so.
        self.catalogs.database(&path.catalog, &path.database)?;
        Err(self.missing(&path, "table or view"))
    }

    /// Catalog and database of a `FROM` or `IN`; without one those in use.
    fn namespace(&self, from: Option<&ShowNamespace>) -> Result<(String, String)> {
        match from {
            Some(from) => self.database_path(&from.name),
            None => Ok((self.catalogs.current_catalog().to_owned(), self.catalogs.current_database().to_owned())),
        }
    }

    fn show_databases(&self, from: Option<&ShowNamespace>, filter: Option<&ShowFilter>) -> Result<Outcome> {
        let catalog = from.map_or_else(|| self.catalogs.current_catalog().to_owned(), |f| parts(&f.name).join("."));
        let at = from.map(|f| name_location(&f.name)).unwrap_or_default();
        let databases = self.catalogs.catalog(&catalog).map_err(|e| e.at(at))?.databases()?;
        Ok(listed("database name", databases, filter))
    }

    fn show_tables(
        &self,
        kind: ShowTablesKind,
        from: Option<&ShowNamespace>,
        filter: Option<&ShowFilter>,
    ) -> Result<Outcome> {
        let (catalog, database) = self.namespace(from)?;
        let at = from.map(|f| name_location(&f.name)).unwrap_or_default();
        let mut names = self.catalogs.names(&catalog, &database).map_err(|e| e.at(at))?;
        let header = match kind {
            ShowTablesKind::Tables => "table name",
            ShowTablesKind::Views => {
                let mut views = Vec::new();
                for name in names {
                    let full = [catalog.clone(), database.clone(), name];
                    let found = self.catalogs.find(&full).map_err(|e| e.at(at))?;
                    let view = found.filter(|f| matches!(f.relation, Relation::View(_)));
                    views.extend(view.map(|f| f.path.object));
                }
                names = views;
                "view name"
            }
            // None can be created yet.
            ShowTablesKind::MaterializedTables => {
                names.clear();
                "table name"
            }
        };
        Ok(listed(header, names, filter))
    }

    fn show_columns(&self, table: &ShowNamespace, filter: Option<&ShowFilter>) -> Result<Outcome> {
        let name = crate::parser::ast::Describe::Table { extended: false, name: table.name.clone() };
        let Outcome::Table(mut described) = self.describe(&name)? else {
            return Err(Error::internal("DESCRIBE gave no table"));
        };
        described.rows.retain(|row| row[0].as_ref().is_some_and(|name| passes(filter, name)));
        Ok(Outcome::Table(described))
    }

    fn show_create(&self, kind: ShowCreateKind, name: &sqlparser::ast::ObjectName) -> Result<Outcome> {
        let at = name_location(name);
        let wrong = |is: &str, use_this: &str| {
            let hint = format!("Use SHOW CREATE {use_this}.");
            Err(Error::invalid(format!("'{name}' is a {is}")).at(at).with_hint(hint))
        };
        match kind {
            ShowCreateKind::Table => match self.found(&parts(name)).map_err(|e| e.at(at))? {
                Found { path, relation: Relation::Table(table), temporary } => {
                    Ok(Outcome::Text(show_create_table(&path, &table, temporary)))
                }
                _ => wrong("view", "VIEW"),
            },
            ShowCreateKind::View => match self.found(&parts(name)).map_err(|e| e.at(at))? {
                Found { path, relation: Relation::View(view), temporary } => {
                    Ok(Outcome::Text(show_create_view(&path, &view, temporary)))
                }
                _ => wrong("table", "TABLE"),
            },
            ShowCreateKind::Catalog => {
                let name = parts(name).join(".");
                let definition = self.catalogs.definition(&name).map_err(|e| e.at(at))?;
                Ok(Outcome::Text(show_create_catalog(&name, definition)))
            }
            ShowCreateKind::Model => {
                let FoundModel { path, model, temporary } = self.found_model(name)?;
                Ok(Outcome::Text(show_create_model(&path, &model, temporary)))
            }
            ShowCreateKind::Connection => Err(Error::unsupported("SHOW CREATE CONNECTION").at(at)),
            ShowCreateKind::MaterializedTable { .. } => {
                Err(Error::unsupported("SHOW CREATE MATERIALIZED TABLE").at(at))
            }
        }
    }
}

fn listed(header: &str, names: Vec<String>, filter: Option<&ShowFilter>) -> Outcome {
    Outcome::Table(TextTable::column(header, names.into_iter().filter(|name| passes(filter, name))))
}
