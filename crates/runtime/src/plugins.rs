//! What the binary gives the runtime: operators, connectors and the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::error::nearest;
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
        self.tables.get(connector).map(AsRef::as_ref).ok_or_else(|| {
            let error = Error::invalid(format!("connector '{connector}' is not part of this Flott"));
            match nearest(connector, self.tables.keys().copied()) {
                Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
                None => error,
            }
        })
    }
}
