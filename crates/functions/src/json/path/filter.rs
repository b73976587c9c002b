//! Filters in paths: `[?(@.a > 1 && !(@.b =~ /x.*/i))]`.

use super::parse::{Cursor, NESTING_MAX, path_within, unescaped};
use super::{Broken, Parsed, Path, broken};
use crate::pattern::{Pattern, Unusable};

/// A condition on an item.
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Compare(Value, Operator, Value),
    /// Whether the path finds something, or nothing.
    Exists(Path, bool),
}

/// A side of a comparison.
pub(super) enum Value {
    Path(Path),
    Text(String),
    Number(String),
    Bool(bool),
    Null,
    /// `[1, 2]`, `{"a": 1}`
    Json,
    /// `/x.*/i`, or why it does not run.
    Pattern(Result<Box<Pattern>, Unusable>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    SameTypeAndEqual,
    NotSameTypeAndEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
    Exists,
    /// `ALL`, `TYPE` and `MATCHES` take what a path's text cannot write.
    Never,
}

/// By their names; words may be in any case.
const OPERATORS: [(&str, Operator); 21] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("===", Operator::SameTypeAndEqual),
    ("!==", Operator::NotSameTypeAndEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("IN", Operator::In),
    ("NIN", Operator::NotIn),
    ("CONTAINS", Operator::Contains),
    ("SIZE", Operator::Size),
    ("EMPTY", Operator::Empty),
    ("SUBSETOF", Operator::SubsetOf),
    ("ANYOF", Operator::AnyOf),
    ("NONEOF", Operator::NoneOf),
    ("EXISTS", Operator::Exists),
    ("ALL", Operator::Never),
    ("TYPE", Operator::Never),
    ("MATCHES", Operator::Never),
];

impl Filter {
    /// Reads what stands between the brackets and the question mark, with its parentheses, so deep within a path.
    pub(super) fn parse(text: &str, depth: usize) -> Parsed<Filter> {
        let mut reader = Reader { cursor: Cursor::new(text), depth };
        let filter = reader.any()?;
        reader.cursor.skip_blanks();
        match reader.cursor.is_at_end() {
            true => Ok(filter),
            false => broken("a filter has something behind its end"),
        }
    }

    /// A pattern in it that does not run here.
    pub(super) fn refusal(&self) -> Option<&Unusable> {
        match self {
            Filter::Any(all) | Filter::All(all) => all.iter().find_map(Filter::refusal),
            Filter::Not(inner) => inner.refusal(),
            Filter::Exists(..) => None,
            Filter::Compare(left, _, right) => [left, right].into_iter().find_map(|value| match value {
                Value::Pattern(Err(unusable)) => Some(unusable),
                _ => None,
            }),
        }
    }
}

struct Reader {
    cursor: Cursor,
    depth: usize,
}

impl Reader {
    fn any(&mut self) -> Parsed<Filter> {
        self.chain("||", Self::all, Filter::Any)
    }

    fn all(&mut self) -> Parsed<Filter> {
        self.chain("&&", Self::operand, Filter::All)
    }

    fn chain(
        &mut self,
        word: &str,
        next: fn(&mut Self) -> Parsed<Filter>,
        of: fn(Vec<Filter>) -> Filter,
    ) -> Parsed<Filter> {
        let mut found = vec![next(self)?];
        loop {
            self.cursor.skip_blanks();
            if self.cursor.text(self.cursor.at, self.cursor.at + 2) != word {
                break;
            }
            self.cursor.at += 2;
            found.push(next(self)?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { of(found) })
    }

    fn operand(&mut self) -> Parsed<Filter> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return broken("a filter nests too deep");
        }
        let filter = self.operand_within();
        self.depth -= 1;
        filter
    }

    fn operand_within(&mut self) -> Parsed<Filter> {
        self.cursor.skip_blanks();
        if self.cursor.is('!') {
            let start = self.cursor.at;
            self.cursor.at += 1;
            self.cursor.skip_blanks();
            if !matches!(self.cursor.current()?, '$' | '@') {
                return Ok(Filter::Not(Box::new(self.operand()?)));
            }
            self.cursor.at = start;
        }
        if !self.cursor.is('(') {
            return self.comparison();
        }
        self.cursor.at += 1;
        let inner = self.any()?;
        self.cursor.skip_blanks();
        if !self.cursor.is(')') {
            return broken("a parenthesis is not closed");
        }
        self.cursor.at += 1;
        Ok(inner)
    }

    fn comparison(&mut self) -> Parsed<Filter> {
        let (left, exists) = self.value()?;
        let start = self.cursor.at;
        // Without an operator the value stands alone, whatever follows.
        match self.operator() {
            Ok(operator) => {
                if let Some(right) = self.right()? {
                    return Ok(Filter::Compare(left, operator, right));
                }
                self.cursor.at = start;
            }
            Err(_) => self.cursor.at = start,
        }
        match left {
            Value::Path(path) => Ok(Filter::Exists(path, exists)),
            _ => broken("a value stands alone"),
        }
    }

