//! Fakes and harnesses for tests: a world that stands still ([`world`]), rows from text ([`text`]),
//! object storage, also with faults, and state in memory ([`objects`], [`state`]), what every object
//! store must do ([`mod@object_contract`]), a seeded executor ([`executor`]) and the operator harness
//! ([`operator`]). Never part of a release.

pub mod executor;
pub mod object_contract;
pub mod objects;
pub mod operator;
pub mod state;
pub mod text;
pub mod world;

pub use executor::SimExecutor;
pub use object_contract::{object_contract, object_pages_contract};
pub use objects::{FaultyObjects, MemoryObjects};
pub use operator::{Case, check, check_restorable};
pub use state::{FakeSnapshot, FakeStateStore};
pub use text::{batch, lines};
pub use world::{FakeTimers, FakeWorld, RecordedOutput, open_context, open_context_with, ready};
