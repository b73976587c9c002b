//! Flott against Flink: what real Flink answered is recorded in `oracle/`, see its README.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod bad_input;
mod beyond;
mod cast_pairs;
mod expressions;
mod known;
mod models;
mod registry;
mod scripts;
mod session;
mod simulation;
mod two_phases;
