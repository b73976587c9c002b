//! What stands behind a backslash.

use super::super::class::{self, Set};
use super::{Anchor, Node, Parsed, Parser, Unusable, wrong};

impl Parser {
    /// A backslash and what it makes of the next characters, outside of brackets.
    pub(super) fn escape(&mut self) -> Parsed<Node> {
        self.at += 1;
        let escaped = self.raw().ok_or_else(|| wrong("It ends with a backslash"))?;
        let anchor = match escaped {
            'A' => Some(Anchor::Start),
            'z' => Some(Anchor::End),
            'Z' => Some(Anchor::BeforeBreak { unix: self.flags.unix }),
            'b' if self.letters.get(self.at).is_some_and(|l| l.c == '{') => {
                return Err(Unusable::Unsupported(r"Flott does not know '\b{g}'".into()));
            }
            'b' => Some(Anchor::Word),
            'B' => Some(Anchor::NotWord),
            'G' => Some(Anchor::Last),
            _ => None,
        };
        if let Some(anchor) = anchor {
            return Ok(Node::Anchor(anchor));
        }
        if let Some(set) = self.escaped_set(escaped)? {
            return Ok(Node::One(self.folded(set)));
        }
        match escaped {
            '1'..='9' => Ok(self.back_reference(escaped)),
            'k' => self.named_reference(),
            'R' => Ok(line_break()),
            'X' => Err(Unusable::Unsupported(r"Flott does not know '\X'".into())),
            'N' => Err(Unusable::Unsupported(r"Flott does not know characters by name (\N)".into())),
            _ => match self.escaped_character(escaped)? {
                Some(c) => Ok(self.one(c)),
                None => Err(wrong(format!(r"'\{escaped}' means nothing"))),
            },
        }
    }

    /// A predefined set or a property.
    pub(super) fn escaped_set(&mut self, escaped: char) -> Parsed<Option<Set>> {
        match escaped {
            'p' | 'P' => {
                let set = self.property()?;
                Ok(Some(if escaped == 'P' { class::not(set) } else { set }))
            }
            _ => Ok(class::predefined(escaped, self.flags.unicode)),
        }
    }

    fn property(&mut self) -> Parsed<Set> {
        let unended = || wrong("A property's name does not end");
        let name = match self.raw().ok_or_else(unended)? {
            '{' => {
                let rest = &self.letters[self.at..];
                let length = rest.iter().position(|l| l.c == '}').ok_or_else(unended)?;
                let name = rest[..length].iter().map(|l| l.c).collect::<String>();
                self.at += length + 1;
                name
            }
            letter => letter.to_string(),
        };
        class::property(&name, self.flags.unicode)
    }

    /// A number names the group of all its digits, as long as there are so many groups before it.
    fn back_reference(&mut self, first: char) -> Node {
        let mut group = first.to_digit(10).unwrap_or_default() as usize;
        while let Some(digit) = self.letters.get(self.at).filter(|l| !l.quoted).and_then(|l| l.c.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if longer > self.groups {
                break;
            }
            group = longer;
            self.at += 1;
        }
        self.back(group)
    }

    fn named_reference(&mut self) -> Parsed<Node> {
        if self.raw() != Some('<') {
            return Err(wrong(r"'\k' is followed by no name"));
        }
        let first =
            self.raw().filter(char::is_ascii_alphabetic).ok_or_else(|| wrong(r"'\k' is followed by no name"))?;
        let name = self.name(first)?;
        let group = self.names.iter().find(|(known, _)| *known == name).map(|(_, group)| *group);
        Ok(self.back(group.ok_or_else(|| wrong(format!("No group has the name '{name}'")))?))
    }

    /// What a group has matched; one that is not there yet matches nothing.
    fn back(&self, group: usize) -> Node {
        match group <= self.groups {
            true => Node::Back { group, any_case: self.flags.any_case },
            false => Node::One(Set::empty()),
        }
    }

    /// A character by its escape; nothing if it is none.
    pub(super) fn escaped_character(&mut self, escaped: char) -> Parsed<Option<char>> {
        Ok(Some(match escaped {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\x0c',
            'a' => '\x07',
            'e' => '\x1b',
            '0' => self.octal()?,
            'x' => self.hexadecimal()?,
            'u' => self.unicode()?,
            'c' => {
                let c = self.raw().ok_or_else(|| wrong(r"'\c' is followed by nothing"))?;
                char::from_u32(c as u32 ^ 64).ok_or_else(|| wrong(r"'\c' is followed by no letter"))?
            }
            other if other.is_ascii_alphanumeric() => return Ok(None),
            other => other,
        }))
    }

    fn digit(&mut self, radix: u32) -> Option<u32> {
        let digit = self.letters.get(self.at)?.c.to_digit(radix)?;
        self.at += 1;
        Some(digit)
    }

    /// One to three digits, at most 377.
    fn octal(&mut self) -> Parsed<char> {
        let first = self.digit(8).ok_or_else(|| wrong(r"'\0' is followed by no octal digit"))?;
        let mut code = first;
        for _ in 0..if first <= 3 { 2 } else { 1 } {
            match self.digit(8) {
                Some(digit) => code = code * 8 + digit,
                None => break,
            }
        }
        Ok(char::from(code as u8))
    }

    /// `\xhh` or `\x{h..h}`.
    fn hexadecimal(&mut self) -> Parsed<char> {
        let bad = || wrong(r"'\x' is followed by no hexadecimal number");
        if !self.eat('{') {
            return Ok(char::from(self.hexadecimals(2).ok_or_else(bad)? as u8));
        }
        let mut code = 0_u32;
        while let Some(digit) = self.digit(16) {
            code = code.checked_mul(16).ok_or_else(bad)? + digit;
        }
        match self.eat('}') {
            true => char::from_u32(code).ok_or_else(bad),
            false => Err(bad()),
        }
    }

    fn hexadecimals(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |code, _| Some(code * 16 + self.digit(16)?))
    }

    /// `\uhhhh`; two halves of a character are one.
    fn unicode(&mut self) -> Parsed<char> {
        let bad = || wrong(r"'\u' is followed by no four hexadecimal digits");
        let code = self.hexadecimals(4).ok_or_else(bad)?;
        if let Some(c) = char::from_u32(code) {
            return Ok(c);
        }
        let behind: String = self.letters[self.at..].iter().take(2).map(|l| l.c).collect();
        let half = (code < 0xdc00 && behind == r"\u").then(|| {
            self.at += 2;
            self.hexadecimals(4)
        });
        let low = half.flatten().filter(|low| (0xdc00..0xe000).contains(low));
        let whole = low.and_then(|low| char::from_u32(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)));
        whole.ok_or_else(|| Unusable::Unsupported("It has half a character".into()))
    }
}

/// `\R`.
fn line_break() -> Node {
    let one = |c| Node::One(class::ranges(&[(c, c)]));
    let two = Node::Concat(vec![one('\r'), one('\n')]);
    let any = class::predefined('v', false).unwrap_or_else(Set::empty);
    Node::Group(Box::new(Node::Alternate(vec![two, Node::One(any)])), false)
}
