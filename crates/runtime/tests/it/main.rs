//! The runtime against real servers, which `script/services` starts.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]
#![cfg(feature = "s3")]

mod s3;
