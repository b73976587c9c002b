//! What is remembered of one key, and how events and time change it.
//!
//! Flink counterpart: `NFA` with its `NFAState`. **State layout**: in memory partial matches and complete ones that wait, both
//! in Flink's order (`queue`), and the tree of their events; as bytes see `codec`.
//!
//! With a skip strategy a complete match waits until no partial match began before it: that one may still become complete,
//! and then comes first and may remove it.

use flott_api::{Error, Result};

use crate::codec;
use crate::nfa::{FINAL, Nfa, Skip, StateId};
use crate::pattern::{Variable, VariableSet};
use crate::queue::{Ordered, Queue};
use crate::tree::{NONE, Place, Tree};

/// A match that has come so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) state: StateId,
    /// Its last event; [`NONE`] for the match that has not begun.
    pub(crate) node: Place,
    /// The number of its first event; the highest number for the match that has not begun.
    pub(crate) first: u64,
    /// The time of its first event.
    pub(crate) begun_ms: i64,
}

impl Partial {
    fn start(nfa: &Nfa) -> Self {
        Partial { state: nfa.start(), node: NONE, first: u64::MAX, begun_ms: 0 }
    }
}

impl Ordered for Partial {
    fn rank(&self) -> u64 {
        self.first
    }
}

/// All that is remembered of one key. `E` is what its owner knows an event by.
#[derive(Clone, Debug)]
pub struct Matcher<E> {
    pub(crate) partial: Queue<Partial>,
    /// Complete matches that wait for partial ones that began before them.
    pub(crate) complete: Queue<Partial>,
    pub(crate) tree: Tree<E>,
    /// The number of the next event that is taken.
    pub(crate) next: u64,
}

/// A match: its events in their order, each with the variable that took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<E> {
    /// The time at which it was found: that of its last event, or a later one if it had to wait.
    pub found_ms: i64,
    /// Its events.
    pub events: Vec<(Variable, E)>,
}

/// A partial match, for conditions that look back.
pub struct PartialMatch<'m, E> {
    matcher: &'m Matcher<E>,
    partial: Partial,
    needs: VariableSet,
}

impl<'m, E> PartialMatch<'m, E> {
    /// The variables whose conditions decide how it goes on.
    pub fn needs(&self) -> VariableSet {
        self.needs
    }

    /// Its events from the last to the first.
    pub fn backwards(&self) -> impl Iterator<Item = (Variable, &'m E)> {
        self.matcher.tree.backwards(self.partial.node).map(|(node, event)| (node.variable, &event.payload))
    }
}

impl<E: Clone> Matcher<E> {
    /// Of a key of which nothing came yet.
    pub fn new(nfa: &Nfa) -> Self {
        let mut partial = Queue::new(nfa.has_preference());
        partial.push(Partial::start(nfa));
        Matcher { partial, complete: Queue::new(nfa.has_preference()), tree: Tree::default(), next: 0 }
    }

    /// Whether it is like a new one.
    pub fn is_idle(&self) -> bool {
        self.partial.array().len() == 1 && self.complete.array().is_empty()
    }

    /// The partial matches, the one that has not begun among them, in the order in which [`Run::event`] asks for them.
    pub fn partial_matches<'m>(&'m self, nfa: &'m Nfa) -> impl Iterator<Item = PartialMatch<'m, E>> {
        let partial = self.partial.array().iter();
        partial.map(|partial| PartialMatch { matcher: self, partial: *partial, needs: nfa.needs(partial.state) })
    }

    /// When the first of its partial matches has taken too long; nothing if there is none, or any time.
    pub fn over_at(&self, nfa: &Nfa) -> Option<i64> {
        let begun = self.partial.array().iter().filter(|p| p.node != NONE).map(|p| p.begun_ms).min()?;
        Some(begun.saturating_add(nfa.within_ms?))
    }

    /// Bytes of memory that it takes, about; those of events as they were told.
    pub fn memory_bytes(&self) -> usize {
        let partial = self.partial.array().len() + self.complete.array().len();
        partial * size_of::<Partial>() + self.tree.memory_bytes()
    }

    /// How many events it holds, and how many places of them in matches.
    pub fn size(&self) -> (usize, usize) {
        self.tree.size()
    }

    /// Appends it as bytes; `write` appends an event.
    pub fn save(&self, out: &mut Vec<u8>, write: impl FnMut(&E, &mut Vec<u8>)) {
        codec::save(self, out, write);
    }

    /// Reads what [`save`](Matcher::save) wrote under the same pattern; `read` gives an event and how many bytes it takes.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn load(nfa: &Nfa, input: &[u8], read: impl FnMut(&[u8]) -> Result<(E, usize)>) -> Result<Self> {
        codec::load(nfa, input, read)
    }
}

/// Takes events and time to matchers, and holds what that needs.
pub struct Run<'n, E> {
    nfa: &'n Nfa,
    next: Queue<Partial>,
    complete: Queue<Partial>,
    /// The matches that were found, in Flink's order.
    pub found: Vec<Match<E>>,
}

impl<'n, E: Clone> Run<'n, E> {
    /// A run of an automaton.
    pub fn new(nfa: &'n Nfa) -> Self {
        let queue = || Queue::new(nfa.has_preference());
        Run { nfa, next: queue(), complete: queue(), found: Vec::new() }
    }

