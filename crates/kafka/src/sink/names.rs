//! The names of transactions: the user's prefix, the job, the sink, the subtask, and a number that is drawn for each.
//!
//! Several sinks of a job may write one table, or have one prefix; each looks after its own names. A sink is known by its
//! specification, but for settings of the client, which may be mended between two runs.
//!
//! No name is used twice. So whatever becomes of a process, a transaction's state under its name is that of this very
//! transaction for as long as Kafka remembers it, which is a week by default. Kafka forgets names that nobody uses.

use flott_api::env::Rng;
use flott_api::ids::{JobId, Subtask};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};
use sha2::{Digest, Sha256};

/// So much of a hash tells the sinks of a job apart.
const TAG_BYTES: usize = 6;

/// What names a sink within its job.
///
/// # Errors
/// If the specification cannot be written.
pub(super) fn tag_of(spec: &SinkSpec) -> Result<String> {
    let mut told = spec.clone();
    told.options.0.retain(|key, _| !key.starts_with("properties."));
    let bytes = serde_json::to_vec(&told).map_err(|e| Error::internal("a sink cannot be named").with_source(e))?;
    Ok(Sha256::digest(&bytes).iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect())
}

/// What all names of a sink begin with.
pub(crate) fn prefix_of(prefix: &str, job: JobId, tag: &str) -> String {
    format!("{prefix}-{job}-{tag}-")
}

/// A new name.
pub(super) fn name(prefix: &str, subtask: Subtask, rng: &dyn Rng) -> String {
    format!("{prefix}{}-{:016x}", subtask.index, rng.next_u64())
}
