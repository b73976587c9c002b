//! Rows go to the matchers of their partitions, many at a time.
//!
//! Conditions of the current row alone are evaluated for all rows together. Those that look back need to know what the
//! partial matches have taken: their rows go in rounds, the first of each partition, then the second, and in each round a
//! condition is evaluated once, for all partial matches of all partitions.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use flott_api::Result;
use flott_cep::{Match, Nfa, Run, Variable, VariableSet};
use flott_functions::{CompiledExpr, EvalContext};
use flott_state::row::RowEncoder;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::entries::{MatchEntries, Stored, stored_bytes};
use super::expression::{Kept, OfMatch, Reach};
use super::looked::Looked;

/// What a variable asks of its rows.
pub(super) enum Condition {
    /// Nothing.
    None,
    /// Something of the row alone: an expression over the input.
    OfRow(CompiledExpr),
    /// Something of what was taken before, too.
    OfMatch(OfMatch, Reach),
}

/// A row comes to a partition, or only time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) group: u32,
    /// A row of the batch.
    pub(super) row: Option<usize>,
    pub(super) at_ms: i64,
}

/// A match with the partition in which it was found.
pub(super) struct Found {
    pub(super) group: u32,
    pub(super) matched: Match<Stored>,
}

/// How rows are matched.
pub(super) struct Matching {
    pub(super) nfa: Arc<Nfa>,
    pub(super) conditions: Vec<Condition>,
    pub(super) kept: Kept,
    /// The variables whose condition looks back.
    look_back: VariableSet,
}

impl Matching {
    pub(super) fn new(nfa: Arc<Nfa>, conditions: Vec<Condition>, kept: Kept) -> Self {
        let of_match = (0u8..).zip(&conditions).filter(|(_, c)| matches!(c, Condition::OfMatch(..)));
        let look_back = of_match.fold(VariableSet::EMPTY, |all, (v, _)| all.union(VariableSet::of(Variable(v))));
        Matching { nfa, conditions, kept, look_back }
    }

    /// Takes steps, those of a partition in their order: the matches that are found, in the order of the steps.
    pub(super) fn take(
        &self,
        entries: &mut MatchEntries,
        (rows, steps): (&RecordBatch, &[Step]),
        cx: &EvalContext,
    ) -> Result<Vec<Found>> {
        let kept = self.kept.of_rows(rows)?;
        let mut work = Work {
            matching: self,
            holds: self.of_rows(rows, cx)?,
            encoder: RowEncoder::new(&kept)?,
            rows: (rows, &kept),
            run: Run::new(&self.nfa),
            found: Vec::new(),
        };
        if self.look_back == VariableSet::EMPTY {
            for (number, step) in steps.iter().enumerate() {
                work.time(entries, number, step)?;
                work.event(entries, number, step, &[])?;
            }
        } else {
            for round in rounds(steps) {
                work.round(entries, steps, (&round, cx))?;
            }
        }
        work.found.sort_by_key(|(number, _)| *number);
        Ok(work.found.into_iter().map(|(_, found)| found).collect())
    }

    /// For each row the variables whose condition holds, as far as that is a question of the row alone.
    fn of_rows(&self, rows: &RecordBatch, cx: &EvalContext) -> Result<Vec<VariableSet>> {
        let mut holds = vec![VariableSet::EMPTY; rows.num_rows()];
        if holds.is_empty() {
            return Ok(holds);
        }
        for (variable, condition) in (0u8..).zip(&self.conditions) {
            let variable = VariableSet::of(Variable(variable));
            match condition {
                Condition::None => holds.iter_mut().for_each(|h| *h = h.union(variable)),
                Condition::OfRow(condition) => {
                    let condition = condition.evaluate_predicate(rows, cx)?;
                    let holding = holds.iter_mut().zip(&condition).filter(|(_, c)| *c == Some(true));
                    holding.for_each(|(h, _)| *h = h.union(variable));
                }
                Condition::OfMatch(..) => {}
            }
        }
        Ok(holds)
    }
}

/// The steps by how many of their partition come before them.
fn rounds(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut before: HashMap<u32, usize, FixedState> = HashMap::default();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let round = before.entry(step.group).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(number);
        *round += 1;
    }
    rounds
}

/// Steps at work.
struct Work<'w> {
    matching: &'w Matching,
    /// For each row what holds of it alone.
    holds: Vec<VariableSet>,
    encoder: RowEncoder,
    /// The rows, and what is kept of them.
    rows: (&'w RecordBatch, &'w RecordBatch),
    run: Run<'w, Stored>,
    /// Each with the number of its step.
    found: Vec<(usize, Found)>,
}

