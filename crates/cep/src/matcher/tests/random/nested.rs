//! Alternatives, groups and greedy quantifiers within each other, against one that tries every way to split the events.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::{VARIABLES, as_tried, restored};
use crate::nfa::{Nfa, Skip};
use crate::pattern::{Pattern, Times, Variable, VariableSet};
use crate::testing::{Chance, Happening, Tried, play};

/// A way to take some events: by which variables, up to where, and which variables must not be able to take the next.
#[derive(Clone)]
struct Way {
    taken: Vec<Variable>,
    end: usize,
    unless: VariableSet,
}

/// Tries all ways from an event on, those that the pattern prefers first.
struct Ways<'e> {
    events: &'e [Happening],
    /// Whether one of them would have taken an event behind the last one.
    goes_on: Cell<bool>,
}

fn can_be_empty(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Variable(_) => false,
        Pattern::Sequence(parts) => parts.iter().all(can_be_empty),
        Pattern::Alternatives(parts) => parts.iter().any(can_be_empty),
        Pattern::Repeat { pattern, times, .. } => times.min == 0 || can_be_empty(pattern),
    }
}

/// The variables with which it may begin.
fn begins(pattern: &Pattern) -> VariableSet {
    match pattern {
        Pattern::Variable(variable) => VariableSet::of(*variable),
        Pattern::Alternatives(parts) => parts.iter().fold(VariableSet::EMPTY, |all, p| all.union(begins(p))),
        Pattern::Repeat { pattern, .. } => begins(pattern),
        Pattern::Sequence(parts) => match parts.split_first() {
            None => VariableSet::EMPTY,
            Some((first, rest)) if can_be_empty(first) => {
                begins(first).union(begins(&Pattern::Sequence(rest.to_vec())))
            }
            Some((first, _)) => begins(first),
        },
    }
}

impl Ways<'_> {
    fn of(&self, pattern: &Pattern, from: Way) -> Vec<Way> {
        match pattern {
            Pattern::Variable(variable) => self.one(*variable, from),
            Pattern::Alternatives(parts) => parts.iter().flat_map(|p| self.of(p, from.clone())).collect(),
            Pattern::Sequence(parts) => parts
                .iter()
                .fold(vec![from], |ways, part| ways.into_iter().flat_map(|way| self.of(part, way)).collect()),
            Pattern::Repeat { .. } => self.again(pattern, 0, from),
        }
    }

    fn one(&self, variable: Variable, mut from: Way) -> Vec<Way> {
        let Some(event) = self.events.get(from.end) else {
            self.goes_on.set(true);
            return Vec::new();
        };
        if !event.holds.contains(variable) || event.holds.meets(from.unless) {
            return Vec::new();
        }
        from.taken.push(variable);
        vec![Way { end: from.end + 1, unless: VariableSet::EMPTY, ..from }]
    }

    /// Goes on with a repetition that was done so many times.
    fn again(&self, repeat: &Pattern, done: u32, from: Way) -> Vec<Way> {
        let Pattern::Repeat { pattern, times, greedy } = repeat else { panic!("{repeat:?}") };
        let least = if can_be_empty(pattern) { 0 } else { times.min };
        let has_choice = times.max != Some(times.min.max(1));
        let mut ends = Vec::new();
        if done >= least {
            let mut end = from.clone();
            if *greedy && has_choice {
                end.unless = end.unless.union(begins(pattern));
            }
            ends.push(end);
        }
        let mut more = Vec::new();
        if times.max.is_none_or(|max| done < max) {
            let ways = self.of(pattern, from.clone()).into_iter().filter(|way| way.end > from.end);
            more = ways.flat_map(|way| self.again(repeat, done + 1, way)).collect();
        }
        if *greedy { [more, ends].concat() } else { [ends, more].concat() }
    }
}

/// The matches that begin with an event, the preferred ones first, and whether one may become complete later.
fn tried(pattern: &Pattern, events: &[Happening], first: usize, within_ms: i64) -> (Vec<Tried>, bool) {
    let in_time = events[first..].iter().take_while(|e| e.at_ms - events[first].at_ms < within_ms).count();
    let ways = Ways { events: &events[..first + in_time], goes_on: Cell::new(false) };
    let found = ways.of(pattern, Way { taken: Vec::new(), end: first, unless: VariableSet::EMPTY });
    let mut matches: Vec<Tried> = Vec::new();
    for way in found {
        let tried = (first, way.taken);
        if !matches.contains(&tried) {
            matches.push(tried);
        }
    }
    (matches, ways.goes_on.get() && first + in_time == events.len())
}

