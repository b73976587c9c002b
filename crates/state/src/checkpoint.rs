//! Checkpoints on object storage: what one consists of ([`manifest`]), and the directory of a job with
//! its checkpoints, its state files and the log of who owns them.

pub mod manifest;
