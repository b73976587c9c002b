//! Random patterns and events.

mod nested;

use super::{loaded, saved};
use crate::matcher::{Match, Matcher, Run};
use crate::nfa::{Nfa, Skip};
use crate::pattern::{Pattern, Times, Variable, VariableSet};
use crate::testing::{Chance, Happening, Rest, Tried, play, skipped, tried};

const VARIABLES: u64 = 4;

/// A pattern without greedy quantifiers is a regular expression: what is left of it behind an event is found by taking
/// it apart.
#[derive(Clone, Debug, PartialEq)]
struct Regular(Vec<Pattern>);

impl Regular {
    /// The rests behind an event that a part takes, with what follows the part.
    fn after(part: &Pattern, follow: &[Pattern], out: &mut Vec<(Variable, Regular)>) {
        let then = |first: Vec<Pattern>| Regular([&first, follow].concat());
        match part {
            Pattern::Variable(variable) => out.push((*variable, then(Vec::new()))),
            Pattern::Sequence(parts) => {
                for (place, inner) in parts.iter().enumerate() {
                    Self::after(inner, &then(parts[place + 1..].to_vec()).0, out);
                    if !inner.can_be_empty() {
                        break;
                    }
                }
            }
            Pattern::Alternatives(parts) => parts.iter().for_each(|inner| Self::after(inner, follow, out)),
            Pattern::Repeat { pattern, times, greedy } => {
                let max = times.max.map(|m| m - 1);
                let rest = (max != Some(0)).then(|| Pattern::Repeat {
                    pattern: pattern.clone(),
                    times: Times { min: times.min.saturating_sub(1), max },
                    greedy: *greedy,
                });
                Self::after(pattern, &then(rest.into_iter().collect()).0, out);
            }
        }
    }
}

impl Rest for Regular {
    fn behind(&self, event: &Happening) -> Vec<(Variable, Self)> {
        let mut all = Vec::new();
        for (place, part) in self.0.iter().enumerate() {
            Self::after(part, &self.0[place + 1..], &mut all);
            if !part.can_be_empty() {
                break;
            }
        }
        let mut seen: Vec<(Variable, Regular)> = Vec::new();
        all.retain(|rest| {
            event.holds.contains(rest.0) && !seen.contains(rest) && {
                seen.push(rest.clone());
                true
            }
        });
        all
    }

    fn is_complete(&self, _: &Happening) -> bool {
        self.0.iter().all(Pattern::can_be_empty)
    }

    fn is_open(&self) -> bool {
        !self.0.is_empty()
    }
}

/// A variable each, one after the other, as SQL allows them, with Flink's greedy quantifiers: what follows a greedy one takes no
/// event that it could take.
#[derive(Clone, Debug)]
struct Linear {
    parts: Vec<(Variable, Times, bool)>,
    /// The part that took the last event, counted from 1, and how many it took.
    at: (usize, u32),
}

impl Linear {
    fn is_guarded(&self, part: usize, event: &Happening) -> bool {
        let (variable, times, greedy) = self.parts[part];
        greedy && times.max != Some(times.min.max(1)) && event.holds.contains(variable)
    }

    fn has_enough(&self) -> bool {
        self.at.0 == 0 || self.at.1 >= self.parts[self.at.0 - 1].1.min
    }
}

impl Rest for Linear {
    fn behind(&self, event: &Happening) -> Vec<(Variable, Self)> {
        let (part, count) = self.at;
        let mut all = Vec::new();
        let mut take = |next: usize, count: u32| {
            let variable = self.parts[next - 1].0;
            if event.holds.contains(variable) {
                all.push((variable, Linear { at: (next, count), ..self.clone() }));
            }
        };
        if part > 0 && self.parts[part - 1].1.max.is_none_or(|max| count < max) {
            take(part, count + 1);
        }
        let mut free = self.has_enough() && (part == 0 || !self.is_guarded(part - 1, event));
        for next in part + 1..=self.parts.len() {
            if free {
                take(next, 1);
            }
            free &= self.parts[next - 1].1.min == 0 && !self.is_guarded(next - 1, event);
        }
        all
    }

    fn is_complete(&self, event: &Happening) -> bool {
        let rest = self.at.0..self.parts.len();
        let guards = self.at.0 - 1..self.parts.len() - 1;
        self.has_enough()
            && rest.into_iter().all(|p| self.parts[p].1.min == 0)
            && !guards.into_iter().any(|p| self.is_guarded(p, event))
    }

    fn is_open(&self) -> bool {
        let (part, count) = self.at;
        part < self.parts.len() || self.parts[part - 1].1.max.is_none_or(|max| count < max)
    }
}

