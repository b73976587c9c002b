//! Colours of what is being typed.

use reedline::{Color, Highlighter, StyledText};

use super::tokens::{Kind, tokens};
use super::words::is_keyword;

/// Colours keywords, literals and comments.
pub(super) struct SqlHighlighter;

impl Highlighter for SqlHighlighter {
    fn highlight(&self, line: &str, _: usize) -> StyledText {
        let mut styled = StyledText::new();
        for token in tokens(line) {
            let style = match token.kind {
                Kind::Word if is_keyword(token.text) => Color::Blue.bold(),
                Kind::Text => Color::Green.normal(),
                Kind::Number => Color::Cyan.normal(),
                Kind::Comment => Color::DarkGray.normal(),
                Kind::Word | Kind::QuotedName | Kind::Other => Color::Default.normal(),
            };
            styled.push((style, token.text.to_owned()));
        }
        styled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stays_as_it_is() {
        let line = "SELECT 'a', `b`, 1 -- c";
        assert_eq!(SqlHighlighter.highlight(line, 0).raw_string(), line);
    }
}
