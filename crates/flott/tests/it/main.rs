//! The binary as a user meets it: what it prints where, how it ends, and how it is stopped.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod checking;
mod flott;
mod http;
mod jdbc;
mod kafka;
mod killing;
mod ledger;
mod manual;
mod mongodb;
mod opensearch;
mod python;
mod python_batch;
mod recovery;
mod rescaling;
mod results;
mod running;
mod s3;
mod shell;
mod state_check;
mod stopping;
mod wasm;
