//! What is in this binary: connectors, operators, and the world that jobs run in.

use std::sync::Arc;

use flott_api::Result;
use flott_api::env::Environment;
#[cfg(any(feature = "python", feature = "wasm"))]
use flott_api::function::Language;
use flott_api::function::{Declaration, FunctionHosts, UserFunction};
use flott_api::model::ModelProviders;
use flott_api::object::ObjectStores;
#[cfg(feature = "jdbc")]
use flott_api::options::OptionReader;
use flott_api::options::Options;
use flott_api::process::{ProcessFunction, ProcessFunctions};
use flott_api::table::TableFactory;
use flott_batch::BatchFactory;
use flott_runtime::environment::{Objects, StoreWorld, memory_bytes};
use flott_runtime::{Plugins, TableFactories};
#[cfg(feature = "jdbc")]
use flott_sql::catalog::Catalog;
use flott_sql::config::{Configuration, is_of_stores};
use flott_sql::session::Connectors;

use crate::collect::{COLLECT, CollectFactory, Results};

/// The part of the memory that the hot state of a job may take if nobody says how much: Flink's default of
/// `taskmanager.memory.managed.fraction` is 0.4 of what it has.
const STATE_MEMORY_PART: usize = 3;

/// Everything a job is built from; the results of queries go to `results`.
pub fn plugins(environment: Environment, results: &Arc<Results>) -> Plugins {
    let mut tables = TableFactories::new();
    for factory in connectors() {
        tables.insert(factory.identifier(), Arc::from(factory));
    }
    let state_bytes_max = memory_bytes() / STATE_MEMORY_PART;
    let batch = BatchFactory::new(tables.clone(), state_bytes_max);
    tables.insert(batch.description().identifier, Arc::new(batch));
    tables.insert(COLLECT, Arc::new(CollectFactory::new(Arc::clone(results))));
    let operators = Arc::new(flott_operators::Factory::new(process_functions()));
    let environment =
        Environment { functions: languages(), models: flott_connectors::model_providers(), ..environment };
    Plugins { operators, tables: Arc::new(tables), environment, state_bytes_max }
}

/// The connectors of this binary.
fn connectors() -> Vec<Box<dyn TableFactory>> {
    let mut all = flott_connectors::factories();
    #[cfg(feature = "brokers")]
    all.extend(flott_brokers::factories());
    #[cfg(feature = "kafka")]
    all.extend(flott_kafka::factories());
    #[cfg(feature = "jdbc")]
    all.push(Box::new(flott_jdbc::Jdbc));
    #[cfg(feature = "mongodb")]
    all.push(Box::new(flott_mongodb::MongoDb));
    all
}

/// The connectors that a user may name, by their names.
pub fn user_tables() -> Vec<Arc<dyn TableFactory>> {
    let mut all: Vec<Arc<dyn TableFactory>> = connectors().into_iter().map(Arc::from).collect();
    all.sort_by_key(|factory| factory.identifier());
    all
}

/// The process table functions of this binary: planner and operators know the same. Those of users come with the hosts of
/// their languages.
fn process_functions() -> ProcessFunctions {
    ProcessFunctions::default()
}

/// The languages that functions of users are written in.
fn languages() -> FunctionHosts {
    let hosts = FunctionHosts::default();
    #[cfg(feature = "python")]
    let hosts = hosts.with(Language::Python, Arc::new(python()));
    #[cfg(feature = "wasm")]
    let hosts = hosts.with(Language::WebAssembly, Arc::new(flott_wasm::WasmHost::default()));
    hosts
}

/// Python, which may address half of the memory and what its libraries reserve without using it, unless users say otherwise.
#[cfg(feature = "python")]
fn python() -> flott_python::PythonHost {
    const RESERVED_BYTES: u64 = 2 << 30;
    let memory = memory_bytes() as u64 / 2 + RESERVED_BYTES;
    flott_python::PythonHost::new(flott_python::Defaults::of_variables(Some(memory)))
}

