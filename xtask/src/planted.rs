//! `cargo xtask planted`: whether the tests find bugs that are put in on purpose.
//!
//! The bugs lie in `xtask/planted.txt`. Each is put into a copy of the tree below `target/planted`, and the tests of its
//! crate and the simulation run there, with few seeds. They must pass without a bug, and fail with each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BUGS: &str = "xtask/planted.txt";
/// For one suite; one that does not end is found as well.
const SECONDS_MAX: &str = "1500";
/// How many seeds and pairs of crashes the simulation takes.
const SHORT: [(&str, &str); 2] = [("FLOTT_SEEDS", "10"), ("FLOTT_PAIRS", "10")];

/// A bug.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bug {
    name: String,
    why: String,
    file: String,
    /// Lines that go, and lines that come instead.
    old: Vec<String>,
    new: Vec<String>,
}

/// Plants all bugs, or those that are named. Says of each which tests have found it.
///
/// # Errors
/// If one survives, does not apply or does not compile, or the tests fail without any.
pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    let root = root()?;
    let bugs = read(&root)?;
    if let Some(unknown) = names.iter().find(|name| bugs.iter().all(|bug| bug.name != **name)) {
        return Err(format!("there is no bug '{unknown}' in {BUGS}"));
    }
    copy_build(&root)?;
    let tree = copy_of(&root)?;
    if names.is_empty() {
        println!("without a bug: {}", tests_without(&tree, &bugs)?);
    }
    let mut survivors = Vec::new();
    for bug in bugs.iter().filter(|bug| names.is_empty() || names.contains(&bug.name.as_str())) {
        match planted(&root, &tree, bug)? {
            Some(found) => println!("{}: {found}", bug.name),
            None => {
                println!("{}: NOT FOUND", bug.name);
                survivors.push(bug.name.as_str());
            }
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("no test finds: {}", survivors.join("; "))) }
}

fn root() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().map(Path::to_owned).ok_or_else(|| "xtask lies in no folder".to_owned())
}

fn read(root: &Path) -> Result<Vec<Bug>, String> {
    parse(&read_file(&root.join(BUGS))?)
}

fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write_file(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Bug>, String> {
    let mut bugs: Vec<Bug> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("== ") {
            bugs.push(Bug { name: name.to_owned(), ..Bug::default() });
            continue;
        }
        let Some(bug) = bugs.last_mut() else { return Err(format!("{BUGS}:{number}: a bug begins with '== name'")) };
        match (line.split_at(1), line.strip_prefix("file ")) {
            ((_, _), Some(file)) => bug.file = file.to_owned(),
            (("-", old), _) => bug.old.push(old.to_owned()),
            (("+", new), _) => bug.new.push(new.to_owned()),
            _ => bug.why = line.to_owned(),
        }
    }
    Ok(bugs)
}

impl Bug {
    /// The file with the bug in it.
    fn apply(&self, text: &str) -> Result<String, String> {
        let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let (old, new) = (lines(&self.old), lines(&self.new));
        if old.is_empty() || self.why.is_empty() {
            return Err(format!("bug '{}' does not say what goes, or why it is one", self.name));
        }
        match text.matches(&old).count() {
            1 => Ok(text.replacen(&old, &new, 1)),
            n => Err(format!("bug '{}' does not apply: its lines are {n} times in {}", self.name, self.file)),
        }
    }

    /// The package that it is in.
    fn package(&self) -> Result<String, String> {
        let name = self.file.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
        name.map(|name| format!("flott-{name}")).ok_or_else(|| format!("bug '{}' is in no crate", self.name))
    }
}

/// What is compiled is the tree's own: cargo takes crates of two copies of a workspace for the same ones. It begins with
/// what is there of the dependencies.
fn copy_build(root: &Path) -> Result<(), String> {
    let build = root.join("target/planted/build");
    if build.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(build.join("debug")).map_err(|e| format!("{}: {e}", build.display()))?;
    for part in ["build", "deps", ".fingerprint"] {
        let from = root.join("target/debug").join(part);
        if from.exists() {
            output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(build.join("debug")))?;
        }
    }
    Ok(())
}

/// A copy of all files that git knows, as they are now.
fn copy_of(root: &Path) -> Result<PathBuf, String> {
    let tree = root.join("target/planted/tree");
    let listed =
        output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root))?;
    for file in String::from_utf8_lossy(&listed.stdout).lines() {
        let (from, to) = (root.join(file), tree.join(file));
        let Ok(bytes) = std::fs::read(&from) else { continue };
        // What has not changed is not compiled again.
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let folder = to.parent().unwrap_or(&tree);
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        std::fs::write(&to, bytes).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(tree)
}

fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|e| format!("{:?} cannot be started: {e}", command.get_program()))
}

/// The suites that a bug of a package must fail: its own tests, and the simulation.
fn suites(package: &str) -> [Vec<String>; 2] {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    [words(&["-p", package]), words(&["-p", "flott-e2e", "--test", "it", "simulation"])]
}

fn cargo_test(tree: &Path, suite: &[String], more: &[&str]) -> Result<Output, String> {
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "cargo", "test", "--quiet"]).args(suite).args(more).current_dir(tree);
    output(command.envs(SHORT).env("CARGO_TARGET_DIR", tree.with_file_name("build")))
}

/// The tests that fail; nothing if all pass. What does not compile proves nothing.
fn failing(tree: &Path, suite: &[String]) -> Result<Option<String>, String> {
    // Everything behind the options chooses tests, of a build that is for all.
    let build: Vec<String> = suite.iter().filter(|word| *word != "simulation").cloned().collect();
    let built = cargo_test(tree, &build, &["--no-run"])?;
    if !built.status.success() {
        return Err(format!("it does not compile:\n{}", String::from_utf8_lossy(&built.stderr)));
    }
    let ran = cargo_test(tree, suite, &["--no-fail-fast"])?;
    if ran.status.success() {
        return Ok(None);
    }
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    // Behind the second heading there is a name a line.
    let names = told
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.contains("::") && !line.contains(' '));
    let names: BTreeSet<&str> = names.collect();
    let of = suite.join(" ");
    Ok(Some(match (names.is_empty(), ran.status.code()) {
        (false, _) => format!("{} tests of {of}: {}", names.len(), names.into_iter().collect::<Vec<_>>().join(", ")),
        (true, Some(124)) => format!("{of} does not end"),
        (true, code) => format!("{of} ends with {code:?}"),
    }))
}

fn tests_without(tree: &Path, bugs: &[Bug]) -> Result<String, String> {
    let packages = bugs.iter().map(Bug::package).collect::<Result<BTreeSet<_>, _>>()?;
    for suite in packages.iter().flat_map(|package| suites(package)).collect::<BTreeSet<_>>() {
        if let Some(found) = failing(tree, &suite)? {
            return Err(format!("the tests fail without a bug: {found}"));
        }
    }
    Ok("all tests pass".to_owned())
}

/// Which tests find it.
fn planted(root: &Path, tree: &Path, bug: &Bug) -> Result<Option<String>, String> {
    let sound = read_file(&root.join(&bug.file))?;
    let place = tree.join(&bug.file);
    write_file(&place, &bug.apply(&sound)?)?;
    let mut found = Ok(None);
    for suite in suites(&bug.package()?) {
        found = failing(tree, &suite).map_err(|why| format!("bug '{}': {why}", bug.name));
        if !matches!(found, Ok(None)) {
            break;
        }
    }
    write_file(&place, &sound)?;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_applies() {
        let root = root().unwrap();
        let bugs = read(&root).unwrap();
        assert!(bugs.len() >= 6);
        let names: BTreeSet<&str> = bugs.iter().map(|bug| bug.name.as_str()).collect();
        assert_eq!(names.len(), bugs.len(), "each has a name of its own");
        for bug in &bugs {
            let sound = read_file(&root.join(&bug.file)).unwrap();
            let planted = bug.apply(&sound).unwrap_or_else(|why| panic!("{why}"));
            assert_ne!(planted, sound, "{}", bug.name);
            assert!(root.join("crates").join(bug.package().unwrap().trim_start_matches("flott-")).is_dir());
        }
    }

    #[test]
    fn lines_that_are_not_there_once_are_an_error() {
        let bugs = parse("# a\n== b c\nIt is wrong.\nfile crates/x/y.rs\n-one\n-  two\n+three\n").unwrap();
        let bug = &bugs[0];
        assert_eq!((bug.name.as_str(), bug.package().unwrap().as_str()), ("b c", "flott-x"));
        assert_eq!(bug.apply("zero\none\n  two\nfour\n").unwrap(), "zero\nthree\nfour\n");
        for text in ["one\ntwo\n", "one\n  two\none\n  two\n"] {
            assert!(bug.apply(text).unwrap_err().starts_with("bug 'b c' does not apply"));
        }
        assert!(parse("It is wrong.\n").is_err());
    }
}
