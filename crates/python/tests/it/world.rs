//! A folder with modules, the Python of the tests, and calls of what is in them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flott_api::env::Environment;
use flott_api::function::{
    CallArgument, Declaration, FunctionCall, FunctionCalls, FunctionHost, FunctionProcess, Language, UserFunction,
};
use flott_api::ids::Subtask;
use flott_api::testing::functions::user_function;
use flott_api::testing::{batch, lines};
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_python::{Defaults, PythonHost};

/// The types that tests name by a letter.
pub(crate) fn ty(name: &str) -> LogicalType {
    LogicalType::new(match name {
        "INT" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "STRING" => return LogicalType::string(),
        "BYTES" => return LogicalType::bytes(),
        "BOOLEAN" => TypeKind::Boolean,
        "TINYINT" => TypeKind::TinyInt,
        "SMALLINT" => TypeKind::SmallInt,
        "FLOAT" => TypeKind::Float,
        "DOUBLE" => TypeKind::Double,
        "DATE" => TypeKind::Date,
        "TIME(3)" => TypeKind::Time(3),
        "TIMESTAMP(3)" => TypeKind::Timestamp(3),
        "TIMESTAMP(6)" => TypeKind::Timestamp(6),
        "TIMESTAMP(9)" => TypeKind::Timestamp(9),
        "TIMESTAMP_LTZ(3)" => TypeKind::TimestampLtz(3),
        "TIMESTAMP_LTZ(9)" => TypeKind::TimestampLtz(9),
        "DECIMAL(10, 2)" => TypeKind::Decimal { precision: 10, scale: 2 },
        other => panic!("no test knows the type {other}"),
    })
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
fn left_out(test: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|service| service == "python");
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names python\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

fn python() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/python");
    let found = Command::new(script).arg("path").stderr(Stdio::inherit()).output().expect("script/python can be run");
    assert!(found.status.success(), "the Python of the tests could not be installed; its error is above");
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// See the module.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) environment: Environment,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) python: String,
    pub(crate) zone: String,
    host: PythonHost,
}

impl World {
    /// With these modules; nothing if the user leaves tests with Python out. Within a runtime.
    pub(crate) fn with(test: &str, modules: &[(&str, &str)]) -> Option<Self> {
        if left_out(test) {
            return None;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let python = python();
        let mut world = World {
            options: BTreeMap::new(),
            environment: flott_runtime::environment::real(),
            host: PythonHost::new(Defaults::default()),
            python: python.clone(),
            zone: "UTC".to_owned(),
            folder,
        };
        modules.iter().for_each(|(name, source)| world.write(&format!("{name}.py"), source));
        let path = world.path("");
        world.set("python.executable", &python);
        world.set("python.pythonpath", path.trim_end_matches('/'));
        Some(world)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What a function has written to a file of the folder; nothing if it has not.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.options.insert(key.to_owned(), value.to_owned());
    }

    pub(crate) fn declaration(&self, entry: &str) -> Declaration {
        Declaration {
            language: Language::Python,
            entry: entry.to_owned(),
            artifacts: Vec::new(),
            parameters: None,
            returns: None,
            options: self.options.clone(),
        }
    }

    pub(crate) fn describe(&self, entry: &str) -> Result<UserFunction> {
        self.host.describe(&self.declaration(entry), &self.environment)
    }

    pub(crate) fn describe_declared(&self, declaration: &Declaration) -> Result<UserFunction> {
        self.host.describe(declaration, &self.environment)
    }

    /// A call of a function by its entry, over these columns.
    pub(crate) fn call(&self, entry: &str, columns: &[usize]) -> FunctionCall {
        self.call_of(entry, columns.iter().copied().map(CallArgument::Column).collect())
    }

    pub(crate) fn call_of(&self, entry: &str, args: Vec<CallArgument>) -> FunctionCall {
        let function = self.describe(entry).unwrap_or_else(|e| panic!("{}", told(&e)));
        FunctionCall { name: entry.rsplit('.').next().unwrap().to_owned(), function, args }
    }

    /// Calls of functions whose types are known, so that nobody is asked.
    pub(crate) fn known_call(&self, entry: &str, returns: LogicalType, column: usize) -> FunctionCall {
        let function = UserFunction { options: self.options.clone(), ..user_function(entry, returns) };
        let name = entry.rsplit('.').next().unwrap().to_owned();
        FunctionCall { name, function, args: vec![CallArgument::Column(column)] }
    }

    pub(crate) async fn start(&self, calls: &[FunctionCall], types: &[&str]) -> Result<Box<dyn FunctionProcess>> {
        let calls = FunctionCalls {
            calls: calls.to_vec(),
            arguments: types.iter().map(|name| ty(name)).collect(),
            subtask: Subtask { index: 1, parallelism: 3 },
            max_parallelism: 128,
            session_zone: self.zone.clone(),
        };
        self.host.start(&calls, &self.environment).await
    }

    /// What calls give for rows of text.
    pub(crate) async fn rows(&self, calls: &[FunctionCall], types: &[&str], table: &str) -> Result<Vec<String>> {
        let mut process = self.start(calls, types).await?;
        let results = answers(process.as_mut(), calls, types, table).await?;
        process.close().await?;
        Ok(results)
    }

    /// The error of calls for rows of text.
    pub(crate) async fn error(&self, calls: &[FunctionCall], types: &[&str], table: &str) -> Error {
        self.rows(calls, types, table).await.expect_err("the functions misbehave")
    }
}

/// What calls of a process give for rows of text.
pub(crate) async fn answers(
    process: &mut dyn FunctionProcess,
    calls: &[FunctionCall],
    types: &[&str],
    table: &str,
) -> Result<Vec<String>> {
    let schema = Schema::new(types.iter().map(|name| Field::new("", ty(name))).collect());
    let table = table.split(';').map(|row| format!("+I | {row}")).collect::<Vec<_>>().join("\n");
    let arguments = batch(&schema, &table).rows().clone();
    let columns = process.call(arguments).await?;
    let given = FunctionCalls {
        calls: calls.to_vec(),
        arguments: Vec::new(),
        subtask: Subtask { index: 0, parallelism: 1 },
        max_parallelism: 128,
        session_zone: String::new(),
    };
    let results = Schema::new(given.given()?.into_iter().map(|ty| Field::new("", ty)).collect());
    let rows = arrow_array::RecordBatch::try_new(results.arrow(), columns).unwrap();
    Ok(lines(&ChangeBatch::inserts(rows)).iter().map(|line| line.trim_start_matches("+I | ").to_owned()).collect())
}

/// All that an error says.
pub(crate) fn told(error: &Error) -> String {
    let parts = [Some(error.to_string()), error.detail().map(str::to_owned), error.hint().map(str::to_owned)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

pub(crate) fn column(at: usize) -> CallArgument {
    CallArgument::Column(at)
}

pub(crate) fn within(call: FunctionCall) -> CallArgument {
    CallArgument::Call(Box::new(call))
}
