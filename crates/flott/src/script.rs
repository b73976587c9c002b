//! `flott run` and `flott check`: scripts, statement by statement.
//!
//! A script is parsed as a whole before its first statement runs, so a typing error has no effect. A wrong statement or a
//! failed query ends the script: what follows is not executed, and jobs that still run are cancelled. The failure of a job
//! that runs in the background is reported when it happens; the others go on.

use std::io::Read;
use std::path::Path;

use flott_api::options::MemorySize;
use flott_api::{Error, ErrorKind, Result};
use flott_sql::config::Configuration;
use flott_sql::parser::{FlinkParser, ParsedStatement, ParserOptions};

use crate::arguments::ScriptArguments;
use crate::client::{Client, Step};
use crate::exit::Exit;
use crate::report::SourceText;

/// A text of statements and what it is called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// A file, `<stdin>` or `<command line>`.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl Script {
    /// A file.
    ///
    /// # Errors
    /// If it cannot be read, or is no UTF-8.
    pub fn file(path: &Path) -> Result<Self> {
        let wrong = |e| Error::invalid(format!("script '{}' cannot be read", path.display())).with_source(e);
        Ok(Script { name: path.display().to_string(), text: std::fs::read_to_string(path).map_err(wrong)? })
    }

    /// Standard input.
    ///
    /// # Errors
    /// If it cannot be read, or is no UTF-8.
    pub fn stdin() -> Result<Self> {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        read.map_err(|e| Error::invalid("standard input cannot be read").with_source(e))?;
        Ok(Script { name: "<stdin>".to_owned(), text })
    }

    /// What `run` and `check` were given, in order.
    ///
    /// # Errors
    /// If a file or standard input cannot be read.
    pub fn all_of(arguments: &ScriptArguments) -> Result<Vec<Self>> {
        if let Some(path) = &arguments.script {
            let script = if path.as_os_str() == "-" { Script::stdin()? } else { Script::file(path)? };
            return Ok(vec![script]);
        }
        let texts = arguments.execute.iter();
        Ok(texts.map(|text| Script { name: "<command line>".to_owned(), text: text.clone() }).collect())
    }

    /// For messages.
    pub fn source(&self) -> SourceText<'_> {
        SourceText { name: &self.name, text: &self.text }
    }

    /// Its statements.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(&self, configuration: &Configuration) -> Result<Vec<ParsedStatement>> {
        FlinkParser::new(&self.text, parser_options(configuration)?).collect()
    }
}

/// The parser's limits.
///
/// # Errors
/// If an option has a wrong value.
pub fn parser_options(configuration: &Configuration) -> Result<ParserOptions> {
    Ok(ParserOptions {
        depth_max: configuration.value::<u32>("sql.parser.max-depth")? as usize,
        chain_max: configuration.value::<u32>("sql.parser.max-chain")? as usize,
        text_bytes_max: configuration.value::<MemorySize>("sql.parser.max-length")?.0 as usize,
    })
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With its last statement.
    Through,
    /// Before: by `QUIT`, or because standard output is no longer read.
    Early,
    /// By an error or Ctrl-C.
    Failed(Exit),
}

/// Runs scripts and waits for their jobs.
pub async fn run(client: &mut Client, scripts: &[Script]) -> Exit {
    for script in scripts {
        match run_one(client, script).await {
            Ended::Through => {}
            Ended::Early => break,
            Ended::Failed(exit) => {
                let cancelled = client.cancel_jobs().await;
                if cancelled > 0 {
                    client.screen().say(format!("{} cancelled\n", counted(cancelled, "job")));
                }
                return exit;
            }
        }
    }
    client.wait_for_jobs().await
}

/// Runs the scripts that come first in a shell; their jobs go on.
pub async fn run_init(client: &mut Client, scripts: &[Script]) -> Exit {
    for script in scripts {
        if let Ended::Failed(exit) = run_one(client, script).await {
            client.cancel_jobs().await;
            return exit;
        }
    }
    Exit::Done
}

async fn run_one(client: &mut Client, script: &Script) -> Ended {
    let statements = match script.parse(client.session().configuration()) {
        Ok(statements) => statements,
        Err(error) => return report(client, script, &error, Exit::Usage),
    };
    for parsed in &statements {
        match client.execute(&parsed.statement).await {
            Ok(Step::Next) if client.interrupts().take() => return Ended::Failed(Exit::Interrupted),
            Ok(Step::Next) => {}
            Ok(Step::Quit | Step::ReaderGone) => return Ended::Early,
            Ok(Step::Interrupted) => return Ended::Failed(Exit::Interrupted),
            Err(failure) => {
                let exit = failure.exit();
                let error = if failure.is_job { failure.error } else { placed(failure.error, parsed) };
                return report(client, script, &error, exit);
            }
        }
    }
    Ended::Through
}

fn report(client: &Client, script: &Script, error: &Error, exit: Exit) -> Ended {
    client.screen().error(error, Some(script.source()), client.is_verbose());
    Ended::Failed(exit)
}

/// A wrong statement whose error has no place of its own is shown where it begins.
fn placed(error: Error, parsed: &ParsedStatement) -> Error {
    if error.kind() == ErrorKind::Invalid { error.at(parsed.start) } else { error }
}

/// Plans scripts without running a job, and reports every mistake.
pub fn check(client: &mut Client, scripts: &[Script]) -> Exit {
    let (mut statements, mut mistakes) = (0, 0);
    for script in scripts {
        let parsed = match script.parse(client.session().configuration()) {
            Ok(parsed) => parsed,
            Err(error) => {
                report(client, script, &error, Exit::Usage);
                mistakes += 1;
                continue;
            }
        };
        statements += parsed.len();
        for parsed in &parsed {
            match client.session_mut().check(&parsed.statement) {
                Ok(warning) => warning.iter().for_each(|w| client.screen().warning(w)),
                Err(error) => {
                    report(client, script, &placed(error, parsed), Exit::Usage);
                    mistakes += 1;
                }
            }
        }
    }
    if mistakes > 0 {
        return Exit::Usage;
    }
    // A reader that has gone does not change what was found.
    match client.screen().show(format!("OK: {}\n", counted(statements, "statement"))) {
        Ok(_) => Exit::Done,
        Err(error) => {
            client.screen().error(&error, None, false);
            Exit::JobFailed
        }
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use flott_sql::config::Origin;

    use super::*;

    #[test]
    fn all_statements_are_parsed_or_none() {
        let script = |text: &str| Script { name: "x".into(), text: text.into() };
        let configuration = Configuration::default();
        assert_eq!(script("SELECT 1; ; SELECT ';' -- ;\n;").parse(&configuration).unwrap().len(), 2);
        assert_eq!(script("").parse(&configuration).unwrap().len(), 0);
        let error = script("SELECT 1;\nSELEC 2;").parse(&configuration).unwrap_err();
        assert_eq!(error.location().unwrap().line, 2);
    }

    #[test]
    fn the_parsers_limits_are_options() {
        let mut configuration = Configuration::default();
        assert_eq!(parser_options(&configuration).unwrap(), ParserOptions::default());
        for (key, value) in [("max-depth", "20"), ("max-chain", "30"), ("max-length", "1 kb")] {
            configuration.set(&format!("sql.parser.{key}"), value, Origin::Session).unwrap();
        }
        let expected = ParserOptions { depth_max: 20, chain_max: 30, text_bytes_max: 1024 };
        assert_eq!(parser_options(&configuration).unwrap(), expected);
    }

    #[test]
    fn counts_read_well() {
        assert_eq!([counted(1, "job"), counted(2, "job")], ["1 job", "2 jobs"]);
    }
}
