//! Looks whether a job's directory is whole: all that is named is there, and all that is there is named.
//! Whether each file holds what it should is a second look, which reads all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::object::ObjectStore;
use flott_api::{Error, ErrorKind, Result};

use super::directory::{CheckpointDirectory, check_files};
use super::in_flight;
use super::log::{CheckpointRecord, FOLDER, Found, LogReader, LogRecord, LogState, position_of};
use super::manifest::InFlightSnapshot;
use super::retrying::RetryingObjects;
use super::routing::RoutingObjects;
use crate::handle::StateFile;
use crate::store::verify_file;

/// What is found in a job's directory.
#[derive(Debug, Default)]
pub struct Report {
    /// The checkpoints that are retained, oldest first. Those that were being retired are not among them.
    pub records: Vec<CheckpointRecord>,
    /// The newest record of the log that can be read: who owned the directory last.
    pub last: Option<LogRecord>,
    /// The state files that they name, each once.
    pub files: BTreeMap<String, StateFile>,
    /// The files of rows under way that they name.
    pub rows: BTreeMap<String, InFlightSnapshot>,
    /// State files that are named and absent.
    pub missing: BTreeSet<String>,
    /// Objects that nothing names.
    pub orphans: BTreeSet<String>,
    /// What is not as it should be: records, manifests (also missing ones), files of another size or content.
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

/// Reads every state file, and every file of rows under way, that the report names and that is there, and adds those that are damaged.
///
/// # Errors
/// If the store fails, or a newer Flott wrote a file.
pub async fn check_contents(
    routing: &Arc<RoutingObjects>,
    environment: &Environment,
    report: &mut Report,
) -> Result<()> {
    let told: BTreeSet<&str> = report.damaged.iter().map(Error::message).collect();
    let is_told = |name: &str| told.iter().any(|message| message.contains(&routing.uri(name)));
    let is_unread = |name: &String| !report.missing.contains(name) && !is_told(name);
    let mut damaged = Vec::new();
    let mut note = |checked: Result<()>| match checked {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            damaged.push(error);
            Ok(())
        }
        checked => checked,
    };
    for (name, file) in report.files.iter().filter(|(name, _)| is_unread(name)) {
        let file = StateFile { path: routing.uri(name), ..file.clone() };
        note(verify_file(Arc::clone(routing) as _, environment, file).await)?;
    }
    for (name, piece) in report.rows.iter().filter(|(name, _)| is_unread(name)) {
        note(in_flight::read(routing.as_ref(), &routing.uri(name), piece).await.map(drop))?;
    }
    report.damaged.extend(damaged);
    Ok(())
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
                Some(position) => match reader.read(position).await? {
                    Found::Damaged(error) => self.report.damaged.push(error),
                    Found::Record(record) => self.report.last = Some(*record),
                    Found::Nothing => {}
                },
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
        for file in manifest.state_files() {
            self.report.files.insert(routing.name_of(&file.path)?, file.clone());
        }
        for piece in manifest.in_flight() {
            if let Some(path) = piece.file() {
                self.report.rows.insert(routing.name_of(path)?, piece.clone());
            }
        }
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
