//! Object storage of the real world.

use std::sync::Arc;

use flott_api::object::{ObjectStore, ObjectStores};
use flott_api::{Error, Result};

/// Finds the store of a URI.
#[derive(Debug, Default)]
pub struct Objects {}

impl ObjectStores for Objects {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        Err(Error::unsupported(format!("object storage '{uri}'")))
    }
}
