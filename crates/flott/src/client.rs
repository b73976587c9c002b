//! Executes statements: `flott run` and the shell are two ways to feed it.
//!
//! An `INSERT` is submitted and runs on beside what follows, as with Flink's client, unless `table.dml-sync` is set. A
//! query shows its rows until it ends. Results go to standard output, everything else to standard error.

use std::pin::pin;
use std::sync::Arc;

use flott_api::env::{ConsoleState, Environment, TaskHandle};
use flott_api::options::Options;
use flott_api::{Error, ErrorKind, Result};
use flott_runtime::{JobOutcome, Plugins};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::ast::{ClientCommand, Statement};
use flott_sql::session::{Job, JobKind, Outcome, Session, TextTable};

use crate::arguments::OutputFormat;
use crate::collect::{OpenResult, Results};
use crate::exit::Exit;
use crate::interrupts::Interrupts;
use crate::jobs::{Done, Jobs, Reported, SubmittedJob};
use crate::output::{self, Ending, RowsWriter, View};
use crate::plugins::{self, UserConnectors};
use crate::progress::Progress;
use crate::screen::Screen;
use crate::settings::RECOVERY_PATH;

/// How a statement went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// On to the next one.
    Next,
    /// `QUIT` or `EXIT`.
    Quit,
    /// Ctrl-C came while it ran.
    Interrupted,
    /// Whoever read standard output has gone.
    ReaderGone,
}

/// Why a statement did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// Whether it is the failure of a job, and not of the statement.
    pub is_job: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, is_job: false }
    }
}

impl Failure {
    fn of_job(error: Error) -> Self {
        Failure { error, is_job: true }
    }

    /// How it ends the process.
    pub fn exit(&self) -> Exit {
        if self.is_job { Exit::JobFailed } else { Exit::of(&self.error) }
    }
}

/// A session with its jobs and its terminal.
pub struct Client {
    session: Session,
    plugins: Plugins,
    /// What the object stores were told.
    store_options: Options,
    results: Arc<Results>,
    jobs: Jobs,
    watchers: Vec<Box<dyn TaskHandle>>,
    screen: Arc<Screen>,
    format: OutputFormat,
    interrupts: Interrupts,
}

