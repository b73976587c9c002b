//! Java's regular expressions.
//!
//! A pattern is read as `java.util.regex` of Java 17 reads it ([`parse`]) and written for one of two engines ([`write`]):
//! one that takes linear time, or, where it needs look-around, back-references, atomic groups, possessive quantifiers,
//! `\G` or the line anchors of `(?m)`, one that goes back and gives up after a number of steps. What Java refuses is
//! [`Unusable::Wrong`]; what Java takes and neither engine can do is [`Unusable::Unsupported`]: `\X`, `\N{..}`,
//! `\p{In..}` and other properties that only Java has.
//!
//! `$` and `\Z` may stand before a line break that ends the text. A text without one is searched in linear time all the
//! same.
//!
//! **What differs from Java**: a search that goes back more than [`STEPS_MAX`] times fails, where Java might run for years.
//! An empty match is not looked for between the two halves of a character beyond U+FFFF.

mod class;
mod known_start;
mod parse;
mod write;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use flott_api::{Error, Result};
use known_start::{Found, KnownStart, Places};

/// How often a search may go back before it fails.
const STEPS_MAX: usize = 1_000_000;
/// What a compiled pattern may take.
const BYTES_MAX: usize = 32 << 20;

/// Why a pattern cannot be used; both say what in the pattern it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Java refuses it.
    Wrong(String),
    /// Java has it.
    Unsupported(String),
}

impl Unusable {
    /// The error for the user.
    pub(crate) fn error(&self, pattern: &str) -> Error {
        match self {
            Unusable::Wrong(why) => {
                Error::invalid(format!("'{pattern}' is no regular expression")).with_detail(format!("{why}."))
            }
            Unusable::Unsupported(what) => {
                Error::unsupported(format!("the regular expression '{pattern}'")).with_detail(format!("{what}."))
            }
        }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    linear: Option<regex::Regex>,
    /// The same for the texts that the linear engine cannot search.
    backtracking: Backtracking,
    /// Whether the linear engine can search only texts that do not end with a line break.
    before_break: bool,
    /// Capturing groups, without the whole match.
    groups: usize,
    /// If it was made ready for many texts, and can be read at once.
    known_start: Option<KnownStart>,
}

/// Compiled when the first text needs it.
#[derive(Debug)]
struct Backtracking {
    written: String,
    compiled: OnceLock<std::result::Result<fancy_regex::Regex, String>>,
}

/// A pattern that is searched for in many texts: what a match is written down in is kept.
#[derive(Debug)]
pub(crate) struct Matcher {
    pattern: Arc<Pattern>,
    places: Option<regex::CaptureLocations>,
    known_places: Option<Places>,
    /// Where the groups of the last match are, the whole match first.
    groups: Vec<Option<Range<usize>>>,
}

impl Matcher {
    /// Nothing is found yet.
    pub(crate) fn new(pattern: Arc<Pattern>) -> Matcher {
        let places = pattern.linear.as_ref().map(regex::Regex::capture_locations);
        let known_places = pattern.known_start.as_ref().map(KnownStart::places);
        Matcher { pattern, places, known_places, groups: Vec::new() }
    }

    /// The pattern.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Finds the first match from a place on, and its groups.
    pub(crate) fn captures(&mut self, text: &str, from: usize) -> Result<Option<&[Option<Range<usize>>]>> {
        let numbers = 0..=self.pattern.groups;
        self.groups.clear();
        if let (Some(linear), Some(places)) = (self.pattern.linear_for(text), &mut self.places) {
            if linear.captures_read_at(places, text, from).is_none() {
                return Ok(None);
            }
            self.groups.extend(numbers.map(|g| places.get(g).map(|(start, end)| start..end)));
        } else {
            let found = self.pattern.backtracking()?.captures_from_pos(text, from).map_err(gave_up)?;
            let Some(found) = found else { return Ok(None) };
            self.groups.extend(numbers.map(|g| found.get(g).map(|m| m.range())));
        }
        Ok(Some(&self.groups))
    }

    /// Where a group of the first match is.
    pub(crate) fn group(&mut self, text: &str, group: usize) -> Result<Option<Range<usize>>> {
        if let (Some(linear), Some(places)) = (self.pattern.linear_for(text), &mut self.places) {
            if let (Some(known), Some(places)) = (&self.pattern.known_start, &mut self.known_places) {
                match known.group(text, group, places) {
                    Found::Match(group) => return Ok(group),
                    Found::Nothing => return Ok(None),
                    Found::Unknown => {}
                }
            }
            let found = linear.captures_read(places, text).and_then(|_| places.get(group));
            return Ok(found.map(|(start, end)| start..end));
        }
        Ok(self.captures(text, 0)?.and_then(|groups| groups.get(group)?.clone()))
    }

