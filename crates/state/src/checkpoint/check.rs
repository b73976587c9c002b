//! Looks whether a job's directory is whole: all that is named is there, and all that is there is named.

use std::collections::BTreeSet;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::object::ObjectStore;
use flott_api::{Error, ErrorKind, Result};

use super::directory::{CheckpointDirectory, check_files};
use super::log::{CheckpointRecord, FOLDER, Found, LogReader, LogState, position_of};
use super::retrying::RetryingObjects;
use super::routing::RoutingObjects;

/// What is found in a job's directory.
#[derive(Debug, Default)]
pub struct Report {
    /// The checkpoints that are retained, oldest first. Those that were being retired are not among them.
    pub records: Vec<CheckpointRecord>,
    /// State files that are named and absent.
    pub missing: BTreeSet<String>,
    /// Objects that nothing names.
    pub orphans: BTreeSet<String>,
    /// What is not as it should be: records, manifests (also missing ones), files of another size.
    pub damaged: Vec<Error>,
}

impl Report {
    /// Whether nothing is missing, damaged or left over.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.orphans.is_empty() && self.damaged.is_empty()
    }
}

/// Checks the directory whose files `routing` finds. Changes nothing; a job may run meanwhile, and then
/// what it is writing looks like orphans.
///
/// # Errors
/// If the store fails, or a newer Flott wrote the directory.
pub async fn check_directory(routing: &Arc<RoutingObjects>, environment: &Environment) -> Result<Report> {
    let objects = RetryingObjects::new(Arc::clone(routing) as _, Arc::clone(&environment.clock));
    let mut check = Check {
        directory: CheckpointDirectory::new(Arc::clone(routing), environment),
        objects,
        needed: BTreeSet::new(),
        report: Report::default(),
    };
    let listed: BTreeSet<String> = check.objects.list("").await?.into_iter().map(|o| o.path).collect();
    let state = check.log(&listed).await?;
    check.needed.extend(state.claimed.into_iter().map(|c| c.copy));
    // Those at the begin that have no manifest were being retired when a run died.
    let retired = state.retained.iter().take_while(|r| !listed.contains(&r.path)).count();
    let retired = if retired == state.retained.len() { 0 } else { retired };
    for record in state.retained.into_iter().skip(retired) {
        check.checkpoint(&record).await?;
        check.report.records.push(record);
    }
    let Check { needed, mut report, .. } = check;
    report.orphans.extend(listed.into_iter().filter(|path| !path.starts_with(FOLDER) && !needed.contains(path)));
    Ok(report)
}

struct Check {
    directory: CheckpointDirectory,
    objects: Arc<dyn ObjectStore>,
    needed: BTreeSet<String>,
    report: Report,
}

impl Check {
    /// Reads every record that is listed; gives what the log says in all.
    async fn log(&mut self, listed: &BTreeSet<String>) -> Result<LogState> {
        let reader = LogReader::new(Arc::clone(&self.objects), self.directory.routing().root());
        for path in listed.range(FOLDER.to_owned()..).take_while(|p| p.starts_with(FOLDER)) {
            match position_of(path) {
                None => drop(self.report.orphans.insert(path.clone())),
                Some(position) => {
                    if let Found::Damaged(error) = reader.read(position).await? {
                        self.report.damaged.push(error);
                    }
                }
            }
        }
        reader.state(&mut Vec::new()).await
    }

    async fn checkpoint(&mut self, record: &CheckpointRecord) -> Result<()> {
        self.needed.insert(record.path.clone());
        let manifest = match self.directory.read(record).await {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.report.damaged.push(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.needed.extend(self.directory.names(&manifest)?);
        let routing = self.directory.routing();
        for broken in check_files(self.objects.as_ref(), routing, manifest.sized_files()).await? {
            if broken.missing {
                self.report.missing.insert(broken.name);
            } else {
                self.report.damaged.push(broken.error);
            }
        }
        Ok(())
    }
}
