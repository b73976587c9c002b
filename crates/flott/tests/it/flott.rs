//! Starts the binary.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// The binary, in an environment that says nothing of colours, logs, configuration or buckets. `FLOTT_BINARY` is another one
/// that is to be tested, as that of a release.
pub(crate) fn flott(arguments: &[&str]) -> Command {
    let own = || std::ffi::OsString::from(env!("CARGO_BIN_EXE_flott"));
    let mut command = Command::new(std::env::var_os("FLOTT_BINARY").unwrap_or_else(own));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["FLOTT_LOG", "RUST_LOG", "NO_COLOR", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    // Whoever runs the tests may have buckets of their own.
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(variable);
    }
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    flott(arguments).output().unwrap().into()
}

/// Runs it to its end with something on standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ran {
    let mut child = flott(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Runs SQL, which must be right, and gives its results.
pub(crate) fn results_of(sql: &str) -> String {
    let ran = run(&["run", "-e", sql]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

/// Sends a signal.
#[expect(unsafe_code, reason = "the standard library sends no signals")]
pub(crate) fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: a call without pointers; the child has not been waited for, so its id is its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}
