//! `flott state check`: whether the checkpoint directories of jobs are whole, and hold nothing that nobody needs.
//!
//! Every file that a retained checkpoint names is read to its end. Nothing is changed. Findings go to standard output, a
//! row each: `missing` (named and not there), `damaged`, `orphan` (there and not named), `unfinished` (what a job that
//! runs is about to write or to remove; not counted). A line for each job goes to standard error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::object::{ObjectStatus, ObjectStore as _};
use flott_api::{Error, Result};
use flott_runtime::environment;
use flott_sql::session::TextTable;
use flott_state::checkpoint::{
    LogEntry, LogRecord, Report, RetryingObjects, RoutingObjects, check_contents, check_directory,
};

use super::configured;
use crate::arguments::StateCheckArguments;
use crate::exit::Exit;
use crate::jobs::time_text;
use crate::output;
use crate::screen::Screen;
use crate::settings;

/// What a job's directory has at its begin: the log, which no job is without, and what can be left of one.
const LOG: &str = "epochs/";
const LEFT: [&str; 3] = ["chk-", "shared/", "claimed/"];

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    job: String,
    kind: Kind,
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Missing,
    Damaged,
    Orphan,
    Unfinished,
}

/// Checks what the command line names.
///
/// # Errors
/// If there is no job's directory, or the store fails.
pub async fn run(arguments: &StateCheckArguments, environment: Environment, screen: &Arc<Screen>) -> Result<Exit> {
    let (environment, view) = configured((&arguments.configuration, arguments.output), environment, screen)?;
    let location = settings::location(&arguments.directory)?;
    let folder = RoutingObjects::new(Arc::clone(&environment.objects), &location)?;
    let listed = RetryingObjects::new(Arc::clone(&folder) as _, Arc::clone(&environment.clock));
    let (jobs, mut findings) = jobs_in(&folder, &listed.list("").await?)?;
    let mut totals = Totals::default();
    for (name, root) in &jobs {
        let job = Job { name, files: RoutingObjects::new(Arc::clone(&environment.objects), root)? };
        let (report, found) = job.check(&environment).await?;
        screen.say(format!("{}\n", headline(&job, &report, &view.zone)?));
        totals.add(&report);
        findings.extend(found);
    }
    let is_wrong = findings.iter().any(|finding| finding.kind != Kind::Unfinished);
    if !findings.is_empty() {
        screen.show(output::text_table(view.style, &table(findings)))?;
    }
    if is_wrong {
        return Ok(Exit::JobFailed);
    }
    screen.show(format!("OK: {}\n", totals.text(jobs.len())))?;
    Ok(Exit::Done)
}

/// A job, by the name of its folder.
struct Job<'a> {
    name: &'a str,
    files: Arc<RoutingObjects>,
}

impl Job<'_> {
    /// What is found. Of a job that seems to run only what two looks find counts: files come and go.
    async fn check(&self, environment: &Environment) -> Result<(Report, BTreeSet<Finding>)> {
        let (report, mut findings) = self.look(environment).await?;
        if !findings.is_empty() && seems_to_run(&report) {
            let (_, again) = self.look(environment).await?;
            findings.retain(|finding| again.contains(finding));
        }
        Ok((report, findings))
    }

    async fn look(&self, environment: &Environment) -> Result<(Report, BTreeSet<Finding>)> {
        let mut report = check_directory(&self.files, environment).await?;
        check_contents(&self.files, environment, &mut report).await?;
        let findings = self.findings(&report);
        Ok((report, findings))
    }

    fn findings(&self, report: &Report) -> BTreeSet<Finding> {
        let finding = |kind, what| Finding { job: self.name.to_owned(), kind, what };
        let runs = seems_to_run(report);
        let missing = report.missing.iter().map(|path| finding(Kind::Missing, self.files.uri(path)));
        let damaged = report.damaged.iter().map(|error| finding(Kind::Damaged, told(error)));
        let orphans = report.orphans.iter().map(|path| {
            let kind = if runs && !path.starts_with(LOG) { Kind::Unfinished } else { Kind::Orphan };
            finding(kind, self.files.uri(path))
        });
        missing.chain(damaged).chain(orphans).collect()
    }
}

fn told(error: &Error) -> String {
    error.detail().map_or_else(|| error.to_string(), |detail| format!("{error}: {detail}"))
}

