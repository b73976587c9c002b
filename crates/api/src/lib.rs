//! The nouns and the small traits that every other crate speaks.
//!
//! Reading order: what a row is ([`types`], [`batch`]), what happens to it ([`expr`], [`operator`],
//! [`aggregate`], [`process`], [`function`]), what it remembers ([`state`]), where it comes from and goes to ([`table`], [`source`],
//! [`lookup`], [`model`], [`sink`]), and the world
//! a job runs in ([`env`](mod@env), [`object`], [`http`], [`program`], [`key_group`], [`ids`], [`metrics`]).
//!
//! **Invariant.** This crate names neither DataFusion nor tokio, and does no I/O.

pub mod aggregate;
pub mod batch;
pub mod bitmap;
pub mod env;
pub mod error;
pub mod expr;
pub mod function;
pub mod http;
pub mod ids;
pub mod key_group;
pub mod lookup;
pub mod metrics;
pub mod model;
pub mod net;
pub mod object;
pub mod ongoing;
pub mod operator;
pub mod options;
pub mod process;
pub mod program;
pub mod row_kind;
pub mod sink;
pub mod source;
pub mod splits;
pub mod state;
pub mod table;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
pub mod variant;

pub use batch::{ChangeBatch, Mark, Watermark};
pub use error::{Error, ErrorKind, Location, Result};
pub use row_kind::{RowKind, RowKinds};
pub use types::{Field, LogicalType, Schema, TypeKind};

/// A future that a trait object returns: boxed once per batch, never per row.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The most rows that a batch may have.
pub const BATCH_ROWS_MAX: usize = 8192;
