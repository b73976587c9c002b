//! Names: Flink's word for every idea, no junk drawers, and DataFusion only where it belongs.

use crate::scan::{line_at, words};

use super::Finding;
use super::floors::DATAFUSION;
use super::tree::Rust;

/// A type that ends so does not say what it is.
const SUFFIXES: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl"];

/// No type, trait or alias has an empty name.
pub(super) fn type_names(rust: &Rust<'_>) -> Vec<Finding> {
    let code = &rust.masked.code;
    let mut previous = "";
    let mut findings = Vec::new();
    for (at, word) in words(code) {
        let declared = matches!(previous, "struct" | "enum" | "trait" | "type" | "union");
        if let Some(suffix) = SUFFIXES.iter().find(|suffix| declared && word.ends_with(**suffix)) {
            let text = format!("type `{word}` ends in `{suffix}`: name what it is or does, in Flink's word");
            findings.push(Finding::new(rust.path, line_at(code, at), text));
        }
        previous = word;
    }
    findings
}

/// DataFusion is named in code only where it may be a dependency.
pub(super) fn datafusion(rust: &Rust<'_>) -> Vec<Finding> {
    let Some(folder) = rust.path.strip_prefix("crates/").and_then(|path| path.split('/').next()) else {
        return Vec::new();
    };
    if DATAFUSION.iter().any(|name| name.strip_prefix("flott-").unwrap_or(name) == folder) {
        return Vec::new();
    }
    let code = &rust.masked.code;
    let named = words(code).filter(|(_, word)| *word == "datafusion" || word.starts_with("datafusion_"));
    named
        .map(|(at, word)| {
            let text = format!("`{word}` in {folder}: this crate must not know DataFusion; use `flott_api::expr`");
            Finding::new(rust.path, line_at(code, at), text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    #[test]
    fn empty_names_are_found() {
        let source = "//! Doc.\npub struct StateManager;\ntrait RowHelper {}\ntype X = u8;\n// struct OldManager\n\
                      struct Simplicity;\nenum FileUtils {}\nimpl Tool for RowsImpl {}\n";
        let file = File::of("crates/api/src/a.rs", source);
        let found = type_names(&file.rust().unwrap());
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 3, 7]);
        assert!(found[0].text.contains("`StateManager` ends in `Manager`"));
    }

    #[test]
    fn datafusion_in_the_runtime_is_found() {
        let source = "use datafusion_expr::Expr;\n// datafusion is fine in prose\nuse datafusion::x;\n";
        let lines = |path| {
            let file = File::of(path, source);
            datafusion(&file.rust().unwrap()).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("crates/runtime/src/a.rs"), [1, 3]);
        assert_eq!(lines("crates/sql/src/a.rs"), [0_usize; 0]);
        assert_eq!(lines("crates/flott/src/a.rs"), [0_usize; 0]);
    }
}