/// The jobs of a folder by name, each with its URI, and what is left of others. The folder can be a job's own.
fn jobs_in(folder: &RoutingObjects, listed: &[ObjectStatus]) -> Result<(BTreeMap<String, String>, BTreeSet<Finding>)> {
    let is_job = |begin: &str| listed.iter().any(|object| object.path.starts_with(begin));
    if is_job(LOG) {
        let name = folder.root().rsplit('/').next().unwrap_or_default().to_owned();
        return Ok(([(name, folder.root().to_owned())].into(), BTreeSet::new()));
    }
    let (mut jobs, mut left) = (BTreeMap::new(), BTreeSet::new());
    for object in listed {
        let Some((name, path)) = object.path.split_once('/') else { continue };
        if path.starts_with(LOG) {
            jobs.insert(name.to_owned(), folder.uri(name));
        } else if LEFT.iter().any(|begin| path.starts_with(begin)) && !is_job(&format!("{name}/{LOG}")) {
            left.insert(Finding { job: name.to_owned(), kind: Kind::Orphan, what: folder.uri(&object.path) });
        }
    }
    if jobs.is_empty() && left.is_empty() {
        return Err(nothing_at(folder.root(), listed));
    }
    Ok((jobs, left))
}

fn nothing_at(root: &str, listed: &[ObjectStatus]) -> Error {
    let error = Error::invalid(format!("there is no checkpoint directory at '{root}'"));
    if listed.is_empty() {
        return error.with_detail("There is nothing at this path.");
    }
    if listed.iter().any(|object| object.path.starts_with("_metadata")) {
        return error
            .with_detail("It is a checkpoint or savepoint.")
            .with_hint("Name the folder of its job; 'flott state list' looks into a snapshot.");
    }
    error.with_hint("Name the folder of a job, which has 'epochs' in it, or the folder that has those of all jobs.")
}

/// What was checked.
#[derive(Default)]
struct Totals {
    checkpoints: usize,
    files: usize,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.checkpoints += report.records.len();
        self.files += report.files.len();
        self.bytes += report.files.values().map(|file| file.size).sum::<u64>();
    }

    fn text(&self, jobs: usize) -> String {
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (jobs, checkpoints) = (counted(jobs, "job"), counted(self.checkpoints, "checkpoint"));
        format!("{jobs}, {checkpoints}, {}, {} bytes", counted(self.files, "state file"), self.bytes)
    }
}

/// Which checkpoints a job has, and who may still be at work.
fn headline(job: &Job<'_>, report: &Report, zone: &str) -> Result<String> {
    let ids: Vec<String> = report.records.iter().map(|record| record.id.0.to_string()).collect();
    let has = match ids.len() {
        0 => "no checkpoint".to_owned(),
        1 => format!("checkpoint {}", ids[0]),
        _ => format!("checkpoints {}", ids.join(", ")),
    };
    let mut line = format!("job '{}': {has}, {} state files", job.name, report.files.len());
    if let (Some(last), true) = (&report.last, is_open(report)) {
        let when = time_text(last.at_ms, zone)?;
        let owner = format!("process {} on host '{}'", last.run.pid, last.run.host);
        line += &match seems_to_run(report) {
            true => format!("; it seems to run, in {owner}, which wrote its last record at {when}"),
            false if is_of_this_machine(last) => String::new(),
            false => format!("; whether {owner}, which wrote its last record at {when}, still runs is not known here"),
        };
    }
    Ok(line)
}

/// Whether the last owner has not said that it is done.
fn is_open(report: &Report) -> bool {
    let finished = report.records.last().is_some_and(|record| record.finished);
    report.last.as_ref().is_some_and(|last| last.entry != LogEntry::Dropped && !finished)
}

fn is_of_this_machine(record: &LogRecord) -> bool {
    record.run.host == environment::host()
}

/// Whether the process that owns the directory is there. Another one may have its number by now.
fn seems_to_run(report: &Report) -> bool {
    let last = report.last.as_ref().filter(|_| is_open(report));
    last.is_some_and(|last| is_of_this_machine(last) && exists(last.run.pid))
}

#[expect(unsafe_code, reason = "the standard library asks nobody whether a process exists")]
fn exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: a call without pointers; signal 0 is sent to nobody.
    let asked = unsafe { libc::kill(pid, 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

fn table(findings: BTreeSet<Finding>) -> TextTable {
    let row = |finding: Finding| {
        let kind = match finding.kind {
            Kind::Missing => "missing",
            Kind::Damaged => "damaged",
            Kind::Orphan => "orphan",
            Kind::Unfinished => "unfinished",
        };
        vec![Some(finding.job), Some(kind.to_owned()), Some(finding.what)]
    };
    TextTable::of(&["job", "found", "what"], findings.into_iter().map(row).collect())
}
