//! A small reader of Rust source, enough to count lines and find names without being fooled by strings and comments.
//!
//! `mask` blanks what is not code and keeps every line where it was; `functions` and `test_lines` work on its result.
//! It does not expand macros, so code that a macro makes is seen only where it is written.

mod mask;

pub(crate) use mask::{Masked, mask};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines of code between its braces: no blank and no comment lines, as clippy counts.
    pub(crate) code_lines: usize,
}

/// All functions of a masked source that have a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    words(code)
        .filter(|(_, word)| *word == "fn")
        .filter_map(|(at, _)| {
            let name = words(&code[at + 2..]).next().filter(|(gap, _)| code[at + 2..][..*gap].trim().is_empty())?;
            let body = body_of(code, at)?;
            Some(Function { name: name.1.to_owned(), line: line_at(code, at), code_lines: inner_lines(&code[body]) })
        })
        .collect()
}

/// For each line, whether it belongs to an item under `#[cfg(test)]`.
pub(crate) fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = vec![false; code.lines().count()];
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let end = item_end(code, at + "#[cfg(test)]".len());
        let last = line_at(code, end).min(lines.len());
        lines[line_at(code, at) - 1..last].fill(true);
    }
    lines
}

/// Identifiers and keywords with their byte offsets.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

/// The line of a byte offset, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The braces that follow `at`, or none where the item ends with a semicolon.
pub(crate) fn body_of(code: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let open = at + first_at_top(&code[at..])?;
    (code.as_bytes()[open] == b'{').then(|| open..closing(code, open))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn item_end(code: &str, at: usize) -> usize {
    match first_at_top(&code[at..]) {
        Some(offset) if code.as_bytes()[at + offset] == b'{' => closing(code, at + offset) - 1,
        Some(offset) => at + offset,
        None => code.len(),
    }
}

/// The first `{` or `;` outside parentheses and brackets: `[u8; 2]` in a signature ends nothing.
fn first_at_top(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    code.bytes().position(|byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' | b';' => return depth <= 0,
            _ => {}
        }
        false
    })
}

/// One past the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    let end = code.as_bytes()[open..].iter().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or(code.len(), |offset| open + offset + 1)
}

/// Lines of code inside a body, without those of its braces.
fn inner_lines(body: &str) -> usize {
    let inner = body.trim_start_matches('{').trim_end_matches('}');
    inner.lines().filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests;
