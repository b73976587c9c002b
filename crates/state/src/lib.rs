//! Keyed state: the containers in which operators remember.
//!
//! Reading order: how a value lies in a container ([`canonical`]), a key and a row in bytes ([`mod@key`],
//! [`row`], [`codec`]), the containers themselves ([`hot`]), the store below them ([`store`]), and what a
//! checkpoint knows of both ([`handle`], [`checkpoint`]).

pub mod canonical;
pub mod checkpoint;
pub mod codec;
mod crc;
mod filter;
pub mod handle;
pub mod hot;
pub mod key;
pub mod row;
pub mod store;
