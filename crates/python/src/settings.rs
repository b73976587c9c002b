//! What users say of Python, under Flink's keys: which one, where modules are, how much it may take.

use std::collections::BTreeMap;

use flott_api::options::{MemorySize, Millis, OptionReader, Options};
use flott_api::{Error, Result};

/// The environment variable that names the Python of planning, as Flink's.
pub const CLIENT_VARIABLE: &str = "PYFLINK_CLIENT_EXECUTABLE";
/// The environment variable that names the Python of jobs.
pub const VARIABLE: &str = "PYFLINK_EXECUTABLE";

/// A batch that takes longer is an error, unless the user says otherwise.
const TIMEOUT_MS: u64 = 10 * 60 * 1000;
/// Flink's default of `python.fn-execution.arrow.batch.size`.
const ARROW_ROWS: usize = 1000;
/// What is tried where nobody says which Python.
const NAMES: [&str; 2] = ["python", "python3"];

const CLIENT_EXECUTABLE: &str = "python.client.executable";
const EXECUTABLE: &str = "python.executable";
const FILES: &str = "python.files";
const PYTHONPATH: &str = "python.pythonpath";
const SYSTEM_VARIABLES: &str = "python.systemenv.enabled";
const MODE: &str = "python.execution-mode";
const MEMORY_BOUNDED: &str = "python.fn-execution.memory.managed";
const MEMORY_SIZE: &str = "python.fn-execution.memory.size";
pub(crate) const TIMEOUT: &str = "python.fn-execution.timeout";
const ARROW_BATCH: &str = "python.fn-execution.arrow.batch.size";
/// What processes of Python are told; the functions of one operator must agree.
const SHARED: [&str; 9] =
    [EXECUTABLE, FILES, PYTHONPATH, SYSTEM_VARIABLES, MODE, MEMORY_BOUNDED, MEMORY_SIZE, TIMEOUT, ARROW_BATCH];
/// What installs packages or unpacks archives before a job: not built.
const REFUSED: [&str; 2] = ["python.archives", "python.requirements"];

/// What holds where a user says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The Python of planning.
    pub client_executable: Option<String>,
    /// The Python of jobs.
    pub executable: Option<String>,
    /// The address space that a process may have.
    pub memory_bytes: Option<u64>,
}

impl Defaults {
    /// As the environment variables of this process say.
    pub fn of_variables(memory_bytes: Option<u64>) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Defaults { client_executable: set(CLIENT_VARIABLE), executable: set(VARIABLE), memory_bytes }
    }
}

/// Whom a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A planner that asks what a function is.
    Planning,
    /// A job.
    Running,
}

/// What users have said, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The Python to start: the first of these that is there.
    pub(crate) executables: Vec<String>,
    /// Single files that are modules.
    pub(crate) files: Vec<String>,
    /// Where modules are looked for.
    pub(crate) path: Vec<String>,
    /// Whether the process has the environment variables of this one.
    pub(crate) inherits: bool,
    /// The address space that it may have.
    pub(crate) memory_bytes: Option<u64>,
    /// How long an answer may take.
    pub(crate) timeout_ms: u64,
    /// The most rows of a batch for functions of pandas.
    pub(crate) pandas_rows: usize,
}

/// How async functions are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsyncSettings {
    /// How many calls are under way at most.
    pub(crate) capacity: usize,
    /// How long a row may take, with all attempts.
    pub(crate) timeout_ms: u64,
    /// How often a row is tried again.
    pub(crate) retries: u64,
    /// How long to wait before.
    pub(crate) delay_ms: u64,
}

