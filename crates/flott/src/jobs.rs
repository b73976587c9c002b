//! The jobs of this process: submitting them, listing them, stopping them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::TimestampMillisecondArray;
use flott_api::ids::JobId;
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_functions::{TextStyle, format_value};
use flott_graph::{NodeId, Role};
use flott_runtime::{JobHandle, JobStatus, MetricsSnapshot, Plugins, SubmitOptions, submit};
use flott_sql::config::LATEST;
use flott_sql::session::{Job, JobKind, TextTable};

use crate::settings::RECOVERY_PATH;

/// A job that was submitted.
pub struct SubmittedJob {
    handle: JobHandle,
    started_ms: i64,
    /// Sources, for the count of rows read.
    sources: Vec<NodeId>,
    reported_by: Reported,
    is_reported: Mutex<bool>,
}

/// Who tells the user that a job has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The statement, which waits for it.
    ByStatement,
    /// A watcher: the statement went on.
    ByWatcher,
}

/// What a job has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that its sources read.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The least watermark that any operator has seen, if there is one.
    pub watermark: Option<i64>,
}

impl SubmittedJob {
    /// The runtime's handle.
    pub fn handle(&self) -> &JobHandle {
        &self.handle
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.handle.id()
    }

    /// Reports its failure, unless that was done.
    pub fn report_once(&self, report: impl FnOnce()) {
        // Whoever comes second must not go on before the first one has finished: the process may end then.
        let mut is_reported = self.is_reported.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *is_reported, true) {
            report();
        }
    }

    /// What it has done so far.
    pub fn done(&self) -> Done {
        done_of(&self.handle.metrics(), &self.sources)
    }

    fn row(&self, zone: &str) -> Result<Vec<Option<String>>> {
        Ok(vec![
            Some(self.id().to_string()),
            Some(self.handle.name().to_owned()),
            Some(status_name(self.handle.status()).to_owned()),
            Some(time_text(self.started_ms, zone)?),
        ])
    }
}

/// The counters of the sources; the watermark is the least that has reached the end of the job, unbounded ones and
/// those of operators without event time left out.
fn done_of(metrics: &MetricsSnapshot, sources: &[NodeId]) -> Done {
    let mut done = Done::default();
    for operator in &metrics.operators {
        if sources.contains(&operator.node) {
            done.rows += operator.num_records_out;
            done.bytes += operator.num_bytes_out;
        }
        let watermark = operator.current_input_watermark;
        if watermark > i64::MIN && watermark < i64::MAX {
            done.watermark = Some(done.watermark.map_or(watermark, |least| least.min(watermark)));
        }
    }
    done
}

/// Flink's names of the states that a user sees.
fn status_name(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Running | JobStatus::Stopping => "RUNNING",
        JobStatus::Restarting => "RESTARTING",
        JobStatus::Failing => "FAILING",
        JobStatus::Cancelling => "CANCELLING",
        JobStatus::Finished | JobStatus::Stopped => "FINISHED",
        JobStatus::Failed => "FAILED",
        JobStatus::Cancelled => "CANCELED",
    }
}

/// A moment in the session's zone: `2026-01-02 03:04:05.678`.
pub fn time_text(millis: i64, zone: &str) -> Result<String> {
    let moment = TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC");
    let mut text = String::new();
    format_value(&moment, 0, &LogicalType::new(TypeKind::TimestampLtz(3)), zone, TextStyle::Cell, &mut text)?;
    Ok(text)
}

/// The jobs of this process, in order of submission.
#[derive(Default)]
pub struct Jobs {
    all: Vec<Arc<SubmittedJob>>,
    /// How many `INSERT` jobs of a name there were.
    of_name: BTreeMap<String, u32>,
    /// The paths that jobs resumed from, with the name of the job.
    resumed: BTreeMap<String, String>,
}

impl Jobs {
    /// Starts a planned job.
    ///
    /// # Errors
    /// If the runtime does not take it.
    pub fn submit(&mut self, plugins: &Plugins, job: &Job, reported_by: Reported) -> Result<Arc<SubmittedJob>> {
        let bytes = job.graph.to_bytes()?;
        let is_source = |id: &NodeId| matches!(job.graph.node(*id).role, Role::Source(_));
        let sources = job.graph.node_ids().filter(is_source).collect();
        let started_ms = plugins.environment.clock.now_ms();
        let ordinal = self.next_ordinal(job);
        let handle = submit(&bytes, plugins, SubmitOptions { ordinal })?;
        let is_reported = Mutex::new(false);
        let submitted = Arc::new(SubmittedJob { handle, started_ms, sources, reported_by, is_reported });
        self.all.push(Arc::clone(&submitted));
        Ok(submitted)
    }

    /// Which `INSERT` job of its name this is, from 1: with the name it says where the job's checkpoints lie, so a script
    /// that runs again finds those of each of its jobs. Queries have no checkpoints and are not counted.
    fn next_ordinal(&mut self, job: &Job) -> u32 {
        if matches!(job.kind, JobKind::Select { .. }) {
            return 1;
        }
        let count = self.of_name.entry(job.graph.name.clone()).or_insert(0);
        *count += 1;
        *count
    }

