//! Fakes and harnesses for tests: a world that stands still ([`world`]), rows from text ([`text`]),
//! object storage and state in memory ([`objects`], [`state`]), the operator harness ([`operator`]) and what every source
//! and sink promises ([`source_contract`], [`sink_contract`]). Never part of a release.

pub mod objects;
pub mod operator;
pub mod sink_contract;
pub mod source_contract;
pub mod state;
pub mod text;
pub mod world;

pub use objects::MemoryObjects;
pub use operator::{Case, Restorable, check, check_restorable};
pub use sink_contract::{SinkWorld, sink_contract};
pub use source_contract::source_contract;
pub use state::{FakeSnapshot, FakeStateStore};
pub use text::{batch, lines};
pub use world::{FakeTimers, FakeWorld, RecordedOutput, open_context, open_context_with, ready};
