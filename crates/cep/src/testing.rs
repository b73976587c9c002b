//! Patterns, events and matches as text, and a matcher that tries everything.

use std::collections::BTreeSet;

use crate::matcher::{Match, Matcher, Run};
use crate::nfa::{Nfa, Skip};
use crate::pattern::{Pattern, Times, Variable, VariableSet};

/// `A B+? (C | D){2,3}`: a letter is a variable, `?` behind a quantifier makes it reluctant.
pub(crate) fn pattern(text: &str) -> Pattern {
    let chars: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let mut at = 0;
    let parsed = alternatives(&chars, &mut at);
    assert_eq!(at, chars.len(), "{text}");
    parsed
}

fn alternatives(chars: &[char], at: &mut usize) -> Pattern {
    let mut all = vec![sequence(chars, at)];
    while chars.get(*at) == Some(&'|') {
        *at += 1;
        all.push(sequence(chars, at));
    }
    if all.len() == 1 { all.remove(0) } else { Pattern::Alternatives(all) }
}

fn sequence(chars: &[char], at: &mut usize) -> Pattern {
    let mut parts = Vec::new();
    while let Some(c) = chars.get(*at).filter(|c| !"|)".contains(**c)) {
        *at += 1;
        let part = if *c == '(' {
            let group = alternatives(chars, at);
            *at += 1;
            group
        } else {
            Pattern::Variable(variable(*c))
        };
        parts.push(quantified(part, chars, at));
    }
    if parts.len() == 1 { parts.remove(0) } else { Pattern::Sequence(parts) }
}

fn quantified(part: Pattern, chars: &[char], at: &mut usize) -> Pattern {
    let times = match chars.get(*at) {
        Some('*') => Times::ANY,
        Some('+') => Times::ONE_OR_MORE,
        Some('?') => Times::OPTIONAL,
        Some('{') => {
            let end = *at + chars[*at..].iter().position(|c| *c == '}').unwrap();
            let text: String = chars[*at + 1..end].iter().collect();
            *at = end;
            let (min, max) = text.split_once(',').unwrap_or((&text, &text));
            Times { min: min.parse().unwrap(), max: max.parse().ok() }
        }
        _ => return part,
    };
    *at += 1;
    let greedy = chars.get(*at) != Some(&'?');
    *at += usize::from(!greedy);
    Pattern::Repeat { pattern: Box::new(part), times, greedy }
}

pub(crate) fn variable(letter: char) -> Variable {
    Variable(letter.to_ascii_uppercase() as u8 - b'A')
}

/// What happens to a matcher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happening {
    pub(crate) holds: VariableSet,
    pub(crate) at_ms: i64,
}

/// `ab - c`: three events, the first of which could be A or B, a second apart or at `ab@1500`.
pub(crate) fn events(text: &str) -> Vec<Happening> {
    let event = |(number, word): (usize, &str)| {
        let (letters, at) = word.split_once('@').unwrap_or((word, ""));
        let letters = letters.chars().filter(|c| *c != '-');
        let holds = letters.fold(VariableSet::EMPTY, |set, c| set.union(VariableSet::of(variable(c))));
        Happening { holds, at_ms: at.parse().unwrap_or(number as i64 * 1000) }
    };
    text.split_whitespace().enumerate().map(event).collect()
}

/// `A1 B2 B3`: the events of a match by their number, counted from 1.
pub(crate) fn shown(found: &Match<usize>) -> String {
    let event = |(variable, number): &(Variable, usize)| format!("{}{number}", (b'A' + variable.0) as char);
    found.events.iter().map(event).collect::<Vec<_>>().join(" ")
}

/// All matches, in the order in which they are found.
pub(crate) fn play(nfa: &Nfa, events: &[Happening]) -> flott_api::Result<Vec<Match<usize>>> {
    let (mut run, mut matcher) = (Run::new(nfa), Matcher::new(nfa));
    for (number, event) in events.iter().enumerate() {
        run.time(&mut matcher, event.at_ms)?;
        run.event(&mut matcher, event.at_ms, |_| event.holds, || (number + 1, 8))?;
    }
    Ok(run.found)
}

