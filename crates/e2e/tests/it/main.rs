//! Flott against Flink: what real Flink answered is recorded in `oracle/`, see its README.

mod expressions;
mod known;
mod scripts;
mod session;
