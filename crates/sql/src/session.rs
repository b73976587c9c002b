//! What a statement does: changes catalogs and options, answers questions, or becomes a job.
//!
//! A session runs nothing: a query or an `INSERT` comes back as [`Outcome::Job`], for the caller to submit.

mod alter;
mod alter_columns;
mod alter_object;
mod built_in;
mod context;
mod create;
mod create_as;
mod declare;
mod describe;
mod drop;
mod functions;
mod insert;
mod languages;
mod like;
mod models;
mod names;
mod overlay;
mod recovery;
mod result;
mod show;
mod show_create;
#[cfg(test)]
mod tests;
mod text;
mod view_text;

use std::sync::Arc;

use flott_api::env::FileSystems;
use flott_api::function::{Declaration, UserFunction};
use flott_api::model::ModelProviders;
use flott_api::options::OptionReader;
use flott_api::process::ProcessFunction;
use flott_api::table::TableFactory;
use flott_api::{Error, Result};

pub use result::{Job, JobKind, Outcome, TextTable};

use crate::catalog::{Catalog, Catalogs};
use crate::config::{Configuration, EffectiveOption, Origin};
use crate::parser::ast::{SqlOption, Statement, Text, Use, name_location};
use crate::plan;
use crate::secret;
use names::location_of;

/// The connectors that a session knows.
pub trait Connectors: Send + Sync {
    /// The connector of that identifier.
    fn find(&self, identifier: &str) -> Option<Arc<dyn TableFactory>>;

    /// All identifiers, for messages.
    fn identifiers(&self) -> Vec<String>;

