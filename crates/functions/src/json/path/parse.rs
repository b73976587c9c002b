//! From the text of a path to its steps.

use super::filter::Filter;
use super::{Broken, Parameter, Parsed, Path, Step, broken};
use crate::json::scan::Scanner;
use crate::json::tree::Tree;

/// How deep filters, their conditions and the arguments of functions nest.
pub(super) const NESTING_MAX: usize = 32;
/// The steps of a path that stay where they are, which are filters and functions.
const STAYING_MAX: usize = 100;

/// Reads a path.
pub(super) fn path(text: &str) -> Parsed<Path> {
    path_within(text, 0)
}

/// Reads a path that is so deep within another.
pub(super) fn path_within(text: &str, depth: usize) -> Parsed<Path> {
    let trimmed = text.trim_matches(' ');
    if text.is_empty() {
        return broken("it is empty");
    }
    if depth > NESTING_MAX {
        return broken("it nests too deep");
    }
    // A blank before the root makes it a name.
    let rooted = text.starts_with(['$', '@']);
    let text = format!(
        "{}{trimmed}",
        match rooted {
            true => "",
            false if text.starts_with(' ') => "$. ",
            false => "$.",
        }
    );
    if text.ends_with('.') {
        return broken("it ends with a point");
    }
    let mut reader = Reader { cursor: Cursor::new(&text), steps: Vec::new(), depth };
    let from_item = reader.cursor.current()? == '@';
    reader.root()?;
    if reader.steps.iter().filter(|s| matches!(s, Step::Filter(_) | Step::Function(..))).count() > STAYING_MAX {
        return broken("it has too many filters and functions");
    }
    Ok(Path { steps: functions_first(reader.steps), from_item })
}

/// `$..a.f()` means `$.f($..a)`.
fn functions_first(mut steps: Vec<Step>) -> Vec<Step> {
    let ends_in_function = matches!(steps.last(), Some(Step::Function(..)));
    if !ends_in_function || !matches!(steps.first(), Some(Step::Scan)) {
        return steps;
    }
    let place = steps.iter().position(|s| matches!(s, Step::Function(..))).unwrap_or(0);
    let mut rest = steps.split_off(place);
    if let Some(Step::Function(_, parameters)) = rest.first_mut() {
        *parameters = vec![Parameter::Path(Path { steps, from_item: false })];
    }
    rest
}

/// Characters by their place.
pub(super) struct Cursor {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Cursor { chars: text.chars().collect(), at: 0 }
    }

    pub(super) fn char(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    pub(super) fn current(&self) -> Parsed<char> {
        self.char(self.at).ok_or_else(|| Broken("it ends too early".into()))
    }

    pub(super) fn is(&self, c: char) -> bool {
        self.char(self.at) == Some(c)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    /// The last character counts as the tail, too.
    fn is_tail(&self) -> bool {
        self.at + 1 >= self.chars.len()
    }

    pub(super) fn text(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to.max(from)).unwrap_or_default().iter().collect()
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is(' ') {
            self.at += 1;
        }
    }

    /// The place of the first character behind one that is no blank.
    pub(super) fn significant(&self, behind: usize) -> Option<usize> {
        (behind + 1..self.chars.len()).find(|&i| self.chars[i] != ' ')
    }

    /// The place of that character, if it is the next that is no blank.
    fn next_is(&self, behind: usize, c: char) -> Option<usize> {
        self.significant(behind).filter(|&i| self.chars[i] == c)
    }

    fn find(&self, from: usize, c: char) -> Option<usize> {
        (from..self.chars.len()).find(|&i| self.chars[i] == c)
    }

    /// The next such character that no backslash stands before.
    pub(super) fn unescaped(&self, behind: usize, c: char) -> Option<usize> {
        let mut escaped = false;
        for i in behind + 1..self.chars.len() {
            match self.chars[i] {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                found if found == c => return Some(i),
                _ => {}
            }
        }
        None
    }

    /// Where what opens here is closed; texts, and on demand regular expressions, are read over.
    pub(super) fn closing(&self, open_at: usize, close: char, skip_regex: bool) -> Parsed<Option<usize>> {
        let open = self.char(open_at);
        let (mut depth, mut at) = (1, open_at + 1);
        while at < self.chars.len() {
            if matches!(self.chars[at], '\'' | '"') {
                let quote = self.chars[at];
                at = self.unescaped(at, quote).ok_or_else(|| Broken("a text is not closed".into()))? + 1;
            }
            if skip_regex && self.char(at) == Some('/') {
                at = self.unescaped(at, '/').ok_or_else(|| Broken("a pattern is not closed".into()))? + 1;
            }
            let Some(c) = self.char(at) else { return broken("it ends too early") };
            depth += usize::from(Some(c) == open);
            if c == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at));
                }
            }
            at += 1;
        }
        Ok(None)
    }
}

