//! A pattern as `java.util.regex.Pattern` of Java 17 reads it.

mod classes;
mod escapes;

use super::Unusable;
use super::class::{self, Set};

type Parsed<T> = Result<T, Unusable>;

/// A part of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Nothing, which is always there.
    Empty,
    /// One character of a set.
    One(Set),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    /// A group; a capturing one has the number of its place.
    Group(Box<Node>, bool),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        how: How,
    },
    Look {
        node: Box<Node>,
        ahead: bool,
        negative: bool,
    },
    Atomic(Box<Node>),
    Back {
        group: usize,
        any_case: bool,
    },
    Anchor(Anchor),
}

/// How much a repetition takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Greedy,
    Lazy,
    Possessive,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    End,
    /// The end, or before a line break that ends the text.
    BeforeBreak {
        unix: bool,
    },
    LineStart {
        unix: bool,
    },
    LineEnd {
        unix: bool,
    },
    Word,
    NotWord,
    /// Where the match before has ended.
    Last,
}

/// What was read.
pub(super) struct Pattern {
    pub(super) node: Node,
    /// Capturing groups.
    pub(super) groups: usize,
}

/// What `(?..)` turns on and off.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    any_case: bool,
    unix: bool,
    lines: bool,
    dot_all: bool,
    unicode_case: bool,
    comments: bool,
    unicode: bool,
}

impl Flags {
    fn set(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'i' => self.any_case = on,
            'd' => self.unix = on,
            'm' => self.lines = on,
            's' => self.dot_all = on,
            'u' => self.unicode_case = on,
            'x' => self.comments = on,
            'U' => {
                self.unicode = on;
                self.unicode_case = on;
            }
            _ => return false,
        }
        true
    }
}

/// A character, and whether it stands for itself.
#[derive(Clone, Copy, Debug)]
struct Letter {
    c: char,
    quoted: bool,
}

struct Parser {
    letters: Vec<Letter>,
    at: usize,
    flags: Flags,
    groups: usize,
    names: Vec<(String, usize)>,
    depth: usize,
}

/// How deep groups and sets may be nested.
const DEPTH_MAX: usize = 200;

/// Reads a pattern.
pub(super) fn parse(pattern: &str) -> Parsed<Pattern> {
    let mut parser =
        Parser { letters: unquoted(pattern), at: 0, flags: Flags::default(), groups: 0, names: Vec::new(), depth: 0 };
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(Pattern { node, groups: parser.groups }),
        Some(_) => Err(wrong("A group ends that has not begun")),
    }
}

fn wrong(why: impl Into<String>) -> Unusable {
    Unusable::Wrong(why.into())
}

/// The characters, with those between `\Q` and `\E` marked.
fn unquoted(pattern: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = next_quote(rest) {
        letters.extend(rest[..at].chars().map(|c| Letter { c, quoted: false }));
        let quoted = &rest[at + 2..];
        let end = quoted.find(r"\E").unwrap_or(quoted.len());
        letters.extend(quoted[..end].chars().map(|c| Letter { c, quoted: true }));
        rest = quoted.get(end + 2..).unwrap_or_default();
    }
    letters.extend(rest.chars().map(|c| Letter { c, quoted: false }));
    letters
}

/// Where the next `\Q` is whose backslash is not escaped itself.
fn next_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'\\', b'Q') => return Some(at),
            (b'\\', _) => at += 2,
            _ => at += 1,
        }
    }
    None
}

impl Parser {
    /// The next character, behind what is a comment.
    fn peek(&mut self) -> Option<Letter> {
        if self.flags.comments {
            self.skip_comments();
        }
        self.letters.get(self.at).copied()
    }

    fn skip_comments(&mut self) {
        while let Some(letter) = self.letters.get(self.at).filter(|l| !l.quoted) {
            match letter.c {
                ' ' | '\t'..='\r' => self.at += 1,
                '#' => {
                    let end = self.letters[self.at..].iter().position(|l| matches!(l.c, '\n' | '\r' | '\u{85}'));
                    self.at = end.map_or(self.letters.len(), |end| self.at + end);
                }
                _ => return,
            }
        }
    }

    /// The next character if it is not quoted.
    fn special(&mut self) -> Option<char> {
        self.peek().filter(|l| !l.quoted).map(|l| l.c)
    }

    fn next(&mut self) -> Option<Letter> {
        let letter = self.peek()?;
        self.at += 1;
        Some(letter)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.special() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// The character as it is, also in comments.
    fn raw(&mut self) -> Option<char> {
        let letter = self.letters.get(self.at)?;
        self.at += 1;
        Some(letter.c)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        match self.depth <= DEPTH_MAX {
            true => Ok(()),
            false => Err(Unusable::Unsupported(format!("Its groups are nested more than {DEPTH_MAX} times"))),
        }
    }

    /// A set with the cases that the flags ask for.
    fn folded(&self, set: Set) -> Set {
        match self.flags.any_case {
            true => class::both_cases(set, self.flags.unicode_case),
            false => set,
        }
    }

    fn one(&self, c: char) -> Node {
        Node::One(self.folded(class::ranges(&[(c, c)])))
    }

    fn alternatives(&mut self) -> Parsed<Node> {
        let mut all = vec![self.sequence()?];
        while self.eat('|') {
            all.push(self.sequence()?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Node::Alternate(all) })
    }

    fn sequence(&mut self) -> Parsed<Node> {
        let mut parts = Vec::new();
        while let Some(letter) = self.peek() {
            if !letter.quoted && matches!(letter.c, '|' | ')') {
                break;
            }
            if let Some(atom) = self.atom(letter)? {
                parts.push(self.repeated(atom)?);
            }
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.swap_remove(0),
            _ => Node::Concat(parts),
        })
    }

