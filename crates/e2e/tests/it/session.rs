//! Runs statements in this process and writes down their answers as the recordings do.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Console, ConsoleState, Environment};
use flott_api::model::ModelProviders;
use flott_api::process::ProcessFunction;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::testing::{LookupTest, ModelTest, process_functions};
use flott_api::{ChangeBatch, Error, LogicalType, Result, Schema};
use flott_functions::{TextStyle, format_value};
use flott_runtime::{Plugins, SubmitOptions, TableFactories, environment, submit};
use flott_sql::config::Configuration;
use flott_sql::parser::parse_script;
use flott_sql::session::{Connectors, JobKind, Outcome, Session, TextTable};

use crate::scripts::Answer;

/// What jobs may take of memory.
const STATE_BYTES_MAX: usize = 64 << 20;

/// The configuration in which Flink's answers were recorded, where ours is another. Flink splits at parallelism 1, too.
pub(crate) const AS_RECORDED: [(&str, &str); 2] =
    [("table.local-time-zone", "UTC"), ("table.optimizer.distinct-agg.split.min-parallelism", "1")];

/// A session without connectors, for expressions.
pub(crate) fn session() -> Session {
    let files = Arc::new(environment::LocalFiles::new());
    let mut configuration = Configuration::default();
    for (key, value) in AS_RECORDED {
        configuration.set(key, value, flott_sql::config::Origin::File).unwrap();
    }
    Session::new(configuration, Arc::new(Known(Arc::default())), files).unwrap()
}

/// Connectors that a test has put together.
pub(crate) struct Known(pub(crate) Arc<TableFactories>);

impl Connectors for Known {
    fn find(&self, identifier: &str) -> Option<Arc<dyn TableFactory>> {
        self.0.get(identifier).cloned()
    }

    fn identifiers(&self) -> Vec<String> {
        self.0.keys().map(|k| (*k).to_owned()).collect()
    }

    fn model_providers(&self) -> ModelProviders {
        model_providers()
    }

    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        process_functions().find(name).cloned()
    }
}

/// Those of Flott, and that of the tests.
pub(crate) fn model_providers() -> ModelProviders {
    flott_connectors::model_providers().with(Arc::new(ModelTest::default()))
}

/// Rows that a query's sink was given, as text.
#[derive(Clone, Default)]
struct Collected {
    rows: Arc<Mutex<Vec<String>>>,
    /// The zone of the session that shows them.
    zone: Arc<Mutex<String>>,
}

impl TableFactory for Collected {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("$collect") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::internal("a result is not read"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Ok(SinkDescription {
            changelog: ChangelogMode::ALL,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: None,
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal("a result is not read"))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(CollectSink { rows: self.clone(), schema: spec.schema.clone() }))
    }
}

struct CollectSink {
    rows: Collected,
    schema: Schema,
}

impl Sink for CollectSink {
    fn writer(&self, _: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CollectWriter { rows: self.rows.clone(), schema: self.schema.clone() }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct CollectWriter {
    rows: Collected,
    schema: Schema,
}

/// The changes of a batch as the recordings have them, a line each.
pub(crate) fn row_texts(schema: &Schema, batch: &ChangeBatch) -> Vec<String> {
    row_texts_in("UTC", schema, batch)
}

fn row_texts_in(zone: &str, schema: &Schema, batch: &ChangeBatch) -> Vec<String> {
    let text = |row: usize| {
        let cells = schema.fields.iter().zip(batch.rows().columns()).map(|(field, column)| {
            if column.is_null(row) {
                return "<NULL>".to_owned();
            }
            let mut text = String::new();
            format_value(column.as_ref(), row, &field.ty, zone, TextStyle::Cell, &mut text).unwrap();
            text
        });
        let cells: Vec<String> = cells.collect();
        // The recordings have a line a row.
        format!("{}[{}]", batch.kind(row), cells.join(", ")).replace('\n', "\\n")
    };
    (0..batch.len()).map(text).collect()
}

#[async_trait]
impl SinkWriter for CollectWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let rows = row_texts_in(&self.rows.zone.lock().unwrap(), &self.schema, &batch);
        self.rows.rows.lock().unwrap().extend(rows);
        Ok(())
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<flott_api::sink::Committable>> {
        Ok(Vec::new())
    }
}

#[derive(Default)]
struct Captured(Mutex<Vec<String>>);

impl Captured {
    fn add(&self, stream: &str, lines: &Bytes) -> Result<ConsoleState> {
        let text = String::from_utf8_lossy(lines);
        self.0.lock().unwrap().extend(text.lines().map(|line| format!("{stream}: {line}")));
        Ok(ConsoleState::Open)
    }
}

impl Console for Captured {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add("stdout", &lines)
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        self.add("stderr", &lines)
    }
}

/// Runs one script.
pub(crate) struct Runner {
    runtime: tokio::runtime::Runtime,
    rows: Collected,
    console: Arc<Captured>,
    temporary: tempfile::TempDir,
}