struct Reader {
    cursor: Cursor,
    steps: Vec<Step>,
    depth: usize,
}

impl Reader {
    fn root(&mut self) -> Parsed<()> {
        if self.cursor.is_tail() {
            return Ok(());
        }
        self.cursor.at += 1;
        match self.cursor.current()? {
            '.' | '[' => {}
            _ => return broken("behind the root a point or a bracket should be"),
        }
        while self.step()? {}
        Ok(())
    }

    /// Reads a step, and says whether another follows.
    fn step(&mut self) -> Parsed<bool> {
        match self.cursor.current()? {
            '[' => self.bracket()?,
            '.' => return self.point(),
            '*' => {
                self.cursor.at += 1;
                self.steps.push(Step::Wildcard);
            }
            _ => self.name()?,
        }
        Ok(!self.cursor.is_tail())
    }

    fn point(&mut self) -> Parsed<bool> {
        if self.cursor.char(self.cursor.at + 1) == Some('.') {
            self.steps.push(Step::Scan);
            self.cursor.at += 2;
        } else if self.cursor.is_tail() {
            return broken("it ends with a point");
        } else {
            self.cursor.at += 1;
        }
        match self.cursor.is('.') {
            true => broken("three points stand together"),
            false => Ok(true),
        }
    }

    /// `name` or `function(..)`
    fn name(&mut self) -> Parsed<()> {
        let start = self.cursor.at;
        let Some(stop) =
            (start..self.cursor.chars.len()).find(|&i| matches!(self.cursor.chars[i], ' ' | '.' | '[' | '('))
        else {
            self.steps.push(Step::Names(vec![self.cursor.text(start, self.cursor.chars.len())]));
            self.cursor.at = self.cursor.chars.len();
            return Ok(());
        };
        let name = self.cursor.text(start, stop);
        match self.cursor.chars[stop] {
            ' ' => return broken("a name with a blank takes brackets"),
            '(' => {
                let parameters = self.arguments(stop, &name)?;
                self.steps.push(Step::Function(name, parameters));
            }
            _ => {
                self.cursor.at = stop;
                self.steps.push(Step::Names(vec![name]));
            }
        }
        Ok(())
    }

