//! Functions in a real Python: what they are, what they are given and give, and what happens when they misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod aggregates;
mod describing;
mod faults;
mod forms;
mod values;
mod world;
