//! The session as it will be: what a statement creates or replaces is planned with before any catalog changes, so
//! that a statement that cannot be planned leaves nothing behind.

use std::sync::Arc;

use flott_api::Result;
use flott_api::options::Options;
use flott_api::process::ProcessFunction;
use flott_api::table::TableFactory;

use super::Session;
use crate::catalog::{FoundFunction, ObjectPath, Relation};
use crate::plan::{Models, PlanContext};

/// The session with one table or view put in its place, or taken away.
pub(super) struct Overlay<'a> {
    /// The session.
    pub(super) session: &'a Session,
    /// The object's name.
    pub(super) path: &'a ObjectPath,
    /// What it will be; nothing if it is to be gone.
    pub(super) relation: Option<&'a Relation>,
}

impl PlanContext for Overlay<'_> {
    fn relation(&self, name: &[String]) -> Result<Option<(ObjectPath, Relation)>> {
        match self.session.catalogs.path(name)? == *self.path {
            true => Ok(self.relation.map(|relation| (self.path.clone(), relation.clone()))),
            false => self.session.relation(name),
        }
    }

    fn relation_names(&self) -> Vec<String> {
        self.session.relation_names()
    }

    fn factory(&self, connector: &str) -> Result<Arc<dyn TableFactory>> {
        self.session.factory(connector)
    }

    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        self.session.process_function(name)
    }

    fn models(&self) -> &dyn Models {
        self.session
    }

    fn function(&self, name: &[String], is_built_in: bool) -> Result<Option<FoundFunction>> {
        self.session.function(name, is_built_in)
    }

    fn configuration(&self) -> Options {
        PlanContext::configuration(self.session)
    }
}