    fn arguments(&mut self, open: usize, name: &str) -> Parsed<Vec<Parameter>> {
        let mut depth = 1;
        let mut closes = |c: &char| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        };
        if !self.cursor.chars[open + 1..].iter().any(&mut closes) {
            return broken(format!("the arguments of '{name}' are not closed"));
        }
        if self.cursor.char(open + 1) == Some(')') {
            // The parenthesis is the tail; what follows it is taken for a name.
            self.cursor.at = open + 1;
            return Ok(Vec::new());
        }
        self.cursor.at = open + 1;
        arguments(&mut self.cursor, name, self.depth + 1)
    }

    fn bracket(&mut self) -> Parsed<()> {
        let open = self.cursor.at;
        let first = self.cursor.significant(open).map_or(' ', |i| self.cursor.chars[i]);
        match first {
            '\'' | '"' => return self.quoted(first),
            '0'..='9' | '-' | ':' => return self.places(),
            '*' => {}
            '?' => return self.filter(),
            _ => return broken("in a bracket a number, a name in quotes, '*' or '?' should be"),
        }
        let star = self.cursor.next_is(open, '*').unwrap_or(open);
        let Some(close) = self.cursor.next_is(star, ']') else {
            return broken("behind '*' the bracket should end");
        };
        self.cursor.at = close + 1;
        self.steps.push(Step::Wildcard);
        Ok(())
    }

    /// `['a', 'b']`
    fn quoted(&mut self, quote: char) -> Parsed<()> {
        let (mut names, mut start, mut end) = (Vec::new(), self.cursor.at + 1, 0);
        let (mut inside, mut escaped, mut comma) = (false, false, false);
        for at in self.cursor.at + 1..self.cursor.chars.len() {
            match self.cursor.chars[at] {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                ']' if !inside && comma => return broken("a name is missing behind a comma"),
                ']' if !inside => break,
                c if c == quote && inside => {
                    let next = self.cursor.significant(at).map(|i| self.cursor.chars[i]);
                    if !matches!(next, Some(']' | ',')) {
                        return broken("names are separated by commas");
                    }
                    end = at;
                    names.push(unescaped(&self.cursor.text(start, at)));
                    inside = false;
                }
                c if c == quote => {
                    start = at + 1;
                    (inside, comma) = (true, false);
                }
                ',' if !inside && comma => return broken("a name is missing between commas"),
                ',' if !inside => comma = true,
                _ => {}
            }
        }
        match self.cursor.next_is(end, ']') {
            Some(close) if !inside && !names.is_empty() => self.cursor.at = close + 1,
            _ => return broken("a name in quotes is not closed"),
        }
        self.steps.push(Step::Names(names));
        Ok(())
    }

    /// `[0]`, `[0, 1]`, `[1:3]`
    fn places(&mut self) -> Parsed<()> {
        let start = self.cursor.at + 1;
        let Some(close) = self.cursor.find(start, ']') else { return broken("a bracket is not closed") };
        let text = self.cursor.text(start, close);
        let text = text.trim();
        if text.contains(|c: char| !matches!(c, '0'..='9' | ',' | '-' | ':' | ' ')) {
            return broken("an index is no number");
        }
        self.steps.push(if text.contains(':') { slice(text)? } else { indexes(text)? });
        self.cursor.at = close + 1;
        Ok(())
    }

    /// `[?(..)]`
    fn filter(&mut self) -> Parsed<()> {
        let open = self.cursor.at;
        let mark = self.cursor.next_is(open, '?').unwrap_or(open);
        let Some(begin) = self.cursor.next_is(mark, '(') else {
            return broken("a filter begins with '?('");
        };
        let Some(end) = self.cursor.closing(begin, ')', true)? else { return broken("a filter is not closed") };
        let Some(close) = self.cursor.next_is(end, ']') else { return broken("a filter ends with ')]'") };
        self.steps.push(Step::Filter(Filter::parse(&self.cursor.text(begin, end + 1), self.depth + 1)?));
        self.cursor.at = close + 1;
        Ok(())
    }
}

fn integer(text: &str) -> Parsed<i32> {
    text.parse().or_else(|_| broken(format!("'{text}' is no index")))
}

fn indexes(text: &str) -> Parsed<Step> {
    Ok(Step::Indexes(text.split(',').map(|t| integer(t.trim())).collect::<Parsed<_>>()?))
}

fn slice(text: &str) -> Parsed<Step> {
    if text.contains([' ', ',']) {
        return broken("a slice is of two numbers and a colon");
    }
    let bound = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(integer).transpose();
    let mut parts = text.split(':');
    match (bound(parts.next())?, bound(parts.next())?) {
        (None, None) => broken("a slice has no bound"),
        (from, to) => Ok(Step::Slice(from, to)),
    }
}

/// The arguments up to the closing parenthesis, and goes behind it. Each is a path or a JSON text.
fn arguments(cursor: &mut Cursor, name: &str, depth: usize) -> Parsed<Vec<Parameter>> {
    let mut found = Vec::new();
    let (mut parens, mut others, mut quoted, mut start) = (1, 0_i32, false, cursor.at);
    while let Some(c) = cursor.char(cursor.at) {
        match c {
            '\\' if quoted => cursor.at += 1,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => parens += 1,
            ')' => parens -= 1,
            '[' | '{' => others += 1,
            ']' | '}' => others -= 1,
            _ => {}
        }
        if !quoted && others == 0 && (parens == 0 || (parens == 1 && c == ',')) {
            found.extend(argument(cursor.text(start, cursor.at).trim(), depth)?);
            start = cursor.at + 1;
        }
        cursor.at += 1;
        if parens == 0 && others == 0 {
            return Ok(found);
        }
    }
    broken(format!("the arguments of '{name}' are not closed"))
}

/// What is neither a path nor JSON is left out.
fn argument(text: &str, depth: usize) -> Parsed<Option<Parameter>> {
    match text.chars().next() {
        Some('$' | '@') => Ok(Some(Parameter::Path(path_within(text, depth)?))),
        Some('{' | '"' | '-' | '0'..='9') => match Tree::default().read(&mut Scanner::new(text)) {
            Ok(_) => Ok(Some(Parameter::Json(text.to_owned()))),
            Err(malformed) => broken(format!("an argument is no JSON: {}", malformed.why)),
        },
        _ => Ok(None),
    }
}

/// Takes Java's escapes out of a name or a text.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or('?'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
