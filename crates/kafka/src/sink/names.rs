//! The names of transactions: the user's prefix, the job, the subtask, and a number that is drawn for each.
//!
//! No name is used twice. So whatever becomes of a process, a transaction's state under its name is that of this very
//! transaction for as long as Kafka remembers it, which is a week by default. Kafka forgets names that nobody uses.

use flott_api::env::Rng;
use flott_api::ids::{JobId, Subtask};

/// What all names of a table in a job begin with.
pub(crate) fn prefix_of(prefix: &str, job: JobId) -> String {
    format!("{prefix}-{job}-")
}

/// A new name.
pub(super) fn name(prefix: &str, job: JobId, subtask: Subtask, rng: &dyn Rng) -> String {
    format!("{}{}-{:016x}", prefix_of(prefix, job), subtask.index, rng.next_u64())
}
