//! The connector against FerretDB, a real server of MongoDB's protocol that `script/services` starts, and for what that does
//! not know against a double that says what MongoDB says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod double;
mod faults;
mod lookup;
mod scan;
mod server;
mod sink;
mod strategies;
mod world;
