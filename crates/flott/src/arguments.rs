//! What the user types: `flott run`, `flott check`, `flott sql`, `flott state`, `flott options`, `flott connectors`,
//! `flott completions`.

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
    /// Look into a checkpoint or savepoint.
    #[command(subcommand)]
    State(StateCommand),
    /// List every option with its value and who set it.
    Options(CommonArguments),
    /// List the connectors and formats that tables can have, or the options of one.
    Connectors {
        /// What stands in `'connector'` or `'format'`.
        name: Option<String>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigurationArguments {
    /// Flink's configuration file: YAML, nested or with flat keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set an option, as in `-D parallelism.default=2`. May be repeated.
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    pub define: Vec<String>,
}

/// What every command with a session takes.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArguments {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub configuration: ConfigurationArguments,
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
    /// What its jobs resume from.
    #[command(flatten)]
    pub recovery: RecoveryArguments,
    /// Configuration.
    #[command(flatten)]
    pub common: CommonArguments,
}

/// What jobs resume from.
#[derive(Clone, Debug, Default, Args)]
pub struct RecoveryArguments {
    /// Resume from a checkpoint or savepoint, or from the newest checkpoint of each job.
    ///
    /// A path fits one job. With `latest` each job of the script looks for its newest good checkpoint below
    /// execution.checkpointing.dir, by its name, and begins anew where there is none. Queries that are shown begin anew.
    #[arg(long, value_name = "PATH|latest")]
    pub from: Option<String>,
    /// Whether the job owns the files that it resumes from.
    #[arg(long, value_enum, ignore_case = true, value_name = "MODE")]
    pub claim_mode: Option<ClaimMode>,
    /// Leave out state that no operator of the job asks for.
    #[arg(long)]
    pub allow_non_restored_state: bool,
}

/// Flink's claim modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ClaimMode {
    /// The job leaves them to the user, who keeps them while the job runs.
    NoClaim,
    /// The job deletes them when it no longer needs them.
    Claim,
}

/// What to do with a checkpoint or savepoint.
#[derive(Clone, Debug, Subcommand)]
pub enum StateCommand {
    /// List its operators with their states, sources, sinks and files.
    List(StateListArguments),
    /// Show the entries of its keyed states.
    Show(StateShowArguments),
    /// Check that a job's checkpoint directory is whole, and that nothing lies in it that nobody needs.
    ///
    /// Reads every file that a retained checkpoint names, and changes nothing. Names what is missing, what is damaged and
    /// what nothing refers to, and exits with 1 if there is any of it.
    Check(StateCheckArguments),
}

/// What `state check` takes.
#[derive(Clone, Debug, Args)]
pub struct StateCheckArguments {
    /// The folder of a job, or the execution.checkpointing.dir that has those of several; a path or a URI.
    pub directory: String,
    /// How findings are shown.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
    /// Configuration.
    #[command(flatten)]
    pub configuration: ConfigurationArguments,
}

/// A checkpoint or savepoint, and how it is shown.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArguments {
    /// Its folder, as a path or a URI such as s3://bucket/folder.
    pub snapshot: String,
    /// How rows are shown.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
    /// Configuration.
    #[command(flatten)]
    pub configuration: ConfigurationArguments,
}

/// What `state list` takes.
#[derive(Clone, Debug, Args)]
pub struct StateListArguments {
    /// Which, and how.
    #[command(flatten)]
    pub snapshot: SnapshotArguments,
    /// List each file too.
    #[arg(long)]
    pub files: bool,
}

/// What `state show` takes.
#[derive(Clone, Debug, Args)]
pub struct StateShowArguments {
    /// Which, and how.
    #[command(flatten)]
    pub snapshot: SnapshotArguments,
    /// Only of the operator with this uid.
    #[arg(long, value_name = "UID")]
    pub operator: Option<String>,
    /// Only of states with this name.
    #[arg(long, value_name = "NAME")]
    pub state: Option<String>,
    /// The most entries to show.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
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

    #[test]
    fn jobs_resume_as_they_are_told() {
        let parse = |more: &[&str]| {
            let words = ["flott", "run", "-"].iter().chain(more).copied();
            Arguments::try_parse_from(words).map(|parsed| match parsed.command {
                Command::Run(run) => run.recovery,
                other => panic!("{other:?}"),
            })
        };
        let recovery = parse(&["--from", "latest", "--claim-mode", "CLAIM", "--allow-non-restored-state"]).unwrap();
        assert_eq!((recovery.from.as_deref(), recovery.claim_mode), (Some("latest"), Some(ClaimMode::Claim)));
        assert!(recovery.allow_non_restored_state);
        assert_eq!(parse(&["--claim-mode", "no_claim"]).unwrap().claim_mode, Some(ClaimMode::NoClaim));
        assert!(parse(&["--claim-mode", "legacy"]).is_err());
        assert!(Arguments::try_parse_from(["flott", "check", "-", "--from", "latest"]).is_err());
    }

    #[test]
    fn snapshots_are_listed_and_shown() {
        let parsed = Arguments::try_parse_from(["flott", "state", "show", "/c/chk-1", "--limit", "5"]).unwrap();
        let Command::State(StateCommand::Show(show)) = parsed.command else { panic!("not shown") };
        assert_eq!((show.snapshot.snapshot.as_str(), show.limit), ("/c/chk-1", 5));
        assert!(Arguments::try_parse_from(["flott", "state", "list"]).is_err());
    }
}
