//! Logs, to standard error: what the engine says beside errors and results. `FLOTT_LOG`, or else `RUST_LOG`, says how much
//! (`info`, `flott_runtime=debug`); `warn` where neither is set.

use std::io::Write;

use flott_api::{Error, Result};
use tracing_subscriber::EnvFilter;

/// The variables that say how much is logged; the first one that is set counts.
const VARIABLES: [&str; 2] = ["FLOTT_LOG", "RUST_LOG"];
/// How much where neither is set.
const LEVEL_DEFAULT: &str = "warn";

/// Begins to log.
///
/// # Errors
/// If a variable is wrong, or something logs already.
pub fn start(colour: bool) -> Result<()> {
    let set = VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()).map(|v| (*name, v)));
    let (name, directives) = set.unwrap_or((VARIABLES[0], LEVEL_DEFAULT.to_owned()));
    let filter = EnvFilter::try_new(&directives).map_err(|e| {
        Error::invalid(format!("environment variable '{name}' has the value '{directives}'"))
            .with_source(e)
            .with_hint("Write a level (error, warn, info, debug, trace), or module=level with commas between.")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(|| Quiet);
    subscriber.try_init().map_err(|e| Error::internal("logging cannot begin").with_source(e))
}

/// Standard error, where a failed write is no failure: the reader of logs may have gone.
struct Quiet;

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        drop(std::io::stderr().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
