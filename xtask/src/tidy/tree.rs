//! The files of the repository: those that git tracks, and new ones that it would.

use std::path::Path;
use std::process::Command;

use crate::scan::{Masked, mask, test_lines};

/// All files.
pub(super) struct Tree {
    /// Sorted by path.
    pub(super) files: Vec<File>,
}

/// One file.
pub(super) struct File {
    /// From the root of the repository, with forward slashes.
    pub(super) path: String,
    /// Bytes on disk.
    pub(super) size: u64,
    /// Its text; none for a binary file.
    pub(super) text: Option<String>,
    /// Whether all of it is test code.
    pub(super) test: bool,
}

/// A Rust file, read.
pub(super) struct Rust<'a> {
    /// From the root of the repository.
    pub(super) path: &'a str,
    /// As it stands.
    pub(super) text: &'a str,
    /// Its code and its comments.
    pub(super) masked: Masked,
    /// For each line, whether it is test code.
    pub(super) test: Vec<bool>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git is needed to list the files: {error}"))?;
        if !listed.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim()));
        }
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        // A tracked file that was deleted is still listed; one that vanishes meanwhile is no concern of ours either.
        Ok(Self::of(paths.into_iter().filter_map(|path| File::read(root, path)).collect()))
    }

    /// Files with their test modules marked: `#[cfg(test)] mod testing;` makes all of `testing.rs` test code.
    pub(super) fn of(mut files: Vec<File>) -> Self {
        let modules: Vec<String> = files.iter().filter_map(File::rust).flat_map(|rust| test_modules(&rust)).collect();
        for file in &mut files {
            let inside = |module: &String| {
                file.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            file.test = file.test || modules.iter().any(inside);
        }
        Self { files }
    }

    /// The text of a file, empty where there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref()).unwrap_or_default()
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = Rust<'_>> {
        self.files.iter().filter_map(File::rust)
    }
}

impl File {
    fn read(root: &Path, path: &str) -> Option<Self> {
        let full = root.join(path);
        let size = full.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let text = String::from_utf8(std::fs::read(&full).ok()?).ok().filter(|text| !text.contains('\0'));
        Some(Self { path: path.to_owned(), size, text, test: is_test_file(path) })
    }

    /// This file as Rust source, if it is.
    pub(super) fn rust(&self) -> Option<Rust<'_>> {
        let text = self.text.as_deref().filter(|_| self.path.ends_with(".rs"))?;
        let masked = mask(text);
        let mut test = test_lines(&masked.code);
        if self.test {
            test.fill(true);
        }
        Some(Rust { path: &self.path, text, masked, test })
    }
}

/// Whether a whole file is test code, by where it lies.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.starts_with("crates/e2e/")
}

/// The modules that a file declares under `#[cfg(test)]`, as paths without `.rs`.
fn test_modules(rust: &Rust<'_>) -> Vec<String> {
    let (folder, name) = rust.path.rsplit_once('/').unwrap_or(("", rust.path));
    let base = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let code = &rust.masked.code;
    let items = code.match_indices("#[cfg(test)]").map(|(at, attribute)| &code[at + attribute.len()..]);
    // An inline module or another item has a brace before its semicolon.
    let declared = items.filter_map(|item| item.split(';').next()?.trim().rsplit_once("mod "));
    declared.filter(|(_, name)| !name.contains('{')).map(|(_, name)| format!("{base}/{}", name.trim())).collect()
}

#[cfg(test)]
impl File {
    /// A file for a test.
    pub(super) fn of(path: &str, text: &str) -> Self {
        let test = is_test_file(path);
        Self { path: path.to_owned(), size: text.len() as u64, text: Some(text.to_owned()), test }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_repository_is_an_error() {
        assert!(Tree::read(Path::new("/")).is_err());
        assert!(Tree::read(Path::new("/no such folder")).is_err());
    }

    #[test]
    fn a_module_declared_for_tests_is_test_code() {
        let lib = "#[cfg(test)]\nmod testing;\nmod real;\n#[cfg(test)]\nmod inline {\n mod deep;\n}\n";
        let paths =
            ["src/testing.rs", "src/testing/fakes.rs", "src/real.rs", "src/testing_real.rs", "src/real/fakes.rs"];
        let mut files: Vec<File> =
            paths.iter().map(|path| File::of(&format!("crates/a/{path}"), "fn a() {}\n")).collect();
        files.push(File::of("crates/a/src/lib.rs", lib));
        files.push(File::of("crates/a/src/b.rs", "#[cfg(test)]\npub(crate) mod fakes;\n"));
        files.push(File::of("crates/a/src/b/fakes.rs", ""));
        let tests: Vec<String> =
            Tree::of(files).files.into_iter().filter(|file| file.test).map(|file| file.path).collect();
        assert_eq!(tests, ["crates/a/src/testing.rs", "crates/a/src/testing/fakes.rs", "crates/a/src/b/fakes.rs"]);
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        for path in ["crates/a/src/b/tests.rs", "crates/a/tests/it/main.rs", "crates/e2e/src/lib.rs"] {
            assert!(is_test_file(path), "{path}");
        }
        assert!(!is_test_file("crates/a/src/testing.rs"));
    }
}
