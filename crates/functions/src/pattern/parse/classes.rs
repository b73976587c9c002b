//! What stands in brackets.

use super::super::class::{self, Set};
use super::{Parsed, Parser, Unusable, wrong};

impl Parser {
    /// Behind `[`, or, where `&&` goes on, the characters up to the `]` of the whole, which stays.
    pub(super) fn set(&mut self, brackets: bool) -> Parsed<Set> {
        self.enter()?;
        let negative = brackets && self.eat('^');
        let mut set: Option<Set> = None;
        loop {
            let Some(letter) = self.peek() else { return Err(wrong("A set of characters does not end")) };
            match letter.c {
                ']' if !letter.quoted && set.is_some() => break,
                '[' if !letter.quoted => {
                    self.at += 1;
                    let inner = self.set(true)?;
                    add(&mut set, &inner);
                }
                '&' if !letter.quoted && self.is_and() => {
                    self.at += 2;
                    set = Some(self.intersected(set)?);
                }
                _ => {
                    let range = self.range()?;
                    add(&mut set, &range);
                }
            }
        }
        if brackets {
            self.at += 1;
        }
        self.depth -= 1;
        let set = set.unwrap_or_else(Set::empty);
        Ok(if negative { class::not(set) } else { set })
    }

    fn is_and(&self) -> bool {
        self.letters.get(self.at + 1).is_some_and(|l| l.c == '&' && !l.quoted)
    }

    /// Behind `&&`.
    fn intersected(&mut self, left: Option<Set>) -> Parsed<Set> {
        let mut right: Option<Set> = None;
        while let Some(c) = self.peek().map(|l| l.c).filter(|c| !matches!(c, ']' | '&')) {
            match c {
                '[' => {
                    self.at += 1;
                    let inner = self.set(true)?;
                    add(&mut right, &inner);
                }
                // Up to the end: a further `&&` belongs to it.
                _ => right = Some(self.set(false)?),
            }
        }
        match (left, right) {
            (Some(mut left), Some(right)) => {
                left.intersect(&right);
                Ok(left)
            }
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Err(wrong("'&&' stands between nothing")),
        }
    }

    /// A character, a range of them, or a predefined set.
    fn range(&mut self) -> Parsed<Set> {
        let first = match self.set_item()? {
            Ok(c) => c,
            Err(set) => return Ok(self.folded(set)),
        };
        let behind = self.letters.get(self.at + 1).map(|l| l.c);
        if self.special() != Some('-') || matches!(behind, Some('[' | ']') | None) {
            return Ok(self.folded(class::ranges(&[(first, first)])));
        }
        self.at += 1;
        match self.set_item()? {
            Ok(last) if last >= first => Ok(self.folded(class::ranges(&[(first, last)]))),
            _ => Err(wrong("A range of characters ends before it begins")),
        }
    }

    fn set_item(&mut self) -> Parsed<Result<char, Set>> {
        let letter = self.next().ok_or_else(|| wrong("A set of characters does not end"))?;
        if letter.quoted || letter.c != '\\' {
            return Ok(Ok(letter.c));
        }
        let escaped = self.raw().ok_or_else(|| wrong("It ends with a backslash"))?;
        if let Some(set) = self.escaped_set(escaped)? {
            return Ok(Err(set));
        }
        match self.escaped_character(escaped)? {
            Some(c) => Ok(Ok(c)),
            None if escaped == 'N' => Err(Unusable::Unsupported(r"Flott does not know characters by name (\N)".into())),
            None => Err(wrong(format!(r"'\{escaped}' does not stand for a character"))),
        }
    }
}

fn add(set: &mut Option<Set>, more: &Set) {
    set.get_or_insert_with(Set::empty).union(more);
}
