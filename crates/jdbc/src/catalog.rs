//! `'type' = 'jdbc'`: the databases of a server with their tables, as they are there.
//!
//! Flink counterpart: `JdbcCatalog`, for PostgreSQL, MySQL and MariaDB. It is asked each time and keeps nothing; nothing is
//! created, changed or dropped through it. A table of PostgreSQL is `schema.table`, and `public` may be left out.

use flott_api::env::Environment;
use flott_api::options::{OptionReader, Options};
use flott_api::types::Field;
use flott_api::{Error, ErrorKind, Result, Schema};

use crate::dialect::{Connection, DbColumn, Dialect, Listing};
use crate::dialect_of;
use crate::options::Access;
use crate::url::Brand;

/// A server whose databases are a catalog.
#[derive(Clone, Debug)]
pub struct JdbcCatalog {
    access: Access,
    default_database: String,
}

/// A table, as it is declared for its connector.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedTable {
    /// Its columns.
    pub schema: Schema,
    /// The primary key's columns.
    pub primary_key: Vec<String>,
    /// Its options, with `connector`.
    pub options: Options,
}

impl JdbcCatalog {
    /// Reads the options of a catalog; asks nothing yet.
    ///
    /// # Errors
    /// If one is wrong or missing.
    pub fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let access = Access::of_catalog(reader)?;
        let dialect = dialect_of(access.url.brand);
        if dialect.listing().is_none() {
            return Err(
                Error::unsupported("a catalog of SQLite").with_hint("Its tables can be declared with CREATE TABLE.")
            );
        }
        dialect.check(&access)?;
        Ok(JdbcCatalog { access, default_database: reader.required("default-database")?.to_owned() })
    }

    /// The names of the databases.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn databases(&self, environment: &Environment) -> Result<Vec<String>> {
        let (mut connection, listing) = self.connect(&self.default_database, environment).await?;
        names(&mut *connection, listing.databases()).await
    }

    /// The names of the tables of a database.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn tables(&self, database: &str, environment: &Environment) -> Result<Vec<String>> {
        let (mut connection, listing) = self.connect(database, environment).await?;
        names(&mut *connection, listing.tables()).await
    }

    /// A table of a database; nothing if there is none.
    ///
    /// # Errors
    /// If the server cannot be asked, or the table has a column of a type that there is not here.
    pub async fn table(&self, database: &str, name: &str, environment: &Environment) -> Result<Option<ListedTable>> {
        let (mut connection, listing) = self.connect(database, environment).await?;
        let found = match connection.table(name).await {
            Ok(found) => found,
            // The server answers, but knows no such table.
            Err(e) if e.kind() == ErrorKind::Invalid => return Ok(None),
            Err(e) => return Err(e),
        };
        let field = |column: &DbColumn| Ok(Field::new(&column.name, listing.declared(column)?));
        let fields = found.columns.iter().map(field).collect::<Result<_>>()?;
        let primary_key = names(&mut *connection, &listing.primary_key(&found)).await?;
        Ok(Some(ListedTable { schema: Schema::new(fields), primary_key, options: self.options(database, name) }))
    }

    fn options(&self, database: &str, table: &str) -> Options {
        let url = self.of(database).url.text();
        let mut options = Options::default();
        let mut set = |key: &str, value: &str| drop(options.0.insert(key.to_owned(), value.to_owned()));
        set("connector", "jdbc");
        set("url", &url);
        let qualified = match self.access.url.brand {
            Brand::PostgreSql if !table.contains('.') => format!("public.{table}"),
            _ => table.to_owned(),
        };
        set("table-name", &qualified);
        self.access.username.iter().for_each(|name| set("username", name));
        self.access.password.iter().for_each(|password| set("password", password.reveal()));
        options
    }

    fn of(&self, database: &str) -> Access {
        let mut access = self.access.clone();
        access.url.database = database.to_owned();
        access
    }

    async fn connect(
        &self,
        database: &str,
        environment: &Environment,
    ) -> Result<(Box<dyn Connection>, &'static dyn Listing)> {
        let dialect: &'static dyn Dialect = dialect_of(self.access.url.brand);
        let listing = dialect.listing().ok_or_else(|| Error::internal("a catalog of a database that lists nothing"))?;
        Ok((dialect.connect(&self.of(database), environment).await?, listing))
    }
}

async fn names(connection: &mut dyn Connection, sql: &str) -> Result<Vec<String>> {
    let rows = connection.texts(sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}
