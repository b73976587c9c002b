//! Measurements in processes of their own: so memory is their own, too.

use std::process::Command;

use flott_api::{Error, Result};

/// A number of a command line or of an answer.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.replace('_', "").parse().map_err(|_| Error::invalid(format!("'{text}' is no number")))
}

/// What holds a program on the first core that this process may have; nothing where there is no such program.
pub(crate) fn on_first_core() -> Vec<String> {
    taskset_of(|cores| cores.split([',', '-']).next())
}

/// The same for the last core.
pub(crate) fn on_last_core() -> Vec<String> {
    taskset_of(|cores| cores.rsplit([',', '-']).next())
}

fn taskset_of(core: impl Fn(&str) -> Option<&str>) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let Some(core) = cores.and_then(|list| core(list.trim())) else { return Vec::new() };
    let taskset = ["taskset", "-c", core].map(str::to_owned);
    let there = Command::new(&taskset[0]).args(&taskset[1..]).arg("true").status().is_ok_and(|status| status.success());
    if there { taskset.to_vec() } else { Vec::new() }
}

/// What this program prints with these arguments, in a process of its own.
pub(crate) fn text_of(arguments: &[&str]) -> Result<String> {
    text_by(&[], arguments)
}

/// The same, started by another program, which has its own arguments first.
pub(crate) fn text_by(starter: &[String], arguments: &[&str]) -> Result<String> {
    let failed = |e: std::io::Error| Error::external("a measurement cannot be started").with_source(e);
    let own = std::env::current_exe().map_err(failed)?;
    let mut command = match starter {
        [] => Command::new(own),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(own);
            command
        }
    };
    let output = command.args(arguments).stderr(std::process::Stdio::inherit()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(Error::external(format!("the measurement '{}' failed", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
