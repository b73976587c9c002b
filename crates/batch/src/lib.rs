//! Bounded jobs on DataFusion's own execution: what runs when `execution.runtime-mode` is `batch`.
//!
//! The planner writes a [`BatchPlan`](flott_graph::spec::BatchPlan) into an option of the source `$batch`, and the runtime
//! runs that source as any other: it reads rows, a sink takes them and commits. Here the plan becomes a tree of
//! DataFusion's operators, with our connectors as its leaves, our compiled expressions behind its `PhysicalExpr` and our
//! aggregates behind its accumulators. So what DataFusion gives is joins, sorts and groups that spill; what a value is,
//! and what a function makes of it, is ours alone.
//!
//! Reading order: [`connector`] (the source `$batch`), `build` and `beside` (the tree), `expression`, `aggregate`, `join` (what
//! DataFusion calls back), `exec` (operators of our own), `waiting` (models, functions beside the job), `over` (window
//! functions), `scan` (a connector as a stream), `resources` and `pool` (memory and spilling).
//!
//! **Does not:** run in parallel: one stream of rows goes through the tree. What can neither fit into memory nor spill (one
//! huge group) fails, and names the option.

mod aggregate;
mod beside;
mod build;
mod columns;
pub mod connector;
mod error;
mod exec;
mod expression;
mod join;
mod ordered;
mod over;
mod pool;
mod resources;
mod scan;
#[cfg(test)]
mod tests;
mod waiting;

pub use connector::BatchFactory;
