//! What the binary gives the runtime: operators, connectors and the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::error::nearest;
use flott_api::lookup::Connectors;
use flott_api::operator::OperatorFactory;
use flott_api::table::TableFactory;
use flott_api::{Error, Result};

/// The connectors, by what stands in `'connector'`.
pub type TableFactories = BTreeMap<&'static str, Arc<dyn TableFactory>>;

/// Everything that a job is built from.
#[derive(Clone)]
pub struct Plugins {
    /// Builds operators.
    pub operators: Arc<dyn OperatorFactory>,
    /// Build sources and sinks.
    pub tables: Arc<TableFactories>,
    /// Time, randomness, tasks, files, terminal.
    pub environment: Environment,
    /// Bytes of memory that the hot state of a job may take, unless its configuration says otherwise.
    pub state_bytes_max: usize,
}

impl Plugins {
    /// The connector of this name.
    pub(crate) fn table(&self, connector: &str) -> Result<&dyn TableFactory> {
        find(&self.tables, connector)
    }

    /// The connectors, for operators that look up in tables.
    pub(crate) fn connectors(&self) -> Arc<dyn Connectors> {
        Arc::new(OfPlugins(Arc::clone(&self.tables)))
    }
}

struct OfPlugins(Arc<TableFactories>);

impl Connectors for OfPlugins {
    fn connector(&self, identifier: &str) -> Result<&dyn TableFactory> {
        find(&self.0, identifier)
    }
}

fn find<'t>(tables: &'t TableFactories, connector: &str) -> Result<&'t dyn TableFactory> {
    tables.get(connector).map(AsRef::as_ref).ok_or_else(|| {
        let error = Error::invalid(format!("connector '{connector}' is not part of this Flott"));
        match nearest(connector, tables.keys().copied()) {
            Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
            None => error,
        }
    })
}
