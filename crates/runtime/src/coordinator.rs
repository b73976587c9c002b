//! What a job needs one of, beside its subtasks: the enumerator of each source, and the committer of
//! each table that is written.

pub(crate) mod alignment;
pub(crate) mod assignment;
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod enumerator;
pub(crate) mod restart;
pub(crate) mod settings;
