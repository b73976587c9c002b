//! Checkpoints on object storage: what one consists of ([`manifest`]), and the directory of a job with
//! its checkpoints, its state files and the log of who owns them.
//!
//! Reading order: the layout of a job's directory ([`directory`]), who owns it and when a checkpoint is
//! complete ([`log`]), what is deleted when ([`retention`]); [`savepoint`] for snapshots of the user,
//! [`check`] to look whether all is whole. Below them how files lie in bytes ([`codec`], [`mod@in_flight`]), where they lie
//! ([`location`], [`routing`]) and patience with a network ([`retrying`]). Nothing here starts a task.

pub mod check;
pub mod codec;
pub mod directory;
pub mod in_flight;
pub mod location;
pub mod log;
pub mod manifest;
pub mod retention;
pub mod retrying;
pub mod routing;
pub mod savepoint;
#[cfg(test)]
mod testing;

pub use check::{Report, check_contents, check_directory};
pub use codec::{decode_manifest, encode_manifest};
pub use directory::{CheckpointDirectory, Claimed, GoodCheckpoint};
pub use location::{is_uri, job_key};
pub use log::{Begins, CheckpointRecord, LogEntry, LogRecord, Run};
pub use manifest::Manifest;
pub use retrying::RetryingObjects;
pub use routing::RoutingObjects;
pub use savepoint::{Snapshot, read_snapshot, write_savepoint};
