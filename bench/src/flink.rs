//! Flink, which does the same in a virtual machine of its own: the programs of `bench/flink`, compiled when they are needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flott_api::{Error, Result};

use crate::line::Cost;

const LIB: &str = "FLOTT_FLINK";
const EXTRA_JARS: &str = "FLINK_EXTRA_JARS";
const HEAP: &str = "FLINK_HEAP";
const PROTOC: &str = "FLOTT_PROTOC";
const HEAP_DEFAULT: &str = "4g";
const SOURCES: [(&str, &str); 7] = [
    ("Jobs.java", include_str!("../flink/Jobs.java")),
    ("Measure.java", include_str!("../flink/Measure.java")),
    ("Messages.java", include_str!("../flink/Messages.java")),
    ("Nexmark.java", include_str!("../flink/Nexmark.java")),
    ("NexmarkEvents.java", include_str!("../flink/NexmarkEvents.java")),
    ("NexmarkJobs.java", include_str!("../flink/NexmarkJobs.java")),
    ("SideInput.java", include_str!("../flink/SideInput.java")),
];
const FACTORIES: &str = "META-INF/services/org.apache.flink.table.factories.Factory";
/// What Flink's jar for SQL renames the library of messages to, so that generated classes must name it so too.
const RENAMED: (&str, &str) = ("com.google.protobuf", "org.apache.flink.formats.protobuf.shaded.com.google.protobuf");
/// What Java hides and Flink opens.
const OPENED: [&str; 12] = [
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.nio",
    "java.math",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
];

/// What one run took and what else it said.
pub(crate) struct Answer {
    pub(crate) cost: Cost,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Flink's jars and our programs beside them.
pub(crate) struct Flink {
    classpath: String,
    classes: PathBuf,
}

impl Flink {
    /// Whether Flink is to be measured too.
    pub(crate) fn is_asked() -> bool {
        std::env::var_os(LIB).is_some()
    }

    /// Compiles into `classes`, if Flink is to be measured.
    pub(crate) fn of_environment(classes: &Path) -> Result<Option<Flink>> {
        let Some(lib) = std::env::var_os(LIB).map(PathBuf::from) else { return Ok(None) };
        let mut classpath = vec![classes.display().to_string(), lib.join("*").display().to_string()];
        classpath.extend(std::env::var(EXTRA_JARS).ok().filter(|jars| !jars.is_empty()));
        let flink = Flink { classpath: classpath.join(":"), classes: classes.to_owned() };
        let mut sources = Vec::new();
        for (name, text) in SOURCES {
            sources.push(flink.write(name, text)?);
        }
        flink.write(FACTORIES, "Measure\nNexmark\nSideInput\n")?;
        flink.compile(&sources)?;
        Ok(Some(flink))
    }

    /// Makes the classes of a schema of Protocol Buffers; whether there is what makes them.
    pub(crate) fn messages(&self, schema: &str) -> Result<bool> {
        let Some(protoc) = std::env::var_os(PROTOC) else { return Ok(false) };
        let file = self.write("messages.proto", schema)?;
        let from = format!("--proto_path={}", self.classes.display());
        let to = format!("--java_out={}", self.classes.display());
        finished(Command::new(protoc).args([from, to]).arg(file))?;
        let mut sources = Vec::new();
        for entry in std::fs::read_dir(self.classes.join("bench")).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            std::fs::write(&path, text.replace(RENAMED.0, RENAMED.1)).map_err(failed)?;
            sources.push(path);
        }
        self.compile(&sources)?;
        Ok(true)
    }

    /// Runs a program and reads its answers.
    pub(crate) fn ask(&self, program: &str, arguments: &[String]) -> Result<Vec<Answer>> {
        let heap = std::env::var(HEAP).unwrap_or_else(|_| HEAP_DEFAULT.to_owned());
        self.lines(program, &heap, arguments)?.iter().map(|line| answer(line)).collect()
    }

    /// Runs a program with a heap of this size and reads the lines that it prints.
    pub(crate) fn lines(&self, program: &str, heap: &str, arguments: &[String]) -> Result<Vec<String>> {
        self.lines_within(None, program, heap, arguments)
    }

    /// The same; a run that takes more seconds fails.
    pub(crate) fn lines_within(
        &self,
        limit_seconds: Option<u64>,
        program: &str,
        heap: &str,
        arguments: &[String],
    ) -> Result<Vec<String>> {
        let mut java = Command::new(if limit_seconds.is_some() { "timeout" } else { "java" });
        if let Some(seconds) = limit_seconds {
            java.args([seconds.to_string().as_str(), "java"]);
        }
        // Flink unpacks jars there and leaves them behind.
        java.arg(format!("-Djava.io.tmpdir={}", self.classes.display()));
        java.arg(format!("-Xmx{heap}")).arg("-Duser.timezone=UTC").args(["-Dlog4j.level=OFF", "-Dlog4j2.level=OFF"]);
        java.args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        java.args(["-cp", &self.classpath, program]).args(arguments);
        Ok(finished(&mut java)?.lines().map(str::to_owned).collect())
    }

    fn compile(&self, sources: &[PathBuf]) -> Result<()> {
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-cp", &self.classpath, "-d"]).arg(&self.classes).args(sources);
        finished(&mut javac).map(drop)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.classes.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }
}

/// What the jobs of one script take; it runs so often.
pub(crate) fn answers_of(flink: &Flink, folder: &Path, script: &str, runs: usize) -> Result<Vec<Answer>> {
    let path = folder.join("flink.sql");
    std::fs::write(&path, script).map_err(failed)?;
    flink.ask("Jobs", &[runs.to_string(), path.display().to_string()])
}

/// What a program prints; what it complains about is shown.
fn finished(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = started.map_err(|e| Error::external(format!("'{name}' cannot be started")).with_source(e))?;
    if !output.status.success() {
        return Err(Error::external(format!("'{name}' failed while Flink was measured")).with_hint(format!(
            "{LIB} is the folder of Flink's jars; {EXTRA_JARS} names those of the formats and of state backend forst."
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn answer(line: &str) -> Result<Answer> {
    let odd = || Error::external(format!("Flink's side answered '{line}'"));
    let cells: Vec<f64> = line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| odd())?;
    let [seconds, cpu_seconds, rows, rest @ ..] = cells.as_slice() else { return Err(odd()) };
    let bytes = rest.first().map_or(0, |bytes| *bytes as u64);
    Ok(Answer { cost: Cost { seconds: *seconds, cpu_seconds: *cpu_seconds }, rows: *rows as u64, bytes })
}

fn failed(e: std::io::Error) -> Error {
    Error::external("the folder of Flink's classes cannot be used").with_source(e)
}
