//! The checks of `cargo xtask tidy`, one per rule of the house; each is a function from what it reads to its findings.
//!
//! To add one: a function in the file of its subject, a line in `run`, and a test that shows it fail on a broken case.

mod crates;
mod docs;
mod floors;
mod manifest;
mod names;
mod paths;
mod size;
mod source;
mod tree;

use std::fmt;

use crates::Crate;
use tree::Tree;

/// A broken rule and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Reads the repository and applies every check.
pub(crate) fn run() -> Result<Vec<Finding>, String> {
    let (root, crates) = crates::read()?;
    let tree = Tree::read(&root)?;
    let mut findings = on_crates(&crates);
    findings.extend(on_tree(&tree, &crates));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn on_crates(crates: &[Crate]) -> Vec<Finding> {
    [floors::check, floors::datafusion, crates::folders].iter().flat_map(|check| check(crates)).collect()
}

fn on_tree(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        findings.extend(paths::file_name(file));
        findings.extend(paths::file_size(file));
        findings.extend(paths::machine_paths(file));
        findings.extend(paths::registry_hosts(file));
        findings.extend(source::open_ends(file));
    }
    for rust in tree.rust() {
        findings.extend(source::module_doc(&rust));
        findings.extend(source::ignored_tests(&rust));
        findings.extend(source::raw_files(&rust));
        findings.extend(names::type_names(&rust));
        findings.extend(names::datafusion(&rust));
        findings.extend(size::functions(&rust));
        findings.extend(size::files(&rust));
        findings.extend(size::traits(&rust));
    }
    findings.extend(manifest::lints(tree, crates));
    findings.extend(docs::crates_named(tree, crates));
    findings.extend(docs::rfcs(tree));
    findings
}