    /// Remembers the path that a job resumes from, for it fits no other job.
    ///
    /// # Errors
    /// If another one has it already.
    pub fn take_path(&mut self, job: &Job) -> Result<()> {
        let path = job.graph.configuration.get(RECOVERY_PATH).filter(|path| *path != LATEST);
        let Some(path) = path else { return Ok(()) };
        let name = &job.graph.name;
        match self.resumed.get(path) {
            Some(other) => Err(Error::invalid(format!(
                "job '{name}' cannot resume from '{path}', from which job '{other}' has resumed"
            ))
            .with_detail("A checkpoint or savepoint is that of one job.")
            .with_hint(format!("SET '{RECOVERY_PATH}' in the script before each INSERT, or use '--from {LATEST}'."))),
            None => {
                self.resumed.insert(path.clone(), name.clone());
                Ok(())
            }
        }
    }

    /// Those that have not ended.
    pub fn running(&self) -> Vec<Arc<SubmittedJob>> {
        self.all.iter().filter(|job| !job.handle.status().is_terminal()).cloned().collect()
    }

    /// Those that no statement waits for, ended ones too.
    pub fn in_background(&self) -> Vec<Arc<SubmittedJob>> {
        self.all.iter().filter(|job| job.reported_by == Reported::ByWatcher).cloned().collect()
    }

    /// The job of that id.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, id: JobId) -> Result<&Arc<SubmittedJob>> {
        self.all.iter().find(|job| job.id() == id).ok_or_else(|| {
            Error::invalid(format!("job '{id}' does not exist")).with_hint("SHOW JOBS lists the jobs of this session.")
        })
    }

    /// `SHOW JOBS`.
    ///
    /// # Errors
    /// If the zone does not exist.
    pub fn list(&self, zone: &str) -> Result<TextTable> {
        let rows = self.all.iter().map(|job| job.row(zone)).collect::<Result<_>>()?;
        Ok(TextTable::of(&["job id", "job name", "status", "start time"], rows))
    }

    /// `DESCRIBE JOB`.
    ///
    /// # Errors
    /// If there is no such job.
    pub fn describe(&self, id: JobId, zone: &str) -> Result<TextTable> {
        let row = self.find(id)?.row(zone)?;
        Ok(TextTable::of(&["job id", "job name", "status", "start time"], vec![row]))
    }
}

#[cfg(test)]
mod tests {
    use flott_api::ids::{OperatorUid, Subtask};
    use flott_runtime::metrics::OperatorSnapshot;

    use super::*;

    fn operator(node: u32, rows: u64, watermark: i64) -> OperatorSnapshot {
        OperatorSnapshot {
            node: NodeId(node),
            name: "x".into(),
            uid: OperatorUid("x".into()),
            subtask: Subtask { index: 0, parallelism: 1 },
            num_records_in: 0,
            num_records_out: rows,
            num_bytes_in: 0,
            num_bytes_out: rows * 10,
            num_late_records_dropped: 0,
            num_records_in_errors: 0,
            current_input_watermark: watermark,
            current_output_watermark: watermark,
        }
    }

    #[test]
    fn only_sources_count_rows_and_the_least_watermark_counts() {
        let operators = vec![operator(0, 5, i64::MIN), operator(1, 7, 3), operator(2, 7, 2), operator(0, 1, i64::MAX)];
        let metrics = MetricsSnapshot { operators, tasks: Vec::new() };
        let done = done_of(&metrics, &[NodeId(0)]);
        assert_eq!(done, Done { rows: 6, bytes: 60, watermark: Some(2) });
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        assert_eq!(time_text(0, "UTC").unwrap(), "1970-01-01 00:00:00.000");
        assert_eq!(time_text(0, "Europe/Berlin").unwrap(), "1970-01-01 01:00:00.000");
    }

    #[test]
    fn an_unknown_job_is_named() {
        let error = Jobs::default().find(JobId(1)).err().unwrap();
        assert_eq!(error.message(), "job '00000000000000000000000000000001' does not exist");
    }

    fn job(name: &str, kind: JobKind, from: Option<&str>) -> Job {
        let configuration = from.map(|path| (RECOVERY_PATH.to_owned(), path.to_owned())).into_iter().collect();
        let graph = flott_graph::JobGraph {
            name: name.to_owned(),
            nodes: Vec::new(),
            edges: Vec::new(),
            factories: Vec::new(),
            artifacts: Vec::new(),
            configuration,
        };
        Job { graph, kind, schema: flott_api::Schema::default(), warnings: Vec::new() }
    }

    fn insert() -> JobKind {
        JobKind::Insert { tables: Vec::new() }
    }

    #[test]
    fn jobs_of_a_name_are_counted_and_queries_are_not() {
        let mut jobs = Jobs::default();
        let query = || JobKind::Select { result: "1".into() };
        let order = [("a", insert()), ("b", insert()), ("a", query()), ("a", insert()), ("a", insert())];
        let given = order.map(|(name, kind)| jobs.next_ordinal(&job(name, kind, None)));
        assert_eq!(given, [1, 1, 1, 2, 3]);
    }

    #[test]
    fn a_path_fits_one_job_and_latest_fits_all() {
        let mut jobs = Jobs::default();
        for name in ["a", "b"] {
            jobs.take_path(&job(name, insert(), Some("latest"))).unwrap();
            jobs.take_path(&job(name, insert(), None)).unwrap();
        }
        jobs.take_path(&job("a", insert(), Some("/c/chk-1"))).unwrap();
        let error = jobs.take_path(&job("b", insert(), Some("/c/chk-1"))).unwrap_err();
        assert_eq!(error.message(), "job 'b' cannot resume from '/c/chk-1', from which job 'a' has resumed");
        jobs.take_path(&job("b", insert(), Some("/c/chk-2"))).unwrap();
    }
}
