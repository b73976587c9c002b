//! `'type' = 'jdbc'` among the catalogs of a session: the databases of a server, seen as they are.
//!
//! A session asks its catalogs and waits; a server is asked by tasks. So each question has a thread and a runtime of its own,
//! which end with the answer: nothing that the session's own runtime does can hold it up.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use flott_api::env::{Environment, Spawner};
use flott_api::options::OptionReader;
use flott_api::{Error, Result};
use flott_jdbc::catalog::{JdbcCatalog, ListedTable};
use flott_sql::catalog::{
    Catalog, CatalogTable, Column, ColumnKind, Database, Object, ObjectKind, PrimaryKey, Relation,
};

/// What `'type'` says.
pub(crate) const JDBC: &str = "jdbc";

/// See the module.
pub(crate) struct ServerCatalog {
    catalog: JdbcCatalog,
    spawner: Arc<dyn Spawner>,
}

impl ServerCatalog {
    /// The catalog of these options.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub(crate) fn open(options: &OptionReader<'_>, spawner: &Arc<dyn Spawner>) -> Result<Self> {
        Ok(ServerCatalog { catalog: JdbcCatalog::read(options)?, spawner: Arc::clone(spawner) })
    }

    /// Asks the server, and waits for the answer.
    fn ask<T, F>(&self, question: impl FnOnce(JdbcCatalog, Environment) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        let (catalog, (sender, answer)) = (self.catalog.clone(), sync_channel(1));
        let work = move || {
            // Whoever asked waits until it is answered.
            drop(sender.send(answered(|environment| question(catalog, environment))));
        };
        // It has begun when this returns; nobody needs to look after it.
        drop(self.spawner.blocking(Box::new(work)));
        answer.recv().map_err(|_| Error::internal("a question to a database has ended early"))?
    }
}

fn answered<T, F: Future<Output = Result<T>>>(question: impl FnOnce(Environment) -> F) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::external("no runtime can be started").with_source(e))?;
    runtime.block_on(async { question(flott_runtime::environment::real()).await })
}

fn read_only(what: &str) -> Error {
    Error::invalid(format!("{what} cannot be changed in a catalog of type '{JDBC}'"))
        .with_detail("It shows what is in the databases of a server.")
}

impl Catalog for ServerCatalog {
    fn is_kept(&self) -> bool {
        true
    }

    fn databases(&self) -> Result<Vec<String>> {
        self.ask(|catalog, environment| async move { catalog.databases(&environment).await })
    }

    fn database(&self, name: &str) -> Result<Option<Database>> {
        Ok(self.databases()?.iter().any(|database| database == name).then(Database::default))
    }

    fn put_database(&mut self, name: &str, _: Option<Database>) -> Result<()> {
        Err(read_only(&format!("database '{name}'")))
    }

    fn names(&self, database: &str, kind: ObjectKind) -> Result<Vec<String>> {
        if kind != ObjectKind::Relation {
            return Ok(Vec::new());
        }
        let database = database.to_owned();
        self.ask(|catalog, environment| async move { catalog.tables(&database, &environment).await })
    }

    fn object(&self, database: &str, kind: ObjectKind, name: &str) -> Result<Option<Object>> {
        if kind != ObjectKind::Relation {
            return Ok(None);
        }
        let (database, name) = (database.to_owned(), name.to_owned());
        let found =
            self.ask(|catalog, environment| async move { catalog.table(&database, &name, &environment).await })?;
        Ok(found.map(|table| Object::Relation(Relation::Table(declared(table)))))
    }

    fn put_object(&mut self, _: &str, _: ObjectKind, name: &str, _: Option<Object>) -> Result<()> {
        Err(read_only(&format!("'{name}'")))
    }
}

/// A table as if it had been declared.
fn declared(table: ListedTable) -> CatalogTable {
    let ListedTable { schema, primary_key, options } = table;
    let column = |field: flott_api::Field| {
        // Flink's keys are of columns without nulls.
        let ty = field.ty.clone().with_nullable(field.ty.nullable && !primary_key.contains(&field.name));
        Column { name: field.name, kind: ColumnKind::Physical, ty, comment: None }
    };
    let columns = schema.fields.into_iter().map(column).collect();
    let name = format!("PK_{}", primary_key.join("_"));
    let key = (!primary_key.is_empty()).then(|| PrimaryKey { name, columns: primary_key.clone() });
    CatalogTable { columns, primary_key: key, options, ..CatalogTable::default() }
}