impl Runner {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Runner { runtime, rows: Collected::default(), console: Arc::default(), temporary: tempfile::tempdir().unwrap() }
    }

    /// Every statement with its answer; a failing one does not end the script.
    pub(crate) fn run(&self, sql: &str) -> Vec<(String, Answer)> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_folder.join("../..").canonicalize().unwrap();
        let replace = |text: &str| {
            text.replace("${DATA}", crate_folder.join("data").to_str().unwrap())
                .replace("${LOOKUP_FILES}", "filesystem")
                .replace("${TMP}", self.temporary.path().to_str().unwrap())
                .replace("'examples/", &format!("'{}/examples/", root.display()))
        };
        let (mut session, plugins) = self.runtime.block_on(async { self.open() });
        let mut answers = Vec::new();
        let mut piece = String::new();
        for line in sql.lines().chain(["--! cat"]) {
            let Some(folder) = line.strip_prefix("--! cat") else {
                piece.push_str(line);
                piece.push('\n');
                continue;
            };
            self.run_piece(&replace(&piece), &mut session, &plugins, &mut answers);
            piece.clear();
            if !folder.is_empty() {
                answers.push((line.to_owned(), cat(Path::new(&replace(folder.trim())))));
            }
        }
        answers
    }

    fn open(&self) -> (Session, Plugins) {
        let mut tables: TableFactories =
            flott_connectors::factories().into_iter().map(|f| (f.identifier(), Arc::from(f))).collect();
        let batch = flott_batch::BatchFactory::new(tables.clone(), STATE_BYTES_MAX);
        tables.insert(batch.description().identifier, Arc::new(batch));
        tables.insert("$collect", Arc::new(self.rows.clone()));
        tables.insert("lookup-test", Arc::new(LookupTest::default()));
        let tables = Arc::new(tables);
        let mut world = environment::real();
        world.console = Arc::clone(&self.console) as Arc<dyn Console>;
        world.models = model_providers();
        let mut configuration = Configuration::default();
        for (key, value) in AS_RECORDED {
            configuration.set(key, value, flott_sql::config::Origin::File).unwrap();
        }
        let files = Arc::clone(&world.files);
        let session = Session::new(configuration, Arc::new(Known(Arc::clone(&tables))), files).unwrap();
        let plugins = Plugins {
            operators: Arc::new(flott_operators::Factory::new(process_functions())),
            tables,
            environment: world,
            state_bytes_max: STATE_BYTES_MAX,
        };
        (session, plugins)
    }

    fn run_piece(&self, sql: &str, session: &mut Session, plugins: &Plugins, answers: &mut Vec<(String, Answer)>) {
        let mut rest = sql;
        while !rest.trim().is_empty() {
            let (text, result, taken) = match parse_script(rest).next() {
                Some(Ok(parsed)) => {
                    let end = parsed.text_range.end;
                    (&rest[parsed.text_range], session.execute(&parsed.statement), end)
                }
                // Flink's runner splits at semicolons, and goes on behind a statement that does not parse.
                Some(Err(error)) => {
                    let end = rest.find(";\n").map_or(rest.len(), |i| i + 1);
                    (&rest[..end], Err(error), end)
                }
                None => return,
            };
            rest = rest[taken..].trim_start().trim_start_matches(';');
            let zone = session.configuration().get("table.local-time-zone").unwrap_or("UTC");
            zone.clone_into(&mut self.rows.zone.lock().unwrap());
            let answer = result.and_then(|outcome| self.answer(outcome, plugins));
            let answer = answer.unwrap_or_else(|e| Answer { failed: Some(e.to_string()), ..Answer::default() });
            answers.push((text.to_owned(), answer));
        }
    }

    fn answer(&self, outcome: Outcome, plugins: &Plugins) -> Result<Answer> {
        let mut answer = Answer::default();
        match outcome {
            Outcome::Table(table) => (answer.schema, answer.changes) = table_answer(&table),
            Outcome::Text(text) => answer.text = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect(),
            Outcome::Job(job) => {
                if let JobKind::Select { .. } = job.kind {
                    answer.schema = Some(schema_text(&job.schema));
                }
                let ended = self.runtime.block_on(async {
                    submit(&job.graph.to_bytes()?, plugins, SubmitOptions::default())?.wait().await
                });
                answer.failed = ended.err().map(|e| e.to_string());
                answer.changes = std::mem::take(&mut self.rows.rows.lock().unwrap());
                answer.printed = std::mem::take(&mut self.console.0.lock().unwrap());
            }
            _ => {}
        }
        Ok(answer)
    }
}

fn table_answer(table: &TextTable) -> (Option<String>, Vec<String>) {
    let rows = table.rows.iter().map(|row| {
        let cells: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap_or("<NULL>")).collect();
        format!("+I[{}]", cells.join(", ")).replace('\n', "\\n")
    });
    (Some(schema_text(&table.schema)), rows.collect())
}

fn schema_text(schema: &Schema) -> String {
    let field = |f: &flott_api::Field| {
        let ty: &LogicalType = &f.ty;
        format!("{} {ty}", f.name)
    };
    schema.fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// Every file below a folder with its lines.
fn cat(folder: &Path) -> Answer {
    let mut answer = Answer::default();
    let mut pending = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            match (hidden, path.is_dir()) {
                (true, _) => {}
                (_, true) => pending.push(path),
                (_, false) => files.push(path),
            }
        }
    }
    files.sort();
    for file in files {
        let place = file.parent().unwrap().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        answer.text.push(format!("file: {}", if place.is_empty() { "." } else { &place }));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        answer.text.extend(text.lines().filter(|l| !l.is_empty()).map(str::to_owned));
    }
    answer
}
