//! A line of SQL cut into pieces, for colours and completion. It never fails: what is not closed yet reaches to the end.

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: a keyword or a name.
    Word,
    /// A name in backquotes.
    QuotedName,
    /// A string literal.
    Text,
    /// A comment or a hint.
    Comment,
    /// A number.
    Number,
    /// Anything else, blanks too.
    Other,
}

/// A piece: what it is, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// All pieces, without gaps.
pub(super) fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = line[start..].chars().next() {
        let (kind, length) = piece(&line[start..], first);
        found.push(Token { kind, text: &line[start..start + length], start });
        start += length;
    }
    found
}

/// The piece at the front, and how many bytes it has: at least those of its first character.
fn piece(rest: &str, first: char) -> (Kind, usize) {
    let up_to = |mark: &str, from: usize| rest[from..].find(mark).map_or(rest.len(), |at| from + at + mark.len());
    let while_is = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    match first {
        '\'' => (Kind::Text, up_to("'", 1)),
        '`' => (Kind::QuotedName, up_to("`", 1)),
        '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Kind::Comment, up_to("*/", 2)),
        c if c.is_ascii_digit() => (Kind::Number, while_is(|c| c.is_ascii_alphanumeric() || c == '.')),
        c if is_word(c) => (Kind::Word, while_is(is_word)),
        c => (Kind::Other, c.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Vec<(Kind, &str)> {
        tokens(line).into_iter().map(|t| (t.kind, t.text)).filter(|t| t.1 != " ").collect()
    }

    #[test]
    fn pieces() {
        use Kind::*;
        let expected = [(Word, "a1"), (Other, "."), (QuotedName, "`b c`"), (Text, "'x;'"), (Number, "1.5e3")];
        assert_eq!(cut("a1.`b c` 'x;' 1.5e3"), expected);
        assert_eq!(cut("-- c\nx /* y"), [(Comment, "-- c"), (Other, "\n"), (Word, "x"), (Comment, "/* y")]);
        assert_eq!(cut("'open ü"), [(Text, "'open ü")]);
        assert_eq!(cut("日本 €"), [(Word, "日本"), (Other, "€")]);
    }

    #[test]
    fn nothing_is_lost() {
        for line in ["", "'", "`", "--", "/*", "/*/", "ü'ü", "a\u{301}b"] {
            assert_eq!(tokens(line).iter().map(|t| t.text).collect::<String>(), line);
        }
    }
}