/// For each step of a round what holds for each of its partial matches.
#[derive(Default)]
struct Holds {
    sets: Vec<VariableSet>,
    ends: Vec<usize>,
}

impl Holds {
    fn of(&self, step: usize) -> &[VariableSet] {
        let from = if step == 0 { 0 } else { self.ends[step - 1] };
        &self.sets[from..self.ends[step]]
    }
}

impl Work<'_> {
    /// Steps of different partitions.
    fn round(
        &mut self,
        entries: &mut MatchEntries,
        steps: &[Step],
        (round, cx): (&[usize], &EvalContext),
    ) -> Result<()> {
        for number in round {
            self.time(entries, *number, &steps[*number])?;
            // So that the match that has not begun is there to be asked for.
            entries.matcher_mut(steps[*number].group);
        }
        let holds = self.look_back(entries, steps, (round, cx))?;
        for (place, number) in round.iter().enumerate() {
            self.event(entries, *number, &steps[*number], holds.of(place))?;
        }
        Ok(())
    }

    /// Evaluates the conditions that look back.
    fn look_back(
        &self,
        entries: &MatchEntries,
        steps: &[Step],
        (round, cx): (&[usize], &EvalContext),
    ) -> Result<Holds> {
        let Matching { nfa, conditions, .. } = self.matching;
        let mut holds = Holds::default();
        let mut asked: Vec<(Looked<'_>, Vec<usize>)> = (0u8..)
            .zip(conditions)
            .map(|(variable, _)| (Looked::for_condition(Variable(variable)), Vec::new()))
            .collect();
        for number in round {
            let step = &steps[*number];
            if let (Some(row), Some(matcher)) = (step.row, entries.matcher(step.group)) {
                for partial in matcher.partial_matches(nfa) {
                    for (variable, condition) in conditions.iter().enumerate() {
                        let Condition::OfMatch(_, reach) = condition else { continue };
                        if partial.needs().contains(Variable(variable as u8)) {
                            asked[variable].0.push_partial(&partial, (row, step.at_ms), reach);
                            asked[variable].1.push(holds.sets.len());
                        }
                    }
                    holds.sets.push(self.holds[row]);
                }
            }
            holds.ends.push(holds.sets.len());
        }
        for (variable, (looked, places)) in asked.iter().enumerate() {
            let Condition::OfMatch(condition, _) = &conditions[variable] else { continue };
            if looked.len() == 0 {
                continue;
            }
            let values = condition.evaluate(looked, self.rows, cx)?;
            let values = values.as_boolean();
            for (item, place) in places.iter().enumerate() {
                if values.is_valid(item) && values.value(item) {
                    holds.sets[*place] = holds.sets[*place].union(VariableSet::of(Variable(variable as u8)));
                }
            }
        }
        Ok(holds)
    }

    fn time(&mut self, entries: &mut MatchEntries, number: usize, step: &Step) -> Result<()> {
        if self.matching.nfa.has_limit() && entries.matcher(step.group).is_some() {
            self.run.time(entries.matcher_mut(step.group), step.at_ms)?;
            self.collect(number, step);
        }
        Ok(())
    }

    /// A row comes. `holds` says for each partial match what holds, where that is not the same for all.
    fn event(&mut self, entries: &mut MatchEntries, number: usize, step: &Step, holds: &[VariableSet]) -> Result<()> {
        let Some(row) = step.row else { return Ok(()) };
        let (of_row, encoder) = (self.holds[row], &self.encoder);
        if holds.is_empty() && entries.matcher(step.group).is_none() && !self.matching.nfa.begins(of_row) {
            return Ok(());
        }
        let stored = || {
            let mut bytes = Vec::new();
            encoder.encode(row, &mut bytes);
            let stored = Stored::from(bytes);
            let bytes = stored_bytes(&stored);
            (stored, bytes)
        };
        let holds = |partial: usize| holds.get(partial).copied().unwrap_or(of_row);
        self.run.event(entries.matcher_mut(step.group), step.at_ms, holds, stored)?;
        self.collect(number, step);
        Ok(())
    }

    fn collect(&mut self, number: usize, step: &Step) {
        let found = self.run.found.drain(..);
        self.found.extend(found.map(|matched| (number, Found { group: step.group, matched })));
    }
}