fn times(chance: &mut Chance) -> Times {
    match chance.below(6) {
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

fn regular(chance: &mut Chance, depth: u64) -> Pattern {
    let many = |chance: &mut Chance| -> Vec<Pattern> {
        (0..2 + chance.below(2)).map(|_| regular(chance, depth - 1)).collect()
    };
    match if depth == 0 { 0 } else { chance.below(6) } {
        0 | 1 => Pattern::Variable(Variable(chance.below(VARIABLES) as u8)),
        2 | 3 => Pattern::Sequence(many(chance)),
        4 => Pattern::Alternatives(many(chance)),
        _ => {
            let times = times(chance);
            Pattern::Repeat { pattern: Box::new(regular(chance, depth - 1)), times, greedy: false }
        }
    }
}

fn linear(chance: &mut Chance) -> (Pattern, Linear) {
    let mut parts = Vec::new();
    for variable in 0..VARIABLES as u8 {
        if chance.below(3) == 0 {
            parts.push((Variable(variable), Times { min: 1, max: Some(1) }, false));
        } else {
            parts.push((Variable(variable), times(chance), chance.below(2) == 0));
        }
    }
    let repeat = |(variable, times, greedy): &(Variable, Times, bool)| Pattern::Repeat {
        pattern: Box::new(Pattern::Variable(*variable)),
        times: *times,
        greedy: *greedy,
    };
    (Pattern::Sequence(parts.iter().map(repeat).collect()), Linear { parts, at: (0, 0) })
}

fn as_tried(found: &Match<usize>) -> Tried {
    (found.events[0].1 - 1, found.events.iter().map(|(variable, _)| *variable).collect())
}

/// Plays the same in pieces, each time to a matcher that was written and read.
fn restored(nfa: &Nfa, events: &[Happening]) -> flott_api::Result<Vec<Match<usize>>> {
    let (mut run, mut matcher) = (Run::new(nfa), Matcher::new(nfa));
    for (number, event) in events.iter().enumerate() {
        matcher = loaded(nfa, &saved(&matcher)).unwrap();
        run.time(&mut matcher, event.at_ms)?;
        run.event(&mut matcher, event.at_ms, |_| event.holds, || (number + 1, 8))?;
    }
    Ok(run.found)
}

/// Checks a pattern with all strategies.
fn check(pattern: &Pattern, whole: &impl Rest, events: &[Happening], within_ms: Option<i64>) -> usize {
    let nfa = |skip| Nfa::new(pattern, VARIABLES as usize, skip, within_ms).unwrap();
    let reach_ms = within_ms.unwrap_or(i64::MAX);
    let what = || format!("{pattern:?} within {within_ms:?} in {events:?}");
    let found = play(&nfa(Skip::No), events).unwrap();
    assert_eq!(restored(&nfa(Skip::No), events).unwrap(), found, "{}", what());
    let all = (0..events.len()).flat_map(|first| tried(whole, events, first, reach_ms).0).collect();
    assert_eq!(found.iter().map(as_tried).collect::<std::collections::BTreeSet<_>>(), all, "{}", what());
    for skip in [Skip::ToNext, Skip::PastLast] {
        let found = play(&nfa(skip), events).unwrap();
        assert_eq!(restored(&nfa(skip), events).unwrap(), found, "{skip:?} {}", what());
        let expected = skipped(whole, events, skip, reach_ms).unwrap();
        assert_eq!(found.len(), expected.len(), "{skip:?} {}", what());
        for (found, candidates) in found.iter().zip(expected) {
            assert!(candidates.contains(&as_tried(found)), "{skip:?} {found:?} {}", what());
        }
    }
    found.len()
}

#[test]
fn regular_patterns_match_what_trying_everything_finds() {
    let (mut chance, mut found, mut patterns) = (Chance(7), 0, 0);
    while patterns < 1500 {
        let pattern = regular(&mut chance, 3);
        if pattern.can_be_empty() {
            continue;
        }
        patterns += 1;
        let events = chance.events(7, VARIABLES);
        let within_ms = (chance.below(3) == 0).then_some(1500);
        found += check(&pattern, &Regular(vec![pattern.clone()]), &events, within_ms);
    }
    assert!(found > 5000, "{found} matches");
}

#[test]
fn greedy_quantifiers_match_what_trying_everything_finds() {
    let (mut chance, mut found, mut patterns) = (Chance(11), 0, 0);
    while patterns < 1500 {
        let (pattern, whole) = linear(&mut chance);
        if pattern.can_be_empty() {
            continue;
        }
        patterns += 1;
        let events = chance.events(9, VARIABLES);
        let within_ms = (chance.below(3) == 0).then_some(1500);
        found += check(&pattern, &whole, &events, within_ms);
    }
    assert!(found > 2000, "{found} matches");
}

/// Skipping to a variable, where it does not matter which of several matches of the same events is found.
#[test]
fn matches_are_skipped_to_the_variable_that_is_asked_for() {
    let (mut chance, mut failed, mut found) = (Chance(13), 0, 0);
    for round in 0..1500 {
        // Each event could be taken by one variable only.
        let mut events = chance.events(12, VARIABLES);
        events.iter_mut().for_each(|e| e.holds = VariableSet::of(Variable(chance.below(VARIABLES) as u8)));
        let (pattern, whole) = linear(&mut chance);
        if pattern.can_be_empty() {
            continue;
        }
        let variable = Variable(chance.below(VARIABLES) as u8);
        let skip = if round % 2 == 0 { Skip::ToFirst(variable) } else { Skip::ToLast(variable) };
        let nfa = Nfa::new(&pattern, VARIABLES as usize, skip, None).unwrap();
        match (play(&nfa, &events), skipped(&whole, &events, skip, i64::MAX)) {
            (Ok(ours), Ok(expected)) => {
                let ours: Vec<Tried> = ours.iter().map(as_tried).collect();
                let expected: Vec<Tried> = expected.into_iter().flatten().collect();
                assert_eq!(ours, expected, "{skip:?} {pattern:?} in {events:?}");
                found += ours.len();
            }
            (Err(_), Err(_)) => failed += 1,
            (ours, expected) => panic!("{skip:?} {pattern:?} in {events:?}: {ours:?}, {expected:?}"),
        }
    }
    assert!(found > 100 && failed > 100, "{found} found, {failed} failed");
}
