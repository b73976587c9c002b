//! What the planner says to the runtime: a [`JobGraph`] of operators and edges that serialises.
//!
//! **Invariant.** The plan ships identifiers, options and specifications, never live objects: each
//! subtask rebuilds its operators from these bytes, also in the embedded process.

pub mod chain;
pub mod job;
mod json;
pub mod spec;

pub use chain::{Task, TaskEdge, chain};
pub use job::{Edge, JobGraph, Node, NodeId, Partitioning, Role, WatermarkAlignment};