/// The matches that a strategy leaves. Of those that begin with one event the shortest, of equally short ones the preferred.
fn skipped(pattern: &Pattern, events: &[Happening], skip: Skip, within_ms: i64) -> Vec<Tried> {
    let (mut left, mut first) = (Vec::new(), 0);
    while first < events.len() {
        let (found, goes_on) = tried(pattern, events, first, within_ms);
        // The first one of the minima.
        let Some(shortest) = found.into_iter().min_by_key(|(_, taken)| taken.len()) else {
            if goes_on {
                break;
            }
            first += 1;
            continue;
        };
        first += if skip == Skip::PastLast { shortest.1.len() } else { 1 };
        left.push(shortest);
    }
    left
}

fn times(chance: &mut Chance) -> Times {
    match chance.below(5) {
        0 => Times::ANY,
        1 => Times::ONE_OR_MORE,
        2 => Times::OPTIONAL,
        3 => Times { min: 2, max: None },
        _ => {
            let min = chance.below(3) as u32;
            Times { min, max: Some(min.max(1) + chance.below(2) as u32) }
        }
    }
}

/// Variables come again in it, so that guards, alternatives and what follows meet.
fn nested(chance: &mut Chance, depth: u64) -> Pattern {
    let many =
        |chance: &mut Chance| -> Vec<Pattern> { (0..2 + chance.below(2)).map(|_| nested(chance, depth - 1)).collect() };
    match if depth == 0 { 0 } else { chance.below(8) } {
        0 | 1 => Pattern::Variable(Variable(chance.below(VARIABLES) as u8)),
        2 | 3 => Pattern::Sequence(many(chance)),
        4 => Pattern::Alternatives(many(chance)),
        5 => {
            let variables: Vec<Pattern> =
                (0..2 + chance.below(2) as u8).map(|v| Pattern::Variable(Variable(v))).collect();
            Pattern::permute(&variables)
        }
        _ => {
            let (times, greedy) = (times(chance), chance.below(2) == 0);
            Pattern::Repeat { pattern: Box::new(nested(chance, depth - 1)), times, greedy }
        }
    }
}

fn has_greedy(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Variable(_) => false,
        Pattern::Sequence(parts) | Pattern::Alternatives(parts) => parts.iter().any(has_greedy),
        Pattern::Repeat { pattern, greedy, .. } => *greedy || has_greedy(pattern),
    }
}

/// Whether a greedy quantifier is in what may be empty and comes again: what it forbids then depends on the way round. SQL
/// refuses these.
fn is_vague(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Variable(_) => false,
        Pattern::Sequence(parts) | Pattern::Alternatives(parts) => parts.iter().any(is_vague),
        Pattern::Repeat { pattern, .. } => (can_be_empty(pattern) && has_greedy(pattern)) || is_vague(pattern),
    }
}

#[test]
fn nested_patterns_match_what_trying_every_way_finds() {
    let (mut chance, mut found, mut preferred, mut patterns) = (Chance(17), 0, 0, 0);
    while patterns < 1000 {
        // Nothing greedy is at the end.
        let inner = nested(&mut chance, 3);
        let pattern =
            Pattern::Sequence(vec![inner.clone(), Pattern::Variable(Variable(chance.below(VARIABLES) as u8))]);
        if pattern.is_flat() || is_vague(&inner) {
            continue;
        }
        patterns += 1;
        let events = chance.events(7, VARIABLES);
        let within_ms = (chance.below(3) == 0).then_some(1500);
        let reach_ms = within_ms.unwrap_or(i64::MAX);
        let nfa = |skip| Nfa::new(&pattern, VARIABLES as usize, skip, within_ms).unwrap();
        let what = || format!("{pattern:?} within {within_ms:?} in {events:?}");
        let all: Vec<Tried> = (0..events.len()).flat_map(|first| tried(&pattern, &events, first, reach_ms).0).collect();
        let ours: Vec<Tried> = play(&nfa(Skip::No), &events).unwrap().iter().map(as_tried).collect();
        let set = |matches: &[Tried]| matches.iter().cloned().collect::<BTreeSet<Tried>>();
        assert_eq!(set(&ours), set(&all), "{}", what());
        for skip in [Skip::ToNext, Skip::PastLast] {
            let ours = play(&nfa(skip), &events).unwrap();
            assert_eq!(restored(&nfa(skip), &events).unwrap(), ours, "{skip:?} {}", what());
            let ours: Vec<Tried> = ours.iter().map(as_tried).collect();
            assert_eq!(ours, skipped(&pattern, &events, skip, reach_ms), "{skip:?} {}", what());
            preferred += all.len() - ours.len();
        }
        found += ours.len();
    }
    assert!(found > 2000 && preferred > 1000, "{found} matches, {preferred} skipped");
}
