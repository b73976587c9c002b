//! Matches that expressions look at: the rows that their variables took, and perhaps one that is being looked at.

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
    /// Rows that were taken, one match behind the other, in each the last one first.
    events: Vec<(Variable, &'m [u8])>,
    ends: Vec<usize>,
    /// The time of each match.
    pub(super) at_ms: Vec<i64>,
}

impl<'m> Looked<'m> {
    /// Partial matches, for the condition of a variable.
    pub(super) fn for_condition(own: Variable) -> Self {
        Looked { own: Some(own), ..Looked::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds a partial match and the row that it may go on with.
    pub(super) fn push_partial(
        &mut self,
        partial: &PartialMatch<'m, Stored>,
        (row, at_ms): (usize, i64),
        reach: &Reach,
    ) {
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
        self.current.push(row);
        self.at_ms.push(at_ms);
        self.ends.push(self.events.len());
    }

    /// Adds a complete match.
    pub(super) fn push_match(&mut self, events: &'m [(Variable, Stored)], at_ms: i64) {
        self.events.extend(events.iter().rev().map(|(variable, event)| (*variable, event.as_ref())));
        self.at_ms.push(at_ms);
        self.ends.push(self.events.len());
    }

    /// A row that was taken.
    pub(super) fn event(&self, event: usize) -> &'m [u8] {
        self.events[event].1
    }

    fn range(&self, item: usize) -> std::ops::Range<usize> {
        let from = if item == 0 { 0 } else { self.ends[item - 1] };
        from..self.ends[item]
    }

    /// The current row, if it is one of those of a variable.
    fn own_row(&self, item: usize, variable: Option<Variable>) -> Option<usize> {
        let is_own = self.own.is_some() && (variable.is_none() || variable == self.own);
        self.current.get(item).copied().filter(|_| is_own)
    }

    /// The rows of a variable that were taken, the last one first.
    fn taken(&self, item: usize, variable: Option<Variable>) -> impl DoubleEndedIterator<Item = usize> + use<'_, 'm> {
        self.range(item).filter(move |e| variable.is_none_or(|v| v == self.events[*e].0))
    }

    /// A row of a variable, so many behind its first or before its last one.
    pub(super) fn find(&self, item: usize, variable: Option<Variable>, at: (bool, usize)) -> Place {
        let own = self.own_row(item, variable);
        let (from_first, offset) = at;
        if from_first {
            let mut before = 0;
            for event in self.taken(item, variable).rev() {
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
                let found = self.taken(item, variable).nth(offset - usize::from(own.is_some()));
                found.map_or(Place::None, Place::Event)
            }
        }
    }

    /// Appends all rows of a variable, the first one first.
    pub(super) fn all(&self, item: usize, variable: Option<Variable>, places: &mut Vec<Place>) {
        places.extend(self.taken(item, variable).rev().map(Place::Event));
        places.extend(self.own_row(item, variable).map(Place::Current));
    }
}
