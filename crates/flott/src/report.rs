//! Errors and warnings as a person reads them: what, where with a caret, why, and what to do.

use std::fmt::Write;

use flott_api::{Error, ErrorKind};
use flott_sql::secret::is_secret;
use unicode_width::UnicodeWidthStr;

/// The text that a statement came from, for messages.
#[derive(Clone, Copy, Debug)]
pub struct SourceText<'a> {
    /// The script's name: a file, `<stdin>` or `<command line>`.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// The longest piece of a line that is shown around an error, in characters.
const SHOWN_CHARS_MAX: usize = 160;

/// An error, ready to print; ends with a line break. If verbose, with everything that lies below it.
pub fn error(error: &Error, source: Option<SourceText<'_>>, verbose: bool) -> String {
    let mut out = format!("error: {error}\n");
    if let (Some(source), Some(at)) = (source, error.location()) {
        // Writing to a string cannot fail.
        _ = writeln!(out, "  --> {}:{}:{}", source.name, at.line, at.column);
        if let Some(line) = source.text.lines().nth(at.line.saturating_sub(1) as usize) {
            show_line(&mut out, &hidden(line), at.line, at.column.saturating_sub(1) as usize);
        }
    }
    if let Some(detail) = error.detail() {
        _ = writeln!(out, "  {detail}");
    }
    if let Some(hint) = error.hint() {
        _ = writeln!(out, "  hint: {hint}");
    }
    if error.kind() == ErrorKind::Internal {
        out.push_str("  This is a bug in Flott, and not of your making.\n");
    }
    if verbose {
        show_causes(&mut out, error);
    }
    out
}

/// What lies below the error's own source, which its message holds already.
fn show_causes(out: &mut String, error: &Error) {
    let mut cause = std::error::Error::source(error).and_then(std::error::Error::source);
    while let Some(below) = cause {
        _ = writeln!(out, "  because: {below}");
        cause = below.source();
    }
}

/// The line with a caret under the place; only the part around it if the line is long.
fn show_line(out: &mut String, line: &str, number: u64, column: usize) {
    let from = column.saturating_sub(SHOWN_CHARS_MAX / 2);
    let shown: String =
        line.chars().skip(from).take(SHOWN_CHARS_MAX).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let before: String = shown.chars().take(column - from).collect();
    let number = number.to_string();
    let margin = " ".repeat(number.len());
    _ = writeln!(out, " {margin} |");
    _ = writeln!(out, " {number} | {shown}");
    _ = writeln!(out, " {margin} | {}^", " ".repeat(before.width()));
}

/// The line with stars for the values of secret options: `'password' = '****'`. The places of all else stay.
fn hidden(line: &str) -> String {
    let mut shown: Vec<char> = line.chars().collect();
    let quotes: Vec<usize> = shown.iter().enumerate().filter(|(_, c)| **c == '\'').map(|(i, _)| i).collect();
    let mut at = 0;
    while let Some(&[key_open, key_close, value_open]) = quotes.get(at..at + 3) {
        let key: String = shown[key_open + 1..key_close].iter().collect();
        let between: String = shown[key_close + 1..value_open].iter().collect();
        if between.trim() == "=" && is_secret(&key) {
            let value_close = quotes.get(at + 3).copied().unwrap_or(shown.len());
            shown[value_open + 1..value_close].fill('*');
            at += 4;
        } else {
            at += 1;
        }
    }
    shown.into_iter().collect()
}

/// A warning, ready to print; ends with a line break.
pub fn warning(text: &str) -> String {
    format!("warning: {text}\n")
}

#[cfg(test)]
mod tests {
    use flott_api::Location;

    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let e = Error::invalid("column 'x' does not exist")
            .at(Location { line: 2, column: 8 })
            .with_hint("Did you mean 'y'?");
        let source = SourceText { name: "a.sql", text: "-- ünï\nSELECT x FROM t" };
        expect_test::expect![[r#"
            error: column 'x' does not exist
              --> a.sql:2:8
               |
             2 | SELECT x FROM t
               |        ^
              hint: Did you mean 'y'?
        "#]]
        .assert_eq(&error(&e, Some(source), false));
    }

    #[test]
    fn causes_are_shown_where_they_are_asked_for() {
        let below = Error::external("c").with_source(Error::external("d"));
        let e = Error::external("a").with_source(Error::external("b").with_source(below));
        assert_eq!(error(&e, None, false), "error: a: b: c: d\n");
        assert_eq!(error(&e, None, true), "error: a: b: c: d\n  because: c: d\n  because: d\n");
    }

    #[test]
    fn a_bug_is_called_one() {
        assert!(error(&Error::internal("x"), None, false).contains("bug in Flott"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let e = Error::invalid("m").at(Location { line: 1, column: 5001 });
        let text = error(&e, Some(SourceText { name: "n", text: &line }), false);
        assert!(text.len() < 600);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3].find('X'), lines[4].find('^'));
    }

    #[test]
    fn secrets_in_a_line_are_stars() {
        let line = "SET 's3.secret-key' = 'hush'; SET 'x' = 'y', 'password'='p";
        assert_eq!(hidden(line), "SET 's3.secret-key' = '****'; SET 'x' = 'y', 'password'='*");
        for plain in ["SELECT 'secret', 'x'", "'a' = 'b'", "it's", ""] {
            assert_eq!(hidden(plain), plain);
        }
    }
}
