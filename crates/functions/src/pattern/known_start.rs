//! A group of the first match, for patterns of which every match begins with one of a few known texts.
//!
//! The engine finds where a match ends, then where it begins, and reads it once more for its groups. Where the beginning
//! can be looked for as a text, and no choice in the pattern needs more than the next byte to be made, the match is read
//! once, from there on.

use std::ops::Range;

use regex_automata::dfa::onepass::{Cache, DFA};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input, MatchKind, Span};

/// What the states may take: a pattern with more is not worth it.
const BYTES_MAX: usize = 1 << 20;
/// How many beginnings without a match are looked at; with more the engine takes over, which never reads a byte twice.
const TRIES_MAX: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct KnownStart {
    starts: Prefilter,
    matches: DFA,
}

/// What a search writes down.
#[derive(Debug)]
pub(super) struct Places {
    cache: Cache,
    /// Start and end of each group.
    slots: Vec<Option<NonMaxUsize>>,
}

/// What came of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is a match, and perhaps the group in it.
    Match(Option<Range<usize>>),
    Nothing,
    /// The engine must say.
    Unknown,
}

impl KnownStart {
    /// If the pattern, as the linear engine takes it, is one of these.
    pub(super) fn of(pattern: &str) -> Option<KnownStart> {
        let parsed = regex_syntax::parse(pattern).ok()?;
        let starts = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, &parsed).filter(Prefilter::is_fast)?;
        let config = DFA::config().size_limit(Some(BYTES_MAX));
        let matches = DFA::builder().configure(config).build(pattern).ok()?;
        Some(KnownStart { starts, matches })
    }

    pub(super) fn places(&self) -> Places {
        let slots = self.matches.get_nfa().group_info().slot_len();
        Places { cache: self.matches.create_cache(), slots: vec![None; slots] }
    }

    /// Where a group of the first match is.
    pub(super) fn group(&self, text: &str, group: usize, places: &mut Places) -> Found {
        let mut from = 0;
        for _ in 0..TRIES_MAX {
            let Some(start) = self.starts.find(text.as_bytes(), Span { start: from, end: text.len() }) else {
                return Found::Nothing;
            };
            let input = Input::new(text).range(start.start..).anchored(Anchored::Yes);
            match self.matches.try_search_slots(&mut places.cache, &input, &mut places.slots) {
                Ok(Some(_)) => return Found::Match(places.get(group)),
                Ok(None) => from = start.start + 1,
                Err(_) => return Found::Unknown,
            }
        }
        Found::Unknown
    }
}

impl Places {
    fn get(&self, group: usize) -> Option<Range<usize>> {
        let [start, end] = [0, 1].map(|side| self.slots.get(2 * group + side).copied().flatten());
        Some(start?.get()..end?.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_the_engine_finds() {
        let texts = [
            "channel_id=7",
            "a&channel_id=12&b",
            "xchannel_id=1&channel_id=&c",
            "channel_idchannel_id=1",
            "https://a/b?c=1&channel_id=é&x=ü",
            "",
            "xchannel_id=9",
            "äxchannel_id=9channel_id=8&channel_id=7",
        ];
        let mut matched = 0;
        for pattern in [r"(&|\A)channel_id=([^&]*)", "channel_id=([0-9]+)(&|\\z)", "(?:&channel)(_id)?=?", "chan(x)?n"]
        {
            let (known, engine) = (KnownStart::of(pattern).unwrap(), regex::Regex::new(pattern).unwrap());
            let mut places = known.places();
            for text in texts {
                for group in 0..4 {
                    let expected = match engine.captures(text) {
                        Some(captures) => Found::Match(captures.get(group).map(|m| m.range())),
                        None => Found::Nothing,
                    };
                    matched += usize::from(matches!(expected, Found::Match(Some(_))));
                    assert_eq!(known.group(text, group, &mut places), expected, "{pattern} in {text}");
                }
            }
        }
        assert!(matched > 20, "{matched}");
    }

    #[test]
    fn others_are_left_to_the_engine() {
        assert!(KnownStart::of("[a-z]+=([^&]*)").is_none());
        assert!(KnownStart::of("ab*").is_none_or(|known| known.group("b", 0, &mut known.places()) == Found::Nothing));
        // Two ways to go on with the same byte.
        assert!(KnownStart::of("start(a*)(a*)b").is_none());
        let known = KnownStart::of("start([^ ])").unwrap();
        assert_eq!(known.group(&"start ".repeat(20), 1, &mut known.places()), Found::Unknown);
    }
}
