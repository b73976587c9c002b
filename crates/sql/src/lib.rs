//! Flink SQL: text to job graph.
//!
//! Reading order: [`parser`] (text to statements), [`config`] (how), [`catalog`] (what tables there are), [`plan`]
//! (queries to streams to a job graph), [`session`] (what a statement does).
//!
//! **Invariant.** This crate knows no connector: it is given factories by their trait. It does no
//! I/O but the catalog store's, and that through `flott_api::env`.

pub mod catalog;
pub mod config;
pub mod parser;
pub mod plan;
pub mod secret;
pub mod session;
