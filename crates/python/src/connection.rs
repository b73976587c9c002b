//! A process of Python that has our side and knows where modules are. All of it blocks.

use std::io;
use std::sync::Arc;

use arrow_buffer::Buffer;
use flott_api::program::{Channel, Program, Programs, RunningProgram, StartedProgram};
use flott_api::{Error, ErrorKind, Result};
use serde_json::json;

use crate::frame::{self, answered, sent};
use crate::report;
use crate::settings::{Settings, TIMEOUT};

const BOOTSTRAP: &str = include_str!("worker/bootstrap.py");
/// Our side, module by module.
const SOURCES: [(&str, &str); 14] = [
    ("flott_aggregates", include_str!("worker/aggregates.py")),
    ("flott_calls", include_str!("worker/calls.py")),
    ("flott_failure", include_str!("worker/failure.py")),
    ("flott_load", include_str!("worker/load.py")),
    ("flott_main", include_str!("worker/main.py")),
    ("flott_pandas", include_str!("worker/pandas.py")),
    ("flott_pyflink", include_str!("worker/pyflink.py")),
    ("flott_report", include_str!("worker/report.py")),
    ("flott_row", include_str!("worker/row.py")),
    ("flott_types", include_str!("worker/types.py")),
    ("flott_udf", include_str!("worker/udf.py")),
    ("flott_values", include_str!("worker/values.py")),
    ("flott_views", include_str!("worker/views.py")),
    ("flott_worker", include_str!("worker/worker.py")),
];

/// See the module.
pub(crate) struct Connection {
    channel: Box<dyn Channel>,
    program: Arc<dyn RunningProgram>,
    /// Which Python it is.
    executable: String,
    /// What it runs, for messages: `function 'f'`.
    subject: String,
    timeout_ms: u64,
}

impl Connection {
    /// Starts Python for what `subject` names.
    pub(crate) fn start(programs: &dyn Programs, settings: &Settings, subject: String) -> Result<Self> {
        let (executable, StartedProgram { mut channel, program }) = started(programs, settings, &subject)?;
        let patient = channel.set_patience(Some(settings.timeout_ms));
        patient.map_err(|e| Error::external("the channel to Python has no timeout").with_source(e))?;
        let mut connection = Connection { channel, program, executable, subject, timeout_ms: settings.timeout_ms };
        let sources: serde_json::Map<String, serde_json::Value> =
            SOURCES.iter().map(|(name, source)| ((*name).to_owned(), json!(source))).collect();
        connection.send(sent::SOURCES, serde_json::Value::Object(sources).to_string())?;
        connection.send(sent::BEGIN, json!({ "files": settings.files }).to_string())?;
        Ok(connection)
    }

    /// The process, to end it from elsewhere.
    pub(crate) fn program(&self) -> Arc<dyn RunningProgram> {
        Arc::clone(&self.program)
    }

    pub(crate) fn send(&mut self, kind: u8, payload: impl AsRef<[u8]>) -> Result<()> {
        frame::send(self.channel.as_mut(), kind, payload.as_ref()).map_err(|e| self.gone(&e))
    }

    /// An answer of this kind.
    ///
    /// # Errors
    /// As it is reported, or that the process is gone.
    pub(crate) fn receive(&mut self, expected: u8) -> Result<Buffer> {
        match frame::receive(self.channel.as_mut()).map_err(|e| self.gone(&e))? {
            (kind, payload) if kind == expected => Ok(payload),
            (answered::FAILED, payload) => Err(report::error(&payload, &self.subject, &self.executable)),
            (kind, _) => Err(self.unclear(format!("Python answers with a frame of kind {kind}"))),
        }
    }

    /// What no Python with our side says.
    pub(crate) fn unclear(&self, message: String) -> Error {
        Error::internal(format!("{}: {message}", self.subject))
    }

    /// The process is gone, or it says nothing and is ended.
    fn gone(&self, e: &io::Error) -> Error {
        let retry = |message| Error::new(ErrorKind::External { retry: true }, message);
        if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            self.program.kill();
            let message = format!("the Python process of {} has not answered in {} ms", self.subject, self.timeout_ms);
            return retry(message)
                .with_detail("It was ended.")
                .with_hint(format!("A batch may take as long as '{TIMEOUT}' says."));
        }
        retry(format!("the Python process of {} is gone", self.subject))
            .with_detail(format!("{}: {}.", self.executable, self.program.ended()))
            .with_hint("What it has written to standard error is in the log (FLOTT_LOG=info).")
    }
}

/// The first Python that is there.
fn started(programs: &dyn Programs, settings: &Settings, subject: &str) -> Result<(String, StartedProgram)> {
    for executable in &settings.executables {
        match programs.start(&program(executable, settings, subject)) {
            Ok(started) => return Ok((executable.clone(), started)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => {
                return Err(Error::external(format!("Python '{executable}' cannot be started")).with_source(e));
            }
        }
    }
    Err(Error::external(format!("there is no Python '{}'", settings.executables.join("' or '")))
        .with_hint("Install Python with pyarrow and pandas, or name yours with 'python.executable'."))
}

fn program(executable: &str, settings: &Settings, subject: &str) -> Program {
    let mut path = settings.path.clone();
    // On top of what the user has set for all of Python.
    path.extend(std::env::var("PYTHONPATH").ok().filter(|path| settings.inherits && !path.is_empty()));
    let mut variables = vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())];
    if !path.is_empty() {
        variables.push(("PYTHONPATH".to_owned(), path.join(":")));
    }
    Program {
        name: format!("Python of {subject}"),
        path: executable.to_owned(),
        arguments: ["-X", "faulthandler", "-c", BOOTSTRAP].map(str::to_owned).to_vec(),
        variables,
        inherits: settings.inherits,
        folder: None,
        memory_bytes_max: settings.memory_bytes,
    }
}
