//! Sizes: what does not fit on a screen is not read.

use crate::scan::{body_of, functions as functions_in, line_at, words};

use super::Finding;
use super::tree::Rust;

/// Code lines of a function's body, as clippy counts them.
const FUNCTION_LINES_MAX: usize = 70;
/// Code lines of a file, without its tests, blank lines and comments.
const FILE_LINES_MAX: usize = 600;
/// Methods of a trait, required and provided.
const TRAIT_METHODS_MAX: usize = 7;

/// No function is over the limit, also in macros and tests.
pub(super) fn functions(rust: &Rust<'_>) -> Vec<Finding> {
    let long = functions_in(&rust.masked.code).into_iter().filter(|function| function.code_lines > FUNCTION_LINES_MAX);
    long.map(|function| {
        let (name, lines) = (&function.name, function.code_lines);
        let text = format!("function `{name}` has {lines} lines of code, {FUNCTION_LINES_MAX} at most: split it");
        Finding::new(rust.path, function.line, text)
    })
    .collect()
}

/// No file is over the limit; tests do not count.
pub(super) fn files(rust: &Rust<'_>) -> Vec<Finding> {
    let code = rust.masked.code.lines().zip(&rust.test);
    let lines = code.filter(|(line, test)| !**test && !line.trim().is_empty()).count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let text = format!("{lines} lines of code without tests, {FILE_LINES_MAX} at most: split the file by subject");
    vec![Finding::new(rust.path, 1, text)]
}

/// No trait asks too much of whoever implements it.
pub(super) fn traits(rust: &Rust<'_>) -> Vec<Finding> {
    let code = &rust.masked.code;
    let named = words(code).filter(|(_, word)| *word == "trait");
    named
        .filter_map(|(at, _)| {
            let methods = methods(&code[body_of(code, at)?]);
            let text = format!("a trait with {methods} methods, {TRAIT_METHODS_MAX} at most: split it by who calls it");
            (methods > TRAIT_METHODS_MAX).then(|| Finding::new(rust.path, line_at(code, at), text))
        })
        .collect()
}

/// Counts the `fn` words that stand directly in a body's braces, not deeper.
fn methods(body: &str) -> usize {
    let depth = |at: usize| {
        let before = &body.as_bytes()[..at];
        before.iter().filter(|byte| **byte == b'{').count() - before.iter().filter(|byte| **byte == b'}').count()
    };
    // `fn` of a pointer type is followed by a parenthesis, not by a name.
    let named = |at: usize| body[at + 2..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
    words(body).filter(|(at, word)| *word == "fn" && named(*at) && depth(*at) == 1).count()
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    fn found(source: &str, check: fn(&Rust<'_>) -> Vec<Finding>) -> Vec<Finding> {
        check(&File::of("crates/api/src/a.rs", source).rust().unwrap())
    }

    #[test]
    fn a_long_function_is_found() {
        let body = |lines| format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    work();\n".repeat(lines));
        assert!(found(&body(70), functions).is_empty());
        let findings = found(&body(71), functions);
        assert_eq!((findings.len(), findings[0].line), (1, 2));
        assert!(findings[0].text.starts_with("function `long` has 71 lines"));
    }

    #[test]
    fn a_long_file_is_found_and_tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 0;\n".repeat(900));
        let file = |lines| format!("{}{tests}", "const A: u8 = 0;\n\n// Why.\n".repeat(lines));
        assert!(found(&file(600), files).is_empty());
        assert!(found(&file(601), files)[0].text.starts_with("601 lines"));
    }

    #[test]
    fn a_wide_trait_is_found() {
        let wide = |methods: usize| {
            let methods = "    fn a(&self, f: fn(u8)) { fn inner() {} }\n    fn b(&self);\n".repeat(methods / 2);
            format!("\npub trait Wide: Send {{\n{methods}}}\n")
        };
        assert!(found(&wide(6), traits).is_empty());
        assert_eq!(found(&wide(8), traits)[0].line, 2);
    }
}