impl Settings {
    pub(crate) fn of(options: &BTreeMap<String, String>, defaults: &Defaults, purpose: Purpose) -> Result<Self> {
        if let Some(key) = REFUSED.into_iter().find(|key| options.contains_key(*key)) {
            return Err(Error::unsupported(format!("option '{key}'"))
                .with_hint("Install what functions need beforehand, and name that Python with 'python.executable'."));
        }
        let options = Options(options.clone());
        let reader = OptionReader::new(&options, "Python");
        if let Some(mode) = reader.text(MODE).filter(|mode| !mode.eq_ignore_ascii_case("process")) {
            return Err(Error::unsupported(format!("'{mode}' as '{MODE}'"))
                .with_detail("Python always runs in a process of its own, so that it can only hurt its own job."));
        }
        let (files, mut path) = places(reader.text(FILES).unwrap_or_default())?;
        path.extend(
            reader.text(PYTHONPATH).unwrap_or_default().split(':').filter(|p| !p.is_empty()).map(str::to_owned),
        );
        let bounded = reader.value_or(MEMORY_BOUNDED, true)?;
        let size = reader.value::<MemorySize>(MEMORY_SIZE)?.map(|size| size.0).or(defaults.memory_bytes);
        Ok(Settings {
            executables: executables(&reader, defaults, purpose),
            files,
            path,
            inherits: reader.value_or(SYSTEM_VARIABLES, true)?,
            memory_bytes: size.filter(|_| bounded),
            timeout_ms: reader.value_or(TIMEOUT, Millis(TIMEOUT_MS))?.0,
            pandas_rows: positive(&reader, ARROW_BATCH, ARROW_ROWS)?,
        })
    }
}

/// The key in which two functions' options differ, though one process has only one value of it.
pub(crate) fn disagreement(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Option<&'static str> {
    SHARED.into_iter().find(|key| one.get(*key) != other.get(*key))
}

impl AsyncSettings {
    pub(crate) fn of(options: &BTreeMap<String, String>) -> Result<Self> {
        const PREFIX: &str = "table.exec.async-scalar.";
        let options = Options(options.clone());
        let reader = OptionReader::new(&options, "an async function");
        let key = |name: &str| format!("{PREFIX}{name}");
        let retried = reader.choice(&key("retry-strategy"), &[("FIXED_DELAY", true), ("NO_RETRY", false)], true)?;
        let attempts = positive(&reader, &key("max-attempts"), 3)?;
        Ok(AsyncSettings {
            capacity: positive(&reader, &key("max-concurrent-operations"), 10)?,
            timeout_ms: reader.value_or(&key("timeout"), Millis(3 * 60 * 1000))?.0,
            // Flink counts attempts behind the first one.
            retries: if retried { attempts as u64 } else { 0 },
            delay_ms: reader.value_or(&key("retry-delay"), Millis(100))?.0,
        })
    }
}

fn positive(reader: &OptionReader<'_>, key: &str, default: usize) -> Result<usize> {
    match reader.value_or(key, default as u64)? {
        0 => Err(Error::invalid(format!("option '{key}' has the value '0'")).with_detail("It must be at least 1.")),
        value => Ok(usize::try_from(value).unwrap_or(usize::MAX)),
    }
}

fn executables(reader: &OptionReader<'_>, defaults: &Defaults, purpose: Purpose) -> Vec<String> {
    let said = |key, default: &Option<String>| reader.text(key).map(str::to_owned).or_else(|| default.clone());
    let running = said(EXECUTABLE, &defaults.executable);
    let named = match purpose {
        Purpose::Planning => said(CLIENT_EXECUTABLE, &defaults.client_executable).or(running),
        Purpose::Running => running,
    };
    named.map_or_else(|| NAMES.map(str::to_owned).to_vec(), |one| vec![one])
}

