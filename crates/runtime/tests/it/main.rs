//! The runtime against real servers, which `script/services` starts.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]
#![cfg(feature = "buckets")]

mod azure;
mod double;
mod forbidding;
mod gcs;
mod s3;
