//! Paths into a JSON document: `lax $.a[0]`, `strict $..b[?(@.c > 1)].length()`.
//!
//! The language is that of Jayway's JsonPath, which Flink uses, with its habits: a path without `$` begins at the
//! root, and one character behind a bracket is read over. Without a mode a path is strict.

mod compare;
mod evaluate;
mod filter;
mod functions;
mod parse;

use flott_api::Result;

pub(super) use evaluate::{Answer, Outcome};
use filter::Filter;

/// A path that was understood.
pub(super) struct JsonPath {
    /// Whether what is missing is an error.
    pub(super) strict: bool,
    pub(super) path: std::result::Result<Path, Broken>,
}

/// A path without its mode.
pub(super) struct Path {
    steps: Vec<Step>,
    /// `@`: from the item that a filter looks at.
    from_item: bool,
}

/// Why a path is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) String);

type Parsed<T> = std::result::Result<T, Broken>;

fn broken<T>(why: impl Into<String>) -> Parsed<T> {
    Err(Broken(why.into()))
}

/// One step down.
enum Step {
    /// `.a`, `['a', 'b']`
    Names(Vec<String>),
    /// `[0]`, `[0, -1]`
    Indexes(Vec<i32>),
    /// `[1:3]`
    Slice(Option<i32>, Option<i32>),
    /// `.*`
    Wildcard,
    /// `..`
    Scan,
    /// `[?(..)]`
    Filter(Filter),
    /// `.length()`
    Function(String, Vec<Parameter>),
}

/// An argument of a function.
enum Parameter {
    /// A path from the root.
    Path(Path),
    /// A JSON text.
    Json(String),
}

impl JsonPath {
    /// Understands a path. A wrong one is kept: what becomes of it is for `ON ERROR` to say.
    ///
    /// # Errors
    /// If it needs something that is not built.
    pub(super) fn parse(text: &str) -> Result<JsonPath> {
        let (strict, rest) = mode(text);
        let path = parse::path(rest);
        if let Ok(path) = &path {
            path.steps.iter().try_for_each(check)?;
        }
        Ok(JsonPath { strict, path })
    }
}

/// Takes the mode off.
fn mode(text: &str) -> (bool, &str) {
    let trimmed = text.trim_start_matches(is_java_blank);
    for (word, strict) in [("lax", false), ("strict", true)] {
        let Some(head) = trimmed.get(..word.len()).filter(|h| h.eq_ignore_ascii_case(word)) else { continue };
        let behind = &trimmed[head.len()..];
        let rest = behind.trim_start_matches(is_java_blank);
        // There must be a blank, and a character behind it, be it one of the blanks.
        match (behind.len() - rest.len(), rest.is_empty()) {
            (0, _) | (1, true) => {}
            (_, true) => return (strict, &behind[behind.len() - 1..]),
            _ => return (strict, rest),
        }
    }
    (true, text)
}

/// What `\s` means to Java.
fn is_java_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// A regular expression that does not run here is refused before the first row.
fn check(step: &Step) -> Result<()> {
    match step {
        Step::Filter(filter) => filter.refusal().map_or(Ok(()), |unusable| Err(unusable.error("of a filter"))),
        _ => Ok(()),
    }
}

impl Path {
    /// Whether the step at a place can find one value at most.
    fn is_definite_at(&self, place: usize) -> bool {
        match &self.steps[place] {
            Step::Names(names) => names.len() == 1 || place + 1 == self.steps.len(),
            Step::Indexes(indexes) => indexes.len() == 1,
            Step::Function(..) => true,
            Step::Slice(..) | Step::Wildcard | Step::Scan | Step::Filter(_) => false,
        }
    }

    /// Whether all steps before a place find one value at most.
    fn is_definite_before(&self, place: usize) -> bool {
        (0..place).all(|i| self.is_definite_at(i))
    }

    /// Whether it finds one value at most.
    fn is_definite(&self) -> bool {
        self.is_definite_before(self.steps.len())
    }

    /// Whether a function is its last step.
    fn is_function(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Function(..)))
    }

    /// Whether one pass over the text answers it: names, and places that count from the front.
    pub(super) fn is_simple(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Names(names) => names.len() == 1,
            Step::Indexes(indexes) => matches!(indexes[..], [index] if index >= 0),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_words_before_a_blank() {
        assert_eq!(mode("lax $.a"), (false, "$.a"));
        assert_eq!(mode(" \n STRICT\t$"), (true, "$"));
        assert_eq!(mode("lax$"), (true, "lax$"));
        assert_eq!(mode("laxx $"), (true, "laxx $"));
        assert_eq!(mode("lax "), (true, "lax "));
        assert_eq!(mode("lax  "), (false, " "));
    }

    #[test]
    fn simple_paths_need_no_tree() {
        for (text, simple) in [("$", true), ("$.a['b'][0]", true), ("$[-1]", false), ("$.a.length()", false)] {
            assert_eq!(parse::path(text).unwrap().is_simple(), simple, "{text}");
        }
    }
}
