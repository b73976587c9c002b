//! Fakes and harnesses for tests: a world that stands still ([`world`]), rows from text ([`text`]),
//! object storage and state in memory ([`objects`], [`state`]) and the operator harness ([`operator`]). Never part of a release.

pub mod objects;
pub mod operator;
pub mod state;
pub mod text;
pub mod world;

pub use objects::MemoryObjects;
pub use operator::{Case, check, check_restorable};
pub use state::{FakeSnapshot, FakeStateStore};
pub use text::{batch, lines};
pub use world::{FakeTimers, FakeWorld, RecordedOutput, open_context, open_context_with, ready};
