//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy knows. It prints one line per finding,
//! `file:line: what is wrong, and what to do`, and exits with 1 if there is one.
//!
//! `cargo xtask planted`: whether the tests find bugs that are put in on purpose.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal; its output is its purpose")]

mod planted;
mod scan;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | planted [bug...]

  tidy       check floors, sizes, names, docs and paths
  planted    plant the bugs of xtask/planted.txt, all or those that are named; each must fail the tests";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => report(tidy::run()),
        ["planted", ref names @ ..] => match planted::run(names) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn report(findings: Result<Vec<tidy::Finding>, String>) -> ExitCode {
    match findings {
        Ok(findings) if findings.is_empty() => {
            println!("tidy");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            eprintln!("{} findings; the rules are in CONTRIBUTING.md", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy could not run: {error}");
            ExitCode::from(2)
        }
    }
}
