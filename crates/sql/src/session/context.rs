//! The session as the planner sees it.

use std::sync::Arc;

use flott_api::model::ModelProviders;
use flott_api::options::Options;
use flott_api::process::ProcessFunction;
use flott_api::table::TableFactory;
use flott_api::{Error, Result};

use super::{Session, recovery};
use crate::catalog::{FoundFunction, FoundModel, ObjectPath, Relation};
use crate::plan::{Models, PlanContext};

impl PlanContext for Session {
    fn relation(&self, name: &[String]) -> Result<Option<(ObjectPath, Relation)>> {
        Ok(self.catalogs.find(name)?.map(|found| (found.path, found.relation)))
    }

    fn relation_names(&self) -> Vec<String> {
        self.catalogs.names_here()
    }

    fn factory(&self, connector: &str) -> Result<Arc<dyn TableFactory>> {
        self.connectors.find(connector).ok_or_else(|| {
            let names = self.connectors.identifiers();
            let error = Error::invalid(format!("there is no connector '{connector}'"));
            match flott_api::error::nearest(connector, names.iter().map(String::as_str)) {
                Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
                None => error.with_hint(format!("The connectors are: {}.", names.join(", "))),
            }
        })
    }

    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        self.connectors.process_function(name)
    }

    fn models(&self) -> &dyn Models {
        self
    }

    fn function(&self, name: &[String], is_built_in: bool) -> Result<Option<FoundFunction>> {
        self.catalogs.find_function(name, is_built_in)
    }

    fn configuration(&self) -> Options {
        recovery::for_graph(&self.configuration)
    }
}

impl Models for Session {
    fn model(&self, name: &[String]) -> Result<Option<FoundModel>> {
        self.catalogs.find_model(name)
    }

    fn providers(&self) -> ModelProviders {
        self.connectors.model_providers()
    }
}
