//! Fakes for the tests of this crate: rows, graphs, a clock moved by hand, sources and sinks that
//! follow a script.

pub(crate) mod fakes;
pub(crate) mod graph;
pub(crate) mod rows;
pub(crate) mod world;
