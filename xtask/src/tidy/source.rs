//! What a source file must say, and what it must not do.

use crate::scan::{line_at, words};

use super::Finding;
use super::tree::{File, Rust};

/// Crates whose code reaches files and sockets only through `flott_api::env`.
const SEALED: &[&str] =
    &["api", "formats", "functions", "graph", "state", "wasm", "cep", "connectors", "sql", "operators", "runtime"];

/// The one real environment, which others reach through the traits of `flott_api::env`.
const REAL_ENVIRONMENT: &str = "crates/runtime/src/env";

/// Every Rust file opens with a module doc.
pub(super) fn module_doc(rust: &Rust<'_>) -> Option<Finding> {
    let first = rust.text.lines().find(|line| !line.trim().is_empty());
    let opens = first.is_some_and(|line| line.starts_with("//! ") && line.trim_end().len() > "//! ".len());
    (!opens).then(|| Finding::new(rust.path, 1, "no module doc: open with `//!` and what this does in a user's terms"))
}

/// A note of work to come names the issue that asks for it.
pub(super) fn open_ends(file: &File) -> Vec<Finding> {
    let Some(text) = &file.text else { return Vec::new() };
    // In Rust only comments count: a string may talk of anything.
    let rust = file.rust().map(|rust| rust.masked.comments);
    let lines = rust.as_deref().unwrap_or(text).lines().zip(1..);
    let open = lines.filter_map(|(line, number)| open_end(line).map(|word| (word, number)));
    open.map(|(word, number)| {
        Finding::new(&file.path, number, format!("{word} without an issue: write `{word}(#12): what is missing`"))
    })
    .collect()
}

/// The word of an open end without a number behind it.
fn open_end(line: &str) -> Option<&'static str> {
    let word = [concat!("TO", "DO"), concat!("FIX", "ME")].into_iter().find(|word| {
        let whole = |(at, _): (usize, &str)| words(&line[at..]).next().is_some_and(|(_, found)| found == *word);
        line.match_indices(*word).any(whole)
    })?;
    let behind = line.split(word).nth(1).unwrap_or_default();
    let numbered = behind.strip_prefix("(#").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!numbered).then_some(word)
}

/// A test that never runs tells nothing.
pub(super) fn ignored_tests(rust: &Rust<'_>) -> Vec<Finding> {
    let code = &rust.masked.code;
    let ignored = code.match_indices("#[ignore");
    ignored
        .map(|(at, _)| {
            let text = "an ignored test: assert today's result and name the issue, or delete it";
            Finding::new(rust.path, line_at(code, at), text)
        })
        .collect()
}

/// Files and sockets go through `flott_api::env`, so that a simulation can put its own in their place.
pub(super) fn raw_files(rust: &Rust<'_>) -> Vec<Finding> {
    let folder = rust.path.strip_prefix("crates/").and_then(|path| path.split('/').next());
    if !folder.is_some_and(|folder| SEALED.contains(&folder)) || rust.path.starts_with(REAL_ENVIRONMENT) {
        return Vec::new();
    }
    let lines = rust.masked.code.lines().zip(&rust.test).zip(1..).filter(|((_, test), _)| !**test);
    lines
        .filter_map(|((line, _), number)| {
            let raw = ["std::fs", "std::net", "tokio::fs", "tokio::net"].into_iter().find(|raw| line.contains(raw))?;
            let text = format!("`{raw}` by hand: take the file system or the network of `flott_api::env`");
            Some(Finding::new(rust.path, number, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust_file(text: &str) -> File {
        File::of("crates/api/src/a.rs", text)
    }

    #[test]
    fn a_missing_module_doc_is_found() {
        for text in ["", "mod a;\n", "/// Of an item.\nfn a() {}\n", "//!\nmod a;\n", "// Note.\n//! Late.\n"] {
            assert!(module_doc(&rust_file(text).rust().unwrap()).is_some(), "{text:?}");
        }
        assert!(module_doc(&rust_file("//! What it does.\n").rust().unwrap()).is_none());
    }

    #[test]
    fn an_open_end_without_an_issue_is_found() {
        let lines =
            concat!("// TO", "DO: later\n// TO", "DO(#12): later\nlet a = \"TO", "DO\"; // FIX", "ME\n// TO", "DOS\n");
        let found = open_ends(&rust_file(lines));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(open_ends(&File::of("script/x", concat!("# TO", "DO\n"))).len(), 1);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let file = rust_file("//! Doc.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\n");
        let found = ignored_tests(&file.rust().unwrap());
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn raw_file_access_is_found_outside_tests_and_the_environment() {
        let text = "//! Doc.\nuse std::fs;\n#[cfg(test)]\nmod tests {\n    use std::fs::File;\n}\n// std::fs\n";
        let count = |path| raw_files(&File::of(path, text).rust().unwrap()).len();
        assert_eq!(count("crates/connectors/src/a.rs"), 1);
        assert_eq!(count("crates/runtime/src/env/files.rs"), 0);
        assert_eq!(count("crates/flott/src/a.rs"), 0);
        assert_eq!(count("xtask/src/a.rs"), 0);
    }
}
