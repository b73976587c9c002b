//! Runs a job graph in this process: tasks, channels, watermarks, coordination.
//!
//! Reading order, as a row travels: [`submit()`] cuts the graph into tasks and starts them; a source
//! or a `gate` brings elements in; a `chain` of operators works on them; an `exchange` sends the
//! result over a [`channel`]. The [`job`] watches over all of it. [`mod@environment`] is the real world.
//!
//! **Invariant.** The runtime knows no operator and no connector; both come from factories in
//! [`Plugins`]. A process reads the graph's bytes once, and each subtask rebuilds its operators from the specifications in it.

mod chain;
pub mod channel;
mod checker;
mod configuration;
mod coordinator;
pub mod environment;
mod exchange;
mod gate;
mod in_flight;
pub mod job;
mod launch;
mod master;
pub mod metrics;
mod plan;
mod plugins;
mod region;
mod report;
mod state;
mod submit;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use job::{JobHandle, JobOutcome, JobStatus};
pub use metrics::MetricsSnapshot;
pub use plugins::{Plugins, TableFactories};
pub use submit::{SubmitOptions, submit};
