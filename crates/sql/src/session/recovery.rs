//! What a job is told of checkpoints, restarts and recovery: its part of the session's configuration.
//!
//! A query whose rows are shown cannot take them back. So it takes no checkpoints, resumes from none and is never
//! restarted, whatever is configured; Flink would take checkpoints and give up at the first restart.
//!
//! A job in batch mode takes none either, as in Flink: it is run from its start, and again if its restart strategy says so.

use std::collections::BTreeMap;

use flott_api::options::{Millis, Options};
use flott_api::{Error, Result};

use super::Session;
use crate::config::{Configuration, LATEST, is_of_stores};
use crate::secret::is_secret;

const INTERVAL: &str = "execution.checkpointing.interval";
const DIRECTORY: &str = "execution.checkpointing.dir";
const SAVEPOINT_DIRECTORY: &str = "execution.checkpointing.savepoint-dir";
const RECOVERY_PATH: &str = "execution.state-recovery.path";
const RESTART: &str = "restart-strategy.type";

/// The configuration that goes into a job graph: everything but secrets and what the process keeps to itself.
pub(super) fn for_graph(configuration: &Configuration) -> Options {
    let is_for_jobs = |key: &str| !is_of_stores(key) && !is_secret(key);
    let effective = configuration.effective().into_iter().filter(|option| is_for_jobs(&option.key));
    Options(effective.map(|option| (option.key, option.value)).collect())
}

/// Whether jobs run in batch mode.
pub(super) fn is_batch(configuration: &Configuration) -> bool {
    configuration.get("execution.runtime-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("batch"))
}

/// Makes it the configuration of a job that takes no checkpoints and resumes from none.
pub(super) fn from_the_start(configuration: &mut BTreeMap<String, String>) {
    configuration.remove(INTERVAL);
    configuration.remove(RECOVERY_PATH);
}

/// Makes it the configuration of a query whose rows are shown.
pub(super) fn without_checkpoints(configuration: &mut BTreeMap<String, String>) {
    from_the_start(configuration);
    configuration.insert(RESTART.to_owned(), "none".to_owned());
}

impl Session {
    /// Checks that an `INSERT` has a place for the checkpoints that it is to take or to resume from.
    pub(super) fn check_checkpoints(&self) -> Result<()> {
        let configuration = self.configuration();
        let has_directory = configuration.get(DIRECTORY).is_some();
        let takes_checkpoints = configuration.get(INTERVAL).is_some() && configuration.value::<Millis>(INTERVAL)?.0 > 0;
        if takes_checkpoints && !has_directory {
            return Err(Error::invalid(format!("option '{INTERVAL}' is set, but '{DIRECTORY}' is not"))
                .with_detail("Flink would keep checkpoints in the memory of a JobManager; here they could not outlive the process.")
                .with_hint(format!("SET '{DIRECTORY}' = 'file:///path/to/a/folder', or a folder in a bucket.")));
        }
        if configuration.get(RECOVERY_PATH) == Some(LATEST) && !has_directory {
            return Err(Error::invalid(format!(
                "option '{RECOVERY_PATH}' is '{LATEST}', but '{DIRECTORY}' is not set"
            ))
            .with_hint(format!("The newest checkpoint of a job is looked for in '{DIRECTORY}'.")));
        }
        Ok(())
    }

    /// Where a savepoint is put.
    pub(super) fn savepoint_directory(&self) -> Result<String> {
        self.configuration().get(SAVEPOINT_DIRECTORY).map(str::to_owned).ok_or_else(|| {
            Error::invalid(format!("a savepoint needs option '{SAVEPOINT_DIRECTORY}'")).with_hint(format!(
                "SET '{SAVEPOINT_DIRECTORY}' = 'file:///path/to/a/folder', or a folder in a bucket."
            ))
        })
    }
}
