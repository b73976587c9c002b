//! The enumerator of a source whose splits are known from the begin: it hands them out, and again those it gets back.
//!
//! **State**: the splits that nobody has. How many there are is settled when the job is first started; a restore with
//! more or fewer readers only deals them anew.

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// Splits that are handed out at once.
pub struct FixedSplits {
    splits: Vec<Split>,
}

#[derive(Serialize, Deserialize)]
struct Memory {
    version: u32,
    /// Ids and states.
    waiting: Vec<(String, Vec<u8>)>,
}

impl FixedSplits {
    /// A new enumerator with all splits, or a restored one.
    ///
    /// # Errors
    /// If the snapshot is damaged, or the splits cannot be made.
    pub fn new(restored: Option<Bytes>, all: impl FnOnce() -> Result<Vec<Split>>) -> Result<Self> {
        let Some(bytes) = restored else { return Ok(FixedSplits { splits: all()? }) };
        let damaged = |e| Error::corrupt("the state of an enumerator is damaged").with_source(e);
        let memory: Memory = serde_json::from_slice(&bytes).map_err(damaged)?;
        if memory.version != VERSION {
            let message = format!("an enumerator's state has the unknown version {}", memory.version);
            return Err(Error::corrupt(message));
        }
        let splits = memory.waiting.into_iter().map(|(id, state)| Split { id, state: Bytes::from(state) });
        Ok(FixedSplits { splits: splits.collect() })
    }
}

#[async_trait]
impl SplitEnumerator for FixedSplits {
    async fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: std::mem::take(&mut self.splits), finished: true })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.splits.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        let waiting = self.splits.iter().map(|s| (s.id.clone(), s.state.to_vec())).collect();
        let bytes = serde_json::to_vec(&Memory { version: VERSION, waiting });
        bytes.map(Bytes::from).map_err(|e| Error::internal("an enumerator's state cannot be written").with_source(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_state_is_refused() {
        let message = |bytes: &'static [u8]| {
            let restored = FixedSplits::new(Some(Bytes::from_static(bytes)), || Ok(Vec::new()));
            restored.err().unwrap().message().to_owned()
        };
        assert_eq!(message(b""), "the state of an enumerator is damaged");
        assert_eq!(message(br#"{"version":9,"waiting":[]}"#), "an enumerator's state has the unknown version 9");
    }
}
