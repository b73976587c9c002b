//! Keyed state: the containers in which operators remember.
//!
//! Reading order: how a value lies in a container ([`canonical`]) and a key in bytes ([`mod@key`]),
//! the containers themselves ([`hot`]), and how they are written down and read back ([`snapshot`]).
//! Today all state is hot: it lies in memory, and a snapshot is one run of bytes per operator. What will lie below
//! the containers is the store ([`store`]): files on object storage, of which checkpoints are lists.

pub mod canonical;
pub mod checkpoint;
pub mod handle;
pub mod hot;
pub mod key;
pub mod snapshot;
pub mod store;
