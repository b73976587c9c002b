//! What Python reports of a failure, as an error. A report has no value of a row.

use flott_api::{Error, ErrorKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Report {
    kind: String,
    message: String,
    function: Option<String>,
    row: Option<usize>,
    /// The exception and its message.
    raised: Option<String>,
    /// The lines that it went through.
    traceback: Option<String>,
}

/// The error of a report; rows count from the begin of the batch that it is about.
pub(crate) fn error(payload: &[u8], subject: &str, executable: &str) -> Error {
    match serde_json::from_slice::<Report>(payload) {
        Ok(report) => of(&report, subject, executable),
        Err(e) => Error::internal(format!("{subject}: Python's report cannot be read")).with_source(e),
    }
}

fn of(report: &Report, subject: &str, executable: &str) -> Error {
    let subject = report.function.as_ref().map_or_else(|| subject.to_owned(), |name| format!("function '{name}'"));
    let row = report.row.map(|row| format!(" (row {} of its batch)", row + 1)).unwrap_or_default();
    let raised = report.raised.as_ref().map(|raised| format!(": {raised}")).unwrap_or_default();
    let message = match report.kind.as_str() {
        "package" => return missing_package(&report.message, executable),
        "row" => format!("{subject} failed in Python{row}{raised}"),
        _ => format!("{subject}: {}{row}{raised}", report.message),
    };
    let kind = match report.kind.as_str() {
        "entry" | "declaration" | "load" | "changed" => ErrorKind::Invalid,
        "row" | "result" => ErrorKind::Data,
        "open" | "memory" | "timeout" => ErrorKind::External { retry: true },
        _ => ErrorKind::Internal,
    };
    let mut error = Error::new(kind, message);
    if let Some(traceback) = report.traceback.as_ref().filter(|traceback| !traceback.is_empty()) {
        error = error.with_detail(format!("Traceback, innermost last:\n{traceback}"));
    }
    match hint(&report.kind) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn hint(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "entry" => "Modules are looked for in the working directory, in 'python.files', and in 'python.pythonpath'.",
        "changed" => "Create the function again.",
        "memory" => {
            "A process may have as much as 'python.fn-execution.memory.size' says, unless \
             'python.fn-execution.memory.managed' is 'false'."
        }
        _ => return None,
    })
}

fn missing_package(packages: &str, executable: &str) -> Error {
    let named = packages.split(' ').map(|package| format!("'{package}'")).collect::<Vec<_>>().join(", ");
    Error::external(format!("Python '{executable}' has no package {named}"))
        .with_detail("Functions in Python need pyarrow, and those of pandas need pandas.")
        .with_hint(format!("Install them: {executable} -m pip install pyarrow pandas"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(json: &str) -> Error {
        error(json.as_bytes(), "function 'f'", "/py")
    }

    #[test]
    fn who_must_act_follows_from_the_report() {
        let failed = reported(
            r#"{"kind": "row", "message": "it raised", "function": "g", "row": 2, "raised": "ValueError: no", "traceback": "x"}"#,
        );
        assert_eq!(failed.message(), "function 'g' failed in Python (row 3 of its batch): ValueError: no");
        assert_eq!(failed.detail(), Some("Traceback, innermost last:\nx"));
        assert_eq!(failed.kind(), ErrorKind::Data);
        let memory =
            reported(r#"{"kind": "memory", "message": "it ran out of memory", "function": null, "row": null}"#);
        assert_eq!(memory.message(), "function 'f': it ran out of memory");
        assert_eq!(memory.kind(), ErrorKind::External { retry: true });
        assert_eq!(reported("{").kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_missing_package_comes_with_how_to_get_it() {
        let missing = reported(r#"{"kind": "package", "message": "pyarrow numpy", "function": null, "row": null}"#);
        assert_eq!(missing.message(), "Python '/py' has no package 'pyarrow', 'numpy'");
        assert_eq!(missing.hint(), Some("Install them: /py -m pip install pyarrow pandas"));
    }
}