    /// No event comes any more that is earlier than this. Partial matches that took too long are dropped, and complete ones
    /// may be found that waited for them. Whether anything was changed.
    ///
    /// # Errors
    /// If a match was found and there is nothing to skip to.
    pub fn time(&mut self, matcher: &mut Matcher<E>, now_ms: i64) -> Result<bool> {
        let Some(within_ms) = self.nfa.within_ms else { return Ok(false) };
        // As in Java, what overflows is small: the end of time drops nothing that began before 1970.
        let is_over = |p: &Partial| p.node != NONE && now_ms.wrapping_sub(p.begun_ms) >= within_ms;
        let Matcher { partial, tree, .. } = matcher;
        if !partial.array().iter().any(is_over) {
            return Ok(false);
        }
        self.next.clear();
        for partial in partial.array() {
            if is_over(partial) { tree.release(partial.node) } else { self.next.push(*partial) }
        }
        std::mem::swap(partial, &mut self.next);
        self.complete.clear();
        self.settle(matcher, now_ms)?;
        Ok(true)
    }

    /// An event comes. For each partial match, in the order of [`Matcher::partial_matches`], `holds` says of which variables the
    /// condition holds; it matters for those that the match needs. `payload` gives the event and how many bytes it takes, if it
    /// is taken. Whether anything was changed.
    ///
    /// # Errors
    /// If a match was found and there is nothing to skip to.
    pub fn event(
        &mut self,
        matcher: &mut Matcher<E>,
        at_ms: i64,
        mut holds: impl FnMut(usize) -> VariableSet,
        payload: impl FnOnce() -> (E, usize),
    ) -> Result<bool> {
        let (mut payload, mut event) = (Some(payload), NONE);
        self.next.clear();
        self.complete.clear();
        let mut changed = false;
        for number in 0..matcher.partial.array().len() {
            let partial = matcher.partial.array()[number];
            let holds = holds(number);
            for take in self.nfa.takes(partial.state).iter().filter(|t| t.accepts(holds)) {
                if let Some(payload) = payload.take() {
                    event = matcher.tree.event(matcher.next, at_ms, payload());
                    matcher.next += 1;
                }
                let node = matcher.tree.node(partial.node, event, take.variable);
                let (first, begun_ms) = match partial.node {
                    NONE => (matcher.next - 1, at_ms),
                    _ => (partial.first, partial.begun_ms),
                };
                let gone_on = Partial { state: take.target, node, first, begun_ms };
                changed = true;
                if take.target != FINAL {
                    matcher.tree.retain(node);
                    self.next.push(gone_on);
                }
                if self.nfa.ends(take.target, holds) {
                    matcher.tree.retain(node);
                    self.complete.push(Partial { state: FINAL, ..gone_on });
                }
            }
            if partial.node == NONE {
                self.next.push(partial);
            } else {
                changed = true;
                matcher.tree.release(partial.node);
            }
        }
        std::mem::swap(&mut matcher.partial, &mut self.next);
        if changed {
            self.settle(matcher, at_ms)?;
        }
        Ok(changed)
    }

    /// Gives out complete matches that no partial match began before, and skips behind each.
    fn settle(&mut self, matcher: &mut Matcher<E>, now_ms: i64) -> Result<()> {
        self.complete.array().iter().for_each(|complete| matcher.complete.push(*complete));
        while let Some(first) = matcher.complete.peek().copied() {
            let waits = self.nfa.skip != Skip::No && matcher.partial.peek().is_some_and(|p| p.first < first.first);
            if waits {
                break;
            }
            matcher.complete.pop();
            self.skip(matcher, &first)?;
            let mut events: Vec<(Variable, E)> = matcher
                .tree
                .backwards(first.node)
                .map(|(node, event)| (node.variable, event.payload.clone()))
                .collect();
            events.reverse();
            self.found.push(Match { found_ms: now_ms, events });
            matcher.tree.release(first.node);
        }
        Ok(())
    }

    /// Removes the matches that began where the skip strategy does not look any more.
    fn skip(&self, matcher: &mut Matcher<E>, found: &Partial) -> Result<()> {
        let Some(begin) = self.next_begin(&matcher.tree, found)? else { return Ok(()) };
        let Matcher { partial, complete, tree, .. } = matcher;
        let mut keep = |p: &Partial| {
            let stays = p.node == NONE || p.first >= begin;
            if !stays {
                tree.release(p.node);
            }
            stays
        };
        partial.retain(&mut keep);
        complete.retain(&mut keep);
        Ok(())
    }

    /// The number of the first event that the next match may begin with; nothing for any.
    fn next_begin(&self, tree: &Tree<E>, found: &Partial) -> Result<Option<u64>> {
        let of_variable = |variable: Variable| {
            tree.backwards(found.node).filter(move |(node, _)| node.variable == variable).map(|(_, event)| event.number)
        };
        match self.nfa.skip {
            Skip::No => Ok(None),
            Skip::ToNext => Ok(Some(found.first + 1)),
            Skip::PastLast => Ok(tree.backwards(found.node).next().map(|(_, event)| event.number + 1)),
            Skip::ToFirst(variable) => skipped_to(of_variable(variable).last(), found),
            Skip::ToLast(variable) => skipped_to(of_variable(variable).next(), found),
        }
    }
}

/// The event of a variable to skip to must be there, and not be the first one: else the same match would be found forever.
fn skipped_to(number: Option<u64>, found: &Partial) -> Result<Option<u64>> {
    let Some(number) = number else {
        return Err(Error::data("AFTER MATCH SKIP has nothing to skip to")
            .with_detail("No row of a match is mapped to the variable.")
            .with_hint("Skip to a variable that is not optional."));
    };
    if number == found.first {
        return Err(Error::data("AFTER MATCH SKIP would find the same match again")
            .with_detail("It skips to the first row of the match.")
            .with_hint("Skip to a later variable, or SKIP TO NEXT ROW."));
    }
    Ok(Some(number))
}

#[cfg(test)]
mod tests;