/// Single modules, and folders and archives that modules are looked for in.
fn places(files: &str) -> Result<(Vec<String>, Vec<String>)> {
    let (mut modules, mut path) = (Vec::new(), Vec::new());
    for file in files.split(',').map(str::trim).filter(|file| !file.is_empty()) {
        let local = file.strip_prefix("file://").unwrap_or(file);
        if local.contains("://") {
            return Err(Error::unsupported(format!("'{file}' in '{FILES}'"))
                .with_detail("Only files of this machine can be loaded.")
                .with_hint("Copy it to this machine, and write its path."));
        }
        let is_module = std::path::Path::new(local).extension().is_some_and(|extension| extension == "py");
        if is_module { modules.push(local.to_owned()) } else { path.push(local.to_owned()) }
    }
    Ok((modules, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn settings(pairs: &[(&str, &str)], purpose: Purpose) -> Result<Settings> {
        let defaults = Defaults { client_executable: Some("/c".to_owned()), executable: None, memory_bytes: Some(7) };
        Settings::of(&options(pairs), &defaults, purpose)
    }

    #[test]
    fn the_python_of_a_job_is_said_or_found() {
        let running = |pairs| settings(pairs, Purpose::Running).unwrap().executables;
        assert_eq!(running(&[]), ["python", "python3"]);
        assert_eq!(running(&[(EXECUTABLE, "/x")]), ["/x"]);
        let planning = |pairs| settings(pairs, Purpose::Planning).unwrap().executables;
        assert_eq!(planning(&[(EXECUTABLE, "/x")]), ["/c"]);
        assert_eq!(planning(&[(EXECUTABLE, "/x"), (CLIENT_EXECUTABLE, "/y")]), ["/y"]);
        let nobody = Settings::of(&options(&[(EXECUTABLE, "/x")]), &Defaults::default(), Purpose::Planning).unwrap();
        assert_eq!(nobody.executables, ["/x"]);
    }

    #[test]
    fn files_are_modules_or_places() {
        let files = [(FILES, "/a/m.py, file:///b/lib ,/c/x.zip"), (PYTHONPATH, "/d:/e")];
        let read = settings(&files, Purpose::Running).unwrap();
        assert_eq!(
            (read.files, read.path),
            (vec!["/a/m.py".to_owned()], ["/b/lib", "/c/x.zip", "/d", "/e"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn memory_is_bounded_unless_it_is_not_managed() {
        let bytes = |pairs| settings(pairs, Purpose::Running).unwrap().memory_bytes;
        assert_eq!(bytes(&[]), Some(7));
        assert_eq!(bytes(&[(MEMORY_SIZE, "1 kb")]), Some(1024));
        assert_eq!(bytes(&[(MEMORY_SIZE, "1 kb"), (MEMORY_BOUNDED, "false")]), None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |key, value| settings(&[(key, value)], Purpose::Running).unwrap_err().to_string();
        assert_eq!(refused("python.requirements", "r.txt"), "option 'python.requirements' is not supported yet");
        assert_eq!(refused(MODE, "thread"), "'thread' as 'python.execution-mode' is not supported yet");
        assert_eq!(refused(FILES, "s3://b/m.py"), "'s3://b/m.py' in 'python.files' is not supported yet");
        assert_eq!(refused(ARROW_BATCH, "0"), "option 'python.fn-execution.arrow.batch.size' has the value '0'");
        assert!(refused(TIMEOUT, "soon").contains("python.fn-execution.timeout"));
    }

    #[test]
    fn async_functions_have_the_options_of_flink() {
        let defaults = AsyncSettings::of(&BTreeMap::new()).unwrap();
        assert_eq!(defaults, AsyncSettings { capacity: 10, timeout_ms: 180_000, retries: 3, delay_ms: 100 });
        let said = options(&[
            ("table.exec.async-scalar.max-concurrent-operations", "2"),
            ("table.exec.async-scalar.timeout", "1 s"),
            ("table.exec.async-scalar.retry-strategy", "no_retry"),
        ]);
        let expected = AsyncSettings { capacity: 2, timeout_ms: 1000, retries: 0, delay_ms: 100 };
        assert_eq!(AsyncSettings::of(&said).unwrap(), expected);
    }

    #[test]
    fn functions_of_one_process_must_agree() {
        let (one, other) = (options(&[(EXECUTABLE, "/x"), ("a", "1")]), options(&[(EXECUTABLE, "/x"), ("a", "2")]));
        assert_eq!(disagreement(&one, &other), None);
        assert_eq!(disagreement(&one, &BTreeMap::new()), Some(EXECUTABLE));
    }
}
