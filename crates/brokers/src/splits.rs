//! Splits as bytes, and the enumerator that the sources of this crate share: it asks a server for splits, once or again and
//! again, and remembers which it found.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ongoing::Ongoing;
use flott_api::source::{Discovery, Split, SplitEnumerator};
use flott_api::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::link::Patience;

/// The version of splits and of what an enumerator remembers.
pub(crate) const VERSION: u32 = 1;

/// What lies in the bytes of a split.
pub(crate) trait SplitState: Serialize + DeserializeOwned {
    /// The version that was written.
    fn version(&self) -> u32;

    /// The lasting name of the split.
    fn id(&self) -> String;

    /// As a split.
    ///
    /// # Errors
    /// If it cannot be written.
    fn encode(&self) -> Result<Split> {
        let state =
            serde_json::to_vec(self).map_err(|e| Error::internal("a split cannot be written").with_source(e))?;
        Ok(Split { id: self.id(), state: Bytes::from(state) })
    }

    /// That of a split.
    ///
    /// # Errors
    /// If it is damaged, or of a version that is not known.
    fn decode(split: &Split) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("split '{}' is damaged", split.id)).with_source(e);
        let read: Self = serde_json::from_slice(&split.state).map_err(damaged)?;
        if read.version() != VERSION {
            return Err(Error::corrupt(format!("split '{}' has the unknown version {}", split.id, read.version())));
        }
        Ok(read)
    }
}

/// What is known of earlier searches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The splits that were found; empty at the first search.
    pub(crate) ids: Vec<String>,
    /// What the finder wants to remember.
    pub(crate) note: Option<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Splits that were not known.
    pub(crate) splits: Vec<Split>,
    pub(crate) note: Option<String>,
}

/// Asks a server which splits there are.
#[async_trait]
pub(crate) trait Finder: Send + Sync {
    /// The connector, for people.
    fn connector(&self) -> &'static str;

    /// How long what fails is tried again.
    fn retry_ms(&self) -> u64;

    /// When to look for more; never if there will be none.
    fn again_ms(&self) -> Option<u64> {
        None
    }

    /// Asks the server once.
    ///
    /// # Errors
    /// If it does not answer, or not as it should.
    async fn find(&self, environment: &Environment, known: &Known) -> Result<Found>;
}

#[derive(Serialize, Deserialize)]
struct Memory {
    version: u32,
    found: bool,
    waiting: Vec<(String, Vec<u8>)>,
    #[serde(default)]
    known: Vec<String>,
    #[serde(default)]
    note: Option<String>,
}

/// See the module.
pub(crate) struct Enumerator {
    finder: Arc<dyn Finder>,
    environment: Environment,
    memory: Memory,
    finding: Ongoing<Result<Found>>,
}

impl Enumerator {
    /// One that has found nothing, or goes on from its snapshot.
    ///
    /// # Errors
    /// If the snapshot is damaged.
    pub(crate) fn boxed(
        finder: Arc<dyn Finder>,
        environment: &Environment,
        restored: Option<Bytes>,
    ) -> Result<Box<dyn SplitEnumerator>> {
        let damaged = |e| Error::corrupt("the state of an enumerator is damaged").with_source(e);
        let memory = restored.map(|bytes| serde_json::from_slice::<Memory>(&bytes).map_err(damaged)).transpose()?;
        let new = Memory { version: VERSION, found: false, waiting: Vec::new(), known: Vec::new(), note: None };
        let memory = memory.unwrap_or(new);
        if memory.version != VERSION {
            let message = format!("an enumerator's state has the unknown version {}", memory.version);
            return Err(Error::corrupt(message));
        }
        let environment = environment.clone();
        Ok(Box::new(Enumerator { finder, environment, memory, finding: Ongoing::default() }))
    }

    /// Asks until there is an answer.
    async fn find(&mut self, wait_ms: u64) -> Result<()> {
        let (finder, environment) = (&self.finder, &self.environment);
        let known = Known { ids: self.memory.known.clone(), note: self.memory.note.clone() };
        let found = self.finding.run(|| {
            let (finder, environment) = (Arc::clone(finder), environment.clone());
            Box::pin(async move {
                environment.clock.sleep_ms(wait_ms).await;
                let mut patience = Patience::new(&environment, finder.retry_ms());
                loop {
                    match finder.find(&environment, &known).await {
                        Ok(found) => return Ok(found),
                        Err(e) => environment.clock.sleep_ms(patience.after(e)?).await,
                    }
                }
            })
        });
        let found = found.await.map_err(|e| e.context(format!("connector '{}'", self.finder.connector())))?;
        self.memory.found = true;
        self.memory.note = found.note;
        // Also if this is the only search: the next job may look again.
        self.memory.known.extend(found.splits.iter().map(|split| split.id.clone()));
        self.add_back(found.splits);
        Ok(())
    }
}

#[async_trait]
impl SplitEnumerator for Enumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        let again_ms = self.finder.again_ms();
        if !self.memory.found {
            self.find(0).await?;
        }
        while let (true, Some(again_ms)) = (self.memory.waiting.is_empty(), again_ms) {
            self.find(again_ms).await?;
        }
        let waiting = std::mem::take(&mut self.memory.waiting).into_iter();
        let splits = waiting.map(|(id, state)| Split { id, state: Bytes::from(state) }).collect();
        Ok(Discovery { splits, finished: again_ms.is_none() })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.memory.waiting.extend(splits.into_iter().map(|split| (split.id, split.state.to_vec())));
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        let bytes = serde_json::to_vec(&self.memory);
        bytes.map(Bytes::from).map_err(|e| Error::internal("an enumerator's state cannot be written").with_source(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds two splits, as far as they are not known.
    struct Two {
        again_ms: Option<u64>,
    }

    #[async_trait]
    impl Finder for Two {
        fn connector(&self) -> &'static str {
            "two"
        }

        fn retry_ms(&self) -> u64 {
            0
        }

        fn again_ms(&self) -> Option<u64> {
            self.again_ms
        }

        async fn find(&self, _: &Environment, known: &Known) -> Result<Found> {
            let new = ["a", "b"].into_iter().filter(|id| !known.ids.iter().any(|known| known == id));
            let splits = new.map(|id| Split { id: id.to_owned(), state: Bytes::new() }).collect();
            Ok(Found { splits, note: None })
        }
    }

    #[test]
    fn a_job_that_begins_to_look_again_finds_nothing_twice() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let environment = flott_runtime::environment::real();
        let enumerator = |again_ms, restored| Enumerator::boxed(Arc::new(Two { again_ms }), &environment, restored);
        let mut once = enumerator(None, None).unwrap();
        let found = runtime.block_on(once.discover()).unwrap();
        assert_eq!((found.splits.len(), found.finished), (2, true));
        let mut again = enumerator(Some(1), Some(once.snapshot().unwrap())).unwrap();
        let more = runtime.block_on(async {
            let late = environment.clock.sleep_ms(300);
            tokio::select! {
                biased;
                more = again.discover() => Some(more),
                () = late => None,
            }
        });
        assert!(more.is_none(), "{more:?}");
    }
}
