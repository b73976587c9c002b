//! Fakes and harnesses for tests: a world that stands still ([`world`]), rows from text ([`text`]),
//! object storage, also with faults, and state in memory ([`objects`], [`state`]), a seeded executor
//! ([`executor`]), a table that is looked up in ([`lookup`]), a model ([`model`]), programs ([`programs`]),
//! functions of a language ([`functions`]), the operator harness ([`operator`]), what every object
//! store, source and sink promises ([`mod@object_contract`], [`mod@source_contract`], [`mod@sink_contract`]), also those of
//! systems outside ([`blocking`]), and functions with state ([`process`]). Never part of a release.

pub mod blocking;
pub mod executor;
pub mod functions;
pub mod lookup;
pub mod model;
pub mod object_contract;
pub mod objects;
pub mod operator;
pub mod process;
pub mod programs;
pub mod sink_contract;
pub mod source_contract;
pub mod state;
pub mod text;
pub mod world;

pub use blocking::{BlockOn, Blocking, BlockingSink, BlockingSource};
pub use executor::SimExecutor;
pub use lookup::LookupTest;
pub use model::ModelTest;
pub use object_contract::{object_contract, object_contract_without, object_pages_contract};
pub use objects::{FaultyObjects, MemoryObjects};
pub use operator::{Case, InputsCase, JoinCase, check, check_inputs, check_join, check_restorable};
pub use process::process_functions;
pub use programs::FakePrograms;
pub use sink_contract::{SinkWorld, sink_contract};
pub use source_contract::source_contract;
pub use state::{FakeSnapshot, FakeStateStore};
pub use text::{batch, lines};
pub use world::{Emitted, FakeTimers, FakeWorld, RecordedOutput, open_context, open_context_with, ready};