impl Client {
    /// A client whose rows look like `format`.
    ///
    /// # Errors
    /// If the catalog store cannot be read.
    pub fn new(
        configuration: Configuration,
        mut environment: Environment,
        screen: Arc<Screen>,
        format: OutputFormat,
        interrupts: Interrupts,
    ) -> Result<Self> {
        environment.console = Arc::clone(&screen) as _;
        let store_options = plugins::store_options(&configuration);
        environment.objects = plugins::objects(&store_options, &environment);
        let results = Arc::new(Results::default());
        let files = Arc::clone(&environment.files);
        let plugins = plugins::plugins(environment, &results);
        let session = Session::new(configuration, Arc::new(UserConnectors::of(&plugins)), files)?;
        Ok(Client {
            session,
            plugins,
            store_options,
            results,
            jobs: Jobs::default(),
            watchers: Vec::new(),
            screen,
            format,
            interrupts,
        })
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to plan with.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The terminal.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Signals.
    pub fn interrupts(&mut self) -> &mut Interrupts {
        &mut self.interrupts
    }

    /// `sql-client.verbose`
    pub fn is_verbose(&self) -> bool {
        self.session.configuration().value("sql-client.verbose").unwrap_or(false)
    }

    /// Executes a statement.
    ///
    /// # Errors
    /// If it is wrong, or the job that it waits for fails.
    pub async fn execute(&mut self, statement: &Statement) -> Result<Step, Failure> {
        match self.session.execute(statement)? {
            Outcome::Done { warning } => {
                warning.iter().for_each(|w| self.screen.warning(w));
                self.say_mode(statement);
                self.screen.say("[INFO] Execute statement succeeded.\n");
                Ok(Step::Next)
            }
            Outcome::Table(table) => Ok(self.show(output::text_table(self.view()?.style, &table))?),
            Outcome::Text(text) => Ok(self.show(output::text(self.view()?.style, &text))?),
            Outcome::Job(job) => self.run_job(&job).await,
            Outcome::StopJob { job, savepoint: None, .. } => {
                let job = Arc::clone(self.jobs.find(job)?);
                cancel(std::slice::from_ref(&job)).await;
                self.screen.say("[INFO] The specified job is stopped.\n");
                Ok(Step::Next)
            }
            Outcome::StopJob { job, savepoint: Some(target), drain } => {
                let job = Arc::clone(self.jobs.find(job)?);
                let path = stop_with_savepoint(&job, target, drain).await?;
                let table = TextTable::column("savepoint path", [path]);
                Ok(self.show(output::text_table(self.view()?.style, &table))?)
            }
            Outcome::ShowJobs => {
                let view = self.view()?;
                Ok(self.show(output::text_table(view.style, &self.jobs.list(&view.zone)?))?)
            }
            Outcome::DescribeJob(id) => {
                let view = self.view()?;
                Ok(self.show(output::text_table(view.style, &self.jobs.describe(id, &view.zone)?))?)
            }
            Outcome::Client(command) => Ok(self.command(command)?),
        }
    }

    fn view(&self) -> Result<View> {
        View::of(self.format, self.session.configuration())
    }

    fn show(&self, text: String) -> Result<Step> {
        Ok(step_of(self.screen.show(text)?))
    }

    /// Flink's mode `TABLE` is a full screen that Flott does not have.
    fn say_mode(&self, statement: &Statement) {
        if let Statement::Set(Some(option)) = statement
            && option.key.value == "sql-client.execution.result-mode"
            && option.value.value.eq_ignore_ascii_case("TABLE")
        {
            self.screen.warning("result mode TABLE is shown as TABLEAU");
        }
    }

    fn command(&self, command: ClientCommand) -> Result<Step> {
        match command {
            ClientCommand::Help => self.show(crate::shell::HELP.to_owned()),
            ClientCommand::Quit => Ok(Step::Quit),
            ClientCommand::Clear => {
                if self.screen.terminal().progress {
                    self.screen.say("\x1b[2J\x1b[H");
                }
                Ok(Step::Next)
            }
        }
    }

    /// Jobs from now on see the stores that the configuration tells of now.
    fn renew_stores(&mut self) {
        let options = plugins::store_options(self.session.configuration());
        if options != self.store_options {
            self.plugins.environment.objects = plugins::objects(&options, &self.plugins.environment);
            self.store_options = options;
        }
    }

    async fn run_job(&mut self, job: &Job) -> Result<Step, Failure> {
        self.renew_stores();
        job.warnings.iter().for_each(|w| self.screen.warning(w));
        match &job.kind {
            JobKind::Select { result } => {
                let view = self.view()?;
                let rows = self.results.open(result);
                let writer = output::rows_writer(&view, &job.schema);
                let submitted = self.jobs.submit(&self.plugins, job, Reported::ByStatement)?;
                self.follow(&submitted, rows, writer, &view.zone).await.map_err(Failure::of_job)
            }
            JobKind::Insert { .. } => self.insert(job).await,
        }
    }

    async fn insert(&mut self, job: &Job) -> Result<Step, Failure> {
        self.screen.say("[INFO] Submitting SQL update statement...\n");
        let is_sync: bool = self.session.configuration().value("table.dml-sync")?;
        // Who sets the path in the script says of each job what it resumes from, as with Flink.
        if self.session.configuration().origin(RECOVERY_PATH) != Origin::Session {
            self.jobs.take_path(job)?;
        }
        let reported = if is_sync { Reported::ByStatement } else { Reported::ByWatcher };
        let submitted = self.jobs.submit(&self.plugins, job, reported)?;
        self.screen
            .say(format!("[INFO] SQL update statement has been successfully submitted:\nJob ID: {}\n", submitted.id()));
        if !is_sync {
            self.watch(submitted);
            return Ok(Step::Next);
        }
        let mut progress = Progress::new(self.plugins.environment.clock.as_ref());
        let waited = self.wait_for(&submitted, std::slice::from_ref(&submitted), &mut progress).await;
        let step = waited.map_err(Failure::of_job)?;
        if step == Step::Next {
            self.screen.say("[INFO] Complete execution of the SQL update statement.\n");
        }
        Ok(step)
    }

    /// Reports the failure of a job as soon as it happens.
    fn watch(&mut self, job: Arc<SubmittedJob>) {
        let (screen, verbose) = (Arc::clone(&self.screen), self.is_verbose());
        let work = async move {
            if let Err(error) = job.handle().wait().await
                && !is_reader_gone(&error)
            {
                job.report_once(|| report_failure(&screen, &job, error, verbose));
            }
        };
        self.watchers.push(self.plugins.environment.spawner.spawn("watcher", Box::pin(work)));
    }

    /// Shows rows until the query ends.
    async fn follow(
        &mut self,
        job: &Arc<SubmittedJob>,
        mut rows: OpenResult,
        mut writer: Box<dyn RowsWriter>,
        zone: &str,
    ) -> Result<Step> {
        let clock = Arc::clone(&self.plugins.environment.clock);
        let mut progress = Progress::new(clock.as_ref());
        let mut ended = pin!(job.handle().wait());
        let mut tick = clock.sleep_ms(progress.wait_ms());
        let outcome = loop {
            tokio::select! {
                biased;
                () = self.interrupts.next() => break Err(Step::Interrupted),
                Some(batch) = rows.next() => {
                    let mut text = String::new();
                    writer.rows(&batch, &mut text)?;
                    if self.screen.show(text)? == ConsoleState::Closed {
                        break Err(Step::ReaderGone);
                    }
                }
                outcome = &mut ended => break Ok(outcome),
                () = &mut tick => {
                    progress.show(clock.as_ref(), job.done(), zone, &self.screen)?;
                    tick = clock.sleep_ms(progress.wait_ms());
                }
            }
        };
        self.screen.clear_progress();
        match outcome {
            Ok(outcome) => self.end_of_rows(outcome, rows, writer),
            Err(step) => self.give_up(job, step, rows, writer).await,
        }
    }

    fn end_of_rows(
        &self,
        outcome: Result<JobOutcome>,
        mut rows: OpenResult,
        mut writer: Box<dyn RowsWriter>,
    ) -> Result<Step> {
        let mut text = String::new();
        while let Some(batch) = rows.next_ready() {
            writer.rows(&batch, &mut text)?;
        }
        let ending = match outcome {
            Ok(JobOutcome::Finished) => Ending::Complete,
            Ok(JobOutcome::Stopped | JobOutcome::Cancelled) => Ending::Terminated,
            Err(_) => Ending::Failed,
        };
        writer.end(ending, &mut text);
        let step = self.show(text)?;
        outcome.map(|_| step)
    }

    /// The user or the reader of standard output wants no more rows.
    async fn give_up(
        &self,
        job: &SubmittedJob,
        step: Step,
        rows: OpenResult,
        mut writer: Box<dyn RowsWriter>,
    ) -> Result<Step> {
        job.handle().cancel();
        drop(rows);
        // It was told to end; how it does no longer matters.
        drop(job.handle().wait().await);
        let mut text = String::new();
        writer.end(Ending::Terminated, &mut text);
        if step == Step::Interrupted {
            self.screen.show(text)?;
        }
        Ok(step)
    }

    /// Waits until a job has ended, or Ctrl-C comes, which cancels `shown`. The line of progress tells of these.
    async fn wait_for(
        &mut self,
        job: &SubmittedJob,
        shown: &[Arc<SubmittedJob>],
        progress: &mut Progress,
    ) -> Result<Step> {
        let clock = Arc::clone(&self.plugins.environment.clock);
        let zone = output::session_zone(self.session.configuration());
        let mut ended = pin!(job.handle().wait());
        loop {
            let tick = clock.sleep_ms(progress.wait_ms());
            tokio::select! {
                () = self.interrupts.next() => {
                    self.screen.clear_progress();
                    cancel(shown).await;
                    return Ok(Step::Interrupted);
                }
                outcome = &mut ended => {
                    self.screen.clear_progress();
                    return match outcome {
                        Ok(_) => Ok(Step::Next),
                        Err(error) if is_reader_gone(&error) => Ok(Step::ReaderGone),
                        Err(error) => Err(error),
                    };
                }
                () = tick => progress.show(clock.as_ref(), sum(shown), &zone, &self.screen)?,
            }
        }
    }

    /// Waits for all jobs that `INSERT`s left running. Their failures have been reported when it returns.
    pub async fn wait_for_jobs(&mut self) -> Exit {
        let jobs = self.jobs.in_background();
        let mut progress = Progress::new(self.plugins.environment.clock.as_ref());
        let mut exit = Exit::Done;
        for job in &jobs {
            match self.wait_for(job, &jobs, &mut progress).await {
                Ok(Step::Interrupted) => return Exit::Interrupted,
                Ok(_) => {}
                Err(error) => {
                    exit = Exit::JobFailed;
                    let verbose = self.is_verbose();
                    job.report_once(|| report_failure(&self.screen, job, error, verbose));
                }
            }
        }
        exit
    }

    /// Cancels all jobs that run, and waits for them.
    pub async fn cancel_jobs(&self) -> usize {
        let running = self.jobs.running();
        cancel(&running).await;
        running.len()
    }
}

/// Lets a job take a savepoint and end; answers with the savepoint's path.
async fn stop_with_savepoint(job: &SubmittedJob, target: String, drain: bool) -> Result<String> {
    let path = job.handle().stop_with_savepoint(Some(&target), drain).await?;
    job.handle().wait().await?;
    Ok(path)
}

/// Whether a job ended because nobody reads its output any more (`| head`): that is no failure.
fn is_reader_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::Cancelled
}

/// Cancels jobs, and waits until each has cleaned up.
async fn cancel(jobs: &[Arc<SubmittedJob>]) {
    jobs.iter().for_each(|job| job.handle().cancel());
    for job in jobs {
        // How it ends no longer matters: it was told to.
        drop(job.handle().wait().await);
    }
}

fn step_of(state: ConsoleState) -> Step {
    match state {
        ConsoleState::Open => Step::Next,
        ConsoleState::Closed => Step::ReaderGone,
    }
}

fn sum(jobs: &[Arc<SubmittedJob>]) -> Done {
    jobs.iter().map(|job| job.done()).fold(Done::default(), |a, b| Done {
        rows: a.rows + b.rows,
        bytes: a.bytes + b.bytes,
        watermark: a.watermark.into_iter().chain(b.watermark).min(),
    })
}

/// The failure of a job that no statement waits for.
fn report_failure(screen: &Screen, job: &SubmittedJob, error: Error, verbose: bool) {
    screen.error(&error.context(format!("job '{}'", job.handle().name())), None, verbose);
}
