//! What the user types: `flott run`, `flott check`, `flott sql`, `flott options`, `flott completions`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Flink SQL in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "flott",
    version,
    about = "Flink SQL in one binary.",
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = "Results go to standard output, everything else to standard error.
Exit status: 0 done, 1 a job failed, 2 wrong command line or SQL, 130 stopped by Ctrl-C or SIGTERM.
Environment: FLOTT_LOG (or RUST_LOG) sets what is logged, NO_COLOR turns colours off.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a SQL script and wait for its jobs.
    ///
    /// INSERTs run side by side, as with Flink's client; SET 'table.dml-sync' = 'true' makes each wait. A query shows its
    /// rows until it ends. A script is parsed as a whole before its first statement runs. A wrong statement or a failed
    /// query ends it: what follows is not executed, and jobs that still run are cancelled. When a job in the background
    /// fails, that is reported at once and the others go on.
    Run(RunArguments),
    /// Plan a SQL script without running any job.
    Check(CheckArguments),
    /// Open the interactive SQL shell.
    Sql(ShellArguments),
    /// List every option with its value and who set it.
    Options(CommonArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArguments {
    /// Flink's configuration file: YAML, nested or with flat keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set an option, as in `-D parallelism.default=2`. May be repeated.
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    pub define: Vec<String>,
    /// A script to run first, for its definitions.
    #[arg(short, long, value_name = "FILE")]
    pub init: Option<PathBuf>,
}

/// Where statements come from.
#[derive(Clone, Debug, Args)]
pub struct ScriptArguments {
    /// The script; `-` reads standard input.
    #[arg(required_unless_present = "execute", conflicts_with = "execute")]
    pub script: Option<PathBuf>,
    /// SQL to run instead of a script. May be repeated.
    #[arg(short, long, value_name = "SQL")]
    pub execute: Vec<String>,
}

/// What `run` takes.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Where statements come from.
    #[command(flatten)]
    pub scripts: ScriptArguments,
    /// How rows are shown.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
    /// Configuration.
    #[command(flatten)]
    pub common: CommonArguments,
}

/// What `check` takes.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// Where statements come from.
    #[command(flatten)]
    pub scripts: ScriptArguments,
    /// Configuration.
    #[command(flatten)]
    pub common: CommonArguments,
}

/// What `sql` takes.
#[derive(Clone, Debug, Args)]
pub struct ShellArguments {
    /// Configuration.
    #[command(flatten)]
    pub common: CommonArguments,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Flink's tableau, with a column `op` for the kind of change.
    Table,
    /// CSV with a header; `op` comes first.
    Csv,
    /// A JSON object a line; `op` comes first.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_script_and_sql_exclude_each_other() {
        assert!(Arguments::try_parse_from(["flott", "run", "x.sql", "-e", "SELECT 1"]).is_err());
        assert!(Arguments::try_parse_from(["flott", "run"]).is_err());
        let parsed = Arguments::try_parse_from(["flott", "run", "-", "-D", "a=b", "--output", "json"]).unwrap();
        assert!(Arguments::try_parse_from(["flott", "check", "-", "--output", "json"]).is_err());
        assert!(matches!(parsed.command, Command::Run(RunArguments { output: OutputFormat::Json, .. })));
    }
}