    /// What may be repeated; flags are nothing.
    fn atom(&mut self, letter: Letter) -> Parsed<Option<Node>> {
        if letter.quoted {
            self.at += 1;
            return Ok(Some(self.one(letter.c)));
        }
        match letter.c {
            '(' => return self.group(),
            '[' => {
                self.at += 1;
                return Ok(Some(Node::One(self.set(true)?)));
            }
            '\\' => return self.escape().map(Some),
            '*' | '+' | '?' => return Err(wrong(format!("'{}' repeats nothing", letter.c))),
            // A repetition of nothing.
            '{' => return Ok(Some(Node::Empty)),
            _ => self.at += 1,
        }
        Ok(Some(match letter.c {
            '^' if self.flags.lines => Node::Anchor(Anchor::LineStart { unix: self.flags.unix }),
            '^' => Node::Anchor(Anchor::Start),
            '$' if self.flags.lines => Node::Anchor(Anchor::LineEnd { unix: self.flags.unix }),
            '$' => Node::Anchor(Anchor::BeforeBreak { unix: self.flags.unix }),
            '.' if self.flags.dot_all => Node::One(class::not(Set::empty())),
            '.' => Node::One(class::not(class::breaks(self.flags.unix))),
            c => self.one(c),
        }))
    }

    fn repeated(&mut self, node: Node) -> Parsed<Node> {
        let (min, max) = match self.special() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.at += 1;
                return self.counted(node);
            }
            _ => return Ok(node),
        };
        self.at += 1;
        Ok(self.taking(node, min, max))
    }

    /// Behind `{`.
    fn counted(&mut self, node: Node) -> Parsed<Node> {
        let min = self.number()?.ok_or_else(|| wrong("'{' is not followed by a number"))?;
        let max = match self.eat(',') {
            true => self.number()?,
            false => Some(min),
        };
        if !self.eat('}') {
            return Err(wrong("A repetition has no '}'"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(wrong("A repetition ends before it begins"));
        }
        Ok(self.taking(node, min, max))
    }

    fn taking(&mut self, node: Node, min: u32, max: Option<u32>) -> Node {
        let how = match self.special() {
            Some('?') => How::Lazy,
            Some('+') => How::Possessive,
            _ => How::Greedy,
        };
        self.at += usize::from(how != How::Greedy);
        Node::Repeat { node: Box::new(node), min, max, how }
    }

    fn number(&mut self) -> Parsed<Option<u32>> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.special().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            let next = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
            let next = next.filter(|n| *n <= i32::MAX as u32);
            number = Some(next.ok_or_else(|| wrong("A repetition has too large a number"))?);
        }
        Ok(number)
    }

    fn group(&mut self) -> Parsed<Option<Node>> {
        self.enter()?;
        self.at += 1;
        let outer = self.flags;
        let node = match self.eat('?') {
            true => self.special_group()?,
            false => {
                self.groups += 1;
                Some(Node::Group(Box::new(self.inner()?), true))
            }
        };
        if node.is_some() {
            self.flags = outer;
        }
        self.depth -= 1;
        Ok(node)
    }

    /// What stands in a group, and its end.
    fn inner(&mut self) -> Parsed<Node> {
        let node = self.alternatives()?;
        match self.eat(')') {
            true => Ok(node),
            false => Err(wrong("A group does not end")),
        }
    }

    /// Behind `(?`.
    fn special_group(&mut self) -> Parsed<Option<Node>> {
        let look = |node, ahead, negative| Some(Node::Look { node: Box::new(node), ahead, negative });
        match self.raw() {
            Some(':') => Ok(Some(Node::Group(Box::new(self.inner()?), false))),
            Some('=') => Ok(look(self.inner()?, true, false)),
            Some('!') => Ok(look(self.inner()?, true, true)),
            Some('>') => Ok(Some(Node::Atomic(Box::new(self.inner()?)))),
            Some('<') => match self.raw() {
                Some('=') => Ok(look(self.inner()?, false, false)),
                Some('!') => Ok(look(self.inner()?, false, true)),
                Some(c) if c.is_ascii_alphabetic() => self.named(c).map(Some),
                _ => Err(wrong("A group has no name")),
            },
            _ => {
                self.at -= 1;
                self.flag_group()
            }
        }
    }

    fn named(&mut self, first: char) -> Parsed<Node> {
        let name = self.name(first)?;
        if self.names.iter().any(|(known, _)| *known == name) {
            return Err(wrong(format!("Two groups have the name '{name}'")));
        }
        self.groups += 1;
        self.names.push((name, self.groups));
        Ok(Node::Group(Box::new(self.inner()?), true))
    }

    /// The rest of a group's name, up to `>`.
    fn name(&mut self, first: char) -> Parsed<String> {
        let mut name = String::from(first);
        loop {
            match self.raw() {
                Some(c) if c.is_ascii_alphanumeric() => name.push(c),
                Some('>') => return Ok(name),
                _ => return Err(wrong("A group's name does not end")),
            }
        }
    }

    /// `(?i-s)` holds for what follows, `(?i-s:..)` for what is in it.
    fn flag_group(&mut self) -> Parsed<Option<Node>> {
        let (mut flags, mut on) = (self.flags, true);
        loop {
            match self.raw() {
                Some('-') if on => on = false,
                Some(')') => {
                    self.flags = flags;
                    return Ok(None);
                }
                Some(':') => {
                    self.flags = flags;
                    return Ok(Some(Node::Group(Box::new(self.inner()?), false)));
                }
                Some(letter) if flags.set(letter, on) => {}
                _ => return Err(wrong("'(?' is followed by no kind of group")),
            }
        }
    }
}
