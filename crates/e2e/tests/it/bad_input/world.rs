//! A session, a runtime and a folder of its own: scripts are run until their first error.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::env::{Console, ConsoleState, FileSystems};
use flott_api::{Error, ErrorKind, Result};
use flott_runtime::{
    JobHandle, JobOutcome, MetricsSnapshot, Plugins, SubmitOptions, TableFactories, environment, submit,
};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Job, Outcome, Session};

use crate::session::Known;

/// A job that needs longer hangs.
const HANG_MS: u64 = 60_000;

/// Where a script runs.
pub(super) struct World {
    pub(super) runtime: tokio::runtime::Runtime,
    session: Session,
    plugins: Plugins,
    lines: Arc<Lines>,
    folder: tempfile::TempDir,
    /// Of the last job that was waited for.
    pub(super) metrics: Option<MetricsSnapshot>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_files(Arc::new(environment::LocalFiles::new()))
    }

    /// With other files than those of this machine.
    pub(super) fn with_files(files: Arc<dyn FileSystems>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tables = flott_connectors::factories().into_iter().map(|f| (f.identifier(), Arc::from(f)));
        let tables: Arc<TableFactories> = Arc::new(tables.collect());
        let lines = Arc::new(Lines::default());
        let mut world = runtime.block_on(async { environment::real() });
        world.console = Arc::clone(&lines) as Arc<dyn Console>;
        world.files = Arc::clone(&files);
        let mut configuration = Configuration::default();
        configuration.set("table.local-time-zone", "UTC", Origin::File).unwrap();
        configuration.set("table.dml-sync", "true", Origin::File).unwrap();
        let session = Session::new(configuration, Arc::new(Known(Arc::clone(&tables))), files).unwrap();
        let plugins = Plugins {
            operators: Arc::new(flott_operators::Factory::new(flott_api::testing::process_functions())),
            tables,
            environment: world,
            state_bytes_max: 64 << 20,
        };
        World { runtime, session, plugins, lines, folder: tempfile::tempdir().unwrap(), metrics: None }
    }

    /// A path in the world's folder; scripts say `${DIR}/name`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(super) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The names of all files in the folder, hidden ones too.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The names of the files that a reader would see.
    pub(super) fn visible(&self, folder: &str) -> Vec<String> {
        self.names(folder).into_iter().filter(|name| !name.starts_with('.')).collect()
    }

    /// Runs all statements, waits for all jobs; gives what was answered and printed.
    pub(super) fn run(&mut self, sql: &str) -> Result<Vec<String>> {
        let sql = sql.replace("${DIR}", self.folder.path().to_str().unwrap());
        // A script is parsed before it is run, as `flott run` does.
        let statements = parse_script(&sql).collect::<Result<Vec<_>>>()?;
        let mut answers = Vec::new();
        for parsed in &statements {
            match self.session.execute(&parsed.statement)? {
                Outcome::Text(text) => answers.push(text),
                Outcome::Table(table) => answers.push(format!("{:?}", table.rows)),
                Outcome::Job(job) => drop(self.wait(&self.submit(&job)?)?),
                _ => {}
            }
            answers.extend(std::mem::take(&mut *self.lines.0.lock().unwrap()));
        }
        Ok(answers)
    }

    /// Runs statements, of which the last one is a job, and does not wait for that.
    pub(super) fn start(&mut self, sql: &str) -> JobHandle {
        let mut handle = None;
        for parsed in parse_script(&sql.replace("${DIR}", self.folder.path().to_str().unwrap())) {
            if let Outcome::Job(job) = self.session.execute(&parsed.unwrap().statement).unwrap() {
                handle = Some(self.submit(&job).unwrap());
            }
        }
        handle.unwrap()
    }

    fn submit(&self, job: &Job) -> Result<JobHandle> {
        self.runtime.block_on(async { submit(&job.graph.to_bytes()?, &self.plugins, SubmitOptions::default()) })
    }

    /// Waits for a job that must not hang.
    pub(super) fn wait(&mut self, job: &JobHandle) -> Result<JobOutcome> {
        let clock = Arc::clone(&self.plugins.environment.clock);
        let ended = self.runtime.block_on(async {
            tokio::select! {
                ended = job.wait() => ended,
                () = clock.sleep_ms(HANG_MS) => panic!("job '{}' hangs", job.name()),
            }
        });
        self.metrics = Some(job.metrics());
        ended
    }

    /// Waits for something that must not take long.
    pub(super) fn until(&self, done: impl Fn() -> bool) {
        let clock = &self.plugins.environment.clock;
        self.runtime.block_on(async {
            for _ in 0..HANG_MS {
                if done() {
                    return;
                }
                clock.sleep_ms(1).await;
            }
            panic!("it does not happen");
        });
    }

    /// Runs statements of which one is refused or fails; `line:column message`, detail and hint, a line each.
    pub(super) fn refused(&mut self, sql: &str) -> String {
        let error = match self.run(sql) {
            Ok(answers) => panic!("not refused: {answers:?}"),
            Err(e) => e,
        };
        let text = said(&error).replace(self.folder.path().to_str().unwrap(), "${DIR}");
        assert!(!matches!(error.kind(), ErrorKind::Internal | ErrorKind::Cancelled), "{text}");
        assert!(!text.contains("panic"), "{text}");
        text
    }
}

/// All of an error.
pub(super) fn said(error: &Error) -> String {
    let place = error.location().map(|at| format!("{at} ")).unwrap_or_default();
    let mut lines = vec![format!("{place}{error}")];
    lines.extend([error.detail(), error.hint()].into_iter().flatten().map(str::to_owned));
    lines.join("\n")
}

/// What was printed.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Lines {
    fn add(&self, lines: &Bytes) -> Result<ConsoleState> {
        self.0.lock().unwrap().extend(String::from_utf8_lossy(lines).lines().map(str::to_owned));
        Ok(ConsoleState::Open)
    }
}

impl Console for Lines {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add(&lines)
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add(&lines)
    }
}