    /// Calls with the groups of each match; see [`Pattern::each_match`].
    pub(crate) fn each_captures(&mut self, text: &str, mut f: impl FnMut(&[Option<Range<usize>>])) -> Result<()> {
        let mut from = Some(0);
        while let Some(place) = from {
            let Some(groups) = self.captures(text, place)? else { return Ok(()) };
            from = groups.first().and_then(Option::as_ref).and_then(|whole| behind(text, whole));
            f(groups);
        }
        Ok(())
    }
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn new(pattern: &str) -> std::result::Result<Pattern, Unusable> {
        let parsed = parse::parse(pattern)?;
        let written = write::written(&parsed.node);
        let linear = match &written.linear {
            Some(linear) => {
                let compiled = regex::RegexBuilder::new(linear).size_limit(BYTES_MAX).build();
                Some(compiled.map_err(|_| Unusable::Unsupported("It is too large".to_owned()))?)
            }
            None => None,
        };
        let backtracking = Backtracking { written: written.backtracking, compiled: OnceLock::new() };
        if linear.is_none() {
            backtracking.get().map_err(|why| Unusable::Unsupported(format!("It cannot be compiled: {why}")))?;
        }
        Ok(Pattern {
            linear,
            backtracking,
            before_break: written.before_break,
            groups: parsed.groups,
            known_start: None,
        })
    }

    /// The same, made ready to be searched for in many texts.
    pub(crate) fn prepared(mut self) -> Pattern {
        self.known_start = self.linear.as_ref().and_then(|linear| KnownStart::of(linear.as_str()));
        self
    }

    /// How many capturing groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Whether it is found anywhere in a text.
    pub(crate) fn is_match(&self, text: &str) -> Result<bool> {
        match self.linear_for(text) {
            Some(linear) => Ok(linear.is_match(text)),
            None => self.backtracking()?.is_match(text).map_err(gave_up),
        }
    }

    /// The first match from a place on.
    pub(crate) fn find(&self, text: &str, from: usize) -> Result<Option<Range<usize>>> {
        match self.linear_for(text) {
            Some(linear) => Ok(linear.find_at(text, from).map(|m| m.range())),
            None => Ok(self.backtracking()?.find_from_pos(text, from).map_err(gave_up)?.map(|m| m.range())),
        }
    }

    /// Calls with each match, as Java's `find` goes on: behind the last match, or a character further if it was empty.
    pub(crate) fn each_match(&self, text: &str, mut f: impl FnMut(Range<usize>)) -> Result<()> {
        let mut from = Some(0);
        while let Some(place) = from {
            let Some(found) = self.find(text, place)? else { return Ok(()) };
            from = behind(text, &found);
            f(found);
        }
        Ok(())
    }

    fn linear_for(&self, text: &str) -> Option<&regex::Regex> {
        let ends_with_break = || text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        self.linear.as_ref().filter(|_| !self.before_break || !ends_with_break())
    }

    fn backtracking(&self) -> Result<&fancy_regex::Regex> {
        self.backtracking.get().map_err(|why| Error::data(format!("a regular expression cannot be compiled: {why}")))
    }
}

impl Backtracking {
    fn get(&self) -> std::result::Result<&fancy_regex::Regex, &str> {
        let compile = || {
            fancy_regex::RegexBuilder::new(&self.written)
                .backtrack_limit(STEPS_MAX)
                .delegate_size_limit(BYTES_MAX)
                .build()
                .map_err(|e| e.to_string())
        };
        self.compiled.get_or_init(compile).as_ref().map_err(String::as_str)
    }
}

/// Where the search goes on; nowhere behind an empty match at the end.
fn behind(text: &str, found: &Range<usize>) -> Option<usize> {
    match found.is_empty() {
        true => text[found.end..].chars().next().map(|c| found.end + c.len_utf8()),
        false => Some(found.end),
    }
}

fn gave_up(e: fancy_regex::Error) -> Error {
    Error::data("a regular expression takes too long for a text")
        .with_hint("Make its repeated parts exclude each other, or do without look-around and back-references.")
        .with_source(e)
}

#[cfg(test)]
mod tests;