    /// The process table function that a user calls by this name; none by default.
    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        let _: &str = name;
        None
    }

    /// The providers of models; none by default.
    fn model_providers(&self) -> ModelProviders {
        ModelProviders::default()
    }

    /// The types of catalogs that others bring, for messages; none by default.
    fn catalog_types(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// A catalog of a type that others bring; nothing if there is no such type. Reads all of its options.
    ///
    /// # Errors
    /// If its options are wrong.
    fn open_catalog(&self, kind: &str, options: &OptionReader<'_>) -> Result<Option<Box<dyn Catalog>>> {
        let _: (&str, &OptionReader<'_>) = (kind, options);
        Ok(None)
    }

    /// What a declaration of a function in another language means; none is spoken by default.
    ///
    /// # Errors
    /// If nobody speaks the language, or the function is not as declared.
    fn describe_function(&self, declaration: &Declaration) -> Result<UserFunction> {
        Err(Error::unsupported(format!("a function in {}: '{}'", declaration.language, declaration.entry)))
    }
}

/// A user's session: catalogs, options, and how statements change them.
pub struct Session {
    catalogs: Catalogs,
    configuration: Configuration,
    connectors: Arc<dyn Connectors>,
    results: u64,
}

impl Session {
    /// A session with this configuration.
    ///
    /// # Errors
    /// If the catalog store cannot be read.
    pub fn new(
        configuration: Configuration,
        connectors: Arc<dyn Connectors>,
        files: Arc<dyn FileSystems>,
    ) -> Result<Self> {
        let text = |key: &str| configuration.get(key).unwrap_or_default().to_owned();
        let store = match text("table.catalog-store.kind").as_str() {
            "file" => Some(configuration.get("table.catalog-store.file.path").map(str::to_owned).ok_or_else(|| {
                Error::invalid("a catalog store of kind 'file' needs option 'table.catalog-store.file.path'")
            })?),
            _ => None,
        };
        let (catalog, database) = (text("table.builtin-catalog-name"), text("table.builtin-database-name"));
        let catalogs = Catalogs::new(files, Arc::clone(&connectors), [&catalog, &database], store)?;
        Ok(Session { catalogs, configuration, connectors, results: 0 })
    }

    /// The configuration in force.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The catalogs, for completion.
    pub fn catalogs(&self) -> &Catalogs {
        &self.catalogs
    }

    /// Does what a statement says, or says what job it is.
    ///
    /// # Errors
    /// If the statement is wrong, not supported, or what it needs outside fails.
    pub fn execute(&mut self, statement: &Statement) -> Result<Outcome> {
        match statement {
            Statement::Query(query) => {
                self.results += 1;
                let id = self.results.to_string();
                let mut planned = plan::plan_select(self, query, &id)?;
                recovery::without_checkpoints(&mut planned.graph.configuration);
                Ok(Outcome::job(planned, JobKind::Select { result: id }))
            }
            Statement::Insert(insert) => self.insert(std::slice::from_ref(insert)),
            Statement::StatementSet(inserts) => self.insert(inserts),
            Statement::CreateTable(create) => self.create_table(create),
            Statement::CreateView(create) => self.create_view(create),
            Statement::CreateCatalog(create) => self.create_catalog(create),
            Statement::CreateDatabase(create) => self.create_database(create),
            Statement::CreateModel(create) => self.create_model(create),
            Statement::Drop(drop) => self.drop_object(drop),
            Statement::AlterTable(alter) => self.alter_table(alter),
            Statement::AlterView(alter) => self.alter_view(alter),
            Statement::CreateFunction(create) => self.create_function(create),
            Statement::AlterFunction(alter) => self.alter_function(alter),
            Statement::AlterObject(alter) => self.alter_object(alter),
            Statement::Explain(explain) => self.explain(explain),
            Statement::Describe(describe) => self.describe(describe),
            Statement::Show(show) => self.show(show),
            Statement::Use(used) => self.use_object(used),
            Statement::Set(option) => self.set(option.as_ref()),
            Statement::Reset(key) => self.reset(key.as_ref()),
            Statement::StopJob { job, savepoint, drain } => {
                let id = job.value.parse().map_err(|e: Error| e.at(job.at))?;
                let savepoint =
                    if *savepoint { Some(self.savepoint_directory().map_err(|e| e.at(job.at))?) } else { None };
                Ok(Outcome::StopJob { job: id, savepoint, drain: *drain })
            }
            Statement::Client(command) => Ok(Outcome::Client(*command)),
            other => Err(Error::unsupported(name_of(other))),
        }
    }

    /// Plans a statement without changing anything but catalogs and options: `flott check`.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn check(&mut self, statement: &Statement) -> Result<Option<String>> {
        match self.execute(statement)? {
            Outcome::Job(job) => Ok(job.warnings.first().cloned()),
            Outcome::Done { warning } => Ok(warning),
            _ => Ok(None),
        }
    }

    fn use_object(&mut self, used: &Use) -> Result<Outcome> {
        match used {
            Use::Catalog(name) => self.catalogs.use_catalog(&name.value).map_err(|e| e.at(location_of(name)))?,
            Use::Database(name) => {
                let (catalog, database) = self.database_path(name)?;
                self.catalogs.use_database(&catalog, &database).map_err(|e| e.at(name_location(name)))?;
            }
            Use::Modules(_) => return Err(Error::unsupported("USE MODULES")),
        }
        Ok(Outcome::Done { warning: None })
    }

    fn set(&mut self, option: Option<&SqlOption>) -> Result<Outcome> {
        let Some(option) = option else {
            let set = self.configuration.set_values().into_iter();
            let row = |o: EffectiveOption| {
                let shown = secret::shown(&o.key, &o.value);
                vec![Some(o.key), Some(shown), Some(o.origin.to_string())]
            };
            let rows = set.map(row);
            return Ok(Outcome::Table(TextTable::of(&["key", "value", "origin"], rows.collect())));
        };
        let set = self.configuration.set(&option.key.value, &option.value.value, Origin::Session);
        let warning = set.map_err(|e| e.at(option.key.at))?;
        Ok(Outcome::Done { warning })
    }

    fn reset(&mut self, key: Option<&Text>) -> Result<Outcome> {
        if let Some(key) = key {
            self.configuration.check_key(&key.value).map_err(|e| e.at(key.at))?;
        }
        self.configuration.reset(key.map(|k| k.value.as_str()));
        Ok(Outcome::Done { warning: None })
    }
}

/// What a statement is called, for messages that refuse it.
fn name_of(statement: &Statement) -> &'static str {
    match statement {
        Statement::BeginStatementSet => "BEGIN STATEMENT SET without its statements",
        Statement::EndStatementSet => "END without BEGIN STATEMENT SET",
        Statement::Delete(_) => "DELETE",
        Statement::Update(_) => "UPDATE",
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::Merge(_) => "MERGE",
        Statement::Call(_) => "CALL",
        Statement::CompilePlan(_) => "COMPILE PLAN",
        Statement::ExecutePlan(_) => "EXECUTE PLAN",
        Statement::CreateMaterializedTable(_) => "CREATE MATERIALIZED TABLE",
        Statement::CreateConnection(_) => "CREATE CONNECTION",
        Statement::AlterMaterializedTable(_) => "ALTER MATERIALIZED TABLE",
        Statement::LoadModule { .. } => "LOAD MODULE",
        Statement::UnloadModule(_) => "UNLOAD MODULE",
        Statement::AddJar(_) => "ADD JAR",
        Statement::RemoveJar(_) => "REMOVE JAR",
        Statement::Analyze(_) => "ANALYZE TABLE",
        _ => "this statement",
    }
}
