//! The automaton of a pattern: states, and which variables lead from one to another.
//!
//! Flink counterpart: `NFACompiler`. A pattern is compiled from its end, so every part knows the state behind it. A step
//! without an event leads on without taking one; all such steps are resolved here, so that at run time a state has a list of
//! what it may take.
//!
//! **Greedy** is Flink's: the loop puts a guard on whatever leads on from the state behind it. That state's events must not be
//! ones that the loop could take, whether or not the loop was entered.
//!
//! **Beyond Flink** are alternatives and groups. There the guard of a greedy quantifier has all variables that may begin what
//! is repeated, and stands on a step of its own, so that only who comes out of the repetition meets it. Of the steps that lead
//! on from a state the one that the SQL standard prefers is looked at first: the first alternative, once more where the
//! quantifier is greedy, the end where it is reluctant.

use flott_api::{Error, Result};

use crate::pattern::{Pattern, VARIABLES_MAX, Variable, VariableSet};

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
    is_flat: bool,
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
        let is_flat = pattern.is_flat();
        let mut compiler = Compiler { edges: vec![Vec::new()], is_flat };
        let start = compiler.convert(pattern, FINAL)?;
        let states = compiler.resolve()?;
        Ok(Nfa { states, start, variables, is_flat, skip, within_ms: within_ms.filter(|w| *w > 0) })
    }

    /// Whether of matches that begin with one event those that the pattern prefers come first; else they come as in Flink.
    pub(crate) fn has_preference(&self) -> bool {
        !self.is_flat
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

/// What a quantifier repeats.
struct Repeated<'p> {
    pattern: &'p Pattern,
    greedy: bool,
    /// The state behind it.
    end: StateId,
}

struct Compiler {
    edges: Vec<Vec<Edge>>,
    /// Whether all of it is what Flink has, too.
    is_flat: bool,
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

    /// Where a greedy quantifier leads to: what follows it, for events that it could not take. The end leads nowhere.
    fn guarded(&mut self, sink: StateId, unless: VariableSet) -> Result<StateId> {
        if self.is_flat {
            self.edges[sink as usize].iter_mut().for_each(|edge| edge.unless = edge.unless.union(unless));
            return Ok(sink);
        }
        let exit = self.state()?;
        self.edges[exit as usize].push(Edge { take: None, unless, target: sink });
        Ok(exit)
    }

    /// The first state of a pattern that is followed by `sink`; nothing else leads to it.
    fn convert(&mut self, pattern: &Pattern, sink: StateId) -> Result<StateId> {
        match pattern {
            Pattern::Variable(variable) => {
                let head = self.state()?;
                self.step(head, Some(*variable), sink);
                Ok(head)
            }
            Pattern::Sequence(parts) => parts.iter().rev().try_fold(sink, |sink, part| self.convert(part, sink)),
            Pattern::Alternatives(parts) => self.alternatives(parts, sink),
            Pattern::Repeat { pattern, times, greedy } => {
                let least = times.min.max(1);
                if times.max.is_some_and(|max| max < least) {
                    let (min, max) = (times.min, times.max.unwrap_or_default());
                    return Err(Error::invalid("a quantifier of a pattern allows no number")
                        .with_detail(format!("It says at least {min} and at most {max}.")));
                }
                let has_choice = times.max != Some(least);
                let sink = if *greedy && has_choice { self.guarded(sink, pattern.first())? } else { sink };
                let repeated = Repeated { pattern, greedy: *greedy, end: sink };
                let more = match times.max {
                    None => self.looping(&repeated)?,
                    // So many times, then perhaps some more.
                    Some(max) => (least..max).try_fold(sink, |behind, _| self.once(&repeated, behind, true))?,
                };
                let last = (1..least).try_fold(more, |behind, _| self.once(&repeated, behind, false))?;
                self.once(&repeated, last, times.min == 0)
            }
        }
    }

    fn alternatives(&mut self, parts: &[Pattern], sink: StateId) -> Result<StateId> {
        let heads = parts.iter().map(|part| self.convert(part, sink)).collect::<Result<Vec<_>>>()?;
        let split = self.state()?;
        // The step that is added last is looked at first.
        heads.into_iter().rev().for_each(|head| self.step(split, None, head));
        Ok(split)
    }

    /// Once, unless it may be left out for the end of the repetition.
    fn once(&mut self, repeated: &Repeated<'_>, sink: StateId, optional: bool) -> Result<StateId> {
        let head = self.convert(repeated.pattern, sink)?;
        if !optional {
            return Ok(head);
        }
        if self.is_flat {
            self.step(head, None, repeated.end);
            return Ok(head);
        }
        let split = self.state()?;
        self.choice(split, head, repeated);
        Ok(split)
    }

    /// The state in which a loop goes on or ends.
    fn looping(&mut self, repeated: &Repeated<'_>) -> Result<StateId> {
        let looping = self.state()?;
        match repeated.pattern {
            Pattern::Variable(variable) if self.is_flat => {
                self.step(looping, None, repeated.end);
                self.step(looping, Some(*variable), looping);
            }
            pattern => {
                let head = self.convert(pattern, looping)?;
                self.choice(looping, head, repeated);
            }
        }
        Ok(looping)
    }

    /// From a state on with a repetition or to its end. The step that is added last is looked at first.
    fn choice(&mut self, from: StateId, more: StateId, repeated: &Repeated<'_>) {
        let (second, first) = if repeated.greedy { (repeated.end, more) } else { (more, repeated.end) };
        self.step(from, None, second);
        self.step(from, None, first);
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
