//! Fakes and harnesses for tests: a world that stands still ([`world`]), rows from text ([`text`]) and
//! the operator harness ([`operator`]). Never part of a release.

pub mod operator;
pub mod text;
pub mod world;

pub use operator::{Case, Restorable, check, check_restorable};
pub use text::{batch, lines};
pub use world::{FakeTimers, FakeWorld, RecordedOutput, open_context, ready};
