//! What containers and operators live in: the real environment, and a store in which state ends that leaves memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott::plugins::plugins;
use flott_api::ids::Subtask;
use flott_api::lookup::Connectors;
use flott_api::metrics::OperatorMetrics;
use flott_api::operator::OpenContext;
use flott_api::state::StateMemory;
use flott_api::table::TableFactory;
use flott_api::{Error, Result};
use flott_runtime::{Plugins, TableFactories, environment};
use flott_state::store::{BlockCache, SegmentStore, StoreOptions};

use super::cases::labels;
use super::fed::Fed;
use crate::measure::Measure;

/// Memory of this process has this name.
const FOLDER: &str = "memory://micro/state";
const CACHE_BYTES: usize = 64 << 20;
const MAX_PARALLELISM: u32 = 128;
/// In nanoseconds, the first of three numbers.
const CPU_TIME: &str = "/proc/thread-self/schedstat";

/// The world of all measurements of a process.
pub(super) struct World {
    pub(super) plugins: Plugins,
    /// The table that is looked up in.
    pub(super) lookup_table: PathBuf,
    stores: AtomicU64,
}

impl World {
    /// The real one, with tables that are fed, and one in a file of the folder.
    pub(super) fn new(folder: &Path) -> Result<World> {
        thread_nanos()?;
        let failed = |e| Error::external("the table that is looked up in cannot be written").with_source(e);
        let lookup_table = folder.join("labels.csv");
        std::fs::write(&lookup_table, labels()).map_err(failed)?;
        let mut plugins = plugins(environment::real(), &Arc::default());
        let mut tables = plugins.tables.as_ref().clone();
        tables.insert("fed", Arc::new(Fed));
        tables.insert("measure", Arc::new(Measure(Arc::default())));
        plugins.tables = Arc::new(tables);
        Ok(World { plugins, lookup_table, stores: AtomicU64::new(0) })
    }

    /// What an operator learns that is alone in its job; its state is empty and may take all memory.
    pub(super) fn context(&self) -> Result<OpenContext> {
        let environment = self.plugins.environment.clone();
        let (objects, path) = environment.objects.resolve(FOLDER)?;
        let number = self.stores.fetch_add(1, Ordering::Relaxed);
        let (subtask, key_groups) = (Subtask { index: 0, parallelism: 1 }, 0..MAX_PARALLELISM);
        let place = (subtask, key_groups.clone());
        let cache = BlockCache::new(CACHE_BYTES);
        let options = StoreOptions::new(objects, environment.clone(), format!("{path}/{number}-"), place, cache);
        Ok(OpenContext {
            subtask,
            max_parallelism: MAX_PARALLELISM,
            environment,
            metrics: Arc::new(OperatorMetrics::default()),
            state: SegmentStore::open(options, &[])?,
            key_groups,
            memory: StateMemory::new(usize::MAX, true),
            connectors: Arc::new(Tables(Arc::clone(&self.plugins.tables))),
            splits: Arc::default(),
        })
    }
}

struct Tables(Arc<TableFactories>);

impl Connectors for Tables {
    fn connector(&self, identifier: &str) -> Result<&dyn TableFactory> {
        let found = self.0.get(identifier).map(AsRef::as_ref);
        found.ok_or_else(|| Error::invalid(format!("there is no connector '{identifier}'")))
    }
}

/// How long this thread has been at work.
pub(super) fn thread_nanos() -> Result<u64> {
    let text = std::fs::read_to_string(CPU_TIME).unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.ok_or_else(|| {
        Error::unsupported("measuring threads here").with_detail(format!("'{CPU_TIME}' does not tell their CPU time."))
    })
}
