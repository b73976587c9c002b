//! The automaton of a pattern: states, and which variables lead from one to another.
//!
//! Flink counterpart: `NFACompiler`. A pattern is compiled from its end, so every part knows the state behind it. A step
//! without an event leads on without taking one; all such steps are resolved here, so that at run time a state has a list of
//! what it may take.
//!
//! **Greedy** is Flink's: the loop puts a guard on whatever leads on from the state behind it. That state's events must not be
//! ones that the loop could take, whether or not the loop was entered.
//!
//! **Beyond Flink** are alternatives, and greedy groups: their guard has all variables that may begin the group.

use flott_api::{Error, Result};

use crate::pattern::{Pattern, Times, VARIABLES_MAX, Variable, VariableSet};

/// A pattern with more states than this is refused: `A{1000000}`.
const STATES_MAX: usize = 100_000;
/// The same for all that its states may take.
const TAKES_MAX: usize = 1_000_000;

/// Where to look for the next match, behind one that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Everywhere: all matches are found.
    No,
    /// From the event behind the first one.
    ToNext,
    /// Behind its last event.
    PastLast,
    /// At the first event of a variable.
    ToFirst(Variable),
    /// At the last event of a variable.
    ToLast(Variable),
}

/// A state, by its number.
pub(crate) type StateId = u32;
/// The state of a match that is complete.
pub(crate) const FINAL: StateId = 0;

/// What a state may take.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) variable: Variable,
    /// The ways to it: one of these sets must have no variable that could take the event.
    guards: Vec<VariableSet>,
    pub(crate) target: StateId,
}

impl Take {
    /// Whether it takes an event for which the conditions of these variables hold.
    #[inline]
    pub(crate) fn accepts(&self, holds: VariableSet) -> bool {
        holds.contains(self.variable) && self.guards.iter().any(|g| !g.meets(holds))
    }
}

#[derive(Debug, Default)]
struct State {
    takes: Vec<Take>,
    /// The ways to the end without an event.
    ends: Vec<VariableSet>,
    /// The variables whose conditions decide what happens in this state.
    needs: VariableSet,
}

/// See the module.
#[derive(Debug)]
pub struct Nfa {
    states: Vec<State>,
    start: StateId,
    variables: usize,
    pub(crate) skip: Skip,
    pub(crate) within_ms: Option<i64>,
}

impl Nfa {
    /// The automaton of a pattern with so many variables. A match takes less than `within_ms` from its first event to its
    /// last.
    ///
    /// # Errors
    /// If the pattern is too large, can be empty, or has a part that comes never.
    pub fn new(pattern: &Pattern, variables: usize, skip: Skip, within_ms: Option<i64>) -> Result<Self> {
        if variables > VARIABLES_MAX {
            return Err(Error::invalid(format!("a pattern has {variables} variables"))
                .with_detail(format!("It may have {VARIABLES_MAX}.")));
        }
        if pattern.can_be_empty() {
            return Err(Error::unsupported("a pattern that matches no rows at all")
                .with_hint("At least one variable must not be optional."));
        }
        let mut compiler = Compiler { edges: vec![Vec::new()] };
        let start = compiler.convert(pattern, FINAL)?;
        let states = compiler.resolve()?;
        Ok(Nfa { states, start, variables, skip, within_ms: within_ms.filter(|w| *w > 0) })
    }

    /// Whether matches have to be complete within a time.
    pub fn has_limit(&self) -> bool {
        self.within_ms.is_some()
    }

    /// Whether a match may begin with an event for which the conditions of these variables hold.
    #[inline]
    pub fn begins(&self, holds: VariableSet) -> bool {
        self.takes(self.start).iter().any(|take| take.accepts(holds))
    }

    pub(crate) fn start(&self) -> StateId {
        self.start
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn variables(&self) -> usize {
        self.variables
    }

    pub(crate) fn takes(&self, state: StateId) -> &[Take] {
        &self.states[state as usize].takes
    }

    /// Whether a match that has come to this state with an event is complete with it.
    #[inline]
    pub(crate) fn ends(&self, state: StateId, holds: VariableSet) -> bool {
        self.states[state as usize].ends.iter().any(|g| !g.meets(holds))
    }

    /// The variables whose conditions decide what happens in this state.
    #[inline]
    pub(crate) fn needs(&self, state: StateId) -> VariableSet {
        self.states[state as usize].needs
    }
}

/// A step from a state, as the pattern has it.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// The variable that takes an event; nothing for a step without one.
    take: Option<Variable>,
    unless: VariableSet,
    target: StateId,
}

struct Compiler {
    edges: Vec<Vec<Edge>>,
}

impl Compiler {
    fn state(&mut self) -> Result<StateId> {
        if self.edges.len() == STATES_MAX {
            return Err(Error::invalid("a pattern is too large")
                .with_detail(format!("With its quantifiers written out it has more than {STATES_MAX} places.")));
        }
        self.edges.push(Vec::new());
        Ok(self.edges.len() as StateId - 1)
    }

    fn step(&mut self, from: StateId, take: Option<Variable>, target: StateId) {
        self.edges[from as usize].push(Edge { take, unless: VariableSet::EMPTY, target });
    }

    /// Forbids all that leads on from a state for events that these variables could take. The end leads nowhere.
    fn guard(&mut self, state: StateId, unless: VariableSet) {
        self.edges[state as usize].iter_mut().for_each(|edge| edge.unless = edge.unless.union(unless));
    }

