//! The prompt, and when a statement is whole.

use std::borrow::Cow;

use flott_sql::parser::is_incomplete;
use reedline::{Prompt, PromptEditMode, PromptHistorySearch, ValidationResult, Validator};

/// `Flott SQL> `, as wide as what stands before the further lines.
pub(super) struct SqlPrompt;

impl Prompt for SqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "Flott SQL".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "         > ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("(search for '{}') ", search.term).into()
    }
}

/// Enter ends a statement behind its `;`, and is a line break before it.
pub(super) struct WholeStatement;

impl Validator for WholeStatement {
    fn validate(&self, line: &str) -> ValidationResult {
        if is_whole(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

/// The shell's own commands need no `;`.
pub(super) fn is_whole(text: &str) -> bool {
    ["quit", "exit", "help", "clear"].iter().any(|word| text.trim().eq_ignore_ascii_case(word)) || !is_incomplete(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_whole_with_their_semicolon() {
        for text in ["", "SELECT 1;", "SELECT ';\n';", "quit", " EXIT ", "-- only this"] {
            assert!(is_whole(text), "{text}");
        }
        for text in ["SELECT 1", "SELECT ';", "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", "quit now"] {
            assert!(!is_whole(text), "{text}");
        }
    }
}