pub(crate) fn nfa(text: &str, skip: Skip, within_ms: Option<i64>) -> Nfa {
    Nfa::new(&pattern(text), 26, skip, within_ms).unwrap()
}

/// The matches of a pattern in events, a line each.
pub(crate) fn matches(text: &str, skip: Skip, input: &str) -> String {
    let found = play(&nfa(text, skip, None), &events(input)).unwrap();
    found.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// A match as the one that tries everything has it: the number of its first event, from 0, and the variables that take it and
/// those behind it.
pub(crate) type Tried = (usize, Vec<Variable>);

/// What may come behind some events of a match: those that are complete, and whether it may go on.
pub(crate) trait Rest: Clone {
    /// The rests behind an event, each with the variable that takes it.
    fn behind(&self, event: &Happening) -> Vec<(Variable, Self)>;
    /// Whether a match is complete behind this event.
    fn is_complete(&self, event: &Happening) -> bool;
    /// Whether it can take anything.
    fn is_open(&self) -> bool;
}

/// All matches that begin with an event, and whether one that is not complete goes on behind the last event.
pub(crate) fn tried(whole: &impl Rest, events: &[Happening], first: usize, within_ms: i64) -> (BTreeSet<Tried>, bool) {
    let (mut found, mut open) = (BTreeSet::new(), vec![(Vec::new(), whole.clone())]);
    for event in &events[first..] {
        if event.at_ms - events[first].at_ms >= within_ms {
            return (found, false);
        }
        let mut next = Vec::new();
        for (taken, rest) in &open {
            for (variable, rest) in rest.behind(event) {
                let taken: Vec<Variable> = taken.iter().copied().chain([variable]).collect();
                if rest.is_complete(event) {
                    found.insert((first, taken.clone()));
                }
                if rest.is_open() {
                    next.push((taken, rest));
                }
            }
        }
        open = next;
    }
    (found, !open.is_empty())
}

/// The matches that a skip strategy leaves, each as all those that might be found in its place; an error where there is
/// nothing to skip to.
pub(crate) fn skipped(
    whole: &impl Rest,
    events: &[Happening],
    skip: Skip,
    within_ms: i64,
) -> Result<Vec<BTreeSet<Tried>>, Vec<BTreeSet<Tried>>> {
    let (mut left, mut first) = (Vec::new(), 0);
    while first < events.len() {
        let (found, goes_on) = tried(whole, events, first, within_ms);
        let shortest = found.iter().map(|(_, taken)| taken.len()).min();
        let Some(length) = shortest else {
            if goes_on {
                break;
            }
            first += 1;
            continue;
        };
        let candidates: BTreeSet<Tried> = found.into_iter().filter(|(_, taken)| taken.len() == length).collect();
        let place = |variable: Variable, last: bool| {
            let (_, taken) = candidates.first().unwrap();
            if last { taken.iter().rposition(|v| *v == variable) } else { taken.iter().position(|v| *v == variable) }
        };
        let next = match skip {
            Skip::No | Skip::ToNext => Some(1),
            Skip::PastLast => Some(length),
            Skip::ToFirst(variable) => place(variable, false),
            Skip::ToLast(variable) => place(variable, true),
        };
        left.push(candidates);
        match next {
            Some(next) if next > 0 => first += next,
            _ => return Err(left),
        }
    }
    Ok(left)
}

/// Numbers that look random.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Some events, each of which may be some of so many variables.
    pub(crate) fn events(&mut self, count: u64, variables: u64) -> Vec<Happening> {
        let mut at_ms = 0;
        let event = |_| {
            at_ms += self.below(3) as i64 * 500;
            Happening { holds: VariableSet(self.below(1 << variables)), at_ms }
        };
        (0..count).map(event).collect()
    }
}