    /// The first state of a pattern that is followed by `sink`; nothing else leads to it.
    fn convert(&mut self, pattern: &Pattern, sink: StateId) -> Result<StateId> {
        match pattern {
            Pattern::Variable(_) => self.once(pattern, sink, None),
            Pattern::Sequence(parts) => parts.iter().rev().try_fold(sink, |sink, part| self.convert(part, sink)),
            Pattern::Alternatives(parts) => self.alternatives(parts, sink),
            Pattern::Repeat { pattern, times: Times { max: None, min }, greedy } => {
                let looping = self.looping(pattern, *greedy, sink)?;
                self.times(pattern, (*min).max(1), looping, (*min == 0).then_some(sink))
            }
            Pattern::Repeat { pattern, times: Times { max: Some(max), min }, greedy } => {
                let least = (*min).max(1);
                if *max < least {
                    return Err(Error::invalid("a quantifier of a pattern allows no number")
                        .with_detail(format!("It says at least {min} and at most {max}.")));
                }
                if *greedy && least != *max {
                    self.guard(sink, pattern.first());
                }
                let more = self.times_between(pattern, (least, *max), sink)?;
                self.times(pattern, least, more, (*min == 0).then_some(sink))
            }
        }
    }

    fn alternatives(&mut self, parts: &[Pattern], sink: StateId) -> Result<StateId> {
        let mut heads = Vec::with_capacity(parts.len());
        for part in parts {
            // A greedy end guards what is behind it, and shall not guard it for the other alternatives.
            let behind = if sink == FINAL { FINAL } else { self.state()? };
            if behind != sink {
                self.step(behind, None, sink);
            }
            heads.push(self.convert(part, behind)?);
        }
        let split = self.state()?;
        // The step that is added last is looked at first.
        heads.into_iter().rev().for_each(|head| self.step(split, None, head));
        Ok(split)
    }

    /// So many times, then perhaps some more.
    fn times_between(&mut self, pattern: &Pattern, (least, most): (u32, u32), sink: StateId) -> Result<StateId> {
        (least..most).try_fold(sink, |behind, _| self.once(pattern, behind, Some(sink)))
    }

    /// So many times, unless all of it is left out for `instead`.
    fn times(&mut self, pattern: &Pattern, times: u32, sink: StateId, instead: Option<StateId>) -> Result<StateId> {
        let last = (1..times).try_fold(sink, |behind, _| self.once(pattern, behind, None))?;
        self.once(pattern, last, instead)
    }

    fn once(&mut self, pattern: &Pattern, sink: StateId, instead: Option<StateId>) -> Result<StateId> {
        let head = match pattern {
            Pattern::Variable(variable) => {
                let head = self.state()?;
                self.step(head, Some(*variable), sink);
                head
            }
            group => self.convert(group, sink)?,
        };
        if let Some(instead) = instead {
            self.step(head, None, instead);
        }
        Ok(head)
    }

    /// The state in which a loop goes on or ends.
    fn looping(&mut self, pattern: &Pattern, greedy: bool, sink: StateId) -> Result<StateId> {
        let looping = self.state()?;
        if greedy {
            self.guard(sink, pattern.first());
        }
        match pattern {
            Pattern::Variable(variable) => {
                self.step(looping, None, sink);
                self.step(looping, Some(*variable), looping);
            }
            group => {
                let head = self.convert(group, looping)?;
                self.step(head, None, sink);
                self.step(looping, None, head);
            }
        }
        Ok(looping)
    }

    /// All states, without steps that take no event.
    fn resolve(&self) -> Result<Vec<State>> {
        let mut states = Vec::with_capacity(self.edges.len());
        let mut takes = 0;
        for id in 0..self.edges.len() as StateId {
            let state = self.closure(id);
            takes += state.takes.len();
            if takes > TAKES_MAX {
                return Err(Error::invalid("a pattern is too large")
                    .with_detail(format!("There are more than {TAKES_MAX} ways from one place of it to the next.")));
            }
            states.push(state);
        }
        let own = |state: &State| {
            let takes =
                state.takes.iter().map(|t| t.guards.iter().fold(VariableSet::of(t.variable), |a, g| a.union(*g)));
            takes.fold(VariableSet::EMPTY, VariableSet::union)
        };
        let ends = |id: StateId| states[id as usize].ends.iter().fold(VariableSet::EMPTY, |all, g| all.union(*g));
        let needs = |s: &State| s.takes.iter().fold(own(s), |all, take| all.union(ends(take.target)));
        let needs: Vec<VariableSet> = states.iter().map(needs).collect();
        states.iter_mut().zip(needs).for_each(|(state, needs)| state.needs = needs);
        Ok(states)
    }

    /// What a state may take, in the order in which Flink comes to it: the step that was found last is followed first.
    fn closure(&self, from: StateId) -> State {
        let mut state = State::default();
        let mut seen: Vec<(StateId, VariableSet)> = Vec::new();
        let mut places: Vec<(StateId, usize)> = Vec::new();
        let mut open = vec![(from, VariableSet::EMPTY)];
        while let Some((id, guard)) = open.pop() {
            if seen.iter().any(|(s, g)| *s == id && g.is_within(guard)) {
                continue;
            }
            seen.push((id, guard));
            if id == FINAL {
                state.ends.push(guard);
            }
            for (number, edge) in self.edges[id as usize].iter().enumerate() {
                let guard = guard.union(edge.unless);
                let Some(variable) = edge.take else {
                    open.push((edge.target, guard));
                    continue;
                };
                match places.iter().position(|p| *p == (id, number)) {
                    Some(place) => state.takes[place].guards.push(guard),
                    None => {
                        places.push((id, number));
                        state.takes.push(Take { variable, guards: vec![guard], target: edge.target });
                    }
                }
            }
        }
        state
    }
}
