//! From the command line to an exit status: builds the runtime, and does what was asked.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;

use clap::{CommandFactory, Parser};
use flott_api::env::Environment;
use flott_api::{Error, Result};
use flott_runtime::environment;

use crate::arguments::{
    Arguments, CheckArguments, Command, CommonArguments, OutputFormat, RecoveryArguments, RunArguments,
};
use crate::client::Client;
use crate::exit::Exit;
use crate::interrupts::Interrupts;
use crate::screen::{Screen, Terminal};
use crate::script::{self, Script};
use crate::{listing, logs, plugins, settings, shell, state};

/// Where the last panic happened and what it said; a panic hook has no other way to tell.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the binary.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            // Help and version are no mistake; clap knows which is which.
            drop(e.print());
            return if e.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    remember_panics();
    let terminal = Terminal::detect();
    let result = logs::start(terminal.colour).and_then(|()| run_within_runtime(arguments.command, terminal));
    result
        .unwrap_or_else(|error| {
            Screen::new(Arc::new(environment::Terminal::new()), terminal).error(&error, None, false);
            Exit::of(&error)
        })
        .into()
}

/// Runs a command on a runtime with a worker for each core.
fn run_within_runtime(command: Command, terminal: Terminal) -> Result<Exit> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
        .map_err(|e| Error::external("threads cannot be started").with_source(e))?;
    let work = AssertUnwindSafe(|| runtime.block_on(execute(command, terminal)));
    let result = std::panic::catch_unwind(work).unwrap_or_else(|_| Err(panic_error()));
    // Blocking reads that nobody waits for any more (a terminal, a pipe) must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn execute(command: Command, terminal: Terminal) -> Result<Exit> {
    let environment = environment::real();
    let screen = Arc::new(Screen::new(Arc::clone(&environment.console), terminal));
    match command {
        Command::Run(arguments) => {
            let scripts = Script::all_of(&arguments.scripts)?;
            let RunArguments { output, recovery, common, .. } = arguments;
            run_scripts(Settings { common: &common, recovery, format: output }, scripts, environment, screen).await
        }
        Command::Check(arguments) => check(&arguments, environment, screen),
        Command::Sql(arguments) if shell::is_interactive() => {
            let (mut client, init, _signals) =
                open(&Settings::of(&arguments.common), environment, Arc::clone(&screen))?;
            match script::run_init(&mut client, &init).await {
                Exit::Done => shell::run(client).await,
                failed => Ok(failed),
            }
        }
        Command::Sql(arguments) => {
            let scripts = vec![Script::stdin()?];
            run_scripts(Settings::of(&arguments.common), scripts, environment, screen).await
        }
        Command::Options(arguments) => {
            let (mut client, init, _signals) = open(&Settings::of(&arguments), environment, Arc::clone(&screen))?;
            let exit = script::run_init(&mut client, &init).await;
            screen.show(listing::options(client.session().configuration()))?;
            Ok(exit)
        }
        Command::Connectors { name } => {
            let tables = plugins::user_tables();
            let listed = match &name {
                Some(name) => listing::options_of(&tables, name)?,
                None => listing::connectors(&tables),
            };
            screen.show(listed)?;
            Ok(Exit::Done)
        }
        Command::State(command) => state::run(&command, environment, &screen).await,
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "flott", &mut out);
            screen.show(String::from_utf8_lossy(&out).into_owned())?;
            Ok(Exit::Done)
        }
    }
}

/// What the command line says of a session.
struct Settings<'a> {
    common: &'a CommonArguments,
    recovery: RecoveryArguments,
    format: OutputFormat,
}

impl<'a> Settings<'a> {
    fn of(common: &'a CommonArguments) -> Self {
        Settings { common, recovery: RecoveryArguments::default(), format: OutputFormat::Table }
    }
}

type Opened = (Client, Vec<Script>, Box<dyn flott_api::env::TaskHandle>);

/// A client with the configuration of the command line, and the scripts to run first.
fn open(settings: &Settings<'_>, environment: Environment, screen: Arc<Screen>) -> Result<Opened> {
    let (mut configuration, warnings) = settings::read(&settings.common.configuration)?;
    settings::set_recovery(&mut configuration, &settings.recovery)?;
    warnings.iter().for_each(|warning| screen.warning(warning));
    let init = settings.common.init.iter().map(|path| Script::file(path)).collect::<Result<_>>()?;
    let (interrupts, signals) = Interrupts::listen(environment.spawner.as_ref())?;
    Ok((Client::new(configuration, environment, screen, settings.format, interrupts)?, init, signals))
}

async fn run_scripts(
    settings: Settings<'_>,
    scripts: Vec<Script>,
    environment: Environment,
    screen: Arc<Screen>,
) -> Result<Exit> {
    let (mut client, mut all, _signals) = open(&settings, environment, screen)?;
    all.extend(scripts);
    Ok(script::run(&mut client, &all).await)
}

fn check(arguments: &CheckArguments, environment: Environment, screen: Arc<Screen>) -> Result<Exit> {
    let scripts = Script::all_of(&arguments.scripts)?;
    let (mut client, mut all, _signals) = open(&Settings::of(&arguments.common), environment, screen)?;
    all.extend(scripts);
    Ok(script::check(&mut client, &all))
}

/// Panics become errors where they are caught; a backtrace is printed at once where the user asked for one.
fn remember_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let at = info.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        tracing::debug!("panic{at}: {what}");
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = Some(format!("{what}{at}"));
        }
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            default(info);
        }
    }));
}

fn panic_error() -> Error {
    let what = LAST_PANIC.lock().ok().and_then(|mut last| last.take());
    let error = Error::internal(format!("flott panicked: {}", what.as_deref().unwrap_or("no message")));
    error.with_hint("With RUST_BACKTRACE=1 it says where.")
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_where() {
        remember_panics();
        let caught = std::panic::catch_unwind(|| panic!("a slip"));
        drop(std::panic::take_hook());
        assert!(caught.is_err());
        let error = panic_error();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.message().starts_with("flott panicked: a slip at "), "{error}");
        assert!(error.message().contains("cli.rs:"), "{error}");
    }
}
