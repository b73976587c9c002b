//! The connector against real databases, which `script/services` starts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod server;
mod world;

mod exactly_once;
mod faults;
mod lookup;
mod others;
mod scan;
mod sink;
mod tls;
