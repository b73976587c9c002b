//! Labels that can be guessed.
//!
//! A writer has a *lineage*, a number, and numbers its transactions from 0 on; job, sink, lineage and number make the label.
//! A writer that was restored goes on with the lineage and the number of its checkpoint. Any other takes the first lineage
//! whose first label the database accepts. So behind a restore the transactions that are in no checkpoint are
//!
//! * of a lineage in the checkpoint: from the next number that its committable says, until there are no more;
//! * of another lineage: all of them, from 0 on, unless the first one was committed: then a checkpoint had it, and what it had
//!   left behind was rolled back at that time.
//!
//! Lineages are taken in order, so there are no more behind the first one that has no transaction.
//!
//! Several sinks of a job may write one table, with other columns or other changes; each looks after its own labels. A sink is
//! known by its specification, but for what may be mended between two runs: the user, the password, how long and how often one
//! tries.
//!
//! **State layout.** A writer's state and the payload of a committable are JSON with a version.

use bytes::Bytes;
use flott_api::ids::JobId;
use flott_api::sink::Committable;
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// Options that do not say what the sink is.
const MENDED: [&str; 7] = [
    "username",
    "password",
    "jdbc-url",
    "sink.max-retries",
    "sink.connect.timeout-ms",
    "doris.request.connect.timeout.ms",
    "doris.request.read.timeout.ms",
];

/// What tells the labels of a sink from those of others in the same job.
///
/// # Errors
/// If the specification cannot be written.
pub(super) fn tag_of(spec: &SinkSpec) -> Result<u64> {
    let mut told = spec.clone();
    told.options.0.retain(|key, _| !MENDED.contains(&key.as_str()));
    let json = serde_json::to_vec(&told).map_err(|e| Error::internal("a sink cannot be named").with_source(e))?;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    Ok(json.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Makes the labels of a job and a sink.
#[derive(Clone)]
pub(super) struct Labels(String);

impl Labels {
    /// `tag` is the sink's, see [`tag_of`].
    pub(super) fn new(prefix: &str, job: JobId, tag: u64) -> Self {
        Labels(format!("{prefix}_{:032x}_{tag:016x}", job.0))
    }

    /// What all labels begin with.
    pub(super) fn all(&self) -> &str {
        &self.0
    }

    /// The label of a transaction.
    pub(super) fn label(&self, place: Place) -> String {
        format!("{}_{}_{}", self.0, place.lineage, place.number)
    }
}

/// Which transaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) lineage: u64,
    pub(super) number: u64,
}

/// What a writer hands over: transactions that are prepared, and where it goes on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    version: u32,
    pub(super) next: Place,
    pub(super) labels: Vec<String>,
}

impl Prepared {
    pub(super) fn new(next: Place, labels: Vec<String>) -> Self {
        Prepared { version: VERSION, next, labels }
    }

    /// As it is committed.
    ///
    /// # Errors
    /// Never in practice.
    pub(super) fn committable(&self, id: String) -> Result<Committable> {
        Ok(Committable { id, payload: bytes(self)? })
    }

    /// What a committable says.
    ///
    /// # Errors
    /// If its bytes are damaged or of a later version.
    pub(super) fn of(committable: &Committable) -> Result<Self> {
        let prepared: Prepared = read(&committable.payload)?;
        checked(prepared.version)?;
        Ok(prepared)
    }
}

/// What a restored writer must know.
#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    next: Place,
}

/// The state of a writer.
///
/// # Errors
/// Never in practice.
pub(super) fn state(next: Place) -> Result<Bytes> {
    bytes(&State { version: VERSION, next })
}

/// Where a writer goes on.
///
/// # Errors
/// If the bytes are damaged or of a later version.
pub(super) fn next_of(state: &[u8]) -> Result<Place> {
    let state: State = read(state)?;
    checked(state.version)?;
    Ok(state.next)
}

fn bytes(value: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|e| Error::internal("a committable is no JSON").with_source(e))
}

fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::corrupt("the state of a stream load is damaged").with_source(e))
}

fn checked(version: u32) -> Result<()> {
    if version == VERSION {
        return Ok(());
    }
    Err(Error::corrupt(format!("the state of a stream load has version {version}, and {VERSION} is known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_and_damaged_ones_are_refused() {
        let next = Place { lineage: 3, number: 7 };
        assert_eq!(next_of(&state(next).unwrap()).unwrap(), next);
        let prepared = Prepared::new(next, vec!["a".to_owned()]);
        let committable = prepared.committable("id".to_owned()).unwrap();
        assert_eq!(Prepared::of(&committable).unwrap(), prepared);
        for wrong in ["", "{}", r#"{"version":2,"next":{"lineage":0,"number":0},"labels":[]}"#] {
            let damaged = Committable { id: String::new(), payload: Bytes::from(wrong) };
            assert_eq!(Prepared::of(&damaged).unwrap_err().kind(), flott_api::ErrorKind::Corrupt, "{wrong}");
            assert!(next_of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_label_is_one_that_the_databases_take() {
        // More lineages there are never, and more transactions not in a thousand years.
        let place = Place { lineage: 999_999, number: 999_999_999_999 };
        let label = Labels::new(&"p".repeat(50), JobId(u128::MAX), u64::MAX).label(place);
        assert!(label.len() < 128 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{label}");
    }
}