    /// The right side, if there is one.
    fn right(&mut self) -> Parsed<Option<Value>> {
        match self.value() {
            Ok((value, _)) => Ok(Some(value)),
            Err(_) => Ok(None),
        }
    }

    fn operator(&mut self) -> Parsed<Operator> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        let symbol = is_symbol(self.cursor.current()?);
        let goes_on = |c: char| if symbol { is_symbol(c) } else { c != ' ' };
        while self.cursor.char(self.cursor.at).is_some_and(goes_on) {
            self.cursor.at += 1;
        }
        let word = self.cursor.text(start, self.cursor.at).to_uppercase();
        let known = OPERATORS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator);
        known.ok_or_else(|| Broken(format!("'{word}' is no operator")))
    }

    /// A value, and for a path whether no `!` stands before it.
    fn value(&mut self) -> Parsed<(Value, bool)> {
        self.cursor.skip_blanks();
        let negated = self.cursor.is('!');
        if negated {
            self.cursor.at += 1;
            self.cursor.skip_blanks();
        }
        match self.cursor.current()? {
            '$' | '@' => Ok((Value::Path(self.path()?), !negated)),
            _ if negated => broken("behind '!' a path should be"),
            _ => Ok((self.literal()?, true)),
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        let start = self.cursor.at;
        self.cursor.at += 1;
        while !self.cursor.is_at_end() {
            if self.cursor.is('[') {
                match self.cursor.closing(self.cursor.at, ']', false)? {
                    Some(close) => self.cursor.at = close + 1,
                    None => return broken("a bracket is not closed"),
                }
            }
            let c = self.cursor.current()?;
            let logical = c == ')' && !self.closes_function(start);
            if is_symbol(c) || c == ' ' || logical {
                break;
            }
            self.cursor.at += 1;
        }
        path_within(&self.cursor.text(start, self.cursor.at), self.depth)
    }

    /// Whether the parenthesis here ends `.f()`.
    fn closes_function(&self, start: usize) -> bool {
        let Some(open) = (0..self.cursor.at).rev().find(|&i| self.cursor.chars[i] != ' ') else { return false };
        self.cursor.chars[open] == '(' && (start + 1..open).any(|i| self.cursor.chars[i] == '.')
    }

    fn literal(&mut self) -> Parsed<Value> {
        match self.cursor.current()? {
            quote @ ('\'' | '"') => self.quoted(quote),
            't' => self.word("true", Value::Bool(true)),
            'f' => self.word("false", Value::Bool(false)),
            'n' => self.word("null", Value::Null),
            '[' => self.json(']'),
            '{' => self.json('}'),
            '/' => self.pattern(),
            _ => self.number(),
        }
    }

    fn quoted(&mut self, quote: char) -> Parsed<Value> {
        let start = self.cursor.at + 1;
        let Some(end) = self.cursor.unescaped(self.cursor.at, quote) else { return broken("a text is not closed") };
        self.cursor.at = end + 1;
        Ok(Value::Text(unescaped(&self.cursor.text(start, end))))
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        let end = self.cursor.at + word.len();
        if self.cursor.text(self.cursor.at, end) != word {
            return broken(format!("'{word}' should be here"));
        }
        self.cursor.at = end;
        Ok(value)
    }

    fn json(&mut self, close: char) -> Parsed<Value> {
        match self.cursor.closing(self.cursor.at, close, false)? {
            Some(end) => self.cursor.at = end + 1,
            None => return broken("a JSON value is not closed"),
        }
        Ok(Value::Json)
    }

    fn pattern(&mut self) -> Parsed<Value> {
        let start = self.cursor.at + 1;
        let Some(end) = self.cursor.unescaped(self.cursor.at, '/') else { return broken("a pattern is not closed") };
        let mut flags = end + 1;
        while self.cursor.char(flags).is_some_and(|c| "idsuxmU".contains(c)) {
            flags += 1;
        }
        let flags_text = self.cursor.text(end + 1, flags);
        let pattern = self.cursor.text(start, end);
        self.cursor.at = flags;
        let flags = if flags_text.is_empty() { String::new() } else { format!("(?{flags_text})") };
        match Pattern::new(&format!("{flags}\\A(?:{pattern})\\z")) {
            Ok(compiled) => Ok(Value::Pattern(Ok(Box::new(compiled)))),
            Err(Unusable::Wrong(why)) => broken(why),
            Err(unsupported) => Ok(Value::Pattern(Err(unsupported))),
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.cursor.at;
        while self.cursor.char(self.cursor.at).is_some_and(|c| matches!(c, '0'..='9' | '-' | '.' | 'E' | 'e')) {
            self.cursor.at += 1;
        }
        let text = self.cursor.text(start, self.cursor.at);
        match super::compare::Decimal::parse(&text) {
            Some(_) => Ok(Value::Number(text)),
            None => broken(format!("'{text}' is no number")),
        }
    }
}

fn is_symbol(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '~' | '!')
}
