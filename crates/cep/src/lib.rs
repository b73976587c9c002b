//! Complex event processing: finds the sequences of events that a pattern describes.
//!
//! Flink counterpart: the library `flink-cep`, as `MATCH_RECOGNIZE` uses it: strict contiguity, so a match is a run of
//! events without gaps, each taken by a variable of the pattern.
//!
//! Reading order: [`pattern`] is what is looked for, [`nfa`] what it is compiled to, [`matcher`] what is remembered of one
//! key and how an event changes it. Below it are `queue` (in which order partial matches are worked on), `tree` (the
//! events that they share) and `codec` (all of it as bytes).
//!
//! The matcher is pure. It knows nothing of rows and expressions: for each event its owner says which variables' conditions
//! hold, as a [`VariableSet`] for each partial match. Most conditions look at the event alone, so they are evaluated in
//! columns for many events at once; only those that look back need to know the partial match.
//!
//! **Invariant.** Given the same events and conditions it finds the matches that Flink finds, and of several that start with
//! one event the same one first: after a match, the skip strategy removes others.

pub(crate) mod codec;
pub mod matcher;
pub mod nfa;
pub mod pattern;
mod queue;
#[cfg(test)]
mod testing;
mod tree;

pub use matcher::{Match, Matcher, PartialMatch, Run};
pub use nfa::{Nfa, Skip};
pub use pattern::{Pattern, Times, VARIABLES_MAX, Variable, VariableSet};
