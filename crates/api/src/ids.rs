//! Names of jobs, tasks and checkpoints. Every message and metric of a task names all of them, so
//! that a zombie of an older attempt is seen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A job: 128 random bits, printed as Flink prints them (32 hex digits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u128);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for JobId {
    type Err = crate::Error;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wrong = || crate::Error::invalid(format!("'{s}' is no job id")).with_hint("A job id has 32 hex digits.");
        if s.len() != 32 {
            return Err(wrong());
        }
        u128::from_str_radix(s, 16).map(JobId).map_err(|_| wrong())
    }
}

/// An operator's lasting name: the user's uid, or a hash of what gives its state meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperatorUid(pub String);

impl fmt::Display for OperatorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a checkpoint, rising from 1 within a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckpointId(pub u64);

/// How often the job was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attempt(pub u32);

/// One parallel instance of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subtask {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub parallelism: u32,
}

impl fmt::Display for Subtask {
    /// As Flink names it in logs: `(1/4)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}/{})", self.index + 1, self.parallelism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_read_as_they_print() {
        let id = JobId(0xabc);
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert!("abc".parse::<JobId>().is_err());
    }
}
