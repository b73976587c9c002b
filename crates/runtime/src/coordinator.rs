//! What a job needs one of, beside its subtasks: the enumerator of each source, and the committer of
//! each table that is written.

pub(crate) mod assignment;
#[allow(dead_code, reason = "the driver that takes these three is being written")]
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod enumerator;
#[allow(dead_code, reason = "see checkpoint")]
pub(crate) mod restart;
#[allow(dead_code, reason = "see checkpoint")]
pub(crate) mod settings;
