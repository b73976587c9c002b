//! Matches that expressions look at: the rows that their variables took, and perhaps one that is being looked at.
//!
//! An item is a match, or with `ALL ROWS PER MATCH` a match up to one of its rows: the items of a match share its rows.

use std::ops::Range;

use flott_cep::{PartialMatch, Variable};

use super::entries::Stored;
use super::expression::Reach;

/// Where a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the current one: a row of the batch.
    Current(usize),
    /// It is one that was taken.
    Event(usize),
    /// There is none.
    None,
}

/// See the module.
#[derive(Default)]
pub(super) struct Looked<'m> {
    /// The variable that may take the current rows.
    own: Option<Variable>,
    /// The current row of each match.
    current: Vec<usize>,
    /// Rows that were taken, one match behind the other, in each the first one first.
    events: Vec<(Variable, &'m [u8])>,
    /// The rows of each match.
    matches: Vec<Range<usize>>,
    /// The match of each item, and where its rows end.
    items: Vec<(usize, usize)>,
    /// The time of each item's match.
    pub(super) at_ms: Vec<i64>,
    /// Its number in its partition.
    pub(super) numbers: Vec<i64>,
}

/// How much of a match an expression sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What the item has.
    Running,
    /// All of it: `FINAL`.
    Whole,
}

impl<'m> Looked<'m> {
    /// Partial matches, for the condition of a variable.
    pub(super) fn for_condition(own: Variable) -> Self {
        Looked { own: Some(own), ..Looked::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The match of each item, as places among all matches.
    pub(super) fn owners(&self) -> impl Iterator<Item = usize> {
        self.items.iter().map(|(owner, _)| *owner)
    }

    /// How many matches there are.
    pub(super) fn matches(&self) -> usize {
        self.matches.len()
    }

    /// Whether there are items of a part of a match.
    pub(super) fn is_running(&self) -> bool {
        self.items.len() != self.matches.len()
    }

    /// Adds a partial match and the row that it may go on with.
    pub(super) fn push_partial(
        &mut self,
        partial: &PartialMatch<'m, Stored>,
        (row, at_ms): (usize, i64),
        reach: &Reach,
    ) {
        let begin = self.events.len();
        let events = partial.backwards().map(|(variable, event)| (variable, event.as_ref()));
        match reach {
            Reach::All => self.events.extend(events),
            Reach::Last(wanted) => {
                let mut missing = wanted.clone();
                for event in events {
                    if missing.iter().all(|(_, rows)| *rows == 0) {
                        break;
                    }
                    self.events.push(event);
                    let of_it = missing.iter_mut().filter(|(v, _)| v.is_none_or(|v| v == event.0));
                    of_it.for_each(|(_, rows)| *rows = rows.saturating_sub(1));
                }
            }
        }
        self.events[begin..].reverse();
        self.current.push(row);
        self.items.push((self.matches.len(), self.events.len()));
        self.at_ms.push(at_ms);
        self.matches.push(begin..self.events.len());
    }

    /// Adds a complete match with its number: one item, or one up to each of its rows.
    pub(super) fn push_match(&mut self, events: &'m [(Variable, Stored)], (at_ms, number): (i64, i64), all_rows: bool) {
        let begin = self.events.len();
        self.events.extend(events.iter().map(|(variable, event)| (*variable, event.as_ref())));
        let end = self.events.len();
        let first_end = if all_rows { begin + 1 } else { end };
        for item_end in first_end..=end {
            self.items.push((self.matches.len(), item_end));
            self.at_ms.push(at_ms);
            self.numbers.push(number);
        }
        self.matches.push(begin..end);
    }

    /// All rows that were taken, match by match.
    pub(super) fn rows(&self) -> Vec<&'m [u8]> {
        self.events.iter().map(|(_, event)| *event).collect()
    }

    /// A row that was taken.
    pub(super) fn event(&self, event: usize) -> &'m [u8] {
        self.events[event].1
    }

    fn range(&self, item: usize, extent: Extent) -> Range<usize> {
        let (owner, end) = self.items[item];
        let whole = self.matches[owner].clone();
        if extent == Extent::Whole { whole } else { whole.start..end }
    }

    /// The variable that took the last row of an item.
    pub(super) fn last_variable(&self, item: usize, extent: Extent) -> Option<Variable> {
        self.events[self.range(item, extent)].last().map(|(variable, _)| *variable)
    }

    /// A row of a match by its place in it, if a variable took it; and whether the match has as many rows.
    pub(super) fn nth(&self, owner: usize, place: usize, variable: Option<Variable>) -> (Option<Place>, bool) {
        let at = self.matches[owner].start + place;
        let is_there = at < self.matches[owner].end;
        let is_taken = is_there && variable.is_none_or(|v| v == self.events[at].0);
        (is_taken.then_some(Place::Event(at)), is_there)
    }

    /// The current row, if it is one of those of a variable.
    fn own_row(&self, item: usize, variable: Option<Variable>) -> Option<usize> {
        let is_own = self.own.is_some() && (variable.is_none() || variable == self.own);
        self.current.get(item).copied().filter(|_| is_own)
    }

    /// The rows of a variable that were taken, the first one first.
    fn taken(
        &self,
        range: Range<usize>,
        variable: Option<Variable>,
    ) -> impl DoubleEndedIterator<Item = usize> + use<'_, 'm> {
        range.filter(move |e| variable.is_none_or(|v| v == self.events[*e].0))
    }

    /// A row of a variable, so many behind its first or before its last one.
    pub(super) fn find(&self, item: usize, variable: Option<Variable>, at: (bool, usize), extent: Extent) -> Place {
        let own = self.own_row(item, variable);
        let (from_first, offset) = at;
        let range = self.range(item, extent);
        if from_first {
            let mut before = 0;
            for event in self.taken(range, variable) {
                if before == offset {
                    return Place::Event(event);
                }
                before += 1;
            }
            return own.filter(|_| before == offset).map_or(Place::None, Place::Current);
        }
        match (own, offset) {
            (Some(row), 0) => Place::Current(row),
            (own, offset) => {
                let found = self.taken(range, variable).rev().nth(offset - usize::from(own.is_some()));
                found.map_or(Place::None, Place::Event)
            }
        }
    }

    /// Appends all rows of a match that a variable took, the first one first; the current one is the last.
    pub(super) fn all(&self, owner: usize, variable: Option<Variable>, places: &mut Vec<Place>) {
        places.extend(self.taken(self.matches[owner].clone(), variable).map(Place::Event));
        // A match that has a current row is one item.
        places.extend(self.own_row(owner, variable).map(Place::Current));
    }
}