/// The object stores that jobs find by URI, told by [`store_options`]. What is missing there is said by the store that needs it.
pub fn objects(told: &Options, environment: &Environment) -> Arc<dyn ObjectStores> {
    Arc::new(Objects::new(StoreWorld::of(environment), told.0.clone()))
}

/// What the object stores are told: their keys with their values, the secrets among them. They stay in this process;
/// no job graph has them.
pub fn store_options(configuration: &Configuration) -> Options {
    let options = configuration.effective().into_iter().filter(|option| is_of_stores(&option.key));
    Options(options.map(|option| (option.key, option.value)).collect())
}

/// The connectors that a user may name.
pub struct UserConnectors {
    tables: Arc<TableFactories>,
    functions: ProcessFunctions,
    environment: Environment,
}

impl UserConnectors {
    /// Those of these plugins.
    pub fn of(plugins: &Plugins) -> Self {
        let environment = plugins.environment.clone();
        UserConnectors { tables: Arc::clone(&plugins.tables), functions: process_functions(), environment }
    }
}

/// Names with `$` are ours: the planner uses them, and no table can be made with them.
fn is_internal(identifier: &str) -> bool {
    identifier.starts_with('$')
}

impl Connectors for UserConnectors {
    fn find(&self, identifier: &str) -> Option<Arc<dyn TableFactory>> {
        self.tables.get(identifier).filter(|_| !is_internal(identifier)).cloned()
    }

    fn identifiers(&self) -> Vec<String> {
        self.tables.keys().filter(|name| !is_internal(name)).map(|name| (*name).to_owned()).collect()
    }

    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        self.functions.find(name).cloned()
    }

    fn model_providers(&self) -> ModelProviders {
        self.environment.models.clone()
    }

    #[cfg(feature = "jdbc")]
    fn catalog_types(&self) -> Vec<&'static str> {
        vec![crate::jdbc_catalog::JDBC]
    }

    #[cfg(feature = "jdbc")]
    fn open_catalog(&self, kind: &str, options: &OptionReader<'_>) -> Result<Option<Box<dyn Catalog>>> {
        if kind != crate::jdbc_catalog::JDBC {
            return Ok(None);
        }
        Ok(Some(Box::new(crate::jdbc_catalog::ServerCatalog::open(options, &self.environment.spawner)?)))
    }

    fn describe_function(&self, declaration: &Declaration) -> Result<UserFunction> {
        self.environment.functions.get(declaration.language)?.describe(declaration, &self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn internal_connectors_are_not_for_users() {
        let results = Arc::new(Results::default());
        let plugins = plugins(flott_runtime::environment::real(), &results);
        assert!(plugins.tables.contains_key(COLLECT));
        let connectors = UserConnectors::of(&plugins);
        assert!(connectors.find(COLLECT).is_none());
        assert!(connectors.find("print").is_some());
        assert!(!connectors.identifiers().contains(&COLLECT.to_owned()));
        assert!(connectors.identifiers().contains(&"filesystem".to_owned()));
        assert!(connectors.model_providers().get("openai").is_ok());
    }

    #[test]
    fn stores_are_told_their_keys() {
        let mut configuration = Configuration::default();
        let account = "fs.azure.account.key.acme.dfs.core.windows.net";
        for (key, value) in
            [(account, "hush"), ("parallelism.default", "2"), ("s3.endpoint", "http://host"), ("s3.secret.key", "hush")]
        {
            configuration.set(key, value, flott_sql::config::Origin::File).unwrap();
        }
        let told = store_options(&configuration).0;
        let told: Vec<(&str, &str)> = told.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            (account, "hush"),
            ("fs.gs.auth.null.enable", "false"),
            ("s3.endpoint", "http://host"),
            ("s3.secret-key", "hush"),
        ];
        assert_eq!(told, expected);
    }
}
